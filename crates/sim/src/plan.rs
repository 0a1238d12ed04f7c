//! What a seed stands for: who takes part, with which settings, in which weather.

use crate::dice::Dice;
use crate::games::Game;
use crate::hub::HubRole;
use crate::mutation::Mutation;
use crate::towers::TowerPlan;
use std::ops::RangeInclusive;
use strait_protocol::Settings;
use strait_types::{Address, ChannelParams, ChildTerms, Participant, Side, keccak256};

/// What a dishonest node does, besides running the engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// Challenges with states that were superseded.
    StaleChallenger,
    /// Signs two states of one version.
    DoubleSigner,
    /// Goes silent for ever.
    Staller,
    /// Sends bytes that mean nothing, damaged frames, other people's frames.
    Garbage,
    /// Sends old frames again, its own and the peer's.
    Replayer,
    /// Keeps its countersignatures to itself.
    Withholder,
    /// Writes updates that break rules, well signed.
    Forger,
    /// Agrees to withdrawals and closes, and executes them late or never.
    LateExecutor,
    /// Refuses what it likes best, and brings it to the chain.
    Turncoat,
    /// Fills the channel with locks, and claims them on chain at the last moment.
    LockGriefer,
    /// Never hands over the pen.
    PenHolder,
    /// Withdraws while payments are in flight, executes that when it likes, and challenges with what it superseded.
    WithdrawerInFlight,
    /// Makes moves that the rules of a game forbid.
    Cheater,
    /// Moves as late as it can, and brings about one dispute after another.
    Griefer,
}

impl Role {
    pub(crate) const ALL: [Role; 14] = [
        Role::StaleChallenger,
        Role::DoubleSigner,
        Role::Staller,
        Role::Garbage,
        Role::Replayer,
        Role::Withholder,
        Role::Forger,
        Role::LateExecutor,
        Role::Turncoat,
        Role::LockGriefer,
        Role::PenHolder,
        Role::WithdrawerInFlight,
        Role::Cheater,
        Role::Griefer,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Role::StaleChallenger => "stale challenger",
            Role::DoubleSigner => "double signer",
            Role::Staller => "staller",
            Role::Garbage => "garbage sender",
            Role::Replayer => "replayer",
            Role::Withholder => "withholder of acknowledgements",
            Role::Forger => "forger",
            Role::LateExecutor => "late executor",
            Role::Turncoat => "turncoat",
            Role::LockGriefer => "lock griefer",
            Role::PenHolder => "pen holder",
            Role::WithdrawerInFlight => "withdrawer in flight",
            Role::Cheater => "cheater",
            Role::Griefer => "griefer",
        }
    }
}

/// An endpoint that does not answer for longer than a fraction of every margin is one that an operator replaces.
const LONGEST_STALL: u64 = 100_000;

/// Of 1,000 games: nobody puts the stakes in at once, and perhaps never.
const UNSTAKED: u64 = 100;

/// What the channels refer to on chain.
#[derive(Clone, Copy)]
pub(crate) struct Places {
    pub(crate) adjudicator: Address,
    pub(crate) token: Address,
}

/// A channel to be.
#[derive(Clone, Debug)]
pub(crate) struct ChannelPlan {
    /// Participant 0 and 1.
    pub(crate) nodes: [usize; 2],
    pub(crate) params: ChannelParams,
    /// First deposits, per participant and asset.
    pub(crate) deposits: [Vec<u64>; 2],
    /// Both make it known, instead of one.
    pub(crate) both_open: bool,
    /// What is played in it, in a channel with an app.
    pub(crate) game: Option<GamePlan>,
    /// Of a child; users open those while the run goes.
    pub(crate) terms: Option<ChildTerms>,
}

/// A game to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GamePlan {
    pub(crate) game: Game,
    pub(crate) stake: u64,
    /// Sticks or rounds.
    pub(crate) size: u8,
}

/// Faults between nodes, in 1,000 frames, and times in milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct NetworkPlan {
    pub(crate) delay: RangeInclusive<u64>,
    pub(crate) lose: u64,
    pub(crate) duplicate: u64,
    pub(crate) reorder: u64,
    /// Between breaks of a connection; 0: none.
    pub(crate) break_every: u64,
    /// Until the next connection.
    pub(crate) away: RangeInclusive<u64>,
    /// Between partitions; 0: none.
    pub(crate) partition_every: u64,
    pub(crate) partition_for: RangeInclusive<u64>,
}

