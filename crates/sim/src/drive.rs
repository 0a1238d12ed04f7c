//! Drives a node as the real one does: inputs, a round, a commit, and only then the effects.

use crate::check::book::Book;
use crate::check::game::check_moves;
use crate::check::money;
use crate::check::signed::check_signature;
use crate::check::step::ChainSays;
use crate::failure::{Broken, Property};
use crate::mutation::Mutation;
use crate::node::records_of;
use crate::queue::Event;
use crate::world::World;
use strait_engine::ports::Batch;
use strait_engine::{Effect, Input};
use strait_protocol::Record;
use strait_store::Fault;
use strait_types::ChannelId;

impl World {
    /// Starts a node on what its disk holds.
    pub(crate) fn start_node(&mut self, node: usize) -> Result<(), Broken> {
        if self.nodes[node].process.is_some() {
            return Ok(());
        }
        let (now, mutation, honest) = (self.now, self.mutation, self.plan.is_honest(node));
        let lost = honest && self.lose_disk(node);
        self.nodes[node].restored |= lost;
        let restored = self.nodes[node].restored;
        if mutation == Some(Mutation::LosesCommits) && honest {
            self.nodes[node].disk.pretend_to_sync();
        }
        let domain = self.domain;
        self.set_clock(node);
        self.nodes[node].start(&domain, mutation, restored)?;
        self.meet_towers(node)?;
        self.note(format_args!("{} starts", self.name(node)));
        if self.nodes[node].life > 1 {
            self.report.count("fault", "restart");
        }
        if !matches!(mutation, Some(Mutation::StartsFromOldCopy | Mutation::LosesCommits)) {
            self.compare_with_books(node)?;
        }
        for link in 0..self.links.len() {
            if self.links[link].nodes.contains(&node) {
                self.connect_later(link);
            }
        }
        let life = self.nodes[node].life;
        self.queue.at(now, Event::Follow { node, life });
        self.round_soon(node)
    }

    /// What the journal's independent reader made of the records is what the engine made of them.
    fn compare_with_books(&mut self, node: usize) -> Result<(), Broken> {
        let Some(process) = &self.nodes[node].process else { return Ok(()) };
        for (id, book) in &self.nodes[node].books {
            let (Some(book), Some(view)) = (book, process.engine.view(*id)) else {
                return Err(Property::Replay.broken(format!("{id:?} is lost")));
            };
            let confirmed = &book.confirmed().state;
            let same = view.version == confirmed.version && view.history == confirmed.history;
            Property::Replay.check(same, || {
                format!(
                    "{id:?} recovers at version {}, its journal is at {}",
                    view.version, confirmed.version
                )
            })?;
        }
        Ok(())
    }

    /// Stops a node's process at this very moment.
    pub(crate) fn crash(&mut self, node: usize) -> Result<(), Broken> {
        let down = self.plan.crashes.down.clone();
        let down = if self.calm { 1 } else { self.weather.within(&down) };
        self.crash_for(node, down)
    }

    /// Stops a node's process for a while.
    pub(crate) fn crash_for(&mut self, node: usize, down: u64) -> Result<(), Broken> {
        let Some(process) = self.nodes[node].process.take() else { return Ok(()) };
        self.note(format_args!("{} crashes", self.name(node)));
        drop(process);
        let unsynced = self.nodes[node].disk.unsynced() as u64;
        let kept = self.weather.below(unsynced + 1);
        self.nodes[node].disk.crash(kept as usize);
        self.calls.lose(node);
        self.leave_towers(node)?;
        for link in 0..self.links.len() {
            if self.links[link].nodes.contains(&node) {
                self.disconnect(link)?;
            }
        }
        self.after(down, Event::Start { node });
        Ok(())
    }

    /// What time it is for a node, in milliseconds.
    fn clock(&self, node: usize) -> u64 {
        self.now.saturating_add_signed(self.nodes[node].clock_error)
    }

    /// An input from the user or the network.
    pub(crate) fn take(&mut self, node: usize, input: Input) -> Result<(), Broken> {
        let clock = self.clock(node);
        let Some(process) = &mut self.nodes[node].process else { return Ok(()) };
        process.engine.handle(clock, input);
        self.round_soon(node)
    }

    /// An input from the chain; the way to it is free again.
    pub(crate) fn take_from_world(&mut self, node: usize, input: Input) -> Result<(), Broken> {
        if let Input::Followed(followed) = &input {
            let lagging = followed.blocks.last().is_some_and(|block| block.at != followed.head);
            if let Some(process) = &mut self.nodes[node].process {
                process.following = false;
            }
            let with_events = followed.blocks.iter().filter(|block| !block.events.is_empty());
            let with_events: Vec<u64> = with_events.map(|block| block.at.number).collect();
            if !with_events.is_empty() {
                let fork = followed.fork.map(|fork| fork.number);
                self.note(format_args!(
                    "{} follows from {fork:?}, events in {with_events:?}",
                    self.name(node)
                ));
            }
            if lagging {
                self.follow_soon(node);
            }
        }
        self.take(node, input)
    }

