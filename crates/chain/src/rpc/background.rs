//! Requests run on a thread of their own, so that a caller may block anywhere, inside another runtime too.

use super::endpoint::Fault;
use std::future::Future;
use std::sync::mpsc;
use tokio::runtime::{Builder, Runtime};

pub(super) struct Background {
    // Always there until it is dropped; an option because stopping a runtime consumes it.
    runtime: Option<Runtime>,
}

impl Background {
    pub(super) fn start() -> std::io::Result<Background> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("chain-requests")
            .enable_io()
            .enable_time()
            .build()?;
        Ok(Background { runtime: Some(runtime) })
    }

    /// Runs on without anyone waiting for it.
    pub(super) fn go_on(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(work);
        }
    }

    /// Runs all at once and waits for all; results in the order given.
    pub(super) fn all<T, F>(&self, work: Vec<F>) -> Vec<Result<T, Fault>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        let mut answers = Vec::with_capacity(work.len());
        for future in work {
            let (done, answer) = mpsc::sync_channel(1);
            if let Some(runtime) = &self.runtime {
                runtime.spawn(async move { done.send(future.await) });
            }
            answers.push(answer);
        }
        let aborted = || Err(Fault::Unreachable("the request was aborted".to_owned()));
        answers.into_iter().map(|answer| answer.recv().unwrap_or_else(|_| aborted())).collect()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Waiting for it is not allowed inside another runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
