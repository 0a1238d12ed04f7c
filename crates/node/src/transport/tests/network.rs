//! Networks on real sockets.

use super::*;
use std::net::SocketAddr;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_frames_arrive_in_order_both_ways() {
    const COUNT: u32 = 10_000;
    let ((one, mut events), (two, mut others)) = (start(1).await, start(2).await);
    one.add_peer(address_of(2, &two));
    assert_eq!((events.recv().await, others.recv().await), (connected(2), connected(1)));
    let numbered = |n: u32| {
        let mut bytes = vec![0; 4 + (n as usize * 37) % 700];
        bytes[..4].copy_from_slice(&n.to_le_bytes());
        bytes
    };
    let (first, second) = (address(1), address(2));
    for n in 0..COUNT {
        one.send(second, numbered(n)).expect("small");
        two.send(first, numbered(n)).expect("small");
    }
    for n in 0..COUNT {
        for (events, peer) in [(&mut events, second), (&mut others, first)] {
            let expected = NetworkEvent::Frame { peer, bytes: numbered(n).into() };
            assert_eq!(events.recv().await, Some(expected));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_that_dial_each_other_end_up_connected_once() {
    for _ in 0..20 {
        let ((one, mut events), (two, mut others)) = (start(1).await, start(2).await);
        one.add_peer(address_of(2, &two));
        two.add_peer(address_of(1, &one));
        // Each says hello on every connection, until both have heard the other.
        let heard = watch::Sender::new([false; 2]);
        let hear = async |network: &Network, events: &mut NetworkEvents, us: usize, peer: u8| {
            let mut up = false;
            loop {
                up = match events.recv().await {
                    Some(NetworkEvent::Connected { .. }) if !up => {
                        network.send(address(peer), "hello").expect("small");
                        true
                    }
                    Some(NetworkEvent::Disconnected { .. }) if up => false,
                    Some(NetworkEvent::Frame { .. }) if up => {
                        heard.send_modify(|heard| heard[us] = true);
                        true
                    }
                    other => panic!("unexpected {other:?}"),
                }
            }
        };
        let mut both = heard.subscribe();
        tokio::select! {
            () = hear(&one, &mut events, 0, 2) => {}
            () = hear(&two, &mut others, 1, 1) => {}
            heard = both.wait_for(|heard| *heard == [true; 2]) => drop(heard.expect("the sender lives")),
        }
    }
}

#[tokio::test]
async fn a_wrong_identity_is_shown_to_the_operator() {
    let ((one, _events), (two, _others)) = (start(1).await, start(2).await);
    let place = two.local_addr().expect("listens");
    let wrong = PeerAddress::new(address(3), &place.ip().to_string(), place.port()).expect("well formed");
    one.add_peer(wrong);
    let mut failure = one.shared().registry.kept(address(3), |keeper| keeper.failure.clone()).expect("kept");
    failure.wait_for(Option::is_some).await.expect("the keeper lives");
    let error = HandshakeError::WrongIdentity { expected: address(3), actual: address(2) };
    assert_eq!(one.status(address(3)), Some(PeerStatus::Retrying(error.into())));
}

#[tokio::test]
async fn a_peer_that_is_needed_is_dialled_at_once() {
    let (two, mut others) = start(2).await;
    // Nobody is at the end of the line yet.
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("bound");
    let line = Line::to(nobody).await;
    let an_hour = Duration::from_secs(3_600);
    let limits = Limits { min_backoff: an_hour, max_backoff: an_hour, ..Limits::default() };
    let (one, mut events) = Network::start(NetworkConfig { limits, ..config(1) }).await.expect("starts");
    let (host, port) = (line.place.ip().to_string(), line.place.port());
    one.add_peer(PeerAddress::new(address(2), &host, port).expect("well formed"));
    let mut failure = one.shared().registry.kept(address(2), |keeper| keeper.failure.clone()).expect("kept");
    failure.wait_for(Option::is_some).await.expect("the keeper lives");
    line.cut(two.local_addr().expect("listens"));
    assert!(!one.dial_now(address(3)).await, "nobody knows where that one is");
    let both = async { (events.recv().await, others.recv().await) };
    let mut both = std::pin::pin!(both);
    let connected_both = loop {
        // The keeper may not have begun to pause when it is told first.
        drop(one.dial_now(address(2)));
        tokio::select! {
            both = &mut both => break both,
            () = tokio::task::yield_now() => {}
        }
    };
    assert_eq!(connected_both, (connected(2), connected(1)));
}

#[tokio::test]
async fn limits_that_cannot_work_are_refused() {
    let limits = Limits { silence_timeout: Duration::from_secs(1), ..Limits::default() };
    let refused = Network::start(NetworkConfig { limits, ..config(1) }).await;
    assert!(matches!(refused.err(), Some(NetworkError::Limits(_))));
}

/// A line between two nodes that can be cut and laid elsewhere.
struct Line {
    place: SocketAddr,
    target: watch::Sender<SocketAddr>,
}

impl Line {
    async fn to(target: SocketAddr) -> Line {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let place = listener.local_addr().expect("bound");
        let (target, current) = watch::channel(target);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut current = current.clone();
                tokio::spawn(async move {
                    let place = *current.borrow_and_update();
                    if let Ok(mut far) = TcpStream::connect(place).await {
                        tokio::select! {
                            _ = copy_bidirectional(&mut near, &mut far) => {}
                            _ = current.changed() => {}
                        }
                    }
                });
            }
        });
        Line { place, target }
    }

    /// Cuts all connections; new ones go to `target`.
    fn cut(&self, target: SocketAddr) {
        self.target.send_replace(target);
    }
}

#[tokio::test]
async fn reconnects_after_the_line_was_cut_and_after_the_peer_restarted() {
    let ((one, mut events), (two, mut others)) = (start(1).await, start(2).await);
    let place = two.local_addr().expect("listens");
    let line = Line::to(place).await;
    one.add_peer(
        PeerAddress::new(address(2), &line.place.ip().to_string(), line.place.port()).expect("well formed"),
    );
    assert_eq!((events.recv().await, others.recv().await), (connected(2), connected(1)));

    line.cut(place);
    assert!(matches!(reason(&mut events).await, DisconnectReason::Broken(_)));
    assert_eq!(events.recv().await, connected(2));

    two.shutdown().await;
    assert!(matches!(
        reason(&mut events).await,
        DisconnectReason::ClosedByPeer(_) | DisconnectReason::Broken(_)
    ));
    let (two, mut others) = start(2).await;
    line.cut(two.local_addr().expect("listens"));
    assert_eq!((events.recv().await, others.recv().await), (connected(2), connected(1)));
    one.send(address(2), "as before").expect("small");
    assert_eq!(others.recv().await, frame(1, "as before"));
}
