//! How the nodes are driven: as the real one drives its engine.

use super::Broken;
use super::world::{BLOCK, Process, World, recover};
use std::collections::VecDeque;
use strait_engine::ports::{Chain, ChainError};
use strait_engine::{Effect, Input, Notice};
use strait_protocol::{Body, Frame};
use strait_store::Fault;
use strait_types::abi::views;
use strait_types::{Address, Bytes};

/// More frames than any exchange of two nodes takes.
const MOST_FRAMES: usize = 3_000;

fn chain_broke(error: impl std::fmt::Display) -> Broken {
    Broken(format!("the chain does not answer: {error}"))
}

impl World<'_> {
    /// Hands an input over, if the node is up, and ends the round.
    pub(super) fn input(&mut self, node: usize, input: Input) -> Result<(), Broken> {
        let now = self.now;
        let Some(process) = &mut self.nodes[node].process else { return Ok(()) };
        process.engine.handle(now, input);
        let Some(staged) = process.engine.round(now) else { return Ok(()) };
        match staged.commit(&mut process.store) {
            Ok(effects) => {
                self.nodes[node].is_restored = false;
                effects.into_iter().try_for_each(|effect| self.perform(node, effect))
            }
            Err(_) => self.crash(node),
        }
    }

    fn perform(&mut self, node: usize, effect: Effect) -> Result<(), Broken> {
        match effect {
            Effect::Send { frame, .. } => {
                self.check_signed_once(node, &frame)?;
                if self.is_connected {
                    self.nodes[node].sent.push_back(frame);
                }
            }
            Effect::Notify(notice) => self.hear(node, &notice),
            Effect::Submit(submission) => {
                self.features.note("call", format!("{:?}", submission.key));
                self.nodes[node].calls.push_back((submission, 0));
            }
            Effect::Dismiss { .. } => return self.disconnect(),
            Effect::Disconnect { reason, .. } => {
                self.features.note("hung up", reason);
                return self.disconnect();
            }
            Effect::LookUp { channel, hashes } => {
                let through = self.known_head(node);
                let mut registered = Vec::new();
                for hash in hashes {
                    let answer = self.look(views::registered_at(hash))?;
                    let time = views::read_registered_at(&answer).map_err(chain_broke)?;
                    registered.extend(time.map(|time| (hash, time)));
                }
                if let Some(through) = through {
                    return self.input(node, Input::Registered { channel, through, registered });
                }
            }
            Effect::FetchEvents { channel, through } => {
                // A reorg in the meantime makes the question void; the next block asks it again.
                if let Ok(blocks) = self.nodes[node].port.events_of(channel, through) {
                    return self.input(node, Input::ChannelEvents { channel, through, blocks });
                }
            }
            Effect::FindCode { .. } | Effect::FollowFrom { .. } | Effect::Tower(_) => {}
        }
        Ok(())
    }

    /// Where the channel stands for a node, in words.
    fn phase(&self, node: usize) -> String {
        let Some(view) = self.engine(node).and_then(|engine| engine.view(self.channel)) else {
            return String::new();
        };
        let is = |which: bool, name: &'static str| if which { name } else { "" };
        let (locked, flying) = (is(!view.locks.is_empty(), "locks"), is(view.in_flight > 0, "flight"));
        let (closing, restoring) = (is(view.closing, "closing"), is(view.restoring, "restoring"));
        let writer = is(view.writer, "writer");
        format!("{} {locked} {flying} {closing} {restoring} {writer} {}", view.phase, view.link)
    }

    fn known_head(&self, node: usize) -> Option<strait_engine::ports::BlockRef> {
        self.engine(node)?.known_blocks().first().copied()
    }

    pub(super) fn look(&self, data: Bytes) -> Result<Bytes, Broken> {
        let to = self.domain.adjudicator();
        self.chain.with(|chain| chain.call_from(Address::ZERO, to, data)).map_err(chain_broke)
    }

    fn hear(&mut self, node: usize, notice: &Notice) {
        match notice {
            Notice::Channel { event, .. } => {
                let kind = format!("{event:?}");
                let kind = kind.split(['{', '(']).next().unwrap_or_default().to_owned();
                let before = self.phase(node);
                self.features.note("event", &kind);
                self.features.note("event in", format!("{kind} {before}"));
                for (_, result) in event.ended() {
                    self.features.note("done", format!("{result:?}"));
                }
                self.nodes[node].ledger.hear(event);
            }
            Notice::Failed { token, error } => {
                self.features.note("failed", error);
                self.nodes[node].ledger.failed(*token);
            }
            other => self
                .features
                .note("notice", format!("{other:?}").split([' ', '(']).next().unwrap_or_default()),
        }
    }

    /// Property 4.
    fn check_signed_once(&mut self, node: usize, frame: &[u8]) -> Result<(), Broken> {
        let Ok(Frame::Channel { body, .. }) = Frame::decode(frame) else { return Ok(()) };
        let kind = format!("{body:?}").split([' ', '(']).next().unwrap_or_default().to_owned();
        self.features.note("sends", &kind);
        self.features.note("sends in", format!("{kind} {}", self.phase(node)));
        let signed = match body {
            Body::Update(update) => Some((update.version, update.signature)),
            Body::Acknowledge { version, signature } | Body::Rebase { version, signature, .. } => {
                Some((version, signature))
            }
            Body::Refuse(refusal) => {
                self.features.note("refuses", refusal.rule);
                refusal.signature.map(|signature| (refusal.confirmed, signature))
            }
            Body::Sync(sync) => sync.signature.map(|signature| (sync.confirmed, signature)),
            Body::Fault { rule } => {
                self.features.note("blames", rule);
                None
            }
            _ => None,
        };
        let Some((version, signature)) = signed else { return Ok(()) };
        // Signatures are deterministic, so another one is on another state.
        let first = *self.signed.entry((node, version)).or_insert(signature);
        if first == signature {
            return Ok(());
        }
        Err(Broken(format!("node {node} signs two states of version {version}")))
    }

    pub(super) fn start(&mut self, node: usize) -> Result<(), Broken> {
        if self.nodes[node].process.is_some() {
            return Ok(());
        }
        let store = self.nodes[node].disk.open();
        let store = store.map_err(|error| Broken(format!("the store does not open: {error}")))?;
        let engine = recover(&self.nodes[node], &self.domain, &store)?;
        self.nodes[node].process = Some(Process { engine, store });
        self.input(node, Input::Tick)
    }

    /// The process dies; what it had sent is on its way, and its connections break.
    pub(super) fn crash(&mut self, node: usize) -> Result<(), Broken> {
        if self.nodes[node].process.take().is_none() {
            return Ok(());
        }
        self.nodes[node].disk.crash(0);
        self.nodes[node].calls.clear();
        self.disconnect()
    }

    /// A fault in the next commit.
    pub(super) fn fail_next(&mut self, node: usize, fault: Fault) {
        let disk = &self.nodes[node].disk;
        disk.fail_commit(disk.commits(), fault);
    }

    pub(super) fn connect(&mut self) -> Result<(), Broken> {
        if self.is_connected || self.nodes.iter().any(|node| node.process.is_none()) {
            return Ok(());
        }
        self.is_connected = true;
        for node in 0..2 {
            let peer = self.signer(1 - node);
            self.input(node, Input::Connected { peer })?;
        }
        Ok(())
    }

    pub(super) fn disconnect(&mut self) -> Result<(), Broken> {
        if !std::mem::take(&mut self.is_connected) {
            return Ok(());
        }
        self.nodes.iter_mut().for_each(|node| node.sent = VecDeque::new());
        for node in 0..2 {
            let peer = self.signer(1 - node);
            self.input(node, Input::Disconnected { peer })?;
        }
        Ok(())
    }

    /// Delivers a frame of `from`; says whether there was one.
    pub(super) fn deliver(&mut self, from: usize) -> Result<bool, Broken> {
        let Some(bytes) = self.nodes[from].sent.pop_front() else { return Ok(false) };
        let peer = self.signer(from);
        self.input(1 - from, Input::Frame { peer, bytes })?;
        Ok(true)
    }

    pub(super) fn deliver_all(&mut self) -> Result<(), Broken> {
        for _ in 0..MOST_FRAMES {
            if !(self.deliver(0)? | self.deliver(1)?) {
                return Ok(());
            }
        }
        Err(Broken("two nodes that talk do not come to an end".into()))
    }

    /// Brings the next step of a call to the chain; `is_lost`: it does not get there.
    pub(super) fn call(&mut self, node: usize, is_lost: bool) -> Result<bool, Broken> {
        let Some((submission, step)) = self.nodes[node].calls.pop_front() else { return Ok(false) };
        let steps = submission.steps();
        let Some(request) = steps.get(step) else { return Ok(true) };
        let result = if is_lost {
            Err(ChainError::Unreachable("lost".into()))
        } else {
            self.nodes[node].port.submit(request)
        };
        if let Err(error) = &result {
            self.features.note("call fails", error);
        }
        let key = submission.key;
        if result.is_ok() && step + 1 < steps.len() {
            self.nodes[node].calls.push_front((submission, step + 1));
            return Ok(true);
        }
        self.input(node, Input::Submitted { key, result })?;
        Ok(true)
    }

    pub(super) fn mine(&mut self) -> Result<(), Broken> {
        let time = self.now / 1_000;
        self.chain.with(|chain| {
            chain.set_time(time);
            chain.mine();
        });
        self.check_conservation()
    }

    pub(super) fn follow(&mut self, node: usize) -> Result<(), Broken> {
        let Some(known) = self.engine(node).map(strait_engine::Engine::known_blocks) else { return Ok(()) };
        let followed = self.nodes[node].port.follow(&known, 10_000).map_err(chain_broke)?;
        self.nodes[node].asleep = 0;
        self.input(node, Input::Followed(followed))
    }

    pub(super) fn tick(&mut self, node: usize) -> Result<(), Broken> {
        let due = self.engine(node).and_then(strait_engine::Engine::next_tick);
        if due.is_some_and(|due| due <= self.now) { self.input(node, Input::Tick) } else { Ok(()) }
    }

    /// A block's time passes, and everybody deals with everything once.
    pub(super) fn serve_all(&mut self) -> Result<(), Broken> {
        self.serve_after(BLOCK)
    }

    pub(super) fn serve_after(&mut self, seconds: u64) -> Result<(), Broken> {
        for node in 0..2 {
            self.start(node)?;
        }
        self.connect()?;
        for node in 0..2 {
            for _ in 0..16 {
                if !self.call(node, false)? {
                    break;
                }
            }
        }
        self.now += seconds * 1_000;
        self.mine()?;
        for node in 0..2 {
            self.follow(node)?;
            self.tick(node)?;
        }
        self.deliver_all()
    }
}
