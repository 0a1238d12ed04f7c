//! Programs that pay over the node's API, each with a connection of its own.

use super::load::memo;
use super::node::Party;
use crate::latency::Histogram;
use crate::scenario::{Load, PER_REQUEST};
use crate::talk::Ran;
use anyhow::{Context as _, Result, bail};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use strait::Client;
use strait_api::{Api as _, Pay, PayItem, PayMany, PayResult, Scope, SpendLimits, TokenCreate};
use strait_node::server::{ApiServer, ServerConfig, Tokens};
use strait_node::service::{ChainNode, Retention, Service, ServiceConfig};
use strait_node::{SystemClock, SystemRng};
use strait_types::{Amount, ChannelId};

/// The node's API and its callers.
pub(crate) struct Callers {
    clients: Vec<Client>,
    channel: ChannelId,
    load: Load,
    /// Serves until it is dropped.
    _server: ApiServer,
}

async fn service(party: &Party) -> Result<(Arc<Service>, Tokens)> {
    let clock: Arc<SystemClock> = Arc::new(SystemClock::start());
    let directory = &party.setup.directory;
    let tokens = Tokens::open(directory.join("tokens.db"), clock.clone(), Box::new(SystemRng))?;
    let node = party.node.clone();
    let service = Service::start(ServiceConfig {
        nodes: vec![ChainNode {
            name: "bench".into(),
            account: node.signer(),
            payout: node.signer(),
            settings: party.scenario.settings(),
            challenge_duration: 24 * 3_600,
            copy_store: None,
            transactions: None,
            node,
        }],
        signer: Arc::new(crate::chain::key(0)),
        assets: Vec::new(),
        addresses: Vec::new(),
        database: directory.join("service.db"),
        restored: false,
        retention: Retention::default(),
        clock,
        rng: Box::new(SystemRng),
    })
    .await?;
    Ok((service, tokens))
}

impl Callers {
    pub(crate) async fn start(party: &Party) -> Result<Callers> {
        let (service, tokens) = service(party).await?;
        let config = ServerConfig::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let server = ApiServer::start(config, service.clone(), service, tokens.clone()).await?;
        let wish = TokenCreate {
            name: "bench".into(),
            scopes: vec![Scope::Pay, Scope::Read],
            limits: SpendLimits::default(),
            expires_in: None,
        };
        let secret = tokens.create(&wish)?.secret;
        let url = format!("http://{}", server.local_addr());
        let mut clients = Vec::new();
        for _ in 0..party.scenario.in_flight {
            clients.push(Client::connect(&url, &secret).await?);
        }
        let channel = *party.channels.first().context("there is a channel")?;
        Ok(Callers { clients, channel, load: party.scenario.load, _server: server })
    }

    pub(crate) async fn run(&self, until: Instant) -> Result<Ran> {
        let began = Instant::now();
        let calling: Vec<_> = self
            .clients
            .iter()
            .map(|client| tokio::spawn(call(client.clone(), self.channel, self.load, until)))
            .collect();
        let mut ran = Ran { payments: 0, seconds: 0.0, latency: Histogram::default() };
        for caller in calling {
            let (payments, latency) = caller.await??;
            ran.payments += payments;
            ran.latency.merge(&latency);
        }
        ran.seconds = began.elapsed().as_secs_f64();
        Ok(ran)
    }
}

async fn call(client: Client, channel: ChannelId, load: Load, until: Instant) -> Result<(u64, Histogram)> {
    let mut latency = Histogram::default();
    let mut payments = 0;
    while Instant::now() < until {
        let start = Instant::now();
        let made = if load == Load::ApiMany {
            pay_many(&client, channel, payments).await?
        } else {
            client.pay(Pay { memo: memo(payments), ..Pay::new(channel, Amount::from(1)) }).await?;
            1
        };
        let took: Duration = start.elapsed();
        (0..made).for_each(|_| latency.add(took));
        payments += made;
    }
    Ok((payments, latency))
}

async fn pay_many(client: &Client, channel: ChannelId, first: u64) -> Result<u64> {
    let item =
        |number| PayItem { asset: None, amount: Amount::from(1), invoice: None, memo: memo(first + number) };
    let payments: Vec<_> = (0..PER_REQUEST as u64).map(item).collect();
    let paid = client.pay_many(PayMany { channel, payments, idempotency_key: None }).await?;
    for result in &paid.results {
        if let PayResult::Failed { message, .. } = result {
            bail!("a payment failed: {message}");
        }
    }
    Ok(paid.results.len() as u64)
}