/// Faults of nodes.
#[derive(Clone, Debug)]
pub(crate) struct CrashPlan {
    /// Of 1,000 commits.
    pub(crate) commits: u64,
    /// Of 1,000 sets of effects, in the middle.
    pub(crate) effects: u64,
    pub(crate) down: RangeInclusive<u64>,
}

/// Faults of the chain and of the way to it.
#[derive(Clone, Debug)]
pub(crate) struct ChainPlan {
    pub(crate) block_ms: u64,
    pub(crate) lag: RangeInclusive<u64>,
    /// Of 1,000 transactions: lost on the way into a block.
    pub(crate) drop: u64,
    /// Of 1,000 transactions at each block: wait for the next.
    pub(crate) wait: u64,
    /// Of 1,000 blocks.
    pub(crate) reorg: u64,
    pub(crate) depth: u64,
    /// Of 1,000 blocks: as many are replaced as no node can undo, with the same transactions.
    pub(crate) deep_reorg: u64,
    /// Of 1,000 requests: no answer.
    pub(crate) unreachable: u64,
    /// Between times in which a node's endpoint takes requests and does not answer; 0: none.
    pub(crate) stall_every: u64,
    pub(crate) stall_for: RangeInclusive<u64>,
    /// Half a period of fees a hundred times as high, in the storm and in the end.
    pub(crate) is_congested: bool,
}

/// A run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) nodes: usize,
    pub(crate) liar: Option<(usize, Role)>,
    pub(crate) settings: Vec<Settings>,
    /// By how many milliseconds a node's clock may be wrong; at each start by another time.
    pub(crate) skew: u64,
    pub(crate) channels: Vec<ChannelPlan>,
    pub(crate) network: NetworkPlan,
    pub(crate) crashes: CrashPlan,
    /// Of 1,000 restarts: from a backup, if there is one.
    pub(crate) restores: u64,
    pub(crate) chain: ChainPlan,
    pub(crate) towers: Option<TowerPlan>,
    /// Who cheats over a hub, when the nodes are done.
    pub(crate) hub: Option<HubRole>,
    pub(crate) operations: u64,
    /// How many channels within channels users open at most.
    pub(crate) children: u64,
    /// Between operations.
    pub(crate) pause: RangeInclusive<u64>,
    /// Of 1,000 inputs: the round waits for more of them.
    pub(crate) join: u64,
}

impl Plan {
    pub(crate) fn new(seed: u64, places: Places, mutation: Option<Mutation>) -> Plan {
        let dice = &mut Dice::new(seed, 0);
        let nodes = if dice.chance(250) { 3 } else { 2 };
        let liar = dice.chance(500).then(|| (dice.index(nodes), dice.pick(&Role::ALL)));
        // From dice of its own, so that it changes no other seed: what turncoats do takes many of them to matter.
        let liar = liar
            .map(|(node, role)| (node, if Dice::new(seed, 7).chance(120) { Role::Turncoat } else { role }));
        let shared = shared_settings(dice);
        let mut settings: Vec<Settings> = (0..nodes).map(|_| own_settings(dice, &shared)).collect();
        let depth = settings.iter().map(|settings| settings.confirmations).min().unwrap_or(0);
        let mut channels = channels(dice, seed, nodes, places.token);
        if let Some(game) = game_channel(seed, &channels[0], liar, places.adjudicator) {
            channels.push(game);
        }
        let children = children(seed, &channels[0], liar);
        let plays = children > 0 || channels.iter().any(|channel| channel.game.is_some());
        let skew = dice.pick(&[0, 5_000, 300_000]);
        let stormy = !dice.chance(150);
        let slow = dice.chance(120);
        let (mut network, mut chain) = (network(dice, stormy), chain(dice, stormy, depth));
        if slow {
            // Locks expire and limits pass while the channels live.
            network.break_every *= 20;
            network.partition_every *= 20;
            chain.block_ms = 12_000;
        }
        if mutation == Some(Mutation::CountsDepositsAtHead) {
            settings.iter_mut().for_each(|settings| settings.confirmations = 0);
            (chain.reorg, chain.depth) = (400, 3);
        }
        // From dice of its own, so that it changes no other seed.
        if Dice::new(seed, 4).chance(60) && !plays {
            chain.deep_reorg = 20;
        }
        let restores = if dice.chance(250) && !plays { 700 } else { 0 };
        if slow || restores > 0 {
            // A rebase waits for an hour: who asks every second makes the run long, and no better.
            settings.iter_mut().for_each(|settings| settings.retry_ms = dice.within(&(4_000..=15_000)));
        }
        let towers = towers(seed, nodes, liar).filter(|_| restores == 0 && chain.deep_reorg == 0);
        Plan {
            nodes,
            liar,
            towers,
            hub: HubRole::of(seed),
            settings,
            skew,
            channels,
            network,
            crashes: crashes(dice, stormy),
            restores,
            chain,
            operations: dice.within(&(200..=260)),
            children,
            pause: 0..=if slow { 60_000 } else { dice.pick(&[40, 300, 3_000]) },
            join: dice.pick(&[0, 300, 800]),
        }
    }

