//! A run from beginning to end: a storm, the calm after it, agreement, and every channel's end on chain.

use crate::failure::{Broken, Property};
use crate::plan::{ChannelPlan, GamePlan};
use crate::queue::Event;
use crate::world::World;
use strait_engine::Input;
use strait_protocol::ChannelView;
use strait_types::{AssetIndex, ChannelId, Side};

/// Between looks at whether all is quiet.
const LOOK_MS: u64 = 5_000;
/// Blocks that a step to the chain may take.
pub(crate) const BLOCKS: u64 = 12;

impl World {
    pub(crate) fn run(&mut self) -> Result<(), Broken> {
        self.report.count("run", if self.plan.nodes == 3 { "three nodes" } else { "two nodes" });
        let role = self.plan.liar.map_or("all honest", |(_, role)| role.name());
        self.report.count("role", role);
        let games: Vec<_> = self.channels.values().filter_map(|plan| plan.game).collect();
        games.iter().for_each(|plan| self.report.count("game", plan.game.name()));
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
        self.final_account()?;
        self.play_over_hub()
    }

    fn begin_run(&mut self) -> Result<(), Broken> {
        for node in 0..self.nodes.len() {
            self.start_node(node)?;
        }
        self.start_towers();
        self.after(0, Event::Mine);
        self.run_until(self.now + 1)?;
        self.install_apps()?;
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
        self.begin_weather();
        Ok(())
    }

    fn open(&mut self, node: usize, id: ChannelId, plan: &ChannelPlan) -> Result<(), Broken> {
        let token = self.begin(node, id, "open", false);
        let settings = self.plan.settings[node].clone();
        let params = plan.params.clone();
        let input = match plan.game {
            None => Input::Open { token, params, settings },
            Some(GamePlan { game, stake, size }) => {
                Input::OpenApp { token, params, start: game.start(stake, size), settings }
            }
        };
        self.take(node, input)
    }

    /// Faults stop, everybody is up and connected.
    pub(crate) fn calm_down(&mut self) -> Result<(), Broken> {
        self.note("calm");
        self.calm = true;
        self.clear_up();
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
            let opener = plan.terms.is_none().then(|| self.honest_of(&plan).into_iter().next()).flatten();
            if let Some(node) = opener.filter(|node| self.view(*node, id).is_none()) {
                self.open(node, id, &plan)?;
            }
        }
        Ok(())
    }

    pub(crate) fn view(&self, node: usize, channel: ChannelId) -> Option<ChannelView> {
        self.nodes[node].process.as_ref()?.engine.view(channel)
    }

    /// Property 8: what honest users began ends within bounds.
    pub(crate) fn drain(&mut self, after: &str) -> Result<(), Broken> {
        let settings = &self.plan.settings;
        let windows =
            settings.iter().map(|settings| settings.execution_window * 1_000 * 2).max().unwrap_or(0);
        let holds = settings.iter().map(|settings| settings.hold_timeout_ms + settings.retry_ms * 4).max();
        let late = 4 * self.plan.chain.lag.end().max(self.plan.chain.stall_for.end());
        let bound = windows + 2 * holds.unwrap_or(0) + BLOCKS * self.block_ms + late;
        let deadline = self.now + bound;
        let mut looks = 0;
        loop {
            looks += 1;
            self.run_until(self.now + if looks < 10 { 500 } else { LOOK_MS })?;
            let restless = self.channels.keys().find_map(|id| self.restlessness(*id));
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
        if self.parent_of(id).is_some_and(|parent| self.is_decided_by_chain(parent)) {
            return None;
        }
        if views.iter().flatten().any(|view| view.phase != "open") {
            // What was in flight when a dispute began is decided by the chain. Of what was given up before anybody had
            // put anything in the other may never hear.
            return None;
        }
        let [Some(zero), Some(one)] = views else {
            // Who had only taken it has forgotten what the other let go of.
            return (!self.is_let_go(id)).then(|| format!("{id:?} is not known to both"));
        };
        if let Some(reason) = self.unanswered(id) {
            return Some(reason);
        }
        if self.is_ending(id) {
            return None;
        }
        let mut children = zero.children.iter().chain(&one.children).map(|child| child.child);
        if let Some(child) = children.find(|child| self.is_finished(*child)) {
            return Some(format!("{id:?} keeps what was locked for {child:?}, which is finished"));
        }
        let differ = zero.version != one.version || zero.in_flight + one.in_flight > 0;
        // A restored side waits for its rebase, which comes with the first deposit.
        let knows =
            |node: usize| self.nodes[node].process.as_ref().and_then(|process| process.engine.channel(id));
        let is_empty =
            nodes.iter().all(|node| knows(*node).is_some_and(|channel| channel.knows_nothing_of_chain()));
        let unready = !is_empty && (zero.link != "up" || one.link != "up");
        // Each side counts a deposit after its own number of blocks.
        let arriving = [&zero, &one].iter().any(|view| {
            view.balances.iter().any(|balance| balance.arriving.iter().any(|amount| !amount.is_zero()))
        });
        (differ || unready || arriving).then(|| format!("{id:?} does not come to rest: {zero:?} {one:?}"))
    }

    /// What was in flight in a channel, and in its children, when its dispute began is decided by the chain.
    fn is_decided_by_chain(&self, id: ChannelId) -> bool {
        let nodes = self.channels.get(&id).map_or([0; 2], |plan| plan.nodes);
        nodes.into_iter().any(|node| self.view(node, id).is_none_or(|view| view.phase != "open"))
    }

    /// A command of an honest user that has not ended.
    pub(crate) fn unanswered(&self, id: ChannelId) -> Option<String> {
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
        for (id, plan) in self.channels.clone().into_iter().filter(|(_, plan)| plan.game.is_none()) {
            for node in plan.nodes {
                let idle =
                    !self.is_ending(id) && self.view(node, id).is_some_and(|view| view.phase == "open");
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
                if let (Some(book), Some(side)) = (self.book_of_history(node, id), self.side(id, node)) {
                    // What the chain has decided is what it recorded.
                    let is_decided =
                        self.view(node, id).is_some_and(|view| matches!(view.phase, "settled" | "closed"));
                    let recorded = self.recorded.get(&id).filter(|_| is_decided);
                    let last = recorded.filter(|hash| book.positions.contains_key(*hash)).copied();
                    let last = self.agreed_end(node, id)?.or(last);
                    self.calls.check(node, id, side, book, last.unwrap_or(book.confirmed))?;
                }
            }
            let [Some(zero), Some(one)] = plan.nodes.map(|node| self.view(node, id)) else { continue };
            if !self.is_honest_channel(id) || self.is_ending(id) {
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
}
