//! The end of every run: all channels are closed on chain, and the money is counted.

use crate::check::money;
use crate::failure::{Broken, Property};
use crate::phases::BLOCKS;
use crate::plan::{ChannelPlan, Role};
use crate::world::World;
use std::collections::BTreeMap;
use strait_engine::ports::Chain;
use strait_protocol::Command;
use strait_types::abi::AdjudicatorEvent;
use strait_types::abi::views::Phase;
use strait_types::{ChannelId, Side, State, U256};

/// Most of 1,000 transactions that are lost, or requests that fail, while deadlines run: who reaches the chain with
/// none of a dozen attempts loses what a deadline guards, and no protocol can help.
const WORST: u64 = 100;

impl World {
    /// Brings every channel to its end on chain: together where both are honest, else by force.
    pub(crate) fn end(&mut self) -> Result<(), Broken> {
        self.note("the end begins");
        let ids = self.children_first();
        let children = ids.iter().filter(|id| self.parent_of(**id).is_some()).count();
        for group in [&ids[..children], &ids[children..]] {
            self.end_together(group)?;
        }
        self.run_until(self.now + 3 * self.block_ms)?;
        self.roughen();
        self.force_children(&ids[..children])?;
        for id in &ids[children..] {
            if !self.is_closed(*id)? {
                self.end_by_force(*id)?;
            }
        }
        self.wait_for_end(&ids)?;
        self.calm_down()?;
        // A reorg may have taken the end back. It counts when it has its confirmations, and a deposit may still wait
        // for its second step.
        let patience = self.now + 24 * self.block_ms;
        self.run_until(self.now + 6 * self.block_ms)?;
        while self.now < patience
            && (!self.are_closed(&ids)? || ids.iter().any(|id| self.unanswered(*id).is_some()))
        {
            self.run_until(self.now + self.block_ms)?;
        }
        // What came late into a game that was given up empty comes back by a dispute.
        self.wait_for_end(&ids)
    }

    fn wait_for_end(&mut self, ids: &[ChannelId]) -> Result<(), Broken> {
        let deadline = self.now + self.longest_end();
        while !self.are_closed(ids)? {
            Property::NoHostage.check(self.now < deadline, || self.describe_open(ids))?;
            self.run_until(self.now + 4 * self.block_ms)?;
            for id in ids {
                self.repeat_force_close(*id)?;
            }
        }
        Ok(())
    }

    /// Where a channel goes, its children go by themselves; some go to the chain alone, and their parents live on for long
    /// enough to take over what the chain decides.
    fn force_children(&mut self, children: &[ChannelId]) -> Result<(), Broken> {
        let mut longest = 0;
        for id in children {
            if self.users.chance(500) && !self.is_closed(*id)? {
                longest = longest.max(u64::from(self.channels[id].params.challenge_duration) * 1_000);
                self.end_by_force(*id)?;
            }
        }
        let waits = longest > 0 && self.users.chance(700);
        if waits { self.run_until(self.now + longest + BLOCKS * self.block_ms) } else { Ok(()) }
    }

    /// All channels; children before the others.
    fn children_first(&self) -> Vec<ChannelId> {
        let is_child = |id: &ChannelId| self.parent_of(*id).is_some();
        let (children, others): (Vec<_>, Vec<_>) = self.channels.keys().partition(|id| is_child(id));
        [children, others].concat()
    }

    /// Lets honest users of channels agree on the end, in most of them.
    fn end_together(&mut self, ids: &[ChannelId]) -> Result<(), Broken> {
        for id in ids {
            let together = self.is_honest_channel(*id) && !self.is_ending(*id) && self.users.chance(700);
            let plays = self.channels[id].game.is_some();
            if together && plays {
                self.play_to_the_end(*id)?;
            } else if together && !self.is_closed(*id)? {
                self.command(self.honest_node(*id), *id, "close", Command::Close)?;
            }
        }
        self.drain("closing")
    }

