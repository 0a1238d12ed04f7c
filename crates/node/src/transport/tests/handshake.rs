//! Who gets through the handshake, and what the others are told.

use super::super::handshake::{Session, initiate};
use super::*;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use strait_types::B256;
use tokio_tungstenite::tungstenite::Message;

type Outcome = (Result<Session, HandshakeError>, Result<Session, HandshakeError>);

/// Both sides of a handshake between `initiator`, who expects `expected`, and `acceptor`.
async fn shake(initiator: Identity, expected: Address, acceptor: Identity) -> Outcome {
    let (mut near, mut far) = sockets().await;
    let near = initiate(&mut near, &initiator, expected);
    let far = async {
        let Accepted { session, proof } = accept(&mut far, &acceptor).await?;
        far.socket.send(Message::Binary(proof)).await.expect("open");
        Ok(session)
    };
    tokio::join!(near, far)
}

async fn next(socket: &mut StrangerSocket) -> Bytes {
    match socket.socket.next().await {
        Some(Ok(Message::Binary(bytes))) => bytes,
        other => panic!("expected a handshake message, got {other:?}"),
    }
}

async fn say(socket: &mut StrangerSocket, bytes: impl Into<Bytes>) {
    socket.socket.send(Message::Binary(bytes.into())).await.expect("open");
}

fn hello(byte: u8) -> Hello {
    Hello::new(&domain(), address(byte), payout(byte), B256::repeat_byte(byte))
}

#[tokio::test]
async fn honest_sides_agree() {
    let (near, far) = shake(identity(1), address(2), identity(2)).await;
    let seen = |session: Session| (session.peer, session.payout);
    assert_eq!(near.map(seen), Ok((address(2), payout(2))));
    assert_eq!(far.map(seen), Ok((address(1), payout(1))));
}

#[tokio::test]
async fn another_identity_is_refused_and_both_know_why() {
    let (near, far) = shake(identity(1), address(3), identity(2)).await;
    assert_eq!(near, Err(HandshakeError::WrongIdentity { expected: address(3), actual: address(2) }));
    assert_eq!(far, Err(HandshakeError::Rejected(Rejection::WrongIdentity { expected: address(3) })));
}

#[tokio::test]
async fn another_chain_or_adjudicator_is_refused_and_both_know_why() {
    for other in [Domain::new(1, domain().adjudicator()), Domain::new(31337, Address::ZERO)] {
        let elsewhere = Identity { domain: other, ..identity(1) };
        let (near, far) = shake(elsewhere, address(2), identity(2)).await;
        let (chain_id, adjudicator) = (domain().chain_id(), domain().adjudicator());
        assert_eq!(near, Err(HandshakeError::Rejected(Rejection::OtherDomain { chain_id, adjudicator })));
        let (chain_id, adjudicator) = (other.chain_id(), other.adjudicator());
        assert_eq!(far, Err(HandshakeError::OtherDomain { chain_id, adjudicator, ours: domain() }));
    }
}

#[tokio::test]
async fn a_node_is_no_tower_and_a_tower_no_peer_and_both_know_why() {
    let tower = |byte| Identity { kind: LinkKind::Tower, ..identity(byte) };
    let refused = |rejection| Err(HandshakeError::Rejected(rejection));
    let (near, far) = shake(tower(1), address(2), identity(2)).await;
    assert_eq!((near, far), (refused(Rejection::NoTower), Err(HandshakeError::OtherKind(LinkKind::Peer))));
    let (near, far) = shake(identity(1), address(2), tower(2)).await;
    assert_eq!((near, far), (refused(Rejection::NoNode), Err(HandshakeError::OtherKind(LinkKind::Tower))));
    let (near, far) = shake(tower(1), address(2), tower(2)).await;
    assert!(near.is_ok() && far.is_ok());
}

#[tokio::test]
async fn the_own_key_on_the_other_side_is_refused() {
    let (near, far) = shake(identity(1), address(1), identity(1)).await;
    assert_eq!(near, Err(HandshakeError::Rejected(Rejection::OwnIdentity)));
    assert_eq!(far, Err(HandshakeError::OwnIdentity));
}

#[tokio::test]
async fn releases_too_far_apart_are_told() {
    let (mut near, mut far) = sockets().await;
    let newer = WireRange { oldest: WireRange::OURS.newest + 1, newest: 250 };
    let client = async {
        say(&mut near, HandshakeMessage::Hello(Hello { wire: newer, ..hello(1) }).encode()).await;
        let answer = HandshakeMessage::decode(&next(&mut near).await);
        near.socket.close(None).await.expect("open");
        answer
    };
    let (answer, error) = tokio::join!(client, async { accept(&mut far, &identity(2)).await.err() });
    assert_eq!(answer, Ok(HandshakeMessage::Reject(Rejection::NoCommonVersion(WireRange::OURS))));
    assert_eq!(error, Some(HandshakeError::NoCommonVersion(newer)));
}

