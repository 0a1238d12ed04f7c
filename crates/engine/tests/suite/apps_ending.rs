//! How games end by agreement: slips are mended, repetitions join, and nothing is signed twice.

use crate::apps::{STAKE, game_settings, heap};
use crate::world::{Crash, World, sticks};
use strait_engine::Input;
use strait_protocol::{Body, ChainNews, Command, Frame, Outcome, Token};
use strait_types::{ChannelId, Side, Version};

fn gains(zero: i128) -> Vec<[i128; 2]> {
    vec![[zero, -zero]]
}

impl World {
    fn ask_end(&mut self, node: usize, channel: ChannelId, zero: i128) -> Token {
        self.command(node, channel, Command::Finish { outcome: gains(zero) })
    }

    fn is_agreed(&self, node: usize, token: Token) -> bool {
        matches!(self.outcome(node, token), Some(Ok(Outcome::Agreed { .. })))
    }

    /// Both know the game, nobody has put anything in.
    fn offered_game() -> (World, ChannelId) {
        let mut world = World::new(2);
        world.connect(0, 1);
        for node in 0..2 {
            world.install(node, sticks().runtime().to_vec());
        }
        let (_, id) = world.offer_game(5, game_settings());
        (world, id)
    }
}

#[test]
fn another_end_takes_the_place_of_a_slip_on_either_side() {
    for first in 0..2 {
        let (mut world, id) = World::game(9);
        let second = 1 - first;
        let slips = [(first, 20), (second, -20), (first, 30)];
        let mut asked = Vec::new();
        for (node, zero) in slips {
            asked.push((node, world.ask_end(node, id, zero)));
            world.settle();
        }
        assert!(world.refusal(first, asked[0].1).contains("another end"));
        assert_eq!(world.app(second, id).offer.expect("shown").outcome, gains(30), "the newest counts");
        let agreed = world.ask_end(second, id, 30);
        world.settle();
        assert!(world.refusal(second, asked[1].1).contains("another end"));
        assert!(world.is_agreed(first, asked[2].1) && world.is_agreed(second, agreed), "{first}");
        world.follow();
        world.follow();
        assert_eq!(world.payouts(), [STAKE + 30, STAKE - 30]);
    }
}

#[test]
fn the_same_end_joins_what_is_asked_written_or_agreed() {
    let (mut world, id) = World::game(9);
    let mut tokens = Vec::new();
    for node in [0, 1, 0, 1] {
        // Nothing is delivered: the four cross.
        tokens.push((node, world.ask_end(node, id, 20)));
    }
    for node in [0, 1, 0, 1, 0, 1] {
        world.deliver_one();
        tokens.push((node, world.ask_end(node, id, 20)));
    }
    world.settle();
    tokens.extend([0, 1].map(|node| (node, world.ask_end(node, id, 20))));
    world.follow();
    world.follow();
    tokens.extend([0, 1].map(|node| (node, world.ask_end(node, id, 20))));
    for (index, (node, token)) in tokens.into_iter().enumerate() {
        assert!(world.is_agreed(node, token), "call {index}: {:?}", world.outcome(node, token));
    }
    assert_eq!(world.payouts(), [STAKE + 20, STAKE - 20]);
}

#[test]
fn what_was_replaced_is_never_written_and_binds_nobody() {
    let (mut world, id) = World::game(9);
    world.take(0, id, 1);
    // Node 1 is to move; node 0 proposes, and lets go of it while the answer is on its way.
    let wanted = world.ask_end(1, id, 20);
    world.settle();
    let slip = world.ask_end(0, id, 20);
    assert!(world.deliver_one(), "the proposal, to which node 1 agrees for good");
    let bound = world.ask_end(1, id, 10);
    assert!(world.refusal(1, bound).contains("has agreed to the end"), "it may be written now");
    let instead = world.ask_end(0, id, -30);
    world.settle();
    assert!(world.refusal(0, slip).contains("another end"));
    assert_eq!(world.app(0, id).state.version, Version(2), "nothing was written");
    assert_eq!(world.app(1, id).offer.expect("shown").outcome, gains(-30));
    // Node 1 is free again: to agree to the other, and to move.
    let other = world.ask_end(1, id, 15);
    world.settle();
    assert!(world.refusal(1, wanted).contains("another end"));
    let moved = world.take(1, id, 2);
    assert!(matches!(world.outcome(1, moved), Some(Ok(Outcome::Moved { .. }))));
    for (node, token) in [(0, instead), (1, other)] {
        assert!(world.refusal(node, token).contains("play has gone on"), "nobody refused it");
    }
    world.ask_end(1, id, 5);
    let end = world.ask_end(0, id, 5);
    world.settle();
    assert!(world.is_agreed(0, end));
    world.follow();
    world.follow();
    assert_eq!(world.payouts(), [STAKE + 5, STAKE - 5]);
}

