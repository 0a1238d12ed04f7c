//! The wire format: golden vectors, and bytes that are no frames.

use crate::random::run_cases;
use crate::world::{World, amount};
use proptest::prelude::*;
use std::fmt::Write as _;
use std::path::PathBuf;
use strait_protocol::{
    AppMove, AppStart, Body, ChildOpening, Frame, FrameError, MAX_FRAME_BYTES, MAX_OPERATIONS, Operation,
    Payment, Position, Refusal, Rule, SignedPosition, Sync, Update, WIRE_VERSION, history_hash,
};
use strait_types::{
    Address, AssetIndex, B256, ChannelId, ChildTerms, Lock, Side, Signature, Version, child_terms_hash,
};

const SIGNATURE: Signature = Signature([0x51; 64]);

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn payment() -> Payment {
    Payment {
        asset: AssetIndex(1),
        amount: amount(1_000_000),
        invoice: Some(B256::repeat_byte(0x1f)),
        memo: b"memo".to_vec(),
    }
}

fn lock() -> Lock {
    Lock::hash(Side::One, AssetIndex(0), amount(77), B256::repeat_byte(0xaa), 1_800_000_000)
}

/// One of each operation.
fn operations() -> Vec<(&'static str, Operation)> {
    let valid_until = 1_800_003_600;
    vec![
        ("pay", Operation::Pay(payment())),
        ("add lock", Operation::AddLock(lock())),
        ("settle lock", Operation::SettleLock { number: 3, preimage: B256::repeat_byte(0x0b) }),
        ("cancel lock", Operation::CancelLock { number: 4 }),
        (
            "withdraw",
            Operation::Withdraw { side: Side::One, asset: AssetIndex(0), amount: amount(5), valid_until },
        ),
        ("hand over", Operation::HandOver),
        ("finalise", Operation::Finalise { valid_until }),
    ]
}

/// One of each message.
fn bodies() -> Vec<(&'static str, Body)> {
    let hash = B256::repeat_byte(0x22);
    let sync = Sync {
        confirmed: Version(6),
        confirmed_hash: hash,
        signature: Some(SIGNATURE),
        restored: false,
        reply: true,
    };
    let update = Update {
        base: Version(6),
        base_hash: hash,
        version: Version(7),
        operations: operations().into_iter().map(|(_, operation)| operation).collect(),
        signature: SIGNATURE,
    };
    let refusal = Refusal {
        version: Version(7),
        index: Some(2),
        rule: Rule::LockExpiry,
        confirmed: Version(6),
        signature: None,
    };
    let mut position = Position::zero(ChannelId(B256::repeat_byte(0xc0)), 2);
    position.locks.push(strait_protocol::NumberedLock { number: 1, lock: lock() });
    position.locks_added = 2;
    position.payments = [8, 9];
    vec![
        ("sync", Body::Sync(sync)),
        ("update", Body::Update(update)),
        ("acknowledge", Body::Acknowledge { version: Version(7), signature: SIGNATURE }),
        ("refuse", Body::Refuse(refusal)),
        ("request pen", Body::RequestPen),
        ("propose", Body::Propose { id: 1, operation: Operation::Finalise { valid_until: 9 } }),
        ("answer", Body::Answer { id: 1, refused: Some(Rule::LocksPending) }),
        ("latest", Body::Latest(SignedPosition { position, signatures: [SIGNATURE; 2] })),
        (
            "rebase",
            Body::Rebase {
                base: Version(6),
                base_hash: hash,
                version: Version(1 << 55),
                signature: SIGNATURE,
            },
        ),
        ("fault", Body::Fault { rule: Rule::BadSignature }),
        ("demand", Body::Demand { deposits: vec![amount(5), amount(0)] }),
    ]
}

fn frames() -> Vec<(&'static str, Frame)> {
    let channel = ChannelId(B256::repeat_byte(0xc0));
    let params = World::with(2, &[crate::world::settings(), crate::world::settings()]).params;
    let mut frames = vec![
        ("open", Frame::Open { params }),
        ("decline", Frame::Decline { channel, reason: "no".into() }),
        ("unknown", Frame::Unknown { channel }),
    ];
    frames.extend(bodies().into_iter().map(|(name, body)| (name, Frame::Channel { channel, body })));
    frames.extend(frames_of_apps());
    frames.extend(frames_of_children());
    frames
}

