//! Deposits with an idempotency key: made once, and never taken for another.

use crate::keys::again;
use crate::world::{ETHER, Party, World, soon};
use std::sync::atomic::Ordering;
use strait_api::{Api, ChannelMove, ErrorCode, Submitted};
use strait_chain::dev::Mining;
use strait_types::{Address, Amount, B256, ChannelId};

fn one_ether(channel: ChannelId) -> ChannelMove {
    let amount = Amount::from(ETHER);
    ChannelMove { channel, asset: Some(Address::ZERO), amount, idempotency_key: None }
}

/// A deposit of one ether with a key.
async fn deposit(party: &Party, channel: ChannelId) -> Result<Submitted, strait_api::ApiError> {
    let request = ChannelMove {
        channel,
        asset: Some(Address::ZERO),
        amount: Amount::from(ETHER),
        idempotency_key: Some("deposit".into()),
    };
    soon("the deposit", party.service.channel_deposit(request)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deposit_that_still_waits_for_a_block_is_not_made_again() {
    let world = World::new();
    let (alice, bob, channel) = world.pair().await;
    world.chain.with(|chain| chain.set_mining(Mining::Manual));
    deposit(&alice, channel).await.expect("handed in");
    soon("the crash", alice.service.kill()).await;
    world.change(1, "UPDATE idempotency SET result = NULL, done_ms = NULL");
    let alice = again(&world, &bob, channel).await;
    alice.clock.advance(7_200);
    let error = deposit(&alice, channel).await.expect_err("the chain was not seen for two hours");
    assert_eq!(error.code, ErrorCode::IdempotencyPending);
    world.pass(&alice, 7_200).await;
    let error = deposit(&alice, channel).await.expect_err("it waits for a block");
    assert_eq!(error.code, ErrorCode::IdempotencyPending);
    world.chain.with(|chain| chain.mine());
    let is_there = |info: &strait_api::ChannelInfo| info.balances[0].deposited == Amount::from(11 * ETHER);
    alice.until(channel, is_there).await;
    assert_eq!(deposit(&alice, channel).await.expect("made once").transaction, B256::ZERO);
    assert_eq!(world.chain.with(|chain| chain.pending().len()), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deposit_that_was_never_sent_is_made_when_the_chain_shows_it_for_an_hour() {
    let world = World::new();
    let (alice, bob, channel) = world.pair().await;
    deposit(&alice, channel).await.expect("handed in");
    bob.until(channel, |info| info.balances[0].peer_deposited == Amount::from(11 * ETHER)).await;
    // As if it were another one's, and this one had not been sent before the crash.
    world.change(
        1,
        "UPDATE idempotency SET result = NULL, done_ms = NULL,
             note = json_set(note, '$.deposit.before', '11000000000000000000')",
    );
    let error = deposit(&alice, channel).await.expect_err("it may come");
    assert_eq!(error.code, ErrorCode::IdempotencyPending);
    world.pass(&alice, 7_200).await;
    assert_ne!(deposit(&alice, channel).await.expect("made").transaction, B256::ZERO);
    alice.until(channel, |info| info.balances[0].deposited == Amount::from(12 * ETHER)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deposit_that_was_refused_before_it_was_sent_leaves_its_key_free() {
    let world = World::new();
    let (alice, _bob, channel) = world.pair().await;
    world.chain_is_away.store(true, Ordering::Relaxed);
    let error = deposit(&alice, channel).await.expect_err("the chain is away");
    assert_eq!(error.code, ErrorCode::ChainUnreachable, "{error}");
    world.chain_is_away.store(false, Ordering::Relaxed);
    let sent = deposit(&alice, channel).await.expect("made at once");
    assert_ne!(sent.transaction, B256::ZERO);
    alice.until(channel, |info| info.balances[0].deposited == Amount::from(11 * ETHER)).await;
    assert_eq!(deposit(&alice, channel).await.expect("made once"), sent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deposit_that_the_chain_does_not_take_leaves_its_key_free() {
    let world = World::new();
    let (alice, _bob, channel) = world.pair().await;
    world.chain_takes_nothing.store(true, Ordering::Relaxed);
    let error = deposit(&alice, channel).await.expect_err("it was given to the chain in vain");
    assert!(error.message.contains("it takes no transaction"), "{error}");
    assert_eq!(error.code, ErrorCode::ChainUnreachable, "{error}");
    world.chain_takes_nothing.store(false, Ordering::Relaxed);
    let sent = deposit(&alice, channel).await.expect("made at once");
    assert_ne!(sent.transaction, B256::ZERO);
    alice.until(channel, |info| info.balances[0].deposited == Amount::from(11 * ETHER)).await;
    assert_eq!(deposit(&alice, channel).await.expect("made once"), sent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deposit_of_another_request_is_not_passed_off_as_that_of_a_key() {
    let world = World::new();
    let (alice, bob, channel) = world.pair().await;
    let amounts = |ether| {
        move |info: &strait_api::ChannelInfo| info.balances[0].deposited == Amount::from(ether * ETHER)
    };
    // One that the chain does not show when the key's request begins is another's, too.
    world.chain.with(|chain| chain.set_mining(Mining::Manual));
    alice.service.channel_deposit(one_ether(channel)).await.expect("handed in");
    let sent = deposit(&alice, channel).await.expect("handed in");
    soon("the crash", alice.service.kill()).await;
    // As if the key's request had been written down, and nothing had been sent.
    world.chain.with(|chain| chain.forget(sent.transaction));
    world.change(1, "UPDATE idempotency SET result = NULL, done_ms = NULL");
    world.chain.with(|chain| chain.set_mining(Mining::Automatic));
    world.chain.with(|chain| chain.mine());
    let alice = again(&world, &bob, channel).await;
    alice.until(channel, amounts(11)).await;
    let error = deposit(&alice, channel).await.expect_err("the first was not the key's");
    assert_eq!(error.code, ErrorCode::IdempotencyPending, "{error}");
    assert!(error.message.contains("may until 2") && error.hint.contains("same key"), "{error}");
    alice.service.channel_deposit(one_ether(channel)).await.expect("handed in");
    alice.until(channel, amounts(12)).await;
    let error = deposit(&alice, channel).await.expect_err("nor is the other one");
    assert_eq!(error.code, ErrorCode::IdempotencyPending, "{error}");
    world.pass(&alice, 7_200).await;
    let sent = deposit(&alice, channel).await.expect("made now");
    assert_eq!(sent.total, Amount::from(13 * ETHER));
    alice.until(channel, amounts(13)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deposit_of_an_earlier_life_is_not_passed_off_as_that_of_a_key() {
    let world = World::new();
    let (alice, bob, channel) = world.pair().await;
    world.chain.with(|chain| chain.set_mining(Mining::Manual));
    alice.service.channel_deposit(one_ether(channel)).await.expect("handed in");
    soon("the restart", alice.service.kill()).await;
    let alice = again(&world, &bob, channel).await;
    let sent = deposit(&alice, channel).await.expect("handed in");
    soon("the crash", alice.service.kill()).await;
    // As if nothing had been sent for the key.
    world.chain.with(|chain| chain.forget(sent.transaction));
    world.change(1, "UPDATE idempotency SET result = NULL, done_ms = NULL");
    world.chain.with(|chain| chain.mine());
    let alice = again(&world, &bob, channel).await;
    alice.until(channel, |info| info.balances[0].deposited == Amount::from(11 * ETHER)).await;
    let error = deposit(&alice, channel).await.expect_err("what the chain shows is not the key's");
    assert_eq!(error.code, ErrorCode::IdempotencyPending, "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deposit_that_was_not_handed_in_yet_is_made_at_once() {
    let world = World::new();
    let (alice, bob, channel) = world.pair().await;
    deposit(&alice, channel).await.expect("handed in");
    soon("the crash", alice.service.kill()).await;
    // As if the crash had come before the look at what is under way, and the deposit were another's.
    world.change(
        1,
        "UPDATE idempotency SET result = NULL, done_ms = NULL,
             note = json_set(note, '$.deposit.may_be_sent', json('false'))",
    );
    let alice = again(&world, &bob, channel).await;
    assert_ne!(deposit(&alice, channel).await.expect("made now").transaction, B256::ZERO);
    alice.until(channel, |info| info.balances[0].deposited == Amount::from(12 * ETHER)).await;
}
