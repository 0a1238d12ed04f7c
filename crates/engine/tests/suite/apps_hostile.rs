//! Apps that do what no app should, played by two who take anything: they may lose what they put in, and nobody else a wei.

use crate::apps::{STAKE, game_settings};
use crate::apps_disputed::{PERIOD, forge};
use crate::children::{DEPOSIT, purse};
use crate::world::{World, policy, recover_with};
use std::sync::Arc;
use strait_engine::{Input, Policy};
use strait_protocol::{
    AppMove, AppStart, Command, Event, NewChild, Outcome, Refused, Rules, RulesProvider, Settings,
};
use strait_types::abi::app::app_address;
use strait_types::{
    Address, Amount, AssetIndex, B256, Bytes, ChannelId, ChannelParams, Side, State, Version,
};

/// Its node is as it should be.
const BYSTANDER: usize = 0;
const PLAYERS: [usize; 2] = [1, 2];
/// What `HostileApp` can do, by the first byte of the app data.
const MODES: std::ops::Range<u8> = 0..16;

/// `HostileApp` of `contracts/test/mocks`: reverts, burns gas, returns too much or too little, lies about sums, writes
/// storage, calls back.
fn hostile() -> Bytes {
    let artifact = include_str!("../../../../contracts/artifacts/HostileApp.json");
    let (_, code) = artifact.split_once(r#""deployedBytecode":"#).expect("compiled");
    code.trim_start_matches(' ').split('"').nth(1).and_then(|hex| hex.parse().ok()).expect("hexadecimal")
}

/// Whether it gives participant 1 a quarter of an ether, which is more than anybody has. Else the state counts.
fn has_verdict(mode: u8) -> bool {
    // Honest; or wrong in moves alone: not a boolean, false.
    matches!(mode, 0 | 12 | 13)
}

/// Rules of nodes that take any code and any move.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anything;

impl RulesProvider for Anything {
    fn load(&self, _: Address, _: Address, _: &[u8]) -> Result<Arc<dyn Rules>, Refused> {
        Ok(Arc::new(Anything))
    }
}

impl Rules for Anything {
    fn check_move(&self, _: &State, _: &State) -> Result<(), Refused> {
        Ok(())
    }

    fn verdict(&self, _: &State) -> Result<Vec<[i128; 2]>, Refused> {
        Ok(vec![[0, 0]])
    }
}

fn app(world: &World) -> Address {
    app_address(world.nodes[0].engine.domain().adjudicator(), &hostile())
}

fn step(writer: Side, mode: u8) -> AppMove {
    AppMove { writer, deltas: vec![[0, 0]], data: vec![mode] }
}

/// Two players whose nodes take the app, and a third who is paid by one of them.
fn world() -> (World, ChannelId) {
    let mut world = World::new(3);
    for node in PLAYERS {
        let (app, adjudicator) = (app(&world), world.nodes[0].engine.domain().adjudicator());
        let policy = Policy { apps: vec![app], ..policy(adjudicator) };
        let node = &mut world.nodes[node];
        node.engine = recover_with(&node.key, &node.port, &node.store, policy, false);
        assert_eq!(node.engine.set_rules(Arc::new(Anything)), []);
    }
    world.follow();
    world.connect(1, 2);
    world.connect(0, 1);
    for node in PLAYERS {
        world.install(node, hostile().to_vec());
    }
    let paid = world.channel(1, BYSTANDER, 1, DEPOSIT);
    world.pay(1, paid, 70);
    world.settle();
    (world, paid)
}

fn payout(mode: u8, side: u8) -> Address {
    let mut payout = Address::repeat_byte(0xc0 + side);
    payout.0[19] = mode;
    payout
}

fn balance(world: &World, of: Address) -> u64 {
    world.nodes[0].port.chain().with(|chain| chain.balance(of)).to()
}

/// A game in this mode, with both stakes in.
fn open(world: &mut World, mode: u8) -> ChannelId {
    let mut params = world.params(PLAYERS[0], PLAYERS[1], 100 + u64::from(mode));
    params.app = app(world);
    for (side, participant) in (0..).zip(&mut params.participants) {
        participant.payout = payout(mode, side);
    }
    let domain = *world.nodes[0].engine.domain();
    let channel = params.id(domain.chain_id(), domain.adjudicator());
    let start = AppStart { stakes: vec![[Amount::from(STAKE); 2]], first: step(Side::Zero, mode) };
    let token = world.token();
    let settings = Settings { move_patience: 3_600, ..game_settings() };
    world.input(PLAYERS[0], Input::OpenApp { token, params, start, settings }).expect("commits");
    world.settle();
    put_in(world, channel, STAKE);
    assert_eq!(world.app(PLAYERS[0], channel).state.version.0, 1, "both take anything");
    channel
}

/// A channel for payments, in which both players have deposited.
fn fund(world: &mut World, params: ChannelParams) -> ChannelId {
    let domain = *world.nodes[0].engine.domain();
    let channel = params.id(domain.chain_id(), domain.adjudicator());
    let token = world.token();
    world.input(PLAYERS[0], Input::Open { token, params, settings: game_settings() }).expect("commits");
    world.settle();
    put_in(world, channel, DEPOSIT);
    channel
}

fn put_in(world: &mut World, channel: ChannelId, units: u64) {
    for node in PLAYERS {
        let (token, amount) = (world.token(), Amount::from(units));
        world.input(node, Input::Deposit { token, channel, asset: AssetIndex(0), amount }).expect("commits");
    }
    world.follow();
}

/// The third is paid as if nothing were, and the adjudicator keeps nothing and owes nothing.
fn assert_bystander_is_paid(world: &mut World, paid: ChannelId) {
    world.pay(1, paid, 5);
    world.settle();
    let closed = world.command(BYSTANDER, paid, Command::Close);
    world.settle();
    assert!(matches!(world.outcome(BYSTANDER, closed), Some(Ok(Outcome::Agreed { .. }))));
    world.follow();
    world.follow();
    let parts = [1, 0].map(|node| balance(world, Address::repeat_byte(0xb0 + node)));
    assert_eq!(parts, [DEPOSIT - 75, 75]);
    let adjudicator = world.nodes[0].engine.domain().adjudicator();
    assert_eq!(balance(world, adjudicator), 0);
}

#[test]
fn whatever_an_app_does_its_players_share_what_they_put_in_and_nobody_else_loses() {
    for moves in [false, true] {
        let (mut world, paid) = world();
        let games: Vec<(u8, ChannelId)> = MODES.map(|mode| (mode, open(&mut world, mode))).collect();
        world.disconnect(1, 2);
        world.nodes[2].mute = true;
        for (mode, game) in &games {
            if moves {
                // It is node 1's turn: it stays in this mode, as far as the chain lets it.
                world.command(1, *game, Command::Move(step(Side::One, *mode)));
            }
            world.command(1, *game, Command::Dispute);
        }
        world.elapse_by(3 * 3_600, 4 * PERIOD);
        for (mode, _) in &games {
            let shares = [0, 1].map(|side| balance(&world, payout(*mode, side)));
            let expected = if has_verdict(*mode) { [0, 2 * STAKE] } else { [STAKE; 2] };
            assert_eq!(shares, expected, "mode {mode}, moves: {moves}");
        }
        assert_bystander_is_paid(&mut world, paid);
    }
}

#[test]
fn within_a_channel_an_app_reaches_its_own_lock_and_no_further() {
    for mode in MODES {
        let (mut world, paid) = world();
        let mut params = world.params(PLAYERS[0], PLAYERS[1], 9);
        for (side, participant) in (0..).zip(&mut params.participants) {
            participant.payout = payout(mode, side);
        }
        let parent = fund(&mut world, params);
        let new = NewChild { app: Some((app(&world), step(Side::Zero, mode))), ..purse(STAKE, STAKE) };
        world.child(PLAYERS[0], parent, new);
        world.disconnect(1, 2);
        world.nodes[2].mute = true;
        world.command(1, parent, Command::ForceClose);
        world.elapse_by(3 * 3_600, 3 * PERIOD);
        let won = if has_verdict(mode) { STAKE } else { 0 };
        let shares = [0, 1].map(|side| balance(&world, payout(mode, side)));
        assert_eq!(shares, [DEPOSIT - won, DEPOSIT + won], "mode {mode}");
        assert_bystander_is_paid(&mut world, paid);
    }
}

#[test]
fn a_node_takes_no_app_that_could_do_more_than_answer_and_says_what_it_does() {
    let mut world = World::new(1);
    let token = world.install(0, hostile().to_vec());
    let reason = world.refusal(0, token);
    assert!(reason.contains("the app is not taken") && reason.contains("(0x"), "{reason}");
}

/// Allows every move, and lets nobody lose as long as the last word of the app data is zero. Else its verdict is, by that
/// word: a revert, an endless loop, one word too many, a sum that is not zero.
fn trap() -> Vec<u8> {
    let selector = &strait_types::abi::app::verdict(&State::zero(ChannelId(B256::ZERO), 1))[..4];
    let mut code = vec![0x5f, 0x35, 0x60, 0xe0, 0x1c, 0x63];
    code.extend(selector);
    // A move: true.
    code.extend([0x14, 0x60, 22, 0x57, 0x60, 1, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3]);
    // 22: the last word, and where it leads.
    code.extend([0x5b, 0x60, 0x20, 0x36, 0x03, 0x35]);
    for (word, place) in (1..).zip([69, 73, 77, 91]) {
        code.extend([0x80, 0x60, word, 0x14, 0x60, place, 0x57]);
    }
    code.extend([0x60, 0x20, 0x5f, 0x52, 0x60, 1, 0x60, 0x20, 0x52, 0x60, 0x80, 0x5f, 0xf3]);
    code.extend([0x5b, 0x5f, 0x5f, 0xfd]);
    code.extend([0x5b, 0x60, 73, 0x56]);
    code.extend([0x5b, 0x60, 0x20, 0x5f, 0x52, 0x60, 1, 0x60, 0x20, 0x52, 0x60, 0xa0, 0x5f, 0xf3]);
    let uneven = [0x60, 1, 0x60, 0x40, 0x52, 0x60, 0x80, 0x5f, 0xf3];
    code.extend([&[0x5b, 0x60, 0x20, 0x5f, 0x52, 0x60, 1, 0x60, 0x20, 0x52][..], &uneven].concat());
    code
}

fn word(writer: Side, word: u8) -> AppMove {
    let mut data = vec![0; 32];
    data[31] = word;
    AppMove { writer, deltas: vec![[0, 0]], data }
}

#[test]
fn no_node_walks_into_a_position_that_nobody_can_judge() {
    for (trap_word, told) in
        (1..).zip(["verdict reverted", "more than", "returned 160 bytes", "the sum of pair 1 being 1"])
    {
        let (mut world, id) = trapped();
        let token = world.command(0, id, Command::Move(word(Side::One, trap_word)));
        let reason = world.refusal(0, token);
        assert!(reason.contains(told), "{reason}");
        world.command(0, id, Command::Move(word(Side::One, 0)));
        world.settle();
        forge(&mut world, id, word(Side::Zero, trap_word));
        assert!(world.events(0).iter().any(|event| matches!(event, Event::Refused { .. })));
        assert_eq!(world.app(0, id).state.version, Version(2), "nothing has changed");
        world.silence(1);
        world.elapse(2 * PERIOD + 3 * 3_600);
        assert_eq!(world.payouts(), [STAKE; 2], "the last position that has a verdict counts");
    }
}

/// A game of the trap, in which both nodes look at each move.
fn trapped() -> (World, ChannelId) {
    let mut world = World::new(2);
    let domain = *world.nodes[0].engine.domain();
    let app = app_address(domain.adjudicator(), &trap());
    for node in &mut world.nodes {
        let policy = Policy { apps: vec![app], ..policy(domain.adjudicator()) };
        node.engine = recover_with(&node.key, &node.port, &node.store, policy, false);
    }
    world.follow();
    world.connect(0, 1);
    for node in 0..2 {
        world.install(node, trap());
    }
    let params = ChannelParams { app, ..world.params(0, 1, 7) };
    let id = params.id(domain.chain_id(), domain.adjudicator());
    let start = AppStart { stakes: vec![[Amount::from(STAKE); 2]], first: word(Side::Zero, 0) };
    let (token, settings) = (world.token(), game_settings());
    world.input(0, Input::OpenApp { token, params, start, settings }).expect("commits");
    world.settle();
    for node in 0..2 {
        world.stake(node, id);
    }
    (world, id)
}
