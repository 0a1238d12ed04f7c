//! What the engine's `Chain` port asks, answered for any account.

use super::block::SealedBlock;
use super::execution::{Sender, call_environment, environment, execute, failure};
use super::transaction::Transaction;
use super::world::View;
use super::{DevChain, Mining};
use alloy_consensus::{Transaction as _, TxLegacy};
use alloy_primitives::TxKind;
use revm::context::result::{InvalidTransaction, ResultAndState};
use revm::context::{BlockEnv, TxEnv};
use revm::database::CacheDB;
use revm::database_interface::DatabaseCommit;
use revm::state::AccountInfo;
use strait_engine::ports::{
    Block, BlockRef, ChainError, Event, Followed, HandedIn, Receipt, TxHash, TxRequest, Wanted,
};
use strait_types::abi::decode_event;
use strait_types::{Address, Bytes, ChannelId, U256};

/// Gas that a transaction may use beyond its simulation, besides half of that again: the adjudicator checks that the
/// gas cap of a payout is available, although a payout rarely uses it. Unused gas costs nothing.
const GAS_HEAD_ROOM: u64 = 1_000_000;

impl DevChain {
    pub(super) fn follow(&self, known: &[BlockRef], limit: usize) -> Result<Followed, ChainError> {
        let head = self.head();
        let fork = known.iter().copied().find(|block| self.is_canonical(*block));
        let after = fork.map_or(0, |block| block.number);
        let first = self.event_blocks.partition_point(|number| *number <= after);
        let mut numbers: Vec<u64> =
            self.event_blocks.iter().skip(first).take(limit.max(1)).copied().collect();
        let nothing_left_out = first.saturating_add(numbers.len()) == self.event_blocks.len();
        let head_is_new = numbers.last() != Some(&head.at.number) && fork != Some(head.at);
        if nothing_left_out && head_is_new && numbers.len() < limit.max(1) {
            numbers.push(head.at.number);
        }
        let blocks = numbers.into_iter().filter_map(|number| self.block(number));
        let blocks = blocks.map(|block| self.with_events(block, None)).collect::<Result<_, _>>()?;
        Ok(Followed { fork, blocks, head: head.at, head_time: head.time() })
    }

    pub(super) fn events_of(&self, channel: ChannelId, through: BlockRef) -> Result<Vec<Block>, ChainError> {
        if !self.is_canonical(through) {
            return Err(ChainError::NotCanonical(through));
        }
        let numbers = self.event_blocks.iter().take_while(|number| **number <= through.number);
        let blocks = numbers.filter_map(|number| self.block(*number));
        let blocks = blocks.map(|block| self.with_events(block, Some(channel)));
        blocks.filter(|block| !matches!(block, Ok(block) if block.events.is_empty())).collect()
    }

    /// Whether a block is in the chain as it stands.
    pub fn is_canonical(&self, block: BlockRef) -> bool {
        self.block(block.number).is_some_and(|own| own.at == block)
    }

    /// The adjudicator's events of a block, of one channel or of all.
    fn with_events(&self, block: &SealedBlock, only: Option<ChannelId>) -> Result<Block, ChainError> {
        let mut events = Vec::new();
        for (transaction, log) in block.logs().filter(|(_, log)| log.address == self.adjudicator) {
            if only.is_some_and(|channel| log.topics().get(1) != Some(&channel.0)) {
                continue;
            }
            let decoded = decode_event(log.topics(), &log.data.data);
            let decoded = decoded.map_err(|error| ChainError::Nonsense(error.to_string()))?;
            if let Some(event) = decoded
                && only.is_none_or(|channel| event.channel() == Some(channel))
            {
                events.push(Event { channel: event.channel(), transaction, event });
            }
        }
        Ok(Block { at: block.at, time: block.time(), events })
    }

    pub(super) fn receipt(&self, transaction: TxHash) -> Option<Receipt> {
        let (number, index) = self.position(transaction)?;
        self.block(number)?.receipt(index)
    }

    pub(super) fn under_way(&self, from: Address, is_wanted: Wanted<'_>, through: u64) -> Vec<HandedIn> {
        let handed_in = |transaction: &Transaction| {
            let envelope = transaction.envelope();
            let request =
                TxRequest { to: envelope.to()?, value: envelope.value(), data: envelope.input().clone() };
            let is_it = transaction.from == from && is_wanted(&request);
            is_it.then(|| HandedIn { transaction: transaction.hash, request })
        };
        let later = self.blocks().iter().rev().take_while(|block| block.at.number > through);
        let included = later.flat_map(|block| &block.transactions).filter(|included| included.success);
        let included = included.map(|included| &included.transaction);
        self.pool.iter().chain(included).filter_map(handed_in).collect()
    }

