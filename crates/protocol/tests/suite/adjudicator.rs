//! A tiny adjudicator: the rules of `contracts/src` for channels with deposits, without gas, code to deploy, or a limit to moves.

use std::collections::BTreeMap;
use strait_protocol::{ChainAction, Rules};
use strait_types::abi::{AdjudicatorEvent as Event, Record as Recorded};
use strait_types::{
    Amount, AssetIndex, B256, ChannelId, ChannelParams, Domain, Lock, LockKind, Side, Signature, State,
    locks_hash,
};

/// Why a call reverts.
pub(crate) type Revert = &'static str;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Status {
    Open,
    Settled,
    Closed,
}

/// One channel on chain.
#[derive(Clone, Debug)]
pub(crate) struct Adjudicator {
    id: ChannelId,
    params: ChannelParams,
    domain: Domain,
    pub(crate) status: Status,
    pub(crate) deposits: Vec<[i128; 2]>,
    /// By withdrawals, while open.
    withdrawn: Vec<[i128; 2]>,
    pub(crate) recorded: Option<State>,
    /// Of the period in which states are shown; then since when it is the turn of the record's writer.
    pub(crate) deadline: Option<u64>,
    dispute: u16,
    /// Turns that ended in this dispute.
    moves: u16,
    /// Of a channel with an app.
    pub(crate) rules: Option<&'static dyn Rules>,
    reserve: Vec<i128>,
    debts: Vec<[i128; 2]>,
    locks: B256,
    registered: BTreeMap<B256, u64>,
    /// All that ever left, per asset and participant.
    pub(crate) paid_out: Vec<[i128; 2]>,
}

impl Adjudicator {
    pub(crate) fn new(id: ChannelId, params: &ChannelParams, domain: Domain) -> Adjudicator {
        let zero = vec![[0; 2]; params.assets.len()];
        Adjudicator {
            id,
            params: params.clone(),
            domain,
            status: Status::Open,
            deposits: zero.clone(),
            withdrawn: zero.clone(),
            recorded: None,
            deadline: None,
            dispute: 0,
            moves: 0,
            rules: None,
            reserve: vec![0; params.assets.len()],
            debts: zero.clone(),
            locks: B256::ZERO,
            registered: BTreeMap::new(),
            paid_out: zero,
        }
    }

    pub(crate) fn deposit(&mut self, side: Side, asset: AssetIndex, amount: Amount) -> Result<Event, Revert> {
        if self.status != Status::Open {
            return Err("not open");
        }
        self.deposits[asset.index()][side.index()] += amount.signed();
        Ok(Event::Deposited { channel: self.id, side, asset, amount })
    }

    pub(crate) fn execute(&mut self, time: u64, action: &ChainAction) -> Result<Event, Revert> {
        match action {
            ChainAction::Close(state, signatures) => self.close(time, state, signatures),
            ChainAction::Withdraw(state, signatures, previous) => {
                self.withdraw(time, state, signatures, *previous)
            }
            ChainAction::Challenge { state, signatures, previous, challenger, signature } => {
                self.challenge(time, state, signatures.as_ref(), *previous, *challenger, signature)
            }
            ChainAction::Respond(state, signatures, previous) => {
                self.respond(time, state, signatures, *previous)
            }
            ChainAction::Settle(state) => self.settle(time, state),
            ChainAction::Unlock(locks) => self.unlock(time, locks),
            ChainAction::RegisterPreimage(preimage) => self.register(time, *preimage),
            ChainAction::Progress(recorded, next, signature) => {
                self.progress(time, recorded, next, signature)
            }
            ChainAction::ProgressAgreed(recorded, next, signatures) => {
                self.progress_agreed(time, recorded, next, signatures)
            }
            ChainAction::Resume(recorded, signatures) => self.resume(*recorded, signatures),
            ChainAction::DeployApp(_) => panic!("nothing here wants {}", action.name()),
        }
    }

    fn is_forced(&self, state: &State) -> bool {
        self.rules.is_some() && state.version.0 > 0 && !state.is_final
    }

    /// Last second of the dispute.
    fn last_word(&self, state: &State) -> Result<u64, Revert> {
        let turn = if self.is_forced(state) { u64::from(self.params.challenge_duration) } else { 0 };
        Ok(self.deadline.ok_or("not disputed")? + turn)
    }

