//! Decoders under damaged bytes: what they take they give back unchanged, and nothing makes them panic.
//!
//! The mutations follow from a number, so that a failure is repeated by the same test. The corpus is that of
//! `vectors/`: every frame, and every piece of calldata and hash, since each is somebody's input.

use serde_json::Value;
use std::panic::{AssertUnwindSafe, catch_unwind};
use strait_protocol::{Channel, Frame, Record, Settings};
use strait_types::abi::{decode_event, decode_revert, views};
use strait_types::{Address, B256, ChannelParams, Participant, Side};

/// Damaged inputs per sample and target.
const ROUNDS: u64 = 40;

const CORPUS: &[&str] = &[
    include_str!("../../../vectors/wire.json"),
    include_str!("../../../vectors/locks.json"),
    include_str!("../../../vectors/moves.json"),
    include_str!("../../../vectors/transport.json"),
];

/// Numbers that follow from one another (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

/// A copy with one to four damages: bits, bytes, lengths, cuts, repetitions, pieces of another sample.
fn damaged(sample: &[u8], other: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = sample.to_vec();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(bytes.len());
        match numbers.below(7) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << numbers.below(8),
            1 if !bytes.is_empty() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][numbers.below(5)],
            2 => bytes.truncate(at),
            3 => {
                let length = (numbers.next() as u32).to_le_bytes();
                bytes.splice(at..at, length);
            }
            4 => {
                let piece = bytes[at..].to_vec();
                bytes.extend(piece);
            }
            5 => {
                let from = numbers.below(other.len());
                bytes.splice(at.., other[from..].iter().copied());
            }
            _ if bytes.len() >= at + 4 => bytes[at..at + 4].fill(0xff),
            _ => bytes.push(numbers.next() as u8),
        }
    }
    bytes
}

fn samples() -> Vec<Vec<u8>> {
    fn collect(value: &Value, into: &mut Vec<Vec<u8>>) {
        match value {
            Value::String(text) => {
                let digits = text.strip_prefix("0x").unwrap_or(text);
                let bytes =
                    |i: usize| digits.get(i..i + 2).and_then(|byte| u8::from_str_radix(byte, 16).ok());
                let decoded: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(bytes).collect();
                into.extend(decoded.filter(|bytes| !bytes.is_empty()));
            }
            Value::Array(values) => values.iter().for_each(|value| collect(value, into)),
            Value::Object(fields) => fields.values().for_each(|value| collect(value, into)),
            _ => {}
        }
    }
    let mut all = Vec::new();
    for text in CORPUS {
        collect(&serde_json::from_str(text).expect("vectors are JSON"), &mut all);
    }
    let (snapshot, record) = samples_of_a_journal();
    all.extend([snapshot, record]);
    all.sort_unstable();
    all.dedup();
    all
}

fn frame(bytes: &[u8]) {
    if let Ok(frame) = Frame::decode(bytes) {
        assert_eq!(frame.encode(), bytes, "one frame, one encoding");
    }
}

fn record(bytes: &[u8]) {
    if let Ok(record) = Record::decode(bytes) {
        let again = borsh::to_vec(&record).expect("a vector takes everything");
        assert_eq!(again, bytes, "one record, one encoding");
        let _ = record.is_history();
    }
}

fn snapshot(bytes: &[u8]) {
    if let Ok(channel) = Channel::recover(Some(bytes), [] as [&[u8]; 0]) {
        let again = Channel::recover(Some(&channel.snapshot()), [] as [&[u8]; 0]).expect("its own snapshot");
        assert_eq!(again.snapshot(), channel.snapshot());
        // What was damaged on disk may be nonsense, and is shown all the same.
        let _ = (channel.view(), channel.next_tick(), channel.needs_attention(), channel.lock_hashes());
    }
}

/// Records that are cut out of the bytes, the first of them sound.
fn journal(bytes: &[u8]) {
    let (_, opened) = samples_of_a_journal();
    let records = std::iter::once(opened.as_slice()).chain(bytes.chunks(1 + bytes.len() / 3));
    if let Ok(channel) = Channel::recover(None, records) {
        let _ = channel.view();
    }
}

/// A snapshot, and the record that a journal begins with.
fn samples_of_a_journal() -> (Vec<u8>, Vec<u8>) {
    let participant =
        |byte| Participant { signer: Address::repeat_byte(byte), payout: Address::repeat_byte(byte) };
    let params = ChannelParams {
        participants: [participant(1), participant(2)],
        challenge_duration: 3_600,
        nonce: 1,
        app: Address::ZERO,
        child: B256::ZERO,
        assets: vec![Address::ZERO],
    };
    let id = params.id(1, Address::repeat_byte(9));
    let (channel, record) = Channel::open(id, params, Side::Zero, Settings::default());
    (channel.snapshot(), borsh::to_vec(&record).expect("a vector takes everything"))
}

/// Topics, then data.
fn log(bytes: &[u8]) {
    let (topics, data) = bytes.split_at(bytes.len().min(64) / 32 * 32);
    let mut topics: Vec<B256> = topics.chunks_exact(32).map(B256::from_slice).collect();
    let _ = decode_event(&topics, data);
    // As one of the adjudicator's: the first byte says which.
    let which = EVENTS[usize::from(bytes.first().copied().unwrap_or(0)) % EVENTS.len()];
    topics.insert(0, strait_types::keccak256(which));
    let _ = decode_event(&topics, data);
}

const EVENTS: &[&str] = &[
    "Deposited(bytes32,uint256,uint256,uint256)",
    "Resumed(bytes32,uint256)",
    "Closed(bytes32,uint256[2][])",
    "Settled(bytes32,uint256[2][],uint256[],bytes32)",
    "Unlocked(bytes32,uint256[2][],(uint8,uint8,uint128,uint128,bytes32,uint64,bool)[])",
    "PreimageRegistered(bytes32,bytes32)",
    "Credited(address,address,uint256)",
];

fn answers(bytes: &[u8]) {
    let _ = (views::read_channel(bytes), views::read_funds(bytes), views::read_credits(bytes));
    let _ = (views::read_registered_at(bytes), views::read_balance_of(bytes), decode_revert(bytes));
}

type Target = (&'static str, fn(&[u8]));

const TARGETS: &[Target] = &[
    ("frame", frame),
    ("record", record),
    ("snapshot", snapshot),
    ("journal", journal),
    ("log", log),
    ("answers", answers),
];

#[test]
fn damaged_bytes_neither_panic_nor_are_read_in_two_ways() {
    let samples = samples();
    assert!(samples.len() > 50, "the vectors hold more than {}", samples.len());
    let mut numbers = Numbers(0x57_a17);
    for sample in &samples {
        for _ in 0..ROUNDS {
            let other = &samples[numbers.below(samples.len())];
            let bytes = damaged(sample, other, &mut numbers);
            for (name, target) in TARGETS {
                let outcome = catch_unwind(AssertUnwindSafe(|| target(&bytes)));
                assert!(outcome.is_ok(), "{name} does not bear {bytes:02x?}");
            }
        }
    }
}
