//! Many games at once between two nodes, with payments beside them.

use crate::world::{World, settings, soon};
use futures_util::future::{join_all, try_join_all};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use strait_app::{AppData as _, NativeRules as _, Position};
use strait_examples::sticks::{self, Heap, Sticks, Take};
use strait_node::{NewChannel, Node, NodeError};
use strait_protocol::{AppMove, AppStart, BalanceView, ChannelView, NewChild, Outcome, Payment};
use strait_types::{Address, Amount, AssetIndex, ChannelId, MAX_LOCKS, Participant};

const DEPOSIT: u64 = 200;
const STAKE: u128 = 100;
/// Alice takes two of five, Bob one, Alice the rest.
const TAKEN: [u8; 3] = [2, 1, 2];

fn step(position: &Position<Heap>) -> AppMove {
    AppMove { writer: position.writer, deltas: position.deltas.clone(), data: position.data.encode() }
}

fn payment(amount: u64) -> Payment {
    Payment { asset: AssetIndex(0), amount: Amount::from(amount), invoice: None, memo: Vec::new() }
}

/// The peer's terms of a channel in the native coin.
fn with(peer: &Node, payout: u8) -> NewChannel {
    NewChannel {
        peer: Participant { signer: peer.signer(), payout: Address::repeat_byte(0xb0 + payout) },
        payout: Address::repeat_byte(0xb1),
        assets: vec![Address::ZERO],
        challenge_duration: 24 * 3_600,
    }
}

async fn open(alice: &Node, bob: &Node, app: Address) -> Result<ChannelId, NodeError> {
    let start =
        AppStart { stakes: vec![[Amount::from(DEPOSIT); 2]], first: step(&sticks::start(STAKE, 5, 1)) };
    let game = alice.open_new_app(with(bob, 2), app, start, settings()).await?;
    alice.deposit(game, AssetIndex(0), Amount::from(DEPOSIT)).await?;
    bob.wait_until(game, |_| true).await?;
    bob.deposit(game, AssetIndex(0), Amount::from(DEPOSIT)).await?;
    Ok(game)
}

/// From the first move to the agreement on the end.
async fn play(alice: &Node, bob: &Node, game: ChannelId) -> Result<(), NodeError> {
    let mut position = sticks::start(STAKE, 5, 1);
    for (node, taken) in [alice, bob, alice].into_iter().zip(TAKEN) {
        position = Sticks.play(&position, &Take(taken)).expect("allowed");
        let moved = node.play(game, step(&position)).await?;
        assert!(matches!(moved, Outcome::Moved { .. }));
    }
    let outcome = Sticks.verdict(&position).expect("there is one");
    let (ours, theirs) = tokio::join!(alice.finish(game, outcome.clone()), bob.finish(game, outcome));
    assert_eq!(ours?, theirs?);
    Ok(())
}

/// Pays one unit after the other until it is told to stop; returns how often.
async fn pay_on(alice: &Node, channel: ChannelId, enough: &AtomicBool) -> u64 {
    let mut paid = 0;
    while !enough.load(Ordering::Relaxed) {
        let all = (0..16).map(|_| alice.pay(channel, payment(1)));
        try_join_all(all).await.expect("paid");
        paid += 16;
    }
    paid
}

async fn play_at_once(games: usize) {
    let world = World::new();
    let (alice, bob) = (world.node(1).await, world.node(2).await);
    alice.add_peer(bob.address().expect("it listens"));
    let mut app = Address::ZERO;
    for node in [&alice, &bob] {
        app = node.install_app(sticks::code().expect("fit").runtime().to_vec()).await.expect("installed");
        assert_eq!(node.apps().await.expect("listed"), [app]);
    }
    let beside = alice.open_new(with(&bob, 2), settings()).await.expect("opened");
    alice.deposit(beside, AssetIndex(0), Amount::from(1_000_000_000)).await.expect("deposited");
    let begun = Instant::now();
    let opening = join_all((0..games).map(|_| open(&alice, &bob, app)));
    let opened: Vec<_> =
        soon_or("the games", opening).await.into_iter().map(|game| game.expect("opened")).collect();
    for game in &opened {
        let started = |view: &ChannelView| {
            view.app.as_ref().is_some_and(|app| app.state.version.0 == 1 && !app.in_flight)
        };
        soon("a start", alice.wait_until(*game, started)).await.expect("it runs");
    }
    soon("the payments' channel", bob.wait_until(beside, |view| view.link == "up")).await.expect("it runs");
    let (opening, begun) = (begun.elapsed(), Instant::now());
    let enough = AtomicBool::new(false);
    let playing = async {
        let played = join_all(opened.iter().map(|game| play(&alice, &bob, *game))).await;
        enough.store(true, Ordering::Relaxed);
        played
    };
    let (played, paid) =
        soon_or("the ends", async { tokio::join!(playing, pay_on(&alice, beside, &enough)) }).await;
    assert!(played.into_iter().all(|played| played.is_ok()));
    let (playing, begun) = (begun.elapsed(), Instant::now());
    for game in &opened {
        soon("a payout", alice.wait_until(*game, |view| view.phase == "closed")).await.expect("it runs");
    }
    println!(
        "{games} games: opened and deposited in {opening:.1?}, played in {playing:.1?} beside {paid} payments, \
         paid out in {:.1?}",
        begun.elapsed()
    );
    assert!(paid > 0, "payments went on beside");
    let received = |view: &ChannelView| view.payments[1] == paid;
    soon("the payments", bob.wait_until(beside, received)).await.expect("it runs");
    let balance = |index: u8| {
        let payout = Address::repeat_byte(0xb0 + index);
        world.chain.with(|chain| chain.balance(payout)).to::<u128>()
    };
    let (all, stakes) = (games as u128 * u128::from(DEPOSIT), games as u128 * STAKE);
    assert_eq!([balance(1), balance(2)], [all + stakes, all - stakes]);
    alice.shutdown().await;
    bob.shutdown().await;
}

