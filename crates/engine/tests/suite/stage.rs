//! Many games at once between two nodes, each stopped somewhere: in channels of their own, or each within a payment
//! channel. Engine, committed bytecode of adjudicator and app, and virtual time.

use crate::apps::game_settings;
use crate::children_disputed::challenge_at_zero;
use crate::world::World;
use strait_app::{AppCode, AppData, NativeRules, Position};
use strait_engine::Input;
use strait_protocol::{AppMove, AppStart, Command, NewChild, Outcome, Settings, Token};
use strait_types::{Address, Amount, AssetIndex, ChannelId, ChannelParams, Side};

/// What each side deposits.
const DEPOSIT: u64 = 1_000;
/// What each side puts into a game.
const PUT_IN: u64 = 500;
const HOUR: u64 = 3_600;
const PERIOD: u64 = 24 * HOUR;

/// Whose node runs to the end, and whose falls silent. The second one's process is not even asked any more.
pub(crate) const HONEST: usize = 0;
const SILENT: usize = 1;

/// Where games are played.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// Funded by deposits.
    Alone,
    /// Funded by a lock in a payment channel, each in another one.
    Within,
}

/// How the peer falls silent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Silence {
    /// It is to move, or there is no move any more and it agrees to no end.
    Owes,
    /// Before this side has moved.
    BeforeOurMove,
    /// After it was sent this side's move.
    AfterOurMove,
    /// It says no word, but takes the game to the chain, as if nobody had ever moved.
    Disputes,
    /// From the start on it has played by the chain's clock alone, as both have.
    PlaysByForce,
}

/// A position that can be stopped in.
pub(crate) struct Spot<D> {
    /// From the start to here.
    pub(crate) path: Vec<Position<D>>,
    /// Where its writer may move.
    nexts: Vec<Position<D>>,
}

/// Every position that moves can lead to.
pub(crate) fn tree<R: NativeRules>(
    rules: &R,
    first: Position<R::Data>,
    moves: impl Fn(&Position<R::Data>) -> Vec<R::Move>,
) -> Vec<Spot<R::Data>>
where
    R::Data: Clone,
{
    let (mut spots, mut paths) = (Vec::new(), vec![vec![first]]);
    while let Some(path) = paths.pop() {
        let here = &path[path.len() - 1];
        let chosen = moves(here);
        let nexts: Vec<_> = chosen.iter().map(|chosen| rules.play(here, chosen).expect("a move")).collect();
        paths.extend(nexts.iter().map(|next| [&path[..], std::slice::from_ref(next)].concat()));
        spots.push(Spot { path, nexts });
    }
    spots
}

/// Every position of one play.
pub(crate) fn play<R: NativeRules>(
    rules: &R,
    first: Position<R::Data>,
    moves: &[R::Move],
) -> Vec<Spot<R::Data>>
where
    R::Data: Clone,
{
    let mut path = vec![first];
    let mut spots = Vec::new();
    for chosen in moves {
        let next = rules.play(&path[path.len() - 1], chosen).expect("a move of the play");
        spots.push(Spot { path: path.clone(), nexts: vec![next.clone()] });
        path.push(next);
    }
    spots.push(Spot { path, nexts: Vec::new() });
    spots
}

/// One game that is stopped somewhere.
struct Game {
    channel: ChannelId,
    silence: Silence,
    /// The moves that are made by force: the honest side's last one, or all of them.
    forced: Vec<(usize, AppMove)>,
    moving: Vec<(usize, Token)>,
    payouts: [Address; 2],
    expected: [u64; 2],
    what: String,
}

pub(crate) struct Stage {
    world: World,
    code: AppCode,
    place: Place,
    games: Vec<Game>,
}

fn step_to<D: AppData>(position: &Position<D>) -> AppMove {
    AppMove { writer: position.writer, deltas: position.deltas.clone(), data: position.data.encode() }
}

fn payout(number: u64, side: u8) -> Address {
    let mut bytes = [0xc0 + side; 20];
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    Address::from(bytes)
}

/// The nodes of participants 0 and 1.
fn seats(honest: Side) -> [usize; 2] {
    if honest == Side::Zero { [HONEST, SILENT] } else { [SILENT, HONEST] }
}

impl Stage {
    pub(crate) fn new(code: AppCode, place: Place) -> Stage {
        let mut world = World::new(2);
        world.connect(HONEST, SILENT);
        for node in [HONEST, SILENT] {
            world.install(node, code.runtime().to_vec());
        }
        Stage { world, code, place, games: Vec::new() }
    }