#[tokio::test]
async fn a_recorded_handshake_does_not_work_again() {
    // The first time, a listener in between records what the honest initiator says.
    let (mut near, mut far) = sockets().await;
    let record = async {
        let theirs = next(&mut far).await;
        say(&mut far, HandshakeMessage::Hello(hello(2)).encode()).await;
        [theirs, next(&mut far).await]
    };
    let initiator = identity(1);
    let recorded = tokio::select! {
        recorded = record => recorded,
        _ = initiate(&mut near, &initiator, address(2)) => panic!("the acceptor never proved itself"),
    };
    // The second time it is played back.
    let (mut near, mut far) = sockets().await;
    let replay = async {
        for message in recorded {
            say(&mut near, message).await;
        }
        next(&mut near).await; // the acceptor's hello
        HandshakeMessage::decode(&next(&mut near).await)
    };
    let (answer, error) = tokio::join!(replay, async {
        let error = accept(&mut far, &identity(2)).await.err();
        drop(far);
        error
    });
    assert_eq!(error, Some(HandshakeError::BadProof(address(1))));
    assert_eq!(answer, Ok(HandshakeMessage::Reject(Rejection::BadProof)));
}

#[tokio::test]
async fn a_peer_cannot_pass_a_handshake_on_to_impersonate_its_initiator() {
    // 1 dials 3, who is dishonest and wants to appear to 2 as 1.
    let (mut one, mut three) = sockets().await;
    let (mut three_dialled, mut two) = sockets().await;
    let relay = async move {
        let hello_of_one = next(&mut three).await;
        say(&mut three_dialled, hello_of_one).await;
        let hello_of_two = next(&mut three_dialled).await;
        let HandshakeMessage::Hello(theirs) = HandshakeMessage::decode(&hello_of_two).expect("well formed")
        else {
            panic!("expected a hello");
        };
        // All that it can keep is the nonce; its own name is what 1 expects.
        say(&mut three, HandshakeMessage::Hello(Hello { signer: address(3), ..theirs }).encode()).await;
        let proof_of_one = next(&mut three).await;
        say(&mut three_dialled, proof_of_one).await;
        HandshakeMessage::decode(&next(&mut three_dialled).await)
    };
    let initiator = identity(1);
    let honest = async {
        let error = accept(&mut two, &identity(2)).await.err();
        drop(two);
        error
    };
    let (answer, error, _one) = tokio::join!(relay, honest, initiate(&mut one, &initiator, address(3)));
    assert_eq!(answer, Ok(HandshakeMessage::Reject(Rejection::BadProof)));
    assert_eq!(error, Some(HandshakeError::BadProof(address(1))));
}

#[tokio::test]
async fn a_peer_cannot_pass_a_handshake_on_to_impersonate_its_acceptor() {
    // 1 dials 2, but 3 answers and passes on what 2 says to it. It can only be itself towards 2.
    let (mut one, mut three) = sockets().await;
    let (mut three_dialled, mut two) = sockets().await;
    let relay = async {
        let _hello_of_one = next(&mut three).await;
        say(&mut three_dialled, HandshakeMessage::Hello(hello(3)).encode()).await;
        let hello_of_two = next(&mut three_dialled).await;
        say(&mut three, hello_of_two.clone()).await;
        let _proof_of_one = next(&mut three).await;
        let digest = proof_digest(
            Role::Initiator,
            &HandshakeMessage::Hello(hello(3)).encode(),
            &hello_of_two,
            B256::ZERO,
        );
        say(&mut three_dialled, HandshakeMessage::Proof(key(3).sign(digest)).encode()).await;
        let proof_of_two = next(&mut three_dialled).await;
        say(&mut three, proof_of_two).await;
        let answer = HandshakeMessage::decode(&next(&mut three).await);
        drop(three);
        answer
    };
    let honest = async {
        let Accepted { proof, .. } = accept(&mut two, &identity(2)).await.expect("3 is 3");
        say(&mut two, proof).await;
    };
    let (victim, two) = (identity(1), address(2));
    let (answer, (), error) = tokio::join!(relay, honest, initiate(&mut one, &victim, two));
    assert_eq!(error, Err(HandshakeError::BadProof(address(2))));
    assert_eq!(answer, Ok(HandshakeMessage::Reject(Rejection::BadProof)));
}

#[tokio::test]
async fn what_follows_the_handshake_at_once_is_not_lost() {
    let (mut near, mut far) = sockets().await;
    let large = Bytes::from(vec![7u8; 100_000]);
    let acceptor = async {
        let Accepted { proof, .. } = accept(&mut far, &identity(2)).await.expect("authenticated");
        let (mut far, _received) = far.authenticated().await;
        far.feed(Message::Binary(proof)).await.expect("open");
        far.feed(Message::Binary("first".into())).await.expect("open");
        far.send(Message::Binary(large.clone())).await.expect("open");
    };
    let us = identity(1);
    let initiator = async {
        initiate(&mut near, &us, address(2)).await.expect("authenticated");
        let (mut near, received) = near.authenticated().await;
        let first = near.next().await.expect("open").expect("well formed");
        let second = near.next().await.expect("open").expect("larger than a handshake message may be");
        assert!(received.load(std::sync::atomic::Ordering::Relaxed) > 90_000);
        (first, second)
    };
    let ((), (first, second)) = tokio::join!(acceptor, initiator);
    assert_eq!(first, Message::Binary("first".into()));
    assert_eq!(second, Message::Binary(large.clone()));
}
