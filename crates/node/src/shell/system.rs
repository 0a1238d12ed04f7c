//! The engine's ports as the operating system and the network fulfil them.

use crate::transport::Network;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use strait_engine::ports::{Clock, Rng, RngError, Transport};
use strait_types::Address;

/// Wall-clock time that never goes back within the process.
#[derive(Debug)]
pub(crate) struct SystemClock {
    started: Instant,
    epoch_ms: u64,
}

impl SystemClock {
    pub(crate) fn start() -> SystemClock {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let epoch_ms = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        SystemClock { started: Instant::now(), epoch_ms }
    }
}

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.epoch_ms.saturating_add(elapsed)
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
