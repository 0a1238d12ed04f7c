//! Watchtowers of one node: one that does what it promises, and perhaps one that lies.

use crate::check::money;
use crate::failure::{Broken, Property};
use crate::plan::ChannelPlan;
use crate::queue::Event;
use crate::world::World;
use std::sync::Arc;
use strait_chain::DevAccount;
use strait_engine::ports::{Chain, ChainError, StoreError};
use strait_engine::tower::{Admission, Quotas, Tower, TowerConfig};
use strait_engine::{Effect, Input, Submission, TowerEffect, TowerInput};
use strait_store::{MemoryDisk, MemoryStore};
use strait_types::{Address, ChannelId, SigningKey, U256, Version, keccak256};

/// Of 1,000 inputs of a tower: its process dies.
const CRASHES: u64 = 10;
/// Of 1,000 frames: the connection breaks.
const BREAKS: u64 = 10;
/// Of 1,000 frames of a tower that lies: another one instead.
const DAMAGED: u64 = 100;

/// Whose towers there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TowerPlan {
    /// The node that hands over to them.
    pub(crate) client: usize,
    /// The second one signs for what it is given, and keeps quiet when it matters.
    pub(crate) lies: bool,
}

/// Something that happens at a tower; void when it has died since.
#[derive(Debug)]
pub(crate) enum AtTower {
    Start,
    /// The client's connection comes about.
    Connect,
    /// A frame of the client's, in the connection of this number.
    Frame(u64, Vec<u8>),
    /// A frame for the client.
    Answer(u64, Vec<u8>),
    Follow,
    Tick,
    Take(Input),
}

/// A tower through all its lives.
pub(crate) struct Watch {
    key: SigningKey,
    account: DevAccount,
    disk: MemoryDisk,
    process: Option<(Tower, MemoryStore)>,
    life: u64,
    lies: bool,
    /// Number of the connection that stands, if one does.
    session: Option<u64>,
    sessions: u64,
    tick_at: Option<u64>,
}

impl Watch {
    /// The towers of a plan, with money for gas.
    pub(crate) fn all(plan: Option<TowerPlan>, chain: &strait_chain::SharedChain) -> Vec<Watch> {
        let Some(plan) = plan else { return Vec::new() };
        let make = |lies: bool| {
            let name: &[u8] = if lies { b"liar's tower" } else { b"tower" };
            let key = SigningKey::from_bytes(keccak256(name).0).expect("a hash of a name is a key");
            chain.with(|chain| chain.fund(key.address(), U256::from(u128::MAX)));
            Watch {
                account: chain.account(key.address()),
                key,
                disk: MemoryDisk::new(),
                process: None,
                life: 0,
                lies,
                session: None,
                sessions: 0,
                tick_at: None,
            }
        };
        [false, true].into_iter().filter(|lies| plan.lies || !lies).map(make).collect()
    }
}

impl World {
    /// Its towers start with the nodes.
    pub(crate) fn start_towers(&mut self) {
        for tower in 0..self.towers.len() {
            self.report.count("run", "guarded by a tower");
            self.at_tower(0, tower, AtTower::Start);
        }
    }

    fn at_tower(&mut self, delay: u64, tower: usize, what: AtTower) {
        let life = self.towers[tower].life;
        self.after(delay, Event::Tower { tower, life, what });
    }

