//! The engine's ports as the operating system and the network fulfil them.

use crate::transport::Network;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use strait_engine::ports::{Clock, Rng, RngError, Transport};
use strait_types::Address;

/// Wall-clock time that never goes back within the process, and goes on where the machine slept.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
    /// Wall-clock time of the start, later by all that the machine has slept since.
    epoch_ms: AtomicU64,
}

fn wall_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

impl SystemClock {
    /// A clock that starts now.
    pub fn start() -> SystemClock {
        SystemClock { started: Instant::now(), epoch_ms: AtomicU64::new(wall_ms()) }
    }

    /// A clock that ran behind would take an old view of the chain for a young one, so the later of both counts:
    /// the monotonic clock, which stands still while the machine sleeps, and the wall clock.
    fn at(&self, elapsed_ms: u64, wall_ms: u64) -> u64 {
        let epoch_ms = wall_ms.saturating_sub(elapsed_ms);
        let before = self.epoch_ms.fetch_max(epoch_ms, Ordering::Relaxed);
        before.max(epoch_ms).saturating_add(elapsed_ms)
    }
}

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.at(elapsed, wall_ms())
    }
}

/// The operating system's randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRng;

impl Rng for SystemRng {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RngError> {
        getrandom::fill(bytes).map_err(|error| RngError(error.to_string()))
    }
}

impl Transport for Network {
    fn send(&mut self, peer: Address, frame: Vec<u8>) {
        // Lost frames are made up for by the next synchronisation.
        drop(Network::send(self, peer, frame));
    }

    fn disconnect(&mut self, peer: Address) {
        Network::disconnect(self, peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_while_the_machine_sleeps_and_never_goes_back() {
        let clock = SystemClock { started: Instant::now(), epoch_ms: AtomicU64::new(1_000_000) };
        assert_eq!(clock.at(500, 1_000_500), 1_000_500);
        let after_a_nights_sleep = 1_000_600 + 36_000_000;
        assert_eq!(clock.at(600, after_a_nights_sleep), after_a_nights_sleep);
        assert_eq!(clock.at(700, 1_000_700), after_a_nights_sleep + 100, "the wall clock was set back");
    }
}
