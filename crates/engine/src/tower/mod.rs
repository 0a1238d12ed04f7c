//! The watchtower: guards the channels of many clients and holds no key of theirs. Like [`crate::Engine`] it is pure: the
//! same inputs come in, the same effects go out, and only after their records are durable.
//!
//! What it holds of a channel is a [`Channel`] without a key, which wants the same calls as the participant's own would:
//! so it follows the chain, undoes reorgs and answers disputes by the same code.

mod family;
mod follow;
mod frame;
mod guard;
mod keep;
mod quota;
mod status;

pub use frame::{ClientFrame, Receipt, Refusal, TOWER_WIRE_VERSION, TowerFrame, TowerFrameError};
pub use quota::{Admission, Quotas};
pub use status::{CallCount, ClientStatus, TowerStatus};

use crate::alarms::{Alarm, Alarms};
use crate::calls::{Calls, SubmissionKey};
use crate::chain::{CURSOR_KEY, Cursor};
use crate::input::{Effect, Input, Notice};
use crate::ports::{Batch, BlockRef, Recovered, Signer, Store};
use crate::recover::{EngineRecoverError, check_domain};
use crate::staged::Staged;
use crate::status::AccountStatus;
use guard::{Guard, RECORD_VERSION, Watched};
use quota::Usage;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use strait_protocol::{Context, FrameError, RecoverError, Settings, Surroundings};
use strait_types::{Address, ChannelId, Domain};

/// How a tower works.
#[derive(Clone, Debug)]
pub struct TowerConfig {
    /// How much it does for whom.
    pub quotas: Quotas,
    /// Blocks on top of a channel's end before it is forgotten.
    pub confirmations: u64,
    /// Seconds before a lock's expiry at which its known preimage is registered.
    pub lock_margin: u64,
    /// Whether it also settles and unlocks, after those whose money it is had time to.
    pub settles: bool,
    /// When its operator is told.
    pub alarms: Alarms,
}

impl Default for TowerConfig {
    fn default() -> Self {
        TowerConfig {
            quotas: Quotas::default(),
            confirmations: 12,
            lock_margin: 900,
            settles: true,
            alarms: Alarms::default(),
        }
    }
}

/// Guards of many clients' channels on one chain.
pub struct Tower {
    domain: Domain,
    /// Signs receipts.
    signer: Arc<dyn Signer>,
    config: TowerConfig,
    // Ordered, so that a seed replays exactly.
    watched: BTreeMap<ChannelId, Watched>,
    /// Every guard, by client: what one holds is found without looking at all others'.
    holdings: BTreeSet<(Address, ChannelId)>,
    /// Children that are guarded, by client and parent: what one says of a family is nothing to another.
    families: BTreeMap<(Address, ChannelId), BTreeSet<ChannelId>>,
    usage: BTreeMap<Address, Usage>,
    total_bytes: u64,
    connected: BTreeSet<Address>,
    cursor: Cursor,
    alarm: Alarm,
    calls: Calls,
    /// Transactions since the start, by call.
    sent: BTreeMap<&'static str, CallCount>,
    /// Channels whose past events are being fetched; what happens meanwhile waits.
    fetching: BTreeSet<ChannelId>,
    /// Channels that blocks alone may make want something.
    attention: BTreeSet<ChannelId>,
    /// Channels whose record is to be written with the next round.
    changed: BTreeSet<ChannelId>,
    /// Channels that may want something now.
    touched: BTreeSet<ChannelId>,
    account: Option<AccountStatus>,
    batch: Batch,
    effects: Vec<Effect>,
}

impl std::fmt::Debug for Tower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tower").field("channels", &self.watched.len()).finish_non_exhaustive()
    }
}