    /// From here on time is coarse, but fine enough for every margin; faults may come back, at rates that leave
    /// a dozen attempts within a margin enough.
    fn roughen(&mut self) {
        let margin = self.plan.settings.iter().map(|settings| settings.lock_margin).min().unwrap_or(600);
        self.calm = !self.users.chance(500);
        let coarse = if self.calm { margin * 1_000 / 8 } else { margin * 1_000 / 30 };
        self.block_ms = self.block_ms.max(coarse);
        let chain = &mut self.plan.chain;
        chain.drop = chain.drop.min(WORST);
        chain.unreachable = chain.unreachable.min(WORST);
        chain.wait = chain.wait.min(WORST);
        self.plan.network.break_every *= 100;
        self.plan.network.partition_every *= 100;
        self.plan.network.away = 1..=20_000;
        self.coarse = true;
        self.begin_weather();
        self.report.count("run", if self.calm { "disputes in the calm" } else { "disputes in the storm" });
    }

    /// Two honest players who are connected play on, and agree on the end.
    fn play_to_the_end(&mut self, id: ChannelId) -> Result<(), Broken> {
        let Some(plan) = self.game_of(id) else { return Ok(()) };
        let has_begun = self.view(self.honest_node(id), id).is_some_and(|view| view.version.0 > 0);
        if !has_begun {
            return Ok(());
        }
        let deadline = self.now + (4 * plan.game.most_moves(plan.size) + 4 * BLOCKS) * self.block_ms;
        while !self.is_closed(id)? && !self.is_ending(id) {
            Property::Progress.check(self.now < deadline, || {
                format!("a game does not end: {:?}", self.channels[&id].nodes.map(|node| self.view(node, id)))
            })?;
            self.run_until(self.now + self.block_ms)?;
        }
        self.report.count("check", "game played to its end");
        Ok(())
    }

    fn end_by_force(&mut self, id: ChannelId) -> Result<(), Broken> {
        let victim = self.honest_node(id);
        if let Some((liar, role)) = self.plan.liar
            && self.channels[&id].nodes.contains(&liar)
            && role != Role::Staller
            && self.users.chance(if self.towers.is_empty() { 500 } else { 800 })
        {
            if self.may_be_away(victim, id) {
                // Its towers are all that answers and settles.
                let period = u64::from(self.channels[&id].params.challenge_duration) * 1_000;
                self.report.count("fault", "away for a whole dispute");
                self.crash_for(victim, period + period / 2)?;
                if self.parent_of(id).is_some() {
                    self.report.count("fault", "away with a child open");
                }
                self.challenge_children_with_old(liar, id);
            } else if self.sleeps_safely(victim) && self.users.chance(500) {
                let third = u64::from(self.channels[&id].params.challenge_duration) * 1_000 / 3;
                let down = self.users.within(&(1..=third));
                self.report.count("fault", "asleep while challenged");
                self.crash_for(victim, down)?;
            }
            if self.challenge_with_old(liar, id) {
                // The honest side has nothing to do but to answer, and to settle in the end.
                self.ending.insert(id);
                return Ok(());
            }
        }
        self.force_close(victim, id)
    }

    /// Towers answer for what is open within a channel, too.
    fn challenge_children_with_old(&mut self, liar: usize, parent: ChannelId) {
        let of_parent = |plan: &ChannelPlan| plan.terms.as_ref().is_some_and(|terms| terms.parent0 == parent);
        let children = self.channels.iter().filter(|(_, plan)| of_parent(plan)).map(|(id, _)| *id);
        let open = |id: &ChannelId| self.view(liar, *id).is_some_and(|view| view.phase == "open");
        let open: Vec<ChannelId> = children.filter(open).collect();
        for child in open {
            self.report.count("fault", "away with a child open");
            if self.users.chance(700) {
                self.challenge_with_old(liar, child);
            }
        }
    }

    /// A user whose node was down, or forgot, says it again.
    fn repeat_force_close(&mut self, id: ChannelId) -> Result<(), Broken> {
        if self.parent_of(id).is_some() {
            return Ok(());
        }
        let victim = self.honest_node(id);
        let wants = self.book(victim, id).is_some_and(|book| !book.force_close);
        let status = self.chain.with(|chain| money::status(chain, id))?;
        let idle = status.phase == Phase::Open && status.deadline.is_none();
        if wants && idle && self.nodes[victim].process.is_some() {
            self.force_close(victim, id)
        } else {
            Ok(())
        }
    }

