//! How transactions come into blocks, and out of them again.

use super::block::{Included, SealedBlock};
use super::execution::{Sender, environment, execute, included};
use super::transaction::Transaction;
use super::world::{Undo, View};
use super::{DevChain, DevChainError, MAX_REORG_DEPTH};
use alloy_consensus::{Header, Transaction as _};
use revm::context::BlockEnv;
use revm::database_interface::WrapDatabaseRef;
use std::cmp::Ordering;
use std::sync::Arc;
use strait_engine::ports::{BlockRef, TxHash};
use strait_types::{Bytes, U256};

/// What a reorg does with the transactions of the blocks that it removes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reinclude {
    /// Each comes into the new block of the same height, in the same order.
    Same,
    /// These come, in this order, into the first new block; the others are forgotten.
    Only(Vec<TxHash>),
    /// The new blocks hold these, as far as they can be included; all others are forgotten.
    Exactly(Vec<Vec<Transaction>>),
    /// All wait again for a block; the new blocks are empty.
    Later,
    /// All are forgotten; the new blocks are empty.
    Never,
}

impl DevChain {
    /// Makes a block of what waits, in order of arrival. What has a nonce too high or finds no room waits on; what
    /// cannot be paid for or repeats a nonce is forgotten.
    pub fn mine(&mut self) -> BlockRef {
        let candidates = std::mem::take(&mut self.pool);
        self.pool = self.seal(self.now, candidates);
        self.head_ref()
    }

    /// Makes a block of the given waiting transactions, in the given order. The others wait on.
    pub fn mine_only(&mut self, order: &[TxHash]) -> BlockRef {
        let (chosen, others) = self.pool.drain(..).partition(|transaction| order.contains(&transaction.hash));
        self.pool = others;
        let left = self.seal(self.now, in_order(chosen, order));
        self.pool.extend(left);
        self.head_ref()
    }

    /// Makes `count` empty blocks, as time passes; what waits waits on.
    pub fn mine_empty(&mut self, count: u64) -> BlockRef {
        for _ in 0..count {
            self.seal(self.now, Vec::new());
        }
        self.head_ref()
    }

    /// Forgets a waiting transaction, as a network may.
    pub fn forget(&mut self, transaction: TxHash) {
        self.pool.retain(|waiting| waiting.hash != transaction);
    }

    /// Replaces the last `depth` blocks by as many others, at the same times and with other hashes.
    ///
    /// # Errors
    /// When that many cannot be replaced: the deployment and what is older than [`MAX_REORG_DEPTH`] is final.
    pub fn reorg(&mut self, depth: usize, reinclude: &Reinclude) -> Result<BlockRef, DevChainError> {
        let possible = self.undos.len();
        if depth > possible {
            return Err(DevChainError::TooDeep { asked: depth, possible });
        }
        let removed = self.remove_blocks(depth);
        self.forks += 1;
        match reinclude {
            Reinclude::Same => {
                let mut carried = Vec::new();
                for block in removed {
                    carried.extend(transactions(&block));
                    carried = self.seal(block.time(), carried);
                }
                self.pool.splice(0..0, carried);
            }
            Reinclude::Only(order) => {
                let all: Vec<Transaction> = removed.iter().flat_map(|block| transactions(block)).collect();
                let mut chosen = in_order(all, order);
                for block in removed {
                    chosen = self.seal(block.time(), chosen);
                }
                self.pool.splice(0..0, chosen);
            }
            Reinclude::Exactly(contents) => {
                let contents = contents.iter().map(Vec::as_slice).chain(std::iter::repeat(&[][..]));
                for (block, content) in removed.iter().zip(contents) {
                    self.seal(block.time(), content.to_vec());
                }
            }
            Reinclude::Later => {
                let all: Vec<Transaction> = removed.iter().flat_map(|block| transactions(block)).collect();
                removed.iter().for_each(|block| drop(self.seal(block.time(), Vec::new())));
                self.pool.splice(0..0, all);
            }
            Reinclude::Never => removed.iter().for_each(|block| drop(self.seal(block.time(), Vec::new()))),
        }
        Ok(self.head_ref())
    }

    /// How many of the last blocks a reorg can replace.
    pub fn replaceable(&self) -> usize {
        self.undos.len()
    }

