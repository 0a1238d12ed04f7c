//! `strait restore`.

use crate::command::Global;
use crate::failure::Failure;
use crate::output::Output;
use clap::Args;
use serde::Serialize;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use strait_engine::ports::{Batch, Kind, Store, StoreError};
use strait_protocol::Record;
use strait_store::SqliteStore;

/// What a store's directory holds.
const DATABASE: &str = "strait.db";

/// Options of `strait restore`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait restore /var/backups/strait-2026-11-22\n  strait --home /srv/strait restore ./backup\n\nThe home directory must have no data yet; configuration and keys stay as they are. Every channel is marked as restored:\nafter `strait node` starts, the node asks each peer for the newest state that it signed, and neither pays nor is paid\nuntil both have signed again. Never run the old data and the restored data of one key at the same time."
)]
pub(crate) struct RestoreArgs {
    /// A directory that `strait backup` wrote.
    directory: PathBuf,
}

/// What was restored.
#[derive(Serialize, Debug, PartialEq, Eq)]
struct Restored {
    data: PathBuf,
    chains: Vec<RestoredChain>,
}

#[derive(Serialize, Debug, PartialEq, Eq)]
struct RestoredChain {
    name: String,
    channels: usize,
}

/// Puts a backup into the home directory.
///
/// # Errors
/// When there is data already, or the backup is none.
pub(crate) fn run(global: &Global, args: &RestoreArgs, out: &Output) -> Result<(), Failure> {
    let data = global.home()?.join("data");
    let done = restore(&args.directory, &data)?;
    out.result(&done, |_| {
        let mut text = String::new();
        for chain in &done.chains {
            text.push_str(&format!("{}: {} channels restored\n", chain.name, chain.channels));
        }
        text + "\nnext: start `strait node`. It asks each peer for the newest state; a channel can be used again when both\n\
            have signed it (`strait channel list` shows it as restoring until then). If a peer never answers,\n\
            `strait channel dispute` takes the money out with the best state of the backup."
    })
}

fn restore(backup: &Path, data: &Path) -> Result<Restored, Failure> {
    let chains = stores(backup)?;
    if is_used(data).map_err(Failure::local)? {
        return Err(Failure::usage(format!("{} holds data already", data.display())).hint(
            "restore into another --home, or move the data away; two copies of one node must never run",
        ));
    }
    // Only a whole copy gets the name that a node looks at.
    let partial = data.with_extension("restoring");
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(Failure::local)?;
    }
    copy(backup, &partial)
        .map_err(|error| Failure::local(format!("the backup cannot be copied: {error}")))?;
    let mut done = Restored { data: data.to_owned(), chains: Vec::new() };
    for name in chains {
        let channels = mark(&partial.join(&name)).map_err(Failure::local)?;
        done.chains.push(RestoredChain { name, channels });
    }
    if data.exists() {
        fs::remove_dir(data).map_err(Failure::local)?;
    }
    fs::rename(&partial, data).map_err(Failure::local)?;
    Ok(done)
}

/// The names of the chains in a backup.
///
/// # Errors
/// When it is no backup.
pub(crate) fn stores(backup: &Path) -> Result<Vec<String>, Failure> {
    let name = backup.display();
    let entries = fs::read_dir(backup).map_err(|error| {
        Failure::usage(format!("{name} cannot be read: {error}")).hint("give a directory of `strait backup`")
    })?;
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Failure::local)?;
        if entry.path().join(DATABASE).is_file() {
            found.extend(entry.file_name().into_string());
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(Failure::usage(format!("{name} holds no backup"))
            .hint("give the directory that `strait backup` wrote; it has a directory per chain"));
    }
    Ok(found)
}

fn is_used(data: &Path) -> io::Result<bool> {
    match fs::read_dir(data) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Copies a directory, for the owner alone; all is on disk when this returns.
///
/// # Errors
/// The system's.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy(&entry.path(), &target)?;
        } else if kind.is_file() {
            let mut source = fs::File::open(entry.path())?;
            let mut target = OpenOptions::new().write(true).create_new(true).mode(0o600).open(target)?;
            io::copy(&mut source, &mut target)?;
            target.sync_all()?;
        }
    }
    fs::File::open(to)?.sync_all()
}

/// Tells every channel of a store that its data comes from a backup; gives how many there are.
fn mark(directory: &Path) -> Result<usize, StoreError> {
    let mut store = SqliteStore::open(directory)?;
    let mut batch = Batch::default();
    let mut failure = None;
    store.recover(&mut |channel| match borsh::to_vec(&Record::Restored) {
        Ok(bytes) => batch.record(channel.channel, Kind::Working, bytes),
        Err(error) => failure = Some(StoreError::Misuse(error.to_string())),
    })?;
    if let Some(error) = failure {
        return Err(error);
    }
    let channels = batch.records.len();
    if !batch.is_empty() {
        store.commit(&batch)?;
    }
    Ok(channels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;
    use strait_protocol::{Channel, Settings};
    use strait_types::{Address, B256, ChannelParams, Participant, Side};

    fn filled(directory: &Path) -> strait_types::ChannelId {
        let participant =
            |byte| Participant { signer: Address::repeat_byte(byte), payout: Address::repeat_byte(byte) };
        let params = ChannelParams {
            participants: [participant(1), participant(2)],
            challenge_duration: 3_600,
            nonce: 1,
            app: Address::ZERO,
            child: B256::ZERO,
            assets: vec![Address::ZERO],
        };
        let id = params.id(1, Address::repeat_byte(3));
        let (_, opened) = Channel::open(id, params, Side::Zero, Settings::default());
        let mut store = SqliteStore::open(directory.join("mainnet")).expect("a store");
        let mut batch = Batch::default();
        batch.record(id, Kind::Working, borsh::to_vec(&opened).expect("bytes"));
        store.commit(&batch).expect("on disk");
        id
    }

    #[test]
    fn every_channel_knows_that_it_was_restored() {
        let directory = tempfile::tempdir().expect("a directory");
        let (backup, data) = (directory.path().join("backup"), directory.path().join("home/data"));
        fs::create_dir(directory.path().join("home")).expect("a home");
        let id = filled(&backup);
        let done = restore(&backup, &data).expect("restored");
        assert_eq!(done.chains, [RestoredChain { name: "mainnet".into(), channels: 1 }]);
        let store = SqliteStore::open(data.join("mainnet")).expect("a store");
        let mut views = Vec::new();
        store
            .recover(&mut |found| {
                let channel = Channel::recover(found.snapshot.as_deref(), &found.records).expect("whole");
                views.push((channel.id(), channel.view().restoring));
            })
            .expect("read");
        assert_eq!(views, [(id, true)]);
    }

    #[test]
    fn data_that_is_there_is_never_touched() {
        let directory = tempfile::tempdir().expect("a directory");
        let (backup, data) = (directory.path().join("backup"), directory.path().join("data"));
        filled(&backup);
        fs::create_dir(&data).expect("made");
        fs::write(data.join("service.db"), "mine").expect("written");
        let failure = restore(&backup, &data).expect_err("there is data");
        assert_eq!(failure.exit(), Exit::Usage);
        assert_eq!(fs::read_to_string(data.join("service.db")).expect("there"), "mine");
    }

    #[test]
    fn what_is_no_backup_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let failure = restore(directory.path(), &directory.path().join("data")).expect_err("empty");
        assert!(failure.to_string().contains("holds no backup"), "{failure}");
        assert!(!directory.path().join("data").exists());
    }
}
