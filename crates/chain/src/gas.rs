//! What the adjudicator's calls cost, measured by playing whole channels on the development chain.

mod scenarios;

use crate::dev::{DevChain, DevChainConfig, DevChainError};
use strait_engine::ports::{ChainError, TxRequest};
use strait_types::abi::calls;
use strait_types::{
    Address, B256, Bytes, ChannelParams, Domain, Participant, Side, Signature, SigningKey, State, U256,
    Version,
};

/// Gas and calldata of a scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GasRow {
    /// The scenario, for people and for targets.
    pub name: &'static str,
    /// Gas of all its transactions, as their receipts say.
    pub gas: u64,
    /// Calldata of all its transactions.
    pub calldata_bytes: usize,
}

/// A scenario could not be played; the contracts or this crate are at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GasError {
    /// The chain did not start.
    #[error(transparent)]
    Chain(#[from] DevChainError),
    /// A call was refused.
    #[error("the scenario '{name}' cannot be played: {source}")]
    Refused {
        /// The scenario.
        name: &'static str,
        /// Why.
        source: ChainError,
    },
    /// A call failed in its block, although it had been simulated.
    #[error("the scenario '{0}' cannot be played: its transaction failed")]
    Failed(&'static str),
}

/// Plays all scenarios, each on fresh channels. Signers are the payouts and senders, and exist beforehand, as do token
/// balances of payouts: what is measured is the adjudicator, not the creation of accounts.
///
/// # Errors
/// When a scenario cannot be played.
pub fn gas_report() -> Result<Vec<GasRow>, GasError> {
    let mut bench = Bench::new()?;
    scenarios::cooperative(&mut bench)?;
    scenarios::disputes(&mut bench)?;
    scenarios::locks(&mut bench)?;
    scenarios::tokens(&mut bench)?;
    Ok(bench.rows)
}

/// The chain with two participants, and the rows so far.
struct Bench {
    chain: DevChain,
    keys: [SigningKey; 2],
    domain: Domain,
    nonce: u64,
    rows: Vec<GasRow>,
}

/// Gas and calldata of one transaction or several.
#[derive(Clone, Copy, Default)]
struct Cost {
    gas: u64,
    calldata_bytes: usize,
}

impl std::ops::Add for Cost {
    type Output = Cost;
    fn add(self, other: Cost) -> Cost {
        Cost {
            gas: self.gas.saturating_add(other.gas),
            calldata_bytes: self.calldata_bytes.saturating_add(other.calldata_bytes),
        }
    }
}

impl Bench {
    fn new() -> Result<Bench, GasError> {
        let mut chain = DevChain::new(DevChainConfig::default())?;
        let keys =
            [0x11, 0x22].map(|byte| SigningKey::from_bytes([byte; 32]).expect("below the curve's order"));
        keys.iter().for_each(|key| chain.fund(key.address(), U256::from(u128::MAX)));
        let domain = Domain::new(chain.config().chain_id, chain.adjudicator());
        Ok(Bench { chain, keys, domain, nonce: 0, rows: Vec::new() })
    }

    /// Parameters of a channel that was never used.
    fn channel(&mut self, asset: Address) -> ChannelParams {
        self.nonce = self.nonce.saturating_add(1);
        let participant = |key: &SigningKey| Participant { signer: key.address(), payout: key.address() };
        ChannelParams {
            participants: [participant(&self.keys[0]), participant(&self.keys[1])],
            challenge_duration: 86_400,
            nonce: self.nonce,
            app: Address::ZERO,
            child: B256::ZERO,
            assets: vec![asset],
        }
    }

    /// A version in which participant 0 has paid `to_one` to participant 1, after a real history.
    fn state(&self, params: &ChannelParams, version: u64, to_one: i128) -> State {
        let id = params.id(self.domain.chain_id(), self.domain.adjudicator());
        let mut state = State::zero(id, params.assets.len());
        state.version = Version(version);
        state.allocations[0].delta = [-to_one, to_one];
        state.history = B256::repeat_byte(0x5e);
        state
    }

    /// As a final state, which `close` executes.
    fn last(&self, mut state: State) -> State {
        state.is_final = true;
        state.valid_until = self.chain.now().saturating_add(3_600);
        state
    }

    fn sign(&self, state: &State) -> [Signature; 2] {
        let digest = self.domain.state_digest(state.hash());
        [self.keys[0].sign(digest), self.keys[1].sign(digest)]
    }

    /// Sends one transaction to the adjudicator.
    fn adjudicate(
        &mut self,
        name: &'static str,
        side: Side,
        wei: u128,
        data: Bytes,
    ) -> Result<Cost, GasError> {
        self.send(name, side, self.domain.adjudicator(), wei, data)
    }

    fn send(
        &mut self,
        name: &'static str,
        side: Side,
        to: Address,
        wei: u128,
        data: Bytes,
    ) -> Result<Cost, GasError> {
        let calldata_bytes = data.len();
        let request = TxRequest { to, value: U256::from(wei), data };
        let sender = self.keys[side.index()].address();
        let hash =
            self.chain.submit_from(sender, &request).map_err(|source| GasError::Refused { name, source })?;
        match self.chain.included(hash) {
            Some(included) if included.success => Ok(Cost { gas: included.gas_used, calldata_bytes }),
            _ => Err(GasError::Failed(name)),
        }
    }

    /// A deposit in the native coin by the participant itself.
    fn deposit(
        &mut self,
        name: &'static str,
        params: &ChannelParams,
        side: Side,
        wei: u128,
    ) -> Result<Cost, GasError> {
        self.adjudicate(name, side, wei, calls::deposit(params, side))
    }

    fn row(&mut self, name: &'static str, cost: Cost) {
        self.rows.push(GasRow { name, gas: cost.gas, calldata_bytes: cost.calldata_bytes });
    }

    fn pass_the_period(&mut self) {
        self.chain.advance(86_401);
    }
}