    fn require_turn(&self, time: u64, recorded: &State) -> Result<(), Revert> {
        self.require_open()?;
        let begin = self.deadline.ok_or("not disputed")?;
        if self.recorded.as_ref() != Some(recorded) || !self.is_forced(recorded) {
            return Err("record mismatch");
        }
        if time <= begin && self.moves == 0 {
            return Err("period running");
        }
        if time > self.last_word(recorded)? { Err("period over") } else { Ok(()) }
    }

    fn progress(
        &mut self,
        time: u64,
        recorded: &State,
        next: &State,
        signature: &Signature,
    ) -> Result<Event, Revert> {
        self.require_turn(time, recorded)?;
        let signer = self.params.participant(recorded.writer).signer;
        signature.verify(self.domain.state_digest(next.hash()), signer).map_err(|_| "bad signature")?;
        let follows = Some(next.version) == recorded.version.next() && next.history == recorded.hash();
        if !follows || next.is_final || next.valid_until != 0 {
            return Err("not a move");
        }
        let rules = self.rules.ok_or("no app")?;
        rules.check_move(recorded, next).and_then(|()| rules.verdict(next)).map_err(|_| "invalid move")?;
        Ok(self.go_on(time, next, next.writer != recorded.writer))
    }

    fn progress_agreed(
        &mut self,
        time: u64,
        recorded: &State,
        next: &State,
        signatures: &[Signature; 2],
    ) -> Result<Event, Revert> {
        self.require_turn(time, recorded)?;
        self.require_above(next)?;
        self.require_agreed(next, signatures)?;
        Ok(self.go_on(time, next, true))
    }

    fn go_on(&mut self, time: u64, next: &State, ends_turn: bool) -> Event {
        if ends_turn {
            self.deadline = Some(time);
            self.moves += 1;
        }
        self.recorded = Some(next.clone());
        let turn = if self.is_forced(next) { u64::from(self.params.challenge_duration) } else { 0 };
        let deadline = self.deadline.unwrap_or(time) + turn;
        Event::Progressed { channel: self.id, dispute: self.dispute, deadline, state: next.clone() }
    }

    fn resume(&mut self, recorded: Recorded, signatures: &[Signature; 2]) -> Result<Event, Revert> {
        self.require_open()?;
        self.deadline.ok_or("not disputed")?;
        self.require_record(Some(recorded))?;
        let digest = self.domain.resume_digest(self.id, self.dispute);
        for side in Side::BOTH {
            let signer = self.params.participant(side).signer;
            signatures[side.index()].verify(digest, signer).map_err(|_| "bad signature")?;
        }
        let dispute = self.dispute;
        (self.deadline, self.moves, self.dispute) = (None, 0, dispute + 1);
        Ok(Event::Resumed { channel: self.id, dispute })
    }

    fn require_open(&self) -> Result<(), Revert> {
        if self.status == Status::Open { Ok(()) } else { Err("not open") }
    }

    fn require_agreed(&self, state: &State, signatures: &[Signature; 2]) -> Result<(), Revert> {
        if state.version.0 == 0 || state.channel != self.id {
            return Err("unsigned version");
        }
        if state.allocations.len() != self.params.assets.len()
            || self.rules.is_none() && !state.app_data.is_empty()
        {
            return Err("malformed");
        }
        if state.is_final && !state.locks_hash.is_zero() {
            return Err("final with locks");
        }
        for allocation in &state.allocations {
            let locked = allocation.locked().ok_or("over-allocated")?;
            if locked != 0 && state.locks_hash.is_zero() {
                return Err("locked without locks");
            }
        }
        let digest = self.domain.state_digest(state.hash());
        for side in Side::BOTH {
            let signer = self.params.participant(side).signer;
            signatures[side.index()].verify(digest, signer).map_err(|_| "bad signature")?;
        }
        Ok(())
    }

    fn require_record(&self, previous: Option<Recorded>) -> Result<(), Revert> {
        if self.recorded.as_ref().map(Recorded::of) == previous { Ok(()) } else { Err("record mismatch") }
    }

    /// What each may claim, negative when its deposits never came.
    fn claims(&self, state: &State) -> Vec<[i128; 2]> {
        let claim = |asset: usize, i: usize| {
            let allocation = &state.allocations[asset];
            let withdrawn = i128::try_from(allocation.withdrawn[i]).unwrap();
            self.deposits[asset][i] + withdrawn - self.withdrawn[asset][i] + allocation.delta[i]
        };
        (0..self.deposits.len()).map(|asset| [claim(asset, 0), claim(asset, 1)]).collect()
    }

