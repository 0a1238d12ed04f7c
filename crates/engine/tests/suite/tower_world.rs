//! Towers beside the nodes of a world.

use crate::world::{NOW_MS, World, recover};
use std::sync::Arc;
use strait_chain::DevAccount;
use strait_engine::ports::{Batch, Chain, Store as _};
use strait_engine::tower::{Admission, Quotas, Tower, TowerConfig};
use strait_engine::{Effect, EngineRecoverError, Input, Notice, SubmissionKey, TowerEffect, TowerInput};
use strait_protocol::Command;
use strait_store::{MemoryDisk, MemoryStore};
use strait_types::abi::views;
use strait_types::{Address, ChannelId, Domain, SigningKey, U256};

pub(crate) const DAY: u64 = 86_400;

pub(crate) struct Watch {
    pub(crate) tower: Tower,
    pub(crate) key: SigningKey,
    config: TowerConfig,
    disk: MemoryDisk,
    store: MemoryStore,
    port: DevAccount,
    pub(crate) notices: Vec<Notice>,
    /// Calls that it handed to the chain.
    pub(crate) calls: Vec<&'static str>,
    /// Those that the chain did not take.
    pub(crate) failed: usize,
    pub(crate) disconnects: Vec<Address>,
    /// What it sends is lost.
    pub(crate) mute: bool,
}

pub(crate) fn open_to_all() -> TowerConfig {
    let quotas = Quotas { admission: Admission::Anybody, ..Quotas::default() };
    TowerConfig { quotas, confirmations: 0, ..TowerConfig::default() }
}

fn start(port: &DevAccount, key: &SigningKey, config: &TowerConfig, store: &MemoryStore) -> Tower {
    let domain = Domain::new(port.chain_id(), port.adjudicator());
    Tower::recover(domain, Arc::new(key.clone()), config.clone(), store).expect("recovers")
}

impl Watch {
    pub(crate) fn new(world: &World, number: u8, config: TowerConfig) -> Watch {
        let account = Address::repeat_byte(0xe0 + number);
        let chain = world.nodes[0].port.chain().clone();
        chain.with(|chain| chain.fund(account, U256::from(10u64).pow(U256::from(18))));
        let (disk, port) = (MemoryDisk::new(), chain.account(account));
        let store = disk.open().expect("opens");
        let key = SigningKey::from_bytes([0x70 + number; 32]).expect("in range");
        let tower = start(&port, &key, &config, &store);
        let mut watch = Watch {
            tower,
            key,
            config,
            disk,
            store,
            port,
            notices: Vec::new(),
            calls: Vec::new(),
            failed: 0,
            disconnects: Vec::new(),
            mute: false,
        };
        watch.follow(NOW_MS);
        watch
    }

    pub(crate) fn signer(&self) -> Address {
        self.key.address()
    }

    /// Hands it an input, ends the round, and returns what it sends.
    pub(crate) fn input(&mut self, now: u64, input: Input) -> Vec<(Address, Vec<u8>)> {
        self.tower.handle(now, input);
        let mut frames = Vec::new();
        while let Some(staged) = self.tower.round(now) {
            for effect in staged.commit(&mut self.store).expect("commits") {
                self.perform(now, effect, &mut frames);
            }
        }
        if self.mute { Vec::new() } else { frames }
    }

    fn perform(&mut self, now: u64, effect: Effect, frames: &mut Vec<(Address, Vec<u8>)>) {
        match effect {
            Effect::Send { peer, frame } => frames.push((peer, frame)),
            Effect::Notify(notice) => self.notices.push(notice),
            Effect::Disconnect { peer, .. } | Effect::Dismiss { peer } => self.disconnects.push(peer),
            Effect::Submit(submission) => {
                let SubmissionKey::Call(key) = submission.key else { unreachable!("a tower has no users") };
                self.calls.push(key.name);
                let result = self.port.submit(&submission.call);
                self.failed += usize::from(result.is_err());
                self.tower.handle(now, Input::Submitted { key: submission.key, result });
            }
            Effect::FetchEvents { channel, through } => {
                let blocks = self.port.events_of(channel, through).expect("answers");
                self.tower.handle(now, Input::ChannelEvents { channel, through, blocks });
            }
            Effect::LookUp { channel, hashes } => {
                let through = self.tower.known_blocks()[0];
                let mut registered = Vec::new();
                for hash in hashes {
                    let answer = self.port.call(self.port.adjudicator(), views::registered_at(hash));
                    let time = views::read_registered_at(&answer.expect("answers")).expect("an answer");
                    registered.extend(time.map(|time| (hash, time)));
                }
                self.tower.handle(now, Input::Registered { channel, through, registered });
            }
            Effect::FollowFrom { .. } | Effect::FindCode { .. } | Effect::Tower(_) => {}
        }
    }

