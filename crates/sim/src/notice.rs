//! What leaves a node for its peer and its user, seen by the checkers on the way.

use crate::check::calls::Progress;
use crate::check::durable;
use crate::failure::{Broken, Property};
use crate::mutation::Mutation;
use crate::players::{ILLEGAL, INSTALLATION};
use crate::world::World;
use strait_engine::Notice;
use strait_protocol::{Body, ChainNews, CommandError, Event, Frame, Outcome, Position, Token};
use strait_types::{Address, ChannelId};

impl World {
    pub(crate) fn send(&mut self, node: usize, peer: Address, mut frame: Vec<u8>) -> Result<(), Broken> {
        let Some(to) = (0..self.nodes.len()).find(|other| self.nodes[*other].key.address() == peer) else {
            return Ok(());
        };
        let Some(link) = self.link_between(node, to) else { return Ok(()) };
        if self.nodes[node].liar.is_some() {
            for frame in self.falsify(node, frame) {
                self.transmit(link, node, frame);
            }
            return Ok(());
        }
        if self.mutation == Some(Mutation::SignsTwice) && self.lies.chance(50) {
            frame = self.second_version(node, &frame).unwrap_or(frame);
        }
        if let Ok(Frame::Channel { channel, body }) = Frame::decode(&frame) {
            if self.mutation == Some(Mutation::NeverSyncs) && matches!(body, Body::Sync(_)) {
                return Ok(());
            }
            self.check_message(node, channel, &body)?;
            self.note_message(node, to, channel, &body);
        }
        self.transmit(link, node, frame);
        Ok(())
    }

    fn check_message(&mut self, node: usize, channel: ChannelId, body: &Body) -> Result<(), Broken> {
        let Some(book) = self.nodes[node].book(channel) else {
            if durable::binds_nothing(body) {
                return Ok(());
            }
            return Err(Property::DurableBeforeSent.broken("a message of a channel that is not durable"));
        };
        if let Body::Rebase { base_hash, version, .. } = body
            && let Some(base) = book.positions.get(base_hash)
        {
            return self.signed.bind(node, channel, *version, base.rebased(*version, false).state.hash());
        }
        if let Body::Update(update) = body
            && let Some(base) = book.positions.get(&update.base_hash)
            && let Ok(next) = base.next(update.version, &update.operations, &mut |_, _| Ok(()))
        {
            self.signed.bind(node, channel, update.version, next.state.hash())?;
        }
        durable::check(book, body)?;
        let Some(signature) = durable::signature_in(book, body) else { return Ok(()) };
        let (id, version, hash) = durable::bound_to(&self.signed, &self.nodes[node].signer, &signature)?;
        self.signed.bind(node, id, version, hash)
    }

    fn note_message(&mut self, node: usize, to: usize, channel: ChannelId, body: &Body) {
        let (from, to) = (self.name(node), self.name(to));
        let text = match body {
            Body::Update(update) => {
                let operations = crate::check::calls::describe(&update.operations);
                format!("update {} on {}:{operations}", update.version, update.base)
            }
            Body::Acknowledge { version, .. } => format!("acknowledge {version}"),
            Body::Refuse(refusal) => format!("refuse {}: {:?}", refusal.version, refusal.rule),
            Body::Sync(sync) => {
                format!("sync at {}, reply {}, restored {}", sync.confirmed, sync.reply, sync.restored)
            }
            Body::RequestPen => "request pen".into(),
            Body::Propose { id, operation } => format!("propose {id}: {operation:?}"),
            Body::Answer { id, refused } => format!("answer {id}: {refused:?}"),
            Body::Latest(latest) => format!("latest {}", latest.position.state.version),
            Body::Rebase { version, .. } => format!("rebase {version}"),
            Body::Fault { rule } => format!("fault {rule:?}"),
            Body::OfferFinish { version, .. } => format!("offer the end at {version}"),
            Body::Demand { deposits } => format!("demands {deposits:?}"),
            Body::Resume { dispute, .. } => format!("resume after dispute {dispute}"),
        };
        self.note(format_args!("{from} -> {to} {channel:?} {text}"));
    }

    pub(crate) fn on_notice(&mut self, node: usize, notice: Notice) -> Result<(), Broken> {
        match notice {
            Notice::Channel { channel, event } => self.on_channel_event(node, channel, event),
            Notice::Opened { token: Some(token), .. } | Notice::Submitted { token, .. } => {
                self.end_call(node, token, Progress::Ended)
            }
            Notice::Failed { token: INSTALLATION, error } => {
                Err(Property::Progress.broken(format!("an app is not installed: {error}")))
            }
            Notice::Failed { token, error } => {
                self.note(format_args!("{} {token} fails: {error}", self.name(node)));
                self.end_call(node, token, Progress::Ended)
            }
            Notice::DeepReorg { .. } => {
                self.report.count("defence", "halted by a deep reorg");
                self.note(format_args!("{} halts: a reorg cannot be undone", self.name(node)));
                Ok(())
            }
            Notice::ChainRebuilt => {
                self.report.count("defence", "rebuilt after a deep reorg");
                self.note(format_args!("{} has read the chain anew", self.name(node)));
                Ok(())
            }
            Notice::CallFailed { call, error, .. } => {
                self.note(format_args!("{} cannot call {call}: {error}", self.name(node)));
                Ok(())
            }
            Notice::Declined { channel, reason } => {
                self.note(format_args!("{}: {channel:?} is declined: {reason}", self.name(node)));
                let is_allowed = !self.is_honest_channel(channel) || self.is_let_go(channel);
                Property::Progress.check(is_allowed, || format!("an honest peer declines: {reason}"))
            }
            _ => Ok(()),
        }
    }

