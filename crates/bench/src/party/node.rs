//! A party with product code: a node over a socket, with the default store.

use super::{Stream, api, locks, orders, pay, say};
use crate::chain::{self, FundedChain};
use crate::scenario::{Load, Scenario};
use crate::talk::{Order, Ran, Role, Said, Setup, Usage};
use crate::usage::{CountedKey, CountedStore, Counters};
use anyhow::Result;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use strait_node::transport::{Limits, Listen};
use strait_node::{Node, NodeConfig, SystemRng};
use strait_store::SqliteStore;
use strait_types::{Amount, ChannelId, ChannelParams};

/// How often the chain is asked for new blocks.
const POLL: Duration = Duration::from_millis(200);

/// A running party.
pub(crate) struct Party {
    pub(crate) setup: Setup,
    pub(crate) scenario: Scenario,
    pub(crate) node: Node,
    pub(crate) channels: Vec<ChannelId>,
    counters: Arc<Counters>,
}

impl Role {
    fn number(self) -> u64 {
        match self {
            Role::Payer => 0,
            Role::Payee => 1,
        }
    }
}

fn params(nonce: u64) -> ChannelParams {
    chain::params(chain::key(0).address(), chain::key(1).address(), nonce)
}

/// Starts a node and follows the orders.
pub(crate) async fn run(setup: &Setup, scenario: &Scenario) -> Result<()> {
    let party = Party::start(setup, scenario).await?;
    let mut load = Running::start(&party).await?;
    say(&Said::Ready)?;
    let mut orders = orders();
    while let Some(order) = orders.recv().await {
        match order {
            Order::Run { millis } => {
                let until = Instant::now() + Duration::from_millis(millis);
                say(&Said::Ran(load.run(&party, until).await?))?;
            }
            Order::Usage => say(&Said::Usage(party.usage()?))?,
        }
    }
    Ok(())
}

impl Party {
    async fn start(setup: &Setup, scenario: &Scenario) -> Result<Party> {
        let counters = Arc::new(Counters::default());
        let store = CountedStore(SqliteStore::open(&setup.directory)?, counters.clone());
        let key = chain::key(setup.role.number());
        let config = NodeConfig {
            payout: key.address(),
            signer: Arc::new(CountedKey(key, counters.clone())),
            listen: match setup.role {
                Role::Payer => Listen::Off,
                Role::Payee => Listen::At(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            },
            allow_plain_remote: false,
            limits: Limits::default(),
            policy: Default::default(),
            settings: scenario.settings(),
            poll: POLL,
            alarms: Default::default(),
            capacity: Default::default(),
            restored: false,
            rng: Box::new(SystemRng),
            rules: Arc::new(strait_protocol::NoRules),
            towers: Vec::new(),
        };
        let node = Node::start(config, Box::new(FundedChain), Box::new(store)).await?;
        if let Some(address) = node.address() {
            say(&Said::Listening(address.to_string()))?;
        }
        let channels = (0..scenario.channels).map(|nonce| chain::id(&params(nonce))).collect();
        let party = Party { setup: setup.clone(), scenario: *scenario, node, channels, counters };
        party.open().await?;
        Ok(party)
    }

    /// Opens all channels, on the payer's side, and waits until they can be paid over.
    async fn open(&self) -> Result<()> {
        if let Some(peer) = &self.setup.peer {
            for nonce in 0..self.scenario.channels {
                if self.node.view(chain::id(&params(nonce))).await.is_err() {
                    self.node.open(params(nonce), self.scenario.settings()).await?;
                }
            }
            self.node.add_peer(peer.parse()?);
        }
        for &channel in &self.channels {
            self.node
                .wait_until(channel, |view| {
                    view.link == "up" && view.balances.iter().all(|of| of.deposited[0] > Amount::ZERO)
                })
                .await?;
        }
        Ok(())
    }

    fn usage(&self) -> Result<Usage> {
        self.counters.wire_bytes.store(self.node.bytes_received(), Ordering::Relaxed);
        self.counters.usage()
    }
}

/// What the clients need from one run to the next.
enum Running {
    Pay,
    Locks(locks::Locker),
    Api(api::Callers),
    Idle,
}

impl Running {
    async fn start(party: &Party) -> Result<Running> {
        let is_payer = party.setup.role == Role::Payer;
        Ok(match party.scenario.load {
            Load::Pay => Running::Pay,
            Load::Locks if is_payer => Running::Locks(locks::Locker::default()),
            Load::Locks => {
                tokio::spawn(locks::settle(party.node.clone(), party.node.subscribe()));
                Running::Idle
            }
            Load::Api | Load::ApiMany if is_payer => Running::Api(api::Callers::start(party).await?),
            Load::Api | Load::ApiMany => Running::Idle,
        })
    }

    async fn run(&mut self, party: &Party, until: Instant) -> Result<Ran> {
        match self {
            Running::Pay => {
                let Party { node, channels, .. } = party;
                let (in_flight, aloud) = (party.scenario.in_flight, party.setup.aloud);
                pay(&Stream { node, channels, in_flight, aloud }, |now, _| now < until).await
            }
            Running::Locks(locker) => locker.run(party, until).await,
            Running::Api(callers) => callers.run(until).await,
            Running::Idle => anyhow::bail!("this party makes no payments"),
        }
    }
}
