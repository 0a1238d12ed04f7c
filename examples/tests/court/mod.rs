//! A channel with an app on the embedded chain, ready to be disputed. Each question is answered on a copy of the chain.

use strait_app::AppCode;
use strait_chain::dev::{DevChain, DevChainConfig};
use strait_engine::ports::TxRequest;
use strait_types::abi::{app, calls};
use strait_types::{
    Address, B256, Bytes, ChannelId, ChannelParams, Domain, Participant, Side, Signature, SigningKey, State,
    U256,
};

/// What each side has deposited.
pub(crate) const DEPOSIT: u128 = 1_000;

const PERIOD: u64 = 86_400;

#[derive(Clone)]
pub(crate) struct Court {
    chain: DevChain,
    keys: [SigningKey; 2],
    params: ChannelParams,
    domain: Domain,
    runtime: Bytes,
}

impl Court {
    /// The app is not deployed: whoever needs it does that.
    pub(crate) fn new(code: &AppCode) -> Court {
        let mut chain = DevChain::new(DevChainConfig::default()).expect("deploys");
        let keys = [0x11, 0x22].map(|byte| SigningKey::from_bytes([byte; 32]).expect("in range"));
        let participant = |side: usize| Participant { signer: keys[side].address(), payout: payout(side) };
        let params = ChannelParams {
            participants: [participant(0), participant(1)],
            challenge_duration: PERIOD as u32,
            nonce: 1,
            app: code.address(chain.adjudicator()),
            child: B256::ZERO,
            assets: vec![Address::ZERO],
        };
        let domain = Domain::new(chain.config().chain_id, chain.adjudicator());
        for key in &keys {
            chain.fund(key.address(), U256::from(u64::MAX));
        }
        let mut court = Court { chain, keys, params, domain, runtime: code.runtime().clone() };
        for side in Side::BOTH {
            let deposit = calls::deposit(&court.params, side);
            court.send(side, DEPOSIT, deposit).expect("deposited");
        }
        court
    }

    pub(crate) fn channel(&self) -> ChannelId {
        self.params.id(self.domain.chain_id(), self.domain.adjudicator())
    }

    /// What the payouts get when both agreed to the states up to `agreed`, each further one was forced by its mover, and
    /// then its writer does nothing any more: all that remains is done by the other one.
    pub(crate) fn stops(&self, states: &[State], agreed: usize) -> [u128; 2] {
        let mut court = self.clone();
        let last = &states[states.len() - 1];
        let honest = last.writer.other();
        court.challenge(honest, &states[agreed]);
        for pair in states[agreed..].windows(2) {
            court.force(pair[0].writer, &pair[0], &pair[1]).expect("the move is taken");
        }
        court.chain.advance(PERIOD + 1);
        court.send(honest, 0, calls::settle(&court.params, last)).expect("settled");
        [0, 1].map(|side| court.chain.balance(payout(side)).to())
    }

    /// Why the adjudicator refuses a move in a dispute; empty if it takes it.
    pub(crate) fn refuses(&self, state: &State, next: &State) -> String {
        let mut court = self.clone();
        court.challenge(state.writer, state);
        court.force(state.writer, state, next).err().unwrap_or_default()
    }

    /// Begins the dispute, waits until both could have shown a higher state, and makes sure that the app is there.
    fn challenge(&mut self, by: Side, state: &State) {
        let signatures = Side::BOTH.map(|side| self.sign(side, state));
        let data = calls::challenge(&self.params, state, Some(&signatures), None, by, None);
        self.send(by, 0, data).expect("challenged");
        let deploy = app::deploy_app(&self.runtime);
        self.send(by, 0, deploy).expect("deployed");
        self.chain.advance(PERIOD + 1);
    }

    fn force(&mut self, by: Side, state: &State, next: &State) -> Result<(), String> {
        let signature = self.sign(by, next);
        self.send(by, 0, app::progress(&self.params, state, next, &signature))
    }

    fn sign(&self, side: Side, state: &State) -> Signature {
        self.keys[side.index()].sign(self.domain.state_digest(state.hash()))
    }

    fn send(&mut self, side: Side, wei: u128, data: Bytes) -> Result<(), String> {
        let request = TxRequest { to: self.domain.adjudicator(), value: U256::from(wei), data };
        let sent = self.chain.submit_from(self.keys[side.index()].address(), &request);
        let hash = sent.map_err(|error| error.to_string())?;
        let included = self.chain.included(hash).expect("mined at once");
        if included.success { Ok(()) } else { Err(included.failure.clone().unwrap_or_default()) }
    }
}

fn payout(side: usize) -> Address {
    Address::repeat_byte(if side == 0 { 0xa0 } else { 0xb0 })
}