/// Like [`soon`], for what takes longer the more games there are.
async fn soon_or<T>(what: &str, act: impl Future<Output = T>) -> T {
    let patience = Duration::from_secs(600);
    tokio::time::timeout(patience, act).await.unwrap_or_else(|_| panic!("{what} never came"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn games_finish_at_once_with_payments_beside_them() {
    play_at_once(60).await;
}

/// Games in each of the channels that they are opened in.
const IN_EACH: usize = MAX_LOCKS;
/// What each player puts into such a channel.
const PURSE: u64 = 1_000_000;

/// A channel in which both have put in.
async fn purse(alice: &Node, bob: &Node) -> Result<ChannelId, NodeError> {
    let channel = alice.open_new(with(bob, 2), settings()).await?;
    bob.wait_until(channel, |_| true).await?;
    for node in [alice, bob] {
        node.deposit(channel, AssetIndex(0), Amount::from(PURSE)).await?;
    }
    for node in [alice, bob] {
        let is_funded =
            |balance: &BalanceView| balance.own == i128::from(PURSE) && balance.peer == balance.own;
        node.wait_until(channel, move |view| view.link == "up" && is_funded(&view.balances[0])).await?;
    }
    Ok(channel)
}

/// From the opening to the end, which the channel takes over.
async fn play_within(alice: &Node, bob: &Node, parent: ChannelId, app: Address) -> Result<(), NodeError> {
    let new = NewChild {
        asset: AssetIndex(0),
        stakes: [Amount::new(STAKE).expect("in range"); 2],
        challenge_duration: 24 * 3_600,
        nonce: 1,
        app: Some((app, step(&sticks::start(STAKE, 5, 1)))),
    };
    let game = alice.open_child(parent, new).await?;
    for node in [alice, bob] {
        let started = |view: &ChannelView| {
            view.app.as_ref().is_some_and(|app| app.state.version.0 >= 1 && !app.in_flight)
        };
        node.wait_until(game, started).await?;
    }
    play(alice, bob, game).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_games_are_played_at_once_within_channels_that_are_paid_over() {
    const GAMES: usize = 1_000;
    let world = World::new();
    let (alice, bob) = (world.node(1).await, world.node(2).await);
    alice.add_peer(bob.address().expect("it listens"));
    let mut app = Address::ZERO;
    for node in [&alice, &bob] {
        app = node.install_app(sticks::code().expect("fit").runtime().to_vec()).await.expect("installed");
    }
    let purses = (0..GAMES.div_ceil(IN_EACH)).map(|_| purse(&alice, &bob));
    let purses = soon_or("the channels", try_join_all(purses)).await.expect("opened");
    let blocks = world.chain.with(|chain| chain.head().at.number);
    let (begun, enough) = (Instant::now(), AtomicBool::new(false));
    let playing = async {
        let games = (0..GAMES).map(|game| play_within(&alice, &bob, purses[game % purses.len()], app));
        let played = try_join_all(games).await;
        enough.store(true, Ordering::Relaxed);
        played
    };
    let paying = join_all(purses.iter().map(|channel| pay_on(&alice, *channel, &enough)));
    let (played, paid) = soon_or("the ends", async { tokio::join!(playing, paying) }).await;
    played.expect("every game ends");
    let (took, sum) = (begun.elapsed(), paid.iter().sum::<u64>());
    println!("{GAMES} games in {} channels: {took:.1?}, beside {sum} payments", purses.len());
    for (number, (channel, paid)) in purses.iter().zip(&paid).enumerate() {
        let games = (number..GAMES).step_by(purses.len()).count() as u128;
        let own = i128::from(PURSE) + (games * STAKE).cast_signed() - i128::from(*paid);
        let ended = move |view: &ChannelView| view.children.is_empty() && view.balances[0].own == own;
        soon_or("the stakes", alice.wait_until(*channel, ended)).await.expect("it runs");
    }
    assert!(sum >= GAMES as u64, "payments go on: {sum}");
    assert_eq!(world.chain.with(|chain| chain.head().at.number), blocks, "no transaction");
    alice.shutdown().await;
    bob.shutdown().await;
}
