//! Random calls: most of them nearly right, since what is all wrong is refused at the first check.

use crate::hostile::{APP_MODES, BURNS_GAS, PAYOUT_MOODS, TOKEN_MOODS};
use crate::model::{Call, Channel, Model, Phase, Shown};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use strait_types::abi::Record;
use strait_types::{
    Allocation, Amount, AssetIndex, B256, ChannelId, Lock, LockKind, Side, State, Version, keccak256,
    locks_hash,
};

/// Calls that have to succeed now and then.
pub(crate) const NAMES: &[&str] = &[
    "deposit",
    "close",
    "withdraw",
    "challenge",
    "respond",
    "resume",
    "progress",
    "settle",
    "unlock",
    "register",
    "withdraw credit",
    "multicall",
    "time",
    "mood",
];

/// Chance, all of it from the seed.
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0.next_u64() % bound
    }

    pub(crate) fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    fn side(&mut self) -> Side {
        if self.percent(50) { Side::Zero } else { Side::One }
    }

    fn amount(&mut self, most: u128) -> u128 {
        match self.below(8) {
            0 => 0,
            1 => most,
            _ => u128::from(self.0.next_u64()) * u128::from(self.0.next_u64()) % (most + 1),
        }
    }
}

/// The next call of a run.
pub(crate) fn next(dice: &mut Dice, model: &mut Model) -> Call {
    let closed = dice.percent(8);
    let chosen = |channel: &Channel| (channel.phase == Phase::Closed) == closed;
    let mut ids: Vec<ChannelId> =
        model.channels.iter().filter(|(_, channel)| chosen(channel)).map(|(id, _)| *id).collect();
    if ids.is_empty() {
        ids = model.channels.keys().copied().collect();
    }
    let id = ids[dice.index(ids.len())];
    match dice.below(100) {
        0..3 => Call::Register { preimage: preimage(dice) },
        3..15 => time(dice, model, id),
        15..19 => mood(dice, model),
        19..22 => credit(dice, model),
        22..25 => {
            let calls = (0..1 + dice.below(2)).map(|_| of_channel(dice, model, id));
            // What comes with coins can't be part of it; what changes the number to be signed would spoil the rest.
            let fits = |call: &Call| !matches!(call, Call::Deposit { .. } | Call::Resume { .. });
            Call::Together(calls.filter(fits).collect())
        }
        _ => of_channel(dice, model, id),
    }
}

fn preimage(dice: &mut Dice) -> B256 {
    keccak256([dice.below(6) as u8])
}

fn time(dice: &mut Dice, model: &Model, id: ChannelId) -> Call {
    let channel = &model.channels[&id];
    let duration = u64::from(channel.params.challenge_duration);
    let ends = channel.deadline.map(|end| [end, end + 1, end + duration, end + duration + 1]);
    let to = match ends {
        Some(ends) if dice.percent(60) => ends[dice.index(ends.len())],
        _ => model.now + dice.below(duration),
    };
    Call::Pass { to: to.max(model.now) }
}

fn mood(dice: &mut Dice, model: &Model) -> Call {
    if dice.percent(50) {
        let tokens: Vec<_> = model.tokens.keys().copied().collect();
        let mood = if dice.percent(40) { 0 } else { dice.index(TOKEN_MOODS.len()) };
        return Call::Feel { token: tokens[dice.index(tokens.len())], mood: TOKEN_MOODS[mood] };
    }
    let payouts: Vec<_> = model.payouts.keys().copied().collect();
    let mood = PAYOUT_MOODS[dice.index(PAYOUT_MOODS.len())];
    Call::FeelPaid { payout: payouts[dice.index(payouts.len())], mood }
}

fn credit(dice: &mut Dice, model: &Model) -> Call {
    let payouts: Vec<_> = model.payouts.keys().copied().collect();
    let payout = payouts[dice.index(payouts.len())];
    let to = match dice.below(3) {
        0 => payout,
        1 => payouts[dice.index(payouts.len())],
        _ => strait_types::Address::repeat_byte(0xdd),
    };
    let owed = model.credits.keys().filter(|(owner, _)| model.payouts.contains_key(owner));
    let owed: Vec<_> = owed.copied().collect();
    let own = owed.first().copied().filter(|_| dice.percent(90));
    let payout = own.map_or(payout, |(owner, _)| owner);
    Call::WithdrawCredit { payout, asset: own.map_or(strait_types::Address::ZERO, |(_, asset)| asset), to }
}