    /// Games that stop in each of these positions, in every way in which the peer can fall silent; `ends` says what side 0
    /// gains when nobody moves any more after a path.
    pub(crate) fn stop_in<D: AppData + Clone>(
        &mut self,
        spots: &[Spot<D>],
        ends: impl Fn(&[Position<D>]) -> i128,
    ) {
        for Spot { path, nexts } in spots {
            let writer = path[path.len() - 1].writer;
            for honest in Side::BOTH.into_iter().filter(|side| *side != writer || nexts.is_empty()) {
                for silence in [Silence::Owes, Silence::Disputes] {
                    self.stop_at(honest, path, None, silence, ends(path));
                }
            }
            for (index, next) in nexts.iter().enumerate() {
                let gains = ends(&[&path[..], std::slice::from_ref(next)].concat());
                self.stop_at(writer, path, Some(next), Silence::AfterOurMove, gains);
                if index == 0 {
                    self.stop_at(writer, path, Some(next), Silence::BeforeOurMove, gains);
                    self.stop_at(writer, path, Some(next), Silence::Disputes, gains);
                }
            }
        }
    }

    /// Games in which all is played by the chain's clock, up to each of these positions; there the peer stops.
    pub(crate) fn force_to<D: AppData + Clone>(
        &mut self,
        spots: &[Spot<D>],
        ends: impl Fn(&[Position<D>]) -> i128,
    ) {
        for Spot { path, nexts } in spots {
            let writer = path[path.len() - 1].writer;
            for honest in Side::BOTH.into_iter().filter(|side| *side != writer || nexts.is_empty()) {
                let game = self.game(honest, &path[0], Silence::PlaysByForce, ends(path), path.len());
                let steps = path.windows(2);
                let forced = steps.map(|pair| (seats(honest)[pair[0].writer.index()], step_to(&pair[1])));
                self.games.push(Game { forced: forced.collect(), ..game });
            }
        }
    }

    /// A game that is played to the end of the path, and what must be paid when the peer falls silent then.
    fn stop_at<D: AppData>(
        &mut self,
        honest: Side,
        path: &[Position<D>],
        next: Option<&Position<D>>,
        silence: Silence,
        gains: i128,
    ) {
        let game = self.game(honest, &path[0], silence, gains, path.len());
        for pair in path.windows(2) {
            let node = seats(honest)[pair[0].writer.index()];
            let token = self.world.command(node, game.channel, Command::Move(step_to(&pair[1])));
            self.world.settle();
            assert!(matches!(self.world.outcome(node, token), Some(Ok(Outcome::Moved { .. }))));
        }
        let forced = next.map(|next| (HONEST, step_to(next))).into_iter().collect();
        self.games.push(Game { forced, ..game });
    }

    /// A game that both have begun.
    fn game<D: AppData>(
        &mut self,
        honest: Side,
        first: &Position<D>,
        silence: Silence,
        gains: i128,
        version: usize,
    ) -> Game {
        let number = self.games.len() as u64;
        let payouts = [payout(number, 0), payout(number, 1)];
        let mut params = self.world.params(seats(honest)[0], seats(honest)[1], number);
        for (participant, payout) in params.participants.iter_mut().zip(payouts) {
            participant.payout = payout;
        }
        let channel = match self.place {
            Place::Alone => self.open(seats(honest), params, step_to(first)),
            Place::Within => self.open_within(seats(honest), params, step_to(first)),
        };
        assert_eq!(self.world.app(HONEST, channel).state.version.0, 1, "both signed the start");
        let had = if self.place == Place::Alone { PUT_IN } else { DEPOSIT };
        let expected = [gains, -gains].map(|gain| had.checked_add_signed(gain as i64).expect("covered"));
        let what = format!("{silence:?} at version {version}, honest is {honest:?}, {:?}", self.place);
        Game { channel, silence, forced: Vec::new(), moving: Vec::new(), payouts, expected, what }
    }

    fn open(&mut self, nodes: [usize; 2], mut params: ChannelParams, first: AppMove) -> ChannelId {
        let domain = *self.world.nodes[HONEST].engine.domain();
        params.app = self.code.address(domain.adjudicator());
        let channel = params.id(domain.chain_id(), domain.adjudicator());
        let start = AppStart { stakes: vec![[Amount::from(PUT_IN); 2]], first };
        // Whoever stalls is taken to the chain without a command, here after an hour.
        let settings = Settings { move_patience: HOUR, ..game_settings() };
        let token = self.world.token();
        self.world.input(nodes[0], Input::OpenApp { token, params, start, settings }).expect("commits");
        self.put_in(nodes, channel, PUT_IN);
        channel
    }