    /// Calls a contract at the head without a transaction.
    ///
    /// # Errors
    /// [`ChainError::Reverts`] with the reason.
    pub fn call_from(&self, from: Address, to: Address, data: Bytes) -> Result<Bytes, ChainError> {
        let nonce = self.world.nonce(from);
        let tx = call_environment(from, to, U256::ZERO, data, nonce, self.config.chain_id);
        let result = self.simulate(&[], tx, self.gas_cap())?.result;
        Ok(result.into_output().unwrap_or_default())
    }

    /// Sends a transaction of `from`, whose key nobody asks for. It is simulated at the head, after the sender's own
    /// waiting transactions; with automatic mining it is in a block when this returns.
    ///
    /// # Errors
    /// [`ChainError::Reverts`] and [`ChainError::NotEnoughGasMoney`]; nothing was sent then.
    pub fn submit_from(&mut self, from: Address, request: &TxRequest) -> Result<TxHash, ChainError> {
        let (chain_id, nonce) = (self.config.chain_id, self.next_nonce(from));
        let before: Vec<&Transaction> =
            self.pool.iter().filter(|waiting| waiting.from == from && waiting.nonce() < nonce).collect();
        let tx = call_environment(from, request.to, request.value, request.data.clone(), nonce, chain_id);
        let spent = self.simulate(&before, tx.clone(), self.gas_cap())?.result.gas().total_gas_spent();
        // A batch in which an app judges a move wants far more than it uses.
        let usual = self.with_head_room(spent);
        let gas_limit = if self.simulate(&before, tx, usual).is_ok() { usual } else { self.gas_cap() };
        let unsigned = TxLegacy {
            chain_id: Some(chain_id),
            nonce,
            gas_price: u128::from(self.config.base_fee),
            gas_limit,
            to: TxKind::Call(request.to),
            value: request.value,
            input: request.data.clone(),
        };
        let transaction = Transaction::unsigned(unsigned, from);
        let promised = |sum: U256, waiting: &&Transaction| sum.saturating_add(waiting.most_expensive());
        let needed = before.iter().fold(transaction.most_expensive(), promised);
        let balance = self.world.balance(from);
        if balance < needed {
            return Err(ChainError::NotEnoughGasMoney { account: from, balance, needed });
        }
        let hash = self.enqueue(transaction);
        if self.config.mining == Mining::Automatic {
            self.mine();
        }
        Ok(hash)
    }

    /// What an account must hold, in wei, to send calls that use this much gas each, beside what it has sent.
    pub(super) fn needed_for(&self, from: Address, gas: &[u64]) -> U256 {
        let price = U256::from(self.config.base_fee);
        let own = gas.iter().map(|gas| U256::from(self.with_head_room(*gas)).saturating_mul(price));
        let waiting =
            self.pool.iter().filter(|waiting| waiting.from == from).map(Transaction::most_expensive);
        own.chain(waiting).fold(U256::ZERO, U256::saturating_add)
    }

    /// The gas limit of a call that uses this much when it is simulated.
    fn with_head_room(&self, gas: u64) -> u64 {
        gas.saturating_add(gas / 2).saturating_add(GAS_HEAD_ROOM).min(self.gas_cap())
    }

    /// Runs `tx` at the head after other transactions, free of charge and with the value given.
    fn simulate(
        &self,
        before: &[&Transaction],
        mut tx: TxEnv,
        gas_limit: u64,
    ) -> Result<ResultAndState, ChainError> {
        let hash_of = |number: u64| self.block(number).map(|block| block.at.hash);
        let mut overlay = CacheDB::new(View { world: &self.world, hash_of: &hash_of });
        let chain_id = self.config.chain_id;
        let block = self.block_environment(self.now);
        for transaction in before {
            let run =
                execute(&mut overlay, chain_id, block.clone(), environment(transaction), Sender::HasKey);
            overlay.commit(run.map_err(|invalid| nonsense(&invalid))?.state);
        }
        lend(&mut overlay, tx.caller, tx.value);
        tx.gas_limit = gas_limit;
        let outcome = execute(&mut overlay, chain_id, BlockEnv { basefee: 0, ..block }, tx, Sender::HasKey)
            .map_err(|invalid| nonsense(&invalid))?;
        match failure(&outcome.result) {
            None => Ok(outcome),
            Some(reason) => Err(ChainError::Reverts { reason }),
        }
    }
}

/// Whether a call reverts is another question than whether its sender can pay; that one is asked later.
fn lend(overlay: &mut CacheDB<View<'_>>, account: Address, value: U256) {
    let Ok(cached) = overlay.load_account(account);
    cached.info.balance = cached.info.balance.max(value);
    let info: AccountInfo = cached.info.clone();
    overlay.insert_account_info(account, info);
}

fn nonsense(invalid: &InvalidTransaction) -> ChainError {
    ChainError::Nonsense(format!("the transaction is invalid: {invalid}"))
}
