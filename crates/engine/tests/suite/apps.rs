//! A game of sticks between two engines, by the contract's own bytecode.

use crate::world::{World, sticks};
use strait_engine::{Input, Notice};
use strait_protocol::{AppMove, AppStart, AppView, ChainNews, Command, Event, Outcome, Settings, Token};
use strait_types::{Address, Amount, AssetIndex, ChannelId, Side, Version};

pub(crate) const STAKE: u64 = 100;

/// A heap of sticks, as the contract keeps it.
pub(crate) fn heap(writer: Side, left: u8) -> AppMove {
    let mut data = vec![0; 64];
    data[24..32].copy_from_slice(&STAKE.to_be_bytes());
    data[63] = left;
    AppMove { writer, deltas: vec![[0, 0]], data }
}

pub(crate) fn start(left: u8) -> AppStart {
    AppStart { stakes: vec![[Amount::from(STAKE); 2]], first: heap(Side::Zero, left) }
}

/// What the loser gives the winner.
pub(crate) fn won_by(winner: Side) -> Vec<[i128; 2]> {
    let stake = i128::from(STAKE);
    vec![if winner == Side::Zero { [stake, -stake] } else { [-stake, stake] }]
}

impl World {
    pub(crate) fn command(&mut self, node: usize, channel: ChannelId, command: Command) -> Token {
        let token = self.token();
        self.input(node, Input::Command { token, channel, command }).expect("commits");
        token
    }

    pub(crate) fn install(&mut self, node: usize, runtime: Vec<u8>) -> Token {
        let token = self.token();
        self.input(node, Input::InstallApp { token, runtime }).expect("commits");
        token
    }

    pub(crate) fn offer_game(&mut self, left: u8, settings: Settings) -> (Token, ChannelId) {
        let mut params = self.params(0, 1, 7);
        let (chain_id, adjudicator) =
            (self.nodes[0].engine.domain().chain_id(), self.nodes[0].engine.domain().adjudicator());
        params.app = sticks().address(adjudicator);
        let id = params.id(chain_id, adjudicator);
        let token = self.token();
        let input = Input::OpenApp { token, params, start: start(left), settings };
        self.input(0, input).expect("commits");
        self.settle();
        (token, id)
    }

    pub(crate) fn stake(&mut self, node: usize, channel: ChannelId) {
        self.put_in(node, channel, STAKE);
    }

    pub(crate) fn put_in(&mut self, node: usize, channel: ChannelId, amount: u64) {
        let token = self.token();
        let amount = Amount::from(amount);
        self.input(node, Input::Deposit { token, channel, asset: AssetIndex(0), amount }).expect("commits");
        self.follow();
    }

    /// Both have installed the app and put in their stakes; node 0 takes first.
    pub(crate) fn game(left: u8) -> (World, ChannelId) {
        World::game_with(left, game_settings())
    }

    pub(crate) fn game_with(left: u8, settings: Settings) -> (World, ChannelId) {
        let mut world = World::new(2);
        world.connect(0, 1);
        for node in 0..2 {
            world.install(node, sticks().runtime().to_vec());
        }
        let (_, id) = world.offer_game(left, settings);
        for node in 0..2 {
            world.stake(node, id);
        }
        (world, id)
    }

    pub(crate) fn app(&self, node: usize, channel: ChannelId) -> AppView {
        self.nodes[node].engine.view(channel).expect("known").app.expect("has an app")
    }

    /// Sticks that are left in a node's eyes.
    pub(crate) fn left(&self, node: usize, channel: ChannelId) -> u8 {
        self.app(node, channel).state.app_data[63]
    }

    pub(crate) fn take(&mut self, node: usize, channel: ChannelId, count: u8) -> Token {
        let left = self.left(node, channel).wrapping_sub(count);
        let next = heap(self.app(node, channel).state.writer.other(), left);
        let token = self.command(node, channel, Command::Move(next));
        self.settle();
        token
    }

    pub(crate) fn payouts(&self) -> [u64; 2] {
        [0, 1].map(|node| {
            let payout = Address::repeat_byte(0xb0 + node);
            self.nodes[0].port.chain().with(|chain| chain.balance(payout)).to()
        })
    }

    pub(crate) fn news(&self, node: usize) -> Vec<ChainNews> {
        let news = |notice: &Notice| match notice {
            Notice::Channel { event: Event::Chain(news), .. } => Some(*news),
            _ => None,
        };
        self.nodes[node].notices.iter().filter_map(news).collect()
    }

    pub(crate) fn events(&self, node: usize) -> Vec<Event> {
        let event = |notice: &Notice| match notice {
            Notice::Channel { event, .. } => Some(event.clone()),
            _ => None,
        };
        self.nodes[node].notices.iter().filter_map(event).collect()
    }
}

pub(crate) fn game_settings() -> Settings {
    Settings { confirmations: 0, ..Settings::default() }
}