impl Tower {
    /// Rebuilds a tower from what is durable.
    ///
    /// # Errors
    /// When the store cannot be read, or belongs to another chain.
    pub fn recover(
        domain: Domain,
        signer: Arc<dyn Signer>,
        config: TowerConfig,
        store: &dyn Store,
    ) -> Result<Tower, EngineRecoverError> {
        let alarm = Alarm::new(config.alarms);
        let mut tower = Tower {
            domain,
            signer,
            config,
            watched: BTreeMap::new(),
            holdings: BTreeSet::new(),
            families: BTreeMap::new(),
            usage: BTreeMap::new(),
            total_bytes: 0,
            connected: BTreeSet::new(),
            cursor: Cursor::default(),
            alarm,
            calls: Calls::default(),
            sent: BTreeMap::new(),
            fetching: BTreeSet::new(),
            attention: BTreeSet::new(),
            changed: BTreeSet::new(),
            touched: BTreeSet::new(),
            account: None,
            batch: Batch::default(),
            effects: Vec::new(),
        };
        check_domain(&tower.domain, store, &mut tower.batch)?;
        if let Some(bytes) = store.meta(CURSOR_KEY)? {
            tower.cursor = borsh::from_slice(&bytes).map_err(EngineRecoverError::Cursor)?;
        }
        let mut failure = None;
        store.recover(&mut |recovered| {
            if failure.is_none() {
                failure = tower.take_in(&recovered).err();
            }
        })?;
        match failure {
            Some(error) => Err(error),
            None => Ok(tower),
        }
    }

    fn take_in(&mut self, recovered: &Recovered) -> Result<(), EngineRecoverError> {
        let id = recovered.channel;
        // An empty record is that of a channel that is over.
        let Some(bytes) = recovered.snapshot.as_ref().filter(|bytes| !bytes.is_empty()) else {
            return Ok(());
        };
        if bytes.first() != Some(&RECORD_VERSION) {
            return Err(EngineRecoverError::OtherTowerFormat(id));
        }
        let watched = Watched::from_bytes(id, bytes, &self.settings()).map_err(|error| {
            let source = RecoverError::Malformed { what: "guard", reason: error.to_string() };
            EngineRecoverError::Channel { channel: id, source }
        })?;
        for guard in &watched.guards {
            self.count(guard.client, 1, i128::from(guard.bytes));
        }
        // The tower may have stopped before its past was fetched.
        if watched.guards.iter().any(|guard| !guard.channel.has_chain_events()) {
            self.fetching.insert(id);
        }
        for guard in &watched.guards {
            self.note_guard(guard);
        }
        self.watched.insert(id, watched);
        self.touched.insert(id);
        Ok(())
    }

    /// What drives the channels here.
    fn settings(&self) -> Settings {
        Settings {
            confirmations: self.config.confirmations,
            lock_margin: self.config.lock_margin,
            ..Settings::default()
        }
    }

    /// Notes what a client's channels take.
    fn count(&mut self, client: Address, channels: i32, bytes: i128) {
        let usage = self.usage.entry(client).or_default();
        usage.channels = usage.channels.saturating_add_signed(channels);
        let add = |sum: u64| u64::try_from(i128::from(sum).saturating_add(bytes).max(0)).unwrap_or(u64::MAX);
        usage.bytes = add(usage.bytes);
        self.total_bytes = add(self.total_bytes);
    }

