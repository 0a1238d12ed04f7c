//! Two people with funded accounts, and the few steps that all cases repeat.

use super::Driver;
use strait_engine::ports::{Block, BlockRef, Chain, ChainError, Followed, Receipt, TxHash, TxRequest};
use strait_types::abi::{AdjudicatorEvent, calls, views};
use strait_types::{
    Address, Amount, AssetIndex, B256, Bytes, ChannelId, ChannelParams, Domain, Participant, Side, Signature,
    SigningKey, State, U256, Version,
};

/// Seconds of the challenge period in the cases.
pub const PERIOD: u32 = 3_600;

/// A channel between two accounts of the chain under test. Payouts are addresses that nothing else pays.
pub struct Scene<'d, D: Driver> {
    /// The backend under test.
    pub driver: &'d mut D,
    /// Signers of both sides; they also send.
    pub keys: [SigningKey; 2],
    /// Their ports.
    pub chains: [D::Chain; 2],
    /// Of the channel.
    pub params: ChannelParams,
    domain: Domain,
}

impl<'d, D: Driver> Scene<'d, D> {
    /// A channel in the native coin.
    pub fn new(driver: &'d mut D) -> Self {
        Scene::with_assets(driver, |_| vec![Address::ZERO])
    }

    /// A channel in assets, which may include the token.
    pub fn with_assets(driver: &'d mut D, assets: impl FnOnce(Address) -> Vec<Address>) -> Self {
        let keys = [0x11, 0x22].map(|byte| SigningKey::from_bytes([byte; 32]).expect("a key"));
        let ten_coins = U256::from(10_000_000_000_000_000_000u128);
        keys.iter().for_each(|key| driver.fund(key.address(), ten_coins));
        let chains = [driver.account(&keys[0]), driver.account(&keys[1])];
        let domain = Domain::new(chains[0].chain_id(), chains[0].adjudicator());
        let participant = |index: usize, payout| Participant {
            signer: keys[index].address(),
            payout: Address::repeat_byte(payout),
        };
        let params = ChannelParams {
            participants: [participant(0, 0xc0), participant(1, 0xc1)],
            challenge_duration: PERIOD,
            nonce: 1,
            app: Address::ZERO,
            child: B256::ZERO,
            assets: assets(driver.token()),
        };
        Scene { driver, keys, chains, params, domain }
    }

    /// The channel's id.
    pub fn id(&self) -> ChannelId {
        self.params.id(self.domain.chain_id(), self.domain.adjudicator())
    }

    /// The adjudicator.
    pub fn adjudicator(&self) -> Address {
        self.domain.adjudicator()
    }

    /// A call of the adjudicator without a value.
    pub fn to_adjudicator(&self, data: Bytes) -> TxRequest {
        TxRequest { to: self.adjudicator(), value: U256::ZERO, data }
    }

    /// A deposit in the native coin.
    pub fn deposit_request(&self, side: Side, wei: u64) -> TxRequest {
        let data = calls::deposit(&self.params, side);
        TxRequest { to: self.adjudicator(), value: U256::from(wei), data }
    }

    /// Submits for a side and mines; the receipt must be there.
    pub fn send(&mut self, side: Side, request: &TxRequest) -> (TxHash, Receipt) {
        let hash = self.chains[side.index()].submit(request).expect("the call is sound");
        self.driver.mine();
        let receipt = self.chains[side.index()].receipt(hash).expect("the chain answers");
        (hash, receipt.expect("the transaction is in the block"))
    }

    /// Sends a call to the adjudicator, which must succeed.
    pub fn adjudicate(&mut self, side: Side, data: Bytes) {
        let request = self.to_adjudicator(data);
        assert!(self.send(side, &request).1.success, "the call takes effect");
    }

    /// Deposits in the native coin by the side itself; must succeed.
    pub fn deposit(&mut self, side: Side, wei: u64) {
        let request = self.deposit_request(side, wei);
        assert!(self.send(side, &request).1.success, "the deposit takes effect");
    }

    /// Why a call to the adjudicator is refused.
    pub fn refusal(&mut self, side: Side, data: Bytes) -> String {
        let request = self.to_adjudicator(data);
        match self.chains[side.index()].submit(&request) {
            Err(ChainError::Reverts { reason }) => reason,
            other => panic!("refused is expected, not {other:?}"),
        }
    }

    /// A version in which participant 0 has paid `to_one` of the first asset to participant 1.
    pub fn state(&self, version: u64, to_one: i128) -> State {
        let mut state = State::zero(self.id(), self.params.assets.len());
        state.version = Version(version);
        state.allocations[0].delta = [-to_one, to_one];
        state
    }