    /// Takes the last blocks away; returns them oldest first.
    pub(super) fn remove_blocks(&mut self, depth: usize) -> Vec<Arc<SealedBlock>> {
        let mut removed = Vec::with_capacity(depth);
        for _ in 0..depth {
            let (Some(undo), Some(block)) = (self.undos.pop_back(), self.blocks.pop()) else { break };
            self.world.revert(undo);
            for included in &block.transactions {
                self.included.remove(&included.transaction.hash);
            }
            removed.push(block);
        }
        let height = self.head_ref().number;
        self.event_blocks.retain(|number| *number <= height);
        removed.reverse();
        removed
    }

    /// Lets a transaction wait for a block.
    pub(super) fn enqueue(&mut self, transaction: Transaction) -> TxHash {
        let hash = transaction.hash;
        self.pool.push(transaction);
        hash
    }

    pub(super) fn block_environment(&self, time: u64) -> BlockEnv {
        BlockEnv {
            number: U256::from(self.blocks.len()),
            timestamp: U256::from(time.max(self.head().time())),
            gas_limit: self.config.block_gas_limit,
            basefee: self.config.base_fee,
            ..BlockEnv::default()
        }
    }

    /// What is known of the next block before its transactions are. The number of reorgs stands in it, so that a block
    /// mined again has another hash.
    fn next_header(&self, time: u64) -> Header {
        let fork = match self.forks {
            0 => Bytes::new(),
            forks => format!("fork {forks}").into_bytes().into(),
        };
        Header {
            parent_hash: self.head().at.hash,
            number: self.blocks.len() as u64,
            gas_limit: self.config.block_gas_limit,
            timestamp: time,
            extra_data: fork,
            base_fee_per_gas: Some(self.config.base_fee),
            ..Header::default()
        }
    }

    /// Makes a block of what can be included; returns what has to wait.
    fn seal(&mut self, time: u64, mut candidates: Vec<Transaction>) -> Vec<Transaction> {
        let time = time.max(self.head().time());
        let environment = self.block_environment(time);
        let mut undo = Undo::default();
        let mut block: Vec<Included> = Vec::new();
        loop {
            let before = block.len();
            candidates = self.include(&environment, candidates, &mut undo, &mut block);
            if block.len() == before {
                break;
            }
        }
        let number = self.blocks.len() as u64;
        let sealed = SealedBlock::seal(self.next_header(time), block);
        for (index, included) in sealed.transactions.iter().enumerate() {
            self.included.insert(included.transaction.hash, (number, index));
        }
        if sealed.logs().any(|(_, log)| log.address == self.adjudicator) {
            self.event_blocks.push(number);
        }
        self.blocks.push(Arc::new(sealed));
        self.undos.push_back(undo);
        if self.undos.len() > MAX_REORG_DEPTH {
            self.undos.pop_front();
        }
        candidates
    }

    /// One pass over the candidates; returns those that may fit later.
    fn include(
        &mut self,
        environment_of_block: &BlockEnv,
        candidates: Vec<Transaction>,
        undo: &mut Undo,
        block: &mut Vec<Included>,
    ) -> Vec<Transaction> {
        let mut later = Vec::new();
        for transaction in candidates {
            let gas_before = block.last().map_or(0, |last| last.cumulative_gas_used);
            let room = self.config.block_gas_limit.saturating_sub(gas_before);
            match transaction.nonce().cmp(&self.world.nonce(transaction.from)) {
                Ordering::Less => continue,
                Ordering::Equal if transaction.envelope().gas_limit() <= room => {}
                Ordering::Equal | Ordering::Greater => {
                    later.push(transaction);
                    continue;
                }
            }
            let blocks = &self.blocks;
            let hash_of = |number: u64| blocks.get(usize::try_from(number).ok()?).map(|block| block.at.hash);
            let view = WrapDatabaseRef(View { world: &self.world, hash_of: &hash_of });
            let chain_id = self.config.chain_id;
            let tx = environment(&transaction);
            if let Ok(outcome) = execute(view, chain_id, environment_of_block.clone(), tx, Sender::HasKey) {
                self.world.apply(outcome.state, undo);
                block.push(included(transaction, outcome.result, gas_before));
            }
        }
        later
    }
}

fn transactions(block: &SealedBlock) -> impl Iterator<Item = Transaction> + '_ {
    block.transactions.iter().map(|included| included.transaction.clone())
}

/// Those that `order` names, in its order.
fn in_order(mut transactions: Vec<Transaction>, order: &[TxHash]) -> Vec<Transaction> {
    let place = |transaction: &Transaction| order.iter().position(|hash| *hash == transaction.hash);
    transactions.retain(|transaction| place(transaction).is_some());
    transactions.sort_by_key(place);
    transactions
}
