//! A log that is synced before anything leaves: one sync for all that waits.

use crate::usage::Counters;
use anyhow::Result;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Bytes of the file. It is zeroed beforehand and written in a circle, which syncs faster than a file that grows.
const SIZE: u64 = 32 << 20;

/// The file.
pub(super) struct Log {
    file: File,
    position: u64,
    counters: Arc<Counters>,
}

/// What is written together, and what follows from it.
pub(super) struct Job<T> {
    pub(super) record: Vec<u8>,
    /// To the other party.
    pub(super) frames: Vec<u8>,
    /// To whoever waits in this process.
    pub(super) done: Vec<T>,
}

impl<T> Default for Job<T> {
    fn default() -> Job<T> {
        Job { record: Vec::new(), frames: Vec::new(), done: Vec::new() }
    }
}

impl Log {
    pub(super) fn create(directory: &Path, counters: Arc<Counters>) -> Result<Log> {
        std::fs::create_dir_all(directory)?;
        let path = directory.join("log");
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        let zeroes = vec![0; 1 << 20];
        for position in (0..SIZE).step_by(zeroes.len()) {
            file.write_all_at(&zeroes, position)?;
        }
        file.sync_all()?;
        Ok(Log { file, position: 0, counters })
    }

    /// Writes and syncs.
    pub(super) fn commit(&mut self, record: &[u8]) -> Result<()> {
        if self.position + record.len() as u64 > SIZE {
            self.position = 0;
        }
        self.file.write_all_at(record, self.position)?;
        self.position += record.len() as u64;
        self.file.sync_data()?;
        self.counters.syncs.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Gives the log a thread: one job waits at most, so that what comes meanwhile is made one job.
    pub(super) fn start<T: Send + 'static>(
        mut self,
        mut socket: std::net::TcpStream,
        mut done: impl FnMut(Vec<T>) + Send + 'static,
    ) -> SyncSender<Job<T>> {
        let (sender, jobs): (_, Receiver<Job<T>>) = sync_channel(1);
        std::thread::spawn(move || {
            while let Ok(mut job) = jobs.recv() {
                for more in jobs.try_iter() {
                    job.record.extend(more.record);
                    job.frames.extend(more.frames);
                    job.done.extend(more.done);
                }
                // The other party ends first when the measuring process does.
                if self.commit(&job.record).is_err() || socket.write_all(&job.frames).is_err() {
                    return;
                }
                if !job.done.is_empty() {
                    done(job.done);
                }
            }
        });
        sender
    }
}
