//! The engine's own thread: takes what has arrived, ends the round, hands it to the committer.

use super::Shared;
use super::machine::Machine;
use super::mailbox::Receiver;
use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;
use std::time::Duration;
use strait_engine::ports::{Clock, Store};
use strait_engine::{Engine, Input, Staged};
use strait_protocol::{Command, Token};
use strait_types::ChannelId;
use tokio::sync::OwnedSemaphorePermit;

/// Most inputs in one round, so that a round's latency stays bounded: some tens of milliseconds. More in a round are more
/// payments for one signature where they are spread over many channels.
const MAX_INPUTS: usize = 65_536;
/// Inputs that are handled at one reading of the clock, which takes as long as a payment.
const INPUTS_PER_TIME: usize = 64;
/// Longest sleep without an input.
const IDLE: Duration = Duration::from_secs(3_600);

/// A question to the engine between two rounds.
pub(crate) type Query<M> = Box<dyn FnOnce(&M) + Send>;
/// A question to the store between two commits.
pub(crate) type StoreQuery = Box<dyn FnOnce(&mut dyn Store) + Send>;

/// What the engine's thread takes.
pub(crate) enum Message<M = Engine> {
    /// [`Input::Command`], of which there are the most: the rest is boxed, so that messages are small to move.
    Command {
        token: Token,
        channel: ChannelId,
        command: Command,
    },
    Input(Box<Input>),
    /// From the network or the chain, which wait with the next ones until there is room.
    Metered(Box<Input>, OwnedSemaphorePermit),
    Query(Query<M>),
    Store(StoreQuery),
    Shutdown,
}

impl<M> From<Input> for Message<M> {
    fn from(input: Input) -> Message<M> {
        Message::Input(Box::new(input))
    }
}

/// What the committer takes, in order.
pub(crate) enum Work {
    Round(Box<Staged>),
    Store(StoreQuery),
}

pub(crate) fn run<M: Machine>(
    mut engine: M,
    messages: &Receiver<Message<M>>,
    committer: &SyncSender<Work>,
    shared: &Shared,
    clock: &dyn Clock,
) {
    let mut running = true;
    let mut taken = VecDeque::new();
    while running && !shared.is_dead() {
        if taken.is_empty() && messages.take(&mut taken, until_tick(&engine, clock)).is_err() {
            return;
        }
        let mut questions = Vec::new();
        let mut has_inputs = false;
        let mut now = clock.now_ms();
        let round = taken.len().min(MAX_INPUTS);
        for (count, message) in taken.drain(..round).enumerate() {
            if count % INPUTS_PER_TIME == 0 {
                now = clock.now_ms();
            }
            has_inputs |= !matches!(message, Message::Query(_) | Message::Store(_) | Message::Shutdown);
            match message {
                Message::Command { token, channel, command } => {
                    engine.handle(now, Input::Command { token, channel, command });
                }
                Message::Input(input) => engine.handle(now, *input),
                Message::Metered(input, permit) => {
                    engine.handle(now, *input);
                    drop(permit);
                }
                Message::Query(query) => query(&engine),
                Message::Store(query) => questions.push(Work::Store(query)),
                Message::Shutdown => running = false,
            }
        }
        let now = clock.now_ms();
        if engine.next_tick().is_some_and(|due| due <= now) {
            engine.handle(now, Input::Tick);
        }
        let round = engine.round(now).map(|staged| Work::Round(Box::new(staged)));
        if has_inputs && round.is_none() {
            // Nothing to commit, yet a channel may look different: its link, say.
            shared.rounds.send_modify(|rounds| *rounds += 1);
        }
        for work in round.into_iter().chain(questions) {
            if shared.is_dead() || committer.send(work).is_err() {
                return;
            }
        }
    }
    engine.checkpoint();
    if let Some(staged) = engine.round(clock.now_ms())
        && !shared.is_dead()
    {
        // The committer may be gone; then there is nothing left to save.
        drop(committer.send(Work::Round(Box::new(staged))));
    }
}

fn until_tick(engine: &impl Machine, clock: &dyn Clock) -> Duration {
    match engine.next_tick() {
        Some(due) => Duration::from_millis(due.saturating_sub(clock.now_ms())).min(IDLE),
        None => IDLE,
    }
}
