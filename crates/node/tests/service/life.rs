//! A channel's life through the interface.

use crate::world::{ETHER, World, event, many, payment, soon};
use strait_api::{
    Api, AssetAmount, ChannelList, ChannelMove, ChannelOpen, ChannelRef, DepositResult, ErrorCode, Event,
    HistoryEntry, HistoryQuery, Link, Nothing, Pay, PayResult, PeerAdd, Phase,
};
use strait_chain::dev::Mining;
use strait_node::NodeConfig;
use strait_node::service::Retention;
use strait_types::{Address, Amount, U256};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_is_opened_paid_over_in_both_directions_and_closed() {
    let world = World::new();
    let (alice, bob, channel) = world.pair().await;
    let mut news = bob.listen(None).await;

    let paid = alice.pay(channel, 5, "one").await.expect("paid");
    assert_eq!((paid.channel, paid.number), (channel, 0));
    let record = event(&mut news, "the payment", |event| matches!(event, Event::Received { .. })).await;
    let Event::Received { first: 0, payments, version } = record.event else { panic!("{record:?}") };
    assert_eq!((payments.len(), payments[0].amount, payments[0].memo.as_str()), (1, Amount::from(5), "one"));
    assert_eq!((record.channel, version), (Some(channel), paid.version));
    bob.pay(channel, 2, "change").await.expect("paid back");

    let info = alice.show(channel).await.expect("known");
    assert_eq!(info.balances[0].own, Amount::from(10 * ETHER - 3));
    assert_eq!(info.balances[0].peer, Amount::from(3));
    assert_eq!((info.payments_made, info.payments_received), (1, 1));
    assert!(info.can_pay && info.phase == Phase::Open && info.side == 0);
    let node = soon("node info", alice.service.node_info(Nothing {})).await.expect("info");
    assert_eq!(node.chains.len(), 1);
    assert!(node.chains[0].is_fresh && node.chains[0].problem.is_none(), "{node:?}");

    let query = HistoryQuery { channel, cursor: None, limit: None };
    let history = bob.service.history(query).await.expect("history");
    let payments: Vec<_> = history
        .lines
        .iter()
        .filter_map(|line| match &line.entry {
            HistoryEntry::Pay { number, memo, .. } => Some((line.is_ours, *number, memo.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(payments, [(false, 0, "one"), (true, 0, "change")]);

    soon("the close", alice.service.channel_close(ChannelRef { channel })).await.expect("agreed");
    event(&mut news, "the end", |event| *event == Event::PhaseChanged { phase: Phase::Closed }).await;
    let closed = alice.until(channel, |info| info.phase == Phase::Closed).await;
    assert!(!closed.can_pay);
    let payout = world.chain.with(|chain| chain.balance(closed.peer_payout));
    assert_eq!(payout, U256::from(3));
    let late = alice.pay(channel, 1, "late").await.expect_err("closed");
    assert_eq!(late.code, ErrorCode::ChannelNotOpen, "{late}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_payments_each_has_its_own_outcome() {
    let world = World::new();
    let (alice, bob, channel) = world.pair().await;
    let mut amounts = vec![1; 500];
    amounts[100] = 0;
    amounts[200] = 10 * ETHER + 1;
    let request = many(channel, amounts.clone(), "many");
    let results = soon("the payments", alice.service.pay_many(request)).await.expect("answered").results;
    for (index, result) in results.iter().enumerate() {
        match (index, result) {
            (100, PayResult::Failed { code, .. }) => assert_eq!(*code, ErrorCode::InvalidAmount),
            (200, PayResult::Failed { code, message, .. }) => {
                assert_eq!(*code, ErrorCode::InsufficientBalance, "{message}");
                assert!(message.ends_with("10.000000000000000001 ETH are needed"), "{message}");
            }
            (_, PayResult::Paid { .. }) => {}
            (index, result) => panic!("{index}: {result:?}"),
        }
    }
    let info = bob.until(channel, |info| info.payments_received == 498).await;
    assert_eq!(info.balances[0].own, Amount::from(498));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channels_are_listed_newest_first_in_pages() {
    let world = World::new();
    let (alice, bob) = (world.start(1).await, world.start(2).await);
    let mut opened = Vec::new();
    for _ in 0..5 {
        opened.push(alice.open(&bob, 100).await);
    }
    opened.reverse();
    let mut listed = Vec::new();
    let mut cursor = None;
    loop {
        let request = ChannelList { limit: Some(2), cursor, ..ChannelList::default() };
        let page = alice.service.channel_list(request).await.expect("a page");
        assert!(page.channels.len() <= 2);
        listed.extend(page.channels.iter().map(|info| info.channel));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(listed, opened);
    let disputed = ChannelList { phase: Some(Phase::Disputed), ..ChannelList::default() };
    assert!(alice.service.channel_list(disputed).await.expect("a page").channels.is_empty());
    let other_chain = ChannelList { chain_id: Some(5), ..ChannelList::default() };
    let error = alice.service.channel_list(other_chain).await.expect_err("no such chain");
    assert_eq!(error.code, ErrorCode::UnknownChain);
    assert!(error.message.contains("31337"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deposit_beyond_the_accounts_means_is_refused_before_anything_is_sent() {
    let world = World::new();
    let (alice, _bob, channel) = world.pair().await;
    let before = world.chain.with(|chain| chain.head().at.number);
    let amount = Amount::new(2_000 * u128::from(ETHER)).expect("in range");
    let request = ChannelMove { channel, asset: None, amount, idempotency_key: None };
    let error = alice.service.channel_deposit(request).await.expect_err("too much");
    assert_eq!(error.code, ErrorCode::NotEnoughGasMoney);
    assert!(error.message.contains(&crate::world::account(1).to_string()), "{error}");
    let shortage = error.shortage.expect("the amounts");
    assert!(shortage.balance < shortage.needed && shortage.needed > amount, "{shortage:?}");
    assert_eq!(world.chain.with(|chain| chain.head().at.number), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deposit_is_in_some_column_from_the_order_on() {
    let world = World::new();
    let (alice, _bob, channel) = world.pair().await;
    let held =
        |balance: &strait_api::Balance| balance.deposited.checked_add(balance.arriving).expect("it fits");
    let before = held(&alice.show(channel).await.expect("known").balances[0]);
    let order = ChannelMove { channel, asset: None, amount: Amount::from(7), idempotency_key: None };
    let mut total = before;
    for _ in 0..3 {
        let sent = alice.service.channel_deposit(order.clone()).await.expect("sent");
        total = total.checked_add(order.amount).expect("it fits");
        let balance = alice.show(channel).await.expect("known").balances[0].clone();
        assert_eq!((held(&balance), sent.total), (total, total), "{balance:?}");
    }
    alice.until(channel, |info| info.balances[0].deposited == total).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_deposited_once_the_end_is_agreed() {
    let world = World::new();
    let (alice, bob, channel) = world.pair().await;
    soon("the close", alice.service.channel_close(ChannelRef { channel })).await.expect("agreed");
    for party in [&alice, &bob] {
        let order = ChannelMove { channel, asset: None, amount: Amount::from(7), idempotency_key: None };
        let late = party.service.channel_deposit(order).await.expect_err("it would be lost gas");
        assert_eq!(late.code, ErrorCode::ChannelNotOpen, "{late}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_put_into_a_channel_that_the_peers_operator_has_not_approved() {
    let world = World::new();
    let careful = |config: &mut NodeConfig| config.policy.manual_approval = true;
    let bob = world.serve(2, world.node_with(2, careful).await, Retention::default()).await;
    let alice = world.start(1).await;
    let deposit = vec![AssetAmount { asset: Address::ZERO, amount: Amount::from(ETHER) }];
    let request = ChannelOpen { deposit, ..ChannelOpen::new(bob.address()) };
    let block = world.chain.with(|chain| chain.head().at.number);
    let opened = soon("the opening", alice.service.channel_open(request)).await.expect("offered");
    let channel = opened.channel.channel;
    let [DepositResult::Failed { code, message, hint }] = &opened.deposits[..] else {
        panic!("{:?}", opened.deposits);
    };
    assert!(*code == ErrorCode::PeerRefused && message.contains("approv"), "{message}");
    assert!(message.contains("waits for the approval") && opened.channel.awaits_approval, "{message}");
    let early = ChannelMove { channel, asset: None, amount: Amount::from(ETHER), idempotency_key: None };
    let early = soon("the answer", alice.service.channel_deposit(early)).await.expect_err("not yet taken");
    assert!(early.message.contains("waits for the approval"), "{early}");
    assert!(!early.hint.contains("dispute"), "{early:?}");
    assert!(hint.contains(&format!("strait channel deposit {channel}")), "{hint}");
    assert_eq!(world.chain.with(|chain| chain.head().at.number), block, "no transaction");
    let approved = bob.service.proposal_approve(ChannelRef { channel }).await.expect("approved");
    assert_eq!(approved.channel, channel);
    alice.until(channel, |info| info.link == Link::Up).await;
    let amount = Amount::from(ETHER);
    let deposit = ChannelMove { channel, asset: None, amount, idempotency_key: None };
    soon("the deposit", alice.service.channel_deposit(deposit)).await.expect("on its way");
    alice.until(channel, |info| info.balances[0].own == amount).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deposit_below_what_the_peer_demands_is_not_made_and_no_payment_hangs() {
    let world = World::new();
    let minimum = Amount::from(ETHER);
    let careful = |config: &mut NodeConfig| {
        config.policy.min_deposits.insert(Address::ZERO, minimum);
    };
    let bob = world.serve(2, world.node_with(2, careful).await, Retention::default()).await;
    let alice = world.start(1).await;
    let half = Amount::from(ETHER / 2);
    let deposit = vec![AssetAmount { asset: Address::ZERO, amount: half }];
    let request = ChannelOpen { deposit, ..ChannelOpen::new(bob.address()) };
    let opened = soon("the opening", alice.service.channel_open(request)).await.expect("offered");
    let channel = opened.channel.channel;
    let [DepositResult::Failed { code, message, hint }] = &opened.deposits[..] else {
        panic!("{:?}", opened.deposits);
    };
    assert_eq!(*code, ErrorCode::DepositTooSmall, "{message}");
    assert!(message.contains("demands a deposit of 1 ETH") && hint.contains("\"1 ETH\""), "{message} {hint}");
    let part = |amount| ChannelMove { channel, asset: None, amount, idempotency_key: None };
    soon("the deposit", alice.service.channel_deposit(part(half))).await.expect("on its way");
    let info = alice.until(channel, |info| info.balances[0].own == half).await;
    assert!(!info.can_pay && info.balances[0].demanded == minimum, "{info:?}");
    let refused = soon("the answer", alice.pay(channel, 1, "early")).await.expect_err("too little");
    assert_eq!(refused.code, ErrorCode::DepositTooSmall, "{refused}");
    assert!(refused.message.contains("1 ETH") && refused.message.contains("0.5 ETH"), "{refused}");
    soon("the deposit", alice.service.channel_deposit(part(half))).await.expect("on its way");
    alice.until(channel, |info| info.can_pay).await;
    soon("the payment", alice.pay(channel, 1, "now")).await.expect("paid");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_short_of_a_demand_is_told_in_its_own_asset() {
    const TOKEN: Address = Address::repeat_byte(0x70);
    let world = World::new();
    let (ether, tokens) = (Amount::from(ETHER), Amount::from(100));
    let careful = |config: &mut NodeConfig| {
        config.policy.min_deposits = [(Address::ZERO, ether), (TOKEN, tokens)].into();
    };
    let bob = world.serve(2, world.node_with(2, careful).await, Retention::default()).await;
    let alice = world.start(1).await;
    let deposit = vec![AssetAmount { asset: Address::ZERO, amount: ether }];
    let assets = vec![Address::ZERO, TOKEN];
    let request = ChannelOpen { deposit, assets, ..ChannelOpen::new(bob.address()) };
    let opened = soon("the opening", alice.service.channel_open(request)).await.expect("offered");
    let [DepositResult::Failed { message, .. }] = &opened.deposits[..] else {
        panic!("{:?}", opened.deposits);
    };
    assert!(
        message.contains("demands a deposit of 1 ETH and ") && message.contains("are offered"),
        "{message}"
    );
    let channel = opened.channel.channel;
    alice.until(channel, |info| info.link == Link::Up && !info.balances[1].demanded.is_zero()).await;
    let part = ChannelMove { channel, asset: Some(Address::ZERO), amount: ether, idempotency_key: None };
    soon("the deposit", alice.service.channel_deposit(part)).await.expect("on its way");
    alice.until(channel, |info| info.balances[0].own == ether).await;
    let pay = Pay { asset: Some(Address::ZERO), ..payment(channel, 1, "") };
    let refused = soon("the answer", alice.service.pay(pay)).await.expect_err("tokens lack");
    assert_eq!(refused.code, ErrorCode::DepositTooSmall, "{refused}");
    let shortage = refused.shortage.expect("what is short");
    assert_eq!((shortage.asset, shortage.balance, shortage.needed), (TOKEN, Amount::ZERO, tokens));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_channel_costs_no_transaction_to_leave() {
    let world = World::new();
    let (alice, bob) = (world.start(1).await, world.start(2).await);
    let opened = soon("the opening", alice.service.channel_open(ChannelOpen::new(bob.address()))).await;
    let channel = opened.expect("offered").channel.channel;
    alice.until(channel, |info| info.link == Link::Up).await;
    let block = world.chain.with(|chain| chain.head().at.number);
    let refused =
        soon("the answer", alice.service.channel_dispute(ChannelRef { channel })).await.expect_err("empty");
    assert_eq!(refused.code, ErrorCode::AwaitingDeposit, "{refused}");
    assert!(refused.message.contains("nobody has deposited anything"), "{refused}");
    assert!(refused.hint.contains("`strait channel close`"), "{refused:?}");
    let mut hers = alice.listen(None).await;
    let closed =
        soon("the end", alice.service.channel_close(ChannelRef { channel })).await.expect("given up");
    assert_eq!((closed.version, closed.gas_shortage), (0, None));
    let is_closed = |event: &Event| matches!(event, Event::PhaseChanged { phase: Phase::Closed });
    event(&mut hers, "the end", is_closed).await;
    assert_eq!(world.chain.with(|chain| chain.head().at.number), block, "no transaction");
    let deposit = ChannelMove { channel, asset: None, amount: Amount::from(ETHER), idempotency_key: None };
    let late = soon("the answer", alice.service.channel_deposit(deposit)).await.expect_err("it is over");
    assert!(late.message.contains("was given up before anybody put anything in"), "{late}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_not_given_up_while_the_own_deposit_is_on_its_way() {
    let world = World::new();
    let (alice, bob) = (world.start(1).await, world.start(2).await);
    let opened = soon("the opening", alice.service.channel_open(ChannelOpen::new(bob.address()))).await;
    let channel = opened.expect("offered").channel.channel;
    alice.until(channel, |info| info.link == Link::Up).await;
    world.chain.with(|chain| chain.set_mining(Mining::Manual));
    let deposit = ChannelMove { channel, asset: None, amount: Amount::from(ETHER), idempotency_key: None };
    soon("the deposit", alice.service.channel_deposit(deposit)).await.expect("on its way");
    let early = soon("the answer", alice.service.channel_close(ChannelRef { channel })).await;
    let early = early.expect_err("it comes");
    assert!(early.message.contains("is on its way") && early.hint.contains("repeat"), "{early}");
    world.chain.with(|chain| chain.mine());
    alice.until(channel, |info| info.can_pay).await;
    let closed = soon("the end", alice.service.channel_close(ChannelRef { channel })).await.expect("agreed");
    assert!(closed.version > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispute_that_is_ordered_is_shown_at_once_and_nothing_more_is_put_in() {
    let world = World::new();
    let (alice, _bob, channel) = world.pair().await;
    let disputing = alice.service.channel_dispute(ChannelRef { channel });
    soon("the order", disputing).await.expect("ordered");
    let amount = Amount::from(ETHER);
    let deposit = ChannelMove { channel, asset: None, amount, idempotency_key: None };
    let late = soon("the answer", alice.service.channel_deposit(deposit)).await.expect_err("too late");
    assert_eq!(late.code, ErrorCode::ChannelNotOpen, "{late}");
    let info = alice.show(channel).await.expect("known");
    assert!(!info.can_pay && (info.is_dispute_ordered || info.phase == Phase::Disputed), "{info:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_peers_address_gives_way_only_to_one_where_the_peer_is() {
    let world = World::new();
    let (alice, bob, channel) = world.pair().await;
    let known = bob.address();
    // Bound, so that nobody else takes it, and never listening to a peer.
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let nowhere = socket.local_addr().expect("bound");
    let (signer, _) = known.split_once('@').expect("an address");
    let mistyped = format!("{signer}@{nowhere}");
    let add = PeerAdd { address: mistyped.clone() };
    let refused = soon("the answer", alice.service.peer_add(add)).await.expect_err("nobody is there");
    assert_eq!(refused.code, ErrorCode::PeerOffline, "{refused}");
    assert!(refused.message.contains(&mistyped) && refused.message.contains(&known), "{refused}");
    let open = ChannelOpen::new(mistyped.clone());
    let refused = soon("the answer", alice.service.channel_open(open)).await.expect_err("nobody is there");
    assert!(refused.message.contains(&known), "{refused}");
    let peers = alice.service.peer_list(Nothing {}).await.expect("listed").peers;
    assert_eq!(peers[0].address.as_deref(), Some(known.as_str()));
    // Its own address, written otherwise, is one where it is.
    let other_name = known.replace("127.0.0.1", "localhost");
    let add = PeerAdd { address: other_name.clone() };
    soon("the answer", alice.service.peer_add(add)).await.expect("it is there");
    let peers = alice.service.peer_list(Nothing {}).await.expect("listed").peers;
    assert_eq!(peers[0].address.as_deref(), Some(other_name.as_str()));
    soon("the shutdown", bob.service.shutdown()).await;
    alice.until(channel, |info| info.link == Link::Down).await;
    let away = soon("the answer", alice.pay(channel, 1, "away")).await.expect_err("nobody is there");
    assert_eq!(away.code, ErrorCode::PeerOffline, "{away}");
    assert!(away.message.contains(&other_name), "{away}");
}
