//! A game by the interface alone: two services, from the code's installation to the payout.

use crate::world::{ETHER, Party, World, event, soon};
use futures_util::StreamExt as _;
use std::time::Duration;
use strait_api::{
    Api as _, AppFinish, AppInfo, AppInstall, AppMove, AppOpen, AppPosition, AssetAmount, ChannelMove,
    ChannelOpen, ChannelRef, ErrorCode, Event, EventRecord, EventStream, HistoryEntry, HistoryLine,
    HistoryQuery, Link, Nothing, Phase,
};
use strait_app::{AppCode, AppData, NativeRules as _, Position};
use strait_chain::dev::Mining;
use strait_engine::Starts;
use strait_examples::fair_exchange::{self, FairExchange, Reveal};
use strait_examples::sticks::{self, Heap, Sticks, Take};
use strait_node::NodeConfig;
use strait_node::service::Retention;
use strait_node::transport::{Limits, Listen};
use strait_types::{Address, Amount, B256, ChannelId, Side};

const STAKE: u128 = 1_000;

async fn show(party: &Party, channel: ChannelId) -> AppInfo {
    party.service.app_show(ChannelRef { channel }).await.expect("an app")
}

/// Waits, by the node's own news, until play stands as wanted.
async fn until(party: &Party, channel: ChannelId, wanted: impl Fn(&AppInfo) -> bool) -> AppInfo {
    soon("the state of play", async {
        loop {
            let info = show(party, channel).await;
            if wanted(&info) {
                return info;
            }
            let mut is_first_look = true;
            let changed = party.node().wait_until(channel, |_| !std::mem::take(&mut is_first_look));
            changed.await.expect("it runs");
        }
    })
    .await
}

/// Where play stands when it is this party's turn.
async fn turn(party: &Party, channel: ChannelId) -> Position<Heap> {
    let info = until(party, channel, |info| info.our_turn && !info.in_flight && info.version > 0).await;
    let number = |delta: &String| delta.parse().expect("a number");
    Position {
        writer: Side::from_index(info.position.writer.into()).expect("a side"),
        deltas: info.position.deltas.iter().map(|pair| pair.each_ref().map(number)).collect(),
        data: Heap::decode(&info.position.data).expect("of this app"),
    }
}

fn wire<D: AppData>(position: &Position<D>) -> AppPosition {
    AppPosition {
        writer: position.writer as u8,
        deltas: position.deltas.iter().map(|pair| pair.map(|delta| delta.to_string())).collect(),
        data: position.data.encode().into(),
    }
}

async fn take(party: &Party, channel: ChannelId, sticks: u8) {
    party.until(channel, |info| info.link == Link::Up).await;
    let request = taking(party, channel, sticks, None).await;
    soon("the move", party.service.app_move(request)).await.expect("moved");
}

async fn taking(party: &Party, channel: ChannelId, sticks: u8, key: Option<&str>) -> AppMove {
    let next = Sticks.play(&turn(party, channel).await, &Take(sticks)).expect("allowed");
    AppMove { channel, next: wire(&next), accept_less: false, idempotency_key: key.map(str::to_owned) }
}

/// What games have come to, once that is told of one.
async fn ends(party: &Party) -> Vec<Vec<[String; 2]>> {
    let outcome = |record: EventRecord| match record.event {
        Event::AppEnded { outcome } => Some(outcome),
        _ => None,
    };
    let told = async {
        loop {
            let ends: Vec<_> = party.all_events().await.into_iter().filter_map(outcome).collect();
            if !ends.is_empty() {
                return ends;
            }
            tokio::task::yield_now().await;
        }
    };
    soon("the verdict", told).await
}

/// Both ask for the same end.
async fn finish(parties: [&Party; 2], channel: ChannelId, key: Option<&str>) -> [u64; 2] {
    finish_by(parties, channel, [STAKE.to_string(), format!("-{STAKE}")], key).await
}

async fn finish_by(
    parties: [&Party; 2],
    channel: ChannelId,
    outcome: [String; 2],
    key: Option<&str>,
) -> [u64; 2] {
    let outcome = vec![outcome];
    let request = AppFinish { channel, outcome, idempotency_key: key.map(str::to_owned) };
    let [one, other] = parties.map(|party| party.service.app_finish(request.clone()));
    let (one, other) = soon("the end", async { tokio::join!(one, other) }).await;
    [one.expect("agreed").version, other.expect("agreed").version]
}

