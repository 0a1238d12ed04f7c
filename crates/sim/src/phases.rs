//! A run from beginning to end: a storm, the calm after it, agreement, and every channel's end on chain.

use crate::check::money;
use crate::failure::{Broken, Property};
use crate::plan::ChannelPlan;
use crate::queue::Event;
use crate::world::World;
use std::collections::BTreeMap;
use strait_engine::Input;
use strait_engine::ports::Chain;
use strait_protocol::{ChannelView, Command};
use strait_types::abi::AdjudicatorEvent;
use strait_types::abi::views::Phase;
use strait_types::{AssetIndex, ChannelId, Side, U256};

/// Between looks at whether all is quiet.
const LOOK_MS: u64 = 5_000;
/// Blocks that a step to the chain may take.
const BLOCKS: u64 = 12;

impl World {
    pub(crate) fn run(&mut self) -> Result<(), Broken> {
        self.report.count("run", if self.plan.nodes == 3 { "three nodes" } else { "two nodes" });
        let role = self.plan.liar.map_or("all honest", |(_, role)| role.name());
        self.report.count("role", role);
        let text = format!("{:#?}", self.plan);
        text.lines().for_each(|line| self.note(line));
        self.begin_run()?;
        while self.operations_left > 0 {
            self.run_until(self.now + 1_000)?;
        }
        self.run_until(self.now + 10_000)?;
        self.calm_down()?;
        self.drain("the storm")?;
        self.work_in_calm()?;
        self.agree()?;
        self.end()?;
        self.count_money()?;
        self.final_account()
    }

    fn begin_run(&mut self) -> Result<(), Broken> {
        for node in 0..self.nodes.len() {
            self.start_node(node)?;
        }
        self.after(0, Event::Mine);
        self.run_until(self.now + 1)?;
        for (id, plan) in self.channels.clone() {
            for side in Side::BOTH {
                if side == Side::Zero || plan.both_open {
                    self.open(plan.nodes[side.index()], id, &plan)?;
                }
            }
        }
        self.run_until(self.now + 2_000)?;
        for (id, plan) in self.channels.clone() {
            for (node, deposits) in plan.nodes.into_iter().zip(plan.deposits) {
                for (asset, amount) in deposits.into_iter().enumerate().filter(|(_, amount)| *amount > 0) {
                    self.deposit(node, id, AssetIndex(asset as u8), amount)?;
                }
            }
        }
        // Some users are early.
        let blocks = self.users.within(&(0..=10)) * self.block_ms + 2 * self.plan.chain.lag.end();
        self.after(1 + blocks, Event::Operate);
        self.after(1 + blocks, Event::Scheme);
        Ok(())
    }

    fn open(&mut self, node: usize, id: ChannelId, plan: &ChannelPlan) -> Result<(), Broken> {
        let token = self.begin(node, id, "open", false);
        let settings = self.plan.settings[node].clone();
        self.take(node, Input::Open { token, params: plan.params.clone(), settings })
    }

    /// Faults stop, everybody is up and connected.
    fn calm_down(&mut self) -> Result<(), Broken> {
        self.note("calm");
        self.calm = true;
        // What waits behind a lost transaction is lost with it.
        self.chain.with(|chain| {
            let waiting: Vec<_> = chain.pending().iter().map(|transaction| transaction.hash).collect();
            waiting.into_iter().for_each(|transaction| chain.forget(transaction));
        });
        for node in 0..self.nodes.len() {
            self.start_node(node)?;
        }
        for link in 0..self.links.len() {
            self.connect(link)?;
        }
        // A channel whose opening was lost with its node is opened again by its user.
        for (id, plan) in self.channels.clone() {
            for node in self.honest_of(&plan).into_iter().take(1) {
                if self.view(node, id).is_none() {
                    self.open(node, id, &plan)?;
                }
            }
        }
        Ok(())
    }

    pub(crate) fn view(&self, node: usize, channel: ChannelId) -> Option<ChannelView> {
        self.nodes[node].process.as_ref()?.engine.view(channel)
    }

    /// Property 8: what honest users began ends within bounds.
    fn drain(&mut self, after: &str) -> Result<(), Broken> {
        let settings = &self.plan.settings;
        let windows =
            settings.iter().map(|settings| settings.execution_window * 1_000 * 2).max().unwrap_or(0);
        let holds = settings.iter().map(|settings| settings.hold_timeout_ms + settings.retry_ms * 4).max();
        let bound = windows + 2 * holds.unwrap_or(0) + BLOCKS * self.block_ms + 4 * self.plan.chain.lag.end();
        let deadline = self.now + bound;
        let ids: Vec<ChannelId> = self.channels.keys().copied().collect();
        let mut looks = 0;
        loop {
            looks += 1;
            self.run_until(self.now + if looks < 10 { 500 } else { LOOK_MS })?;
            let restless = ids.iter().find_map(|id| self.restlessness(*id));
            let Some(reason) = restless else { return Ok(()) };
            Property::Progress.check(self.now < deadline, || format!("after {after}: {reason}"))?;
        }
    }

