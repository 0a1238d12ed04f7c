//! The engine itself: channels, and one round after another.

use crate::alarms::{Alarm, Alarms, Told};
use crate::apps::Apps;
use crate::calls::Calls;
use crate::chain::Cursor;
use crate::children::{Families, Gate};
use crate::connecting::Connecting;
use crate::halt::Halt;
use crate::input::{Effect, EngineError, Input, Notice};
use crate::offers::Declined;
use crate::peers::{Peers, Terms};
use crate::policy::Policy;
use crate::ports::{Batch, BlockRef, Kind, Signer};
use crate::proposals::Proposals;
use crate::staged::Staged;
use crate::status::AccountStatus;
use crate::table::{EntryRef, Table};
use crate::towers::Towers;
use crate::unfunded::Unfunded;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::Arc;
use strait_protocol::{
    Body, Channel, ChannelView, Command, Context, Event, Frame, Invoices, Operation, Outputs, Record,
    Settings, SignedPosition, Surroundings, Token,
};
use strait_types::{Address, B256, ChannelId, Domain};

/// Least bytes of journal after which a channel's snapshot is renewed: what a restart replays of each channel.
const SNAPSHOT_BYTES: usize = 4 << 10;
/// A snapshot is renewed when the journal has so many times its size, so that it costs little beside that.
const SNAPSHOT_SHARE: usize = 8;
/// Snapshots that a clean shutdown takes, in bytes; a restart replays the rest.
const CHECKPOINT_BYTES: usize = 64 << 20;

/// Channels of one round from which on their versions gather more, see [`Surroundings::is_crowded`].
const CROWD: usize = 64;

/// Milliseconds after which a key that was not to be had is asked again.
const SIGNER_RETRY_MS: u64 = 1_000;

/// A channel with what the engine keeps beside it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) channel: Channel,
    pub(crate) peer: Address,
    /// The peer has shown that it knows the channel.
    pub(crate) introduced: bool,
    /// Its first record, which is written when something rests on the channel: what strangers open is not.
    pub(crate) opening: Option<Vec<u8>>,
    /// It does not take it.
    pub(crate) declined: Option<Box<Declined>>,
    /// Its life on chain is over.
    pub(crate) closed: bool,
    /// When its timer is set for.
    pub(crate) tick: Option<u64>,
    /// Hashes of pending locks as of the last block, and whether the registry was asked for them.
    pub(crate) lookups: BTreeMap<B256, bool>,
    /// Deadlines that the user was told of.
    pub(crate) alarmed: Told,
    /// Journal bytes since the last snapshot.
    pub(crate) journal_bytes: usize,
    /// Of that snapshot.
    pub(crate) snapshot_bytes: usize,
    /// It was worked with since it was last looked at for rest.
    pub(crate) used: bool,
}

impl Entry {
    pub(crate) fn new(channel: Channel, peer: Address, journal_bytes: usize) -> Entry {
        Entry {
            channel,
            peer,
            introduced: false,
            opening: None,
            declined: None,
            closed: false,
            tick: None,
            lookups: BTreeMap::new(),
            alarmed: Told::default(),
            journal_bytes,
            snapshot_bytes: 0,
            used: true,
        }
    }

    fn is_snapshot_due(&self) -> bool {
        let enough = self.snapshot_bytes.saturating_mul(SNAPSHOT_SHARE).max(SNAPSHOT_BYTES);
        self.journal_bytes >= enough && self.opening.is_none()
    }

    /// Stands for all that the journal has of the channel.
    fn snapshot(&mut self, id: ChannelId, batch: &mut Batch) {
        let snapshot = self.channel.snapshot();
        self.journal_bytes = 0;
        self.snapshot_bytes = snapshot.len();
        batch.snapshot(id, snapshot);
    }

