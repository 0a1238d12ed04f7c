//! Durable commits per second in the shapes that the store sees: one row or entry per record on a monotonic key, and each
//! commit synced. Compares the store with a bare log, with SQLite used plainly, and with redb.
//!
//! `cargo bench -p strait-store --bench commit [-- NAME]` measures, in the present directory, those whose name
//! contains NAME. Under `cargo test` it runs a few commits of each, so that it cannot rot.

use rusqlite::{Connection, params};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};
use strait_engine::ports::{Batch, Kind, Record, Store as _};
use strait_store::SqliteStore;
use strait_types::{B256, ChannelId};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Records per commit, and bytes of each.
const SHAPES: [(usize, usize); 5] = [(1, 300), (10, 300), (100, 300), (1000, 300), (1, 30_000)];

/// Commits a batch durably.
type Commit = Box<dyn FnMut(&Batch) -> Outcome<()>>;
type Candidate = (&'static str, fn(&Path) -> Outcome<Commit>);

const CANDIDATES: [Candidate; 5] = [
    ("log", log),
    ("sqlite-rows", sqlite_rows),
    ("sqlite-chunks", sqlite_chunks),
    ("redb", redb),
    ("store", store),
];

fn chunk(batch: &Batch) -> Vec<u8> {
    batch.records.iter().flat_map(|record| record.payload.iter().copied()).collect()
}

fn log(directory: &Path) -> Outcome<Commit> {
    let mut file = File::create(directory.join("log"))?;
    Ok(Box::new(move |batch| {
        file.write_all(&chunk(batch))?;
        Ok(file.sync_data()?)
    }))
}

fn sqlite(directory: &Path) -> Outcome<Connection> {
    let db = Connection::open(directory.join("db"))?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.execute_batch("CREATE TABLE journal (position INTEGER PRIMARY KEY, entry BLOB NOT NULL)")?;
    Ok(db)
}

const INSERT: &str = "INSERT INTO journal VALUES (?1, ?2)";

fn sqlite_rows(directory: &Path) -> Outcome<Commit> {
    let mut db = sqlite(directory)?;
    let mut position = 0_u64;
    Ok(Box::new(move |batch| {
        let transaction = db.transaction()?;
        for record in &batch.records {
            position += 1;
            transaction.prepare_cached(INSERT)?.execute(params![position, record.payload])?;
        }
        Ok(transaction.commit()?)
    }))
}

fn sqlite_chunks(directory: &Path) -> Outcome<Commit> {
    let mut db = sqlite(directory)?;
    let mut position = 0_u64;
    Ok(Box::new(move |batch| {
        let transaction = db.transaction()?;
        position += 1;
        transaction.prepare_cached(INSERT)?.execute(params![position, chunk(batch)])?;
        Ok(transaction.commit()?)
    }))
}

fn redb(directory: &Path) -> Outcome<Commit> {
    const JOURNAL: redb::TableDefinition<u64, &[u8]> = redb::TableDefinition::new("journal");
    let db = redb::Database::create(directory.join("db"))?;
    let mut position = 0_u64;
    Ok(Box::new(move |batch| {
        let transaction = db.begin_write()?;
        {
            let mut table = transaction.open_table(JOURNAL)?;
            for record in &batch.records {
                position += 1;
                table.insert(position, record.payload.as_slice())?;
            }
        }
        Ok(transaction.commit()?)
    }))
}

/// The store as it is, with the fold, and a snapshot of one channel in ten commits.
fn store(directory: &Path) -> Outcome<Commit> {
    let mut store = SqliteStore::open(directory.join("data"))?;
    let mut commits = 0_usize;
    Ok(Box::new(move |batch| {
        commits += 1;
        if commits.is_multiple_of(10) {
            let mut batch = batch.clone();
            batch.snapshot(channel(commits / 10), vec![1; 500]);
            return Ok(store.commit(&batch)?);
        }
        Ok(store.commit(batch)?)
    }))
}

fn channel(n: usize) -> ChannelId {
    ChannelId(B256::left_padding_from(&(n % 100).to_be_bytes()))
}

fn batch((records, bytes): (usize, usize)) -> Batch {
    let record = |n: usize| {
        let payload = (0..bytes).map(|byte| (n * 31 + byte * 7) as u8).collect();
        Record { channel: channel(n), kind: Kind::History, payload }
    };
    Batch { records: (0..records).map(record).collect(), ..Batch::default() }
}

fn measure(name: &str, commit: &mut Commit, shape: (usize, usize), time: Duration) -> Outcome<()> {
    let batch = batch(shape);
    let mut latencies = Vec::new();
    let start = Instant::now();
    while start.elapsed() < time || latencies.len() < 20 {
        let begin = Instant::now();
        commit(&batch)?;
        latencies.push(begin.elapsed().as_micros());
    }
    let seconds = start.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let quantile = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    let commits = latencies.len() as f64 / seconds;
    println!(
        "{name:14} {:5} x {:6} B {commits:7.0} commits/s {:9.0} records/s   p50 {:5} us  p99 {:6} us  max {:6} us",
        shape.0,
        shape.1,
        commits * shape.0 as f64,
        quantile(0.5),
        quantile(0.99),
        quantile(1.0),
    );
    Ok(())
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let measuring = arguments.iter().any(|argument| argument == "--bench");
    let time = if measuring { Duration::from_millis(1_500) } else { Duration::ZERO };
    let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
    for shape in SHAPES {
        for (name, open) in CANDIDATES {
            if filter.is_none_or(|filter| name.contains(filter.as_str())) {
                let directory = tempfile::tempdir_in(".")?;
                measure(name, &mut open(directory.path())?, shape, time)?;
            }
        }
    }
    Ok(())
}