    /// Why a channel between honest nodes is not at rest.
    fn restlessness(&self, id: ChannelId) -> Option<String> {
        if !self.is_honest_channel(id) {
            return None;
        }
        let nodes = self.channels.get(&id)?.nodes;
        if let Some(node) = nodes.into_iter().find(|node| !self.sees_head(*node)) {
            return Some(format!("{} does not see the chain's head", self.name(node)));
        }
        let views = nodes.map(|node| self.view(node, id));
        let [Some(zero), Some(one)] = views else { return Some(format!("{id:?} is not known to both")) };
        if zero.phase != "open" || one.phase != "open" {
            // What was in flight when a dispute began is decided by the chain.
            return None;
        }
        if let Some(reason) = self.unanswered(id) {
            return Some(reason);
        }
        if self.ending.contains(&id) {
            return None;
        }
        let differ = zero.version != one.version || zero.in_flight + one.in_flight > 0;
        let unready = zero.link != "up" || one.link != "up";
        // Each side counts a deposit after its own number of blocks.
        let arriving = [&zero, &one].iter().any(|view| {
            view.balances.iter().any(|balance| balance.arriving.iter().any(|amount| !amount.is_zero()))
        });
        (differ || unready || arriving).then(|| format!("{id:?} does not come to rest: {zero:?} {one:?}"))
    }

    /// A command of an honest user that has not ended.
    fn unanswered(&self, id: ChannelId) -> Option<String> {
        let mut open = self.calls.open();
        let (token, call) = open.find(|(_, call)| call.channel == id && self.plan.is_honest(call.node))?;
        Some(format!("{} {token} of {} in {id:?} does not end", call.name, self.name(call.node)))
    }

    fn sees_head(&self, node: usize) -> bool {
        let Some(process) = &self.nodes[node].process else { return false };
        let head = self.chain.with(|chain| chain.head().at);
        process.engine.known_blocks().first() == Some(&head)
    }

    /// A little more, without faults: everything must work now.
    fn work_in_calm(&mut self) -> Result<(), Broken> {
        for (id, plan) in self.channels.clone() {
            for node in plan.nodes {
                let idle = !self.ending.contains(&id)
                    && self.view(node, id).is_some_and(|view| view.phase == "open");
                if idle && self.is_honest_channel(id) {
                    let before = self.calls.by_token.len() as u64;
                    let affordable = self.view(node, id).is_some_and(|view| view.balances[0].own > 0);
                    self.pay(node, id, AssetIndex(0), 1.into())?;
                    self.drain("a payment in the calm")?;
                    self.check_paid_in_calm(id, before, affordable)?;
                }
            }
        }
        Ok(())
    }

    /// Between honest, connected nodes with money a payment does not fail, unless the channel waits for the chain.
    fn check_paid_in_calm(&self, id: ChannelId, token: u64, affordable: bool) -> Result<(), Broken> {
        use crate::check::calls::Progress::Done;
        let progress = self.calls.by_token.get(&token).map(|call| &call.progress);
        let paid = matches!(progress, Some(Done(Ok(_))));
        Property::Progress
            .check(paid || !affordable, || format!("a payment in the calm in {id:?} ends as {progress:?}"))
    }

    /// Property 7, and what callers were told.
    fn agree(&mut self) -> Result<(), Broken> {
        self.report.count("check", "agreement");
        for (id, plan) in self.channels.clone() {
            for node in self.honest_of(&plan) {
                self.compare_with_disk(node)?;
                if let Some(book) = self.book(node, id) {
                    self.calls.check(node, id, book, book.confirmed)?;
                }
            }
            let [Some(zero), Some(one)] = plan.nodes.map(|node| self.view(node, id)) else { continue };
            if !self.is_honest_channel(id) || self.ending.contains(&id) {
                continue;
            }
            let same = zero.version == one.version
                && zero.history == one.history
                && zero.payments[0] == one.payments[1]
                && zero.payments[1] == one.payments[0]
                && zero.locks.len() == one.locks.len()
                && zero.balances.iter().zip(&one.balances).all(|(a, b)| [a.own, a.peer] == [b.peer, b.own]);
            Property::Agreement.check(same, || format!("{zero:?}\nagainst {one:?}"))?;
        }
        Ok(())
    }

