//! Listening to the log.

use super::entry::{Entry, cursor_text};
use super::log::lost;
use crate::service::{Core, Service};
use async_trait::async_trait;
use futures_util::stream::{self, Stream, StreamExt};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use strait_api::{ApiError, ErrorCode, EventQuery, EventRecord, EventStream, Events, Subscribe};
use strait_types::ChannelId;
use tokio::sync::watch;

/// An event that many listeners share.
pub type SharedEvent = Arc<EventRecord>;
/// Events in order, each once; an error is the last item. See [`strait_api::EventStream`].
pub type SharedEvents = Pin<Box<dyn Stream<Item = Result<SharedEvent, ApiError>> + Send>>;

/// Longest list of a query.
const MAX_EVENTS: usize = 10_000;

struct Listener {
    core: Arc<Core>,
    /// All up to here were looked at.
    cursor: u64,
    channel: Option<ChannelId>,
    waiting: VecDeque<Arc<Entry>>,
    newest: watch::Receiver<Option<u64>>,
    ended: bool,
}

impl Listener {
    async fn next(&mut self) -> Option<Result<SharedEvent, ApiError>> {
        loop {
            if let Some(entry) = self.waiting.pop_front() {
                return Some(Ok(entry.record().clone()));
            }
            if self.ended {
                return None;
            }
            let newest = *self.newest.borrow_and_update();
            match self.core.log.after(&self.core.registry, self.cursor, self.channel).await {
                Ok(piece) if piece.through > self.cursor => {
                    self.cursor = piece.through;
                    self.waiting.extend(piece.entries);
                }
                Ok(_) if newest.is_some() => {
                    // Only a log that was dropped without an end closes it.
                    self.ended = self.newest.changed().await.is_err();
                }
                Ok(_) => {
                    self.ended = true;
                    return Some(Err(ApiError::new(ErrorCode::Stopping, "the node is stopping")));
                }
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
    }
}

impl Service {
    /// Events like [`Subscribe::subscribe`], each made once for all who listen.
    ///
    /// # Errors
    /// [`ErrorCode::EventsLost`] when the events after the cursor are no longer held.
    pub async fn listen(&self, query: EventQuery) -> Result<SharedEvents, ApiError> {
        let core = self.core.clone();
        let newest = core.log.newest();
        let cursor = match &query.after {
            Some(cursor) => core.log.locate(cursor).await?,
            None => {
                newest.borrow().ok_or_else(|| ApiError::new(ErrorCode::Stopping, "the node is stopping"))?
            }
        };
        let channel = query.channel;
        let listener = Listener { core, cursor, channel, waiting: VecDeque::new(), newest, ended: false };
        let next = |mut listener: Listener| async move { Some((listener.next().await?, listener)) };
        Ok(Box::pin(stream::unfold(listener, next)))
    }
}

#[async_trait]
impl Subscribe for Service {
    async fn subscribe(&self, query: EventQuery) -> Result<EventStream, ApiError> {
        let shared = self.listen(query).await?;
        Ok(Box::pin(shared.map(|item| item.map(Arc::unwrap_or_clone))))
    }
}

impl Core {
    pub(crate) async fn events(&self, query: &EventQuery) -> Result<Events, ApiError> {
        let limit = crate::service::convert::page_limit(query.limit, 1_000, MAX_EVENTS)?;
        let mut cursor = match &query.after {
            Some(cursor) => self.log.locate(cursor).await?,
            None => self.log.before_newest(limit as u64, query.channel).await?,
        };
        let mut events = Vec::new();
        loop {
            let piece = self.log.after(&self.registry, cursor, query.channel).await?;
            if piece.through < cursor {
                return Err(lost());
            }
            let is_last = piece.through == cursor;
            cursor = piece.through;
            for entry in piece.entries {
                events.push(EventRecord::clone(entry.record()));
                if events.len() == limit {
                    let cursor = cursor_text(self.log.epoch(), entry.cursor);
                    return Ok(Events { events, cursor });
                }
            }
            if is_last {
                return Ok(Events { events, cursor: cursor_text(self.log.epoch(), cursor) });
            }
        }
    }
}
