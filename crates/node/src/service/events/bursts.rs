//! How often peers did something lately.

use std::collections::HashMap;
use strait_types::Address;

/// Counts by peer, each within a window of time that begins with its first.
#[derive(Default)]
pub(super) struct Bursts(HashMap<Address, Burst>);

struct Burst {
    /// Unix milliseconds.
    since_ms: u64,
    count: u32,
}

impl Bursts {
    /// Counts one more; how many there are now within the window.
    pub(super) fn count(&mut self, peer: Address, now_ms: u64, window_ms: u64) -> u32 {
        let burst = self.0.entry(peer).or_insert(Burst { since_ms: now_ms, count: 0 });
        if now_ms >= burst.since_ms.saturating_add(window_ms) {
            *burst = Burst { since_ms: now_ms, count: 0 };
        }
        burst.count = burst.count.saturating_add(1);
        burst.count
    }

    /// Begins anew with a peer.
    pub(super) fn forget(&mut self, peer: Address) {
        self.0.remove(&peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_begins_anew_with_its_window_and_for_each_peer() {
        let (one, two) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let mut bursts = Bursts::default();
        let counts = [(one, 0), (one, 99), (two, 99), (one, 100), (one, 199), (one, 200)]
            .map(|(peer, now_ms)| bursts.count(peer, now_ms, 100));
        assert_eq!(counts, [1, 2, 1, 1, 2, 1]);
        bursts.forget(one);
        assert_eq!(bursts.count(one, 201, 100), 1);
    }
}
