//! Events as they happen, across lost connections.

use crate::context::Context;
use crate::failure::Failure;
use crate::output::note;
use futures_util::StreamExt;
use std::time::Duration;
use strait_api::{ApiError, ErrorCode, EventQuery, EventRecord, EventStream};
use strait_types::ChannelId;

/// Between two tries to reach the node again.
const RETRY: Duration = Duration::from_secs(1);

/// Events of one channel or all, each once, also when the connection is lost in between.
pub(crate) struct Follow<'a> {
    context: &'a Context,
    query: EventQuery,
    stream: Option<EventStream>,
}

impl<'a> Follow<'a> {
    /// From now on, or after a cursor.
    ///
    /// # Errors
    /// When the node does not answer or allow it.
    pub(crate) async fn start(
        context: &'a Context,
        channel: Option<ChannelId>,
        after: Option<String>,
    ) -> Result<Follow<'a>, Failure> {
        let query = EventQuery { after, channel, limit: None };
        let stream = Some(context.events.subscribe(query.clone()).await?);
        Ok(Follow { context, query, stream })
    }

    /// The next event. May be cancelled without loss.
    ///
    /// # Errors
    /// When the node does not allow it any more; a lost connection is no error.
    pub(crate) async fn next(&mut self) -> Result<EventRecord, Failure> {
        loop {
            let Some(stream) = &mut self.stream else {
                self.connect().await?;
                continue;
            };
            match stream.next().await {
                Some(Ok(event)) => {
                    self.query.after = Some(event.cursor.clone());
                    return Ok(event);
                }
                Some(Err(error)) => {
                    self.stream = None;
                    self.recover(error).await?;
                }
                None => {
                    self.stream = None;
                    note(self.context.out.is_json(), "the connection is lost; trying again");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    async fn connect(&mut self) -> Result<(), Failure> {
        match self.context.events.subscribe(self.query.clone()).await {
            Ok(stream) => self.stream = Some(stream),
            Err(error) => self.recover(error).await?,
        }
        Ok(())
    }

    async fn recover(&mut self, error: ApiError) -> Result<(), Failure> {
        match error.code {
            ErrorCode::EventsLost => {
                note(self.context.out.is_json(), "some events are lost; the history has what was agreed");
                self.query.after = None;
                Ok(())
            }
            ErrorCode::Unauthorized
            | ErrorCode::TokenExpired
            | ErrorCode::Forbidden
            | ErrorCode::UnknownChannel
            | ErrorCode::InvalidParams => Err(error.into()),
            _ => {
                tokio::time::sleep(RETRY).await;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fake, MAINNET};
    use serde_json::{Value, json};

    pub(crate) fn ready(cursor: &str) -> Result<Value, ApiError> {
        Ok(json!({"cursor": cursor, "at_ms": 0, "chain_id": MAINNET, "channel": null, "event": "ready"}))
    }

    async fn cursors(follow: &mut Follow<'_>) -> Vec<String> {
        let mut cursors = Vec::new();
        while let Ok(event) = follow.next().await {
            cursors.push(event.cursor);
        }
        cursors
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_connection_goes_on_after_the_last_event() {
        let stopping = Err(ApiError::new(ErrorCode::Stopping, "stopping"));
        let (context, seen) = Fake::new(true)
            .tells([ready("a"), ready("b")])
            .tells([ready("c"), stopping])
            .tells([ready("d")])
            .start();
        let mut follow = Follow::start(&context, None, None).await.expect("started");
        assert_eq!(cursors(&mut follow).await, ["a", "b", "c", "d"]);
        let after: Vec<_> = seen.asked("subscribe").iter().map(|query| query["after"].clone()).collect();
        assert_eq!(after, [json!(null), json!("b"), json!("c"), json!("d")]);
    }

    #[tokio::test(start_paused = true)]
    async fn lost_events_are_not_asked_for_for_ever() {
        let lost = || Err(ApiError::new(ErrorCode::EventsLost, "lost"));
        let (context, seen) = Fake::new(true).tells([ready("a"), lost()]).tells([ready("z")]).start();
        let mut follow = Follow::start(&context, None, None).await.expect("started");
        assert_eq!(cursors(&mut follow).await, ["a", "z"]);
        assert_eq!(seen.asked("subscribe")[1]["after"], json!(null));
    }
}
