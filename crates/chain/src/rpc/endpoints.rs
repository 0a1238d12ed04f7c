//! Several endpoints of one chain: which of them is asked, and how long one that failed is left alone.

use super::background::Background;
use super::config::EndpointConfig;
use super::endpoint::{self, Fault, public_name};
use super::error::ConnectError;
use super::range::LogRange;
use super::wire::Header;
use alloy_primitives::U64;
use alloy_rpc_client::RpcClient;
use reqwest::Url;
use rustls::{ClientConfig, RootCertStore};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::mem::Discriminant;
use std::sync::Arc;
use std::time::Duration;
use strait_engine::ports::{BlockRef, ChainError, Wake};
use strait_types::B256;
use tracing::{info, warn};

/// First rest after a failure; it doubles with each further one.
const FIRST_REST_MS: u64 = 500;
/// Longest rest that is chosen here.
const LONGEST_REST_MS: u64 = 60_000;
/// How often the same kind of fault of one endpoint is logged.
const LOG_EVERY_MS: u64 = 300_000;
/// Requests to one endpoint at a time.
const IN_FLIGHT: usize = 8;

struct Endpoint {
    url: Url,
    name: String,
    client: Option<RpcClient>,
    /// Has said that it is of the right chain.
    verified: bool,
    /// Was of another chain when it was asked last; it rests, and has to show its chain anew before it is used.
    foreign: Option<Foreign>,
    failures: u32,
    rests_until_ms: u64,
    last_fault: Option<Fault>,
    /// The kind of fault that was logged last, and when.
    logged: Option<(Discriminant<Fault>, u64)>,
    log_range: LogRange,
    /// Its blocks are listened to over the present connection.
    listens: bool,
}

/// What another chain is known by.
#[derive(Clone, Copy)]
enum Foreign {
    Id(u64),
    /// Of the same id.
    Genesis(B256),
}

/// All endpoints of one chain.
pub(super) struct Endpoints {
    config: EndpointConfig,
    background: Background,
    http: reqwest::Client,
    list: Vec<Endpoint>,
    /// In which order they are asked, as of the last look at their heads.
    order: Vec<usize>,
    /// Told of new blocks.
    wake: Option<Wake>,
    /// Hash of the chain's first block, once it is known.
    genesis: Option<B256>,
}

impl Endpoints {
    /// Endpoints of which one answers, and none is of another chain, which may be known by its first block already.
    pub(super) fn connected(
        config: EndpointConfig,
        genesis: Option<B256>,
    ) -> Result<Endpoints, ConnectError> {
        let expected = config.chain_id;
        let mut endpoints = Endpoints::new(config)?;
        endpoints.genesis = genesis;
        let best = endpoints.best();
        let foreign =
            endpoints.list.iter().find_map(|endpoint| Some((endpoint.name.clone(), endpoint.foreign?)));
        match foreign {
            Some((endpoint, Foreign::Id(found))) => {
                Err(ConnectError::WrongChain { endpoint, found, expected })
            }
            Some((endpoint, Foreign::Genesis(found))) => {
                let known = endpoints.genesis.unwrap_or_default();
                Err(ConnectError::OtherGenesis { endpoint, chain_id: expected, found, known })
            }
            None => Ok(best.map(|_| endpoints)?),
        }
    }

    fn new(config: EndpointConfig) -> Result<Endpoints, ConnectError> {
        if config.urls.is_empty() {
            return Err(ConnectError::NoEndpoint);
        }
        let mut list = Vec::new();
        for url in &config.urls {
            if !matches!(url.scheme(), "http" | "https" | "ws" | "wss") {
                return Err(ConnectError::Scheme { endpoint: public_name(url) });
            }
            list.push(Endpoint {
                name: public_name(url),
                url: url.clone(),
                client: None,
                verified: false,
                foreign: None,
                failures: 0,
                rests_until_ms: 0,
                last_fault: None,
                logged: None,
                log_range: LogRange::new(config.max_log_range),
                listens: false,
            });
        }
        let system = |error: &dyn std::fmt::Display| ConnectError::System(error.to_string());
        let background = Background::start().map_err(|error| system(&error))?;
        let http = http_client(config.timeout).map_err(|error| system(&error))?;
        let order = (0..list.len()).collect();
        Ok(Endpoints { order, config, background, http, list, wake: None, genesis: None })
    }

    pub(super) fn wake_by(&mut self, wake: Wake) {
        self.wake = Some(wake);
        self.list.iter_mut().for_each(|endpoint| endpoint.listens = false);
    }

    pub(super) fn genesis(&self) -> Option<B256> {
        self.genesis
    }

    pub(super) fn config(&self) -> &EndpointConfig {
        &self.config
    }

    pub(super) fn now_ms(&self) -> u64 {
        (self.config.clock)()
    }

