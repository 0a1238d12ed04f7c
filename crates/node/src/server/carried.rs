//! Calls that go on to their end though their client goes away.

use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

type Boxed<R> = Pin<Box<dyn Future<Output = R> + Send>>;

/// Runs where it is awaited, which costs no change of task; if that is given up, in a task of its own.
pub(super) struct Carried<R: Send + 'static> {
    future: Option<Boxed<R>>,
    tasks: TaskTracker,
}

impl<R: Send + 'static> Carried<R> {
    /// `tasks` waits for it.
    pub(super) fn new(tasks: &TaskTracker, future: impl Future<Output = R> + Send + 'static) -> Carried<R> {
        Carried { future: Some(Box::pin(tasks.track_future(future))), tasks: tasks.clone() }
    }
}

impl<R: Send + 'static> Future for Carried<R> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<R> {
        let Some(future) = &mut self.future else { return Poll::Pending };
        let polled = future.as_mut().poll(context);
        if polled.is_ready() {
            self.future = None;
        }
        polled
    }
}

impl<R: Send + 'static> Drop for Carried<R> {
    fn drop(&mut self) {
        // Without a runtime the process ends.
        if let (Some(future), Ok(runtime)) = (self.future.take(), Handle::try_current()) {
            drop(self.tasks.spawn_on(future, &runtime));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn what_is_given_up_midway_goes_on_to_its_end() {
        let (begin, begun) = oneshot::channel::<()>();
        let (end, ended) = oneshot::channel();
        let tasks = TaskTracker::new();
        let call = Carried::new(&tasks, async move {
            begun.await.expect("begins");
            end.send(7).expect("somebody waits");
        });
        let mut call = Box::pin(call);
        assert!(futures_util::poll!(call.as_mut()).is_pending());
        drop(call);
        begin.send(()).expect("somebody waits");
        assert_eq!(ended.await, Ok(7));
        tasks.close();
        tasks.wait().await;
    }

    #[tokio::test]
    async fn what_is_awaited_ends_where_it_is() {
        let tasks = TaskTracker::new();
        assert_eq!(Carried::new(&tasks, async { 7 }).await, 7);
        tasks.close();
        tasks.wait().await;
    }
}
