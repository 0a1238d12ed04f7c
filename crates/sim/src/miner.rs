//! The chain, and the way to it: blocks, reorgs, transactions that are late or lost, answers that are.

use crate::check::money;
use crate::failure::{Broken, Property};
use crate::mutation::Mutation;
use crate::queue::Event;
use crate::world::World;
use strait_chain::dev::Reinclude;
use strait_engine::ports::{Chain, ChainError, TxHash};
use strait_engine::{Input, Submission, SubmissionKey};
use strait_types::abi::{AdjudicatorEvent, decode_event};
use strait_types::{Side, State, U256};

/// Blocks that a node does not undo.
const DEEP: usize = 132;
/// Of 1,000 transactions that wait for the next block although they offer enough, in a congestion.
const CROWDED: u64 = 300;
/// Blocks between counts of the money.
const COUNT_EVERY: u64 = 8;

impl World {
    /// Makes a block, perhaps after a reorg, and lets the nodes look.
    pub(crate) fn mine(&mut self) -> Result<(), Broken> {
        let time = self.now / 1_000;
        self.maybe_reorg()?;
        let included = self.choose_transactions();
        let events = self.chain.with(|chain| {
            chain.set_time(time);
            chain.mine_only(&included);
            let adjudicator = chain.adjudicator();
            let logs = chain.head().transactions.iter().flat_map(|included| {
                let of = included.transaction.from;
                included.logs.iter().map(move |log| (of, log))
            });
            let logs = logs.filter(|(_, log)| log.address == adjudicator);
            logs.filter_map(|(from, log)| Some((from, decode_event(log.topics(), &log.data.data).ok()??)))
                .collect::<Vec<_>>()
        });
        for (from, event) in events {
            let sender = self.nodes.iter().position(|node| node.account.address() == from);
            if matches!(event, AdjudicatorEvent::Responded { .. }) && self.is_tower(from) {
                self.report.count("defence", "answered by a tower");
            }
            self.see(sender, &event)?;
        }
        let number = self.chain.with(|chain| chain.head().at.number);
        if number.is_multiple_of(COUNT_EVERY) {
            self.count_money()?;
        }
        for node in 0..self.nodes.len() {
            self.follow_soon(node);
        }
        self.towers_follow();
        let next = self.block_ms;
        self.after(next, Event::Mine);
        Ok(())
    }

    /// What of the waiting transactions comes into the next block.
    fn choose_transactions(&mut self) -> Vec<TxHash> {
        let waiting: Vec<TxHash> =
            self.chain.with(|chain| chain.pending().iter().map(|transaction| transaction.hash).collect());
        let crowded = if self.is_congested { CROWDED } else { 0 };
        let wait = self.plan.chain.wait.max(crowded);
        let mut included = Vec::new();
        for transaction in waiting {
            if self.is_priced_out(transaction) {
                self.report.count("fault", "transaction priced out");
                self.raise_fee(transaction);
            } else if !self.calm && self.weather.chance(wait) {
                self.report.count("fault", "transaction delayed");
            } else {
                included.push(transaction);
            }
        }
        included
    }

    pub(crate) fn count_money(&mut self) -> Result<(), Broken> {
        self.report.count("check", "money counted");
        let channels = &self.channels;
        self.chain.with(|chain| money::conservation(chain, channels))
    }

    fn maybe_reorg(&mut self) -> Result<(), Broken> {
        let plan = self.plan.chain.clone();
        self.maybe_reorg_deeply();
        if self.calm || !self.weather.chance(plan.reorg) {
            return Ok(());
        }
        let depth = self.weather.within(&(1..=plan.depth.max(1))) as usize;
        let reinclude = self.weather.pick(&[0, 1, 2]);
        let reinclude = match reinclude {
            0 => Reinclude::Same,
            1 => Reinclude::Later,
            _ => Reinclude::Never,
        };
        if self.chain.with(|chain| chain.reorg(depth, &reinclude)).is_ok() {
            self.report.count("fault", "reorg");
            self.note(format_args!("the last {depth} blocks are replaced, {reinclude:?}"));
            self.reread_games()?;
        }
        Ok(())
    }

