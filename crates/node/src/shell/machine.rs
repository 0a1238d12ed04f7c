//! What a shell drives: a node's engine, or a tower. Both take the same inputs and give out the same effects.

use strait_engine::ports::BlockRef;
use strait_engine::tower::Tower;
use strait_engine::{Engine, Input, Staged};

/// Something pure that inputs go into, and out of which rounds come.
pub(crate) trait Machine: Send + 'static {
    /// Takes an input.
    fn handle(&mut self, now_ms: u64, input: Input);
    /// Ends a round.
    fn round(&mut self, now_ms: u64) -> Option<Staged>;
    /// When [`Input::Tick`] is next needed, in milliseconds since the Unix epoch.
    fn next_tick(&self) -> Option<u64>;
    /// Where it follows the chain from.
    fn known_blocks(&self) -> Vec<BlockRef>;
    /// Makes a clean stop cheap to start from.
    fn checkpoint(&mut self);
}

impl Machine for Engine {
    fn handle(&mut self, now_ms: u64, input: Input) {
        Engine::handle(self, now_ms, input);
    }

    fn round(&mut self, now_ms: u64) -> Option<Staged> {
        Engine::round(self, now_ms)
    }

    fn next_tick(&self) -> Option<u64> {
        Engine::next_tick(self)
    }

    fn known_blocks(&self) -> Vec<BlockRef> {
        Engine::known_blocks(self)
    }

    fn checkpoint(&mut self) {
        Engine::checkpoint(self);
    }
}

impl Machine for Tower {
    fn handle(&mut self, now_ms: u64, input: Input) {
        Tower::handle(self, now_ms, input);
    }

    fn round(&mut self, now_ms: u64) -> Option<Staged> {
        Tower::round(self, now_ms)
    }

    fn next_tick(&self) -> Option<u64> {
        Tower::next_tick(self)
    }

    fn known_blocks(&self) -> Vec<BlockRef> {
        Tower::known_blocks(self)
    }

    // Its records are whole as they are.
    fn checkpoint(&mut self) {}
}