    /// Brings every channel to its end on chain: together where both are honest, else by force.
    fn end(&mut self) -> Result<(), Broken> {
        self.note("the end begins");
        let ids: Vec<ChannelId> = self.channels.keys().copied().collect();
        for id in &ids {
            let together = self.is_honest_channel(*id) && !self.ending.contains(id) && self.users.chance(700);
            let node = self.honest_node(*id);
            if together {
                self.command(node, *id, "close", Command::Close)?;
            }
        }
        self.drain("closing")?;
        self.run_until(self.now + 3 * self.block_ms)?;
        // From here on time is coarse, but fine enough for every margin.
        let margin = self.plan.settings.iter().map(|settings| settings.lock_margin).min().unwrap_or(600);
        self.block_ms = self.block_ms.max(margin * 1_000 / 8);
        for id in &ids {
            if !self.is_closed(*id)? {
                self.force_close(self.honest_node(*id), *id)?;
            }
        }
        let deadline = self.now + self.longest_end();
        while !self.are_closed(&ids)? {
            Property::NoHostage.check(self.now < deadline, || self.describe_open(&ids))?;
            self.run_until(self.now + 4 * self.block_ms)?;
        }
        // The end counts when it has its confirmations; a deposit may still wait for its second step.
        let patience = self.now + 24 * self.block_ms;
        self.run_until(self.now + 6 * self.block_ms)?;
        while self.now < patience && ids.iter().any(|id| self.unanswered(*id).is_some()) {
            self.run_until(self.now + self.block_ms)?;
        }
        Ok(())
    }

    fn honest_of(&self, plan: &ChannelPlan) -> Vec<usize> {
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
        let period = most(&|plan| u64::from(plan.params.challenge_duration));
        let settings = &self.plan.settings;
        let horizon = settings.iter().map(|settings| settings.lock_horizon + 2 * settings.execution_window);
        (period + horizon.max().unwrap_or(0)) * 1_000 + 2 * BLOCKS * self.block_ms
    }

    fn is_closed(&self, id: ChannelId) -> Result<bool, Broken> {
        self.chain.with(|chain| Ok(money::status(chain, id)?.phase == Phase::Closed))
    }

    /// A channel without a deposit may have nothing to close.
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
    fn final_account(&mut self) -> Result<(), Broken> {
        let deposited = self.deposited()?;
        for (id, plan) in self.channels.clone() {
            let unanswered = self.unanswered(id);
            Property::Progress.check(unanswered.is_none(), || unanswered.clone().unwrap_or_default())?;
            for node in self.honest_of(&plan) {
                if let Some(book) = self.book(node, id) {
                    let last = self.recorded.get(&id).filter(|hash| book.positions.contains_key(*hash));
                    self.calls.check(node, id, book, last.copied().unwrap_or(book.confirmed))?;
                }
            }
            for asset in 0..plan.params.assets.len() {
                let put = deposited.get(&(id, asset)).copied().unwrap_or_default();
                let mut sum = U256::ZERO;
                for side in Side::BOTH {
                    let paid = self.chain.with(|chain| money::paid(chain, &plan, side, asset))?;
                    sum += paid;
                    self.check_paid(id, plan.nodes[side.index()], asset, put[side.index()], paid)?;
                }
                let total: u128 = put.iter().sum();
                Property::Conservation.check(sum == U256::from(total), || {
                    format!("{id:?} took in {total} of asset {asset} and paid out {sum}")
                })?;
            }
        }
        Ok(())
    }

    /// Per channel and asset, by the events of the canonical chain.
    fn deposited(&mut self) -> Result<BTreeMap<(ChannelId, usize), [u128; 2]>, Broken> {
        let all = self.nodes[0].account.follow(&[], usize::MAX);
        let all = all.map_err(|error| {
            Property::Conservation.broken(format!("the events are not to be had: {error}"))
        })?;
        let mut deposited: BTreeMap<_, [u128; 2]> = BTreeMap::new();
        for event in all.blocks.into_iter().flat_map(|block| block.events) {
            if let AdjudicatorEvent::Deposited { channel, side, asset, amount } = event.event {
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
        deposit: u128,
        paid: U256,
    ) -> Result<(), Broken> {
        if !self.plan.is_honest(node) {
            return Ok(());
        }
        self.report.count("check", "final account");
        let Some(book) = self.nodes[node].book(id) else { return Ok(()) };
        let owed = self.chain.with(|chain| money::owed(chain, book, asset, deposit))?;
        let enough = paid >= U256::from(owed.max(0).unsigned_abs());
        Property::Safety.check(enough, || {
            format!("{} is owed {owed} of asset {asset} in {id:?} and was paid {paid}", self.name(node))
        })
    }
}