#[test]
fn a_game_that_has_not_begun_ends_without_a_dispute() {
    // Who has put nothing in has nothing to lose: its node agrees by itself, whoever asks.
    for (asks, end) in [(0, Command::Close), (1, Command::Close), (1, Command::Finish { outcome: gains(0) })]
    {
        let (mut world, id) = World::offered_game();
        world.stake(0, id);
        let early = world.ask_end(asks, id, 10);
        assert!(world.refusal(asks, early).contains("has not started"), "nobody has won anything");
        let token = world.command(asks, id, end);
        world.settle();
        assert!(world.is_agreed(asks, token), "{:?}", world.outcome(asks, token));
        world.follow();
        world.follow();
        assert_eq!(world.payouts(), [STAKE, 0]);
        assert!(!world.news(0).iter().any(|news| matches!(news, ChainNews::Challenged { .. })));
    }
}

#[test]
fn a_stake_that_is_in_ends_the_game_only_with_its_owners_word() {
    let (mut world, id) = World::offered_game();
    world.stake(1, id);
    world.put_in(0, id, 1);
    let asked = world.ask_end(0, id, 0);
    world.settle();
    assert_eq!(world.outcome(0, asked), None, "node 1 may wait for the other stake");
    // And it comes: play begins, and the proposal with nothing to win is over.
    world.put_in(0, id, STAKE - 1);
    assert_eq!(world.app(1, id).state.version, Version(1));
    assert!(world.refusal(0, asked).contains("play has gone on"));
}

#[test]
fn a_game_into_which_nobody_put_anything_is_given_up_without_the_peer() {
    for (node, end) in [(0, Command::Close), (1, Command::Finish { outcome: gains(0) })] {
        let (mut world, id) = World::offered_game();
        let early = world.ask_end(node, id, 10);
        assert!(world.refusal(node, early).contains("has not started"), "nobody has won anything");
        world.disconnect(0, 1);
        let token = world.command(node, id, end);
        assert!(world.is_agreed(node, token), "{:?}", world.outcome(node, token));
        assert_eq!(world.view(node, id).phase, "closed");
        world.restart(node);
        world.follow();
        assert_eq!(world.view(node, id).phase, "closed", "it stays away");
        let backup = world.nodes[node].disk.fork();
        world.replace(node, backup, true);
        for _ in 0..2 {
            world.follow();
        }
        assert_eq!(world.view(node, id).phase, "closed", "also when it is restored");
        assert!(world.news(node).is_empty(), "nothing was sent");
        // What a peer that has not heard of it puts in all the same comes back.
        world.stake(1 - node, id);
        world.connect(0, 1);
        world.elapse(24 * 3_600 + 60);
        let back = if node == 0 { [0, STAKE] } else { [STAKE, 0] };
        assert_eq!(world.payouts(), back, "{node}");
    }
}

#[test]
fn after_its_end_a_game_says_that_it_is_over() {
    let (mut world, id) = World::game(9);
    world.ask_end(0, id, 7);
    world.ask_end(1, id, 7);
    world.settle();
    for round in 0..2 {
        for node in 0..2 {
            let tokens = [world.take(node, id, 1), world.ask_end(node, id, 8)];
            for token in tokens {
                assert!(world.refusal(node, token).contains("the game is over"), "{round}");
            }
        }
        world.follow();
        world.follow();
    }
    let claimed = world.command(0, id, Command::Dispute);
    assert!(world.refusal(0, claimed).contains("the game is over"));
}

/// A small generator, so that each seed is a run of its own.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// What users, the network and time do to a game that is to end. The world itself asserts that nobody signs two states of a
/// version.
fn disturb(world: &mut World, id: ChannelId, dice: &mut Dice, asked: &mut [Vec<(Token, i128)>; 2]) {
    let node = usize::try_from(dice.below(2)).expect("small");
    match dice.below(21) {
        0..=8 => {
            let zero = [20, -20, 35][usize::try_from(dice.below(3)).expect("small")];
            asked[node].push((world.ask_end(node, id, zero), zero));
        }
        9..=14 => {
            world.deliver_one();
        }
        15 => {
            if !world.app(node, id).state.app_data.is_empty() {
                world.take(node, id, 1);
            }
        }
        16 => world.pass([3_000, 60_000, 130_000][usize::try_from(dice.below(3)).expect("small")]),
        17 => world.settle(),
        18 => {
            world.disconnect(0, 1);
            world.connect(0, 1);
        }
        19 => {
            world.disconnect(0, 1);
            world.restart(node);
            world.follow();
            world.connect(0, 1);
        }
        // It dies at a write, before or after that is durable.
        _ => {
            let (rounds, is_durable) = (usize::try_from(dice.below(4)).expect("small"), dice.below(2) == 0);
            world.crash = Some(Crash { node, rounds, is_durable });
        }
    }
}

