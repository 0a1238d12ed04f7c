//! From the first event of a connection to its last.

use super::*;
use futures_util::{SinkExt, StreamExt};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use strait_protocol::MAX_FRAME_BYTES;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test(start_paused = true)]
async fn a_peer_that_falls_silent_is_noticed() {
    let (node, mut events) = node(1);
    let _silent = client(&node, 2).await.expect("authenticated");
    assert_eq!(events.recv().await, connected(2));
    let begun = Instant::now();
    assert_eq!(reason(&mut events).await, DisconnectReason::Silent(node.limits.silence_timeout));
    assert_eq!(begun.elapsed().as_secs(), node.limits.silence_timeout.as_secs());
}

#[tokio::test(start_paused = true)]
async fn an_idle_pair_stays_connected() {
    let ((one, mut events), (two, mut others)) = (node(1), node(2));
    link_up(&one, (&two, 2)).await.expect("authenticated");
    assert_eq!(events.recv().await, connected(2));
    assert_eq!(others.recv().await, connected(1));
    tokio::time::sleep(20 * one.limits.silence_timeout).await;
    assert_eq!((events.try_recv(), others.try_recv()), (None, None));
}

#[tokio::test(start_paused = true)]
async fn a_large_frame_over_a_thin_line_is_no_silence() {
    let (node, mut events) = node(1);
    let peer = client(&node, 2).await.expect("authenticated");
    assert_eq!(events.recv().await, connected(2));
    let (peer, _received) = peer.authenticated().await;
    let (mut line, mut end) = duplex(1024);
    let mut raw = peer.into_inner();
    // The frame's bytes, as a client writes them.
    let frame_bytes = async {
        let role = tokio_tungstenite::tungstenite::protocol::Role::Client;
        let mut writer = tokio_tungstenite::WebSocketStream::from_raw_socket(&mut line, role, None).await;
        writer.send(Message::Binary(vec![5; 10_000].into())).await.expect("open");
    };
    let trickle = async {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut piece = [0; 1000];
        loop {
            let count = end.read(&mut piece).await.expect("open");
            raw.write_all(&piece[..count]).await.expect("still connected");
            tokio::time::sleep(node.limits.silence_timeout / 2).await;
        }
    };
    let received = tokio::select! {
        event = events.recv() => event,
        () = async { tokio::join!(frame_bytes, trickle); } => None,
    };
    assert_eq!(received, frame(2, vec![5; 10_000]));
}

#[tokio::test]
async fn an_application_that_takes_nothing_stops_its_peers_but_loses_nothing() {
    let (node, mut events) = node(1);
    let peer = client(&node, 2).await.expect("authenticated");
    let (peer, _received) = peer.authenticated().await;
    let (mut sink, _stream) = peer.split();
    let largest = bytes::Bytes::from(vec![1; MAX_FRAME_BYTES]);
    let fits = node.limits.max_event_bytes / MAX_FRAME_BYTES;
    let total = 2 * fits;
    let sender = tokio::spawn(async move {
        for _ in 0..total {
            sink.send(Message::Binary(largest.clone())).await.expect("open");
        }
        sink
    });
    assert_eq!(events.recv().await, connected(2));
    let mut taken = 0;
    while taken < total {
        match events.recv().await {
            Some(NetworkEvent::Frame { .. }) => taken += 1,
            other => panic!("expected a frame, got {other:?}"),
        }
        assert!(events.waiting() <= fits, "more than the budget was read ahead");
    }
    drop(sender.await.expect("no panic"));
}

#[tokio::test]
async fn removing_a_peer_tells_both_sides() {
    let ((one, mut events), (two, mut others)) = (start(1).await, start(2).await);
    one.add_peer(address_of(2, &two));
    assert_eq!((events.recv().await, others.recv().await), (connected(2), connected(1)));
    assert_eq!(one.status(address(2)), Some(PeerStatus::Connected));
    one.remove_peer(address(2));
    assert_eq!(events.recv().await, disconnected(2, DisconnectReason::Requested));
    let reason = reason(&mut others).await;
    assert_eq!(reason, DisconnectReason::ClosedByPeer(DisconnectReason::Requested.to_string()));
    assert_eq!(one.status(address(2)), None);
}

