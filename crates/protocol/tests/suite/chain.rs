//! A chain of blocks around the adjudicator, with reorganisations.

use crate::adjudicator::{Adjudicator, Revert};
use strait_protocol::ChainAction;
use strait_types::abi::AdjudicatorEvent as Event;
use strait_types::{Amount, AssetIndex, B256, Side};

/// Something to be executed in the next block.
#[derive(Clone, Debug)]
pub(crate) enum Transaction {
    Deposit(Side, AssetIndex, Amount),
    Call(ChainAction),
    Register(B256),
}

#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) time: u64,
    pub(crate) events: Vec<Event>,
    after: Adjudicator,
}

/// Blocks by height; height 0 is the deployment.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    blocks: Vec<Block>,
    pub(crate) waiting: Vec<Transaction>,
    pub(crate) reverts: Vec<(&'static str, Revert)>,
    /// Greatest height ever.
    pub(crate) peak: u64,
}

impl Chain {
    pub(crate) fn new(time: u64, genesis: Adjudicator) -> Chain {
        let genesis = Block { time, events: Vec::new(), after: genesis };
        Chain { blocks: vec![genesis], waiting: Vec::new(), reverts: Vec::new(), peak: 0 }
    }

    pub(crate) fn head(&self) -> u64 {
        self.blocks.len() as u64 - 1
    }

    pub(crate) fn block(&self, height: u64) -> &Block {
        &self.blocks[height as usize]
    }

    pub(crate) fn time(&self) -> u64 {
        self.block(self.head()).time
    }

    pub(crate) fn state(&self) -> &Adjudicator {
        &self.block(self.head()).after
    }

    /// Executes what waits in a block at a time.
    pub(crate) fn mine(&mut self, time: u64) {
        let mut after = self.state().clone();
        let mut events = Vec::new();
        for transaction in std::mem::take(&mut self.waiting) {
            let (name, result) = match &transaction {
                Transaction::Deposit(side, asset, amount) => {
                    ("deposit", after.deposit(*side, *asset, *amount))
                }
                Transaction::Call(action) => (action.name(), after.execute(time, action)),
                Transaction::Register(preimage) => ("register", after.register(time, *preimage)),
            };
            match result {
                Ok(event) => events.push(event),
                Err(revert) => self.reverts.push((name, revert)),
            }
        }
        self.blocks.push(Block { time, events, after });
        self.peak = self.peak.max(self.head());
    }

    /// Takes the blocks above a height back.
    pub(crate) fn truncate(&mut self, height: u64) {
        self.blocks.truncate(height as usize + 1);
    }
}
