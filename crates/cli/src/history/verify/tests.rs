use super::*;
use crate::testing::Page;
use strait_api::SignedState;
use strait_node::service::{params_json, typed_data};
use strait_protocol::{AppMove, Operation, Payment, Position, Record, SignedPosition, Update};
use strait_types::{
    Address, Amount, AssetIndex, B256, Bytes, ChannelParams, Domain, Lock, Participant, Side, SigningKey,
    Version,
};

const TOKEN: Address = Address::repeat_byte(0x70);

/// Two who agree, seen from participant 0.
struct Channel {
    keys: [SigningKey; 2],
    params: ChannelParams,
    domain: Domain,
    position: Position,
    records: Vec<Record>,
}

fn pay(asset: u8, amount: u64, memo: &str) -> Operation {
    let memo = memo.as_bytes().to_vec();
    Operation::Pay(Payment { asset: AssetIndex(asset), amount: Amount::from(amount), invoice: None, memo })
}

impl Channel {
    fn new() -> Channel {
        let keys = [1, 2].map(|byte| SigningKey::from_bytes([byte; 32]).expect("a key"));
        let participants = [0, 1]
            .map(|side: usize| Participant { signer: keys[side].address(), payout: keys[side].address() });
        let params = ChannelParams {
            participants,
            challenge_duration: 3_600,
            nonce: u64::MAX,
            app: Address::ZERO,
            child: B256::ZERO,
            assets: vec![Address::ZERO, TOKEN],
        };
        let domain = Domain::new(1337, Address::repeat_byte(0xad));
        let position = Position::zero(params.id(1337, Address::repeat_byte(0xad)), 2);
        Channel { keys, params, domain, position, records: Vec::new() }
    }

    fn update(&self, base: &Position, version: u64, operations: Vec<Operation>) -> (Update, Position) {
        let operations = operations.into();
        let next = base.next(Version(version), &operations, &mut |_, _| Ok(())).expect("allowed");
        let writer = base.state.writer;
        let ends = matches!(operations[..], [Operation::Finish { .. }]);
        let signature = self.sign(if ends { writer.other() } else { writer }, &next);
        let (base_hash, base) = (base.state.hash(), base.state.version);
        (Update { base, base_hash, version: Version(version), operations, signature }, next)
    }

    fn sign(&self, side: Side, position: &Position) -> strait_types::Signature {
        self.keys[side.index()].sign(self.domain.state_digest(position.state.hash()))
    }

    /// The holder of the pen writes, and the other agrees.
    fn agree(&mut self, version: u64, operations: Vec<Operation>) {
        let (update, next) = self.update(&self.position, version, operations);
        let writer = update.author(self.position.state.writer);
        if writer == Side::Zero {
            self.records.push(Record::Wrote(update));
            let signature = self.sign(Side::One, &next);
            self.records.push(Record::Confirmed { version: Version(version), signature });
        } else {
            self.records.push(Record::Accepted(update));
        }
        self.position = next;
    }

    fn proof(&self) -> HistoryProof {
        let signatures = Side::BOTH.map(|side| match self.position.state.version {
            Version::ZERO => Bytes::new(),
            _ => Bytes::copy_from_slice(&self.sign(side, &self.position).0),
        });
        let params = params_json(&self.params);
        let latest = SignedState {
            params: params.clone(),
            typed_data: typed_data(&self.domain, &self.position.state),
            digest: self.domain.state_digest(self.position.state.hash()),
            signatures,
        };
        let encode = |record: &Record| Bytes::from(borsh::to_vec(record).expect("bytes"));
        HistoryProof {
            chain_id: 1337,
            adjudicator: self.domain.adjudicator(),
            params,
            side: 0,
            start: None,
            records: self.records.iter().map(encode).collect(),
            latest: serde_json::to_value(latest).expect("JSON"),
            next: None,
        }
    }
}

/// One of everything: payments both ways, a refused version, a lock, a withdrawal, a restore.
fn busy() -> Channel {
    let mut channel = Channel::new();
    channel.agree(1, vec![pay(0, 100, "tea"), pay(1, 7, "token")]);
    let (refused, _) = channel.update(&channel.position, 2, vec![pay(0, 999, "refused")]);
    channel.records.extend([Record::Wrote(refused), Record::RolledBack]);
    let preimage = B256::repeat_byte(9);
    let hash = B256::new(<sha2::Sha256 as sha2::Digest>::digest(preimage.0).into());
    let lock = Lock::hash(Side::Zero, AssetIndex(0), Amount::from(50), hash, 1_800_000_000);
    channel.agree(3, vec![Operation::AddLock(lock), Operation::HandOver]);
    channel.agree(4, vec![pay(0, 30, "refund"), Operation::SettleLock { number: 0, preimage }]);
    let withdraw = Operation::Withdraw {
        side: Side::One,
        asset: AssetIndex(0),
        amount: Amount::from(20),
        valid_until: 5,
    };
    channel.agree(5, vec![withdraw]);
    let rebased = channel.position.rebased(Version(1 << 40), false);
    let signature = channel.sign(Side::One, &rebased);
    channel.records.push(Record::Rebased { version: Version(1 << 40), signature });
    channel.position = rebased;
    channel.agree((1 << 40) + 1, vec![pay(0, 1, "after")]);
    channel
}

