//! A game by the interface alone: two services, from the code's installation to the payout.

use crate::world::{ETHER, Party, World, soon};
use strait_api::{
    Api as _, AppFinish, AppInfo, AppInstall, AppMove, AppOpen, AppPosition, AssetAmount, ChannelMove,
    ChannelRef, ErrorCode, Nothing, Phase,
};
use strait_app::{AppData as _, NativeRules as _, Position};
use strait_examples::sticks::{self, Heap, Sticks, Take};
use strait_types::{Address, Amount, ChannelId, Side};

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

fn wire(position: &Position<Heap>) -> AppPosition {
    AppPosition {
        writer: position.writer as u8,
        deltas: position.deltas.iter().map(|pair| pair.map(|delta| delta.to_string())).collect(),
        data: position.data.encode().into(),
    }
}

async fn take(party: &Party, channel: ChannelId, sticks: u8) {
    let next = Sticks.play(&turn(party, channel).await, &Take(sticks)).expect("allowed");
    soon("the move", party.service.app_move(AppMove { channel, next: wire(&next) })).await.expect("moved");
}

/// Two services that know the app, and a game of five sticks in which both have deposited their stakes.
async fn game(world: &World) -> (Party, Party, ChannelId) {
    let (alice, bob) = (world.start(1).await, world.start(2).await);
    let runtime = sticks::code().expect("fit").runtime().clone();
    let mut app = Address::ZERO;
    for party in [&alice, &bob] {
        let request = AppInstall { chain_id: None, runtime: runtime.clone() };
        app = party.service.app_install(request).await.expect("installed").app;
    }
    let listed = bob.service.app_list(Nothing {}).await.expect("listed").apps;
    assert_eq!(listed.iter().map(|installed| installed.app).collect::<Vec<_>>(), [app]);
    let stake = Amount::from(10 * ETHER);
    let request = AppOpen {
        chain_id: None,
        peer: bob.address(),
        peer_payout: None,
        challenge_duration: None,
        app,
        stake: vec![AssetAmount { asset: Address::ZERO, amount: stake }],
        peer_stake: vec![stake],
        start: wire(&sticks::start(STAKE, 5, 1)),
    };
    let opened = soon("the opening", alice.service.app_open(request)).await.expect("opened");
    let channel = opened.channel.channel;
    bob.until(channel, |_| true).await;
    let deposit = ChannelMove { channel, asset: None, amount: stake, idempotency_key: None };
    bob.service.channel_deposit(deposit).await.expect("deposited");
    (alice, bob, channel)
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
        alice.service.app_move(AppMove { channel, next: wire(&none) }).await.expect_err("no move")
    };
    assert_eq!(refused.code, ErrorCode::InvalidParams);
    take(&alice, channel, 2).await;
    turn(&bob, channel).await;
    assert_eq!(show(&bob, channel).await.version, 4);
    let outcome = vec![[STAKE.to_string(), format!("-{STAKE}")]];
    let finish = |party: &Party| {
        let service = party.service.clone();
        let request = AppFinish { channel, outcome: outcome.clone() };
        async move { service.app_finish(request).await }
    };
    let (ours, theirs) = tokio::join!(finish(&alice), finish(&bob));
    ours.expect("agreed");
    theirs.expect("agreed");
    alice.until(channel, |info| info.phase == Phase::Closed).await;
    let paid =
        [1, 2].map(|index| world.chain.with(|chain| chain.balance(Address::repeat_byte(0xb0 + index))));
    assert_eq!(
        paid.map(|wei| wei.to::<u128>()),
        [u128::from(10 * ETHER) + STAKE, u128::from(10 * ETHER) - STAKE]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_channel_has_no_app() {
    let world = World::new();
    let (alice, _bob, channel) = world.pair().await;
    let error = alice.service.app_show(ChannelRef { channel }).await.expect_err("no app");
    assert_eq!(error.code, ErrorCode::InvalidParams);
}
