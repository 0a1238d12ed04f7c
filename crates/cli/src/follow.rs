//! Events as they happen. The client renews a lost connection by itself.

use crate::context::Context;
use crate::failure::Failure;
use futures_util::StreamExt;
use strait_api::{ErrorCode, EventQuery, EventRecord, EventStream};
use strait_types::ChannelId;

/// Events of one channel or all, each once.
pub(crate) struct Follow<'a> {
    context: &'a Context,
    channel: Option<ChannelId>,
    /// None while it is to be asked for anew.
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
        let stream = Some(context.events.subscribe(query).await?);
        Ok(Follow { context, channel, stream })
    }

    /// The next event. May be cancelled without loss.
    ///
    /// # Errors
    /// Why there are no more.
    pub(crate) async fn next(&mut self) -> Result<EventRecord, Failure> {
        loop {
            let Some(stream) = &mut self.stream else {
                let query = EventQuery { after: None, channel: self.channel, limit: None };
                self.stream = Some(self.context.events.subscribe(query).await?);
                continue;
            };
            match stream.next().await {
                Some(Ok(event)) => return Ok(event),
                Some(Err(error)) if error.code == ErrorCode::EventsLost => {
                    self.context.out.note("some events are lost; the history has what was agreed");
                    self.stream = None;
                }
                Some(Err(error)) => return Err(error.into()),
                None => {
                    return Err(
                        Failure::local("the node ended the subscription").hint("run the command again")
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;
    use crate::testing::{Fake, MAINNET};
    use serde_json::{Value, json};
    use strait_api::ApiError;

    fn ready(cursor: &str) -> Result<Value, ApiError> {
        Ok(json!({"cursor": cursor, "at_ms": 0, "chain_id": MAINNET, "channel": null, "event": "ready"}))
    }

    #[tokio::test]
    async fn after_lost_events_it_goes_on_from_now_and_other_errors_end_it() {
        let failed = |code| Err(ApiError::new(code, "no more"));
        let (context, seen) = Fake::new(true)
            .tells([ready("a"), failed(ErrorCode::EventsLost)])
            .tells([ready("z"), failed(ErrorCode::Unauthorized)])
            .start();
        let mut follow = Follow::start(&context, None, Some("0".into())).await.expect("started");
        for cursor in ["a", "z"] {
            assert_eq!(follow.next().await.expect("an event").cursor, cursor);
        }
        assert_eq!(follow.next().await.expect_err("revoked").exit(), Exit::NotAllowed);
        let after: Vec<_> = seen.asked("subscribe").iter().map(|query| query["after"].clone()).collect();
        assert_eq!(after, [json!("0"), json!(null)]);
    }
}
