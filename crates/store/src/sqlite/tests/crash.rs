//! Torn and lost writes in the write-ahead log.

use super::super::SqliteStore;
use super::super::directory::DATABASE;
use super::{Files, LOG, copy_files, scratch};
use crate::conformance::{Backend as _, Model, random_batch};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use std::fs;
use std::path::Path;
use strait_engine::ports::Store as _;

/// A frame of the log: header and page.
const FRAME: usize = 24 + 4096;

/// Files of a store after some commits, and for each commit how long the log was and what the store held.
struct Written {
    database: Vec<u8>,
    log: Vec<u8>,
    states: Vec<(usize, Model)>,
}

/// Few enough commits that SQLite does not move the log into the database meanwhile.
fn write(seed: u64, run_size: usize) -> Written {
    let mut files = Files::new(run_size);
    drop(files.open().expect("open"));
    let mut store = files.open().expect("open");
    let path = files.path();
    let database = fs::read(path.join(DATABASE)).expect("readable");
    let mut model = Model::default();
    let mut states = vec![(0, model.clone())];
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for _ in 0..25 {
        let batch = random_batch(&mut rng);
        store.commit(&batch).expect("committed");
        model.commit(&batch);
        let length = fs::metadata(path.join(LOG)).expect("there").len() as usize;
        states.push((length, model.clone()));
    }
    assert_eq!(fs::read(path.join(DATABASE)).expect("readable"), database, "all is in the log");
    Written { database, log: fs::read(path.join(LOG)).expect("readable"), states }
}

/// Opens the database with another log, and checks that it holds the commits that end within its first `good` bytes.
fn assert_prefix(written: &Written, log: &[u8], good: usize, what: &str) {
    let home = scratch();
    fs::write(home.path().join(DATABASE), &written.database).expect("written");
    fs::write(home.path().join(LOG), log).expect("written");
    let store = SqliteStore::open_with_run(home.path(), 1_000).expect("open");
    let (_, model) = written.states.iter().rfind(|(end, _)| *end <= good).expect("the first is empty");
    model.assert_same(&store, what);
}

#[test]
fn a_truncated_log_holds_whole_commits() {
    for (seed, run_size) in [(1, 1_000), (2, usize::MAX)] {
        let written = write(seed, run_size);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let frames = (0..=(written.log.len() / FRAME)).map(|frame| 32 + frame * FRAME);
        for boundary in frames {
            let inside = boundary + 1 + rng.next_u32() as usize % (FRAME - 1);
            for cut in [boundary - 1, boundary, inside] {
                let cut = cut.min(written.log.len());
                assert_prefix(&written, &written.log[..cut], cut, &format!("seed {seed}, cut at {cut}"));
            }
        }
    }
}

#[test]
fn a_corrupted_log_holds_the_commits_before() {
    let written = write(3, 1_000);
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for frame in 0..(written.log.len() / FRAME) {
        // Bytes 8 to 24 of a frame's header are salt and checksum; the whole frame is under the checksum.
        let at = 32 + frame * FRAME + rng.next_u32() as usize % FRAME;
        let mut log = written.log.clone();
        log[at] ^= 0x40;
        assert_prefix(&written, &log, 32 + frame * FRAME, &format!("byte {at} changed"));
        log.truncate(at);
        log.resize(written.log.len(), 0xa5);
        assert_prefix(&written, &log, 32 + frame * FRAME, &format!("garbage from {at}"));
    }
}

/// With checkpoints, when the log is moved into the database and starts again.
#[test]
fn a_copy_at_any_moment_holds_what_was_committed() {
    let mut files = Files::new(5_000);
    let mut store = files.open().expect("open");
    store.db.pragma_update(None, "wal_autocheckpoint", 25).expect("set");
    let mut model = Model::default();
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let home = scratch();
    for number in 0..120 {
        let (before, base) = (read_files(&files.path()), model.clone());
        let batch = random_batch(&mut rng);
        store.commit(&batch).expect("committed");
        model.commit(&batch);
        let copy = home.path().join(number.to_string());
        copy_files(&files.path(), &copy);
        let opened = SqliteStore::open_with_run(&copy, 5_000).expect("open");
        model.assert_same(&opened, &format!("after commit {number}"));
        drop(opened);
        // Unless a checkpoint came in between, the last commit is only in the log: with its end lost, it did not happen.
        let after = read_files(&files.path());
        if before.0 == after.0 && after.1.len() > before.1.len() && after.1.starts_with(&before.1) {
            let cut = before.1.len() + rng.next_u32() as usize % (after.1.len() - before.1.len());
            fs::write(copy.join(DATABASE), &after.0).expect("written");
            fs::write(copy.join(LOG), &after.1[..cut]).expect("written");
            let opened = SqliteStore::open_with_run(&copy, 5_000).expect("open");
            base.assert_same(&opened, &format!("in commit {number}"));
        }
        fs::remove_dir_all(&copy).expect("removable");
    }
}

fn read_files(path: &Path) -> (Vec<u8>, Vec<u8>) {
    (fs::read(path.join(DATABASE)).expect("readable"), fs::read(path.join(LOG)).unwrap_or_default())
}
