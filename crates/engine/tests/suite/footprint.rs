//! What a channel leaves in the journal does not grow with its payments, so that a restart has little to replay.

use crate::world::World;
use strait_engine::ports::{Recovered, Store as _};
use strait_protocol::Outcome;

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
