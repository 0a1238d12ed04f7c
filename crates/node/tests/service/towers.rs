//! Watchtowers over real connections and disks, while their client is off.

use crate::backup::mark_restored;
use crate::world::{ETHER, Party, World, soon};
use strait_api::{
    Api, ChannelInfo, ErrorCode, Event, Nothing, PeerAdd, PeerRemove, TowerAdd, TowerInfo, TowerQuery,
    TowerRemove,
};
use strait_node::Watchtower;
use strait_protocol::Command;
use strait_types::{Address, ChannelId, U256};

const DAY: u64 = 24 * 3_600;

/// Alice has paid Bob six ether of ten, Bob's towers hold that, Bob is off, and Alice brings the state before to the chain.
async fn cheated(world: &World, towers: &[&Watchtower]) -> ChannelId {
    world.guard(2, towers);
    let (alice, bob, channel) = world.pair().await;
    let backup = world.path("old");
    alice.pay(channel, ETHER, "early").await.expect("paid");
    world.copy(1, &backup);
    alice.pay(channel, 5 * ETHER, "late").await.expect("paid");
    bob.until_guarded(channel, 2).await;
    bob.service.shutdown().await;
    alice.service.shutdown().await;
    let cheat: Party = world.start_from(1, &backup).await;
    soon("the challenge", cheat.node().command(channel, Command::ForceClose)).await.expect("ordered");
    let is_disputed = |info: &ChannelInfo| info.phase == strait_api::Phase::Disputed;
    cheat.until(channel, is_disputed).await;
    cheat.service.shutdown().await;
    channel
}

fn received(world: &World, index: u8) -> U256 {
    world.chain.with(|chain| chain.balance(Address::repeat_byte(0xb0 + index)))
}