fn verify(proof: &HistoryProof) -> Result<Verified, String> {
    proof::verify(proof).map_err(|failure| failure.to_string())
}

#[test]
fn a_true_bill_holds_and_adds_up() {
    let verified = verify(&busy().proof()).expect("holds");
    let amounts = |pair: [u64; 2]| pair.map(Amount::from);
    assert_eq!(verified.version, (1 << 40) + 1);
    assert_eq!(verified.totals[0].paid, amounts([100, 31]));
    assert_eq!(verified.totals[0].payments, [1, 2]);
    assert_eq!(verified.totals[0].withdrawn, amounts([0, 20]));
    assert_eq!(verified.totals[0].change, ["-119", "99"]);
    assert_eq!(verified.totals[1].paid, amounts([7, 0]));
    assert_eq!(verified.totals[1].change, ["-7", "7"]);
}

#[test]
fn a_new_channel_has_an_empty_bill() {
    assert_eq!(verify(&Channel::new().proof()).expect("holds").version, 0);
}

#[test]
fn no_record_can_be_changed_left_out_swapped_or_repeated() {
    let proof = busy().proof();
    // What was refused leaves nothing, and a version of the peer's answers all below it: some records say nothing new.
    let bill = |proof: &HistoryProof| verify(proof).map(|bill| serde_json::to_value(bill).expect("JSON"));
    let is_refused_or_the_same = |other: &HistoryProof| bill(other).is_err() || bill(other) == bill(&proof);
    for index in 0..proof.records.len() {
        for byte in 0..proof.records[index].len() {
            let mut changed = proof.clone();
            let mut bytes = changed.records[index].to_vec();
            bytes[byte] ^= 1;
            changed.records[index] = bytes.into();
            let error = verify(&changed).expect_err("changed");
            assert!(error.starts_with("record ") || error.starts_with("latest: "), "{index} {byte}: {error}");
        }
        let mut less = proof.clone();
        less.records.remove(index);
        assert!(is_refused_or_the_same(&less), "without record {index}");
        let mut twice = proof.clone();
        twice.records.insert(index, proof.records[index].clone());
        assert!(is_refused_or_the_same(&twice), "record {index} twice");
        if index > 0 {
            let mut swapped = proof.clone();
            swapped.records.swap(index - 1, index);
            assert!(is_refused_or_the_same(&swapped), "records {} and {index} swapped", index - 1);
        }
    }
}

#[test]
fn nothing_around_the_records_can_be_changed() {
    let proof = busy().proof();
    let text = serde_json::to_string(&proof).expect("JSON");
    let mut survivors = Vec::new();
    let start = text.find("\"latest\"").expect("latest");
    let records = text.find("\"records\"").expect("records");
    // The records themselves have their own test; their text is long.
    for at in (0..records).chain(start..text.len()) {
        for flip in [1, 2, 0x20] {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= flip;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            // Hex says the same in either case.
            if changed.eq_ignore_ascii_case(&text) {
                continue;
            }
            if read(&changed).and_then(|proof| proof::verify(&proof)).is_ok() {
                survivors.push(changed[at.saturating_sub(20)..(at + 10).min(changed.len())].to_owned());
            }
        }
    }
    assert!(survivors.is_empty(), "{survivors:?}");
}

#[test]
fn a_restore_leaves_a_gap_that_is_told() {
    let mut channel = Channel::new();
    channel.agree(1, vec![pay(0, 5, "")]);
    let kept = channel.records.len();
    channel.agree(2, vec![pay(0, 6, "forgotten")]);
    channel.records.truncate(kept);
    let signatures = Side::BOTH.map(|side| channel.sign(side, &channel.position));
    channel.records.push(Record::Adopted(SignedPosition { position: channel.position.clone(), signatures }));
    channel.agree(3, vec![pay(0, 7, "")]);
    let verified = verify(&channel.proof()).expect("holds");
    assert_eq!(verified.gaps, [[1, 2]]);
    assert_eq!(verified.totals[0].change, ["-18", "18"]);
    let page = Page::new(false, None);
    assert!(report(&verified, &page.out, &Assets::default()).contains("between versions 1 and 2"));
}

#[test]
fn of_a_game_it_tells_what_was_played_and_what_came_of_it() {
    let mut channel = Channel::new();
    channel.params.app = Address::repeat_byte(7);
    channel.params.assets = vec![Address::ZERO];
    channel.position = Position::zero(channel.params.id(1337, Address::repeat_byte(0xad)), 1);
    let step = |writer, left| Operation::Move(AppMove { writer, deltas: vec![[0, 0]], data: vec![left] });
    channel.agree(1, vec![step(Side::Zero, 5)]);
    channel.agree(2, vec![step(Side::One, 3)]);
    let assets = Assets::new(&crate::testing::node_info());
    let told = |channel: &Channel| {
        let verified = verify(&channel.proof()).expect("holds");
        report(&verified, &Output::new(false), &assets)
    };
    let text = told(&channel);
    for part in ["moves          1", "the peer is to move", "last position  0x03", "so far"] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    channel.agree(3, vec![Operation::Finish { outcome: vec![[-5, 5]], valid_until: 9 }]);
    let text = told(&channel);
    for part in ["both have signed the end", "the exporter loses", "the peer gains", "outcome"] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    assert!(!text.contains("PAYMENTS"), "{text}");
}

