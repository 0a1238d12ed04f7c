//! Wherever a player stops to answer, the other's node ends the play as the rules of the game say: engine, committed bytecode
//! of adjudicator and app, and virtual time. All positions of an example's plays are games of their own, at once.

use crate::apps::game_settings;
use crate::world::World;
use strait_app::{AppCode, AppData, NativeRules, Position};
use strait_engine::Input;
use strait_examples::connect_four::{self, Board, ConnectFour, Drop, Standing};
use strait_examples::fair_exchange::{self, Exchange, FairExchange, Reveal};
use strait_examples::rock_paper_scissors::{self as rps, Phase, RockPaperScissors, Rounds, Turn};
use strait_examples::sticks::{self, Heap, Sticks, Take};
use strait_protocol::{AppMove, AppStart, Command, Outcome, Settings, Token};
use strait_types::{Address, Amount, AssetIndex, B256, ChannelId, Side};

/// What each side deposits.
const DEPOSIT: u64 = 1_000;
/// What the loser gives the winner.
const STAKE: u128 = 300;
const PERIOD: u64 = 24 * 3_600;

/// Whose node runs to the end, and whose falls silent. The second one's process is not even asked any more.
const HONEST: usize = 0;
const SILENT: usize = 1;

/// How the peer falls silent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Silence {
    /// It is to move, or there is no move any more and it agrees to no end.
    Owes,
    /// Before this side has moved.
    BeforeOurMove,
    /// After it was sent this side's move.
    AfterOurMove,
}

/// One game that is stopped somewhere.
struct Game {
    channel: ChannelId,
    silence: Silence,
    /// The honest side's move, which the chain must take.
    last: Option<AppMove>,
    moving: Option<Token>,
    payouts: [Address; 2],
    expected: [u64; 2],
    what: String,
}

struct Stage {
    world: World,
    code: AppCode,
    games: Vec<Game>,
}

fn step_to<D: AppData>(position: &Position<D>) -> AppMove {
    AppMove { writer: position.writer, deltas: position.deltas.clone(), data: position.data.encode() }
}

/// What side 0 gains when `side` wins the stake.
fn won(side: Side) -> i128 {
    if side == Side::Zero { STAKE as i128 } else { -(STAKE as i128) }
}

fn payout(number: u64, side: u8) -> Address {
    let mut bytes = [0xc0 + side; 20];
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    Address::from(bytes)
}

impl Stage {
    fn new(code: AppCode) -> Stage {
        let mut world = World::new(2);
        world.connect(HONEST, SILENT);
        for node in [HONEST, SILENT] {
            world.install(node, code.runtime().to_vec());
        }
        Stage { world, code, games: Vec::new() }
    }

    /// Every position of a play, as a game in which the peer falls silent there; `ends` says what side 0 gains when nobody
    /// moves any more, in words of the game and not of the code.
    fn play<R: NativeRules>(
        &mut self,
        rules: &R,
        first: Position<R::Data>,
        moves: &[R::Move],
        ends: impl Fn(&Position<R::Data>) -> i128,
    ) where
        R::Data: Clone,
    {
        let mut positions = vec![first];
        for chosen in moves {
            let next = rules.play(&positions[positions.len() - 1], chosen).expect("a move of the play");
            positions.push(next);
        }
        for honest in Side::BOTH {
            for stop in 0..positions.len() {
                let next = positions.get(stop + 1).filter(|_| positions[stop].writer == honest);
                let kinds: &[Silence] = match next {
                    Some(_) => &[Silence::BeforeOurMove, Silence::AfterOurMove],
                    None => &[Silence::Owes],
                };
                let gains = ends(next.unwrap_or(&positions[stop]));
                for silence in kinds {
                    self.stop_at(honest, &positions[..=stop], next, *silence, gains);
                }
            }
        }
    }