#[tokio::test]
async fn a_dial_that_ends_after_its_peer_was_removed_leaves_no_connection() {
    let ((one, mut events), (other, _other_events)) = (node(1), node(2));
    let stop = CancellationToken::new();
    stop.cancel();
    link_up_until(&one, (&other, 2), &stop).await.expect_err("it was given up");
    assert!(one.registry.live(address(2)).is_none());
    assert_eq!(events.try_recv(), None);
}

#[tokio::test]
async fn a_kept_peer_that_is_disconnected_comes_back() {
    let ((one, mut events), (two, _others)) = (start(1).await, start(2).await);
    one.add_peer(address_of(2, &two));
    assert_eq!(events.recv().await, connected(2));
    one.disconnect(address(2));
    assert_eq!(events.recv().await, disconnected(2, DisconnectReason::Requested));
    assert_eq!(events.recv().await, connected(2));
}

/// Counts the writes to a stream.
struct CountedWrites(DuplexStream, Arc<AtomicUsize>);

impl AsyncRead for CountedWrites {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        b: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, b)
    }
}

impl AsyncWrite for CountedWrites {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn frames_queued_together_share_a_write() {
    let (network, mut events) = start(1).await;
    let writes = Arc::new(AtomicUsize::new(0));
    let counted = |stream| CountedWrites(stream, Arc::clone(&writes));
    let peer = client_over(network.shared(), 2, counted).await.expect("authenticated");
    let (mut peer, _received) = peer.authenticated().await;
    assert_eq!(events.recv().await, connected(2));
    let before = writes.load(Ordering::Relaxed);
    for n in 0..100u8 {
        network.send(address(2), vec![n; 200]).expect("small");
    }
    for n in 0..100u8 {
        let message = peer.next().await.expect("open").expect("well formed");
        assert_eq!(message, Message::Binary(vec![n; 200].into()));
    }
    assert_eq!(writes.load(Ordering::Relaxed) - before, 1);
}

#[tokio::test]
async fn shutdown_ends_everything_with_an_event() {
    let ((one, mut events), (two, mut others)) = (start(1).await, start(2).await);
    one.add_peer(address_of(2, &two));
    assert_eq!((events.recv().await, others.recv().await), (connected(2), connected(1)));
    let place = one.local_addr().expect("listens");
    one.shutdown().await;
    assert_eq!(events.recv().await, disconnected(2, DisconnectReason::ShuttingDown));
    assert_eq!(events.recv().await, None);
    assert!(matches!(reason(&mut others).await, DisconnectReason::ClosedByPeer(_)));
    assert!(tokio::net::TcpStream::connect(place).await.is_err(), "the port is free again");
    one.add_peer(address_of(2, &two));
    assert_eq!(one.status(address(2)), None, "a network that was shut down stays so");
}

#[tokio::test]
async fn what_was_queued_before_shutdown_arrives() {
    let ((one, mut events), (two, mut others)) = (start(1).await, start(2).await);
    one.add_peer(address_of(2, &two));
    assert_eq!((events.recv().await, others.recv().await), (connected(2), connected(1)));
    let largest = bytes::Bytes::from(vec![3; MAX_FRAME_BYTES]);
    one.send(address(2), largest.clone()).expect("not too large");
    for n in 0..100 {
        one.send(address(2), vec![n; 10_000]).expect("small");
    }
    one.shutdown().await;
    assert_eq!(others.recv().await, frame(1, largest));
    for n in 0..100 {
        assert_eq!(others.recv().await, frame(1, vec![n; 10_000]));
    }
    assert!(matches!(reason(&mut others).await, DisconnectReason::ClosedByPeer(_)));
}

#[tokio::test]
async fn a_dropped_network_stops() {
    let ((one, mut events), (two, mut others)) = (start(1).await, start(2).await);
    one.add_peer(address_of(2, &two));
    assert_eq!((events.recv().await, others.recv().await), (connected(2), connected(1)));
    drop(one);
    assert_eq!(events.recv().await, disconnected(2, DisconnectReason::ShuttingDown));
    assert_eq!(events.recv().await, None);
    assert!(matches!(reason(&mut others).await, DisconnectReason::ClosedByPeer(_)));
}
