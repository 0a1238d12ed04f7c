//! The data directory: formats, damage, permissions, backups.

use super::super::directory::{DATABASE, PARTIAL};
use super::super::{FORMAT, SqliteStore};
use super::{Files, LOG, scratch};
use crate::conformance::{Backend as _, Model, channel, random_batch};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use rusqlite::{Connection, params};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::mpsc;
use strait_engine::ports::{Batch, Kind, Store as _, StoreError};

/// A database as format 1 wrote it, with entries in every table and a fold half done.
const FORMAT_1: &str = include_str!("../../../fixtures/format-1.sql");
/// The same in format 2.
const FORMAT_2: &str = include_str!("../../../fixtures/format-2.sql");

fn database(path: &Path) -> Connection {
    Connection::open(path.join(DATABASE)).expect("a database")
}

fn filled(path: &Path) -> Model {
    let mut store = SqliteStore::open_with_run(path, 2_000).expect("open");
    let mut model = Model::default();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..40 {
        let batch = random_batch(&mut rng);
        store.commit(&batch).expect("committed");
        model.commit(&batch);
    }
    model
}

#[test]
fn older_formats_are_migrated() {
    for fixture in [FORMAT_1, FORMAT_2] {
        is_migrated(fixture);
    }
}

fn is_migrated(fixture: &str) {
    let home = scratch();
    database(home.path()).execute_batch(fixture).expect("the fixture is valid");
    let mut store = SqliteStore::open(home.path()).expect("migrated");
    let mut model = Model::default();
    for number in 0..8 {
        model.commit(&fixture_batch(number));
    }
    model.assert_same(&store, "migrated");
    let first = store.history(channel(1), None, 2).expect("readable").last().expect("two").position;
    store.prune_history(channel(1), first).expect("what format 2 adds works");
    model.prune(channel(1), 2);
    let mut large = Batch::default();
    large.record(channel(2), Kind::History, vec![7; 100_000]);
    store.commit(&large).expect("what format 3 adds works");
    model.commit(&large);
    drop(store);
    let format: u32 =
        database(home.path()).pragma_query_value(None, "user_version", |row| row.get(0)).expect("readable");
    assert_eq!(format, FORMAT);
    model.assert_same(&SqliteStore::open(home.path()).expect("open"), "migrated, after pruning");
}