    /// A game that is played to the last of the positions, and what must be paid when the peer falls silent then.
    fn stop_at<D: AppData>(
        &mut self,
        honest: Side,
        positions: &[Position<D>],
        next: Option<&Position<D>>,
        silence: Silence,
        gains: i128,
    ) {
        let number = self.games.len() as u64;
        let nodes = if honest == Side::Zero { [HONEST, SILENT] } else { [SILENT, HONEST] };
        let payouts = [payout(number, 0), payout(number, 1)];
        let channel = self.open(nodes, number, payouts, step_to(&positions[0]));
        for pair in positions.windows(2) {
            let node = nodes[pair[0].writer.index()];
            let token = self.world.command(node, channel, Command::Move(step_to(&pair[1])));
            self.world.settle();
            assert!(matches!(self.world.outcome(node, token), Some(Ok(Outcome::Moved { .. }))));
        }
        let expected = [gains, -gains].map(|gain| DEPOSIT.checked_add_signed(gain as i64).expect("covered"));
        let what = format!("{silence:?} at version {}, honest is {honest:?}", positions.len());
        let last = next.map(step_to);
        self.games.push(Game { channel, silence, last, moving: None, payouts, expected, what });
    }

    fn open(&mut self, nodes: [usize; 2], number: u64, payouts: [Address; 2], first: AppMove) -> ChannelId {
        let world = &mut self.world;
        let domain = *world.nodes[HONEST].engine.domain();
        let mut params = world.params(nodes[0], nodes[1], number);
        params.app = self.code.address(domain.adjudicator());
        for (participant, payout) in params.participants.iter_mut().zip(payouts) {
            participant.payout = payout;
        }
        let channel = params.id(domain.chain_id(), domain.adjudicator());
        let start = AppStart { stakes: vec![[Amount::from(DEPOSIT); 2]], first };
        // Whoever stalls is taken to the chain without a command, here after an hour.
        let settings = Settings { move_patience: 3_600, ..game_settings() };
        let token = world.token();
        world.input(nodes[0], Input::OpenApp { token, params, start, settings }).expect("commits");
        world.settle();
        for node in nodes {
            let (token, amount) = (world.token(), Amount::from(DEPOSIT));
            let deposit = Input::Deposit { token, channel, asset: AssetIndex(0), amount };
            world.input(node, deposit).expect("commits");
        }
        world.follow();
        assert_eq!(world.app(HONEST, channel).state.version.0, 1, "both signed the start");
        channel
    }

    /// The peer falls silent in all games, and time passes. Returns how many games there were.
    fn fall_silent(mut self) -> usize {
        let world = &mut self.world;
        for game in self.games.iter_mut().filter(|game| game.silence == Silence::AfterOurMove) {
            let made = Command::Move(game.last.clone().expect("a move"));
            game.moving = Some(world.command(HONEST, game.channel, made));
            world.wire.clear();
        }
        world.disconnect(HONEST, SILENT);
        world.nodes[SILENT].mute = true;
        for game in self.games.iter().filter(|game| game.silence != Silence::AfterOurMove) {
            // Whoever is to move and can't, or sees that all is played and nobody agrees, says so.
            if world.app(HONEST, game.channel).our_turn {
                world.command(HONEST, game.channel, Command::Dispute);
            }
        }
        world.elapse(3 * 3_600);
        for game in self.games.iter_mut().filter(|game| game.silence == Silence::BeforeOurMove) {
            let made = Command::Move(game.last.clone().expect("a move"));
            game.moving = Some(world.command(HONEST, game.channel, made));
        }
        // A day of patience, where the peer had opened; the period; and the one of the silent side's move.
        world.elapse_by(4 * 3_600, 3 * PERIOD + 12 * 3_600);
        let chain = world.nodes[HONEST].port.chain().clone();
        for game in &self.games {
            let paid = game.payouts.map(|payout| chain.with(|chain| chain.balance(payout)).to::<u64>());
            assert_eq!(paid, game.expected, "{}", game.what);
            if let Some(token) = game.moving {
                let moved = world.outcome(HONEST, token);
                assert!(matches!(moved, Some(Ok(Outcome::Moved { .. }))), "{}: {moved:?}", game.what);
            }
        }
        assert_eq!(world.calls(HONEST, "deploy app"), 1, "once for all games");
        self.games.len()
    }
}

/// How many games a play of so many moves makes: each position for either side, and two where the side is to move.
fn games(moves: usize) -> usize {
    2 * (moves + 1) + moves
}

