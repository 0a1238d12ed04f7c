//! Random operations, checked against the model.

use super::{Backend, Model, channel, open, reopen};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng as _};
use strait_engine::ports::{Batch, Kind, Store as _};

/// Channels that random operations use.
const CHANNELS: u32 = 6;

/// Runs `operations` random operations with closings and crashes in between.
pub fn check_random_operations<B: Backend>(backend: &mut B, seed: u64, operations: usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut store = open(backend);
    let mut model = Model::default();
    for number in 0..operations {
        let when = format!("seed {seed}, operation {number}");
        match below(&mut rng, 20) {
            0 => {
                store = reopen(backend, store);
                model.assert_same(&store, &when);
            }
            1 => {
                drop(store);
                store = open(backend);
                model.assert_same(&store, &when);
            }
            2 => {
                let channel = channel(below(&mut rng, CHANNELS) as u8);
                let count = below(&mut rng, 12) as usize;
                let history = store.history(channel, None, count).expect("readable");
                if let Some(last) = history.last() {
                    store.prune_history(channel, last.position).expect("pruned");
                    model.prune(channel, history.len());
                    model.assert_same(&store, &when);
                }
            }
            3 => model.assert_same(&store, &when),
            _ => {
                let mut batch = random_batch(&mut rng);
                model.commit(&batch);
                if below(&mut rng, 4) == 0 {
                    let later = random_batch(&mut rng);
                    model.commit(&later);
                    batch.append(later);
                }
                store.commit(&batch).expect("the batch is committed");
            }
        }
    }
    let store = reopen(backend, store);
    model.assert_same(&store, &format!("seed {seed}, at the end"));
}

/// A batch of up to eight records, some snapshots and named values.
pub fn random_batch(rng: &mut impl Rng) -> Batch {
    let mut batch = Batch::default();
    for _ in 0..below(rng, 9) {
        let channel = channel(below(rng, CHANNELS) as u8);
        let longest = if below(rng, 16) == 0 { 20_000 } else { 300 };
        let mut payload = vec![0; below(rng, longest) as usize];
        rng.fill_bytes(&mut payload);
        match below(rng, 8) {
            0 => batch.snapshot(channel, payload),
            1..=3 => batch.record(channel, Kind::Working, payload),
            _ => batch.record(channel, Kind::History, payload),
        }
    }
    if below(rng, 4) == 0 {
        let value = vec![7; below(rng, 3) as usize];
        batch.set_meta(["block", "tx", "nonce"][below(rng, 3) as usize], value);
    }
    batch
}

fn below(rng: &mut impl Rng, bound: u32) -> u32 {
    rng.next_u32() % bound
}