    /// From now on the channel is remembered across restarts.
    pub(crate) fn write_opening(&mut self, id: ChannelId, batch: &mut Batch, unfunded: &mut Unfunded) {
        if let Some(opening) = self.opening.take() {
            batch.record(id, Kind::Working, opening);
            unfunded.remove(self.peer, id);
        }
    }
}

/// Many channels of one key on one chain.
pub struct Engine {
    pub(crate) domain: Domain,
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) policy: Policy,
    /// What this node demands of channels that peers open.
    pub(crate) settings: Settings,
    pub(crate) channels: Table,
    pub(crate) peers: Peers,
    pub(crate) connecting: Connecting,
    pub(crate) proposals: Proposals,
    pub(crate) cursor: Cursor,
    pub(crate) apps: Apps,
    pub(crate) families: Families,
    pub(crate) alarm: Alarm,
    pub(crate) towers: Towers,
    /// Of this node's user.
    invoices: Option<Arc<dyn Invoices>>,
    /// After a reorg that cannot be undone.
    pub(crate) halt: Option<Halt>,
    /// Channels whose past events are being fetched; what happens meanwhile waits.
    pub(crate) fetching: BTreeSet<ChannelId>,
    /// Questions to the registry that are open, by channel.
    pub(crate) lookups: BTreeMap<ChannelId, usize>,
    /// The account that pays gas, as the chain told it last.
    pub(crate) account: Option<AccountStatus>,
    pub(crate) calls: Calls,
    /// Channels that peers opened and that the chain has not heard of yet.
    pub(crate) unfunded: Unfunded,
    pub(crate) timers: BTreeSet<(u64, ChannelId)>,
    /// Whether many channels are worked with in this round.
    is_crowded: bool,
    /// Channels that the next round must look at.
    pub(crate) touched: BTreeSet<ChannelId>,
    /// Channels that may want something of the chain at any block.
    pub(crate) watched: BTreeSet<ChannelId>,
    pub(crate) batch: Batch,
    pub(crate) effects: Vec<Effect>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("channels", &self.channels.len()).finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine without channels; see [`Engine::recover`] for one with what a store holds.
    pub(crate) fn empty(
        domain: Domain,
        signer: Arc<dyn Signer>,
        policy: Policy,
        settings: Settings,
    ) -> Engine {
        Engine {
            domain,
            signer,
            policy,
            settings,
            channels: Table::default(),
            peers: Peers::default(),
            connecting: Connecting::default(),
            proposals: Proposals::default(),
            cursor: Cursor::default(),
            apps: Apps::default(),
            families: Families::default(),
            alarm: Alarm::default(),
            towers: Towers::default(),
            invoices: None,
            halt: None,
            fetching: BTreeSet::new(),
            lookups: BTreeMap::new(),
            account: None,
            calls: Calls::default(),
            unfunded: Unfunded::default(),
            timers: BTreeSet::new(),
            is_crowded: false,
            touched: BTreeSet::new(),
            watched: BTreeSet::new(),
            batch: Batch::default(),
            effects: Vec::new(),
        }
    }

    /// Takes an input. Its consequences come out of the next [`Engine::round`].
    pub fn handle(&mut self, now_ms: u64, input: Input) {
        self.alarm.start(now_ms);
        match input {
            Input::Connected { peer } => self.on_connected(now_ms, peer),
            Input::Disconnected { peer } => self.on_disconnected(now_ms, peer),
            Input::Frame { peer, bytes } => self.on_frame(now_ms, peer, &bytes),
            Input::Open { token, params, settings } => {
                self.open_own(now_ms, token, Terms { params, start: None }, settings);
            }
            Input::OpenApp { token, params, start, settings } => {
                self.open_own(now_ms, token, Terms { params, start: Some(start) }, settings);
            }
            Input::InstallApp { token, runtime } => self.install(token, runtime),
            Input::Command { token, channel, command } => {
                self.command(now_ms, token, channel, command);
            }
            Input::Approve { token, channel } => self.approve(now_ms, token, channel),
            Input::Reject { token, channel, reason } => self.reject(token, channel, reason),
            Input::Reconsider { token, channel } => self.reconsider(token, channel),
            Input::Deposit { token, channel, asset, amount } => self.deposit(token, channel, asset, amount),
            Input::Followed(followed) => self.on_followed(now_ms, &followed),
            Input::ChannelEvents { channel, through, blocks } => {
                self.on_channel_events(now_ms, channel, through, &blocks);
            }
            Input::Registered { channel, through, registered } => {
                self.on_registered(now_ms, channel, through, &registered);
            }
            Input::Code { app, through, is_there } => self.on_code(app, through, is_there),
            Input::Submitted { key, result } => self.on_submitted(key, result),
            Input::Mined { key, transaction, receipt } => self.on_mined(key, transaction, receipt.as_ref()),
            Input::Tower(input) => self.on_tower(now_ms, input),
            Input::Account(account) => self.account = Some(AccountStatus::new(&account, now_ms)),
            Input::Tick => self.on_tick(now_ms),
        }
    }

    fn command(&mut self, now_ms: u64, token: Token, channel: ChannelId, command: Command) {
        let Some(entry) = self.channels.get_mut(&channel) else {
            self.fail(token, EngineError::UnknownChannel(channel));
            return;
        };
        let peer = entry.peer;
        let gives_up = entry.channel.gives_up(&command);
        let needs_peer = command != Command::ForceClose && !gives_up;
        match &entry.declined {
            Some(declined) if needs_peer => {
                let reason = declined.reason().to_owned();
                self.fail(token, EngineError::Declined(reason));
            }
            _ => {
                if let Command::OpenChild(new) = &command
                    && let Err(error) = self.check_new_child(channel, new)
                {
                    self.fail(token, error);
                    return;
                }
                self.connect_first(now_ms, peer, channel);
                self.drive(now_ms, channel, |c, ctx, out| c.command(ctx, token, command, out));
                // With the chain halted it may have been refused.
                if gives_up && self.channels.get(&channel).is_some_and(|entry| entry.channel.is_given_up()) {
                    self.tell_given_up(peer, channel);
                }
            }
        }
    }

    /// Ends a round: countersigns, writes what waits, and stages everything that came of it. `None` when nothing did.
    pub fn round(&mut self, now_ms: u64) -> Option<Staged> {
        let mut flushed = 0_usize;
        self.is_crowded = self.touched.len() >= CROWD;
        while let Some(channel) = self.touched.pop_first() {
            self.flush(now_ms, channel);
            flushed = flushed.saturating_add(1);
        }
        self.hand_over(now_ms);
        self.channels.rest(flushed);
        if self.batch.is_empty() && self.effects.is_empty() {
            return None;
        }
        Some(Staged::new(std::mem::take(&mut self.batch), std::mem::take(&mut self.effects)))
    }

    fn flush(&mut self, now_ms: u64, id: ChannelId) {
        let mut signed = Ok(());
        self.drive(now_ms, id, |channel, ctx, out| signed = channel.flush(ctx, out));
        self.touched.remove(&id);
        self.find_code(now_ms, id);
        self.hand_out_calls(now_ms, id);
        self.note_guard(now_ms, id);
        let Some(entry) = self.channels.get_mut(&id) else { return };
        if entry.channel.needs_attention() {
            self.watched.insert(id);
        } else {
            self.watched.remove(&id);
        }
        let closed = entry.channel.is_over();
        let was_closed = std::mem::replace(&mut entry.closed, closed);
        if closed != was_closed {
            self.peers.set_closed(entry.peer, id, closed);
        }
        let peer = entry.peer;
        let is_synchronised = !entry.channel.is_synchronising();
        let is_reopened = closed != was_closed && !closed && self.peers.is_connected(peer);
        let again = entry.declined.as_ref().and_then(|declined| declined.due());
        let mut tick = [entry.channel.next_tick(), again].into_iter().flatten().min();
        if let Err(error) = signed {
            // Nothing was lost: what was not signed waits, and the key is asked again.
            self.effects.push(Effect::Notify(Notice::NoSigner { channel: id, error }));
            tick = Some(now_ms.saturating_add(SIGNER_RETRY_MS));
        }
        if tick != entry.tick {
            if let Some(old) = entry.tick {
                self.timers.remove(&(old, id));
            }
            if let Some(new) = tick {
                self.timers.insert((new, id));
            }
            entry.tick = tick;
        }
        if entry.is_snapshot_due() {
            entry.snapshot(id, &mut self.batch);
        }
        if is_reopened {
            self.connect_channel(now_ms, id);
        } else if is_synchronised {
            self.connected_one(now_ms, peer, id);
        }
        self.relate(now_ms, id);
    }

    /// Lets a channel work and takes over what comes of it.
    pub(crate) fn drive(
        &mut self,
        now_ms: u64,
        id: ChannelId,
        work: impl FnOnce(&mut Channel, &Context<'_>, &mut Outputs),
    ) {
        let Some(entry) = self.channels.get_mut(&id) else { return };
        let (head_time, final_time) = self.cursor.times(entry.channel.confirmations());
        let gate = Gate { policy: &self.policy, apps: &self.apps, proposals: &self.proposals };
        let awaits_towers = self.towers.may_know_more();
        let invoices = self.invoices.as_deref();
        let is_crowded = self.is_crowded;
        let around =
            Surroundings { awaits_towers, invoices, is_crowded, ..surroundings(&gate, &entry.channel) };
        let (domain, signer) = (&self.domain, self.signer.as_ref());
        let halted = self.halt.is_some();
        let ctx = Context { now_ms, head_time, final_time, halted, domain, signer, around };
        let mut out = Outputs::default();
        work(&mut entry.channel, &ctx, &mut out);
        self.touched.insert(id);
        if !out.records.is_empty() {
            entry.write_opening(id, &mut self.batch, &mut self.unfunded);
        }
        for record in &out.records {
            let kind = if record.is_history() { Kind::History } else { Kind::Working };
            // Writing to a Vec cannot fail.
            let payload = borsh::to_vec(record).unwrap_or_default();
            entry.journal_bytes += payload.len();
            self.batch.record(id, kind, payload);
            if let Record::Agreed(Operation::OpenChild { opening, .. }) = record {
                self.proposals.use_up(opening.offer_id(), &mut self.batch);
            }
        }
        let peer = entry.peer;
        self.effects.extend(out.messages.into_iter().map(|body| send(peer, id, body)));
        for event in out.events {
            match event {
                Event::ChildOffered { opening } => self.propose_child(now_ms, peer, *opening),
                event => self.effects.push(Effect::Notify(Notice::Channel { channel: id, event })),
            }
        }
    }

    pub(crate) fn context<'a>(&'a self, now_ms: u64, entry: &Entry) -> Context<'a> {
        let (head_time, final_time) = self.cursor.times(entry.channel.confirmations());
        let around = Surroundings { admission: None, ..app_of(&self.apps, &entry.channel) };
        let (domain, signer) = (&self.domain, self.signer.as_ref());
        let halted = self.halt.is_some();
        Context { now_ms, head_time, final_time, halted, domain, signer, around }
    }

    fn on_tick(&mut self, now_ms: u64) {
        self.raise_alarms(now_ms);
        self.tick_towers(now_ms);
        while let Some(&(due, id)) = self.timers.first() {
            if due > now_ms {
                break;
            }
            self.timers.remove(&(due, id));
            let Some(entry) = self.channels.get_mut(&id) else { continue };
            entry.tick = None;
            let peer = entry.peer;
            self.offer_again(now_ms, id);
            self.drive(now_ms, id, |channel, ctx, out| channel.tick(ctx, out));
            self.connected_one(now_ms, peer, id);
        }
    }

    /// When [`Input::Tick`] is next needed, in milliseconds since the Unix epoch.
    pub fn next_tick(&self) -> Option<u64> {
        let timer = self.timers.first().map(|(due, _)| *due);
        let halt = self.halt.map(|halt| halt.due());
        [timer, self.alarm.due(), halt, self.towers.due()].into_iter().flatten().min()
    }

    /// Sets when the operator is told; before the first input.
    pub fn set_alarms(&mut self, alarms: Alarms) {
        self.alarm.config = alarms;
    }

    /// Payments for those of them that are over are refused from now on.
    pub fn set_invoices(&mut self, invoices: Arc<dyn Invoices>) {
        self.invoices = Some(invoices);
    }

    /// A channel at a glance.
    pub fn view(&self, channel: ChannelId) -> Option<ChannelView> {
        self.channels.get(&channel).map(|entry| self.show_connecting(entry.peer, entry.channel.view()))
    }

    /// A channel, to look at.
    pub fn channel(&self, channel: ChannelId) -> Option<ChannelRef<'_>> {
        self.channels.get(&channel).map(ChannelRef)
    }

    /// The best state of a channel with both signatures, as a tower or a backup would keep it; `None` at version 0.
    pub fn latest(&self, now_ms: u64, channel: ChannelId) -> Option<SignedPosition> {
        let entry = self.channels.get(&channel)?;
        entry.channel.latest(&self.context(now_ms, &entry))
    }

    /// All channels' ids, ascending.
    pub fn channel_ids(&self) -> impl Iterator<Item = ChannelId> + '_ {
        self.channels.keys().copied()
    }

    /// The last blocks that were processed, newest first, for [`crate::ports::Chain::follow`].
    pub fn known_blocks(&self) -> Vec<BlockRef> {
        self.cursor.known()
    }

    /// This node's address.
    pub fn signer(&self) -> Address {
        self.signer.address()
    }

    /// Chain and adjudicator.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Snapshots of the channels with the most to replay, up to a bounded size; for a clean shutdown.
    pub fn checkpoint(&mut self) {
        self.save_receipts();
        let mut ids: Vec<_> = self.channels.replayed().map(|(bytes, id)| (Reverse(bytes), id)).collect();
        ids.sort_unstable();
        let mut room = CHECKPOINT_BYTES;
        for (_, id) in ids {
            let Some(entry) = self.channels.get_mut(&id).filter(|_| room > 0) else { return };
            entry.snapshot(id, &mut self.batch);
            room = room.saturating_sub(entry.snapshot_bytes);
            self.channels.rest(1);
        }
    }
}

