//! Nodes learn of new blocks without polling.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use strait_chain::dev::{DevChain, DevChainConfig, Reinclude, SharedChain};
use strait_engine::ports::BlockRef;

/// Far more than any wait takes; only a fault waits that long.
const LONG: Duration = Duration::from_secs(60);

fn shared() -> SharedChain {
    SharedChain::new(DevChain::new(DevChainConfig::default()).expect("deploys"))
}

fn head(chain: &SharedChain) -> BlockRef {
    chain.with(|chain| chain.head().at)
}

#[test]
fn who_waits_is_woken_by_a_block_and_by_a_reorg() {
    let chain = shared();
    let mined = |chain: &mut DevChain| chain.mine();
    let replaced = |chain: &mut DevChain| chain.reorg(1, &Reinclude::Never).expect("possible");
    for change in [mined, replaced] {
        let known = head(&chain);
        let (new, woken_with) = thread::scope(|scope| {
            let waiter = scope.spawn(|| chain.wait_for_new_head(known, LONG));
            (chain.with(change), waiter.join().expect("no panic"))
        });
        assert_eq!(woken_with, new);
        assert_ne!(new, known);
    }
}

#[test]
fn nobody_waits_for_what_is_already_there() {
    let chain = shared();
    let known = head(&chain);
    chain.with(DevChain::mine);
    assert_eq!(chain.wait_for_new_head(known, LONG), head(&chain));
    assert_eq!(chain.wait_for_new_head(head(&chain), Duration::ZERO), head(&chain));
}

#[test]
fn hooks_hear_every_new_head_and_may_use_the_chain() {
    let chain = shared();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (log, inside) = (heard.clone(), chain.clone());
    chain.on_new_head(move |at| log.lock().expect("no panic").push((at, head(&inside))));
    let first = chain.with(DevChain::mine);
    chain.with(|chain| chain.advance(5));
    let second = chain.with(|chain| chain.mine_empty(3));
    assert_eq!(*heard.lock().expect("no panic"), [(first, first), (second, second)]);
}
