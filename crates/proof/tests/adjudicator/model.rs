//! The adjudicator by section 8 of the protocol, with decisions 0001, 0002 and 0009 for the odd cases: payment channels
//! and channels with an app. It shares nothing with the contract, and knows no gas.

use crate::hostile::{Moved, PayoutMood, TokenMood, allows, verdict};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use strait_types::abi::Record;
use strait_types::{Address, B256, ChannelId, ChannelParams, Lock, LockKind, Side, State, locks_hash};

/// Why a call is refused.
pub(crate) type Refusal = &'static str;

/// A signature that is shown: what it is worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shown {
    Good,
    /// Of somebody else, or on something else.
    Wrong,
    /// All zero.
    Absent,
}

#[derive(Clone, Debug)]
pub(crate) enum Call {
    Deposit {
        id: ChannelId,
        side: Side,
        asset: usize,
        amount: u128,
    },
    Close {
        id: ChannelId,
        state: State,
        shown: [Shown; 2],
    },
    Withdraw {
        id: ChannelId,
        state: State,
        shown: [Shown; 2],
        previous: Option<Record>,
    },
    Challenge {
        id: ChannelId,
        state: State,
        shown: [Shown; 2],
        previous: Option<Record>,
        challenger: Side,
        authorised: Shown,
    },
    Respond {
        id: ChannelId,
        state: State,
        shown: [Shown; 2],
        previous: Option<Record>,
    },
    Resume {
        id: ChannelId,
        recorded: Record,
        shown: [Shown; 2],
    },
    Progress {
        id: ChannelId,
        state: State,
        next: State,
        shown: [Shown; 2],
    },
    Settle {
        id: ChannelId,
        state: State,
    },
    Unlock {
        id: ChannelId,
        locks: Vec<Lock>,
    },
    Register {
        preimage: B256,
    },
    WithdrawCredit {
        payout: Address,
        asset: Address,
        to: Address,
    },
    /// All or none.
    Together(Vec<Call>),
    /// Chain time of the calls to come.
    Pass {
        to: u64,
    },
    Feel {
        token: Address,
        mood: TokenMood,
    },
    FeelPaid {
        payout: Address,
        mood: PayoutMood,
    },
}

