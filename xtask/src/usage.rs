//! CPU time that other programs cost.

use anyhow::Result;
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeVal;
use std::time::Duration;

/// User and system time of this process and of all that it waited for. `cargo run` replaces itself by what it built,
/// so that this holds what cargo and the compiler took to build this program, too.
pub(crate) fn cpu_time() -> Result<Duration> {
    let of = |usage: Usage| duration(usage.user_time()) + duration(usage.system_time());
    Ok(of(getrusage(UsageWho::RUSAGE_SELF)?) + of(getrusage(UsageWho::RUSAGE_CHILDREN)?))
}

fn duration(time: TimeVal) -> Duration {
    let micros = time.tv_sec() * 1_000_000 + time.tv_usec();
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}
