//! Strangers and peers that break the rules.

use super::*;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use strait_protocol::MAX_FRAME_BYTES;
use strait_types::Signature;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

/// What the node makes of a stranger who upgrades, says `messages`, and hangs up after the answer.
async fn says(messages: Vec<Message>) -> HandshakeError {
    let (node, _events) = node(1);
    let (near, far) = duplex(PIPE_BYTES);
    let answered = !messages.is_empty();
    let stranger = async {
        let mut socket = StrangerSocket::dialled(Box::new(near).into(), "node:1").await.expect("upgrades");
        for message in messages {
            // The node may have hung up already.
            let _closed = socket.socket.send(message).await;
        }
        if answered {
            while let Some(Ok(_)) = socket.socket.next().await {}
        }
    };
    let ((), outcome) = tokio::join!(stranger, welcome(&node, Box::new(far)));
    outcome.expect_err("nobody was authenticated")
}

#[tokio::test]
async fn garbage_in_the_handshake_is_a_typed_error() {
    let hello =
        HandshakeMessage::Hello(Hello::new(&domain(), address(2), payout(2), Default::default())).encode();
    let proof = HandshakeMessage::Proof(Signature([0xff; 64])).encode();
    let binary = |bytes: &[u8]| Message::Binary(Bytes::copy_from_slice(bytes));
    let unreadable = |error: &HandshakeError| matches!(error, HandshakeError::Unreadable(_));
    for message in [
        binary(b""),
        binary(b"garbage"),
        binary(b"STRT\x01\xff"),
        binary(&hello[..hello.len() - 1]),
        binary(&[0; MAX_HANDSHAKE_BYTES + 1]),
        binary(&vec![0; MAX_FRAME_BYTES]),
        Message::Text("hello".into()),
    ] {
        let error = says(vec![message]).await;
        assert!(unreadable(&error), "{error:?}");
    }
    assert_eq!(says(vec![binary(&proof)]).await, HandshakeError::OutOfOrder);
    assert_eq!(says(vec![binary(&hello), binary(&hello)]).await, HandshakeError::OutOfOrder);
    assert_eq!(says(vec![binary(&hello), binary(&proof)]).await, HandshakeError::BadProof(address(2)));
    assert!(matches!(says(vec![]).await, HandshakeError::Broken(_)));
}