#[test]
fn a_game_is_played_by_the_apps_rules_and_paid_out_as_both_agree() {
    let (mut world, id) = World::game(5);
    for node in 0..2 {
        assert_eq!(world.app(node, id).state.version, Version(1), "both signed the start by themselves");
    }
    let first = world.take(0, id, 3);
    assert_eq!(world.outcome(0, first), Some(Ok(Outcome::Moved { version: Version(2) })));
    assert_eq!(world.left(1, id), 2);
    let moved = |event: &Event| matches!(event, Event::Moved { state, is_ours: false } if state.version == Version(2));
    assert!(world.events(1).iter().any(moved), "the peer hears of the move");
    let last = world.take(1, id, 2);
    assert!(matches!(world.outcome(1, last), Some(Ok(_))));

    let offered = world.command(0, id, Command::Finish { outcome: won_by(Side::One) });
    world.settle();
    // Node 1 gets all, so its node agrees by itself: nothing better can come.
    assert!(matches!(world.outcome(0, offered), Some(Ok(Outcome::Agreed { .. }))));
    world.follow();
    world.follow();
    assert_eq!(world.payouts(), [0, 2 * STAKE]);
    assert!(world.news(0).contains(&ChainNews::Closed));
    assert!(!world.news(0).iter().any(|news| matches!(news, ChainNews::Challenged { .. })));
}

#[test]
fn an_end_that_both_must_want_needs_both() {
    for proposer in 0..2 {
        let (mut world, id) = World::game(9);
        world.take(0, id, 1);
        // Node 1 is to move now.
        let draw = vec![[10, -10]];
        let first = world.command(proposer, id, Command::Finish { outcome: draw.clone() });
        world.settle();
        let other = 1 - proposer;
        assert_eq!(world.outcome(proposer, first), None);
        assert_eq!(world.app(other, id).offer.expect("shown").outcome, draw);
        let second = world.command(other, id, Command::Finish { outcome: draw });
        world.settle();
        for (node, token) in [(proposer, first), (other, second)] {
            assert!(matches!(world.outcome(node, token), Some(Ok(Outcome::Agreed { .. }))), "{proposer}");
        }
        world.follow();
        world.follow();
        assert_eq!(world.payouts(), [STAKE + 10, STAKE - 10]);
    }
}

#[test]
fn who_is_to_move_can_move_instead_of_ending() {
    let (mut world, id) = World::game(9);
    let offer = world.command(0, id, Command::Finish { outcome: vec![[10, -10]] });
    world.settle();
    let moved = world.take(0, id, 1);
    assert!(matches!(world.outcome(0, moved), Some(Ok(_))));
    assert!(matches!(world.outcome(0, offer), Some(Err(_))), "the offer is over");
    assert_eq!(world.left(1, id), 8);
    assert_eq!(world.app(1, id).offer, None);
}

#[test]
fn a_user_hears_why_a_move_is_not_made() {
    let (mut world, id) = World::game(5);
    let wrong = world.take(1, id, 1);
    assert!(world.outcome(1, wrong).expect("ended").expect_err("not its turn").contains("peer's turn"));
    let greedy = world.take(0, id, 4);
    assert!(
        world.outcome(0, greedy).expect("ended").expect_err("illegal").contains("look at the app's rules")
    );
    let mut uneven = heap(Side::One, 4);
    uneven.deltas = vec![[5, -4]];
    let uneven = world.command(0, id, Command::Move(uneven));
    assert!(world.outcome(0, uneven).expect("ended").expect_err("uneven").contains("add up"));
    let paid = world.pay(0, id, 1);
    assert!(matches!(world.outcome(0, paid), Some(Err(_))), "an app's channel has moves alone");
    assert_eq!(world.left(0, id), 5);
    let fine = world.take(0, id, 1);
    assert!(matches!(world.outcome(0, fine), Some(Ok(_))));
}

#[test]
fn nothing_starts_before_both_stakes_are_in() {
    let mut world = World::new(2);
    world.connect(0, 1);
    for node in 0..2 {
        world.install(node, sticks().runtime().to_vec());
    }
    let (_, id) = world.offer_game(5, game_settings());
    world.stake(0, id);
    assert_eq!(world.app(0, id).state.version, Version(0));
    let early = world.command(0, id, Command::Move(heap(Side::One, 4)));
    assert!(world.outcome(0, early).expect("ended").expect_err("early").contains("has not started"));
    // Whoever has deposited gets out alone.
    world.command(0, id, Command::ForceClose);
    world.elapse(24 * 3_600 + 60);
    assert_eq!(world.payouts(), [STAKE, 0]);
}

#[test]
fn an_app_is_refused_with_the_reason() {
    let mut world = World::new(2);
    world.connect(0, 1);
    // TIMESTAMP: an answer that depends on it would differ from the chain's.
    let token = world.install(0, vec![0x42, 0x00]);
    let reason = world.outcome(0, token).expect("ended").expect_err("refused");
    assert!(reason.contains("the app is not taken"), "{reason}");
    let (token, _) = world.offer_game(5, game_settings());
    assert!(world.outcome(0, token).expect("ended").expect_err("not here").contains("not installed"));

    world.install(0, sticks().runtime().to_vec());
    world.offer_game(5, game_settings());
    let declined = world.nodes[0].notices.iter().find_map(|notice| match notice {
        Notice::Declined { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    let declined = declined.expect("told");
    assert!(
        declined.contains("its node has not installed the app") && !declined.contains("here"),
        "{declined}"
    );
}

#[test]
fn a_game_survives_a_restart_with_its_rules() {
    let (mut world, id) = World::game(5);
    world.take(0, id, 1);
    for node in 0..2 {
        world.disconnect(0, 1);
        world.restart(node);
        world.follow();
        world.connect(0, 1);
    }
    let greedy = world.take(1, id, 4);
    assert!(matches!(world.outcome(1, greedy), Some(Err(_))));
    let fine = world.take(1, id, 3);
    assert!(matches!(world.outcome(1, fine), Some(Ok(_))));
    assert_eq!(world.left(0, id), 1);
}