    /// Which endpoints may be asked now, the preferred one first.
    pub(super) fn available(&self) -> Vec<usize> {
        let now = self.now_ms();
        let rested = |index: &usize| {
            self.list.get(*index).is_some_and(|endpoint| {
                // A clock that was set back must not make a rest longer.
                let until = endpoint.rests_until_ms.min(now.saturating_add(5 * LONGEST_REST_MS));
                until <= now
            })
        };
        self.order.iter().copied().filter(rested).collect()
    }

    /// Does work with the first available endpoint, and with the next when its endpoint is at fault.
    pub(super) fn first<T>(
        &mut self,
        mut work: impl FnMut(&mut Endpoints, usize) -> Result<T, Fault>,
    ) -> Result<T, ChainError> {
        let available = self.available();
        if available.is_empty() {
            return Err(self.all_rest());
        }
        let mut last = None;
        for index in available {
            match work(self, index) {
                Ok(done) => return Ok(done),
                Err(fault) if fault.is_the_endpoints() => last = Some(self.note(index, fault)),
                Err(fault) => return Err(fault.at(self.name(index))),
            }
        }
        Err(last.unwrap_or_else(|| self.all_rest()))
    }

    /// One question to the first endpoint that answers it.
    pub(super) fn ask<T: DeserializeOwned>(
        &mut self,
        method: &'static str,
        parameters: &Value,
    ) -> Result<T, ChainError> {
        self.first(|endpoints, index| endpoints.request(index, method, parameters.clone()))
    }

    /// One question to one endpoint.
    pub(super) fn request<T: DeserializeOwned>(
        &mut self,
        index: usize,
        method: &'static str,
        parameters: Value,
    ) -> Result<T, Fault> {
        let mut answers = self.many(index, &[(method, parameters)]);
        answers.pop().unwrap_or_else(|| Err(Fault::nonsense("no answer")))
    }