    pub(crate) fn happen_at_tower(&mut self, tower: usize, life: u64, what: AtTower) -> Result<(), Broken> {
        if self.towers[tower].life != life {
            return Ok(());
        }
        match what {
            AtTower::Start => return self.start_tower(tower),
            AtTower::Connect => return self.connect_tower(tower),
            AtTower::Answer(session, bytes) => {
                let Some(plan) = self.plan.towers.filter(|_| self.towers[tower].session == Some(session))
                else {
                    return Ok(());
                };
                let tower = self.towers[tower].key.address();
                return self.take(plan.client, Input::Tower(TowerInput::Frame { tower, bytes }));
            }
            _ => {}
        }
        if self.towers[tower].process.is_none() {
            return Ok(());
        }
        match what {
            AtTower::Frame(session, bytes) if self.towers[tower].session == Some(session) => {
                let Some(peer) = self.tower_client() else { return Ok(()) };
                self.drive_tower(tower, Input::Frame { peer, bytes })
            }
            AtTower::Follow => {
                let known = self.towers[tower].process.as_ref().map(|(tower, _)| tower.known_blocks());
                let known = known.unwrap_or_default();
                match self.towers[tower].account.follow(&known, 1_000) {
                    Ok(followed) => self.drive_tower(tower, Input::Followed(followed)),
                    Err(_) => Ok(()),
                }
            }
            AtTower::Tick => {
                self.towers[tower].tick_at = None;
                self.drive_tower(tower, Input::Tick)
            }
            AtTower::Take(input) => self.drive_tower(tower, input),
            _ => Ok(()),
        }
    }

    fn tower_client(&self) -> Option<Address> {
        self.plan.towers.map(|plan| self.nodes[plan.client].key.address())
    }

    fn start_tower(&mut self, tower: usize) -> Result<(), Broken> {
        let unusable =
            |error: StoreError| Property::Replay.broken(format!("a tower's store does not open: {error}"));
        let config = TowerConfig {
            quotas: Quotas { admission: Admission::Anybody, ..Quotas::default() },
            confirmations: self.plan.chain.depth,
            ..TowerConfig::default()
        };
        let state = &mut self.towers[tower];
        let store = state.disk.open().map_err(unusable)?;
        let recovered = Tower::recover(self.domain, Arc::new(state.key.clone()), config, &store);
        let recovered = recovered
            .map_err(|error| Property::Replay.broken(format!("a tower does not recover: {error}")))?;
        state.process = Some((recovered, store));
        state.tick_at = None;
        self.at_tower(0, tower, AtTower::Follow);
        self.at_tower(1, tower, AtTower::Connect);
        Ok(())
    }

    fn crash_tower(&mut self, tower: usize) -> Result<(), Broken> {
        self.report.count("fault", "tower restarted");
        self.note(format_args!("tower {tower} crashes"));
        self.disconnect_tower(tower)?;
        let state = &mut self.towers[tower];
        state.process = None;
        state.disk.crash(0);
        state.life += 1;
        let down = self.plan.crashes.down.clone();
        let down = self.weather.within(&down);
        self.at_tower(down, tower, AtTower::Start);
        Ok(())
    }

    fn connect_tower(&mut self, tower: usize) -> Result<(), Broken> {
        let Some(plan) = self.plan.towers else { return Ok(()) };
        let is_ready = self.towers[tower].process.is_some() && self.nodes[plan.client].process.is_some();
        if !is_ready || self.towers[tower].session.is_some() {
            return Ok(());
        }
        let state = &mut self.towers[tower];
        state.sessions += 1;
        state.session = Some(state.sessions);
        let (address, peer) = (state.key.address(), self.nodes[plan.client].key.address());
        self.drive_tower(tower, Input::Connected { peer })?;
        if self.towers[tower].session.is_none() {
            return Ok(());
        }
        self.take(plan.client, Input::Tower(TowerInput::Connected { tower: address }))
    }

    /// Ends a connection; who lives is told, and connects again.
    fn disconnect_tower(&mut self, tower: usize) -> Result<(), Broken> {
        let Some(plan) = self.plan.towers else { return Ok(()) };
        if self.towers[tower].session.take().is_none() {
            return Ok(());
        }
        let away = self.plan.network.away.clone();
        let away = if self.calm { 1 } else { self.weather.within(&away) };
        self.at_tower(away, tower, AtTower::Connect);
        let (address, peer) = (self.towers[tower].key.address(), self.nodes[plan.client].key.address());
        if self.towers[tower].process.is_some() {
            // Its round comes with its next input.
            self.at_tower(0, tower, AtTower::Take(Input::Disconnected { peer }));
        }
        if self.nodes[plan.client].process.is_some() {
            self.take(plan.client, Input::Tower(TowerInput::Disconnected { tower: address }))?;
        }
        Ok(())
    }