#[test]
fn whatever_is_asked_lost_and_repeated_only_what_both_wanted_is_paid_and_nothing_is_signed_twice() {
    let mut ends = [0; 2];
    for seed in 0..150 {
        let (mut world, id) = World::game(200);
        let (mut dice, mut asked) = (Dice(seed), [Vec::new(), Vec::new()]);
        for _ in 0..40 {
            disturb(&mut world, id, &mut dice, &mut asked);
        }
        let was_agreed = world.app(0, id).state.is_final;
        world.crash = None;
        world.disconnect(0, 1);
        world.follow();
        world.connect(0, 1);
        // Whatever state that left the two in, they can end it together, without the chain's clock.
        for _ in 0..6 {
            world.pass(130_000);
            world.settle();
            if (0..2).all(|node| world.app(node, id).state.is_final) {
                break;
            }
            for (node, asked) in asked.iter_mut().enumerate() {
                asked.push((world.ask_end(node, id, 11), 11));
            }
            world.settle();
        }
        for _ in 0..4 {
            world.follow();
        }
        let is_disputed = |news: &ChainNews| matches!(news, ChainNews::Challenged { .. });
        assert!(!world.news(0).iter().any(is_disputed), "seed {seed}");
        let [zero, one] = world.payouts().map(|paid| i128::from(paid) - i128::from(STAKE));
        assert_eq!(zero + one, 0, "seed {seed}");
        for (node, asked) in asked.iter().enumerate() {
            // Nobody is paid by what the user was told to be replaced.
            let counts = |(token, outcome): &(Token, i128)| {
                let told = world.outcome(node, *token);
                *outcome == zero && !matches!(told, Some(Err(error)) if error.contains("another end"))
            };
            assert!(asked.iter().any(counts), "seed {seed}: {zero} of {asked:?}");
        }
        ends[usize::from(was_agreed)] += 1;
    }
    assert!(ends.iter().all(|ends| *ends > 20), "both kinds occur: {ends:?}");
}

/// What happens around the start of a game that somebody would rather not begin.
fn disturb_the_start(world: &mut World, id: ChannelId, dice: &mut Dice, put_in: &mut [u64; 2]) {
    let node = usize::try_from(dice.below(2)).expect("small");
    if (0..2).any(|node| world.nodes[node].engine.view(id).is_none()) {
        // Nobody has put anything in, and a restart has forgotten it; it is offered again.
        world.disconnect(0, 1);
        world.connect(0, 1);
        world.settle();
        return;
    }
    match dice.below(12) {
        0..=3 if put_in[node] < STAKE && !world.app(node, id).state.is_final => {
            put_in[node] += STAKE / 2;
            world.put_in(node, id, STAKE / 2);
        }
        4 | 5 => {
            world.ask_end(node, id, 0);
        }
        other => {
            let mut none = [Vec::new(), Vec::new()];
            // The other disturbances: what is asked for in them is nothing that anybody has won.
            let mut rest = Dice(dice.0.wrapping_add(other));
            if rest.below(2) == 0 {
                world.deliver_one();
            } else if world.app(node, id).state.version == Version::ZERO {
                disturb(world, id, &mut rest, &mut none);
            }
        }
    }
}