    /// Several questions to one endpoint, a few at a time.
    pub(super) fn many<T: DeserializeOwned>(
        &mut self,
        index: usize,
        questions: &[(&'static str, Value)],
    ) -> Vec<Result<T, Fault>> {
        let client = match self.verified_client(index) {
            Ok(client) => client,
            Err(fault) => return questions.iter().map(|_| Err(fault.clone())).collect(),
        };
        let mut answers = Vec::with_capacity(questions.len());
        for some in questions.chunks(IN_FLIGHT) {
            let requests = some.iter().map(|(method, parameters)| {
                endpoint::request(client.clone(), method, parameters.clone(), self.config.timeout)
            });
            let values = self.background.all(requests.collect());
            answers
                .extend(some.iter().zip(values).map(|((method, _), value)| endpoint::read(method, value?)));
        }
        answers
    }

    /// Sends the same to all available endpoints at once. Answers with the endpoint that gave them.
    pub(super) fn everywhere(
        &mut self,
        method: &'static str,
        parameters: &Value,
    ) -> Vec<(usize, Result<Value, Fault>)> {
        let available = self.available();
        let mut asked = Vec::new();
        let mut answers = Vec::new();
        for index in available {
            match self.verified_client(index) {
                Ok(client) => asked.push((index, client)),
                Err(fault) => answers.push((index, Err(fault))),
            }
        }
        let requests = asked.iter().map(|(_, client)| {
            endpoint::request(client.clone(), method, parameters.clone(), self.config.timeout)
        });
        let values = self.background.all(requests.collect());
        answers.extend(asked.iter().map(|(index, _)| *index).zip(values));
        answers
    }

    /// The endpoint to follow with its head: the first in order that is not behind the others and that most agree with.
    pub(super) fn best(&mut self) -> Result<(usize, Header), ChainError> {
        let parameters = json!([self.config.head.tag(), false]);
        let mut heads = Vec::new();
        for (index, answer) in self.everywhere("eth_getBlockByNumber", &parameters) {
            let head =
                answer.and_then(|answer| endpoint::read::<Option<Header>>("eth_getBlockByNumber", answer));
            let head = head.and_then(|head| head.ok_or_else(|| Fault::nonsense("it has no head")));
            match head.and_then(|head| self.fresh(head)) {
                Ok(head) => {
                    self.recovered(index);
                    heads.push((index, head));
                }
                Err(fault) => {
                    self.note(index, fault);
                }
            }
        }
        heads.sort_by_key(|(index, _)| *index);
        let highest = heads.iter().map(|(_, head)| head.number()).max().ok_or_else(|| self.all_rest())?;
        let lowest_good = highest.saturating_sub(self.config.max_lag);
        for (index, head) in heads.iter().filter(|(_, head)| head.number() < lowest_good) {
            let text = format!("its head is {}, others are at {highest}", head.number());
            self.note(*index, Fault::Behind(text));
        }
        heads.retain(|(_, head)| head.number() >= lowest_good);
        if heads.len() > 1 {
            // As high as others; one alone may still be behind what is known here.
            heads.iter().for_each(|(index, _)| self.caught_up(*index));
        }
        self.agreeing(&mut heads);
        self.order.sort_by_key(|index| {
            (heads.iter().position(|(good, _)| good == index).unwrap_or(usize::MAX), *index)
        });
        heads.into_iter().next().ok_or_else(|| self.all_rest())
    }

    /// Brings those first whose chain most have, at the height that all have.
    fn agreeing(&mut self, heads: &mut [(usize, Header)]) {
        let Some(common) = heads.iter().map(|(_, head)| head.number()).min() else { return };
        if heads.len() < 2 {
            return;
        }
        let hash_at_common = |endpoints: &mut Endpoints, index: usize, head: &Header| {
            if head.number() == common {
                return Some(head.hash);
            }
            let parameters = json!([U64::from(common), false]);
            let answer = endpoints.request::<Option<Header>>(index, "eth_getBlockByNumber", parameters);
            answer.ok().flatten().map(|header| header.hash)
        };
        let hashes: Vec<_> =
            heads.iter().map(|(index, head)| (*index, hash_at_common(self, *index, head))).collect();
        let votes = |index: usize| {
            let own = hashes.iter().find(|(voter, _)| *voter == index).and_then(|(_, hash)| *hash);
            hashes.iter().filter(|(_, hash)| own.is_some() && *hash == own).count()
        };
        heads.sort_by_key(|(index, head)| {
            (std::cmp::Reverse(votes(*index)), std::cmp::Reverse(head.number()), *index)
        });
        if hashes.windows(2).any(|pair| pair[0].1 != pair[1].1) {
            info!(block = common, "endpoints have different chains; most votes win");
        }
    }

    fn fresh(&self, head: Header) -> Result<Header, Fault> {
        let age = Duration::from_millis(self.now_ms()).as_secs().saturating_sub(head.time());
        match self.config.max_head_age {
            Some(limit) if age > limit.as_secs() => {
                Err(Fault::Behind(format!("its newest block {} is {age} s old", head.number())))
            }
            _ => Ok(head),
        }
    }

    /// Remembers a failure: the endpoint rests for a while. The error for the caller is returned.
    pub(super) fn note(&mut self, index: usize, fault: Fault) -> ChainError {
        let now = self.now_ms();
        let Some(endpoint) = self.list.get_mut(index) else { return fault.at("?") };
        if matches!(fault, Fault::Unreachable(_)) {
            // A broken WebSocket is opened anew, and who answers then has to say again of which chain it is.
            endpoint.client = None;
            endpoint.verified = false;
            endpoint.listens = false;
        }
        // A refusal is about the question; the next one may be answered.
        if !matches!(fault, Fault::Refused { .. }) {
            let doubled = FIRST_REST_MS.saturating_mul(1u64 << endpoint.failures.min(16));
            let rest = jittered(doubled.min(LONGEST_REST_MS));
            let asked_for = match &fault {
                Fault::RateLimited { wait: Some(wait), .. } => {
                    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
                }
                _ => 0,
            };
            endpoint.rests_until_ms = now.saturating_add(rest.max(asked_for));
            endpoint.failures = endpoint.failures.saturating_add(1);
        }
        endpoint.last_fault = Some(fault.clone());
        let kind = std::mem::discriminant(&fault);
        let error = fault.at(&endpoint.name);
        let is_told = |(told, at): (_, u64)| told == kind && now.saturating_sub(at) < LOG_EVERY_MS;
        if !endpoint.logged.is_some_and(is_told) {
            endpoint.logged = Some((kind, now));
            warn!(endpoint = endpoint.name, %error, "chain endpoint failed");
        }
        error
    }

    fn recovered(&mut self, index: usize) {
        if let Some(endpoint) = self.list.get_mut(index)
            && endpoint.failures > 0
            && endpoint
                .last_fault
                .as_ref()
                .is_some_and(|fault| !matches!(fault, Fault::Nonsense(_) | Fault::Behind(_)))
        {
            endpoint.failures = 0;
            endpoint.last_fault = None;
        }
    }

    fn caught_up(&mut self, index: usize) {
        if self.list.get(index).is_some_and(|endpoint| matches!(endpoint.last_fault, Some(Fault::Behind(_))))
        {
            self.praise(index);
        }
    }

    /// Its answers were checked and found good.
    pub(super) fn praise(&mut self, index: usize) {
        if let Some(endpoint) = self.list.get_mut(index) {
            endpoint.failures = 0;
            endpoint.last_fault = None;
        }
    }

    pub(super) fn name(&self, index: usize) -> &str {
        self.list.get(index).map_or("?", |endpoint| &endpoint.name)
    }

    /// How many blocks one question for logs may span.
    pub(super) fn log_range(&mut self, index: usize) -> Option<&mut LogRange> {
        self.list.get_mut(index).map(|endpoint| &mut endpoint.log_range)
    }

    fn all_rest(&self) -> ChainError {
        let newest = self.list.iter().filter(|endpoint| endpoint.last_fault.is_some());
        match newest.max_by_key(|endpoint| endpoint.rests_until_ms) {
            Some(Endpoint { name, last_fault: Some(fault), .. }) => fault.clone().at(name),
            _ => {
                ChainError::Unreachable("no endpoint is of this chain; check `rpc` and `chain_id`".to_owned())
            }
        }
    }

    fn verified_client(&mut self, index: usize) -> Result<RpcClient, Fault> {
        let chain_id = self.config.chain_id;
        let limit = self.config.timeout;
        let endpoint =
            self.list.get_mut(index).ok_or_else(|| Fault::nonsense("there is no such endpoint"))?;
        let client = match &endpoint.client {
            Some(client) => client.clone(),
            None => {
                let opening = endpoint::open(endpoint.url.clone(), self.http.clone(), limit);
                let opened = self.background.all(vec![opening]).pop();
                let client = opened.unwrap_or_else(|| Err(Fault::nonsense("no connection")))?;
                endpoint.client.insert(client).clone()
            }
        };
        if !endpoint.verified {
            let question = endpoint::request(client.clone(), "eth_chainId", json!([]), limit);
            let answer = self.background.all(vec![question]).pop();
            let answer = answer.unwrap_or_else(|| Err(Fault::nonsense("no answer")))?;
            let found: u64 = endpoint::read::<U64>("eth_chainId", answer)?.to();
            if found != chain_id {
                endpoint.foreign = Some(Foreign::Id(found));
                return Err(Fault::nonsense(format!("it is of chain {found}, not of {chain_id}")));
            }
            endpoint.verified = true;
            let had_other_genesis = matches!(endpoint.foreign, Some(Foreign::Genesis(_)));
            let checked = self.check_genesis(index).and_then(|is_shown| {
                if had_other_genesis && !is_shown {
                    return Err(Fault::nonsense("it was another chain, and no longer shows its first block"));
                }
                Ok(())
            });
            let endpoint =
                self.list.get_mut(index).ok_or_else(|| Fault::nonsense("there is no such endpoint"))?;
            if let Err(fault) = checked {
                endpoint.verified = false;
                return Err(fault);
            }
            endpoint.foreign = None;
        }
        if let Some(wake) = &self.wake
            && let Some(endpoint) = self.list.get_mut(index)
            && !endpoint.listens
        {
            endpoint.listens = true;
            self.background.go_on(endpoint::listen(client.clone(), wake.clone(), limit));
        }
        Ok(client)
    }

    /// Refuses an endpoint whose chain begins with another block: one of the same id that took the other's place. Tells
    /// whether it shows its first block.
    pub(super) fn check_genesis(&mut self, index: usize) -> Result<bool, Fault> {
        let first = match self.header(index, 0) {
            // Who has pruned its history shows nothing, and is believed as far as before.
            Ok(None) | Err(Fault::Refused { .. }) => return Ok(false),
            Ok(Some(first)) => first.hash,
            Err(fault) => return Err(fault),
        };
        if *self.genesis.get_or_insert(first) == first {
            return Ok(true);
        }
        if let Some(endpoint) = self.list.get_mut(index) {
            endpoint.foreign = Some(Foreign::Genesis(first));
            endpoint.verified = false;
        }
        Err(Fault::nonsense(
            "it is another chain of the same id than before, so nothing is sent to it; bring the old one back, or use another --home for the new one",
        ))
    }

    /// The header at a height of an endpoint's chain; none above its head.
    pub(super) fn header(&mut self, index: usize, number: u64) -> Result<Option<Header>, Fault> {
        let header: Option<Header> =
            self.request(index, "eth_getBlockByNumber", json!([U64::from(number), false]))?;
        match header {
            Some(header) if header.number() != number => {
                Err(Fault::nonsense(format!("asked for block {number} it gave {}", header.number())))
            }
            header => Ok(header),
        }
    }

    /// Whether a block is in the endpoint's chain.
    pub(super) fn is_canonical(&mut self, index: usize, block: BlockRef) -> Result<bool, Fault> {
        Ok(self.header(index, block.number)?.is_some_and(|header| header.hash == block.hash))
    }
}

/// Somewhere in the upper half, so that clients that failed together do not come back together.
fn jittered(rest_ms: u64) -> u64 {
    let half = rest_ms / 2;
    let random = getrandom::u64().unwrap_or(0);
    half.saturating_add(random % half.max(1))
}

fn http_client(timeout: Duration) -> Result<reqwest::Client, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(timeout)
        .timeout(timeout)
        .build()
        .map_err(|error| error.to_string())
}
