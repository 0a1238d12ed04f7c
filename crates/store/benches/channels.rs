//! What the number of channels costs: time and memory to open and recover, and the time of a commit.
//!
//! `cargo bench -p strait-store --bench channels` measures a million; under `cargo test` it runs with few.

use std::fs;
use std::path::Path;
use std::time::Instant;
use strait_engine::ports::{Batch, Kind, Store as _};
use strait_store::SqliteStore;
use strait_types::{ChannelId, keccak256};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const SNAPSHOT: usize = 500;
const RECORD: usize = 300;
/// Channels that are made in one commit.
const GROUP: usize = 1_000;

fn channel(n: usize) -> ChannelId {
    ChannelId(keccak256(n.to_be_bytes()))
}

/// Makes channels: a snapshot each and a record after it.
fn fill(path: &Path, channels: usize) -> Outcome<()> {
    let mut store = SqliteStore::open(path)?;
    for first in (0..channels).step_by(GROUP) {
        let mut batch = Batch::default();
        for n in first..(first + GROUP).min(channels) {
            batch.snapshot(channel(n), vec![n as u8; SNAPSHOT]);
            batch.record(channel(n), Kind::History, vec![n as u8; RECORD]);
        }
        store.commit(&batch)?;
    }
    Ok(())
}

/// The most memory that this process ever had, in MB.
fn peak_memory() -> Outcome<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).ok_or("no VmHWM")?;
    let kilobytes: u64 = line.split_whitespace().nth(1).ok_or("no number")?.parse()?;
    Ok(kilobytes / 1024)
}

/// Commits of one record to channels all over the place, and now and then a snapshot. Returns latencies in ascending order.
fn commits(store: &mut SqliteStore, channels: usize, count: usize) -> Outcome<Vec<u128>> {
    let mut latencies = Vec::with_capacity(count);
    for n in 0..count {
        let mut batch = Batch::default();
        let id = channel(n.wrapping_mul(7_919) % channels);
        batch.record(id, Kind::History, vec![1; RECORD]);
        if n % 16 == 0 {
            batch.snapshot(id, vec![2; SNAPSHOT]);
        }
        let begin = Instant::now();
        store.commit(&batch)?;
        latencies.push(begin.elapsed().as_micros());
    }
    latencies.sort_unstable();
    Ok(latencies)
}

fn measure(channels: usize, count: usize) -> Outcome<()> {
    let directory = tempfile::tempdir_in(".")?;
    let begin = Instant::now();
    fill(directory.path(), channels)?;
    let filled = begin.elapsed();
    let size = fs::metadata(directory.path().join("strait.db"))?.len() / 1_000_000;
    let begin = Instant::now();
    let mut store = SqliteStore::open(directory.path())?;
    let opened = begin.elapsed();
    let mut recovered = 0;
    store.recover(&mut |channel| recovered += channel.records.len())?;
    let read = begin.elapsed();
    assert_eq!(recovered, channels, "every channel comes back");
    let memory = peak_memory()?;
    let latencies = commits(&mut store, channels, count)?;
    let quantile = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    println!(
        "{channels:8} channels: made in {filled:.2?} ({size} MB), opened in {opened:.2?}, recovered in {read:.2?}; {memory} MB of memory at most; \
         commit p50 {} us  p99 {} us  max {} us",
        quantile(0.5),
        quantile(0.99),
        quantile(1.0),
    );
    Ok(())
}

fn main() -> Outcome<()> {
    if std::env::args().any(|argument| argument == "--bench") {
        measure(1_000, 40_000)?;
        measure(1_000_000, 40_000)
    } else {
        measure(2_000, 200)
    }
}