    /// Whether a node keeps to the protocol.
    pub(crate) fn is_honest(&self, node: usize) -> bool {
        self.liar.is_none_or(|(liar, _)| liar != node)
    }
}

/// What both sides of a channel must agree on within bounds, else one refuses what the other proposes.
fn shared_settings(dice: &mut Dice) -> Settings {
    Settings {
        confirmations: dice.within(&(0..=3)),
        lock_margin: dice.within(&(600..=1_200)),
        lock_horizon: dice.within(&(4_000..=9_000)),
        execution_window: dice.within(&(600..=1_800)),
        ..Settings::default()
    }
}

fn own_settings(dice: &mut Dice, shared: &Settings) -> Settings {
    Settings {
        confirmations: if dice.chance(200) { dice.within(&(0..=3)) } else { shared.confirmations },
        window: dice.pick(&[1, 2, 4, 8]),
        batch: dice.pick(&[2, 3, 10, 1_000]),
        hold_timeout_ms: dice.within(&(20_000..=120_000)),
        retry_ms: dice.within(&(400..=3_000)),
        move_patience: dice.pick(&[0, 600, 1_800]),
        ..shared.clone()
    }
}

fn channels(dice: &mut Dice, seed: u64, nodes: usize, token: Address) -> Vec<ChannelPlan> {
    let mut pairs = vec![[0, 1]];
    if nodes == 3 {
        pairs.push([1, 2]);
    }
    if dice.chance(300) {
        pairs.push([0, 1]);
    }
    let make = |(number, [left, right]): (usize, [usize; 2])| {
        let nodes = if dice.chance(500) { [left, right] } else { [right, left] };
        channel(dice, seed, number as u64, nodes, token)
    };
    pairs.into_iter().enumerate().map(make).collect()
}

/// A game between the participants of a channel; in a third of the seeds, and wherever somebody lies about games. A player
/// whose disk is lost can't move, and loses as the rules say: so nobody is restored from a backup there.
fn game_channel(
    seed: u64,
    beside: &ChannelPlan,
    liar: Option<(usize, Role)>,
    adjudicator: Address,
) -> Option<ChannelPlan> {
    // Dice of its own.
    let dice = &mut Dice::new(seed, 5);
    let in_game = |(liar, role): (usize, Role)| {
        matches!(role, Role::Cheater | Role::Griefer) && beside.nodes.contains(&liar)
    };
    if !dice.chance(333) && !liar.is_some_and(in_game) {
        return None;
    }
    let game = dice.weighted(&[(5, Game::Sticks), (3, Game::RockPaperScissors), (2, Game::ConnectFour)]);
    let size = if game == Game::Sticks { dice.pick(&[3, 4, 5, 7, 9]) } else { dice.pick(&[1, 2]) };
    let stake = dice.within(&(1..=1_000_000));
    let mut plan = beside.clone();
    plan.params.assets.truncate(1);
    plan.params.nonce = plan.params.nonce.wrapping_add(7);
    plan.params.app = game.code().address(adjudicator);
    for side in Side::BOTH {
        let bytes = [beside.params.participant(side).payout.as_slice(), &b"game"[..]].concat();
        plan.params.participants[side.index()].payout = Address::from_slice(&keccak256(bytes)[12..]);
    }
    plan.deposits = [vec![stake], vec![stake + dice.pick(&[0, 0, 5])]];
    if dice.chance(UNSTAKED) {
        plan.deposits = [vec![0], vec![0]];
    }
    plan.game = Some(GamePlan { game, stake, size });
    Some(plan)
}

/// Towers of an honest node, more often where somebody lies.
fn towers(seed: u64, nodes: usize, liar: Option<(usize, Role)>) -> Option<TowerPlan> {
    // Dice of its own.
    let dice = &mut Dice::new(seed, 8);
    let honest: Vec<usize> = (0..nodes).filter(|node| liar.is_none_or(|(liar, _)| liar != *node)).collect();
    let rate = if liar.is_some() { 900 } else { 100 };
    dice.chance(rate).then(|| TowerPlan { client: dice.pick(&honest), lies: dice.chance(500) })
}