impl Call {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Call::Deposit { .. } => "deposit",
            Call::Close { .. } => "close",
            Call::Withdraw { .. } => "withdraw",
            Call::Challenge { .. } => "challenge",
            Call::Respond { .. } => "respond",
            Call::Resume { .. } => "resume",
            Call::Progress { .. } => "progress",
            Call::Settle { .. } => "settle",
            Call::Unlock { .. } => "unlock",
            Call::Register { .. } => "register",
            Call::WithdrawCredit { .. } => "withdraw credit",
            Call::Together(_) => "multicall",
            Call::Pass { .. } => "time",
            Call::Feel { .. } | Call::FeelPaid { .. } => "mood",
        }
    }

    pub(crate) fn channel(&self) -> Option<ChannelId> {
        match self {
            Call::Deposit { id, .. }
            | Call::Close { id, .. }
            | Call::Withdraw { id, .. }
            | Call::Challenge { id, .. }
            | Call::Respond { id, .. }
            | Call::Resume { id, .. }
            | Call::Progress { id, .. }
            | Call::Settle { id, .. }
            | Call::Unlock { id, .. } => Some(*id),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    Open,
    Settled,
    Closed,
}

#[derive(Clone, Debug)]
pub(crate) struct Channel {
    pub(crate) params: ChannelParams,
    pub(crate) phase: Phase,
    pub(crate) deposits: Vec<[u128; 2]>,
    /// By `withdraw`.
    pub(crate) paid: Vec<[u128; 2]>,
    pub(crate) recorded: Option<State>,
    /// Of the challenge period, or since when it is the writer's turn.
    pub(crate) deadline: Option<u64>,
    moves: u8,
    pub(crate) dispute: u16,
    pub(crate) reserve: Vec<u128>,
    debts: Vec<[u128; 2]>,
    pub(crate) locks: B256,
}

impl Channel {
    pub(crate) fn new(params: ChannelParams) -> Channel {
        let zero = vec![[0; 2]; params.assets.len()];
        Channel {
            phase: Phase::Open,
            deposits: zero.clone(),
            paid: zero.clone(),
            recorded: None,
            deadline: None,
            moves: 0,
            dispute: 0,
            reserve: vec![0; params.assets.len()],
            debts: zero,
            locks: B256::ZERO,
            params,
        }
    }

    pub(crate) fn has_app(&self) -> bool {
        !self.params.app.is_zero()
    }

    pub(crate) fn record(&self) -> Option<Record> {
        self.recorded.as_ref().map(Record::of)
    }

    fn recorded_version(&self) -> u64 {
        self.recorded.as_ref().map_or(0, |state| state.version.0)
    }

    fn require_open(&self) -> Result<(), Refusal> {
        require(self.phase == Phase::Open, "ended")
    }

    fn require_payment(&self) -> Result<(), Refusal> {
        require(!self.has_app(), "not a payment channel")
    }

    fn require_record(&self, previous: Option<Record>) -> Result<(), Refusal> {
        require(self.record() == previous, "another record")
    }

    /// The rules of every state, whoever signed it.
    fn require_sound(&self, state: &State) -> Result<(), Refusal> {
        require(state.allocations.len() == self.params.assets.len(), "allocations")?;
        if self.has_app() {
            require(state.app_data.len() <= strait_types::MAX_APP_DATA, "app data")?;
            require(state.locks_hash.is_zero(), "locks")?;
            let is_even =
                state.allocations.iter().all(|one| one.locked() == Some(0) && one.withdrawn == [0; 2]);
            return require(is_even, "unbalanced");
        }
        require(state.app_data.is_empty(), "app data")?;
        require(!state.is_final || state.locks_hash.is_zero(), "final with locks")?;
        for one in &state.allocations {
            let locked = one.locked().ok_or("over-allocated")?;
            require(locked == 0 || !state.locks_hash.is_zero(), "locked without locks")?;
        }
        Ok(())
    }

    fn require_agreed(&self, state: &State, shown: [Shown; 2]) -> Result<(), Refusal> {
        self.require_sound(state)?;
        require(state.version.0 != 0, "unsigned")?;
        require(shown == [Shown::Good; 2], "signature")
    }

    /// What each may claim, with what is withdrawn and not yet paid.
    fn claims(&self, state: &State, asset: usize) -> [i128; 2] {
        let one = &state.allocations[asset];
        [0, 1].map(|i| {
            let deposit = signed(self.deposits[asset][i]) + signed(one.withdrawn[i]);
            deposit - signed(self.paid[asset][i]) + one.delta[i]
        })
    }

    fn held(&self, asset: usize) -> u128 {
        self.deposits[asset].iter().sum::<u128>() - self.paid[asset].iter().sum::<u128>()
    }

    /// Whether the writer has to move on from here.
    fn is_forced(&self, state: &State) -> bool {
        self.has_app() && state.version.0 != 0 && !state.is_final
    }

    /// Last second of the writer's turn.
    fn last_of_turn(&self, begin: u64, state: &State) -> u64 {
        let has_turn = self.is_forced(state) && self.moves < 127;
        if has_turn { begin + u64::from(self.params.challenge_duration) } else { begin }
    }

    fn end(&mut self) {
        *self = Channel { phase: Phase::Closed, ..Channel::new(self.params.clone()) };
    }
}

fn signed(amount: u128) -> i128 {
    i128::try_from(amount).expect("amounts of the test are small")
}

fn units(amount: i128) -> u128 {
    u128::try_from(amount).expect("never negative")
}

pub(crate) fn hash_of(preimage: B256) -> B256 {
    B256::new(Sha256::digest(preimage.0).into())
}

fn require(holds: bool, refusal: Refusal) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(refusal) }
}

/// All that the adjudicator knows, and what others hold.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) now: u64,
    pub(crate) channels: BTreeMap<ChannelId, Channel>,
    /// By payout and asset.
    pub(crate) credits: BTreeMap<(Address, Address), u128>,
    pub(crate) registered: BTreeMap<B256, u64>,
    /// By holder and asset: what the adjudicator paid.
    pub(crate) received: BTreeMap<(Address, Address), u128>,
    /// By asset: what the adjudicator really holds.
    pub(crate) balance: BTreeMap<Address, u128>,
    pub(crate) tokens: BTreeMap<Address, TokenMood>,
    pub(crate) payouts: BTreeMap<Address, PayoutMood>,
    /// Lists behind hashes, so that they can be shown.
    pub(crate) lists: BTreeMap<B256, Vec<Lock>>,
}

impl Model {
    pub(crate) fn execute(&mut self, call: &Call) -> Result<(), Refusal> {
        let mut next = self.clone();
        next.apply(call)?;
        *self = next;
        Ok(())
    }

