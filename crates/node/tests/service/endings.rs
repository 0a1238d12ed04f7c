//! What is at its end, or was never taken, is not paid into or begun once more; and it is said why.

use crate::world::{ETHER, Party, World, account, event, payment, soon};
use strait_api::{
    Api, ApiError, AssetAmount, ChannelInfo, ChannelMove, ChannelOpen, ChannelRef, ErrorCode, Event, Phase,
};
use strait_chain::dev::Mining;
use strait_types::{Address, Amount, ChannelId, U256};

fn five(channel: ChannelId) -> ChannelMove {
    ChannelMove { channel, asset: None, amount: Amount::from(5), idempotency_key: None }
}

fn refused<T: std::fmt::Debug>(result: Result<T, ApiError>, part: &str) {
    let error = result.expect_err(part);
    assert_eq!(error.code, ErrorCode::ChannelNotOpen, "{error}");
    assert!(error.message.contains(part) && !error.hint.is_empty(), "{error}");
}

/// No deposit and no dispute.
async fn takes_nothing(party: &Party, channel: ChannelId, part: &str) {
    refused(soon("an answer", party.service.channel_deposit(five(channel))).await, part);
    refused(soon("an answer", party.service.channel_dispute(ChannelRef { channel })).await, part);
}

async fn alarms(party: &Party) -> Vec<String> {
    let events = party.all_events().await.into_iter();
    let alarms = events.filter_map(|record| match record.event {
        Event::Alarm { message } => Some(message),
        _ => None,
    });
    alarms.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_close_that_is_under_way_is_waited_for() {
    let world = World::new();
    let (alice, bob, channel) = world.pair().await;
    // It waits for gas money.
    let set_balance =
        |party, wei| world.chain.with(|chain| chain.set_balance(account(party), U256::from(wei)));
    [1, 2].into_iter().for_each(|party| set_balance(party, 1_u64));
    let agreed = soon("the peer", alice.service.channel_close(ChannelRef { channel })).await.expect("agreed");
    for party in [&alice, &bob] {
        let info = party.until(channel, |info| info.is_closing).await;
        let under_way = info.under_way.expect("it is under way");
        assert!(under_way.is_close && under_way.version == agreed.version, "{under_way:?}");
        takes_nothing(party, channel, "closing").await;
    }
    // Blocks do not show it, and it still cannot be paid: that is said once.
    for _ in 0..12 {
        world.chain.with(|chain| chain.mine());
    }
    let poor = alarms(&alice).await;
    assert!(
        poor.len() <= 1 && poor.iter().all(|text| text.contains("ETH") && !text.contains("wei")),
        "{poor:?}"
    );
    set_balance(1, ETHER);
    for _ in 0..4 {
        world.chain.with(|chain| chain.mine());
    }
    for party in [&alice, &bob] {
        let info = party.until(channel, |info| info.phase == Phase::Closed).await;
        assert_eq!(info.under_way, None);
        takes_nothing(party, channel, "closed, and both are paid").await;
        assert!(alarms(party).await.iter().all(|text| !text.contains("ChannelEnded")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dispute_that_runs_is_not_begun_again_and_takes_no_deposit() {
    let world = World::new();
    let (alice, bob, channel) = world.pair().await;
    alice.pay(channel, 7, "tea").await.expect("paid");
    alice.service.channel_dispute(ChannelRef { channel }).await.expect("begun");
    for party in [&alice, &bob] {
        party.until(channel, |info| info.dispute.as_ref().is_some_and(|dispute| dispute.is_answered)).await;
        takes_nothing(party, channel, "in dispute").await;
    }
    world.time_passes(25 * 3_600);
    let info = alice.until(channel, |info| info.phase == Phase::Closed).await;
    assert_eq!(info.balances[0].peer, Amount::from(7));
}

fn to_other_payout(peer: String) -> ChannelOpen {
    ChannelOpen {
        peer_payout: Some(Address::repeat_byte(0xee)),
        deposit: vec![AssetAmount { asset: Address::ZERO, amount: Amount::from(ETHER) }],
        ..ChannelOpen::new(peer)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_peer_is_paid_out_is_remembered_while_it_is_away() {
    let world = World::new();
    let (alice, bob, _) = world.pair().await;
    let (signer, wanted) = (bob.node().signer(), Address::repeat_byte(0xb2).to_string());
    soon("the end", bob.service.shutdown()).await;
    soon("the end", alice.service.shutdown()).await;
    let alice = world.start(1).await;
    let error = soon("an answer", alice.service.channel_open(to_other_payout(signer.to_string()))).await;
    let error = error.expect_err("the peer would not take it");
    assert_eq!(error.code, ErrorCode::InvalidParams);
    assert!(error.message.contains(&wanted) && error.message.contains("last connected"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_the_peer_declines_says_so_and_shows_the_way_out() {
    let world = World::new();
    let (alice, bob) = (world.start(1).await, world.start(2).await);
    let address = bob.address();
    soon("the end", bob.service.shutdown()).await;
    // Nobody has ever heard where this peer is paid out.
    let opened =
        soon("the opening", alice.service.channel_open(to_other_payout(address))).await.expect("opens");
    let channel = opened.channel.channel;
    assert_eq!(opened.channel.declined, None);
    let bob = world.start(2).await;
    alice.node().add_peer(bob.node().address().expect("it listens"));
    let info = alice.until(channel, |info: &ChannelInfo| info.declined.is_some()).await;
    assert!(
        !info.can_pay && info.declined.as_ref().is_some_and(|reason| reason.contains("payout")),
        "{info:?}"
    );
    let error = soon("an answer", alice.service.pay(payment(channel, 1, ""))).await.expect_err("declined");
    assert_eq!(error.code, ErrorCode::PeerRefused);
    assert!(error.hint.contains("strait channel dispute"), "{}", error.hint);
    let error = soon("an answer", alice.service.channel_deposit(five(channel))).await.expect_err("declined");
    assert_eq!(error.code, ErrorCode::PeerRefused);
    alice.until(channel, |info| info.balances[0].own == Amount::from(ETHER)).await;
    alice.service.channel_dispute(ChannelRef { channel }).await.expect("the way out");
    alice.until(channel, |info| info.phase == Phase::Disputed).await;
    world.time_passes(25 * 3_600);
    let info = alice.until(channel, |info| info.phase == Phase::Closed).await;
    assert_eq!(info.balances[0].own, Amount::from(ETHER));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deposit_that_comes_after_the_end_alarms_and_is_no_longer_arriving() {
    let world = World::new();
    let (alice, bob, channel) = world.pair().await;
    world.chain.with(|chain| chain.set_mining(Mining::Manual));
    let sent = soon("the deposit", alice.service.channel_deposit(five(channel))).await.expect("handed in");
    assert_eq!(alice.show(channel).await.expect("known").balances[0].arriving, Amount::from(5));
    soon("the peer", bob.service.channel_close(ChannelRef { channel })).await.expect("agreed");
    // The close comes into a block before it.
    let close = soon("the call", async {
        loop {
            let waiting: Vec<_> =
                world.chain.with(|chain| chain.pending().iter().map(|waiting| waiting.hash).collect());
            if let Some(close) = waiting.into_iter().find(|hash| *hash != sent.transaction) {
                return close;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    world.chain.with(|chain| chain.mine_only(&[close]));
    alice.until(channel, |info| info.phase == Phase::Closed).await;
    let mut news = alice.listen(None).await;
    world.chain.with(|chain| chain.mine());
    let record = event(&mut news, "the alarm", |event| matches!(event, Event::Alarm { .. })).await;
    let Event::Alarm { message } = record.event else { panic!("{record:?}") };
    assert!(message.contains("a deposit failed on chain"), "{message}");
    assert_eq!(record.channel, Some(channel));
    assert!(alice.show(channel).await.expect("known").balances[0].arriving.is_zero());
}