#[test]
fn a_game_that_begins_and_is_given_up_at_once_gives_both_back_what_they_put_in() {
    let mut ends = [0; 2];
    for seed in 0..150 {
        let (mut world, id) = World::offered_game();
        let (mut dice, mut put_in) = (Dice(seed), [0; 2]);
        for _ in 0..40 {
            disturb_the_start(&mut world, id, &mut dice, &mut put_in);
        }
        world.crash = None;
        world.disconnect(0, 1);
        world.follow();
        world.connect(0, 1);
        world.settle();
        if (0..2).any(|node| world.nodes[node].engine.view(id).is_none()) {
            // Given up by one, who offers it no more, and forgotten by a restart of the other: nobody could put anything in.
            assert_eq!(world.payouts(), [0; 2], "seed {seed}");
            continue;
        }
        let has_begun = (0..2).any(|node| !world.app(node, id).state.app_data.is_empty());
        for _ in 0..6 {
            world.pass(130_000);
            world.settle();
            for node in 0..2 {
                world.ask_end(node, id, 0);
            }
            world.settle();
        }
        for _ in 0..4 {
            world.follow();
        }
        // Who gave it up empty gives back by the chain what was put in all the same.
        world.elapse(24 * 3_600 + 60);
        // An order to deposit may have died with its process.
        let facts = world.nodes[0].engine.channel(id).expect("known").facts().clone();
        let there = facts.deposits[0].map(|amount| u64::try_from(amount.units()).expect("small"));
        let is_closed = |node: usize| {
            let view = world.nodes[node].engine.view(id);
            view.is_none_or(|view| view.phase == "closed")
        };
        let is_over = (0..2).all(is_closed);
        assert!(is_over || there == [0; 2], "seed {seed}: {there:?}");
        assert_eq!(world.payouts(), there, "seed {seed}");
        ends[usize::from(has_begun)] += 1;
    }
    assert!(ends.iter().all(|ends| *ends > 10), "both kinds occur: {ends:?}");
}

/// Lets a node take what is under way to it in one round.
fn take_at_once(world: &mut World, node: usize) {
    while let Some((peer, to, bytes)) = world.wire.pop_front() {
        assert_eq!(to, world.signer(node));
        let now = world.now;
        world.nodes[node].engine.handle(now, Input::Frame { peer, bytes });
    }
    world.round(node).expect("commits");
}

/// The end that node 0 has asked for is over, and it makes its move on node 1's.
fn play_goes_on(world: &mut World, id: ChannelId, end: Token) {
    assert!(world.refusal(0, end).contains("play has gone on"));
    assert_eq!([0, 1].map(|node| world.app(node, id).state.version), [Version(3); 2]);
    let moved = world.take(0, id, 1);
    assert_eq!(world.outcome(0, moved), Some(Ok(Outcome::Moved { version: Version(4) })));
}

#[test]
fn an_end_that_the_peer_agreed_to_is_not_written_on_the_move_that_it_made_since() {
    let (mut world, id) = World::game(9);
    world.take(0, id, 1);
    world.ask_end(1, id, 20);
    world.settle();
    let end = world.ask_end(0, id, 20);
    assert!(world.deliver_one(), "the proposal, to which node 1 agrees");
    // Its answer is slow; once nothing binds node 1 any more its move comes with it.
    world.now += game_settings().hold_timeout_ms;
    let left = heap(Side::Zero, world.left(1, id) - 1);
    let moved = world.command(1, id, Command::Move(left));
    take_at_once(&mut world, 0);
    world.settle();
    assert_eq!(world.outcome(1, moved), Some(Ok(Outcome::Moved { version: Version(3) })));
    play_goes_on(&mut world, id, end);
}

#[test]
fn who_is_to_move_writes_no_end_whatever_the_peer_answers() {
    let (mut world, id) = World::game(9);
    let end = world.ask_end(0, id, 20);
    world.settle();
    let peer = world.signer(1);
    for number in 0..3 {
        let frame = Frame::Channel { channel: id, body: Body::Answer { id: number, refused: None } };
        world.input(0, Input::Frame { peer, bytes: frame.encode() }).expect("commits");
        world.settle();
    }
    assert_eq!(world.outcome(0, end), None, "it was offered, and the peer has written nothing");
    let moved = world.take(0, id, 1);
    assert_eq!(world.outcome(0, moved), Some(Ok(Outcome::Moved { version: Version(2) })));
}

#[test]
fn a_move_that_is_about_to_be_written_comes_before_an_end() {
    let (mut world, id) = World::game(9);
    world.take(0, id, 1);
    world.ask_end(1, id, 20);
    world.settle();
    let end = world.ask_end(0, id, 20);
    let (token, left) = (world.token(), heap(Side::Zero, world.left(1, id) - 1));
    let (now, command) = (world.now, Command::Move(left));
    world.nodes[1].engine.handle(now, Input::Command { token, channel: id, command });
    take_at_once(&mut world, 1);
    world.settle();
    assert_eq!(world.outcome(1, token), Some(Ok(Outcome::Moved { version: Version(3) })));
    assert!(world.refusal(0, end).contains("the peer refused"));
    let moved = world.take(0, id, 1);
    assert_eq!(world.outcome(0, moved), Some(Ok(Outcome::Moved { version: Version(4) })));
}