    /// Replaces more blocks than any node can undo. The transactions stay: what deposits cover is another matter.
    fn maybe_reorg_deeply(&mut self) {
        let possible = self.chain.with(|chain| chain.replaceable());
        // A replaced block has the fees of today, at which what it held may not be taken.
        let due = self.plan.chain.deep_reorg > 0 && possible > DEEP && !self.calm && !self.is_congested;
        if !due || !self.weather.chance(self.plan.chain.deep_reorg) {
            return;
        }
        let depth = self.weather.within(&(DEEP as u64..=possible.min(200) as u64)) as usize;
        if self.chain.with(|chain| chain.reorg(depth, &Reinclude::Same)).is_ok() {
            self.report.count("fault", "deep reorg");
            self.note(format_args!("the last {depth} blocks are replaced"));
        }
    }

    /// What a block shows.
    fn see(&mut self, sender: Option<usize>, event: &AdjudicatorEvent) -> Result<(), Broken> {
        let (name, state) = match event {
            AdjudicatorEvent::Deposited { .. } => ("deposited", None),
            AdjudicatorEvent::Challenged { state, .. } => ("challenged", Some(state)),
            AdjudicatorEvent::Responded { state, dispute, .. } => {
                self.count_answer(sender, state, *dispute)?;
                ("responded", Some(state))
            }
            AdjudicatorEvent::Resumed { channel, dispute } => {
                self.check_resume(*channel, *dispute)?;
                ("resumed", None)
            }
            AdjudicatorEvent::Withdrawn { state, .. } => ("withdrawn", Some(state)),
            AdjudicatorEvent::HubChallenged { .. } => ("challenged by the hub", None),
            AdjudicatorEvent::Progressed { state, .. } => {
                self.check_forced_move(state)?;
                self.recorded.insert(state.channel, state.hash());
                ("progressed", None)
            }
            AdjudicatorEvent::Finalised { .. } => ("finalised", None),
            AdjudicatorEvent::AppDeployed { .. } => ("app deployed", None),
            AdjudicatorEvent::Closed { channel, .. } => {
                // The final state is the last word, whatever was recorded before.
                self.recorded.remove(channel);
                self.closed.insert(*channel);
                ("closed", None)
            }
            AdjudicatorEvent::Settled { .. } => ("settled", None),
            AdjudicatorEvent::Unlocked { .. } => ("unlocked", None),
            AdjudicatorEvent::PreimageRegistered { .. } => ("preimage registered", None),
            AdjudicatorEvent::Credited { .. } => ("credited", None),
            AdjudicatorEvent::CreditWithdrawn { .. } => ("credit withdrawn", None),
        };
        self.note_game(event);
        self.report.count("chain", name);
        let number = self.chain.with(|chain| chain.head().at.number);
        let by = sender.map_or("someone", |node| self.name(node));
        let version = state.map(|state| state.version.0);
        self.note(format_args!("block {number}: {name} by {by}, {:?} version {version:?}", event.channel()));
        state.map_or(Ok(()), |state| self.bind_both(state))
    }

    /// The contract has checked both signatures on it.
    fn bind_both(&mut self, state: &State) -> Result<(), Broken> {
        self.recorded.insert(state.channel, state.hash());
        let Some(plan) = self.channels.get(&state.channel).filter(|_| state.version.0 > 0) else {
            return Ok(());
        };
        for side in Side::BOTH {
            let node = plan.nodes[side.index()];
            if self.plan.is_honest(node) {
                self.signed.bind(node, state.channel, state.version, state.hash())?;
            }
        }
        Ok(())
    }

    /// Property 5: an honest side answers each dispute once, but for what was in flight.
    fn count_answer(&mut self, sender: Option<usize>, state: &State, dispute: u16) -> Result<(), Broken> {
        if sender.is_some_and(|node| self.plan.is_honest(node))
            && self.plan.chain.reorg + self.plan.chain.deep_reorg == 0
        {
            let count = self.answers.entry((state.channel, dispute)).or_default();
            *count += 1;
            // What was in flight when the dispute began may be acknowledged, and shown, later.
            let window = self.plan.settings.iter().map(|settings| settings.window as u64).max().unwrap_or(0);
            return Property::BoundedGriefing.check(*count <= 1 + window, || {
                format!("{:?} is answered {count} times in one dispute", state.channel)
            });
        }
        Ok(())
    }