/// Gives both the app's code; its address.
async fn install(parties: [&Party; 2]) -> Address {
    install_code(parties, &sticks::code().expect("fit")).await
}

async fn install_code(parties: [&Party; 2], code: &AppCode) -> Address {
    let runtime = code.runtime().clone();
    let mut app = Address::ZERO;
    for party in parties {
        let request = AppInstall { chain_id: None, runtime: runtime.clone() };
        app = party.service.app_install(request).await.expect("installed").app;
    }
    app
}

/// A game of five sticks with a peer.
fn five_sticks(app: Address, peer: String, stake: Amount) -> AppOpen {
    AppOpen {
        chain_id: None,
        peer,
        parent: None,
        peer_payout: None,
        challenge_duration: None,
        app,
        stake: vec![AssetAmount { asset: Address::ZERO, amount: stake }],
        peer_stake: vec![stake],
        start: wire(&sticks::start(STAKE, 5, 1)),
        idempotency_key: None,
    }
}

/// Two services that know the app, and a game of five sticks in which both have deposited their stakes.
async fn game(world: &World) -> (Party, Party, ChannelId) {
    let (alice, bob) = (world.start(1).await, world.start(2).await);
    let channel = game_between(&alice, &bob).await;
    (alice, bob, channel)
}

async fn game_between(alice: &Party, bob: &Party) -> ChannelId {
    let app = install([alice, bob]).await;
    let listed = bob.service.app_list(Nothing {}).await.expect("listed").apps;
    assert_eq!(listed.iter().map(|installed| installed.app).collect::<Vec<_>>(), [app]);
    let stake = Amount::from(10 * ETHER);
    let request = AppOpen { idempotency_key: Some("game".into()), ..five_sticks(app, bob.address(), stake) };
    let opened = soon("the opening", alice.service.app_open(request.clone())).await.expect("opened");
    let again = soon("a repetition", alice.service.app_open(request)).await.expect("answered");
    let before = strait_api::ChannelOpened { was_opened_before: true, ..opened.clone() };
    assert_eq!(again, before, "no second channel");
    let channel = opened.channel.channel;
    bob.until(channel, |_| true).await;
    let deposit = ChannelMove { channel, asset: None, amount: stake, idempotency_key: None };
    bob.service.channel_deposit(deposit).await.expect("deposited");
    channel
}