    fn round_soon(&mut self, node: usize) -> Result<(), Broken> {
        let wait = if self.weather.chance(self.plan.join) { self.weather.below(5) } else { 0 };
        let life = self.nodes[node].life;
        let Some(process) = &mut self.nodes[node].process else { return Ok(()) };
        if process.round_due {
            return Ok(());
        }
        if wait == 0 {
            return self.round(node);
        }
        process.round_due = true;
        self.after(wait, Event::Round { node, life });
        Ok(())
    }

    /// Ends a round; its commit may still be on its way when the next round ends.
    pub(crate) fn round(&mut self, node: usize) -> Result<(), Broken> {
        let (now, clock) = (self.now, self.clock(node));
        let wait = if self.weather.chance(self.plan.join) { self.weather.below(8) } else { 0 };
        let life = self.nodes[node].life;
        let Some(process) = &mut self.nodes[node].process else { return Ok(()) };
        process.round_due = false;
        if let Some(later) = process.engine.round(clock) {
            match &mut process.staged {
                Some(staged) => staged.join(later),
                None => process.staged = Some(later),
            }
        }
        if let Some(due) = process.engine.next_tick()
            && process.tick_at.is_none_or(|at| due < at)
        {
            process.tick_at = Some(due);
            let at = now + due.saturating_sub(clock).max(1);
            self.queue.at(at, Event::Tick { node, life });
        }
        let Some(process) = &mut self.nodes[node].process else { return Ok(()) };
        if process.staged.is_none() || process.commit_due {
            return Ok(());
        }
        if wait == 0 {
            return self.commit(node);
        }
        process.commit_due = true;
        self.after(wait, Event::Commit { node, life });
        Ok(())
    }

    pub(crate) fn tick(&mut self, node: usize) -> Result<(), Broken> {
        if let Some(process) = &mut self.nodes[node].process {
            process.tick_at = None;
        }
        self.take(node, Input::Tick)
    }

    pub(crate) fn commit(&mut self, node: usize) -> Result<(), Broken> {
        let fault = self.choose_fault();
        let state = &mut self.nodes[node];
        let Some(process) = &mut state.process else { return Ok(()) };
        process.commit_due = false;
        let Some(staged) = process.staged.take() else { return Ok(()) };
        if let Some((fault, name)) = fault
            && staged.records() > 0
        {
            state.disk.fail_commit(state.disk.commits(), fault);
            self.report.count("fault", name);
        }
        let result = staged.commit(&mut process.store);
        let survives = matches!(fault, Some((Fault::CrashAfter | Fault::DiskFullAfterWrite, _)));
        if let Some(batch) = process.store.take_seen()
            && (result.is_ok() || survives)
        {
            self.read_journal(node, &batch)?;
            self.nodes[node].restored = false;
        }
        match result {
            Ok(effects) => self.perform(node, effects),
            Err(_) => self.crash(node),
        }
    }

    fn choose_fault(&mut self) -> Option<(Fault, &'static str)> {
        if self.calm || !self.weather.chance(self.plan.crashes.commits) {
            return None;
        }
        Some(self.weather.pick(&[
            (Fault::CrashBefore, "crash before a commit"),
            (Fault::Torn, "crash with a torn commit"),
            (Fault::CrashAfter, "crash after a commit, before its effects"),
            (Fault::DiskFull, "disk full"),
            (Fault::DiskFullAfterWrite, "disk full after a commit"),
        ]))
    }

    /// Lets the checkers read what was committed.
    fn read_journal(&mut self, node: usize, batch: &Batch) -> Result<(), Broken> {
        let shared = self.chain.clone();
        let registered_at = |hash| shared.with(|chain| money::registered_at(chain, hash).ok().flatten());
        let says = ChainSays { now: self.now / 1_000, registered_at: &registered_at };
        for (channel, record) in records_of(batch)? {
            self.check_adopted(node, channel, &record)?;
            let relies =
                matches!(record, Record::Accepted(_) | Record::Confirmed { .. } | Record::Rebased { .. });
            if let Record::OpenedChild { id, opening, .. } = &record {
                self.learn_of_child(*id, opening);
            }
            self.check_closings(node, &record)?;
            self.check_end(node, channel, &record)?;
            let book = self.nodes[node].books.entry(channel).or_default();
            let bound = match &record {
                Record::Wrote(update) => Some(update.version),
                _ => None,
            };
            Book::read(book, record, &says)?;
            let Some(book) = book else { continue };
            if let Some(plan) = self.channels.get(&channel).and_then(|plan| plan.game) {
                check_moves(book, plan)?;
            }
            if relies && self.plan.is_honest(node) {
                let plan = self
                    .channels
                    .get(&channel)
                    .filter(|plan| !plan.nodes.iter().all(|of| self.plan.is_honest(*of)));
                plan.map_or(Ok(()), |plan| check_signature(book, &plan.params, &self.domain))?;
            }
            for hash in std::mem::take(&mut book.fresh) {
                let version = book.positions[&hash].state.version;
                self.signed.learn(self.domain.state_digest(hash), channel, version, hash);
            }
            if let Some(version) = bound
                && let Some(hash) = book.exposed.last().copied()
                && self.plan.is_honest(node)
            {
                self.signed.bind(node, channel, version, hash)?;
            }
        }
        Ok(())
    }

