//! Events as they happen.

use crate::error::ApiError;
use crate::model::{EventQuery, EventRecord};
use async_trait::async_trait;
use futures_util::Stream;
use std::pin::Pin;

/// Events in order, each once. An error is the last item: [`crate::ErrorCode::EventsLost`] for a subscriber that was too
/// slow, [`crate::ErrorCode::Stopping`] when the node ends.
pub type EventStream = Pin<Box<dyn Stream<Item = Result<EventRecord, ApiError>> + Send>>;

/// A node, embedded or remote, that tells what happens.
#[async_trait]
pub trait Subscribe: Send + Sync {
    /// Events from now on or, with a cursor, from after it on: nothing is lost in between.
    ///
    /// # Errors
    /// [`crate::ErrorCode::EventsLost`] when the events after the cursor are no longer held.
    async fn subscribe(&self, query: EventQuery) -> Result<EventStream, ApiError>;
}