    fn apply(&mut self, call: &Call) -> Result<(), Refusal> {
        match call {
            Call::Deposit { id, side, asset, amount } => self.deposit(*id, *side, *asset, *amount),
            Call::Close { id, state, shown } => self.close(*id, state, *shown),
            Call::Withdraw { id, state, shown, previous } => self.withdraw(*id, state, *shown, *previous),
            Call::Challenge { id, state, shown, previous, authorised, .. } => {
                self.challenge(*id, state, *shown, *previous)?;
                require(*authorised == Shown::Good, "signature")
            }
            Call::Respond { id, state, shown, previous } => self.respond(*id, state, *shown, *previous),
            Call::Resume { id, recorded, shown } => self.resume(*id, *recorded, *shown),
            Call::Progress { id, state, next, shown } => self.progress(*id, state, next, *shown),
            Call::Settle { id, state } => self.settle(*id, state),
            Call::Unlock { id, locks } => self.unlock(*id, locks),
            Call::Register { preimage } => {
                self.registered.entry(hash_of(*preimage)).or_insert(self.now);
                Ok(())
            }
            Call::WithdrawCredit { payout, asset, to } => self.withdraw_credit(*payout, *asset, *to),
            Call::Together(calls) => calls.iter().try_for_each(|call| self.apply(call)),
            Call::Pass { to } => {
                self.now = *to;
                Ok(())
            }
            Call::Feel { token, mood } => {
                self.tokens.insert(*token, *mood);
                Ok(())
            }
            Call::FeelPaid { payout, mood } => {
                self.payouts.insert(*payout, *mood);
                Ok(())
            }
        }
    }

    fn channel(&mut self, id: ChannelId) -> &mut Channel {
        self.channels.get_mut(&id).expect("channels of the test are known")
    }

    fn deposit(&mut self, id: ChannelId, side: Side, asset: usize, amount: u128) -> Result<(), Refusal> {
        let channel = self.channel(id);
        let token = *channel.params.assets.get(asset).ok_or("no such asset")?;
        let mood = if token.is_zero() { TokenMood::Honest } else { self.tokens[&token] };
        let arrived = mood.arrives(amount).ok_or("nothing can be pulled")?;
        let channel = self.channel(id);
        channel.require_open()?;
        require(arrived != 0, "nothing deposited")?;
        let slot = &mut channel.deposits[asset][side.index()];
        *slot += arrived;
        require(*slot < 1 << 127, "too large")?;
        *self.balance.entry(token).or_default() += arrived;
        Ok(())
    }

    fn pay(&mut self, id: ChannelId, pays: &[[u128; 2]]) {
        let params = self.channels[&id].params.clone();
        for (asset, row) in params.assets.iter().zip(pays) {
            for (participant, amount) in params.participants.iter().zip(row) {
                if *amount != 0 && !self.transfer(*asset, participant.payout, *amount, PayoutMood::takes) {
                    *self.credits.entry((participant.payout, *asset)).or_default() += amount;
                }
            }
        }
    }

    /// Whether the payment is taken for made. `takes`: whether a payout of this mood takes coins.
    fn transfer(&mut self, asset: Address, to: Address, amount: u128, takes: fn(PayoutMood) -> bool) -> bool {
        let moved = if asset.is_zero() {
            let takes = self.payouts.get(&to).is_none_or(|mood| takes(*mood));
            takes.then_some(Moved { out: amount, received: amount })
        } else {
            self.tokens[&asset].pays(amount)
        };
        let Some(Moved { out, received }) = moved else { return false };
        let balance = self.balance.entry(asset).or_default();
        *balance = balance.checked_sub(out).expect("never more leaves than came");
        *self.received.entry((to, asset)).or_default() += received;
        true
    }

    fn close(&mut self, id: ChannelId, state: &State, shown: [Shown; 2]) -> Result<(), Refusal> {
        let now = self.now;
        let channel = self.channel(id);
        channel.require_open()?;
        require(state.is_final, "not final")?;
        require(now <= state.valid_until, "expired")?;
        channel.require_agreed(state, shown)?;
        let mut pays = Vec::new();
        for asset in 0..channel.deposits.len() {
            let claims = channel.claims(state, asset);
            require(claims.iter().all(|claim| *claim >= 0), "underfunded")?;
            pays.push(claims.map(units));
        }
        channel.end();
        self.pay(id, &pays);
        Ok(())
    }