    fn open_within(&mut self, nodes: [usize; 2], params: ChannelParams, first: AppMove) -> ChannelId {
        let domain = *self.world.nodes[HONEST].engine.domain();
        let parent = params.id(domain.chain_id(), domain.adjudicator());
        let settings = Settings { move_patience: HOUR, ..game_settings() };
        let token = self.world.token();
        self.world.input(nodes[0], Input::Open { token, params, settings }).expect("commits");
        self.put_in(nodes, parent, DEPOSIT);
        let new = NewChild {
            asset: AssetIndex(0),
            stakes: [Amount::from(PUT_IN); 2],
            challenge_duration: PERIOD as u32,
            nonce: 1,
            app: Some((self.code.address(domain.adjudicator()), first)),
        };
        self.world.child(nodes[0], parent, new)
    }

    fn put_in(&mut self, nodes: [usize; 2], channel: ChannelId, units: u64) {
        self.world.settle();
        for node in nodes {
            let (token, amount) = (self.world.token(), Amount::from(units));
            let deposit = Input::Deposit { token, channel, asset: AssetIndex(0), amount };
            self.world.input(node, deposit).expect("commits");
        }
        self.world.follow();
    }

    /// The peer falls silent in all games, and time passes. Returns how many games there were.
    pub(crate) fn fall_silent(mut self) -> usize {
        self.force_next(Silence::AfterOurMove);
        self.world.wire.clear();
        self.world.disconnect(HONEST, SILENT);
        self.world.nodes[SILENT].mute = true;
        for game in &self.games {
            let world = &mut self.world;
            match game.silence {
                Silence::Disputes => challenge_at_zero(world, game.channel),
                // Whoever is to move and can't, or sees that all is played and nobody agrees, says so.
                Silence::Owes | Silence::BeforeOurMove if world.app(HONEST, game.channel).our_turn => {
                    world.command(HONEST, game.channel, Command::Dispute);
                }
                _ => {}
            }
        }
        self.world.elapse(3 * HOUR);
        self.force_next(Silence::BeforeOurMove);
        self.force_next(Silence::Disputes);
        self.wait_for_the_end();
        assert_eq!(self.world.calls(HONEST, "deploy app"), 1, "once for all games");
        self.assert_paid()
    }

    /// The two leave each other, and play by the chain's clock; one after the other stops, and time passes.
    pub(crate) fn play_by_force(mut self) -> usize {
        self.world.disconnect(HONEST, SILENT);
        for game in &self.games {
            self.world.command(HONEST, game.channel, Command::Dispute);
        }
        self.world.elapse(HOUR);
        self.force_all();
        self.world.elapse(PERIOD);
        while self.games.iter().any(|game| !game.forced.is_empty()) {
            self.force_all();
            self.world.elapse(HOUR);
        }
        self.wait_for_the_end();
        self.assert_paid()
    }

    fn force_all(&mut self) {
        // Whose play has ended is away from now on, its node with it.
        let over = self.games.iter().filter(|game| game.forced.is_empty()).map(|game| game.channel);
        self.world.nodes[SILENT].away_from.extend(over);
        self.force_next(Silence::PlaysByForce);
    }

    /// The next move of each game that was stopped so.
    fn force_next(&mut self, silence: Silence) {
        for game in self.games.iter_mut().filter(|game| game.silence == silence && !game.forced.is_empty()) {
            let (node, chosen) = game.forced.remove(0);
            let token = self.world.command(node, game.channel, Command::Move(chosen));
            game.moving.push((node, token));
        }
    }

    fn wait_for_the_end(&mut self) {
        self.world.nodes[SILENT].mute = true;
        // A day of patience, where the peer had opened; the period; and the one of the silent side's move. A game within a
        // channel takes that along, after a day in which the peer could have taken its end over.
        let periods = if self.place == Place::Alone { 3 } else { 5 };
        self.world.elapse_by(4 * HOUR, periods * PERIOD + 12 * HOUR);
    }

    fn assert_paid(&self) -> usize {
        let chain = self.world.nodes[HONEST].port.chain();
        for game in &self.games {
            let paid = game.payouts.map(|payout| chain.with(|chain| chain.balance(payout)).to::<u64>());
            assert_eq!(paid, game.expected, "{}", game.what);
            for (node, token) in &game.moving {
                let moved = self.world.outcome(*node, *token);
                assert!(matches!(moved, Some(Ok(Outcome::Moved { .. }))), "{}: {moved:?}", game.what);
            }
        }
        self.games.len()
    }
}
