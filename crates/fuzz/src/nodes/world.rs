//! The nodes, what lies between them, and the chain.

use super::Broken;
use super::ledger::Ledger;
use crate::Features;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, LazyLock};
use strait_app::EvmApps;
use strait_chain::dev::Mining;
use strait_chain::{DevAccount, DevChain, DevChainConfig, SharedChain};
use strait_engine::{Engine, Input, Policy, Submission};
use strait_protocol::{Settings, SignedPosition};
use strait_store::{MemoryDisk, MemoryStore};
use strait_types::{
    Address, Amount, AssetIndex, B256, ChannelId, ChannelParams, Domain, Participant, Side, Signature,
    SigningKey, U256, Version,
};

/// Seconds of the challenge period.
pub(super) const PERIOD: u32 = 3_600;
/// Blocks on top of a deposit, and most that a reorg takes.
pub(super) const CONFIRMATIONS: u64 = 2;
/// Seconds until the longest lock expires.
pub(super) const HORIZON: u64 = 7_200;
/// What each side has put in when the bytes begin.
pub(super) const DEPOSIT: u64 = 100_000;
/// Seconds between blocks.
pub(super) const BLOCK: u64 = 12;

pub(super) struct Process {
    pub(super) engine: Engine,
    pub(super) store: MemoryStore,
}

pub(super) struct Node {
    pub(super) key: SigningKey,
    pub(super) port: DevAccount,
    pub(super) disk: MemoryDisk,
    pub(super) process: Option<Process>,
    /// Calls that are on their way to the chain.
    pub(super) calls: VecDeque<(Submission, usize)>,
    /// Frames that it sent and that have not arrived.
    pub(super) sent: VecDeque<Vec<u8>>,
    /// Its data, as it was once.
    pub(super) backup: Option<MemoryDisk>,
    /// It was restored, and nothing has been durable since.
    pub(super) is_restored: bool,
    /// What it had told its users is not all there any more.
    pub(super) has_forgotten: bool,
    /// Seconds for which it has not dealt with the chain.
    pub(super) asleep: u64,
    pub(super) ledger: Ledger,
}

pub(super) struct World<'a> {
    pub(super) features: &'a mut Features,
    pub(super) chain: SharedChain,
    pub(super) domain: Domain,
    pub(super) nodes: [Node; 2],
    pub(super) channel: ChannelId,
    pub(super) params: ChannelParams,
    pub(super) is_connected: bool,
    /// A frame was altered or made up, so that a node may take the other for a liar.
    pub(super) is_altered: bool,
    /// Milliseconds.
    pub(super) now: u64,
    pub(super) next_token: u64,
    pub(super) preimages: BTreeMap<B256, B256>,
    /// States that were the last word once.
    pub(super) old: Vec<SignedPosition>,
    pub(super) signed: BTreeMap<(usize, Version), Signature>,
}

fn key(node: usize) -> SigningKey {
    SigningKey::from_bytes([if node == 0 { 1 } else { 2 }; 32]).expect("a key in range")
}

pub(super) fn stranger() -> Address {
    Address::repeat_byte(0x77)
}

static GENESIS: LazyLock<DevChain> = LazyLock::new(|| {
    let plenty = U256::from(u128::MAX);
    let accounts = [key(0).address(), key(1).address(), stranger()].map(|account| (account, plenty)).to_vec();
    let config = DevChainConfig { mining: Mining::Manual, accounts, ..Default::default() };
    let mut chain = DevChain::new(config).expect("the committed contracts deploy");
    chain.mine();
    chain
});

fn params() -> ChannelParams {
    let participant = |node: usize| Participant {
        signer: key(node).address(),
        payout: Address::repeat_byte(if node == 0 { 0xb0 } else { 0xb1 }),
    };
    ChannelParams {
        participants: [participant(0), participant(1)],
        challenge_duration: PERIOD,
        nonce: 1,
        app: Address::ZERO,
        child: B256::ZERO,
        assets: vec![Address::ZERO],
    }
}

pub(super) fn settings() -> Settings {
    Settings {
        confirmations: CONFIRMATIONS,
        window: 4,
        batch: 16,
        lock_margin: 600,
        lock_horizon: HORIZON,
        execution_window: 600,
        hold_timeout_ms: 30_000,
        ..Settings::default()
    }
}

pub(super) fn recover(node: &Node, domain: &Domain, store: &MemoryStore) -> Result<Engine, Broken> {
    let policy = Policy { min_challenge: PERIOD, ..Policy::default() };
    let signer = Arc::new(node.key.clone());
    let mut engine = Engine::recover(*domain, signer, policy, settings(), store, node.is_restored)
        .map_err(|error| Broken(format!("the engine does not recover: {error}")))?;
    engine.set_rules(Arc::new(EvmApps));
    Ok(engine)
}

impl World<'_> {
    /// Two connected nodes with a channel that both have funded.
    pub(super) fn new(features: &mut Features) -> Result<World<'_>, Broken> {
        let chain = GENESIS.clone();
        let domain = Domain::new(chain.config().chain_id, chain.adjudicator());
        let (now, chain) = (chain.now() * 1_000, SharedChain::new(chain));
        let node = |index: usize| Node {
            key: key(index),
            port: chain.account(key(index).address()),
            disk: MemoryDisk::new(),
            process: None,
            calls: VecDeque::new(),
            sent: VecDeque::new(),
            backup: None,
            is_restored: false,
            has_forgotten: false,
            asleep: 0,
            ledger: Ledger::default(),
        };
        let params = params();
        let mut world = World {
            features,
            nodes: [node(0), node(1)],
            chain,
            channel: params.id(domain.chain_id(), domain.adjudicator()),
            domain,
            params,
            is_connected: false,
            is_altered: false,
            now,
            next_token: 0,
            preimages: BTreeMap::new(),
            old: Vec::new(),
            signed: BTreeMap::new(),
        };
        world.begin()?;
        Ok(world)
    }

    fn begin(&mut self) -> Result<(), Broken> {
        self.start(0)?;
        self.start(1)?;
        self.connect()?;
        let (token, params) = (self.token(), self.params.clone());
        self.input(0, Input::Open { token, params, settings: settings() })?;
        self.deliver_all()?;
        for node in 0..2 {
            self.deposit(node, DEPOSIT)?;
        }
        for _ in 0..=CONFIRMATIONS + 1 {
            self.serve_all()?;
        }
        let view = self.engine(0).and_then(|engine| engine.view(self.channel));
        let is_ready = view.is_some_and(|view| view.balances[0].own == DEPOSIT.into());
        if is_ready { Ok(()) } else { Err(Broken("the channel is not funded".into())) }
    }

    pub(super) fn deposit(&mut self, node: usize, amount: u64) -> Result<(), Broken> {
        let (token, channel) = (self.token(), self.channel);
        let (asset, amount) = (AssetIndex(0), Amount::from(amount));
        self.input(node, Input::Deposit { token, channel, asset, amount })
    }

    pub(super) fn token(&mut self) -> u64 {
        self.next_token += 1;
        self.next_token
    }

    pub(super) fn side(&self, node: usize) -> Side {
        if node == 0 { Side::Zero } else { Side::One }
    }

    pub(super) fn engine(&self, node: usize) -> Option<&Engine> {
        self.nodes[node].process.as_ref().map(|process| &process.engine)
    }

    pub(super) fn signer(&self, node: usize) -> Address {
        self.nodes[node].key.address()
    }
}