    /// Whether a node may miss a part of the period: no lock of its channels waits for it.
    fn sleeps_safely(&self, node: usize) -> bool {
        let books = self.nodes[node].books.values().flatten();
        books.flat_map(|book| book.possible()).all(|position| position.locks.is_empty())
    }

    pub(crate) fn honest_of(&self, plan: &ChannelPlan) -> Vec<usize> {
        plan.nodes.into_iter().filter(|node| self.plan.is_honest(*node)).collect()
    }

    fn honest_node(&self, id: ChannelId) -> usize {
        let [zero, one] = self.channels[&id].nodes;
        let prefers_one = id.0[31] & 1 == 1;
        if !self.plan.is_honest(zero) || (prefers_one && self.plan.is_honest(one)) { one } else { zero }
    }

    /// Property 3: one period, the expiries of locks that were accepted, what was agreed to be executed, and some blocks.
    fn longest_end(&self) -> u64 {
        let most = |of: &dyn Fn(&ChannelPlan) -> u64| self.channels.values().map(of).max().unwrap_or(0);
        let of_parent = most(&|plan| u64::from(plan.params.challenge_duration));
        let of_child =
            most(&|plan| plan.terms.as_ref().map_or(0, |_| u64::from(plan.params.challenge_duration)));
        let period = of_parent + 2 * of_child;
        let settings = &self.plan.settings;
        let horizon = settings.iter().map(|settings| settings.lock_horizon + 2 * settings.execution_window);
        // Forced moves, each of which may take a period, and disputes that end by agreement.
        let moves = most(&|plan| plan.game.map_or(0, |plan| plan.game.most_moves(plan.size) + 8));
        // Who is away for a whole dispute comes back to what nobody has challenged.
        let away = if self.towers.is_empty() { 0 } else { 2 * of_parent * 1_000 };
        let games = moves * (period * 1_000 + BLOCKS * self.block_ms);
        (period + horizon.max().unwrap_or(0)) * 1_000 + 2 * BLOCKS * self.block_ms + games + away
    }

    fn is_closed(&self, id: ChannelId) -> Result<bool, Broken> {
        if self.parent_of(id).is_some() {
            let nodes = self.honest_of(&self.channels[&id]);
            let mut views = nodes.into_iter().filter_map(|node| self.view(node, id));
            return Ok(views.all(|view| view.phase == "closed"));
        }
        let phase = self.chain.with(|chain| money::status(chain, id))?.phase;
        // Locks that a lost disk knew, and a lying peer keeps to itself, nobody can unlock.
        let forgotten = self.book_of_claims(self.honest_node(id), id).is_none();
        Ok(phase == Phase::Closed || phase == Phase::Settled && forgotten || self.is_left_empty(id)?)
    }

    /// A channel into which nobody has put anything holds nobody: who gives it up needs no transaction, and a node may forget
    /// what its peer has offered, or has let go of.
    fn is_left_empty(&self, id: ChannelId) -> Result<bool, Broken> {
        let node = self.honest_node(id);
        let is_given_up =
            self.view(node, id).map_or_else(|| self.is_let_go(id), |view| view.phase == "closed");
        let is_left = is_given_up || self.book(node, id).is_none();
        for asset in 0..self.channels[&id].params.assets.len() {
            let funds = self.chain.with(|chain| money::funds(chain, id, asset))?;
            if funds.deposited.iter().any(|amount| !amount.is_zero()) {
                return Ok(false);
            }
        }
        Ok(is_left)
    }