    fn withdraw(
        &mut self,
        id: ChannelId,
        state: &State,
        shown: [Shown; 2],
        previous: Option<Record>,
    ) -> Result<(), Refusal> {
        let now = self.now;
        let channel = self.channel(id);
        channel.require_payment()?;
        channel.require_open()?;
        require(!state.is_final, "final")?;
        require(now <= state.valid_until, "expired")?;
        require(channel.deadline.is_none_or(|deadline| now <= deadline), "period over")?;
        channel.require_record(previous)?;
        require(state.version.0 > channel.recorded_version(), "stale")?;
        channel.require_agreed(state, shown)?;
        let mut pays = Vec::new();
        for (asset, one) in state.allocations.iter().enumerate() {
            let mut row = [0; 2];
            for (i, pays) in row.iter_mut().enumerate() {
                let more = one.withdrawn[i].checked_sub(channel.paid[asset][i]);
                *pays = more.ok_or("withdrawn decreased")?;
                require(signed(channel.deposits[asset][i]) + one.delta[i] >= 0, "underfunded")?;
            }
            channel.paid[asset] = one.withdrawn;
            pays.push(row);
        }
        channel.recorded = Some(state.clone());
        self.pay(id, &pays);
        Ok(())
    }

    fn challenge(
        &mut self,
        id: ChannelId,
        state: &State,
        shown: [Shown; 2],
        previous: Option<Record>,
    ) -> Result<(), Refusal> {
        let now = self.now;
        let channel = self.channel(id);
        channel.require_open()?;
        require(channel.deadline.is_none(), "disputed")?;
        channel.require_record(previous)?;
        require(state.version.0 >= channel.recorded_version(), "stale")?;
        match &channel.recorded {
            Some(recorded) if recorded.version == state.version => {
                require(recorded.hash() == state.hash(), "conflicting")?;
            }
            None if state.version.0 == 0 => {
                let zero = State::zero(state.channel, channel.params.assets.len());
                require(*state == zero, "not the zero state")?;
            }
            _ => channel.require_agreed(state, shown)?,
        }
        channel.recorded = Some(state.clone());
        channel.deadline = Some(now + u64::from(channel.params.challenge_duration));
        channel.moves = 0;
        Ok(())
    }

    fn respond(
        &mut self,
        id: ChannelId,
        state: &State,
        shown: [Shown; 2],
        previous: Option<Record>,
    ) -> Result<(), Refusal> {
        let now = self.now;
        let channel = self.channel(id);
        channel.require_open()?;
        let deadline = channel.deadline.ok_or("not disputed")?;
        require(now <= deadline && channel.moves == 0, "period over")?;
        channel.require_record(previous)?;
        require(state.version.0 > channel.recorded_version(), "stale")?;
        channel.require_agreed(state, shown)?;
        channel.recorded = Some(state.clone());
        Ok(())
    }

    fn resume(&mut self, id: ChannelId, recorded: Record, shown: [Shown; 2]) -> Result<(), Refusal> {
        let channel = self.channel(id);
        channel.require_open()?;
        require(channel.deadline.is_some(), "not disputed")?;
        channel.require_record(Some(recorded))?;
        require(shown == [Shown::Good; 2], "signature")?;
        (channel.deadline, channel.moves) = (None, 0);
        channel.dispute += 1;
        Ok(())
    }

    fn progress(
        &mut self,
        id: ChannelId,
        state: &State,
        next: &State,
        shown: [Shown; 2],
    ) -> Result<(), Refusal> {
        let now = self.now;
        let channel = self.channel(id);
        require(channel.has_app(), "no app")?;
        channel.require_open()?;
        channel.require_sound(state)?;
        require(channel.record() == Some(Record::of(state)), "another record")?;
        let begin = channel.deadline.ok_or("not disputed")?;
        require(now > begin || channel.moves != 0, "period running")?;
        require(state.version.0 != 0 && !state.is_final && channel.moves < 127, "no moves from here")?;
        require(now <= channel.last_of_turn(begin, state), "turn over")?;
        channel.require_sound(next)?;
        let writer = state.writer;
        let agreed = shown[writer.other().index()] != Shown::Absent;
        if agreed {
            require(next.version > state.version, "stale")?;
            require(shown == [Shown::Good; 2], "signature")?;
        } else {
            require(shown[writer.index()] == Shown::Good, "signature")?;
            let is_next =
                Some(next.version) == state.version.next() && !next.is_final && next.valid_until == 0;
            require(is_next && next.history == state.hash(), "not a move")?;
            require(allows(state) && verdict(next).is_some(), "invalid move")?;
        }
        if agreed || next.writer != writer {
            (channel.deadline, channel.moves) = (Some(now), channel.moves + 1);
        }
        channel.recorded = Some(next.clone());
        Ok(())
    }