/// What channels with an app add.
fn frames_of_apps() -> Vec<(&'static str, Frame)> {
    let channel = ChannelId(B256::repeat_byte(0xc0));
    let hash = B256::repeat_byte(0x22);
    let mut params = World::with(1, &[crate::world::settings(), crate::world::settings()]).params;
    params.app = Address::repeat_byte(0xa9);
    let first = AppMove { writer: Side::One, deltas: vec![[-5, 5]], data: vec![1, 2, 3] };
    let update = |operation| {
        let (base, base_hash, version) = (Version(6), hash, Version(7));
        Body::Update(Update {
            base,
            base_hash,
            version,
            operations: [operation].into(),
            signature: SIGNATURE,
        })
    };
    let outcome = vec![[5, -5]];
    let finish = Operation::Finish { outcome: outcome.clone(), valid_until: 1_800_003_600 };
    let start = AppStart { stakes: vec![[amount(5), amount(6)]], first: first.clone() };
    let bodies = [
        ("move", update(Operation::Move(first))),
        ("finish", update(finish)),
        ("offer finish", Body::OfferFinish { version: Version(6), outcome }),
        ("resume", Body::Resume { dispute: 2, signature: SIGNATURE }),
    ];
    let mut frames = vec![("open app", Frame::OpenApp { params, start })];
    frames.extend(bodies.map(|(name, body)| (name, Frame::Channel { channel, body })));
    frames
}

/// What child channels add.
fn frames_of_children() -> Vec<(&'static str, Frame)> {
    let channel = ChannelId(B256::repeat_byte(0xc0));
    let (child, opening) = child();
    let operations = operations_of_children().into_iter().map(|(_, operation)| operation).collect();
    let (base, base_hash, version) = (Version(6), B256::repeat_byte(0x22), Version(7));
    let update = Update { base, base_hash, version, operations, signature: SIGNATURE };
    let lock = opening.lock(child, AssetIndex(0), true);
    let mut position = Position::zero(channel, 1);
    position.locks.push(strait_protocol::NumberedLock { number: 0, lock });
    position.locks_added = 1;
    let latest = SignedPosition { position, signatures: [SIGNATURE; 2] };
    vec![
        ("open child", Frame::OpenChild { opening: Box::new(opening) }),
        ("child operations", Frame::Channel { channel, body: Body::Update(update) }),
        ("locked child", Frame::Channel { channel, body: Body::Latest(latest) }),
    ]
}

fn child() -> (ChannelId, ChildOpening) {
    let mut params = World::with(1, &[crate::world::settings(), crate::world::settings()]).params;
    let terms = ChildTerms {
        parent0: ChannelId(B256::repeat_byte(0xc0)),
        version0: 7,
        parent1: ChannelId(B256::ZERO),
        version1: 0,
        hub: Address::ZERO,
        end: 0,
        amounts: [amount(5), amount(6)],
    };
    params.app = Address::repeat_byte(0xa9);
    params.child = child_terms_hash(&terms);
    let first = AppMove { writer: Side::One, deltas: vec![[-5, 5]], data: vec![1, 2, 3] };
    (ChannelId(B256::repeat_byte(0xc1)), ChildOpening { params, terms, first: Some(first) })
}

fn operations_of_children() -> Vec<(&'static str, Operation)> {
    let (child, opening) = child();
    let open = Operation::OpenChild { child, asset: AssetIndex(0), flip: true, opening: Box::new(opening) };
    let close = Operation::CloseChild { child, outcome: [amount(11), amount(0)] };
    vec![("open child", open), ("close child", close)]
}

fn histories() -> Vec<(&'static str, B256)> {
    let all: Vec<_> = operations().into_iter().map(|(_, operation)| operation).collect();
    let mut vectors: Vec<_> = operations()
        .into_iter()
        .map(|(name, operation)| (name, history_hash(B256::ZERO, Side::Zero, 0, &[operation])))
        .collect();
    vectors.push(("nothing", history_hash(B256::ZERO, Side::Zero, 0, &[])));
    vectors.push(("all", history_hash(B256::repeat_byte(1), Side::One, u64::MAX, &all)));
    let of_children = operations_of_children().into_iter();
    vectors.extend(
        of_children.map(|(name, operation)| (name, history_hash(B256::ZERO, Side::Zero, 0, &[operation]))),
    );
    vectors
}

fn render() -> String {
    let mut text = String::from("{\n  \"frames\": {\n");
    let line = |name: &str, value: String| format!("    \"{name}\": \"{value}\"");
    let frames: Vec<_> = frames().iter().map(|(name, frame)| line(name, hex(frame.encode()))).collect();
    let rules: Vec<_> = (0..=u8::MAX)
        .filter_map(|number| borsh::from_slice::<Rule>(&[number]).ok().map(|rule| (number, rule)))
        .map(|(number, rule)| line(&number.to_string(), format!("{rule:?}")))
        .collect();
    let histories: Vec<_> = histories().iter().map(|(name, hash)| line(name, hex(hash))).collect();
    write!(
        text,
        "{}\n  }},\n  \"rules\": {{\n{}\n  }},\n  \"history_hashes\": {{\n{}\n  }}\n}}\n",
        frames.join(",\n"),
        rules.join(",\n"),
        histories.join(",\n")
    )
    .unwrap();
    text
}

/// `STRAIT_WRITE_VECTORS=1` writes them anew: a change of the format, to be made knowingly.
#[test]
fn the_format_is_the_one_of_the_vectors() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../vectors/wire.json");
    let rendered = render();
    if std::env::var_os("STRAIT_WRITE_VECTORS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &rendered).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap();
    assert_eq!(rendered, stored, "the wire or signed format has changed");
}