fn of_channel(dice: &mut Dice, model: &mut Model, id: ChannelId) -> Call {
    let channel = model.channels[&id].clone();
    let disputed = channel.deadline.is_some();
    let kinds: &[u64] = match (channel.phase, channel.has_app()) {
        _ if dice.percent(6) => &[0, 1, 2, 3, 4, 5, 6, 7, 8],
        (Phase::Closed, _) => &[0, 1, 2, 3, 4, 5, 6, 7, 8],
        (Phase::Settled, _) => &[8],
        (Phase::Open, false) if disputed => &[1, 2, 4, 4, 4, 5, 7, 7, 7, 7],
        (Phase::Open, true) if disputed => &[1, 4, 4, 5, 6, 6, 6, 6, 6, 6, 7, 7],
        (Phase::Open, false) => &[0, 0, 0, 0, 0, 1, 2, 2, 2, 3, 3, 3],
        (Phase::Open, true) => &[0, 0, 0, 0, 1, 3, 3, 3, 3],
    };
    let kind = kinds[dice.index(kinds.len())];
    let shown = shown(dice);
    let previous = previous(dice, &channel);
    let recorded = channel.recorded.clone().unwrap_or_else(|| State::zero(id, channel.params.assets.len()));
    match kind {
        0 => {
            let asset = dice.index(channel.params.assets.len());
            Call::Deposit { id, side: dice.side(), asset, amount: dice.amount(2_000_000_000_000_000_000) }
        }
        1 => Call::Close { id, state: state(dice, model, id, Kind::Final), shown },
        2 => Call::Withdraw { id, state: state(dice, model, id, Kind::Withdrawal), shown, previous },
        3 => {
            let state = match dice.below(4) {
                0 => State::zero(id, channel.params.assets.len()),
                1 => recorded,
                _ => state(dice, model, id, Kind::Any),
            };
            let authorised = if dice.percent(92) { Shown::Good } else { Shown::Wrong };
            Call::Challenge { id, state, shown, previous, challenger: dice.side(), authorised }
        }
        4 => Call::Respond { id, state: state(dice, model, id, Kind::Any), shown, previous },
        5 => {
            let record = previous.unwrap_or(Record { version: Version(1), state_hash: B256::ZERO });
            Call::Resume { id, recorded: record, shown }
        }
        6 => progress(dice, model, id, recorded, shown),
        7 => {
            let state = if dice.percent(90) { recorded } else { state(dice, model, id, Kind::Any) };
            Call::Settle { id, state }
        }
        _ => {
            let list = model.lists.get(&channel.locks).cloned().unwrap_or_default();
            let locks = if dice.percent(90) { list } else { locks(dice, model, id) };
            Call::Unlock { id, locks }
        }
    }
}

fn shown(dice: &mut Dice) -> [Shown; 2] {
    let mut shown = [Shown::Good; 2];
    if dice.percent(8) {
        shown[dice.index(2)] = if dice.percent(70) { Shown::Wrong } else { Shown::Absent };
    }
    shown
}

fn previous(dice: &mut Dice, channel: &Channel) -> Option<Record> {
    let mut record = channel.record();
    if dice.percent(5) {
        record = match record {
            Some(record) => Some(Record { version: Version(record.version.0 + 1), ..record }),
            None => Some(Record { version: Version(1), state_hash: B256::repeat_byte(7) }),
        };
    }
    record
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Any,
    Final,
    Withdrawal,
}

fn state(dice: &mut Dice, model: &mut Model, id: ChannelId, kind: Kind) -> State {
    let channel = model.channels[&id].clone();
    let recorded = channel.recorded.as_ref().map_or(0, |state| state.version.0);
    let mut state = State::zero(id, channel.params.assets.len());
    let version = if dice.percent(80) { recorded + 1 + dice.below(2) } else { dice.below(recorded + 2) };
    state.version = Version(version);
    state.writer = dice.side();
    state.is_final = if kind == Kind::Final { dice.percent(95) } else { dice.percent(10) };
    state.valid_until = match dice.below(6) {
        0 => 0,
        1 => model.now,
        2 => model.now - 1,
        _ => model.now + dice.below(100_000),
    };
    state.history = keccak256(dice.below(1_000).to_be_bytes());
    if channel.has_app() {
        state.app_data = app_data(dice);
        let paid = signed(dice.amount(1_200_000_000_000_000_000));
        let paid = if dice.percent(50) { paid } else { -paid };
        state.allocations[0].delta = [-paid, paid];
    } else {
        let withdraws = kind == Kind::Withdrawal || dice.percent(20);
        for (asset, one) in state.allocations.iter_mut().enumerate() {
            *one = allocation(dice, &channel, asset, withdraws);
        }
        if !state.is_final && dice.percent(70) {
            add_locks(dice, model, id, &mut state);
        }
    }
    if dice.percent(4) {
        state.allocations[0].delta[dice.index(2)] += if dice.percent(50) { 1 } else { -1 };
    }
    if dice.percent(1) {
        state.allocations.push(Allocation { delta: [0; 2], withdrawn: [0; 2] });
    }
    if dice.percent(2) {
        state.app_data = vec![0; dice.index(40)];
    }
    state
}