    fn are_closed(&self, ids: &[ChannelId]) -> Result<bool, Broken> {
        for id in ids {
            if !self.is_closed(*id)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn describe_open(&self, ids: &[ChannelId]) -> String {
        let still = ids.iter().filter(|id| !self.is_closed(**id).unwrap_or(false));
        let views = still.map(|id| format!("{:?}", self.channels[id].nodes.map(|node| self.view(node, *id))));
        format!("still open: {}", views.collect::<Vec<_>>().join("\n"))
    }

    /// Property 2: who kept to the protocol has on chain what its journal says, or more.
    pub(crate) fn final_account(&mut self) -> Result<(), Broken> {
        let (deposited, words) = (self.deposited()?, self.last_words()?);
        for (id, plan) in self.channels.clone() {
            let unanswered = self.unanswered(id);
            Property::Progress.check(unanswered.is_none(), || unanswered.clone().unwrap_or_default())?;
            for node in self.honest_of(&plan) {
                if let (Some(book), Some(side)) = (self.book_of_history(node, id), self.side(id, node)) {
                    let last = self.recorded.get(&id).filter(|hash| book.positions.contains_key(*hash));
                    let last = self.agreed_end(node, id)?.or(last.copied());
                    self.calls.check(node, id, side, book, last.unwrap_or(book.confirmed))?;
                }
            }
            if plan.terms.is_some() {
                // What it came to is paid by its parent.
                continue;
            }
            self.check_taken_over(id, &plan)?;
            for asset in 0..plan.params.assets.len() {
                let put = deposited.get(&(id, asset)).copied().unwrap_or_default();
                self.account_for(id, &plan, asset, put, words.get(&id))?;
            }
        }
        Ok(())
    }

    /// Of one asset of a channel, into which this much was put.
    fn account_for(
        &mut self,
        id: ChannelId,
        plan: &ChannelPlan,
        asset: usize,
        put: [u128; 2],
        last_word: Option<&State>,
    ) -> Result<(), Broken> {
        let mut paid = [U256::ZERO; 2];
        for side in Side::BOTH {
            paid[side.index()] = self.chain.with(|chain| money::paid(chain, plan, side, asset))?;
            self.check_paid(id, plan.nodes[side.index()], asset, put, paid[side.index()])?;
        }
        if let Some(word) = last_word.filter(|_| plan.game.is_none()) {
            self.check_exact(id, word, asset, put, paid)?;
        }
        let (total, sum) = (put.iter().sum::<u128>(), paid[0] + paid[1]);
        let locked = self.chain.with(|chain| money::funds(chain, id, asset))?.reserve;
        Property::Conservation.check(sum + U256::from(locked) == U256::from(total), || {
            format!("{id:?} took in {total} of asset {asset}, paid out {sum} and keeps {locked}")
        })
    }

    /// Events of the canonical chain.
    pub(crate) fn all_events(&mut self) -> Result<Vec<AdjudicatorEvent>, Broken> {
        let all = self.nodes[0].account.follow(&[], usize::MAX);
        let all = all.map_err(|error| {
            Property::Conservation.broken(format!("the events are not to be had: {error}"))
        })?;
        Ok(all.blocks.into_iter().flat_map(|block| block.events).map(|event| event.event).collect())
    }

    /// Per channel and asset, by the events of the canonical chain.
    fn deposited(&mut self) -> Result<BTreeMap<(ChannelId, usize), [u128; 2]>, Broken> {
        let events = self.all_events()?;
        let mut deposited: BTreeMap<_, [u128; 2]> = BTreeMap::new();
        for event in events {
            if let AdjudicatorEvent::Deposited { channel, side, asset, amount } = event {
                deposited.entry((channel, asset.index())).or_default()[side.index()] += amount.units();
            }
        }
        Ok(deposited)
    }

    fn check_paid(
        &mut self,
        id: ChannelId,
        node: usize,
        asset: usize,
        deposits: [u128; 2],
        paid: U256,
    ) -> Result<(), Broken> {
        if !self.plan.is_honest(node) {
            return Ok(());
        }
        self.report.count("check", "final account");
        let Some(owed) = self.owed(id, node, asset, deposits)? else { return Ok(()) };
        let enough = paid >= U256::from(owed.max(0).unsigned_abs());
        Property::Safety.check(enough, || {
            format!("{} is owed {owed} of asset {asset} in {id:?} and was paid {paid}", self.name(node))
        })
    }

    fn owed(
        &mut self,
        id: ChannelId,
        node: usize,
        asset: usize,
        deposits: [u128; 2],
    ) -> Result<Option<i128>, Broken> {
        if let Some(plan) = self.game_of(id) {
            return self.owed_by_game(id, plan.game, node, deposits).map(Some);
        }
        let Some(book) = self.book_of_claims(node, id) else { return Ok(None) };
        let deposit = deposits[book.side.index()];
        let mut least = i128::MAX;
        for position in book.possible() {
            let owed = self.chain.with(|chain| money::owed_by(chain, book, position, asset, deposit))?;
            least = least.min(owed + self.owed_in_children(node, position, asset)?);
        }
        Ok(Some(least))
    }
}