#[tokio::test]
async fn what_is_no_websocket_is_a_typed_error() {
    let requests: [&[u8]; 4] = [
        b"\0\xff\x16\x03\x01\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\n\r\n",
        &[b'a'; 70_000],
    ];
    for request in requests {
        let (node, _events) = node(1);
        let (mut near, far) = duplex(PIPE_BYTES);
        let stranger = async {
            // The node may have hung up already.
            let _closed = near.write_all(request).await;
            drop(near);
        };
        let ((), outcome) = tokio::join!(stranger, welcome(&node, Box::new(far)));
        assert!(outcome.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_drips_ends_in_time() {
    let (node, _events) = node(1);
    let (mut near, far) = duplex(PIPE_BYTES);
    let begun = Instant::now();
    let drip = async {
        for byte in b"GET / HTTP/1.1\r\nHost: somebody with a lot of time\r\n".iter().cycle() {
            if near.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
    };
    let ((), outcome) = tokio::join!(drip, welcome(&node, Box::new(far)));
    assert_eq!(outcome, Err(HandshakeError::TimedOut));
    assert!(begun.elapsed() <= node.limits.handshake_timeout + Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn an_upgraded_stranger_who_falls_silent_is_dropped_in_time() {
    let (node, _events) = node(1);
    let (near, far) = duplex(PIPE_BYTES);
    let stranger = async { StrangerSocket::dialled(Box::new(near).into(), "node:1").await };
    let begun = Instant::now();
    let (_kept_open, outcome) = tokio::join!(stranger, welcome(&node, Box::new(far)));
    assert_eq!(outcome, Err(HandshakeError::TimedOut));
    assert_eq!(begun.elapsed().as_secs(), node.limits.handshake_timeout.as_secs());
}

#[tokio::test]
async fn strangers_without_end_neither_pile_up_nor_keep_peers_out() {
    let mut config = config(1);
    config.limits.max_handshakes = 3;
    let (network, _events) = Network::start(config).await.expect("starts");
    let place = network.local_addr().expect("listens");
    let mut silent = Vec::new();
    for _ in 0..10 {
        silent.push(TcpStream::connect(place).await.expect("accepts"));
    }
    // The oldest were hung up on.
    for stream in &mut silent[..7] {
        let end = stream.read(&mut [0; 16]).await;
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    }
    let (honest, mut events) = start(2).await;
    honest.add_peer(address_of(1, &network));
    assert_eq!(events.recv().await, connected(1));
}

#[tokio::test]
async fn text_and_oversized_frames_of_a_peer_end_its_connection() {
    let large = Message::Binary(vec![0; MAX_FRAME_BYTES + 1].into());
    for message in [Message::Text("pay me".into()), large] {
        let (node, mut events) = node(1);
        let peer = client(&node, 2).await.expect("authenticated");
        let (mut peer, _received) = peer.authenticated().await;
        assert_eq!(events.recv().await, connected(2));
        tokio::spawn(async move { drop(peer.send(message).await) });
        let reason = reason(&mut events).await;
        assert!(matches!(reason, DisconnectReason::Violation(_)), "{reason:?}");
    }
}

#[tokio::test]
async fn the_largest_frame_arrives() {
    let (node, mut events) = node(1);
    let peer = client(&node, 2).await.expect("authenticated");
    let (mut peer, _received) = peer.authenticated().await;
    let largest = Bytes::from(vec![9; MAX_FRAME_BYTES]);
    let message = Message::Binary(largest.clone());
    tokio::spawn(async move { drop(peer.send(message).await) });
    assert_eq!(events.recv().await, connected(2));
    assert_eq!(events.recv().await, frame(2, largest));
}

#[tokio::test]
async fn strangers_fill_their_share_only() {
    let mut config = config(1);
    config.limits.max_incoming = 2;
    let (network, mut events) = Network::start(config).await.expect("starts");
    let node = network.shared();
    dial::keep(node, peer_address(9));
    let mut open = Vec::new();
    for byte in [2, 3] {
        open.push(client(node, byte).await.expect("there is room"));
        assert_eq!(events.recv().await, connected(byte));
        network.send(address(byte), "welcome").expect("small");
    }
    let refused = client(node, 4).await.err();
    assert_eq!(refused, Some(HandshakeError::Rejected(Rejection::Busy)));
    let _ninth = client(node, 9).await.expect("a peer that the node was told to keep");
    assert_eq!(events.recv().await, connected(9));
}

#[tokio::test]
async fn strangers_without_business_give_way() {
    let mut config = config(1);
    config.limits.max_incoming = 2;
    let (network, mut events) = Network::start(config).await.expect("starts");
    let node = network.shared();
    let _useful = client(node, 2).await.expect("there is room");
    assert_eq!(events.recv().await, connected(2));
    network.send(address(2), "welcome").expect("small");
    let _useless = client(node, 3).await.expect("there is room");
    assert_eq!(events.recv().await, connected(3));
    for byte in 4..8 {
        std::mem::forget(client(node, byte).await.expect("room is made"));
        let mut both = [events.recv().await, events.recv().await];
        both.sort_by_key(|event| matches!(event, Some(NetworkEvent::Connected { .. })));
        assert_eq!(both, [disconnected(byte - 1, DisconnectReason::MadeRoom), connected(byte)]);
    }
}

#[tokio::test]
async fn a_peer_that_reads_nothing_is_disconnected_and_others_are_not() {
    let (network, mut events) = start(1).await;
    let node = network.shared();
    let _deaf = client(node, 2).await.expect("authenticated");
    let healthy = client(node, 3).await.expect("authenticated");
    let (mut healthy, _received) = healthy.authenticated().await;
    assert_eq!(events.recv().await, connected(2));
    assert_eq!(events.recv().await, connected(3));
    let chunk = Bytes::from(vec![0; 1 << 20]);
    let room = node.limits.max_queue_bytes / chunk.len();
    for _ in 0..=room {
        network.send(address(2), chunk.clone()).expect("small enough");
    }
    let reason = reason(&mut events).await;
    assert!(matches!(reason, DisconnectReason::TooSlow { .. }), "{reason:?}");
    network.send(address(3), "still here").expect("small enough");
    let message = healthy.next().await.expect("open").expect("well formed");
    assert_eq!(message, Message::Binary("still here".into()));
    let too_large = vec![0; MAX_FRAME_BYTES + 1];
    assert_eq!(network.send(address(3), too_large), Err(SendError::TooLarge(MAX_FRAME_BYTES + 1)));
}