    /// Until a node hears from the chain, or the chain from the node.
    pub(crate) fn lag(&mut self, node: usize) -> u64 {
        let lag = self.plan.chain.lag.clone();
        let stalled = self.nodes[node].stalled_until.saturating_sub(self.now);
        if self.calm { 0 } else { self.weather.within(&lag).max(stalled) }
    }

    /// Lets a node look at the chain, if it is not about to.
    pub(crate) fn follow_soon(&mut self, node: usize) {
        let (delay, life) = (self.lag(node), self.nodes[node].life);
        let Some(process) = &mut self.nodes[node].process else { return };
        if !process.following {
            process.following = true;
            self.after(delay, Event::Follow { node, life });
        }
    }

    pub(crate) fn follow(&mut self, node: usize) -> Result<(), Broken> {
        let blind = self.mutation == Some(Mutation::StopsFollowing) && self.calm && self.plan.is_honest(node);
        let delay = self.lag(node);
        let limit = self.weather.pick(&[1, 3, 1_000]);
        let state = &mut self.nodes[node];
        let Some(process) = &mut state.process else { return Ok(()) };
        process.following = !blind;
        if blind {
            return Ok(());
        }
        let known = process.engine.known_blocks();
        let Ok(followed) = state.account.follow(&known, limit) else {
            process.following = false;
            return Ok(());
        };
        if delay > 0 {
            self.report.count("fault", "chain view delayed");
        }
        let life = state.life;
        self.after(delay, Event::Take { node, life, input: Input::Followed(followed) });
        Ok(())
    }

    /// Puts a node's transactions on their way.
    pub(crate) fn submit_later(&mut self, node: usize, submission: Submission) {
        if let (SubmissionKey::Call(key), Some(mutation)) = (submission.key, self.mutation)
            && mutation.drops_call(key.name)
            && self.plan.is_honest(node)
        {
            return;
        }
        if !self.lets_through(node, &submission) {
            return;
        }
        let (delay, life) = (self.lag(node), self.nodes[node].life);
        self.after(delay, Event::Submit { node, life, submission, step: 0 });
    }

    pub(crate) fn submit(&mut self, node: usize, submission: Submission, step: usize) {
        let plan = self.plan.chain.clone();
        let (unreachable, lost) = (self.weather.chance(plan.unreachable), self.weather.chance(plan.drop));
        let key = submission.key;
        let result = if unreachable && !self.calm {
            self.report.count("fault", "endpoint unreachable");
            Err(ChainError::Unreachable("simulated".into()))
        } else {
            self.send_transaction(node, &submission.steps()[step])
        };
        match result {
            Ok(transaction) => {
                if lost && !self.calm {
                    self.report.count("fault", "transaction lost");
                    self.chain.with(|chain| chain.forget(transaction));
                }
                if step + 1 < submission.steps().len() {
                    self.await_receipt(node, submission, step, transaction, 8);
                } else {
                    self.answer(node, Input::Submitted { key, result: Ok(transaction) });
                }
            }
            Err(error) => self.answer(node, Input::Submitted { key, result: Err(error) }),
        }
    }

    fn answer(&mut self, node: usize, input: Input) {
        let (delay, life) = (self.lag(node), self.nodes[node].life);
        self.after(delay, Event::Take { node, life, input });
    }

    /// The next step waits until this one is in a block; one that does not get there is sent again.
    pub(crate) fn await_receipt(
        &mut self,
        node: usize,
        submission: Submission,
        step: usize,
        transaction: TxHash,
        patience: u32,
    ) {
        let life = self.nodes[node].life;
        let receipt = self.nodes[node].account.receipt(transaction);
        let event = match (receipt, patience.checked_sub(1)) {
            (Ok(Some(_)), _) => Event::Submit { node, life, submission, step: step + 1 },
            (_, None) => Event::Submit { node, life, submission, step },
            (_, Some(patience)) => Event::Await { node, life, submission, step, transaction, patience },
        };
        let wait = self.block_ms;
        self.after(wait, event);
    }

    /// For [`Mutation::LeakyAdjudicator`]: money that no channel owns.
    pub(crate) fn leak(&mut self) {
        self.chain.with(|chain| {
            let adjudicator = chain.adjudicator();
            chain.fund(adjudicator, U256::from(1));
        });
    }
}
