//! What changed in the canonical chain since somebody last looked.

use std::collections::VecDeque;
use std::sync::Arc;
use strait_chain::DevChain;
use strait_chain::dev::{MAX_REORG_DEPTH, SealedBlock};

/// Most blocks told at once; who was away longer asks again.
const MOST_AT_ONCE: usize = 1_000;

/// Somebody's view of the chain: the latest blocks that they were told of.
pub(crate) struct View {
    known: VecDeque<Arc<SealedBlock>>,
}

/// Blocks to forget, newest first, and new ones, oldest first.
#[derive(Default)]
pub(crate) struct Changes {
    pub(crate) removed: Vec<Arc<SealedBlock>>,
    pub(crate) added: Vec<Arc<SealedBlock>>,
}

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty()
    }
}

impl View {
    /// Who looks for the first time knows the chain as it is.
    pub(crate) fn of(chain: &DevChain) -> View {
        let blocks = chain.blocks();
        let first = blocks.len().saturating_sub(MAX_REORG_DEPTH + 1);
        View { known: blocks.iter().skip(first).cloned().collect() }
    }

    /// What is new since the last time.
    pub(crate) fn changes(&mut self, chain: &DevChain) -> Changes {
        let mut changes = Changes::default();
        let stands = |block: &SealedBlock| chain.is_canonical(block.at);
        while let Some(block) = self.known.pop_back_if(|block| !stands(block)) {
            changes.removed.push(block);
        }
        // When nothing known is left, the chain was put back further than it is remembered.
        let next = self.known.back().map_or_else(|| chain.blocks().len(), |last| index_after(last));
        changes.added = chain.blocks().iter().skip(next).take(MOST_AT_ONCE).cloned().collect();
        self.known.extend(changes.added.iter().cloned());
        if self.known.is_empty() {
            *self = View::of(chain);
        }
        while self.known.len() > MAX_REORG_DEPTH + 1 {
            self.known.pop_front();
        }
        changes
    }
}

fn index_after(block: &SealedBlock) -> usize {
    usize::try_from(block.at.number).unwrap_or(usize::MAX).saturating_add(1)
}
