//! Waiting for what happens to a channel.

use crate::context::Context;
use crate::failure::Failure;
use crate::follow::Follow;
use crate::output::Wait;
use crate::text::short;
use std::pin::pin;
use std::time::Duration;
use strait_api::{Agreed, ApiError, ChannelInfo, ChannelRef, ErrorCode, Event};
use strait_types::ChannelId;
use tokio::time::Instant;

/// Not all that is waited for has an event: a deposit counts when blocks lie on it.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// What a channel is waited for.
pub(super) struct Waiting<'a> {
    pub(super) context: &'a Context,
    pub(super) channel: ChannelId,
    /// Begun before the command that causes what is waited for.
    pub(super) follow: Follow<'a>,
    pub(super) line: Wait,
}

impl Waiting<'_> {
    /// Until `done` says so. It is shown the channel, and the event that happened, if one did.
    ///
    /// # Errors
    /// What `done` or the node says; [`Failure::interrupted`] on Ctrl-C.
    pub(super) async fn until(
        &mut self,
        mut done: impl FnMut(&ChannelInfo, Option<&Event>) -> Result<Progress, Failure>,
    ) -> Result<ChannelInfo, Failure> {
        let channel = self.channel;
        let mut stopped = pin!(crate::stop::asked());
        let mut event: Option<Event> = None;
        loop {
            let mut next = pin!(self.follow.next());
            // One look per event or interval; the wait for the event is never given up half-way.
            loop {
                let info = self.context.api.channel_show(ChannelRef { channel }).await?;
                match done(&info, event.take().as_ref())? {
                    Progress::Done => return Ok(info),
                    Progress::Waits(what) => self.line.say(what),
                }
                tokio::select! {
                    record = &mut next => {
                        let record = record?;
                        event = (record.channel == Some(channel)).then_some(record.event);
                        break;
                    }
                    () = tokio::time::sleep(LOOK_AGAIN) => {}
                    () = &mut stopped => return Err(interrupted(channel)),
                }
            }
        }
    }
}

/// How often it is looked whether what is under way has ended, and for how long at most: longer than a busy chain takes to include
/// its transaction.
const BUSY_LOOK: Duration = Duration::from_millis(500);
const BUSY_PATIENCE: Duration = Duration::from_secs(30 * 60);

/// Asks the node for a withdrawal or close, of which a channel has one at a time. Who waits anyway (with a line to say so) waits for
/// the one that is under way to end, here or as the peer sees it.
///
/// # Errors
/// What the node says; [`Failure::interrupted`] on Ctrl-C, which says whether anything was begun.
pub(super) async fn agree(
    context: &Context,
    channel: ChannelId,
    line: Option<&Wait>,
    mut ask: impl AsyncFnMut() -> Result<Agreed, ApiError>,
) -> Result<Agreed, Failure> {
    let Some(line) = line else { return Ok(ask().await?) };
    let mut stopped = pin!(crate::stop::asked());
    let start = Instant::now();
    let mut is_told = false;
    loop {
        let asked = tokio::select! {
            asked = ask() => asked,
            () = &mut stopped => return Err(interrupted(channel)),
        };
        let error = match asked {
            Err(error) if error.code == ErrorCode::ChannelBusy && start.elapsed() < BUSY_PATIENCE => error,
            asked => return Ok(asked?),
        };
        let info = context.api.channel_show(ChannelRef { channel }).await?;
        if info.under_way.is_none() && !info.children.is_empty() {
            return Err(error.into());
        }
        let what = format!("{} waiting until what is under way has ended", short(channel));
        if !is_told {
            context.out.note(&format!("{what}: {}", error.message));
            is_told = true;
        }
        line.say(what);
        tokio::select! {
            () = tokio::time::sleep(BUSY_LOOK) => {}
            () = &mut stopped => return Err(not_begun(&error)),
        }
    }
}

/// Makes an order with a key of which the node may not know yet what an earlier request has done. Who waits anyway (with a line to
/// say so) waits until that is known; the order is then answered by it, or made.
///
/// # Errors
/// What the node says; [`Failure::interrupted`] on Ctrl-C.
pub(super) async fn decided<R>(
    context: &Context,
    channel: ChannelId,
    line: Option<&Wait>,
    mut ask: impl AsyncFnMut() -> Result<R, ApiError>,
) -> Result<R, Failure> {
    let Some(line) = line else { return Ok(ask().await?) };
    let mut stopped = pin!(crate::stop::asked());
    let mut is_told = false;
    loop {
        let asked = tokio::select! {
            asked = ask() => asked,
            () = &mut stopped => return Err(interrupted(channel)),
        };
        let error = match asked {
            Err(error) if error.code == ErrorCode::IdempotencyPending => error,
            asked => return Ok(asked?),
        };
        let what = format!("{} waiting until it is known what the first request has done", short(channel));
        if !is_told {
            context.out.note(&format!("{what}: {}", error.message));
            is_told = true;
        }
        line.say(what);
        tokio::select! {
            () = tokio::time::sleep(BUSY_LOOK) => {}
            () = &mut stopped => {
                return Err(Failure::interrupted(error.message).hint("repeat it with the same key"));
            }
        }
    }
}

/// The node keeps no wish for later.
fn not_begun(error: &ApiError) -> Failure {
    Failure::interrupted(format!("nothing was begun: {}", error.message))
        .hint("repeat it when that has ended")
}

/// Where what is waited for stands.
pub(super) enum Progress {
    /// It is there.
    Done,
    /// It is not, because of this.
    Waits(String),
}

fn interrupted(channel: ChannelId) -> Failure {
    Failure::interrupted("not awaited any more; the node goes on with it").hint(format!(
        "`strait channel show {0}` tells where it stands, `strait channel watch {0}` what happens",
        short(channel)
    ))
}