    /// Takes an input. Those that concern payments mean nothing to a tower.
    pub fn handle(&mut self, now_ms: u64, input: Input) {
        self.alarm.start(now_ms);
        match input {
            Input::Connected { peer } => {
                self.connected.insert(peer);
            }
            Input::Disconnected { peer } => {
                self.connected.remove(&peer);
            }
            Input::Frame { peer, bytes } => self.on_frame(now_ms, peer, &bytes),
            Input::Followed(followed) => self.on_followed(now_ms, &followed),
            Input::ChannelEvents { channel, through, blocks } => {
                self.on_channel_events(now_ms, channel, through, &blocks);
            }
            Input::Registered { channel, through, registered } => {
                self.on_registered(now_ms, channel, through, &registered);
            }
            Input::Submitted { key, result } => {
                if let SubmissionKey::Call(key) = key {
                    let count = self.sent.entry(key.name).or_default();
                    let counter = if result.is_ok() { &mut count.sent } else { &mut count.failed };
                    *counter = counter.saturating_add(1);
                }
                self.effects.extend(crate::calls::submitted(key, result).map(Effect::Notify));
            }
            Input::Mined { key, transaction, receipt } => {
                let notice = crate::calls::mined(key, transaction, receipt.as_ref());
                self.effects.push(Effect::Notify(notice));
            }
            Input::Account(account) => self.account = Some(AccountStatus::new(&account, now_ms)),
            Input::Tick => self.on_tick(now_ms),
            // It has no towers itself, and asks for no code.
            Input::Tower(_) | Input::Code { .. } => {}
            Input::Open { token, .. }
            | Input::OpenApp { token, .. }
            | Input::InstallApp { token, .. }
            | Input::Command { token, .. }
            | Input::Deposit { token, .. }
            | Input::Approve { token, .. }
            | Input::Reject { token, .. }
            | Input::Reconsider { token, .. } => {
                let error = crate::input::EngineError::NoChannels;
                self.effects.push(Effect::Notify(Notice::Failed { token, error }));
            }
        }
    }

    fn on_frame(&mut self, now_ms: u64, client: Address, bytes: &[u8]) {
        if !self.connected.contains(&client) {
            return;
        }
        match ClientFrame::decode(bytes) {
            Ok(frame) => self.on_request(now_ms, client, frame),
            Err(error) => {
                let reason = FrameError::Malformed(error.to_string());
                self.effects.push(Effect::Disconnect { peer: client, reason });
            }
        }
    }

    fn send(&mut self, client: Address, frame: &TowerFrame) {
        self.effects.push(Effect::Send { peer: client, frame: frame.encode() });
    }

    /// Ends a round: hands out the calls that are due, and stages everything that came of it. `None` when nothing did.
    pub fn round(&mut self, now_ms: u64) -> Option<Staged> {
        let mut touched = std::mem::take(&mut self.touched);
        for id in touched.clone() {
            touched.extend(self.relate(now_ms, id));
        }
        for id in touched {
            self.look_at(now_ms, id);
        }
        for id in std::mem::take(&mut self.changed) {
            let bytes = self.watched.get(&id).map(Watched::to_bytes).unwrap_or_default();
            self.batch.snapshot(id, bytes);
        }
        if self.batch.is_empty() && self.effects.is_empty() {
            return None;
        }
        Some(Staged::new(std::mem::take(&mut self.batch), std::mem::take(&mut self.effects)))
    }

    /// When [`Input::Tick`] is next needed, in milliseconds since the Unix epoch.
    pub fn next_tick(&self) -> Option<u64> {
        self.alarm.due()
    }

    /// The last blocks that were processed, newest first, for [`crate::ports::Chain::follow`].
    pub fn known_blocks(&self) -> Vec<BlockRef> {
        self.cursor.known()
    }

    /// The tower's address.
    pub fn signer(&self) -> Address {
        self.signer.address()
    }

    /// What is held of a channel for a client.
    pub fn held(&self, channel: ChannelId, client: Address) -> Option<&strait_protocol::Guarded> {
        self.watched.get(&channel)?.of(client).map(|guard| &guard.guarded)
    }
}

/// What a guard's channel may know of the world.
fn context<'a>(
    domain: &'a Domain,
    cursor: &Cursor,
    now_ms: u64,
    guard: &Guard,
    signer: &'a dyn Signer,
    around: Surroundings<'a>,
) -> Context<'a> {
    let (head_time, final_time) = cursor.times(guard.channel.confirmations());
    Context { now_ms, head_time, final_time, halted: false, domain, signer, around }
}
