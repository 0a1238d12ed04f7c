//! What waits to be sent on one connection, bounded in bytes.

use super::registry::lock;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Mutex;
use tokio::sync::Notify;

/// What a frame costs beside its bytes, so that a million empty frames cost something too.
const OVERHEAD: usize = 64;

/// The queue of one connection.
#[derive(Debug)]
pub(super) struct Outbox {
    state: Mutex<State>,
    filled: Notify,
    limit: usize,
}

#[derive(Debug, Default)]
struct State {
    frames: VecDeque<Bytes>,
    /// Bytes queued or taken and not yet handed to the socket.
    bytes: usize,
    ping: bool,
}

/// What goes out in one write.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) frames: VecDeque<Bytes>,
    /// A sign of life is wanted.
    pub(super) ping: bool,
}

/// The peer does not keep up; how many bytes would wait.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Overflow(pub(super) usize);

impl Outbox {
    pub(super) fn new(limit: usize) -> Outbox {
        Outbox { state: Mutex::default(), filled: Notify::new(), limit }
    }

    /// Queues a frame behind the others.
    pub(super) fn push(&self, frame: Bytes) -> Result<(), Overflow> {
        {
            let mut state = lock(&self.state);
            let bytes = state.bytes.saturating_add(cost(&frame));
            if bytes > self.limit {
                return Err(Overflow(bytes));
            }
            state.bytes = bytes;
            state.frames.push_back(frame);
        }
        self.filled.notify_one();
        Ok(())
    }

    /// Asks for a sign of life now.
    pub(super) fn ping(&self) {
        lock(&self.state).ping = true;
        self.filled.notify_one();
    }

    /// Waits until there is something, and takes all of it. Cancel-safe. For one reader.
    pub(super) async fn take(&self) -> Batch {
        loop {
            let batch = self.drain();
            if batch.ping || !batch.frames.is_empty() {
                return batch;
            }
            self.filled.notified().await;
        }
    }

    /// Takes what there is.
    pub(super) fn drain(&self) -> Batch {
        let mut state = lock(&self.state);
        Batch { frames: std::mem::take(&mut state.frames), ping: std::mem::take(&mut state.ping) }
    }

    /// A frame of a batch has been handed to the socket.
    pub(super) fn sent(&self, frame_bytes: usize) {
        let mut state = lock(&self.state);
        state.bytes = state.bytes.saturating_sub(frame_bytes.saturating_add(OVERHEAD));
    }
}

fn cost(frame: &Bytes) -> usize {
    frame.len().saturating_add(OVERHEAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(byte: u8) -> Bytes {
        Bytes::from(vec![byte; 36])
    }

    #[tokio::test]
    async fn takes_all_at_once_in_order_and_counts_until_sent() {
        let outbox = Outbox::new(250);
        outbox.push(frame(1)).expect("room");
        outbox.push(frame(2)).expect("room");
        assert_eq!(outbox.push(frame(3)), Err(Overflow(300)));
        let batch = outbox.take().await;
        assert_eq!(batch.frames, [frame(1), frame(2)]);
        // Taken is not sent: it still counts.
        assert_eq!(outbox.push(frame(3)), Err(Overflow(300)));
        outbox.sent(36);
        outbox.push(frame(4)).expect("room again");
        outbox.ping();
        assert_eq!(outbox.take().await, Batch { frames: [frame(4)].into(), ping: true });
    }

    #[tokio::test]
    async fn wakes_the_reader_that_waits() {
        let outbox = Outbox::new(1000);
        let (batch, ()) = tokio::join!(outbox.take(), async { outbox.push(frame(7)).expect("room") });
        assert_eq!(batch.frames, [frame(7)]);
    }
}
