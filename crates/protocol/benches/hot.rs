//! What a version of payments costs where the time goes: its step, its hashes, its encoding, its signature.
//!
//! `cargo bench --workspace --bench hot [-- NAME]` measures those whose name contains NAME, in nanoseconds for each
//! payment of versions of 1, 30 and 1,000 payments. Under `cargo test` each runs a few times, so that it cannot rot.

use std::hint::black_box;
use std::time::{Duration, Instant};
use strait_protocol::{Body, Frame, Operation, Operations, Payment, Position, Record, Update, history_hash};
use strait_types::{
    Address, Amount, AssetIndex, B256, ChannelId, Domain, Side, Signature, SigningKey, Version, keccak256,
};

const SIZES: [usize; 3] = [1, 30, 1_000];

/// A version, and what belongs to it.
struct Sample {
    base: Position,
    list: Vec<Operation>,
    update: Update,
    record: Vec<u8>,
    frame: Vec<u8>,
    next: Position,
    domain: Domain,
    key: SigningKey,
}

impl Sample {
    fn new(payments: usize) -> Sample {
        let channel = ChannelId(B256::repeat_byte(7));
        let domain = Domain::new(1, Address::repeat_byte(0xad));
        let key = SigningKey::from_bytes(keccak256("bench").0).expect("a hash below the order of the curve");
        let pay = |number: usize| {
            let memo = format!("{number:08x}").into_bytes();
            Operation::Pay(Payment { asset: AssetIndex(0), amount: Amount::from(1), invoice: None, memo })
        };
        let list: Vec<_> = (0..payments).map(pay).collect();
        let base = Position::zero(channel, 1);
        let operations = Operations::from(list.clone());
        let next = base.next(Version(1), &operations, &mut |_, _| Ok(())).expect("allowed");
        let signature = key.sign(domain.state_digest(next.state.hash()));
        let (version, base_hash) = (Version(1), base.state.hash());
        let update = Update { base: Version(0), base_hash, version, operations, signature };
        let record = borsh::to_vec(&Record::Wrote(update.clone())).expect("to memory");
        let frame = Frame::Channel { channel, body: Body::Update(update.clone()) }.encode();
        Sample { base, list, update, record, frame, next, domain, key }
    }

    fn digest(&self) -> B256 {
        self.domain.state_digest(self.next.state.hash())
    }

    fn verify(&self, signature: &Signature) {
        signature.verify(black_box(self.digest()), self.key.address()).expect("just signed");
    }
}

type Work = fn(&Sample);

const WORKS: [(&str, Work); 9] = [
    ("encode-operations", |sample| drop(black_box(Operations::from(sample.list.clone())))),
    ("history-hash", |sample| {
        black_box(history_hash(B256::ZERO, Side::Zero, 0, black_box(&sample.list)));
    }),
    ("step", |sample| {
        let step = sample.base.next(Version(1), black_box(&sample.update.operations), &mut |_, _| Ok(()));
        drop(black_box(step));
    }),
    ("write-record", |sample| {
        drop(black_box(borsh::to_vec(&Record::Wrote(sample.update.clone()))));
    }),
    ("read-record", |sample| drop(black_box(Record::decode(black_box(&sample.record))))),
    ("encode-frame", |sample| {
        let (channel, body) = (sample.base.state.channel, Body::Update(sample.update.clone()));
        drop(black_box(Frame::Channel { channel, body }.encode()));
    }),
    ("decode-frame", |sample| drop(black_box(Frame::decode(black_box(&sample.frame))))),
    ("sign", |sample| {
        black_box(sample.key.sign(black_box(sample.digest())));
    }),
    ("verify", |sample| sample.verify(&sample.update.signature)),
];

/// Nanoseconds of one run, the least of several series.
fn measure(work: Work, sample: &Sample, time: Duration) -> f64 {
    let start = Instant::now();
    let mut least = f64::INFINITY;
    while start.elapsed() < time || least.is_infinite() {
        let begin = Instant::now();
        let mut runs = 0_u32;
        while runs < 3 || begin.elapsed() < time / 20 {
            work(sample);
            runs += 1;
        }
        least = least.min(begin.elapsed().as_nanos() as f64 / f64::from(runs));
    }
    least
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let is_measured = arguments.iter().any(|argument| argument == "--bench");
    let wanted = arguments.into_iter().find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let time = if is_measured { Duration::from_millis(500) } else { Duration::ZERO };
    println!("{:20} {}", "ns per payment of", SIZES.map(|size| format!("{size:>9}")).concat());
    let samples = SIZES.map(Sample::new);
    for (name, work) in WORKS.into_iter().filter(|(name, _)| name.contains(&wanted)) {
        let each = samples.each_ref().map(|sample| measure(work, sample, time) / sample.list.len() as f64);
        println!("{name:20} {}", each.map(|nanos| format!("{nanos:9.1}")).concat());
    }
}