    fn held(&self, asset: usize) -> i128 {
        self.deposits[asset].iter().sum::<i128>() - self.paid_out[asset].iter().sum::<i128>()
    }

    fn pay(&mut self, rows: &[[i128; 2]]) -> Vec<[u128; 2]> {
        for (asset, row) in rows.iter().enumerate() {
            for (paid, amount) in self.paid_out[asset].iter_mut().zip(row) {
                assert!(*amount >= 0, "a payout is never negative");
                *paid += amount;
            }
            assert!(self.held(asset) >= 0, "never more leaves than came");
        }
        rows.iter().map(|row| row.map(|units| u128::try_from(units).unwrap())).collect()
    }

    fn close(&mut self, time: u64, state: &State, signatures: &[Signature; 2]) -> Result<Event, Revert> {
        self.require_open()?;
        if !state.is_final {
            return Err("not final");
        }
        if time > state.valid_until {
            return Err("expired");
        }
        self.require_agreed(state, signatures)?;
        let claims = self.claims(state);
        if claims.iter().flatten().any(|claim| *claim < 0) {
            return Err("underfunded");
        }
        self.status = Status::Closed;
        Ok(Event::Closed { channel: self.id, paid: self.pay(&claims) })
    }

    fn withdraw(
        &mut self,
        time: u64,
        state: &State,
        signatures: &[Signature; 2],
        previous: Option<Recorded>,
    ) -> Result<Event, Revert> {
        self.require_open()?;
        if state.is_final || time > state.valid_until {
            return Err("expired");
        }
        if self.deadline.is_some_and(|deadline| time > deadline) {
            return Err("period over");
        }
        self.require_record(previous)?;
        self.require_above(state)?;
        self.require_agreed(state, signatures)?;
        let mut pays = Vec::new();
        for (asset, allocation) in state.allocations.iter().enumerate() {
            let withdrawn = allocation.withdrawn.map(|amount| i128::try_from(amount).unwrap());
            for (side, taken) in withdrawn.iter().enumerate() {
                if self.deposits[asset][side] + allocation.delta[side] < 0 {
                    return Err("underfunded");
                }
                if *taken < self.withdrawn[asset][side] {
                    return Err("withdrawn decreased");
                }
            }
            let before = self.withdrawn[asset];
            pays.push([withdrawn[0] - before[0], withdrawn[1] - before[1]]);
        }
        for (asset, row) in pays.iter().enumerate() {
            self.withdrawn[asset][0] += row[0];
            self.withdrawn[asset][1] += row[1];
        }
        self.recorded = Some(state.clone());
        Ok(Event::Withdrawn { channel: self.id, state: state.clone(), paid: self.pay(&pays) })
    }

    fn require_above(&self, state: &State) -> Result<(), Revert> {
        let recorded = self.recorded.as_ref().map_or(0, |recorded| recorded.version.0);
        if state.version.0 > recorded { Ok(()) } else { Err("stale state") }
    }

    fn challenge(
        &mut self,
        time: u64,
        state: &State,
        signatures: Option<&[Signature; 2]>,
        previous: Option<Recorded>,
        challenger: Side,
        signature: &Signature,
    ) -> Result<Event, Revert> {
        self.require_open()?;
        if self.deadline.is_some() {
            return Err("already disputed");
        }
        self.require_record(previous)?;
        if self.recorded.as_ref().is_some_and(|recorded| recorded.version == state.version) {
            if self.recorded.as_ref() != Some(state) {
                return Err("conflicting state");
            }
        } else if state.version.0 != 0 {
            self.require_above(state)?;
            self.require_agreed(state, signatures.ok_or("bad signature")?)?;
        } else if *state != State::zero(self.id, self.params.assets.len()) || self.recorded.is_some() {
            return Err("stale state");
        }
        let digest = self.domain.challenge_digest(self.id, self.dispute, state.hash());
        let signer = self.params.participant(challenger).signer;
        signature.verify(digest, signer).map_err(|_| "bad signature")?;
        let deadline = time + u64::from(self.params.challenge_duration);
        self.deadline = Some(deadline);
        self.recorded = Some(state.clone());
        let (channel, dispute) = (self.id, self.dispute);
        Ok(Event::Challenged { channel, challenger, dispute, deadline, state: state.clone() })
    }

