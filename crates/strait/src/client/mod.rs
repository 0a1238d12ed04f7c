//! A node elsewhere: calls over HTTP, events over WebSocket, at the one address of its API.

mod events;
mod http;
mod tls;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use reqwest::Url;
use serde_json::value::RawValue;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use strait_api::{Api, ApiError, Call, ErrorCode, EventQuery, EventStream, Nothing, Subscribe};

/// What became of the connection of a subscription, which is renewed by itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Connection {
    /// It is gone, because of this, and is tried again until it is there.
    Lost(ApiError),
    /// It is there again, and goes on where it was lost.
    Restored,
}

/// Is told what becomes of connections. It must not block.
pub type OnConnection = Arc<dyn Fn(&Connection) + Send + Sync>;

/// How a node is reached.
#[derive(Clone)]
pub struct ClientConfig {
    /// Address of its API: `http`, `https`, `ws` or `wss`, with host and port. Calls and events both use it.
    pub url: String,
    /// The secret of a token.
    pub token: String,
    /// Longest wait for an answer. A payment is answered when the peer has countersigned.
    pub timeout: Duration,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Sends the token unencrypted beyond this machine: inside a tunnel or a private network.
    pub allow_plain_remote: bool,
    /// Pause before a lost subscription is renewed, doubled with every failure; the real one is a random half to whole
    /// of it.
    pub min_backoff: Duration,
    /// Longest such pause.
    pub max_backoff: Duration,
    /// A subscription on which nothing comes for so long is renewed; the node pings every 20 seconds.
    pub silence_timeout: Duration,
    /// Is told when the connection of a subscription is lost, and when it is there again.
    pub on_connection: Option<OnConnection>,
}

impl std::fmt::Debug for ClientConfig {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientConfig").field("url", &self.url).finish_non_exhaustive()
    }
}

impl ClientConfig {
    /// With values that suit most.
    pub fn new(url: impl Into<String>, token: impl Into<String>) -> ClientConfig {
        ClientConfig {
            url: url.into(),
            token: token.into(),
            timeout: Duration::from_secs(120),
            connect_timeout: Duration::from_secs(10),
            allow_plain_remote: false,
            min_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(10),
            silence_timeout: Duration::from_secs(65),
            on_connection: None,
        }
    }
}

/// A remote node; cheap to clone. It implements [`Api`] and [`Subscribe`] like an embedded one.
#[derive(Clone)]
pub struct Client(Arc<Shared>);

struct Shared {
    config: ClientConfig,
    /// With scheme `http` or `https`.
    url: Url,
    http: reqwest::Client,
    tls: Arc<rustls::ClientConfig>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("url", &self.0.url.as_str()).finish_non_exhaustive()
    }
}

impl Client {
    /// Reaches a node and shows it the token.
    ///
    /// # Errors
    /// [`ErrorCode::NodeUnreachable`], [`ErrorCode::Unauthorized`], [`ErrorCode::TokenExpired`], or
    /// [`ErrorCode::InvalidAddress`].
    pub fn connect(url: &str, token: &str) -> BoxFuture<'static, Result<Client, ApiError>> {
        Client::with(ClientConfig::new(url, token))
    }

    /// Like [`Client::connect`].
    ///
    /// # Errors
    /// As there.
    pub fn with(config: ClientConfig) -> BoxFuture<'static, Result<Client, ApiError>> {
        Box::pin(async move {
            let url = address(&config)?;
            let tls = tls::config()?;
            let http = http::client(&config, &tls)?;
            let client = Client(Arc::new(Shared { config, url, http, tls: Arc::new(tls) }));
            match client.node_info(Nothing {}).await {
                Ok(_) => Ok(client),
                Err(error) if http::is_of_another(&error) => Err(client.0.is_another(&error)),
                Err(error) => Err(error),
            }
        })
    }
}

#[async_trait]
impl Call for Client {
    async fn call(&self, method: &'static str, params: Box<RawValue>) -> Result<Box<RawValue>, ApiError> {
        self.0.call(method, &params).await
    }
}

#[async_trait]
impl Subscribe for Client {
    /// Renews itself after a disconnect, from the last event on; an error that it cannot mend is its last item.
    async fn subscribe(&self, query: EventQuery) -> Result<EventStream, ApiError> {
        events::subscribe(self.clone(), query).await
    }
}

impl Shared {
    fn is_another(&self, error: &ApiError) -> ApiError {
        let message = format!("what answers at {} is no API of a Strait node: {error}", self.url);
        ApiError::new(ErrorCode::NodeUnreachable, message)
            .hint("give the address of the node's API: `node.api` in its configuration; peers and chains have other ports")
    }
}

fn address(config: &ClientConfig) -> Result<Url, ApiError> {
    let bad = |message: String| {
        ApiError::new(ErrorCode::InvalidAddress, message)
            .hint("give the address of the node's API, such as http://127.0.0.1:4041")
    };
    let mut url = Url::parse(&config.url).map_err(|error| bad(format!("'{}': {error}", config.url)))?;
    let scheme = match url.scheme() {
        "http" | "ws" => "http",
        "https" | "wss" => "https",
        other => return Err(bad(format!("'{}': {other} is no scheme of an API", config.url))),
    };
    // Between the four schemes a change is always allowed.
    let _changed = url.set_scheme(scheme);
    let host = url.host_str().unwrap_or_default();
    let is_here = host.eq_ignore_ascii_case("localhost")
        || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if scheme == "http" && !is_here && !config.allow_plain_remote {
        let message = format!("the token would be sent unencrypted to {host}");
        return Err(ApiError::new(ErrorCode::InvalidAddress, message)
            .hint("use https, or allow plain remote connections explicitly if the network is private"));
    }
    Ok(url)
}
