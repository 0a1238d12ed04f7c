//! Locks and their settlement: each side in turn writes a version with as many as a state may hold, and hands over.

use super::link::{Frame, Frames, Keys, advance, state};
use super::log::Log;
use crate::latency::Histogram;
use crate::talk::Ran;
use crate::usage::Counters;
use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use strait_types::{MAX_LOCKS, State, keccak256};

/// Bytes of a new lock on the wire and in the state's hash, and of its settlement.
const LOCK: usize = 85;
const HASHED_LOCK: usize = 7 * 32;
const SETTLEMENT: usize = 41;

struct Side {
    frames: Frames<TcpStream>,
    socket: TcpStream,
    log: Log,
    keys: Keys,
    state: State,
    counters: Arc<Counters>,
}

impl Side {
    fn new(socket: TcpStream, log: Log, counters: Arc<Counters>, own: u64) -> Result<Side> {
        let frames = Frames::new(socket.try_clone()?);
        Ok(Side { frames, socket, log, keys: Keys::new(own, 1 - own), state: state(0), counters })
    }

    /// Writes a version, behind the countersignature of the other side's last one.
    fn write(&mut self, operations: Vec<u8>, adds_locks: bool, answers: bool) -> Result<()> {
        let mut bytes = Vec::new();
        if answers {
            self.append(Vec::new(), &mut bytes);
        }
        self.step(&operations, adds_locks);
        self.append(operations, &mut bytes);
        self.log.commit(&bytes)?;
        Ok(self.socket.write_all(&bytes)?)
    }

    fn append(&self, operations: Vec<u8>, bytes: &mut Vec<u8>) {
        let signature = self.keys.sign(self.keys.digest(&self.state));
        self.counters.signatures.fetch_add(1, Ordering::Relaxed);
        Frame { channel: 0, version: self.state.version.0, signature, operations }.append_to(bytes);
    }

    fn step(&mut self, operations: &[u8], adds_locks: bool) {
        advance(&mut self.state, operations, MAX_LOCKS);
        if adds_locks {
            self.state.locks_hash = keccak256([7; HASHED_LOCK * MAX_LOCKS]);
        }
    }

    fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.frames.next() {
                return Some(frame);
            }
            let count = self.frames.wait()?;
            self.counters.wire_bytes.fetch_add(count as u64, Ordering::Relaxed);
        }
    }

    /// The countersignature of one's own version.
    fn read_answer(&mut self) -> Result<()> {
        let frame = self.next().context("the other side is gone")?;
        self.keys.check(self.keys.digest(&self.state), &frame.signature)
    }

    /// The other side's version.
    fn read_update(&mut self, frame: &Frame, adds_locks: bool) -> Result<()> {
        self.step(&frame.operations, adds_locks);
        self.keys.check(self.keys.digest(&self.state), &frame.signature)
    }
}

/// The payer.
pub(super) struct Locker(Option<Side>);

impl Locker {
    pub(super) fn new(socket: TcpStream, log: Log, counters: Arc<Counters>) -> Locker {
        Locker(Side::new(socket, log, counters, 0).ok())
    }

    pub(super) fn run(&mut self, until: Instant) -> Result<Ran> {
        let side = self.0.as_mut().context("there is no connection")?;
        let began = Instant::now();
        let mut ran = Ran { payments: 0, seconds: 0.0, latency: Histogram::default() };
        while Instant::now() < until {
            let start = Instant::now();
            side.write(vec![1; LOCK * MAX_LOCKS], true, false)?;
            side.read_answer()?;
            let settled = side.next().context("the other side is gone")?;
            for preimage in settled.operations.chunks_exact(SETTLEMENT) {
                Sha256::digest(&preimage[..32]);
            }
            side.read_update(&settled, false)?;
            side.log.commit(&settled.operations)?;
            let took = start.elapsed();
            (0..MAX_LOCKS).for_each(|_| ran.latency.add(took));
            ran.payments += MAX_LOCKS as u64;
        }
        ran.seconds = began.elapsed().as_secs_f64();
        Ok(ran)
    }
}

/// The payee.
pub(super) fn settle(socket: TcpStream, log: Log, counters: Arc<Counters>) -> Result<()> {
    let mut side = Side::new(socket, log, counters, 1)?;
    std::thread::spawn(move || {
        while let Some(frame) = side.next() {
            let settled = side
                .read_update(&frame, true)
                .and_then(|()| side.write(vec![2; SETTLEMENT * MAX_LOCKS], false, true));
            if let Err(error) = settled {
                eprintln!("the bare payee stops: {error}");
                return;
            }
        }
    });
    Ok(())
}
