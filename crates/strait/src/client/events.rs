//! Subscriptions that outlive their connections.

use super::http::{self, ErrorObject, unreachable};
use super::{Client, ClientConfig, Connection, Shared};
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;
use strait_api::{Api as _, ApiError, ErrorCode, EventQuery, EventRecord, EventStream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// TCP, with TLS or without.
trait Link: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Link for T {}

type Socket = WebSocketStream<Box<dyn Link>>;

/// A notification, or the answer to the subscription.
#[derive(Deserialize)]
struct Incoming {
    #[serde(default)]
    params: Option<News>,
}

#[derive(Deserialize)]
struct News {
    #[serde(default)]
    result: Option<EventRecord>,
    #[serde(default)]
    error: Option<ErrorObject>,
}

struct Subscription {
    client: Client,
    query: EventQuery,
    socket: Option<Socket>,
    failures: u32,
    is_lost: bool,
    ended: bool,
}

/// Subscribes; the first connection must succeed.
pub(super) async fn subscribe(client: Client, query: EventQuery) -> Result<EventStream, ApiError> {
    let mut query = query;
    if query.after.is_none() {
        // Without a cursor nothing could be resumed before the first event.
        let newest = EventQuery { limit: Some(1), ..query.clone() };
        query.after = Some(client.events(newest).await?.cursor);
    }
    query.limit = None;
    let mut subscription =
        Subscription { client, query, socket: None, failures: 0, is_lost: false, ended: false };
    subscription.socket = Some(subscription.open().await?);
    Ok(Box::pin(futures_util::stream::unfold(subscription, async |mut subscription| {
        let item = subscription.next().await?;
        Some((item, subscription))
    })))
}

impl Subscription {
    async fn next(&mut self) -> Option<Result<EventRecord, ApiError>> {
        if self.ended {
            return None;
        }
        loop {
            let item = match self.socket.as_mut() {
                Some(socket) => receive(socket, self.client.0.config.silence_timeout).await,
                None => self.reopen().await.map(|()| None),
            };
            match item {
                Ok(None) => {}
                Ok(Some(record)) => {
                    self.failures = 0;
                    // What is told twice is heard once.
                    if self.query.after.as_ref() != Some(&record.cursor) {
                        self.query.after = Some(record.cursor.clone());
                        return Some(Ok(record));
                    }
                }
                Err(error) if is_passing(error.code) => {
                    self.socket = None;
                    self.failures = self.failures.saturating_add(1);
                    if !std::mem::replace(&mut self.is_lost, true) {
                        self.tell(&Connection::Lost(error));
                    }
                }
                Err(error) => {
                    self.ended = true;
                    self.socket = None;
                    return Some(Err(error));
                }
            }
        }
    }

    async fn reopen(&mut self) -> Result<(), ApiError> {
        sleep(pause(&self.client.0.config, self.failures)).await;
        self.socket = Some(self.open().await?);
        self.is_lost = false;
        self.tell(&Connection::Restored);
        Ok(())
    }

    fn tell(&self, connection: &Connection) {
        if let Some(on_connection) = &self.client.0.config.on_connection {
            on_connection(connection);
        }
    }

    async fn open(&self) -> Result<Socket, ApiError> {
        let shared = &self.client.0;
        let limit = shared.config.connect_timeout;
        let opened = async {
            let mut socket = connect(shared).await?;
            let call =
                json!({ "jsonrpc": "2.0", "id": 1, "method": "strait_subscribe", "params": self.query });
            let broken = |error: WsError| unreachable(shared, &error);
            socket.send(Message::text(call.to_string())).await.map_err(broken)?;
            loop {
                match socket.next().await {
                    Some(Ok(Message::Text(answer))) => return http::read(answer.as_bytes()).map(|_| socket),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(broken(error)),
                    None => return Err(unreachable(shared, &"it hung up")),
                }
            }
        };
        timeout(limit, opened).await.unwrap_or_else(|_| Err(unreachable(shared, &"it does not answer")))
    }
}

/// Whether another try may help.
fn is_passing(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::NodeUnreachable | ErrorCode::NoAnswer | ErrorCode::Stopping | ErrorCode::Busy)
}

