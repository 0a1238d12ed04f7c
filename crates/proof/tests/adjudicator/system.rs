//! The real bytecode on the development chain, beside the model.

use crate::calls::Dice;
use crate::contracts;
use crate::hostile::{PayoutMood, TokenMood};
use crate::model::{Call, Channel, Model, Phase, Shown};
use alloy_consensus::TxLegacy;
use alloy_primitives::TxKind;
use std::collections::BTreeMap;
use strait_chain::dev::{Call as View, DevChain, DevChainConfig, Transaction, Within};
use strait_types::abi::{app, calls, views};
use strait_types::{
    Address, Amount, AssetIndex, B256, Bytes, ChannelId, ChannelParams, Domain, Participant, Side, Signature,
    SigningKey, State, U256, keccak256, record_fingerprint,
};

/// Most gas of one transaction (EIP-7825).
const GAS: u64 = 1 << 24;

#[derive(Clone)]
pub(crate) struct System {
    chain: DevChain,
    domain: Domain,
    keys: [SigningKey; 2],
    other: SigningKey,
    operator: SigningKey,
    tokens: [Address; 2],
    payouts: Vec<Address>,
    app: Address,
    opened: u64,
    pub(crate) model: Model,
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes([seed; 32]).expect("a key")
}

impl System {
    /// All contracts deployed, no channel yet.
    pub(crate) fn new() -> System {
        let wei = U256::from(10).pow(U256::from(36));
        let operator = key(8);
        let accounts = vec![(operator.address(), wei)];
        let config = DevChainConfig { base_fee: 1, accounts, ..DevChainConfig::default() };
        let mut chain = DevChain::new(config).expect("deploys");
        let mut deploy = |artifact| {
            chain.deploy(operator.address(), contracts::init_code(artifact)).expect("a contract is deployed")
        };
        let mut tokens = [deploy(contracts::TOKEN), deploy(contracts::TOKEN)];
        tokens.sort_unstable();
        let mut payouts: Vec<Address> = (0..3).map(|_| deploy(contracts::PAYOUT)).collect();
        let app = deploy(contracts::APP);
        let model = Model {
            now: chain.now(),
            channels: BTreeMap::new(),
            credits: BTreeMap::new(),
            registered: BTreeMap::new(),
            received: BTreeMap::new(),
            balance: BTreeMap::new(),
            tokens: tokens.map(|token| (token, TokenMood::Honest)).into(),
            payouts: payouts.iter().map(|payout| (*payout, PayoutMood::Takes)).collect(),
            lists: BTreeMap::new(),
        };
        payouts.push(Address::repeat_byte(0xcc));
        let domain = Domain::new(chain.config().chain_id, chain.adjudicator());
        let keys = [key(1), key(2)];
        let mut system =
            System { chain, domain, keys, other: key(9), operator, tokens, payouts, app, opened: 0, model };
        for token in tokens {
            system.send(token, 0, contracts::mint(system.operator.address(), u128::MAX)).expect("minted");
        }
        system
    }

    /// Sees to it that there is an open channel of each kind; some share payouts. Ended ones stay.
    pub(crate) fn open(&mut self, dice: &mut Dice) {
        let [low, high] = self.tokens;
        let native = Address::ZERO;
        let kinds = [
            (vec![native], Address::ZERO),
            (vec![native, low, high], Address::ZERO),
            (vec![low], Address::ZERO),
            (vec![native], self.app),
            (vec![high], self.app),
        ];
        for (kind, (assets, app)) in kinds.into_iter().enumerate() {
            let is_one = |channel: &Channel| channel.params.nonce % 8 == kind as u64;
            let mut ones = self.model.channels.values().filter(|channel| is_one(channel));
            if ones.any(|channel| channel.phase != Phase::Closed) {
                continue;
            }
            self.opened += 8;
            let mut participant = |side: usize| Participant {
                signer: self.keys[side].address(),
                payout: self.payouts[dice.index(self.payouts.len())],
            };
            let params = ChannelParams {
                participants: [participant(0), participant(1)],
                challenge_duration: 3_600 * (1 + dice.below(48) as u32),
                nonce: self.opened + kind as u64,
                app,
                child: B256::ZERO,
                assets,
            };
            let id = params.id(self.domain.chain_id(), self.domain.adjudicator());
            self.model.channels.insert(id, Channel::new(params));
        }
    }

