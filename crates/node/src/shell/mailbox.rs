//! What waits for the engine's thread. All of it is taken at once, by exchanging one list for another: a queue that
//! hands out its messages one by one would cost as much as a payment does.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Messages for which there is always room.
const KEPT: usize = 4_096;

#[derive(Debug)]
struct Mailbox<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
}

#[derive(Debug)]
struct State<T> {
    messages: VecDeque<T>,
    /// The reader sleeps.
    waits: bool,
    /// There will be no further messages.
    ended: bool,
    /// There is no reader any more.
    closed: bool,
}

impl<T> Mailbox<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The last one of the senders ends the mailbox.
#[derive(Debug)]
struct Senders<T>(Arc<Mailbox<T>>);

impl<T> Drop for Senders<T> {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.filled.notify_one();
    }
}

/// A way into the mailbox.
#[derive(Debug)]
pub(crate) struct Sender<T>(Arc<Senders<T>>);

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        Sender(self.0.clone())
    }
}

/// The reader is gone; so is the message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Closed;

/// There are no senders any more, and no messages.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended;

impl<T> Sender<T> {
    /// Puts a message behind the others.
    ///
    /// # Errors
    /// When nobody will read it.
    pub(crate) fn send(&self, message: T) -> Result<(), Closed> {
        let mailbox = &self.0.0;
        let mut state = mailbox.lock();
        if state.closed {
            return Err(Closed);
        }
        state.messages.push_back(message);
        let wake = std::mem::take(&mut state.waits);
        drop(state);
        if wake {
            mailbox.filled.notify_one();
        }
        Ok(())
    }
}

/// The one who reads.
#[derive(Debug)]
pub(crate) struct Receiver<T>(Arc<Mailbox<T>>);

impl<T> Receiver<T> {
    /// Waits for a message, `patience` at most, and takes all that are there into `taken`, which must be empty.
    ///
    /// # Errors
    /// When there is nothing and never will be.
    pub(crate) fn take(&self, taken: &mut VecDeque<T>, patience: Duration) -> Result<(), Ended> {
        let mut state = self.0.lock();
        if state.messages.is_empty() && !state.ended && !patience.is_zero() {
            state.waits = true;
            let sleeps = |state: &mut State<T>| state.messages.is_empty() && !state.ended;
            let woken = self.0.filled.wait_timeout_while(state, patience, sleeps);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
            state.waits = false;
        }
        if state.messages.is_empty() && state.ended {
            return Err(Ended);
        }
        if taken.capacity() > KEPT && taken.capacity() / 16 > state.messages.len() {
            // What a rush needed is given back.
            taken.shrink_to(KEPT);
        }
        std::mem::swap(&mut state.messages, taken);
        Ok(())
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closed = true;
        let unread = std::mem::take(&mut state.messages);
        // Whoever waits for an answer to one of them is told by its end, and may send meanwhile.
        drop(state);
        drop(unread);
    }
}

/// An empty mailbox.
pub(crate) fn mailbox<T>() -> (Sender<T>, Receiver<T>) {
    let state = State { messages: VecDeque::new(), waits: false, ended: false, closed: false };
    let mailbox = Arc::new(Mailbox { state: Mutex::new(state), filled: Condvar::new() });
    (Sender(Arc::new(Senders(mailbox.clone()))), Receiver(mailbox))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn all_that_waits_is_taken_in_order() {
        let (sender, receiver) = mailbox();
        for number in 0..3 {
            sender.send(number).expect("read");
        }
        let mut taken = VecDeque::new();
        receiver.take(&mut taken, LONG).expect("not ended");
        assert_eq!(taken, [0, 1, 2]);
        taken.clear();
        receiver.take(&mut taken, Duration::ZERO).expect("not ended");
        assert!(taken.is_empty());
    }

    #[test]
    fn a_reader_that_sleeps_is_woken_by_a_message_and_by_the_end() {
        let (sender, receiver) = mailbox();
        std::thread::scope(|scope| {
            let reader = scope.spawn(move || {
                let (mut taken, mut read) = (VecDeque::new(), VecDeque::new());
                while receiver.take(&mut taken, LONG).is_ok() {
                    read.append(&mut taken);
                }
                read
            });
            let other = sender.clone();
            scope.spawn(move || {
                for number in 0..1_000 {
                    other.send(number).expect("read");
                }
            });
            drop(sender);
            let read = reader.join().expect("no panic");
            assert_eq!(read, (0..1_000).collect::<Vec<_>>());
        });
    }

    #[test]
    fn what_is_not_read_is_dropped_with_the_reader_and_refused_afterwards() {
        let (sender, receiver) = mailbox();
        let unread = Arc::new(());
        sender.send(unread.clone()).expect("read");
        drop(receiver);
        assert_eq!(Arc::strong_count(&unread), 1);
        assert_eq!(sender.send(unread), Err(Closed));
    }
}