/// Somewhere in the upper half, so that clients that lost a node together do not come back together.
fn pause(config: &ClientConfig, failures: u32) -> Duration {
    let doubled = 2u32.saturating_pow(failures.saturating_sub(1));
    let whole = config.min_backoff.saturating_mul(doubled).min(config.max_backoff);
    let half = u64::try_from(whole.as_millis() / 2).unwrap_or(u64::MAX);
    let random = getrandom::u64().unwrap_or(0);
    Duration::from_millis(half.saturating_add(random % half.max(1)))
}

async fn receive(socket: &mut Socket, silence: Duration) -> Result<Option<EventRecord>, ApiError> {
    let gone = |why: String| ApiError::new(ErrorCode::NoAnswer, why);
    let message = match timeout(silence, socket.next()).await {
        Err(_) => return Err(gone("the node is silent".into())),
        Ok(None) => return Err(gone("the node hung up".into())),
        Ok(Some(Err(error))) => return Err(gone(error.to_string())),
        Ok(Some(Ok(message))) => message,
    };
    let Message::Text(text) = message else { return Ok(None) };
    let incoming: Incoming = serde_json::from_str(&text).map_err(|error| {
        ApiError::new(ErrorCode::Internal, format!("an event cannot be read: {error}"))
            .hint("use a client and a node of the same release")
    })?;
    match incoming.params {
        Some(News { error: Some(error), .. }) => Err(error.into()),
        Some(News { result, .. }) => Ok(result),
        None => Ok(None),
    }
}

async fn connect(shared: &Shared) -> Result<Socket, ApiError> {
    let host = shared.url.host_str().unwrap_or_default().to_owned();
    let port = shared.url.port_or_known_default().unwrap_or_default();
    let bare = host.trim_matches(['[', ']']);
    let tcp = TcpStream::connect((bare, port)).await.map_err(|error| unreachable(shared, &error))?;
    // Without it acknowledgements come late; the connection works nevertheless.
    let _slower = tcp.set_nodelay(true);
    let (scheme, link): (_, Box<dyn Link>) = if shared.url.scheme() == "https" {
        let name = rustls::pki_types::ServerName::try_from(bare.to_owned())
            .map_err(|error| unreachable(shared, &error))?;
        let connector = tokio_rustls::TlsConnector::from(shared.tls.clone());
        let stream = connector.connect(name, tcp).await.map_err(|error| unreachable(shared, &error))?;
        ("wss", Box::new(stream))
    } else {
        ("ws", Box::new(tcp))
    };
    let mut request = format!("{scheme}://{host}:{port}{}", shared.url.path())
        .into_client_request()
        .map_err(|error| unreachable(shared, &error))?;
    let bearer = format!("Bearer {}", shared.config.token)
        .parse()
        .map_err(|_| ApiError::new(ErrorCode::Unauthorized, "the token has characters that no token has"))?;
    request.headers_mut().insert("authorization", bearer);
    match client_async(request, link).await {
        Ok((socket, _)) => Ok(socket),
        Err(WsError::Http(response)) => {
            Err(refused(shared, response.status().as_u16(), response.body().as_deref()))
        }
        Err(error) => Err(unreachable(shared, &error)),
    }
}

/// Why the node did not take the WebSocket.
fn refused(shared: &Shared, status: u16, body: Option<&[u8]>) -> ApiError {
    let said = body.and_then(|body| http::read(body).err()).filter(|error| error.code != ErrorCode::NoAnswer);
    let code = match status {
        401 => ErrorCode::Unauthorized,
        403 => ErrorCode::Forbidden,
        _ => ErrorCode::NodeUnreachable,
    };
    said.unwrap_or_else(|| ApiError::new(code, format!("{} answered with HTTP status {status}", shared.url)))
}