#[test]
fn rock_paper_scissors_ends_by_the_rules_wherever_the_peer_falls_silent() {
    let mut stage = Stage::new(rps::code().expect("fit"));
    let salt = B256::repeat_byte(3);
    let round = |hands: &[u8; 2]| {
        [Turn::Commit(rps::commitment(hands[0], salt)), Turn::Answer(hands[1]), Turn::Reveal(hands[0], salt)]
    };
    let hands = || (0..3).flat_map(|zero| (0..3).map(move |one| [zero, one]));
    // All nine rounds alone, and matches of three: won at once by either, won at the end, drawn.
    let single = hands().map(|both| (1, vec![both]));
    let longer = [
        vec![[0, 2], [1, 0]],
        vec![[0, 1], [2, 0]],
        vec![[0, 2], [2, 0], [1, 0]],
        vec![[1, 1], [0, 0], [2, 2]],
    ];
    let mut expected = 0;
    for (total, played) in single.chain(longer.map(|played| (3, played))) {
        let moves: Vec<Turn> = played.iter().flat_map(round).collect();
        let beats = |[one, other]: &[u8; 2]| (3 + one - other) % 3;
        let wins = |of: u8| played.iter().filter(|hands| beats(hands) == of).count();
        let winner = if wins(1) > wins(2) { Side::Zero } else { Side::One };
        let result = if wins(1) == wins(2) { 0 } else { won(winner) };
        let ends = |position: &Position<Rounds>| match position.data.phase {
            Phase::Over => result,
            _ => won(position.writer.other()),
        };
        stage.play(&RockPaperScissors, rps::start(STAKE, total, 1), &moves, ends);
        expected += games(moves.len());
    }
    assert_eq!(stage.fall_silent(), expected);
}

#[test]
fn connect_four_ends_by_the_rules_wherever_the_peer_falls_silent() {
    let mut stage = Stage::new(connect_four::code().expect("fit"));
    let full = "114233422562342465101534411626660030530055";
    let drawn: Vec<u32> = full.chars().filter_map(|column| column.to_digit(10)).collect();
    let plays: [(&[u32], i128); 4] = [
        (&[3, 4, 3, 4, 3, 4, 3], won(Side::Zero)),
        (&[6, 0, 6, 1, 5, 2, 5, 3], won(Side::One)),
        (&[0, 1, 1, 2, 2, 3, 2, 3, 3, 6, 3], won(Side::Zero)),
        (&drawn, 0),
    ];
    let mut expected = 0;
    for (columns, result) in plays {
        let moves: Vec<Drop> = columns.iter().copied().map(Drop).collect();
        let ends = |position: &Position<Board>| match position.data.standing() {
            Standing::Open => won(position.writer.other()),
            _ => result,
        };
        stage.play(&ConnectFour, connect_four::start(STAKE, 1), &moves, ends);
        expected += games(moves.len());
    }
    assert_eq!(stage.fall_silent(), expected);
}

#[test]
fn the_store_is_paid_exactly_when_it_reveals_the_key_whoever_falls_silent() {
    let mut stage = Stage::new(fair_exchange::code().expect("fit"));
    let key = B256::repeat_byte(7);
    for seller in Side::BOTH {
        let start = fair_exchange::start(seller, STAKE, fair_exchange::key_hash(key), vec![[-20, 20]]);
        let ends = |position: &Position<Exchange>| {
            if position.data.key.is_zero() { -20 } else { won(seller) - 20 }
        };
        stage.play(&FairExchange, start, &[Reveal(key)], ends);
    }
    assert_eq!(stage.fall_silent(), 2 * games(1));
}

#[test]
fn sticks_end_by_the_rules_wherever_the_peer_falls_silent() {
    let mut stage = Stage::new(sticks::code().expect("fit"));
    let mut expected = 0;
    for taken in [&[1, 2, 2][..], &[2, 3], &[1; 5], &[3, 1, 1]] {
        let moves: Vec<Take> = taken.iter().copied().map(Take).collect();
        // The winner is whoever took last: who would move now stalls, or finds nothing.
        let ends = |position: &Position<Heap>| won(position.writer.other());
        stage.play(&Sticks, sticks::start(STAKE, 5, 1), &moves, ends);
        expected += games(moves.len());
    }
    assert_eq!(stage.fall_silent(), expected);
}