    /// The client has started: it reads what its towers signed for, and connects.
    pub(crate) fn meet_towers(&mut self, node: usize) -> Result<(), Broken> {
        if self.plan.towers.is_none_or(|plan| plan.client != node) {
            return Ok(());
        }
        let towers: Vec<Address> = self.towers.iter().map(|tower| tower.key.address()).collect();
        if let Some(process) = &mut self.nodes[node].process {
            let recovered = process.engine.recover_towers(&towers, &process.store);
            recovered.map_err(|error| Property::Replay.broken(format!("receipts can't be read: {error}")))?;
        }
        (0..self.towers.len()).for_each(|tower| self.at_tower(2, tower, AtTower::Connect));
        Ok(())
    }

    /// The client's process is gone.
    pub(crate) fn leave_towers(&mut self, node: usize) -> Result<(), Broken> {
        if self.plan.towers.is_some_and(|plan| plan.client == node) {
            for tower in 0..self.towers.len() {
                self.disconnect_tower(tower)?;
            }
        }
        Ok(())
    }

    /// What the client wants of a tower.
    pub(crate) fn pass_to_tower(&mut self, effect: TowerEffect) -> Result<(), Broken> {
        let (TowerEffect::Send { tower: address, .. } | TowerEffect::Disconnect { tower: address, .. }) =
            &effect;
        let found = self.towers.iter().position(|tower| tower.key.address() == *address);
        let Some(tower) = found else { return Ok(()) };
        match effect {
            TowerEffect::Send { frame, .. } => self.carry(tower, |session| AtTower::Frame(session, frame)),
            TowerEffect::Disconnect { reason, .. } => {
                self.report.count("defence", "hung up on a tower");
                self.note(format_args!("the client hangs up on tower {tower}: {reason}"));
                self.disconnect_tower(tower)
            }
        }
    }

    /// Carries a frame between the client and a tower: in order, unless the connection breaks.
    fn carry(&mut self, tower: usize, frame: impl FnOnce(u64) -> AtTower) -> Result<(), Broken> {
        let Some(session) = self.towers[tower].session else { return Ok(()) };
        if !self.calm && self.weather.chance(BREAKS) {
            return self.disconnect_tower(tower);
        }
        let delay = if self.calm { 1 } else { *self.plan.network.delay.end() };
        self.at_tower(delay, tower, frame(session));
        Ok(())
    }

    /// Towers look at a new block.
    pub(crate) fn towers_follow(&mut self) {
        for tower in 0..self.towers.len() {
            let lag = self.tower_lag();
            self.at_tower(lag, tower, AtTower::Follow);
        }
    }

    fn tower_lag(&mut self) -> u64 {
        let lag = self.plan.chain.lag.clone();
        if self.calm { 0 } else { self.weather.within(&lag) }
    }

    fn drive_tower(&mut self, tower: usize, input: Input) -> Result<(), Broken> {
        let now = self.now;
        if !self.calm && self.weather.chance(CRASHES) {
            return self.crash_tower(tower);
        }
        let mut effects = Vec::new();
        let Some((engine, store)) = &mut self.towers[tower].process else { return Ok(()) };
        engine.handle(now, input);
        while let Some(staged) = engine.round(now) {
            let committed = staged.commit(store);
            effects.extend(committed.map_err(|error| {
                Property::Replay.broken(format!("a tower's disk is in order, and fails: {error}"))
            })?);
        }
        let due = engine.next_tick();
        let state = &mut self.towers[tower];
        if let Some(due) = due.filter(|due| state.tick_at.is_none_or(|at| *due < at)) {
            state.tick_at = Some(due);
            self.at_tower(due.saturating_sub(now).max(1), tower, AtTower::Tick);
        }
        for effect in effects {
            self.perform_at_tower(tower, effect)?;
        }
        Ok(())
    }

