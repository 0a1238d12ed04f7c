//! Watchtowers over real connections and disks, while their client is off.

use crate::world::{ETHER, Party, World, soon};
use strait_api::ChannelInfo;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tower_serves_nobody_whom_its_operator_did_not_admit() {
    let world = World::new();
    let tower = world.tower(3, 4).await;
    world.guard(2, &[&tower]);
    let (alice, bob, channel) = world.pair().await;
    alice.pay(channel, 1, "tea").await.expect("paid");
    let status = tower.status().await.expect("it runs");
    assert_eq!((status.channels, status.clients.len()), (0, 0));
    assert_eq!(bob.node().guarded_by(channel).await.expect("it runs")[0].1, None);
    tower.shutdown().await;
}