    /// Whether a user has let go of a channel into which nobody had put anything: its peer is told so.
    pub(crate) fn is_let_go(&self, channel: ChannelId) -> bool {
        let Some(plan) = self.channels.get(&channel) else { return false };
        let is_game = plan.game.is_some();
        let mut books = plan.nodes.iter().filter_map(|node| self.book(*node, channel));
        books.any(|book| book.gave_up || book.force_close && is_game)
    }

    fn on_ended(
        &mut self,
        node: usize,
        channel: ChannelId,
        token: Token,
        result: Result<Outcome, CommandError>,
    ) -> Result<(), Broken> {
        self.note(format_args!("{} {token} is done: {result:?}", self.name(node)));
        if self.mutation.is_none() {
            self.check_outcome(node, channel, &result)?;
        }
        self.end_call(node, token, Progress::Done(result))
    }

    fn on_channel_event(&mut self, node: usize, channel: ChannelId, event: Event) -> Result<(), Broken> {
        match event {
            Event::Done { token, result } => {
                let result = if self.mutation == Some(Mutation::ReportsSuccess)
                    && let Err(CommandError::InsufficientBalance { .. }) = result
                {
                    let version = strait_types::Version::ZERO;
                    Ok(Outcome::Paid { number: 0, version })
                } else {
                    result
                };
                self.on_ended(node, channel, token, result)
            }
            Event::Completed(completed) => completed
                .commands()
                .try_for_each(|(token, outcome)| self.on_ended(node, channel, token, Ok(outcome.clone()))),
            Event::PeerFault(rule) => {
                self.report.count("defence", "fault of the peer seen");
                self.note(format_args!("{}: {channel:?} peer fault {rule:?}", self.name(node)));
                Ok(())
            }
            Event::Refused { version, rule } => {
                self.report.count("defence", "version refused");
                self.note(format_args!("{}: {channel:?} refuses {version}: {rule:?}", self.name(node)));
                Ok(())
            }
            Event::ChildClosed { child, outcome } => {
                let is_on_chain = self.view(node, child).is_some_and(|view| view.recorded.is_some());
                let how = if is_on_chain { "taken over from the chain" } else { "closed back" };
                self.report.count("child", how);
                self.note(format_args!("{}: {channel:?} {how} {child:?} {outcome:?}", self.name(node)));
                Ok(())
            }
            Event::Chain(news) => {
                self.note(format_args!("{}: {channel:?} {news:?}", self.name(node)));
                if matches!(news, ChainNews::Challenged { .. } | ChainNews::Closed) {
                    self.ending.insert(channel);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A caller is told of success only when the journal has it.
    fn check_outcome(
        &self,
        node: usize,
        channel: ChannelId,
        result: &Result<Outcome, CommandError>,
    ) -> Result<(), Broken> {
        let (Ok(Outcome::Paid { version, .. } | Outcome::Agreed { version }), true) =
            (result, self.plan.is_honest(node))
        else {
            return Ok(());
        };
        let book = self.book(node, channel);
        let confirmed = book.map(|book| book.confirmed().state.version);
        // The chain's word is as good as the peer's.
        let recorded =
            self.recorded.get(&channel).and_then(|hash| Some(book?.positions.get(hash)?.state.version));
        let is_end = |position: &Position| position.state.is_final && position.state.version == *version;
        let is_closed =
            self.closed.contains(&channel) && book.is_some_and(|book| book.positions.values().any(is_end));
        let is_so = confirmed >= Some(*version) || recorded >= Some(*version) || is_closed;
        Property::DurableBeforeSent.check(is_so, || {
            format!("a caller is told of version {version}, the journal has {confirmed:?} confirmed")
        })
    }

    fn end_call(&mut self, node: usize, token: Token, progress: Progress) -> Result<(), Broken> {
        let outcome = match &progress {
            Progress::Done(Ok(_)) | Progress::Ended => "taken",
            _ => "declined",
        };
        if self.mutation == Some(Mutation::PaysTwice) && self.calls.has_ended(token) {
            // The caller of a node that repeats commands does not see the second answer.
            return Ok(());
        }
        let honest = self.plan.is_honest(node);
        if let (Progress::Done(result), true) = (&progress, honest) {
            self.count_end(self.wishes.contains_key(&token), result);
        }
        let is_done = matches!(progress, Progress::Done(Ok(_)));
        let call = self.calls.end(node, token, progress)?;
        let name = call.name;
        Property::Outcomes.check(!is_done || name != ILLEGAL, || "an illegal move is made".into())?;
        if honest && outcome == "taken" {
            self.report.count("done", name);
        } else {
            self.report.count("declined", name);
        }
        Ok(())
    }
}