fn signed(amount: u128) -> i128 {
    i128::try_from(amount).expect("a small amount")
}

fn units(amount: u128) -> Amount {
    Amount::new(amount).expect("a small amount")
}

/// A payment either way, by what is deposited or a little more, and what is taken out.
fn allocation(dice: &mut Dice, channel: &Channel, asset: usize, withdraws: bool) -> Allocation {
    let [zero, one] = channel.deposits[asset];
    let more = if dice.percent(8) { 1_000 } else { 0 };
    let paid =
        if dice.percent(50) { signed(dice.amount(zero + more)) } else { -signed(dice.amount(one + more)) };
    let mut delta = [-paid, paid];
    let mut withdrawn = channel.paid[asset];
    if withdraws {
        for (i, taken) in withdrawn.iter_mut().enumerate() {
            let left = signed(channel.deposits[asset][i]) + delta[i] - signed(*taken);
            *taken += dice.amount(u128::try_from(left).unwrap_or(0));
        }
    }
    if dice.percent(3) {
        withdrawn[0] = withdrawn[0].saturating_sub(1);
    }
    for (delta, taken) in delta.iter_mut().zip(withdrawn) {
        *delta -= signed(taken);
    }
    Allocation { delta, withdrawn }
}

fn add_locks(dice: &mut Dice, model: &mut Model, id: ChannelId, state: &mut State) {
    let list = locks(dice, model, id);
    for lock in &list {
        let asset = lock.asset.index();
        // Some lists promise more than was contributed, or less.
        if let Some(one) = state.allocations.get_mut(asset)
            && !dice.percent(5)
        {
            for (delta, amount) in one.delta.iter_mut().zip(lock.amounts) {
                *delta -= signed(amount.units());
            }
        }
    }
    state.locks_hash = locks_hash(list.iter());
    model.lists.insert(state.locks_hash, list);
}

fn locks(dice: &mut Dice, model: &Model, id: ChannelId) -> Vec<Lock> {
    let channel = &model.channels[&id];
    let others: Vec<ChannelId> = model.channels.keys().copied().collect();
    (0..1 + dice.below(3))
        .map(|_| {
            let is_hash = dice.percent(85);
            let mut amounts = [Amount::ZERO; 2];
            let asset = dice.index(channel.params.assets.len());
            let side = dice.index(2);
            amounts[side] = units(dice.amount(channel.deposits[asset][side] / 2 + 5));
            if !is_hash && dice.percent(50) {
                amounts[1 - side] = units(dice.amount(1_000));
            }
            let reference = if is_hash {
                crate::model::hash_of(preimage(dice))
            } else {
                others[dice.index(others.len())].0
            };
            Lock {
                kind: if is_hash { LockKind::Hash } else { LockKind::Channel },
                asset: AssetIndex(if dice.percent(3) { 7 } else { asset as u8 }),
                amounts,
                reference,
                expiry: if is_hash { model.now + dice.below(400_000) } else { 0 },
                flip: !is_hash && dice.percent(50),
            }
        })
        .collect()
}

fn app_data(dice: &mut Dice) -> Vec<u8> {
    let mode = match dice.below(100) {
        0..60 => 0,
        60..64 => return Vec::new(),
        _ => dice.below(u64::from(APP_MODES) + 1) as u8,
    };
    // It takes the machine a long time.
    if mode == BURNS_GAS && dice.percent(90) { vec![0] } else { vec![mode] }
}

fn progress(
    dice: &mut Dice,
    model: &mut Model,
    id: ChannelId,
    recorded: State,
    mut shown: [Shown; 2],
) -> Call {
    let mut next = state(dice, model, id, Kind::Any);
    if dice.percent(70) {
        // By the writer alone.
        shown[recorded.writer.other().index()] = Shown::Absent;
        next.version = Version(recorded.version.0 + 1);
        next.history = recorded.hash();
        (next.is_final, next.valid_until) = (dice.percent(5), 0);
    }
    let state = if dice.percent(95) { recorded } else { next.clone() };
    Call::Progress { id, state, next, shown }
}
