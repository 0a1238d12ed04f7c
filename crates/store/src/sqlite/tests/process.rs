//! Other processes: one that is killed, and one that comes second. They are this test program again.

use super::super::SqliteStore;
use super::scratch;
use crate::conformance::{Model, random_batch};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use strait_engine::ports::{Batch, Store as _, StoreError};

const DIRECTORY: &str = "STRAIT_STORE_TEST_DIRECTORY";
/// Small, so that the kills hit the fold too.
const RUN: usize = 20_000;

/// Commit number `number`: always the same.
fn batch(number: u64) -> Batch {
    let mut batch = random_batch(&mut ChaCha8Rng::seed_from_u64(number));
    batch.set_meta("number", number.to_le_bytes().to_vec());
    batch
}

fn committed(store: &SqliteStore) -> Option<u64> {
    let value = store.meta("number").expect("readable")?;
    Some(u64::from_le_bytes(value.try_into().expect("eight bytes")))
}

#[test]
#[ignore = "runs as the child process of the tests below"]
fn child_commits_until_killed() {
    let path = std::env::var(DIRECTORY).expect("set by the parent");
    let mut store = match SqliteStore::open_with_run(Path::new(&path), RUN) {
        Ok(store) => store,
        Err(error) => return eprintln!("{error}"),
    };
    let next = committed(&store).map_or(0, |number| number + 1);
    for number in next.. {
        store.commit(&batch(number)).expect("committed");
        eprintln!("{number}");
    }
}

fn start_child(path: &Path) -> Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "sqlite::tests::process::child_commits_until_killed", "--ignored", "--nocapture"])
        .env(DIRECTORY, path)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the child starts")
}

#[test]
fn what_a_killed_process_reported_is_there() {
    let home = scratch();
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut model = Model::default();
    let mut next = 0;
    for kill in 0..20 {
        let mut child = start_child(home.path());
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let mut reported = None;
        for _ in 0..=(rng.next_u32() % 40) {
            let line = lines.next().expect("it commits on").expect("readable");
            reported = Some(line.parse::<u64>().expect("a number"));
        }
        child.kill().expect("killed");
        child.wait().expect("ended");
        // What it wrote between the last line read and its end.
        let rest: Vec<String> = lines.map_while(Result::ok).collect();
        let reported = rest.iter().filter_map(|line| line.parse().ok()).next_back().max(reported);

        let store = SqliteStore::open_with_run(home.path(), RUN).expect("the lock died with the process");
        let last = committed(&store);
        assert!(last >= reported, "kill {kill}: reported {reported:?}, found {last:?}");
        let end = last.map_or(0, |number| number + 1);
        for number in next..end {
            model.commit(&batch(number));
        }
        next = end;
        model.assert_same(&store, &format!("kill {kill}"));
    }
}

#[test]
fn a_second_process_is_refused() {
    let home = scratch();
    let store = SqliteStore::open(home.path()).expect("open");
    let output = start_child(home.path()).wait_with_output().expect("ended");
    let expected = StoreError::InUse { path: home.path().display().to_string() }.to_string();
    assert_eq!(String::from_utf8_lossy(&output.stderr).trim(), expected);
    drop(store);
}