/// In a fifth of the seeds, and more often where somebody lies about games.
fn children(seed: u64, beside: &ChannelPlan, liar: Option<(usize, Role)>) -> u64 {
    // Dice of its own.
    let dice = &mut Dice::new(seed, 6);
    let lies = |(liar, role): (usize, Role)| {
        matches!(role, Role::Cheater | Role::Griefer | Role::Staller) && beside.nodes.contains(&liar)
    };
    let rate = if liar.is_some_and(lies) { 600 } else { 200 };
    if dice.chance(rate) { dice.within(&(1..=4)) } else { 0 }
}

fn channel(dice: &mut Dice, seed: u64, number: u64, nodes: [usize; 2], token: Address) -> ChannelPlan {
    let assets = dice.pick(&[0, 0, 1, 2]);
    let assets = match assets {
        0 => vec![Address::ZERO],
        1 => vec![token],
        _ => vec![Address::ZERO, token],
    };
    // Each is paid to an address of its own, so that one sees what a channel paid to whom.
    let payout = |side: Side| {
        let mut bytes = b"payout".to_vec();
        bytes.extend([seed, number, side as u64].map(u64::to_be_bytes).concat());
        Address::from_slice(&keccak256(bytes)[12..])
    };
    let participant = |side: Side| Participant {
        signer: crate::genesis::key(nodes[side.index()]).address(),
        payout: payout(side),
    };
    let mut deposit = || match dice.below(10) {
        0 => 0,
        1 => 1,
        _ => dice.within(&(1_000..=1_000_000)),
    };
    let deposits = [(); 2].map(|()| assets.iter().map(|_| deposit()).collect());
    ChannelPlan {
        nodes,
        params: ChannelParams {
            participants: Side::BOTH.map(participant),
            challenge_duration: dice.pick(&[3_600, 3_600, 7_200]),
            nonce: seed.wrapping_mul(8).wrapping_add(number),
            app: Address::ZERO,
            child: Default::default(),
            assets,
        },
        deposits,
        both_open: dice.chance(300),
        game: None,
        terms: None,
    }
}

fn network(dice: &mut Dice, stormy: bool) -> NetworkPlan {
    let mut rate = |most: u64| if stormy && dice.chance(500) { dice.within(&(1..=most)) } else { 0 };
    let (lose, duplicate, reorder, breaks) = (rate(120), rate(120), rate(200), rate(1_000));
    let is_parted = rate(1) > 0;
    NetworkPlan {
        delay: 1..=dice.pick(&[2, 20, 200, 1_500]),
        lose,
        duplicate,
        reorder,
        break_every: if breaks == 0 { 0 } else { dice.within(&(1_000..=30_000)) },
        away: 1..=dice.pick(&[50, 500, 5_000]),
        partition_every: if is_parted { dice.within(&(2_000..=60_000)) } else { 0 },
        partition_for: 1..=dice.pick(&[1_000, 10_000, 60_000]),
    }
}

fn crashes(dice: &mut Dice, stormy: bool) -> CrashPlan {
    let mut rate = |most: u64| if stormy && dice.chance(600) { dice.within(&(1..=most)) } else { 0 };
    let (commits, effects) = (rate(25), rate(15));
    CrashPlan { commits, effects, down: 1..=dice.pick(&[20, 2_000, 60_000]) }
}

fn chain(dice: &mut Dice, stormy: bool, depth: u64) -> ChainPlan {
    let mut rate = |most: u64| if stormy && dice.chance(500) { dice.within(&(1..=most)) } else { 0 };
    let (drop, wait, reorg, unreachable) = (rate(250), rate(400), rate(200), rate(200));
    let (stalls, congestion) = (rate(1) > 0, rate(1) > 0);
    ChainPlan {
        block_ms: dice.pick(&[1_000, 2_000, 5_000, 12_000]),
        lag: 0..=dice.pick(&[0, 50, 1_500, 20_000]),
        drop,
        wait,
        reorg: if depth == 0 { 0 } else { reorg },
        depth,
        deep_reorg: 0,
        unreachable,
        stall_every: if stalls { dice.within(&(5_000..=300_000)) } else { 0 },
        stall_for: 1..=dice.pick(&[2_000, 20_000, LONGEST_STALL]),
        is_congested: congestion && dice.chance(400),
    }
}
