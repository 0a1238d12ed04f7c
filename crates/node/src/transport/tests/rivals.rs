//! Two connections with one peer: one stays, and both sides agree which.

use super::*;
use futures_util::SinkExt;
use tokio_tungstenite::tungstenite::Message;

/// The bytes of the keys whose addresses are lower and higher.
fn ranked() -> (u8, u8) {
    if address(1) < address(2) { (1, 2) } else { (2, 1) }
}

/// Fails unless the two share exactly the connection that `lower` opened, and it works both ways.
async fn agree_on_the_lower(
    (lower, lower_byte, lower_events): (&Arc<Shared>, u8, &mut NetworkEvents),
    (higher, higher_byte, higher_events): (&Arc<Shared>, u8, &mut NetworkEvents),
) {
    let live = |node: &Arc<Shared>, byte| node.registry.live(address(byte)).expect("connected");
    let (down, up) = (live(lower, higher_byte), live(higher, lower_byte));
    assert_eq!((down.role, up.role), (Role::Initiator, Role::Acceptor));
    down.outbox.push("down".into()).expect("room");
    up.outbox.push("up".into()).expect("room");
    assert_eq!(first_frame(higher_events).await, frame(lower_byte, "down"));
    assert_eq!(first_frame(lower_events).await, frame(higher_byte, "up"));
    assert_eq!((lower_events.try_recv(), higher_events.try_recv()), (None, None));
}

/// The first frame. Until then connections and replacements must alternate.
async fn first_frame(events: &mut NetworkEvents) -> Option<NetworkEvent> {
    let mut connected = false;
    loop {
        connected = match events.recv().await {
            Some(NetworkEvent::Connected { .. }) if !connected => true,
            Some(NetworkEvent::Disconnected { .. }) if connected => false,
            Some(frame @ NetworkEvent::Frame { .. }) if connected => return Some(frame),
            other => panic!("unexpected {other:?}"),
        };
    }
}

#[tokio::test]
async fn both_dial_at_once_and_the_lower_address_prevails() {
    let (l, h) = ranked();
    let ((lower, mut lower_events), (higher, mut higher_events)) = (node(l), node(h));
    let (one, other) = tokio::join!(link_up(&lower, (&higher, h)), link_up(&higher, (&lower, l)));
    one.expect("the lower's connection is taken");
    // The higher's is refused or was replaced, depending on who was first.
    let _either = other;
    agree_on_the_lower((&lower, l, &mut lower_events), (&higher, h, &mut higher_events)).await;
}

#[tokio::test]
async fn the_higher_was_first_and_gives_way() {
    let (l, h) = ranked();
    let ((lower, mut lower_events), (higher, mut higher_events)) = (node(l), node(h));
    link_up(&higher, (&lower, l)).await.expect("the first connection is taken");
    link_up(&lower, (&higher, h)).await.expect("the lower's connection is taken");
    agree_on_the_lower((&lower, l, &mut lower_events), (&higher, h, &mut higher_events)).await;
}

#[tokio::test]
async fn the_lower_was_first_and_stays_without_interruption() {
    let (l, h) = ranked();
    let ((lower, mut lower_events), (higher, mut higher_events)) = (node(l), node(h));
    link_up(&lower, (&higher, h)).await.expect("the lower's connection is taken");
    let refused = link_up(&higher, (&lower, l)).await;
    assert_eq!(refused, Err(HandshakeError::Rejected(Rejection::AlreadyConnected).into()));
    assert_eq!((lower_events.recv().await, higher_events.recv().await), (connected(h), connected(l)));
    assert_eq!((lower_events.try_recv(), higher_events.try_recv()), (None, None));
}

#[tokio::test]
async fn a_new_connection_of_the_same_peer_replaces_the_dead_one() {
    let (node, mut events) = node(1);
    for round in 0..3 {
        let old = client(&node, 2).await.expect("authenticated");
        let (mut old, _received) = old.authenticated().await;
        if round > 0 {
            assert_eq!(events.recv().await, disconnected(2, DisconnectReason::Replaced));
        }
        assert_eq!(events.recv().await, connected(2));
        old.send(Message::Binary(vec![round].into())).await.expect("open");
        assert_eq!(events.recv().await, frame(2, vec![round]));
        // Kept open as if the peer had lost power.
        std::mem::forget(old);
    }
}

#[tokio::test]
async fn quick_replacements_are_announced_in_turn() {
    let (node, mut events) = node(1);
    let at_once = tokio::join!(client(&node, 2), client(&node, 2), client(&node, 2), client(&node, 2));
    let last = client(&node, 2).await.expect("authenticated");
    let (mut last, _received) = last.authenticated().await;
    last.send(Message::Binary("last".into())).await.expect("open");
    assert_eq!(first_frame(&mut events).await, frame(2, "last"));
    drop(at_once);
}
