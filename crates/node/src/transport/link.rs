//! Byte streams, plain or by TLS, and the WebSocket on them.

use super::message::MAX_HANDSHAKE_BYTES;
use futures_util::ready;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use strait_protocol::MAX_FRAME_BYTES;
use strait_types::B256;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::handshake::server::{Callback, ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{StatusCode, Uri, header::ORIGIN};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config, client_async_with_config};

/// A bidirectional stream of bytes.
pub(super) trait Link: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Link for T {}

/// Any stream of bytes.
pub(super) type BoxLink = Box<dyn Link>;

/// A stream of bytes, and what binds proofs of identity to it.
pub(super) struct BoundLink {
    pub(super) link: BoxLink,
    /// Known to nobody but the two ends of a TLS session; zero of a plain connection.
    pub(super) binding: B256,
}

impl<L: Link + 'static> From<Box<L>> for BoundLink {
    /// A plain connection.
    fn from(link: Box<L>) -> BoundLink {
        BoundLink { link, binding: B256::ZERO }
    }
}

/// A WebSocket on which a stranger may send small messages only.
pub(super) struct StrangerSocket {
    pub(super) socket: WebSocketStream<Stepwise>,
    /// That of the link below.
    pub(super) binding: B256,
    role: Role,
}

/// A WebSocket of an authenticated peer.
pub(super) type PeerSocket = WebSocketStream<Counted>;

impl StrangerSocket {
    /// Upgrades a connection that this side opened. `authority` is `host:port`.
    pub(super) async fn dialled(
        BoundLink { link, binding }: BoundLink,
        authority: &str,
    ) -> Result<StrangerSocket, tungstenite::Error> {
        let uri = Uri::builder().scheme("ws").authority(authority).path_and_query("/").build()?;
        let (mut socket, _response) =
            client_async_with_config(uri, Stepwise::new(link), Some(small())).await?;
        socket.get_mut().step = true;
        Ok(StrangerSocket { socket, binding, role: Role::Client })
    }

    /// Upgrades a connection that the other side opened.
    pub(super) async fn accepted(
        BoundLink { link, binding }: BoundLink,
    ) -> Result<StrangerSocket, tungstenite::Error> {
        let mut socket = accept_hdr_async_with_config(Stepwise::new(link), NoBrowsers, Some(small())).await?;
        socket.get_mut().step = true;
        Ok(StrangerSocket { socket, binding, role: Role::Server })
    }

    /// Lifts the limits; also gives the counter of bytes received. What followed the handshake is kept.
    pub(super) async fn authenticated(self) -> (PeerSocket, Arc<AtomicU64>) {
        let received = Arc::new(AtomicU64::new(0));
        // The reader goes on with what it has read ahead, and steps aside when that is used up. (The library can be given
        // such bytes too, but reads in tiny pieces from then on.)
        let link = Counted { link: self.socket.into_inner().inner, received: Arc::clone(&received) };
        let socket = WebSocketStream::from_raw_socket(link, self.role, Some(full())).await;
        (socket, received)
    }
}

/// Refuses requests that a web page had a browser send: no node sends an origin.
struct NoBrowsers;

impl Callback for NoBrowsers {
    fn on_request(self, request: &Request, response: Response) -> Result<Response, ErrorResponse> {
        if !request.headers().contains_key(ORIGIN) {
            return Ok(response);
        }
        let mut refusal = ErrorResponse::new(Some("Peers connect here, web pages use the API.".to_owned()));
        *refusal.status_mut() = StatusCode::FORBIDDEN;
        Err(refusal)
    }
}

fn small() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(MAX_HANDSHAKE_BYTES)
        .write_buffer_size(0)
        .max_message_size(Some(MAX_HANDSHAKE_BYTES))
        .max_frame_size(Some(MAX_HANDSHAKE_BYTES))
}

fn full() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(64 << 10)
        .write_buffer_size(64 << 10)
        .max_message_size(Some(MAX_FRAME_BYTES))
        .max_frame_size(Some(MAX_FRAME_BYTES))
}

/// Hands out single bytes, so that the WebSocket layer never reads beyond the end of a handshake message and its
/// limits can be changed there without losing what follows.
pub(super) struct Stepwise {
    inner: BufReader<BoxLink>,
    step: bool,
}

impl Stepwise {
    fn new(link: BoxLink) -> Stepwise {
        Stepwise { inner: BufReader::with_capacity(MAX_HANDSHAKE_BYTES, link), step: false }
    }
}

impl AsyncRead for Stepwise {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.step {
            return Pin::new(&mut self.inner).poll_read(cx, buffer);
        }
        let byte = ready!(Pin::new(&mut self.inner).poll_fill_buf(cx))?.first().copied();
        if let Some(byte) = byte
            && buffer.remaining() > 0
        {
            buffer.put_slice(&[byte]);
            Pin::new(&mut self.inner).consume(1);
        }
        Poll::Ready(Ok(()))
    }
}

/// Counts the bytes that arrive, so that a peer in the middle of a large frame is not taken for silent.
pub(super) struct Counted {
    link: BufReader<BoxLink>,
    received: Arc<AtomicU64>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.link).poll_read(cx, buffer);
        let count = buffer.filled().len().saturating_sub(before);
        self.received.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
        result
    }
}

/// Passes writes through to a field.
macro_rules! write_through {
    ($wrapper:ty, $field:ident) => {
        impl AsyncWrite for $wrapper {
            fn poll_write(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut self.$field).poll_write(cx, bytes)
            }

            fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut self.$field).poll_flush(cx)
            }

            fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut self.$field).poll_shutdown(cx)
            }
        }
    };
}

write_through!(Stepwise, inner);
write_through!(Counted, link);
