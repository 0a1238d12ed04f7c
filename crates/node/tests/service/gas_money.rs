//! Too little money for gas is said with amounts, before anything is sent that needs it.

use crate::world::{ETHER, Party, World, account, soon};
use strait_api::{Api, ApiError, ChannelMove, ChannelOpen, ChannelRef, ErrorCode, Link, Phase};
use strait_types::abi::calls;
use strait_types::{Address, Amount, ChannelId, U256};

/// A channel in the native coin and in the test token, of which the first side has a thousand.
async fn with_tokens(world: &World) -> (Party, Party, ChannelId, Address) {
    let (alice, bob) = (world.start(1).await, world.start(2).await);
    let token = world.chain.with(|chain| {
        let data = calls::mint(account(1), U256::from(1_000));
        let mint = strait_engine::ports::TxRequest { to: chain.token(), value: U256::ZERO, data };
        chain.submit_from(account(1), &mint).expect("minted");
        chain.token()
    });
    let terms = ChannelOpen { assets: vec![Address::ZERO, token], ..ChannelOpen::new(bob.address()) };
    let channel = alice.service.channel_open(terms).await.expect("opens").channel.channel;
    alice.until(channel, |info| info.link == Link::Up).await;
    (alice, bob, channel, token)
}

fn deposit(channel: ChannelId, asset: Address, amount: u64) -> ChannelMove {
    ChannelMove { channel, asset: Some(asset), amount: Amount::from(amount), idempotency_key: None }
}

fn set_balance(world: &World, party: u8, wei: u128) {
    world.chain.with(|chain| chain.set_balance(account(party), U256::from(wei)));
}

/// What is missing, by the error.
fn missing(error: &ApiError) -> u128 {
    assert_eq!(error.code, ErrorCode::NotEnoughGasMoney, "{error}");
    let shortage = error.shortage.as_ref().expect("the amounts");
    assert!(shortage.asset.is_zero() && error.message.contains("needed"), "{error}");
    shortage.needed.checked_sub(shortage.balance).expect("too little").units()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_deposit_counts_its_approval() {
    let world = World::new();
    let (alice, _bob, channel, token) = with_tokens(&world).await;
    set_balance(&world, 1, 0);
    let head = world.chain.with(|chain| chain.head().at.number);
    let both = alice.service.channel_deposit(deposit(channel, token, 10)).await.expect_err("no money");
    assert_eq!(world.chain.with(|chain| chain.head().at.number), head, "nothing was sent");

    // What stands is used, so that it takes less.
    let adjudicator = world.chain.with(|chain| chain.adjudicator());
    set_balance(&world, 1, u128::from(ETHER));
    world.chain.with(|chain| {
        let data = calls::approve(adjudicator, U256::from(10));
        let approve = strait_engine::ports::TxRequest { to: token, value: U256::ZERO, data };
        chain.submit_from(account(1), &approve).expect("approved")
    });
    set_balance(&world, 1, 0);
    let one = alice.service.channel_deposit(deposit(channel, token, 10)).await.expect_err("no money");
    assert!(missing(&both) > missing(&one), "{both} {one}");

    set_balance(&world, 1, missing(&one));
    soon("the deposit", alice.service.channel_deposit(deposit(channel, token, 10))).await.expect("enough");
    alice.until(channel, |info| info.balances[1].deposited == Amount::from(10)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dispute_is_refused_while_it_cannot_be_paid() {
    let world = World::new();
    let (alice, _bob, channel) = world.pair().await;
    set_balance(&world, 1, 1);
    let refused = alice.service.channel_dispute(ChannelRef { channel }).await.expect_err("no money");
    assert_eq!(alice.show(channel).await.expect("known").phase, Phase::Open);
    set_balance(&world, 1, 1 + missing(&refused));
    alice.service.channel_dispute(ChannelRef { channel }).await.expect("what was needed suffices");
    alice.until(channel, |info| info.phase == Phase::Disputed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_by_agreement_is_told_that_the_peer_must_pay_the_gas() {
    let world = World::new();
    let (alice, bob, channel) = world.pair().await;
    set_balance(&world, 1, 1);
    let withdrawal = ChannelMove { amount: Amount::from(5), ..deposit(channel, Address::ZERO, 5) };
    let agreed = soon("the peer", alice.service.channel_withdraw(withdrawal)).await.expect("agreed");
    let short = agreed.gas_shortage.expect("said");
    assert_eq!(short.balance, Amount::from(1));
    assert!(short.needed > short.balance, "{short:?}");
    set_balance(&world, 1, u128::from(ETHER));
    // It is tried again when some blocks do not show it.
    for _ in 0..4 {
        world.chain.with(|chain| chain.mine());
    }
    let info = alice.until(channel, |info| info.withdrawn_version >= agreed.version).await;
    assert_eq!(info.phase, Phase::Open);
    bob.until(channel, |info| info.withdrawn_version >= agreed.version).await;
    let agreed = soon("the peer", alice.service.channel_close(ChannelRef { channel })).await.expect("agreed");
    assert_eq!(agreed.gas_shortage, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deposit_that_is_too_large_is_not_said_to_lack_gas() {
    let world = World::new();
    let (alice, bob, channel) = world.pair().await;
    let much = deposit(channel, Address::ZERO, 5);
    set_balance(&world, 1, 3);
    let error = alice.service.channel_deposit(much).await.expect_err("more than there is");
    assert!(error.message.contains("0.000000000000000005 ETH for the deposit"), "{error}");
    assert!(error.hint.starts_with("deposit less"), "{}", error.hint);
    assert!(missing(&error) > 2);
    drop(bob);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_withdrawal_that_waits_for_gas_is_told_as_under_way_until_the_chain_has_it() {
    let world = World::new();
    let (alice, bob, channel) = world.pair().await;
    set_balance(&world, 1, 1);
    let withdrawal = deposit(channel, Address::ZERO, 5);
    let agreed = soon("the peer", alice.service.channel_withdraw(withdrawal.clone())).await.expect("agreed");
    for (party, is_ours) in [(&alice, true), (&bob, false)] {
        let info = party.until(channel, |info| info.under_way.is_some()).await;
        let under_way = info.under_way.expect("told");
        assert_eq!((under_way.version, under_way.is_ours), (agreed.version, is_ours));
        assert!(!under_way.is_close && !under_way.is_on_chain && under_way.until > 0, "{under_way:?}");
        let balance = &info.balances[0];
        let (leaving, withdrawn) = if is_ours {
            (balance.leaving, balance.withdrawn)
        } else {
            (balance.peer_leaving, balance.peer_withdrawn)
        };
        assert_eq!((leaving, withdrawn), (Amount::from(5), Amount::ZERO));
        // Until when another one has to wait is said.
        let error =
            soon("an answer", party.service.channel_withdraw(withdrawal.clone())).await.expect_err("one");
        assert_eq!(error.code, ErrorCode::ChannelBusy);
        assert!(error.message.contains("withdrawal") && error.hint.contains("20"), "{error} {}", error.hint);
    }
    set_balance(&world, 1, u128::from(ETHER));
    // It is tried again when some blocks do not show it.
    for _ in 0..4 {
        world.chain.with(|chain| chain.mine());
    }
    for party in [&alice, &bob] {
        let info = party.until(channel, |info| info.under_way.is_none()).await;
        let balance = &info.balances[0];
        assert_eq!(balance.leaving.units() + balance.peer_leaving.units(), 0, "{balance:?}");
        assert_eq!(balance.withdrawn.units() + balance.peer_withdrawn.units(), 5, "{balance:?}");
    }
}
