//! Reorgs that leave nothing of what an engine has seen.

use std::sync::Arc;
use strait_engine::ports::{Block, BlockRef, Followed};
use strait_engine::{Effect, Engine, Input, Notice, Policy};
use strait_protocol::Settings;
use strait_store::MemoryStore;
use strait_types::{Address, Domain, SigningKey, keccak256};

const NOW_MS: u64 = 1_800_000_000_000;

fn engine(store: &MemoryStore) -> Engine {
    let key = Arc::new(SigningKey::from_bytes([7; 32]).expect("in range"));
    let domain = Domain::new(1, Address::repeat_byte(9));
    Engine::recover(domain, key, Policy::default(), Settings::default(), store, false).expect("recovers")
}

fn block(number: u64, branch: &str) -> BlockRef {
    BlockRef { number, hash: keccak256(format!("{branch} {number}")) }
}

/// The chain's answer that `head` follows `fork`.
fn follow(
    engine: &mut Engine,
    store: &mut MemoryStore,
    fork: Option<BlockRef>,
    head: BlockRef,
) -> Vec<Effect> {
    let blocks = vec![Block { at: head, time: NOW_MS / 1_000, events: Vec::new() }];
    let followed = Followed { fork, blocks, head, head_time: NOW_MS / 1_000 };
    engine.handle(NOW_MS, Input::Followed(followed));
    let staged = engine.round(NOW_MS).expect("the cursor moves or the user is told");
    staged.commit(store).expect("commits")
}

#[test]
fn a_new_node_survives_the_loss_of_its_only_block() {
    let mut store = MemoryStore::new();
    let mut engine = engine(&store);
    follow(&mut engine, &mut store, None, block(40, "first"));
    let effects = follow(&mut engine, &mut store, None, block(41, "second"));
    assert!(effects.is_empty(), "{effects:?}");
    assert_eq!(engine.known_blocks(), [block(41, "second")]);
}

#[test]
fn a_reorg_below_all_that_is_remembered_is_told() {
    let mut store = MemoryStore::new();
    let mut engine = engine(&store);
    let mut fork = None;
    for number in 1..=200 {
        follow(&mut engine, &mut store, fork, block(number, "first"));
        fork = Some(block(number, "first"));
    }
    let before = engine.known_blocks();
    let effects = follow(&mut engine, &mut store, None, block(201, "second"));
    assert!(matches!(effects[..], [Effect::Notify(Notice::DeepReorg)]), "{effects:?}");
    assert_eq!(engine.known_blocks(), before);
}
