//! Waiting for what happens to a channel.

use crate::context::Context;
use crate::failure::Failure;
use crate::follow::Follow;
use crate::output::Wait;
use crate::text::short;
use std::pin::pin;
use std::time::Duration;
use strait_api::{ChannelInfo, ChannelRef, Event};
use strait_types::ChannelId;

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
        let mut ctrl_c = pin!(tokio::signal::ctrl_c());
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
                    _ = &mut ctrl_c => return Err(interrupted(channel)),
                }
            }
        }
    }
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