    /// Brings it up to the head, and lets it act on what it saw.
    pub(crate) fn follow(&mut self, now: u64) {
        for _ in 0..3 {
            let followed = self.port.follow(&self.tower.known_blocks(), 10_000).expect("answers");
            self.input(now, Input::Followed(followed));
        }
    }

    /// What becomes of it if this is its record of a channel.
    pub(crate) fn start_with(
        &mut self,
        channel: ChannelId,
        record: Vec<u8>,
    ) -> Result<(), EngineRecoverError> {
        let mut batch = Batch::default();
        batch.snapshot(channel, record);
        self.store.commit(&batch).expect("commits");
        let domain = Domain::new(self.port.chain_id(), self.port.adjudicator());
        Tower::recover(domain, Arc::new(self.key.clone()), self.config.clone(), &self.store).map(drop)
    }

    /// The process dies and starts again on the same disk.
    pub(crate) fn restart(&mut self) {
        self.disk.crash(usize::MAX);
        self.store = self.disk.open().expect("opens");
        self.tower = start(&self.port, &self.key, &self.config, &self.store);
    }
}

impl World {
    /// From now on a node hands over to these towers, which answer.
    pub(crate) fn guard(&mut self, node: usize, watches: &mut [&mut Watch]) {
        let towers = watches.iter().map(|watch| watch.signer()).collect();
        self.input(node, Input::Tower(TowerInput::Set { towers })).expect("commits");
        for watch in watches.iter_mut() {
            self.reach(node, watch);
        }
        self.hand_over(watches);
    }

    /// Connects a node with a tower.
    pub(crate) fn reach(&mut self, node: usize, watch: &mut Watch) {
        let (tower, peer) = (watch.signer(), self.signer(node));
        watch.input(self.now, Input::Connected { peer });
        self.input(node, Input::Tower(TowerInput::Connected { tower })).expect("commits");
    }

    pub(crate) fn leave(&mut self, node: usize, watch: &mut Watch) {
        let (tower, peer) = (watch.signer(), self.signer(node));
        watch.input(self.now, Input::Disconnected { peer });
        self.input(node, Input::Tower(TowerInput::Disconnected { tower })).expect("commits");
    }

    /// Delivers between nodes and towers for a second.
    pub(crate) fn hand_over(&mut self, watches: &mut [&mut Watch]) {
        for _ in 0..10 {
            self.pass(100);
            while let Some((node, effect)) = self.to_towers.pop_front() {
                let TowerEffect::Send { tower, frame } = effect else { continue };
                let Some(watch) = watches.iter_mut().find(|watch| watch.signer() == tower) else { continue };
                let peer = self.signer(node);
                for (to, bytes) in watch.input(self.now, Input::Frame { peer, bytes: frame }) {
                    let node = (0..self.nodes.len()).find(|node| self.signer(*node) == to).expect("a node");
                    self.input(node, Input::Tower(TowerInput::Frame { tower, bytes })).expect("commits");
                }
            }
        }
    }

    pub(crate) fn acknowledged(&self, node: usize, channel: ChannelId) -> Vec<Option<u64>> {
        let by = self.nodes[node].engine.guarded_by(channel);
        by.into_iter().map(|(_, version)| version.map(|version| version.0)).collect()
    }

    /// Chain time moves on, and only towers look.
    pub(crate) fn chain_passes(&mut self, seconds: u64, watches: &mut [&mut Watch]) {
        self.nodes[0].port.chain().with(|chain| {
            chain.advance(seconds);
            chain.mine();
        });
        self.now += seconds * 1_000;
        for watch in watches {
            watch.follow(self.now);
        }
    }

    /// What the payout of a node has received, in wei.
    pub(crate) fn received(&self, node: usize) -> U256 {
        let payout = Address::repeat_byte(0xb0 + u8::try_from(node).expect("few"));
        self.nodes[0].port.chain().with(|chain| chain.balance(payout))
    }

    /// Node 0 brings the state of its disk as it was in `old` to the chain. Nobody else looks.
    pub(crate) fn cheat(&mut self, old: &MemoryDisk, channel: ChannelId) {
        self.disconnect(0, 1);
        let node = &mut self.nodes[0];
        node.store = old.open().expect("opens");
        node.engine = recover(&node.key, &node.port, &node.store);
        let token = self.token();
        self.input(0, Input::Command { token, channel, command: Command::ForceClose }).expect("commits");
        let known = self.nodes[0].engine.known_blocks();
        let followed = self.nodes[0].port.follow(&known, 10_000).expect("answers");
        self.input(0, Input::Followed(followed)).expect("commits");
        // From now on the cheat is quiet.
        self.nodes[0].mute = true;
    }
}