    fn perform_at_tower(&mut self, tower: usize, effect: Effect) -> Result<(), Broken> {
        match effect {
            Effect::Send { frame, .. } => {
                let lies = self.towers[tower].lies && self.lies.chance(DAMAGED);
                let frame = if lies {
                    self.report.count("lie", "answer of a tower damaged");
                    self.damage(frame)
                } else {
                    frame
                };
                self.carry(tower, |session| AtTower::Answer(session, frame))
            }
            Effect::Submit(submission) => {
                self.submit_for_tower(tower, &submission);
                Ok(())
            }
            Effect::LookUp { channel, hashes } => {
                let known = self.towers[tower].process.as_ref().map(|(tower, _)| tower.known_blocks());
                let Some(through) = known.and_then(|known| known.first().copied()) else { return Ok(()) };
                let registered = self.chain.with(|chain| money::registered(chain, &hashes))?;
                self.at_tower(0, tower, AtTower::Take(Input::Registered { channel, through, registered }));
                Ok(())
            }
            Effect::FetchEvents { channel, through } => {
                // A reorg in the meantime makes the question void; the next block asks it again.
                if let Ok(blocks) = self.towers[tower].account.events_of(channel, through) {
                    let input = Input::ChannelEvents { channel, through, blocks };
                    self.at_tower(0, tower, AtTower::Take(input));
                }
                Ok(())
            }
            Effect::Disconnect { .. } | Effect::Dismiss { .. } => self.disconnect_tower(tower),
            Effect::Notify(_) | Effect::FollowFrom { .. } | Effect::FindCode { .. } | Effect::Tower(_) => {
                Ok(())
            }
        }
    }

    fn submit_for_tower(&mut self, tower: usize, submission: &Submission) {
        if self.towers[tower].lies {
            self.report.count("lie", "tower keeps quiet");
            return;
        }
        let (unreachable, lost) = (self.plan.chain.unreachable, self.plan.chain.drop);
        let result = if !self.calm && self.weather.chance(unreachable) {
            Err(ChainError::Unreachable("simulated".into()))
        } else {
            self.towers[tower].account.submit(&submission.call)
        };
        if let Ok(transaction) = result
            && !self.calm
            && self.weather.chance(lost)
        {
            self.chain.with(|chain| chain.forget(transaction));
        }
        let lag = self.tower_lag();
        self.at_tower(lag, tower, AtTower::Take(Input::Submitted { key: submission.key, result }));
    }

    /// Whether an account is that of a tower.
    pub(crate) fn is_tower(&self, account: Address) -> bool {
        self.towers.iter().any(|tower| tower.key.address() == account)
    }

    /// Whether a node may be away for a whole dispute of a channel with a past: its honest tower has signed for the newest
    /// state of each of its channels, and it plays nothing, since nobody can move for it.
    pub(crate) fn may_be_away(&self, node: usize, disputed: ChannelId) -> bool {
        let is_client = self.plan.towers.is_some_and(|plan| plan.client == node);
        let (Some(process), Some(tower)) = (&self.nodes[node].process, self.towers.first()) else {
            return false;
        };
        let tower = tower.key.address();
        let is_guarded = |id: &ChannelId, plan: &ChannelPlan| {
            let view = process.engine.view(*id).filter(|view| view.phase != "closed");
            if view.is_some() && plan.game.is_some() {
                return false;
            }
            let version = view.map(|view| view.version).filter(|version| *version > Version::ZERO);
            let held = process.engine.guarded_by(*id).into_iter().find(|(of, _)| *of == tower);
            version.is_none() || held.and_then(|(_, held)| held) >= version
        };
        let own = self.channels.iter().filter(|(_, plan)| plan.nodes.contains(&node));
        let has_past = process.engine.view(disputed).is_some_and(|view| view.version > Version(1));
        is_client && has_past && own.into_iter().all(|(id, plan)| is_guarded(id, plan))
    }
}