#[tokio::test(flavor = "multi_thread")]
async fn a_game_is_opened_played_and_paid() {
    let world = World::new();
    let (alice, bob, channel) = game(&world).await;
    take(&alice, channel, 2).await;
    take(&bob, channel, 1).await;
    let refused = {
        let before = turn(&alice, channel).await;
        let none = Position { writer: Side::One, ..before };
        alice
            .service
            .app_move(AppMove { channel, next: wire(&none), accept_less: false, idempotency_key: None })
            .await
            .expect_err("no move")
    };
    assert_eq!(refused.code, ErrorCode::InvalidParams);
    take(&alice, channel, 2).await;
    turn(&bob, channel).await;
    let over = show(&bob, channel).await;
    assert_eq!(over.version, 4);
    let verdict = vec![[STAKE.to_string(), format!("-{STAKE}")]];
    assert_eq!((over.verdict, over.proposed), (Some(verdict.clone()), None), "the last stick is taken");
    let proposal = AppFinish { channel, outcome: verdict.clone(), idempotency_key: None };
    let ask = |request: &AppFinish| {
        let (service, request) = (alice.service.clone(), request.clone());
        tokio::spawn(async move { service.app_finish(request).await })
    };
    let slip = AppFinish { outcome: vec![["0".into(), "0".into()]], ..proposal.clone() };
    let slipped = ask(&slip);
    until(&alice, channel, |info| info.proposed.as_ref() == Some(&slip.outcome)).await;
    // Another end takes its place, and the same once more joins it.
    let proposed = [ask(&proposal), ask(&proposal)];
    let replaced = soon("the slip", slipped).await.expect("no panic").expect_err("replaced");
    assert!(
        replaced.code == ErrorCode::ChannelBusy && replaced.message.contains("another end"),
        "{replaced}"
    );
    let agreed = soon("the end", bob.service.app_finish(proposal.clone())).await.expect("agreed");
    for call in proposed {
        assert_eq!(soon("the end", call).await.expect("no panic").expect("agreed"), agreed);
    }
    alice.until(channel, |info| info.phase == Phase::Closed).await;
    let again = alice.service.app_finish(proposal).await.expect("the same is agreed");
    assert_eq!(again.version, agreed.version);
    let over = alice.service.app_finish(slip).await.expect_err("it is over");
    assert_eq!(over.code, ErrorCode::ChannelNotOpen);
    let next = AppMove {
        channel,
        next: wire(&sticks::start(STAKE, 5, 1)),
        accept_less: false,
        idempotency_key: None,
    };
    let over = bob.service.app_move(next).await.expect_err("it is over");
    assert!(over.code == ErrorCode::ChannelNotOpen && over.message.contains("the game is over"), "{over}");
    let paid =
        [1, 2].map(|index| world.chain.with(|chain| chain.balance(Address::repeat_byte(0xb0 + index))));
    assert_eq!(
        paid.map(|wei| wei.to::<u128>()),
        [u128::from(10 * ETHER) + STAKE, u128::from(10 * ETHER) - STAKE]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_not_shown_for_a_price_that_is_not_there() {
    let world = World::new();
    let (alice, bob, parent) = world.pair().await;
    let app = install_code([&alice, &bob], &fair_exchange::code().expect("fit")).await;
    let key = B256::repeat_byte(7);
    // Bob sells for 50, and alice has put in 20.
    let start = fair_exchange::start(Side::One, 50, fair_exchange::key_hash(key), vec![[0, 0]]);
    let request = AppOpen {
        parent: Some(parent),
        peer_stake: vec![Amount::ZERO],
        start: wire(&start),
        ..five_sticks(app, String::new(), Amount::from(20))
    };
    let channel = soon("the opening", alice.service.app_open(request)).await.expect("opened").channel.channel;
    until(&bob, channel, |info| info.our_turn && !info.in_flight).await;
    let next = wire(&FairExchange.play(&start, &Reveal(key)).expect("the key"));
    let reveal = AppMove { channel, next, accept_less: false, idempotency_key: None };
    let other = AppPosition { writer: 1 - reveal.next.writer, ..reveal.next.clone() };
    let illegal = AppMove { next: other, ..reveal.clone() };
    let refused = soon("the answer", bob.service.app_move(illegal)).await.expect_err("against the rules");
    assert_eq!(refused.code, ErrorCode::InvalidParams, "the rules come before the money: {refused}");
    let refused = soon("the answer", bob.service.app_move(reveal.clone())).await.expect_err("not for 20");
    assert!(
        refused.code == ErrorCode::AwaitingDeposit && refused.message.contains("no more than that"),
        "{refused}"
    );
    assert!(refused.hint.contains("not to move gives it nothing"), "{}", refused.hint);
    assert_eq!(show(&bob, channel).await.version, 1, "nothing was sent");
    let less = AppMove { accept_less: true, ..reveal };
    assert_eq!(soon("the move", bob.service.app_move(less)).await.expect("moved").version, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_game_within_a_payment_channel_costs_no_transaction() {
    let world = World::new();
    let (alice, bob, parent) = world.pair().await;
    let app = install([&alice, &bob]).await;
    let deposit =
        ChannelMove { channel: parent, asset: None, amount: Amount::from(ETHER), idempotency_key: None };
    bob.service.channel_deposit(deposit).await.expect("deposited");
    alice.until(parent, |info| !info.balances[0].peer_deposited.is_zero()).await;
    let block = world.chain.with(|chain| chain.head().at.number);

    let stake = Amount::from(10_000);
    let within = |stake| AppOpen { parent: Some(parent), ..five_sticks(app, String::new(), stake) };
    let too_much = alice.service.app_open(within(Amount::from(2 * ETHER))).await.expect_err("too much");
    assert_eq!(too_much.code, ErrorCode::InsufficientBalance, "the peer does not own it");
    let opened = soon("the opening", alice.service.app_open(within(stake))).await.expect("opened").channel;
    let channel = opened.channel;
    assert_eq!((opened.parent, opened.app, opened.can_pay), (Some(parent), Some(app), false));
    let info = bob.until(parent, |info| info.children.len() == 1).await;
    assert_eq!((info.children[0].channel, info.children[0].stake), (channel, stake));
    assert_eq!(info.balances[0].in_children, Amount::from(20_000));

    bob.until(channel, |info| info.version > 0).await;
    take(&alice, channel, 2).await;
    alice.pay(parent, 500, "beside").await.expect("paid");
    let close =
        alice.service.channel_close(ChannelRef { channel: parent }).await.expect_err("a game is open");
    assert_eq!(close.code, ErrorCode::ChannelBusy);
    assert!(close.message.contains("finish each with the peer"), "{}", close.message);
    take(&bob, channel, 3).await;
    let (mut hers, mut his) = (alice.listen(None).await, bob.listen(None).await);
    finish_by([&alice, &bob], channel, [format!("-{STAKE}"), STAKE.to_string()], None).await;
    for party in [&alice, &bob] {
        party.until(channel, |info| info.phase == Phase::Closed).await;
        let info = party.until(parent, |info| info.children.is_empty()).await;
        assert!(info.balances[0].in_children.is_zero());
        let back = |event: &Event| matches!(event, Event::ChildClosed { child, .. } if *child == channel);
        let news = if std::ptr::eq(party, &alice) { &mut hers } else { &mut his };
        let Event::ChildClosed { own, peer, .. } = event(news, "the money", back).await.event else {
            unreachable!("it is one");
        };
        let got = [10_000 - STAKE, 10_000 + STAKE].map(Amount::try_from).map(|amount| amount.expect("small"));
        assert_eq!([own, peer], if std::ptr::eq(party, &alice) { got } else { [got[1], got[0]] });
        let lost = [format!("-{STAKE}"), STAKE.to_string()];
        assert_eq!(ends(party).await, [vec![lost]], "told once, by participant");
    }
    let info = alice.show(parent).await.expect("known");
    let lost = u128::from(10 * ETHER) - STAKE - 500;
    assert_eq!(info.balances[0].own.units(), lost);
    let history = HistoryQuery { channel: parent, cursor: None, limit: None };
    let lines = bob.service.history(history).await.expect("a bill").lines;
    let of_child = |line: &HistoryLine| match &line.entry {
        HistoryEntry::OpenChild { child, .. } => Some(("open", *child)),
        HistoryEntry::CloseChild { child, .. } => Some(("close", *child)),
        _ => None,
    };
    assert_eq!(
        lines.iter().filter_map(of_child).collect::<Vec<_>>(),
        [("open", channel), ("close", channel)]
    );
    assert_eq!(world.chain.with(|chain| chain.head().at.number), block, "no transaction");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_channel_has_no_app() {
    let world = World::new();
    let (alice, _bob, channel) = world.pair().await;
    let error = alice.service.app_show(ChannelRef { channel }).await.expect_err("no app");
    assert_eq!(error.code, ErrorCode::InvalidParams);
}

/// What a party was told of play: version, whose, and the sticks that are left; the end has none.
fn told(events: &[EventRecord]) -> Vec<(u64, bool, Option<u8>)> {
    let play = |record: &EventRecord| match &record.event {
        Event::AppMoved { version, is_ours, position, .. } => {
            Some((*version, *is_ours, Some(Heap::decode(&position.data).expect("of this app").sticks)))
        }
        Event::AppFinished { version, .. } => Some((*version, false, None)),
        _ => None,
    };
    events.iter().filter_map(play).collect()
}

/// Reads on until the end of play was told.
async fn to_the_end(stream: &mut EventStream) -> Vec<EventRecord> {
    let mut records = Vec::new();
    soon("the end's event", async {
        loop {
            records.push(stream.next().await.expect("it goes on").expect("no error"));
            if let Event::AppFinished { .. } = records.last().expect("pushed").event {
                return;
            }
        }
    })
    .await;
    records
}

#[tokio::test(flavor = "multi_thread")]
async fn play_is_told_once_and_in_order_also_what_a_crash_or_a_lost_database_kept_from_being_told() {
    let world = World::new();
    let (mut alice, bob, channel) = game(&world).await;
    let mut his = bob.listen(None).await;
    turn(&alice, channel).await;
    soon("the stop", alice.service.shutdown()).await;
    world.change(1, &format!("VACUUM INTO '{}'", world.path("before.db").display()));
    alice = world.start(1).await;
    // A place that the older database knows, too.
    let events = alice.all_events().await;
    let start = events.iter().rfind(|record| matches!(record.event, Event::AppMoved { .. }));
    let cursor = start.expect("the start").cursor.clone();
    take(&alice, channel, 2).await;
    take(&bob, channel, 1).await;
    soon("the crash", alice.service.kill()).await;
    // The events' database is older than the node's: what it has not told is told from the history.
    world.change(
        1,
        &format!(
            "ATTACH '{}' AS before;
             DELETE FROM event; INSERT INTO event SELECT * FROM before.event;
             DELETE FROM channel; INSERT INTO channel SELECT * FROM before.channel;",
            world.path("before.db").display()
        ),
    );
    let alice = world.start(1).await;
    let mut hers = alice.listen(Some(cursor)).await;
    take(&alice, channel, 2).await;
    finish([&alice, &bob], channel, None).await;
    let moves = |first: bool| {
        let is_first_players =
            [(1, true, Some(5)), (2, true, Some(3)), (3, false, Some(2)), (4, true, Some(0))];
        let of =
            move |(version, is_alices, left): (u64, bool, Option<u8>)| (version, is_alices == first, left);
        is_first_players.into_iter().map(of).chain([(5, false, None)]).collect::<Vec<_>>()
    };
    let hers = to_the_end(&mut hers).await;
    assert_eq!(told(&hers), moves(true)[1..], "nothing twice, and nothing is missing");
    assert_eq!(told(&alice.all_events().await), moves(true));
    assert!(told(&to_the_end(&mut his).await).ends_with(&moves(false)[1..]));
    assert_eq!(told(&bob.all_events().await), moves(false));
    let first = hers.iter().find(|record| matches!(record.event, Event::AppMoved { .. }));
    assert!(matches!(first.expect("told").event, Event::AppMoved { our_turn: false, .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_staller_is_forced_and_told_so() {
    let world = World::new();
    let (alice, bob, channel) = game(&world).await;
    let mut hers = alice.listen(None).await;
    turn(&alice, channel).await;
    soon("the stop", bob.service.shutdown()).await;
    soon("the claim", alice.service.app_claim(ChannelRef { channel })).await.expect("on its way");
    event(&mut hers, "the challenge", |event| matches!(event, Event::Challenged { is_ours: true, .. })).await;
    let request = taking(&alice, channel, 3, None).await;
    let service = alice.service.clone();
    let moving = tokio::spawn(async move { service.app_move(request).await });
    world.pass(&alice, 24 * 3_600 + 1).await;
    let forced = |event: &Event| matches!(event, Event::AppForced { version: 2, .. });
    event(&mut hers, "the forced move", forced).await;
    let moved =
        |event: &Event| matches!(event, Event::AppMoved { version: 2, is_ours: true, our_turn: false, .. });
    event(&mut hers, "the move", moved).await;
    assert_eq!(soon("the answer", moving).await.expect("no panic").expect("moved").version, 2);
    world.pass(&alice, 24 * 3_600 + 1).await;
    let ended = event(&mut hers, "the verdict", |event| matches!(event, Event::AppEnded { .. })).await.event;
    assert_eq!(ended, Event::AppEnded { outcome: vec![[STAKE.to_string(), format!("-{STAKE}")]] });
    let closed = |event: &Event| matches!(event, Event::PhaseChanged { phase: Phase::Closed });
    event(&mut hers, "the payout", closed).await;
    let paid = world.chain.with(|chain| chain.balance(Address::repeat_byte(0xb1)));
    assert_eq!(paid.to::<u128>(), u128::from(10 * ETHER) + STAKE);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lost_while_it_was_away_is_told_when_it_comes_back() {
    crate::log::keep();
    let world = World::new();
    let (alice, bob, channel) = game(&world).await;
    let mut hers = alice.listen(None).await;
    take(&alice, channel, 1).await;
    turn(&bob, channel).await;
    soon("the stop", bob.service.shutdown()).await;
    soon("the claim", alice.service.app_claim(ChannelRef { channel })).await.expect("on its way");
    event(&mut hers, "the challenge", |event| matches!(event, Event::Challenged { is_ours: true, .. })).await;
    world.pass(&alice, 24 * 3_600 + 1).await;
    world.pass(&alice, 24 * 3_600 + 1).await;
    event(&mut hers, "the verdict", |event| matches!(event, Event::AppEnded { .. })).await;
    let bob = world.start(2).await;
    bob.until(channel, |info| info.phase == Phase::Closed).await;
    assert_eq!(ends(&bob).await, [[[STAKE.to_string(), format!("-{STAKE}")]]]);
    let lines = crate::log::about(&channel.to_string());
    let lost = format!("gains=\"-{STAKE}\"");
    assert!(lines.iter().any(|line| line.contains("a game has ended") && line.contains(&lost)), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn moves_and_ends_with_a_key_are_made_once_also_when_a_crash_took_the_answer() {
    let world = World::new();
    let (mut alice, mut bob, channel) = game(&world).await;
    let first = taking(&alice, channel, 2, Some("first")).await;
    let made = |party: &Party, request: &AppMove| {
        let (service, request) = (party.service.clone(), request.clone());
        async move { soon("the move", service.app_move(request)).await }
    };
    assert_eq!(made(&alice, &first).await.expect("moved").version, 2);
    assert_eq!(made(&alice, &first).await.expect("answered again").version, 2);
    let other = taking(&bob, channel, 1, Some("his")).await;
    let conflict = made(&alice, &AppMove { idempotency_key: first.idempotency_key.clone(), ..other.clone() });
    assert_eq!(conflict.await.expect_err("another request").code, ErrorCode::IdempotencyConflict);
    assert_eq!(made(&bob, &other).await.expect("moved").version, 3);
    alice = world.crash_without_results(1, alice).await;
    assert_eq!(made(&alice, &first).await.expect("found in the history").version, 2);
    take(&alice, channel, 2).await;
    assert_eq!(finish([&alice, &bob], channel, Some("end")).await, [5, 5]);
    alice = world.crash_without_results(1, alice).await;
    bob = world.crash_without_results(2, bob).await;
    assert_eq!(finish([&alice, &bob], channel, Some("end")).await, [5, 5]);
    assert_eq!(made(&bob, &other).await.expect("found in the history").version, 3);
}

/// Two services that know the app, and a channel for payments in which both have money.
async fn rich_pair(world: &World) -> (Party, Party, ChannelId, Address) {
    let (alice, bob, parent) = world.pair().await;
    let app = install([&alice, &bob]).await;
    let request =
        ChannelMove { channel: parent, asset: None, amount: Amount::from(ETHER), idempotency_key: None };
    soon("the deposit", bob.service.channel_deposit(request)).await.expect("sent");
    alice.until(parent, |info| !info.balances[0].peer_deposited.is_zero()).await;
    (alice, bob, parent, app)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_game_within_a_channel_is_opened_once_with_a_key_also_when_a_crash_took_the_answer() {
    let world = World::new();
    let (mut alice, bob, parent, app) = rich_pair(&world).await;
    let stake = Amount::from(10_000);
    let request = AppOpen {
        parent: Some(parent),
        idempotency_key: Some("game".into()),
        ..five_sticks(app, String::new(), stake)
    };
    let opened = soon("the opening", alice.service.app_open(request.clone())).await.expect("opened");
    let again = soon("the answer", alice.service.app_open(request.clone())).await.expect("opened");
    assert_eq!(opened.channel.channel, again.channel.channel);
    let other = AppOpen {
        stake: vec![AssetAmount { asset: Address::ZERO, amount: Amount::from(1) }],
        ..request.clone()
    };
    let conflict = alice.service.app_open(other).await.expect_err("another request");
    assert_eq!(conflict.code, ErrorCode::IdempotencyConflict);
    alice = world.crash_without_results(1, alice).await;
    let found = soon("the answer", alice.service.app_open(request)).await.expect("opened");
    assert_eq!(opened.channel.channel, found.channel.channel);
    let info = bob.until(parent, |info| info.children.len() == 1).await;
    assert_eq!(info.balances[0].in_children, Amount::from(20_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_within_a_channel_is_paid_over_and_closed_back() {
    let world = World::new();
    let (alice, bob, parent, _) = rich_pair(&world).await;
    let block = world.chain.with(|chain| chain.head().at.number);
    let open = ChannelOpen {
        parent: Some(parent),
        deposit: vec![AssetAmount { asset: Address::ZERO, amount: Amount::from(5_000) }],
        peer_deposit: Some(Amount::from(3_000)),
        idempotency_key: Some("purse".into()),
        ..ChannelOpen::new("")
    };
    let opened = soon("the opening", alice.service.channel_open(open.clone())).await.expect("opened").channel;
    let again = soon("the answer", alice.service.channel_open(open)).await.expect("opened").channel;
    assert_eq!((opened.channel, opened.parent), (again.channel, Some(parent)));
    let child = opened.channel;
    bob.until(child, |info| info.can_pay).await;
    alice.pay(child, 1_000, "in it").await.expect("paid");
    bob.pay(child, 4_000, "and back").await.expect("paid");
    let before = alice.show(parent).await.expect("known").balances[0].own;
    soon("the close", alice.service.channel_close(ChannelRef { channel: child })).await.expect("agreed");
    let info = alice.until(parent, |info| info.children.is_empty()).await;
    assert_eq!(info.balances[0].own.checked_sub(before), Some(Amount::from(8_000)));
    assert_eq!(world.chain.with(|chain| chain.head().at.number), block, "no transaction");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_sees_a_game_in_a_channel_before_it_says_yes() {
    let world = World::new();
    let (alice, bob, parent, app) = rich_pair(&world).await;
    soon("the stop", alice.service.shutdown()).await;
    let careful = |config: &mut NodeConfig| {
        (config.policy.manual_approval, config.policy.starts) = (true, Starts::default());
    };
    let node = world.node_with(1, careful).await;
    let alice = world.serve(1, node, Retention::default()).await;
    alice.until(parent, |info| info.link == Link::Up).await;
    let stake = Amount::from(10_000);
    let request = AppOpen {
        parent: Some(parent),
        peer_stake: vec![Amount::from(9_000)],
        ..five_sticks(app, String::new(), stake)
    };
    let waits = soon("the answer", bob.service.app_open(request.clone())).await.expect_err("asked first");
    assert!(waits.code == ErrorCode::PeerRefused && waits.hint.contains("channel approve"), "{waits:?}");
    let [proposal] = &alice.service.proposal_list(Nothing {}).await.expect("listed").proposals[..] else {
        panic!("one waits");
    };
    assert_eq!((proposal.parent, &proposal.stakes[..]), (Some(parent), &[[Amount::from(9_000), stake]][..]));
    let game = proposal.game.as_ref().expect("a game");
    assert_eq!((game.app, game.side, &game.start), (app, 1, &request.start));
    let request_id = ChannelRef { channel: proposal.channel };
    assert_eq!(alice.service.proposal_approve(request_id).await.expect("approved").channel, parent);
    let opened = soon("the opening", bob.service.app_open(request)).await.expect("opened").channel;
    alice.until(opened.channel, |info| info.version == 1).await;
    assert_eq!(alice.service.proposal_list(Nothing {}).await.expect("listed").proposals, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_put_into_a_game_that_was_given_up_before_it_began() {
    let world = World::new();
    let (alice, bob) = (world.start(1).await, world.start(2).await);
    let app = install([&alice, &bob]).await;
    let stake = Amount::from(ETHER);
    let opened = soon("the opening", alice.service.app_open(five_sticks(app, bob.address(), stake))).await;
    let channel = opened.expect("opened").channel.channel;
    bob.until(channel, |info| !info.balances[0].peer_deposited.is_zero()).await;
    soon("the dispute", alice.service.channel_dispute(ChannelRef { channel })).await.expect("on its way");
    bob.until(channel, |info| info.phase == Phase::Disputed).await;
    let deposit = ChannelMove { channel, asset: None, amount: stake, idempotency_key: None };
    let late = bob.service.channel_deposit(deposit).await.expect_err("it cannot begin");
    assert!(late.code == ErrorCode::ChannelNotOpen && late.message.contains("before it began"), "{late}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_game_that_nobody_funded_is_given_up_without_the_peer_and_goes_away() {
    let world = World::new();
    let (alice, bob) = (world.start(1).await, world.start(2).await);
    let app = install([&alice, &bob]).await;
    let request = AppOpen {
        stake: vec![AssetAmount { asset: Address::ZERO, amount: Amount::ZERO }],
        start: wire(&sticks::start(0, 5, 1)),
        ..five_sticks(app, bob.address(), Amount::from(ETHER))
    };
    let channel = soon("the opening", alice.service.app_open(request)).await.expect("opened").channel.channel;
    bob.until(channel, |_| true).await;
    let mut hers = alice.listen(None).await;
    soon("the stop", bob.service.shutdown()).await;
    let next = wire(&sticks::start(0, 4, 1));
    let early = AppMove { channel, next, accept_less: false, idempotency_key: None };
    let early = soon("the answer", alice.service.app_move(early)).await.expect_err("not begun");
    assert!(early.code == ErrorCode::AwaitingDeposit && early.message.contains("has not started"), "{early}");
    let even = AppFinish { channel, outcome: vec![["0".into(), "0".into()]], idempotency_key: None };
    assert_eq!(soon("the end", alice.service.app_finish(even)).await.expect("given up").version, 0);
    let closed = |event: &Event| matches!(event, Event::PhaseChanged { phase: Phase::Closed });
    event(&mut hers, "the end", closed).await;
    assert_eq!(alice.service.channel_show(ChannelRef { channel }).await.expect("shown").phase, Phase::Closed);
    let deposit = ChannelMove { channel, asset: None, amount: Amount::from(1), idempotency_key: None };
    let late = alice.service.channel_deposit(deposit).await.expect_err("it is over");
    assert!(late.message.contains("given up before anybody put anything in"), "{late}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_game_is_not_given_up_while_the_own_deposit_is_on_its_way() {
    let world = World::new();
    let (alice, bob) = (world.start(1).await, world.start(2).await);
    let app = install([&alice, &bob]).await;
    world.chain.with(|chain| chain.set_mining(Mining::Manual));
    let request = five_sticks(app, bob.address(), Amount::from(ETHER));
    let channel = soon("the opening", alice.service.app_open(request)).await.expect("opened").channel.channel;
    let even = AppFinish { channel, outcome: vec![["0".into(), "0".into()]], idempotency_key: None };
    let early = soon("the answer", alice.service.app_finish(even.clone())).await.expect_err("it comes");
    assert!(early.message.contains("is on its way") && early.hint.contains("repeat"), "{early}");
    let early = alice.service.channel_close(ChannelRef { channel }).await.expect_err("it comes");
    assert!(early.message.contains("is on its way"), "{early}");
    world.chain.with(|chain| chain.mine());
    alice.until(channel, |info| !info.balances[0].deposited.is_zero()).await;
    assert_eq!(soon("the end", alice.service.app_finish(even)).await.expect("agreed").version, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_back_is_dialled_when_a_command_needs_it() {
    let world = World::new();
    let an_hour = Duration::from_secs(3_600);
    let patient = |config: &mut NodeConfig| {
        config.limits = Limits { min_backoff: an_hour, max_backoff: an_hour, ..Limits::default() };
    };
    let alice = world.serve(1, world.node_with(1, patient).await, Retention::default()).await;
    let bob = world.start(2).await;
    let channel = game_between(&alice, &bob).await;
    turn(&alice, channel).await;
    let request = taking(&alice, channel, 2, None).await;
    let place = bob.node().listens_on().expect("listens");
    soon("the stop", bob.service.shutdown()).await;
    alice.until(channel, |info| info.link == Link::Down).await;
    let away =
        soon("the answer", alice.service.app_move(request.clone())).await.expect_err("nobody is there");
    assert!(away.code == ErrorCode::PeerOffline && away.hint.contains("strait app claim"), "{away:?}");
    let at_its_place = |config: &mut NodeConfig| config.listen = Listen::At(place);
    let bob = world.serve(2, world.node_with(2, at_its_place).await, Retention::default()).await;
    soon("the move", alice.service.app_move(request)).await.expect("dialled at once");
    until(&bob, channel, |info| info.version == 2).await;
}