#[test]
fn what_is_encoded_decodes_to_the_same() {
    for (name, frame) in frames() {
        assert_eq!(Frame::decode(&frame.encode()), Ok(frame), "{name}");
    }
}

#[test]
fn a_history_binds_everything() {
    let pay = [Operation::Pay(payment())];
    let hash = history_hash(B256::ZERO, Side::Zero, 0, &pay);
    let mut other = payment();
    other.memo.push(b'!');
    let variants = [
        history_hash(B256::repeat_byte(1), Side::Zero, 0, &pay),
        history_hash(B256::ZERO, Side::One, 0, &pay),
        history_hash(B256::ZERO, Side::Zero, 1, &pay),
        history_hash(B256::ZERO, Side::Zero, 0, &[]),
        history_hash(B256::ZERO, Side::Zero, 0, &[pay[0].clone(), pay[0].clone()]),
        history_hash(B256::ZERO, Side::Zero, 0, &[Operation::Pay(other)]),
    ];
    assert!(variants.iter().all(|variant| *variant != hash));
}

#[test]
fn truncated_and_trailing_bytes_are_malformed() {
    for (name, frame) in frames() {
        let mut bytes = frame.encode();
        for end in 1..bytes.len() {
            assert!(matches!(Frame::decode(&bytes[..end]), Err(FrameError::Malformed(_))), "{name} {end}");
        }
        bytes.push(0);
        assert!(matches!(Frame::decode(&bytes), Err(FrameError::Malformed(_))), "{name}");
    }
    assert!(matches!(Frame::decode(&[]), Err(FrameError::Malformed(_))));
}

#[test]
fn other_versions_and_oversized_frames_are_told_apart() {
    let mut bytes = frames()[1].1.encode();
    bytes[0] = WIRE_VERSION + 1;
    assert_eq!(Frame::decode(&bytes), Err(FrameError::WrongVersion(WIRE_VERSION + 1)));
    let large = vec![WIRE_VERSION; MAX_FRAME_BYTES + 1];
    assert_eq!(Frame::decode(&large), Err(FrameError::TooLarge(MAX_FRAME_BYTES + 1)));
}

/// A frame of bare hand-overs would take a hundred times its size in memory.
#[test]
fn more_operations_than_a_version_may_have_are_not_read() {
    let update = |count: usize| {
        let operations = vec![Operation::HandOver; count].into();
        let (base, version) = (Version(0), Version(1));
        let update = Update { base, base_hash: B256::ZERO, version, operations, signature: SIGNATURE };
        Frame::Channel { channel: ChannelId(B256::ZERO), body: Body::Update(update) }.encode()
    };
    assert!(Frame::decode(&update(MAX_OPERATIONS)).is_ok());
    assert!(matches!(Frame::decode(&update(MAX_OPERATIONS + 1)), Err(FrameError::Malformed(_))));
}

#[test]
fn the_largest_version_fits_a_frame() {
    let largest = Payment { memo: vec![7; strait_protocol::MAX_MEMO_BYTES], ..payment() };
    let operations = vec![Operation::Pay(largest); MAX_OPERATIONS].into();
    let (base, version) = (Version(0), Version(1));
    let update = Update { base, base_hash: B256::ZERO, version, operations, signature: SIGNATURE };
    let frame = Frame::Channel { channel: ChannelId(B256::ZERO), body: Body::Update(update) };
    assert!(frame.encode().len() <= MAX_FRAME_BYTES);
}

#[test]
fn no_bytes_make_decoding_fail_otherwise() {
    let noise = prop::collection::vec(any::<u8>(), 0..300);
    run_cases(2_000, &noise, |mut bytes| {
        drop(Frame::decode(&bytes));
        if let Some(first) = bytes.first_mut() {
            *first = WIRE_VERSION;
        }
        if let Ok(frame) = Frame::decode(&bytes) {
            assert_eq!(frame.encode(), bytes, "one encoding for each frame");
        }
    });
    let all: Vec<Vec<u8>> = frames().iter().map(|(_, frame)| frame.encode()).collect();
    let damage = (0..all.len(), prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6));
    run_cases(4_000, &damage, |(which, damage)| {
        let mut bytes = all[which].clone();
        for (at, value) in damage {
            let at = at.index(bytes.len() - 1) + 1;
            bytes[at] = value;
        }
        if let Ok(frame) = Frame::decode(&bytes) {
            assert_eq!(frame.encode(), bytes, "one encoding for each frame");
        }
    });
}

/// A length prefix alone reserves no memory to speak of: this ends at once.
#[test]
fn length_prefixes_are_not_believed() {
    for (_, frame) in frames() {
        let bytes = frame.encode();
        for at in 1..bytes.len().saturating_sub(4) {
            let mut damaged = bytes.clone();
            damaged[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
            drop(Frame::decode(&damaged));
        }
    }
}
