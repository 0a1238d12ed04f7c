//! Over a WebSocket new blocks are heard of.

use crate::conformance::AnvilDriver;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;
use strait_chain::conformance::Driver;
use strait_engine::ports::Chain;
use strait_types::SigningKey;

/// Far more than any wait takes; only a fault waits that long.
const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_new_block_wakes_who_follows_over_a_websocket() {
    let mut driver = AnvilDriver::new("ws");
    let mut chain = driver.account(&SigningKey::from_bytes([0x11; 32]).expect("a key"));
    let (sender, woken) = channel();
    chain.wake_by(Arc::new(move || {
        // Who no longer waits need not hear of it.
        let _gone = sender.send(());
    }));
    let mut head = chain.follow(&[], 1_000).expect("the chain answers").head;
    // The subscription may come after the first block.
    loop {
        driver.mine();
        if woken.recv_timeout(Duration::from_millis(200)).is_ok() {
            break;
        }
    }
    for _ in 0..3 {
        while woken.try_recv().is_ok() {}
        driver.mine();
        woken.recv_timeout(LONG).expect("a block is heard of");
        let next = chain.follow(&[head], 1_000).expect("the chain answers").head;
        assert!(next.number > head.number, "it is there when it is heard of");
        head = next;
    }
}