    /// With all the gas that a transaction may have.
    fn send(&mut self, to: Address, value: u128, data: Bytes) -> Result<(), String> {
        let unsigned = TxLegacy {
            chain_id: Some(self.domain.chain_id()),
            nonce: self.chain.nonce(self.operator.address()),
            gas_price: u128::from(self.chain.config().base_fee),
            gas_limit: GAS,
            to: TxKind::Call(to),
            value: U256::from(value),
            input: data,
        };
        let signed = Transaction::signed(unsigned.into(), &self.operator);
        let hash = self.chain.send(signed.envelope().clone()).expect("the pool takes it");
        let included = self.chain.included(hash).expect("it is in a block");
        if included.success { Ok(()) } else { Err(included.failure.clone().unwrap_or_default()) }
    }

    /// Sends the call as a transaction.
    pub(crate) fn execute(&mut self, call: &Call) -> Result<(), String> {
        let adjudicator = self.domain.adjudicator();
        match call {
            Call::Pass { to } => {
                self.chain.set_next_time(*to);
                Ok(())
            }
            Call::Feel { token, mood } => {
                self.send(*token, 0, contracts::feel(*mood as u8, adjudicator, &self.call_back()))
            }
            Call::FeelPaid { payout, mood } => {
                self.send(*payout, 0, contracts::feel(*mood as u8, adjudicator, &self.call_back()))
            }
            Call::WithdrawCredit { payout, asset, to } => {
                let inner = calls::withdraw_credit(*asset, *to);
                self.send(*payout, 0, contracts::execute(adjudicator, &inner))
            }
            call => {
                let value = self.value(call);
                let data = self.data(call);
                self.send(adjudicator, value, data)
            }
        }
    }

    /// What a hostile contract tries when it is called: it would show in the registry, if it were let in.
    fn call_back(&self) -> Bytes {
        calls::register_preimage(keccak256("called back"))
    }

    fn value(&self, call: &Call) -> u128 {
        match call {
            Call::Deposit { id, asset, amount, .. } => {
                let assets = &self.model.channels[id].params.assets;
                if assets.get(*asset).is_none_or(|asset| asset.is_zero()) { *amount } else { 0 }
            }
            _ => 0,
        }
    }

    fn data(&self, call: &Call) -> Bytes {
        let params = call.channel().map(|id| &self.model.channels[&id].params);
        match (call, params) {
            (Call::Deposit { side, asset, amount, .. }, Some(params)) => {
                if params.assets.get(*asset).is_some_and(|asset| asset.is_zero()) {
                    return calls::deposit(params, *side);
                }
                calls::deposit_token(params, AssetIndex(*asset as u8), *side, units(*amount))
            }
            (Call::Close { state, shown, .. }, Some(params)) => {
                calls::close(params, state, &self.signatures(state, *shown))
            }
            (Call::Withdraw { state, shown, previous, .. }, Some(params)) => {
                calls::withdraw(params, state, &self.signatures(state, *shown), *previous)
            }
            (Call::Respond { state, shown, previous, .. }, Some(params)) => {
                calls::respond(params, state, &self.signatures(state, *shown), *previous)
            }
            (Call::Challenge { id, state, shown, previous, challenger, authorised }, Some(params)) => {
                let digest = self.domain.challenge_digest(*id, self.model.channels[id].dispute, state.hash());
                let signature = self.signature(*challenger, digest, *authorised);
                let signatures = self.signatures(state, *shown);
                calls::challenge(params, state, Some(&signatures), *previous, *challenger, Some(&signature))
            }
            (Call::Resume { id, recorded, shown }, Some(params)) => {
                let digest = self.domain.resume_digest(*id, self.model.channels[id].dispute);
                let signatures = Side::BOTH.map(|side| self.signature(side, digest, shown[side.index()]));
                calls::resume(params, *recorded, &signatures)
            }
            (Call::Progress { state, next, shown, .. }, Some(params)) => {
                app::progress_agreed(params, state, next, &self.signatures(next, *shown))
            }
            (Call::Settle { state, .. }, Some(params)) => calls::settle(params, state),
            (Call::Unlock { locks, .. }, Some(params)) => calls::unlock(params, locks),
            (Call::Register { preimage }, _) => calls::register_preimage(*preimage),
            (Call::Together(list), _) => calls::multicall(list.iter().map(|call| self.data(call)).collect()),
            (call, _) => unreachable!("{} is not sent to the adjudicator", call.name()),
        }
    }

    fn signatures(&self, state: &State, shown: [Shown; 2]) -> [Signature; 2] {
        let digest = self.domain.state_digest(state.hash());
        Side::BOTH.map(|side| self.signature(side, digest, shown[side.index()]))
    }

