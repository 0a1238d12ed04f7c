//! What a channel takes: in memory while it is idle, and in the journal, where it does not grow with its payments, so that a
//! restart has little to replay.

use crate::world::World;
use std::process::Command;
use strait_engine::ports::{Batch, HistoryEntry, Recovered, Store, StoreError};
use strait_engine::{Engine, Policy};
use strait_protocol::{Outcome, Settings};
use strait_types::{ChannelId, ChannelParams, Domain};

/// Idle channels whose memory is measured.
const MANY: u64 = 20_000;
/// Set for the process that is measured.
const MEASURED: &str = "STRAIT_MEASURE_IDLE_CHANNELS";

/// Bytes that a restart replays, and those of the snapshots.
fn to_replay(world: &World, node: usize) -> (usize, usize) {
    let (mut replayed, mut snapshots) = (0, 0);
    let mut visit = |recovered: Recovered| {
        replayed += recovered.records.iter().map(Vec::len).sum::<usize>();
        snapshots += recovered.snapshot.map_or(0, |snapshot| snapshot.len());
    };
    world.nodes[node].store.recover(&mut visit).expect("readable");
    (replayed, snapshots)
}

#[test]
fn payments_make_neither_the_snapshot_nor_what_is_replayed_grow() {
    let mut world = World::new(2);
    world.connect(0, 1);
    let channel = world.channel(0, 1, 1, 1_000);
    let mut largest = 0;
    for _ in 0..200 {
        let token = world.pay(0, channel, 1);
        world.settle();
        let paid = world.outcome(0, token);
        assert!(matches!(paid, Some(Ok(Outcome::Paid { .. }))), "{paid:?}");
        for node in 0..2 {
            let (replayed, snapshots) = to_replay(&world, node);
            largest = largest.max(replayed);
            // With the deposit, which a reorg may still take back.
            assert!(snapshots < 2_048, "a snapshot of {snapshots} bytes");
        }
    }
    assert!(largest < 10_000, "{largest} bytes of records are replayed");
    world.restart(0);
    assert_eq!(world.nodes[0].engine.view(channel).expect("known").payments, [200, 0]);
}

/// A store with many copies of one channel, which differ in their nonces.
struct Copies {
    domain: Domain,
    params: ChannelParams,
    snapshot: Vec<u8>,
}

impl Copies {
    fn id(&self, params: &ChannelParams) -> ChannelId {
        params.id(self.domain.chain_id(), self.domain.adjudicator())
    }

    fn copy(&self, nonce: u64) -> Recovered {
        let params = ChannelParams { nonce, ..self.params.clone() };
        let (old, new) = (self.id(&self.params), self.id(&params));
        let bytes = |params: &ChannelParams| borsh::to_vec(params).expect("writes");
        let mut snapshot = self.snapshot.clone();
        replace(&mut snapshot, old.0.as_slice(), new.0.as_slice());
        replace(&mut snapshot, &bytes(&self.params), &bytes(&params));
        Recovered { channel: new, snapshot: Some(snapshot), records: Vec::new() }
    }
}

fn replace(bytes: &mut [u8], old: &[u8], new: &[u8]) {
    let places: Vec<_> =
        bytes.windows(old.len()).enumerate().filter(|(_, window)| *window == old).map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + new.len()].copy_from_slice(new);
    }
}

impl Store for Copies {
    fn commit(&mut self, _batch: &Batch) -> Result<(), StoreError> {
        Ok(())
    }

    fn recover(&self, visit: &mut dyn FnMut(Recovered)) -> Result<(), StoreError> {
        (0..MANY).for_each(|nonce| visit(self.copy(nonce)));
        Ok(())
    }

    fn meta(&self, _key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(None)
    }

    fn history(
        &self,
        _channel: ChannelId,
        _after: Option<u64>,
        _limit: usize,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        Ok(Vec::new())
    }

    fn prune_history(&mut self, _channel: ChannelId, _through: u64) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Resident memory of this process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("readable");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("told");
    line.split_whitespace().nth(1).expect("a number").parse::<u64>().expect("a number") * 1_024
}

#[test]
fn an_idle_channel_takes_less_than_a_kibibyte_of_memory() {
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "footprint::measured_process", "--nocapture"])
        .env(MEASURED, "1")
        .output()
        .expect("starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    let told = text.split("bytes a channel: ").nth(1).expect("told").split_whitespace().next();
    let bytes: u64 = told.and_then(|bytes| bytes.parse().ok()).expect("a number");
    assert!((1..1_024).contains(&bytes), "{bytes} bytes");
}

/// Not a test: what the process runs whose memory is measured.
#[test]
fn measured_process() {
    if std::env::var_os(MEASURED).is_none() {
        return;
    }
    let mut world = World::new(2);
    world.connect(0, 1);
    let channel = world.channel(0, 1, 1, 1_000);
    world.pay(0, channel, 1);
    world.settle();
    // The deposit is out of the reach of reorgs.
    for _ in 0..200 {
        world.nodes[0].port.chain().with(|chain| chain.mine());
        world.follow();
    }
    let node = &world.nodes[0];
    let original = node.engine.channel(channel).expect("known");
    assert!(!original.has_recent_chain_events());
    let (params, snapshot) = (original.params().clone(), original.snapshot());
    let copies = Copies { domain: *node.engine.domain(), params, snapshot };
    let before = resident();
    let (policy, settings) = (Policy::default(), Settings::default());
    let engine = Engine::recover(copies.domain, node.key.clone(), policy, settings, &copies, false);
    let engine = engine.expect("reads");
    let bytes = (resident() - before) / MANY;
    println!("bytes a channel: {bytes}");
    let copy = copies.copy(7).channel;
    let view = engine.view(copy).expect("known");
    assert_eq!((view.id, view.payments, engine.channel_ids().count()), (copy, [1, 0], 20_000));
}