/// What the fixture was made of.
fn fixture_batch(number: u8) -> Batch {
    let mut batch = Batch::default();
    for n in 1..=3 {
        batch.record(channel(n), Kind::History, vec![number, n]);
        batch.record(channel(n), Kind::Working, vec![number, n, 0]);
    }
    if number % 3 == 2 {
        batch.snapshot(channel(1 + number % 2), vec![number; 3]);
    }
    batch.set_meta("block", vec![number]);
    batch
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let home = scratch();
    drop(filled(home.path()));
    database(home.path()).pragma_update(None, "user_version", FORMAT + 1).expect("set");
    let before = fs::read(home.path().join(DATABASE)).expect("readable");
    match SqliteStore::open(home.path()) {
        Err(error @ StoreError::NewerFormat { .. }) => {
            let text = error.to_string();
            assert!(text.contains(&home.path().display().to_string()), "names the directory: {text}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(fs::read(home.path().join(DATABASE)).expect("readable"), before);
}

#[test]
fn what_is_not_ours_is_refused() {
    let home = scratch();
    database(home.path()).execute_batch("CREATE TABLE theirs (a)").expect("made");
    assert!(matches!(SqliteStore::open(home.path()), Err(StoreError::Damaged { .. })), "another program's");
    let home = scratch();
    fs::write(home.path().join(DATABASE), [b'x'; 5000]).expect("written");
    assert!(matches!(SqliteStore::open(home.path()), Err(StoreError::Damaged { .. })), "no database");
}

#[test]
fn a_missing_database_is_not_taken_for_an_empty_store() {
    for name in [LOG, PARTIAL] {
        let home = scratch();
        fs::write(home.path().join(name), [1]).expect("written");
        assert!(matches!(SqliteStore::open(home.path()), Err(StoreError::Damaged { .. })), "{name}");
    }
}

#[test]
fn an_interrupted_creation_starts_anew() {
    let home = scratch();
    fs::write(home.path().join(DATABASE), []).expect("written");
    Model::default().assert_same(&SqliteStore::open(home.path()).expect("open"), "new");
}

#[test]
fn changed_bytes_are_noticed_in_every_table() {
    for table in ["journal", "pending", "history", "channel"] {
        let home = scratch();
        let model = filled(home.path());
        let column = if table == "channel" { "snapshot" } else { "entries" };
        let db = database(home.path());
        let mut bytes: Vec<u8> = db
            .query_row(&format!("SELECT {column} FROM {table} WHERE {column} NOT NULL"), (), |row| row.get(0))
            .expect("every table is in use");
        let old = bytes.clone();
        *bytes.last_mut().expect("not empty") ^= 1;
        db.execute(&format!("UPDATE {table} SET {column} = ?1 WHERE {column} = ?2"), params![bytes, old])
            .expect("changed");
        drop(db);
        let read_all = || {
            let store = SqliteStore::open(home.path())?;
            store.recover(&mut |_| ())?;
            for recovered in model.recovered() {
                store.history(recovered.channel, None, usize::MAX)?;
            }
            Ok(())
        };
        assert!(matches!(read_all(), Err(StoreError::Damaged { .. })), "{table}");
    }
}

#[test]
fn only_the_owner_can_read() {
    let home = scratch();
    let path = home.path().join("data");
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    drop(filled(&path));
    fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("widened");
    fs::set_permissions(path.join(DATABASE), Permissions::from_mode(0o644)).expect("widened");
    let mut store = SqliteStore::open(&path).expect("open");
    let mut batch = Batch::default();
    batch.set_meta("k", vec![1]);
    store.commit(&batch).expect("committed");
    store.backup(home.path().join("copy")).expect("copied");
    for directory in [&path, &home.path().join("copy")] {
        assert_eq!(mode(directory), 0o700);
        for file in fs::read_dir(directory).expect("readable") {
            let file = file.expect("readable").path();
            assert_eq!(mode(&file), 0o600, "{}", file.display());
        }
    }
}

#[test]
fn a_backup_is_a_store_of_its_own() {
    let home = scratch();
    let (path, copy) = (home.path().join("data"), home.path().join("copy"));
    let mut model = filled(&path);
    let mut store = SqliteStore::open(&path).expect("open");
    store.backup(&copy).expect("copied");
    assert!(matches!(store.backup(&copy), Err(StoreError::Misuse(_))), "a backup is not overwritten");
    let mut copied = SqliteStore::open(&copy).expect("open");
    model.assert_same(&copied, "the backup");
    let mut batch = Batch::default();
    batch.record(channel(1), Kind::History, vec![1]);
    store.commit(&batch).expect("committed");
    model.assert_same(&copied, "the backup does not follow");
    copied.commit(&batch).expect("committed");
    model.commit(&batch);
    model.assert_same(&copied, "the backup goes its own way");
}

#[test]
fn a_backup_during_commits_is_a_point_in_time() {
    let mut files = Files::new(2_000);
    let mut store = files.open().expect("open");
    let source = store.backup_source();
    let copy = files.root.path().join("copy");
    let (finished, is_finished) = mpsc::channel();
    let mut models = vec![Model::default()];
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    std::thread::scope(|scope| {
        let mut commit = |model: &Model| {
            let (batch, mut next) = (random_batch(&mut rng), model.clone());
            store.commit(&batch).expect("committed");
            next.commit(&batch);
            next
        };
        for _ in 0..100 {
            models.push(commit(&models[models.len() - 1]));
        }
        let copy = &copy;
        scope.spawn(move || finished.send(source.copy_to(copy)));
        let outcome = loop {
            models.push(commit(&models[models.len() - 1]));
            if let Ok(outcome) = is_finished.try_recv() {
                break outcome;
            }
        };
        outcome.expect("copied");
    });
    let copied = SqliteStore::open(copy).expect("open");
    assert!(models[100..].iter().any(|model| model.is_same(&copied)), "the copy is no point in time");
}