    fn respond(
        &mut self,
        time: u64,
        state: &State,
        signatures: &[Signature; 2],
        previous: Option<Recorded>,
    ) -> Result<Event, Revert> {
        self.require_open()?;
        if time > self.deadline.ok_or("not disputed")? {
            return Err("period over");
        }
        self.require_record(previous)?;
        self.require_above(state)?;
        self.require_agreed(state, signatures)?;
        self.recorded = Some(state.clone());
        Ok(Event::Responded { channel: self.id, dispute: self.dispute, state: state.clone() })
    }

    fn settle(&mut self, time: u64, state: &State) -> Result<Event, Revert> {
        self.require_open()?;
        if time <= self.last_word(state)? {
            return Err("period running");
        }
        if self.recorded.as_ref() != Some(state) {
            return Err("record mismatch");
        }
        let mut judged = state.clone();
        if let Some(rules) = self.rules.filter(|_| self.is_forced(state)) {
            let verdict = rules.verdict(state).expect("a move without a verdict is none");
            judged.allocations.iter_mut().zip(verdict).for_each(|(of, delta)| of.delta = delta);
        }
        let mut pays = Vec::new();
        for (asset, claims) in self.claims(&judged).into_iter().enumerate() {
            let held = self.held(asset);
            let free = claims.map(|claim| claim.clamp(0, held));
            self.reserve[asset] = held - free[0] - free[1];
            self.debts[asset] = claims.map(|claim| (-claim).max(0));
            pays.push(free);
        }
        let ended = self.reserve.iter().all(|reserve| *reserve == 0);
        self.status = if ended { Status::Closed } else { Status::Settled };
        self.locks = state.locks_hash;
        let paid = self.pay(&pays);
        let reserve = self.reserve.iter().map(|units| u128::try_from(*units).unwrap()).collect();
        Ok(Event::Settled { channel: self.id, paid, reserve, locks_hash: state.locks_hash })
    }

    fn outcome(&self, time: u64, lock: &Lock) -> Option<bool> {
        if lock.kind != LockKind::Hash {
            return None;
        }
        let redeemed = self.registered.get(&lock.reference).is_some_and(|at| *at <= lock.expiry);
        (redeemed || time > lock.expiry).then_some(redeemed)
    }

    fn unlock(&mut self, time: u64, locks: &[Lock]) -> Result<Event, Revert> {
        if self.status != Status::Settled {
            return Err("not settled");
        }
        if locks_hash(locks.iter()) != self.locks {
            return Err("locks mismatch");
        }
        let mut pays = vec![[0; 2]; self.deposits.len()];
        let mut remaining = Vec::new();
        for lock in locks {
            let Some(redeemed) = self.outcome(time, lock) else {
                remaining.push(lock.clone());
                continue;
            };
            for from in 0..2 {
                let to = if redeemed { 1 - from } else { from };
                let asset = lock.asset.index();
                let amount = lock.amounts[from].signed();
                let debt = amount.min(self.debts[asset][to]);
                self.debts[asset][to] -= debt;
                let pay = (amount - debt).min(self.reserve[asset]);
                self.reserve[asset] -= pay;
                pays[asset][to] += pay;
            }
        }
        if remaining.len() == locks.len() {
            return Err("nothing to unlock");
        }
        if remaining.is_empty() {
            for (asset, reserve) in self.reserve.iter_mut().enumerate() {
                pays[asset][0] += *reserve - *reserve / 2;
                pays[asset][1] += *reserve / 2;
                *reserve = 0;
            }
        }
        if self.reserve.iter().all(|reserve| *reserve == 0) {
            self.status = Status::Closed;
            remaining.clear();
        }
        self.locks = locks_hash(remaining.iter());
        Ok(Event::Unlocked { channel: self.id, paid: self.pay(&pays), locks: remaining })
    }

    pub(crate) fn register(&mut self, time: u64, preimage: B256) -> Result<Event, Revert> {
        let hash = crate::world::hash_of(preimage);
        if self.registered.contains_key(&hash) {
            return Err("already registered");
        }
        self.registered.insert(hash, time);
        Ok(Event::PreimageRegistered { hash, preimage })
    }
}
