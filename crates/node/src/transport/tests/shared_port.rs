//! One port for networks of several chains.

use super::*;

fn on_chain(byte: u8, chain_id: u64, listen: Listen) -> NetworkConfig {
    NetworkConfig { domain: Domain::new(chain_id, domain().adjudicator()), listen, ..config(byte) }
}

async fn listener() -> Listener {
    let config = ListenerConfig {
        address: ([127, 0, 0, 1], 0).into(),
        tls: None,
        allow_plain_remote: false,
        limits: Limits::default(),
    };
    Listener::start(config).await.expect("starts")
}

/// A node that dials `to` on a chain.
async fn dialler(byte: u8, chain_id: u64, to: &PeerAddress) -> (Network, NetworkEvents) {
    let (network, events) = Network::start(on_chain(byte, chain_id, Listen::Off)).await.expect("starts");
    network.add_peer(to.clone());
    (network, events)
}

#[tokio::test]
async fn every_chain_gets_its_own_peers() {
    let port = listener().await;
    let serve = |chain_id| Network::start(on_chain(9, chain_id, Listen::On(port.clone())));
    let (first, mut first_events) = serve(1).await.expect("starts");
    let (second, mut second_events) = serve(2).await.expect("starts");
    let to = address_of(9, &first);
    assert_eq!(to, address_of(9, &second));
    // The same signer on both chains: two connections.
    let (one, mut one_events) = dialler(3, 1, &to).await;
    let (_two, mut two_events) = dialler(3, 2, &to).await;
    assert_eq!((first_events.recv().await, second_events.recv().await), (connected(3), connected(3)));
    assert_eq!((one_events.recv().await, two_events.recv().await), (connected(9), connected(9)));
    assert_eq!(first.payout_of(address(3)), Some(payout(3)));
    one.send(address(9), "for chain 1").expect("small");
    assert_eq!(first_events.recv().await, frame(3, "for chain 1"));
    // One chain ends, the other goes on.
    first.shutdown().await;
    second.send(address(3), "for chain 2").expect("small");
    assert_eq!(two_events.recv().await, frame(9, "for chain 2"));
    let (_late, mut late_events) = dialler(4, 2, &to).await;
    assert_eq!(late_events.recv().await, connected(9));
}

#[tokio::test]
async fn a_chain_that_is_not_served_is_told() {
    let port = listener().await;
    let (network, _events) = Network::start(on_chain(9, 1, Listen::On(port.clone()))).await.expect("starts");
    let (stranger, _strange_events) = dialler(3, 7, &address_of(9, &network)).await;
    let failure = stranger.shared().registry.kept(address(9), |keeper| keeper.failure.clone());
    let mut failure = failure.expect("kept");
    let error = failure.wait_for(Option::is_some).await.expect("the keeper lives").clone();
    let told = Rejection::OtherDomain { chain_id: 1, adjudicator: domain().adjudicator() };
    assert_eq!(error, Some(HandshakeError::Rejected(told).into()));
    let twice = Network::start(on_chain(8, 1, Listen::On(port.clone()))).await;
    assert!(matches!(twice.err(), Some(NetworkError::SameDomain { chain_id: 1 })));
}

#[tokio::test]
async fn a_port_is_free_again_after_the_shutdown() {
    let port = listener().await;
    let place = port.local_addr();
    let taken = Network::start(NetworkConfig { listen: Listen::At(place), ..config(1) }).await;
    assert!(matches!(taken.err(), Some(NetworkError::Listen { .. })));
    port.shutdown().await;
    let (network, _events) =
        Network::start(NetworkConfig { listen: Listen::At(place), ..config(1) }).await.expect("free");
    network.shutdown().await;
    assert!(Network::start(NetworkConfig { listen: Listen::At(place), ..config(1) }).await.is_ok());
}
