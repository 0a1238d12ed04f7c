//! A chain on which every channel has both deposits, and a block is made every second. What a node wants to send is
//! refused: nothing that is measured touches the chain.

use std::time::{SystemTime, UNIX_EPOCH};
use strait_engine::ports::{
    Account, Block, BlockRef, Chain, ChainError, Event, Followed, HandedIn, Receipt, TxHash, TxRequest,
    Wanted,
};
use strait_types::abi::AdjudicatorEvent;
use strait_types::{
    Address, Amount, AssetIndex, B256, Bytes, ChannelId, ChannelParams, Domain, Participant, Side,
    SigningKey, U256, keccak256,
};

const CHAIN_ID: u64 = 31_337;
/// Unix seconds of block 0.
const GENESIS: u64 = 1_750_000_000;
/// What each side has deposited in each channel.
const DEPOSIT: u128 = 1 << 100;

/// The same in every process, without anything shared: a block's number follows from the time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FundedChain;

fn adjudicator() -> Address {
    Address::repeat_byte(0xad)
}

pub(crate) fn domain() -> Domain {
    Domain::new(CHAIN_ID, adjudicator())
}

/// A participant's key, by its number.
pub(crate) fn key(number: u64) -> SigningKey {
    let secret = keccak256([b"strait bench key ".as_slice(), &number.to_be_bytes()].concat());
    SigningKey::from_bytes(secret.0).expect("a hash below the order of the curve")
}

/// The terms of the channels of two keys.
pub(crate) fn params(opener: Address, peer: Address, nonce: u64) -> ChannelParams {
    let participant = |signer| Participant { signer, payout: signer };
    ChannelParams {
        participants: [participant(opener), participant(peer)],
        challenge_duration: 24 * 3_600,
        nonce,
        app: Address::ZERO,
        child: B256::ZERO,
        assets: vec![Address::ZERO],
    }
}

/// The id of a channel on this chain.
pub(crate) fn id(params: &ChannelParams) -> ChannelId {
    params.id(CHAIN_ID, adjudicator())
}

fn at(number: u64) -> BlockRef {
    BlockRef { number, hash: keccak256(number.to_be_bytes()) }
}

fn block(number: u64, events: Vec<Event>) -> Block {
    Block { at: at(number), time: GENESIS.saturating_add(number), events }
}

fn head() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    now.saturating_sub(GENESIS)
}

fn deposited(channel: ChannelId, side: Side) -> Event {
    let amount = Amount::new(DEPOSIT).unwrap_or(Amount::MAX);
    Event {
        channel: Some(channel),
        transaction: B256::ZERO,
        event: AdjudicatorEvent::Deposited { channel, side, asset: AssetIndex(0), amount },
    }
}

impl Chain for FundedChain {
    fn chain_id(&self) -> u64 {
        CHAIN_ID
    }

    fn adjudicator(&self) -> Address {
        adjudicator()
    }

    fn follow(&mut self, known: &[BlockRef], _limit: usize) -> Result<Followed, ChainError> {
        let number = head().max(known.first().map_or(0, |known| known.number));
        let fork = known.first().copied();
        let is_new = fork.is_none_or(|fork| fork.number < number);
        let blocks = if is_new { vec![block(number, Vec::new())] } else { Vec::new() };
        Ok(Followed { fork, blocks, head: at(number), head_time: GENESIS.saturating_add(number) })
    }

    fn events_of(&mut self, channel: ChannelId, _through: BlockRef) -> Result<Vec<Block>, ChainError> {
        Ok(vec![block(1, Side::BOTH.map(|side| deposited(channel, side)).to_vec())])
    }

    fn submit(&mut self, _request: &TxRequest) -> Result<TxHash, ChainError> {
        Err(ChainError::Unreachable("this chain takes no transactions".into()))
    }

    fn under_way(&mut self, _is_wanted: Wanted<'_>, _through: u64) -> Result<Vec<HandedIn>, ChainError> {
        Ok(Vec::new())
    }

    fn receipt(&mut self, _transaction: TxHash) -> Result<Option<Receipt>, ChainError> {
        Ok(None)
    }

    fn account(&mut self) -> Result<Account, ChainError> {
        Ok(Account { address: Address::ZERO, balance: U256::ZERO })
    }

    fn needed_for(&mut self, _: &[u64], _: bool) -> Result<U256, ChainError> {
        Ok(U256::ZERO)
    }

    fn call(&mut self, _to: Address, _data: Bytes) -> Result<Bytes, ChainError> {
        Err(ChainError::Unreachable("this chain answers no calls".into()))
    }

    fn has_code(&mut self, _address: Address) -> Result<bool, ChainError> {
        Ok(false)
    }
}