/// A channel of an engine, to look at.
pub struct ChannelRef<'a>(EntryRef<'a>);

impl Deref for ChannelRef<'_> {
    type Target = Channel;

    fn deref(&self) -> &Channel {
        &self.0.channel
    }
}

impl std::fmt::Debug for ChannelRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (**self).fmt(f)
    }
}

/// What a channel is to know of its app, and of children that it could have.
fn surroundings<'a>(gate: &'a Gate<'a>, channel: &Channel) -> Surroundings<'a> {
    Surroundings { admission: Some(gate), ..app_of(gate.apps, channel) }
}

fn app_of<'a>(apps: &'a Apps, channel: &Channel) -> Surroundings<'a> {
    let address = channel.params().app;
    if address.is_zero() {
        return Surroundings::default();
    }
    let app = apps.installed.get(&address);
    Surroundings {
        rules: app.and_then(|app| app.rules.as_deref()),
        runtime: app.map(|app| app.runtime.as_slice()),
        is_deployed: apps.is_deployed(address),
        admission: None,
        awaits_towers: false,
        invoices: None,
        is_crowded: false,
    }
}

pub(crate) fn send(peer: Address, channel: ChannelId, body: Body) -> Effect {
    Effect::Send { peer, frame: Frame::Channel { channel, body }.encode() }
}
