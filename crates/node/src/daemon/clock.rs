//! Whether this machine's clock and the chain's agree. Deadlines are counted in chain time, freshness by the machine's.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use strait_chain::rpc::RpcChain;

/// More is an error: blocks carry times of at most a few seconds ahead.
const TOLERANCE: u64 = 60;
/// How long a new block is waited for, to tell a clock that is ahead from a chain without news.
const PATIENCE: u32 = 15;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    Right,
    Off { seconds: u64, direction: &'static str },
}

/// Compares with the newest block. A chain that does not answer proves nothing.
pub(super) fn check(chain: &mut RpcChain) -> Verdict {
    let mut look = || chain.head().ok().map(|(block, time)| (block.number, time));
    check_with(&mut look, &mut now, &mut || std::thread::sleep(Duration::from_secs(1)))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// `look`: number and time of the newest block; `wait`: a second.
fn check_with(
    look: &mut dyn FnMut() -> Option<(u64, u64)>,
    now: &mut dyn FnMut() -> u64,
    wait: &mut dyn FnMut(),
) -> Verdict {
    let Some((first, time)) = look() else { return Verdict::Right };
    let behind = time.saturating_sub(now());
    if behind > TOLERANCE {
        return Verdict::Off { seconds: behind, direction: "behind" };
    }
    if now().saturating_sub(time) <= TOLERANCE {
        return Verdict::Right;
    }
    // Either the clock is ahead or there are no new blocks. One that comes while we look tells which.
    for _ in 0..PATIENCE {
        wait();
        if let Some((number, time)) = look()
            && number > first
        {
            let ahead = now().saturating_sub(time);
            return if ahead > TOLERANCE {
                Verdict::Off { seconds: ahead, direction: "ahead of" }
            } else {
                Verdict::Right
            };
        }
    }
    Verdict::Right
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chain whose blocks come every `interval` seconds of true time, seen by a clock that is `off`.
    fn verdict(off: i64, interval: u64, head_age: u64) -> Verdict {
        let true_time = std::cell::Cell::new(1_000_000u64);
        let genesis = true_time.get() - head_age;
        let mut look = || {
            let blocks = (true_time.get() - genesis).checked_div(interval).unwrap_or(0);
            Some((blocks, genesis + blocks * interval))
        };
        let mut now = || true_time.get().saturating_add_signed(off);
        check_with(&mut look, &mut now, &mut || true_time.set(true_time.get() + 1))
    }

    #[test]
    fn a_clock_that_is_off_by_an_hour_is_found_out_either_way() {
        assert_eq!(verdict(0, 12, 120), Verdict::Right);
        assert!(matches!(verdict(-3_600, 12, 120), Verdict::Off { direction: "behind", .. }));
        assert!(matches!(verdict(3_600, 12, 120), Verdict::Off { direction: "ahead of", .. }));
        assert_eq!(verdict(30, 12, 120), Verdict::Right);
    }

    #[test]
    fn a_chain_without_new_blocks_accuses_nobody() {
        assert_eq!(verdict(0, 0, 7_200), Verdict::Right);
        assert_eq!(check_with(&mut || None, &mut || 0, &mut || {}), Verdict::Right);
    }
}