    /// Both signatures on a state.
    pub fn sign(&self, state: &State) -> [Signature; 2] {
        let digest = self.domain.state_digest(state.hash());
        [self.keys[0].sign(digest), self.keys[1].sign(digest)]
    }

    /// Both signatures on ending a dispute.
    pub fn sign_resume(&self, dispute: u16) -> [Signature; 2] {
        let digest = self.domain.resume_digest(self.id(), dispute);
        [self.keys[0].sign(digest), self.keys[1].sign(digest)]
    }

    /// The side's own signature on a challenge, with which anybody may bring it.
    pub fn sign_challenge(&self, side: Side, dispute: u16, state: &State) -> Signature {
        self.keys[side.index()].sign(self.domain.challenge_digest(self.id(), dispute, state.hash()))
    }

    /// What a payout holds of an asset.
    pub fn paid(&mut self, side: Side, asset: Address) -> U256 {
        let payout = self.params.participant(side).payout;
        if asset.is_zero() {
            return self.driver.balance(payout);
        }
        let answer = self.chains[0].call(asset, views::balance_of(payout)).expect("a view");
        views::read_balance_of(&answer).expect("decodes")
    }

    /// What both payouts hold of the native coin.
    pub fn paid_coins(&mut self) -> [U256; 2] {
        Side::BOTH.map(|side| self.paid(side, Address::ZERO))
    }

    /// Chain time at the head.
    pub fn now(&mut self) -> u64 {
        self.chains[0].follow(&[], usize::MAX).expect("the chain answers").head_time
    }

    /// All events of the channel, oldest first.
    pub fn events(&mut self) -> Vec<AdjudicatorEvent> {
        let mut reader = Reader::default();
        reader.catch_up(&mut self.chains[0], usize::MAX);
        let id = self.id();
        reader.events().into_iter().filter(|event| event.channel() == Some(id)).collect()
    }

    /// A view of the adjudicator.
    pub fn view(&mut self, data: Bytes) -> Bytes {
        let adjudicator = self.adjudicator();
        self.chains[0].call(adjudicator, data).expect("a view")
    }

    /// What the adjudicator has of the first asset.
    pub fn funds(&mut self) -> views::Funds {
        let answer = self.view(views::funds(self.id(), AssetIndex(0)));
        views::read_funds(&answer).expect("decodes")
    }

    /// Where the channel stands.
    pub fn status(&mut self) -> views::ChannelStatus {
        let answer = self.view(views::channel(self.id()));
        views::read_channel(&answer).expect("decodes")
    }
}

/// Deposits of both sides in one asset.
pub fn pair(zero: u64, one: u64) -> [Amount; 2] {
    [Amount::from(zero), Amount::from(one)]
}

/// Follows a chain as a node does: keeps the blocks it was given and drops those that a reorg removed.
#[derive(Default)]
pub struct Reader {
    /// Canonical as far as known, ascending.
    pub blocks: Vec<Block>,
}

impl Reader {
    /// The latest known blocks, newest first.
    pub fn known(&self) -> Vec<BlockRef> {
        self.blocks.iter().rev().take(32).map(|block| block.at).collect()
    }

    /// One question and its answer, with what every answer must keep to.
    pub fn follow(&mut self, chain: &mut impl Chain, limit: usize) -> Followed {
        let known = self.known();
        let answer = chain.follow(&known, limit).expect("the chain answers");
        assert!(answer.blocks.len() <= limit, "{} blocks, {limit} were asked for", answer.blocks.len());
        assert!(answer.fork.is_none_or(|fork| known.contains(&fork)), "the fork is one of the known blocks");
        let kept = answer.fork.map_or(0, |fork| fork.number + 1);
        self.blocks.retain(|block| block.at.number < kept);
        for block in &answer.blocks {
            let last = self.blocks.last().map(|last| last.at.number);
            assert!(last.is_none_or(|last| last < block.at.number), "blocks ascend");
            assert!(block.at.number <= answer.head.number, "no block is above the head");
            self.blocks.push(block.clone());
        }
        answer
    }

    /// Follows until the head is reached.
    pub fn catch_up(&mut self, chain: &mut impl Chain, limit: usize) {
        loop {
            let answer = self.follow(chain, limit);
            if self.blocks.last().is_some_and(|last| last.at == answer.head) {
                return;
            }
            assert!(!answer.blocks.is_empty(), "what is not at the head has more to give");
        }
    }

    /// All events, in order.
    pub fn events(&self) -> Vec<AdjudicatorEvent> {
        self.blocks.iter().flat_map(|block| &block.events).map(|event| event.event.clone()).collect()
    }
}