    /// What a side takes over as forgotten carries a signature that its key has made.
    fn check_adopted(&self, node: usize, channel: ChannelId, record: &Record) -> Result<(), Broken> {
        let (Record::Adopted(latest), Some(side)) = (record, self.side(channel, node)) else { return Ok(()) };
        let signed = self.nodes[node].signer.digest(&latest.signatures[side.index()]);
        let is_own = signed == Some(self.domain.state_digest(latest.position.state.hash()));
        Property::Safety.check(is_own || !self.plan.is_honest(node), || {
            format!("{} adopts a state of {channel:?} that it has not signed", self.name(node))
        })
    }

    fn perform(&mut self, node: usize, effects: Vec<Effect>) -> Result<(), Broken> {
        let stops = !self.calm && !effects.is_empty() && self.weather.chance(self.plan.crashes.effects);
        let stop_after = if stops { self.weather.index(effects.len()) } else { usize::MAX };
        let life = self.nodes[node].life;
        for (number, effect) in effects.into_iter().enumerate() {
            if number == stop_after {
                self.report.count("fault", "crash between effects");
                return self.crash(node);
            }
            self.perform_one(node, effect)?;
            if self.nodes[node].life != life || self.nodes[node].process.is_none() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn perform_one(&mut self, node: usize, effect: Effect) -> Result<(), Broken> {
        let life = self.nodes[node].life;
        match effect {
            Effect::Send { peer, frame } => self.send(node, peer, frame),
            Effect::Notify(notice) => self.on_notice(node, notice),
            Effect::Submit(submission) => {
                self.submit_later(node, submission);
                Ok(())
            }
            Effect::LookUp { channel, hashes } => {
                let Some(through) =
                    self.nodes[node].process.as_ref().and_then(|p| p.engine.known_blocks().first().copied())
                else {
                    return Ok(());
                };
                let registered = self.chain.with(|chain| money::registered(chain, &hashes))?;
                let delay = self.lag(node);
                let input = Input::Registered { channel, through, registered };
                self.after(delay, Event::Take { node, life, input });
                Ok(())
            }
            Effect::FindCode { app } => {
                let known = self.nodes[node].process.as_ref().map(|process| process.engine.known_blocks());
                let Some(through) = known.and_then(|known| known.first().copied()) else { return Ok(()) };
                let is_there = self.chain.with(|chain| chain.code(app).is_some_and(|code| !code.is_empty()));
                let delay = self.lag(node);
                self.after(delay, Event::Take { node, life, input: Input::Code { app, through, is_there } });
                Ok(())
            }
            // Each look at the chain begins with what the engine knows.
            Effect::FollowFrom { .. } => Ok(()),
            Effect::Tower(effect) => self.pass_to_tower(effect),
            Effect::FetchEvents { channel, through } => {
                let account = &mut self.nodes[node].account;
                // A reorg in the meantime makes the question void; the next block asks it again.
                let Ok(blocks) = strait_engine::ports::Chain::events_of(account, channel, through) else {
                    return Ok(());
                };
                let delay = self.lag(node);
                self.after(
                    delay,
                    Event::Take { node, life, input: Input::ChannelEvents { channel, through, blocks } },
                );
                Ok(())
            }
            // Only towers have others than clients.
            Effect::Dismiss { .. } => Ok(()),
            Effect::Disconnect { peer, reason } => {
                self.note(format_args!("{} hangs up: {reason}", self.name(node)));
                self.report.count("defence", "hung up on a peer");
                let peer = (0..self.nodes.len()).find(|other| self.nodes[*other].key.address() == peer);
                let link = peer.and_then(|peer| self.link_between(node, peer));
                link.map_or(Ok(()), |link| self.disconnect(link))
            }
        }
    }

    /// Compares a node with what its disk would make of it.
    pub(crate) fn compare_with_disk(&mut self, node: usize) -> Result<(), Broken> {
        let state = &self.nodes[node];
        let idle =
            state.process.as_ref().is_some_and(|process| process.staged.is_none() && !process.round_due);
        if !idle || !self.plan.is_honest(node) {
            return Ok(());
        }
        self.report.count("check", "recovered equals live");
        self.nodes[node].compare_with_recovered(&self.domain)
    }

    pub(crate) fn book(&self, node: usize, channel: ChannelId) -> Option<&Book> {
        self.nodes[node].book(channel)
    }
}