    fn signature(&self, side: Side, digest: B256, shown: Shown) -> Signature {
        match shown {
            Shown::Good => self.keys[side.index()].sign(digest),
            Shown::Wrong if digest[0].is_multiple_of(2) => self.other.sign(digest),
            Shown::Wrong => self.keys[side.index()].sign(keccak256(digest)),
            Shown::Absent => Signature([0; 64]),
        }
    }

    // ---- whether both hold the same

    fn view(&self, to: Address, input: Bytes) -> Bytes {
        let call = View { from: self.operator.address(), to: Some(to), input, ..View::default() };
        self.chain.call(&call, Within::Next).expect("a view answers")
    }

    /// What a call can have touched: its channel, and the adjudicator's balances.
    pub(crate) fn compare(&self, id: Option<ChannelId>) -> Result<(), String> {
        if let Some(id) = id {
            self.compare_channel(id, &self.model.channels[&id])?;
        }
        for (asset, balance) in &self.model.balance {
            self.compare_balance(*asset, self.domain.adjudicator(), *balance)?;
        }
        Ok(())
    }

    /// Everything.
    pub(crate) fn compare_all(&self) -> Result<(), String> {
        for (id, channel) in &self.model.channels {
            self.compare_channel(*id, channel)?;
        }
        for ((holder, asset), amount) in &self.model.received {
            self.compare_balance(*asset, *holder, *amount)?;
        }
        for payout in &self.payouts {
            for asset in [Address::ZERO, self.tokens[0], self.tokens[1]] {
                let answer = self.view(self.domain.adjudicator(), views::credits(*payout, asset));
                let expected = self.model.credits.get(&(*payout, asset)).copied().unwrap_or(0);
                same(
                    "credit",
                    U256::from(expected),
                    views::read_credits(&answer).map_err(|error| error.to_string())?,
                )?;
            }
        }
        let called_back = crate::model::hash_of(keccak256("called back"));
        let hashes = self.model.registered.iter().map(|(hash, at)| (*hash, Some(*at)));
        for (hash, at) in hashes.chain([(called_back, None)]) {
            let answer = self.view(self.domain.adjudicator(), views::registered_at(hash));
            same("registration", at, views::read_registered_at(&answer).map_err(|error| error.to_string())?)?;
        }
        self.compare(None)
    }

    fn compare_balance(&self, asset: Address, holder: Address, expected: u128) -> Result<(), String> {
        let actual = if asset.is_zero() {
            self.chain.balance(holder)
        } else {
            views::read_balance_of(&self.view(asset, views::balance_of(holder)))
                .map_err(|error| error.to_string())?
        };
        same("balance", U256::from(expected), actual)
    }

    fn compare_channel(&self, id: ChannelId, channel: &Channel) -> Result<(), String> {
        let adjudicator = self.domain.adjudicator();
        let status = views::read_channel(&self.view(adjudicator, views::channel(id)))
            .map_err(|error| error.to_string())?;
        let (phase, fingerprint) = match channel.phase {
            Phase::Open => {
                let of = |state: &State| record_fingerprint(id, state.version, channel.dispute, state.hash());
                (views::Phase::Open, channel.recorded.as_ref().map(of))
            }
            Phase::Settled => (views::Phase::Settled, Some(locks_fingerprint(id, channel.locks))),
            Phase::Closed => (views::Phase::Closed, None),
        };
        let expected =
            views::ChannelStatus { phase, dispute: channel.dispute, deadline: channel.deadline, fingerprint };
        same("status", expected, status)?;
        for asset in 0..channel.params.assets.len() {
            let answer = self.view(adjudicator, views::funds(id, AssetIndex(asset as u8)));
            let expected = views::Funds {
                deposited: channel.deposits[asset].map(units),
                withdrawn: channel.paid[asset],
                reserve: channel.reserve[asset],
            };
            same("funds", expected, views::read_funds(&answer).map_err(|error| error.to_string())?)?;
        }
        Ok(())
    }
}

fn locks_fingerprint(id: ChannelId, locks: B256) -> [u8; 25] {
    let words = [keccak256("Strait: pending locks"), id.0, locks];
    let hash = keccak256(words.map(|word| word.0).concat());
    std::array::from_fn(|i| hash[i])
}

fn units(amount: u128) -> Amount {
    Amount::new(amount).expect("a small amount")
}

#[expect(clippy::needless_pass_by_value, reason = "calls read better with values")]
fn same<T: PartialEq + std::fmt::Debug>(what: &str, expected: T, actual: T) -> Result<(), String> {
    if expected == actual { Ok(()) } else { Err(format!("{what}: expected {expected:?}, is {actual:?}")) }
}
