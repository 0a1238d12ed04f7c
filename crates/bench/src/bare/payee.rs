//! Checks each version, writes it, countersigns the highest of what has come together.

use super::link::{Frame, Frames, Keys, PAYMENT, advance, state};
use super::log::{Job, Log};
use crate::scenario::Scenario;
use crate::usage::Counters;
use anyhow::{Result, ensure};
use std::collections::BTreeSet;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use strait_types::State;

/// Starts the payee's threads.
pub(super) fn start(socket: TcpStream, log: Log, counters: Arc<Counters>, scenario: &Scenario) -> Result<()> {
    let jobs = log.start(socket.try_clone()?, |_: Vec<()>| {});
    let states = (0..u32::try_from(scenario.channels)?).map(state).collect();
    std::thread::spawn(move || {
        if let Err(error) = read(Frames::new(socket), states, &jobs, &counters) {
            eprintln!("the bare payee stops: {error}");
        }
    });
    Ok(())
}

fn read(
    mut frames: Frames<TcpStream>,
    mut states: Vec<State>,
    jobs: &SyncSender<Job<()>>,
    counters: &Counters,
) -> Result<()> {
    let keys = Keys::new(1, 0);
    while let Some(count) = frames.wait() {
        counters.wire_bytes.fetch_add(count as u64, Ordering::Relaxed);
        let mut job = Job::default();
        let mut touched = BTreeSet::new();
        while let Some(frame) = frames.next() {
            let state = &mut states[frame.channel as usize];
            let payments = frame.operations.chunks_exact(PAYMENT);
            ensure!(payments.clone().all(|payment| payment[2] == 1), "a payment of another amount");
            advance(state, &frame.operations, payments.len());
            keys.check(keys.digest(state), &frame.signature)?;
            touched.insert(frame.channel);
            frame.append_to(&mut job.record);
        }
        for channel in touched {
            let state = &states[channel as usize];
            let signature = keys.sign(keys.digest(state));
            counters.signatures.fetch_add(1, Ordering::Relaxed);
            let frame = Frame { channel, version: state.version.0, signature, operations: Vec::new() };
            frame.append_to(&mut job.frames);
        }
        if !job.record.is_empty() && jobs.send(job).is_err() {
            return Ok(());
        }
    }
    Ok(())
}