    fn settle(&mut self, id: ChannelId, state: &State) -> Result<(), Refusal> {
        let now = self.now;
        let channel = self.channel(id);
        channel.require_open()?;
        let deadline = channel.deadline.ok_or("not disputed")?;
        channel.require_sound(state)?;
        require(channel.record() == Some(Record::of(state)), "another record")?;
        require(now > channel.last_of_turn(deadline, state), "period running")?;
        let assets = channel.deposits.len();
        let mut pays = Vec::new();
        let mut last_word = state.clone();
        // `HostileApp` says the same whoever is the writer, so that it does not matter whose stall it is.
        let judged = if channel.is_forced(state) { verdict(state) } else { None };
        if let Some(deltas) = judged {
            last_word.allocations.iter_mut().zip(deltas).for_each(|(one, delta)| one.delta = delta);
        }
        let (mut reserve, mut debts) = (vec![0; assets], vec![[0; 2]; assets]);
        for asset in 0..assets {
            let claims = channel.claims(&last_word, asset);
            let held = channel.held(asset);
            let row = claims.map(|claim| units(claim.clamp(0, signed(held))));
            reserve[asset] = held - row[0] - row[1];
            if reserve[asset] != 0 {
                debts[asset] = claims.map(|claim| units((-claim).max(0)));
            }
            pays.push(row);
        }
        let is_over = reserve.iter().all(|units| *units == 0);
        let dispute = channel.dispute;
        channel.end();
        if !is_over {
            channel.phase = Phase::Settled;
            (channel.reserve, channel.debts) = (reserve, debts);
            (channel.locks, channel.dispute) = (state.locks_hash, dispute);
        }
        self.pay(id, &pays);
        Ok(())
    }

    /// Where a lock goes, if that is decided: parts of 0 and 1.
    fn outcome(&self, lock: &Lock) -> Option<[u128; 2]> {
        let amounts = lock.amounts.map(|amount| amount.units());
        match lock.kind {
            LockKind::Hash => {
                let is_redeemed = self.registered.get(&lock.reference).is_some_and(|at| *at <= lock.expiry);
                let [zero, one] = amounts;
                let parts = if is_redeemed { [one, zero] } else { amounts };
                (is_redeemed || self.now > lock.expiry).then_some(parts)
            }
            // No channel here is a child: one that ended has the outcome 0, 0.
            LockKind::Channel => {
                let child = self.channels.get(&ChannelId(lock.reference))?;
                (child.phase == Phase::Closed).then_some([0, amounts[0] + amounts[1]])
            }
        }
    }

    fn unlock(&mut self, id: ChannelId, locks: &[Lock]) -> Result<(), Refusal> {
        let outcomes: Vec<_> = locks.iter().map(|lock| self.outcome(lock)).collect();
        let channel = self.channel(id);
        channel.require_payment()?;
        require(channel.phase == Phase::Settled, "not settled")?;
        require(locks_hash(locks.iter()) == channel.locks, "another list")?;
        let mut pays = vec![[0; 2]; channel.deposits.len()];
        let mut remaining = Vec::new();
        for (lock, outcome) in locks.iter().zip(outcomes) {
            let Some(parts) = outcome else {
                remaining.push(lock.clone());
                continue;
            };
            let asset = lock.asset.index();
            // What is locked in an asset that the channel does not have is nothing.
            let Some(reserve) = channel.reserve.get_mut(asset) else { continue };
            for (i, part) in parts.into_iter().enumerate() {
                let debt = &mut channel.debts[asset][i];
                let repaid = part.min(*debt);
                *debt -= repaid;
                let pay = (part - repaid).min(*reserve);
                *reserve -= pay;
                pays[asset][i] += pay;
            }
        }
        require(remaining.len() < locks.len(), "nothing to unlock")?;
        if remaining.is_empty() {
            for (reserve, pay) in channel.reserve.iter_mut().zip(&mut pays) {
                pay[0] += *reserve - *reserve / 2;
                pay[1] += *reserve / 2;
                *reserve = 0;
            }
        }
        if channel.reserve.iter().all(|reserve| *reserve == 0) {
            channel.end();
        } else {
            channel.locks = locks_hash(remaining.iter());
            self.lists.insert(locks_hash(remaining.iter()), remaining);
        }
        self.pay(id, &pays);
        Ok(())
    }

    fn withdraw_credit(&mut self, payout: Address, asset: Address, to: Address) -> Result<(), Refusal> {
        let credit = self.credits.remove(&(payout, asset)).ok_or("no credit")?;
        require(self.transfer(asset, to, credit, PayoutMood::takes_with_all_gas), "not transferred")
    }
}
