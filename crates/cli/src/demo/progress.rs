//! Steps and progress bars, on a terminal or in a log.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

/// Shows what is going on, on standard error.
pub(super) struct Progress {
    bar: ProgressBar,
    quiet: bool,
    started: Instant,
}

impl Progress {
    pub(super) fn new(quiet: bool) -> Progress {
        let bar = ProgressBar::new(0);
        let target = if stderr().is_terminal() {
            ProgressDrawTarget::stderr_with_hz(10)
        } else {
            ProgressDrawTarget::hidden()
        };
        bar.set_draw_target(target);
        let style = ProgressStyle::with_template("       {bar:40} {human_pos}/{human_len} {per_sec}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Progress { bar, quiet, started: Instant::now() }
    }

    /// A finished step, with what came of it.
    pub(super) fn step(&self, what: &str, result: &str) {
        let line = format!("{:>5.1}s  {what:<34} {result}", self.started.elapsed().as_secs_f32());
        if !self.quiet || stderr().is_terminal() {
            self.bar.suspend(|| eprintln!("{line}"));
        }
    }

    /// Begins a bar of `total` items.
    pub(super) fn begin(&self, total: u64) {
        self.bar.reset();
        self.bar.set_length(total);
    }

    /// One more is done.
    pub(super) fn advance(&self) {
        self.bar.inc(1);
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}