/// As a node exports it that has forgotten what was agreed before a place.
fn pruned(mut channel: Channel, start: &Position, records: usize) -> HistoryProof {
    channel.records.drain(..records);
    HistoryProof { start: Some(borsh::to_vec(start).expect("bytes").into()), ..channel.proof() }
}

#[test]
fn a_pruned_bill_proves_what_is_left_and_says_where_it_begins() {
    let mut channel = Channel::new();
    channel.agree(1, vec![pay(0, 100, "tea"), pay(1, 7, "token")]);
    let hash = B256::repeat_byte(3);
    let lock = Lock::hash(Side::Zero, AssetIndex(0), Amount::from(50), hash, 1_800_000_000);
    channel.agree(2, vec![Operation::AddLock(lock), pay(0, 1, "")]);
    let (start, records) = (channel.position.clone(), channel.records.len());
    let all_forgotten = HistoryProof {
        records: Vec::new(),
        start: Some(borsh::to_vec(&start).expect("bytes").into()),
        ..channel.proof()
    };
    assert_eq!(verify(&all_forgotten).expect("holds").pruned_through, 2);
    channel.agree(3, vec![Operation::CancelLock { number: 0 }, pay(0, 20, "late"), Operation::HandOver]);
    channel.agree(4, vec![pay(0, 5, "back")]);
    let proof = pruned(channel, &start, records);
    let verified = verify(&proof).expect("holds");
    assert_eq!((verified.pruned_through, verified.version), (2, 4));
    assert_eq!(verified.totals[0].paid, [20, 5].map(Amount::from));
    assert_eq!(verified.totals[0].change, ["-116", "116"], "with what is forgotten");
    let page = Page::new(false, None);
    let text = report(&verified, &page.out, &Assets::default());
    let write = |units: u64| {
        Assets::default().write(verified.chain_id, verified.totals[0].asset, Amount::from(units))
    };
    // A lock of 50 was pending where it begins.
    let (begin, end) = (write(151), write(116));
    let ours = [format!("-{begin}"), format!("-{end}"), format!("+{end}")];
    for part in
        ["it begins after version 2", "AT THE BEGIN"].into_iter().chain(ours.iter().map(String::as_str))
    {
        assert!(text.contains(part), "{part} is missing in {text}");
    }

    let bytes = proof.start.clone().expect("a start");
    let changed = (0..bytes.len()).map(|at| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1;
        HistoryProof { start: Some(bytes.into()), ..proof.clone() }
    });
    let none = HistoryProof { start: None, ..proof.clone() };
    for other in changed.chain([none]) {
        let Ok(other) = verify(&other) else { continue };
        assert_eq!(other, verified, "what is not signed changes nothing");
    }
}

#[test]
fn answers_to_what_was_pruned_may_stand_between_what_was_in_flight() {
    let mut channel = Channel::new();
    for version in 1..=4 {
        channel.agree(version, vec![pay(0, version, "")]);
    }
    let [w1, c1, w2, c2, w3, c3, w4, c4] = <[Record; 8]>::try_from(channel.records.clone()).expect("eight");
    let mut start = Channel::new();
    start.agree(1, vec![pay(0, 1, "")]);
    start.agree(2, vec![pay(0, 2, "")]);
    channel.records = vec![w1, w2, w3, c1, c2, w4, c3, c4];
    // It begins before the oldest version that was in flight then, whose predecessors are answered later.
    let verified = verify(&pruned(channel, &start.position, 2)).expect("holds");
    assert_eq!((verified.pruned_through, verified.version), (2, 4));
    assert_eq!(verified.totals[0].paid[0], Amount::from(7));
}

#[test]
fn what_was_agreed_after_the_signed_state_counts_too() {
    let mut channel = busy();
    let mut proof = channel.proof();
    channel.agree((1 << 40) + 2, vec![pay(0, 5, "later")]);
    proof.records = channel.proof().records;
    let verified = verify(&proof).expect("holds");
    assert_eq!((verified.signed_by_both, verified.version), ((1 << 40) + 1, (1 << 40) + 2));
    // The other way round something is missing.
    let mut short = channel.proof();
    short.records.truncate(short.records.len() - 2);
    assert!(verify(&short).is_err_and(|error| error.starts_with("latest: ")));
}

#[test]
fn a_file_that_is_no_bill_is_told_so() {
    for text in ["", "{}", "[1]", "null"] {
        let failure = read(text).expect_err(text);
        assert_eq!(failure.exit(), crate::failure::Exit::NotProven);
    }
}