async fn is_answered(tower: &Watchtower) {
    let answered = tower.until(|status| status.disputes.iter().all(|dispute| dispute.answered));
    soon("the answer", answered).await.expect("it runs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tower_that_is_killed_in_the_middle_defends_a_node_that_is_off() {
    let world = World::new();
    let tower = world.tower(3, 2).await;
    let channel = cheated(&world, &[&tower]).await;
    soon("the dispute", tower.until(|status| !status.disputes.is_empty())).await.expect("it runs");
    tower.kill().await;
    world.time_passes(DAY / 5);
    let tower = world.tower(3, 2).await;
    let known =
        soon("the dispute", tower.until(|status| !status.disputes.is_empty())).await.expect("it runs");
    assert_eq!((known.channels, known.disputes[0].channel), (1, channel));
    is_answered(&tower).await;
    tower.shutdown().await;
    world.time_passes(DAY);
    let tower = world.tower(3, 2).await;
    world.time_passes(DAY / 4);
    soon("the end", tower.until(|status| status.channels == 0)).await.expect("it runs");
    let ether = |amount: u64| U256::from(ETHER) * U256::from(amount);
    assert_eq!((received(&world, 1), received(&world, 2)), (ether(4), ether(6)));
    tower.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_towers_is_enough() {
    let world = World::new();
    let (first, second) = (world.tower(3, 2).await, world.tower(4, 2).await);
    cheated(&world, &[&first, &second]).await;
    first.kill().await;
    world.time_passes(DAY / 5);
    is_answered(&second).await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_goes_on_without_its_tower_and_hands_over_when_it_is_back() {
    let world = World::new();
    let tower = world.tower(3, 2).await;
    let address = tower.address().expect("it listens");
    world.guard(2, &[&tower]);
    tower.shutdown().await;
    let (alice, bob, channel) = world.pair().await;
    for number in 0..20 {
        alice.pay(channel, 1, &number.to_string()).await.expect("no payment waits for a tower");
    }
    let states = bob.node().towers().await.expect("it runs");
    assert_eq!((states[0].address.clone(), states[0].view.behind), (address, 1));
    assert!(states[0].problem.is_some() && !states[0].view.connected);
    let tower = world.tower(3, 2).await;
    bob.node().add_tower(tower.address().expect("it listens"));
    bob.until_guarded(channel, 20).await;
    let states = bob.node().towers().await.expect("it runs");
    assert_eq!((states.len(), states[0].view.behind, states[0].problem.clone()), (1, 0, None));
    bob.node().remove_tower(tower.signer());
    soon("the goodbye", tower.until(|status| status.clients.iter().all(|client| !client.connected)))
        .await
        .expect("it runs");
    assert!(bob.node().towers().await.expect("it runs").is_empty());
    tower.shutdown().await;
}

/// Waits until one tower of a node looks as wanted.
async fn until_tower(party: &Party, wanted: impl Fn(&TowerInfo) -> bool) -> TowerInfo {
    soon("the tower's state", async {
        loop {
            let towers = party.service.tower_list(TowerQuery::default()).await.expect("answers").towers;
            if let Some(tower) = towers.into_iter().find(&wanted) {
                return tower;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tower_serves_nobody_whom_its_operator_did_not_admit_and_the_client_is_told() {
    let world = World::new();
    let tower = world.tower(3, 4).await;
    let (alice, bob, channel) = world.pair().await;
    bob.node().add_tower(tower.address().expect("it listens"));
    alice.pay(channel, 1, "tea").await.expect("paid");
    let told =
        until_tower(&bob, |tower| tower.problem.as_ref().is_some_and(|text| text.contains("serve"))).await;
    let problem = told.problem.expect("it has one");
    assert!(problem.contains(&format!("add {} to tower.clients", bob.node().signer())), "{problem}");
    assert!(!told.has_told);
    let status = tower.status().await.expect("it runs");
    assert_eq!((status.channels, status.clients.len()), (0, 0));
    assert_eq!(bob.node().guarded_by(channel).await.expect("it runs")[0].1, None);
    let is_told =
        |event: &Event| matches!(event, Event::Alarm { message } if message.contains("tower.clients"));
    soon("the alarm", async {
        while !bob.all_events().await.iter().any(|record| is_told(&record.event)) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // Its operator admits it.
    tower.shutdown().await;
    let tower = world.tower(3, 2).await;
    bob.node().add_tower(tower.address().expect("it listens"));
    bob.until_guarded(channel, 1).await;
    assert_eq!(until_tower(&bob, |tower| tower.is_connected).await.problem, None);
    tower.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_channel_names_the_tower_that_it_waits_for() {
    let world = World::new();
    let tower = world.tower(3, 4).await;
    let (alice, bob, channel) = world.pair().await;
    alice.pay(channel, 5, "tea").await.expect("paid");
    let copy = world.path("copy");
    world.copy(1, &copy);
    soon("the end", alice.service.shutdown()).await;
    mark_restored(&copy, channel);
    world.guard(1, &[&tower]);
    let alice = world.start_from(1, &copy).await;
    alice.node().add_peer(bob.node().address().expect("it listens"));
    alice.until(channel, |info| info.restoring_until.is_some()).await;
    // The time that has to pass does, whatever the tower says.
    world.time_passes(3 * 3_600);
    until_tower(&alice, |tower| tower.problem.as_ref().is_some_and(|text| text.contains("serve"))).await;
    let info = alice.show(channel).await.expect("known");
    assert_eq!(info.awaits_towers.len(), 1);
    assert_eq!(info.awaits_towers[0].signer, tower.signer());
    assert!(info.is_restoring && info.awaits_towers[0].problem.is_some());
    let refused = alice.pay(channel, 1, "tea").await.expect_err("it waits");
    assert_eq!(refused.code, ErrorCode::ChannelRestoring);
    assert!(refused.message.contains("does not serve this node's key"), "{refused}");
    assert!(refused.hint.contains(&format!("strait tower remove {}", tower.signer())), "{}", refused.hint);
    let remove = TowerRemove { signer: tower.signer() };
    soon("the removal", alice.service.tower_remove(remove)).await.expect("removed");
    alice.until(channel, |info| info.can_pay && info.awaits_towers.is_empty()).await;
    tower.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_channel_goes_on_waiting_for_a_tower_that_has_moved() {
    let world = World::new();
    let tower = world.tower(3, 2).await;
    let (alice, bob, channel) = world.pair().await;
    let copy = world.path("copy");
    world.copy(1, &copy);
    soon("the end", alice.service.shutdown()).await;
    mark_restored(&copy, channel);
    world.guard(1, &[&tower]);
    let signer = tower.signer();
    tower.shutdown().await;
    let alice = world.start_from(1, &copy).await;
    alice.node().add_peer(bob.node().address().expect("it listens"));
    alice.until(channel, |info| info.restoring_until.is_some()).await;
    // Nobody is there yet either.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    let address = format!("strait-tower://{signer}@{nobody}");
    let moved = alice.service.tower_add(TowerAdd { address: address.clone() });
    soon("the new place", moved).await.expect("it is looked for there");
    assert_eq!(until_tower(&alice, |_| true).await.address, address);
    world.time_passes(3 * 3_600);
    let info = alice.show(channel).await.expect("known");
    assert!(info.is_restoring, "{info:?}");
    assert_eq!(info.awaits_towers[0].signer, signer);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tower_that_is_given_as_a_peer_is_told_as_such() {
    let world = World::new();
    let tower = world.tower(3, 1).await;
    let alice = world.start(1).await;
    let place = tower.address().expect("it listens");
    let add = PeerAdd { address: place.to_string().replace("strait-tower://", "strait://") };
    soon("the peer", alice.service.peer_add(add.clone())).await.expect("kept");
    let peer = soon("the answer", async {
        loop {
            let peers = alice.service.peer_list(Nothing {}).await.expect("it runs").peers;
            if let Some(peer) = peers.into_iter().find(|peer| peer.problem.is_some()) {
                return peer;
            }
            tokio::task::yield_now().await;
        }
    });
    let peer = peer.await;
    assert!(peer.problem.expect("it has one").contains("a tower is there"));
    assert!(peer.connected_on.is_empty());
    soon("the end", alice.service.peer_remove(PeerRemove { signer: tower.signer() })).await.expect("removed");
    soon("the tower", alice.service.tower_add(TowerAdd { address: place.to_string() })).await.expect("kept");
    let refused = soon("the answer", alice.service.peer_add(add)).await.expect_err("it is a tower");
    assert!(refused.message.contains("is a tower of this node"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peers_node_that_is_given_as_a_tower_is_refused_and_cuts_no_payments() {
    let world = World::new();
    let (alice, bob, channel) = world.pair().await;
    let place = bob.address().replace("strait://", "strait-tower://");
    let add = TowerAdd { address: place.clone() };
    let refused = soon("the tower", alice.service.tower_add(add)).await.expect_err("a peer");
    assert!(refused.message.contains("is a peer of this node"), "{refused}");
    // A configuration may name it all the same.
    alice.node().add_tower(place.parse().expect("an address"));
    let told =
        until_tower(&alice, |tower| tower.problem.as_ref().is_some_and(|text| text.contains("no tower")))
            .await;
    assert!(!told.is_connected);
    for number in 0..20 {
        alice.pay(channel, 1, &number.to_string()).await.expect("the peer's link is another one");
    }
    let lost = |event: &Event| matches!(event, Event::PeerDisconnected { .. });
    for party in [&alice, &bob] {
        assert_eq!(party.all_events().await.iter().filter(|record| lost(&record.event)).count(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_known_tower_is_used_elsewhere_only_once_it_was_reached_there() {
    let world = World::new();
    let tower = world.tower(3, 2).await;
    let (alice, bob, channel) = world.pair().await;
    let address = tower.address().expect("it listens");
    let add = |address: String| soon("the tower", bob.service.tower_add(TowerAdd { address }));
    add(address.to_string()).await.expect("added");
    alice.pay(channel, 1, "tea").await.expect("paid");
    bob.until_guarded(channel, 1).await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    let wrong = format!("strait-tower://{}@{nobody}", tower.signer());
    let refused = add(wrong).await.expect_err("nobody is there");
    assert!(refused.message.contains(&format!("still used at {address}")), "{refused}");
    assert!(refused.hint.contains("strait tower remove"), "{}", refused.hint);
    assert_eq!(until_tower(&bob, |_| true).await.address, address.to_string());
    let alias = address.to_string().replace("127.0.0.1", "localhost");
    add(alias.clone()).await.expect("it is there");
    assert_eq!(until_tower(&bob, |tower| tower.is_connected).await.address, alias);
    let peer =
        add(address.to_string().replace("strait-tower", "strait")).await.expect_err("a peer's address");
    assert!(peer.hint.contains("strait-tower://SIGNER"), "{}", peer.hint);
    tower.shutdown().await;
}
