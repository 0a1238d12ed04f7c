//! `strait restore`.

use crate::command::Global;
use crate::failure::Failure;
use crate::local::{ConfigFlags, load};
use crate::output::Output;
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use strait_engine::ports::{Batch, Kind, Store, StoreError};
use strait_node::config::{CONFIG_FILE, Config};
use strait_protocol::Record;
use strait_store::SqliteStore;

/// What a store's directory holds.
pub(crate) const DATABASE: &str = "strait.db";
/// In the data, until the node has been started over it: which backup it is of.
pub(crate) const RESTORED: &str = "restored-from";
/// A backup names a chain's directory by this and the chain's id, since names are each configuration's own.
const BY_ID: &str = "chain-";

/// Options of `strait restore`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait restore /var/backups/strait-2026-11-22\n  strait --home /srv/strait restore ./backup\n\nThe home directory must have no data yet; configuration and keys stay as they are, and every chain of the backup must be configured. Every channel is marked as restored: after `strait node` starts, the node asks each peer for the newest state that it signed, and neither pays nor is paid until both have signed again, about two hours of chain time later. API tokens are not in a backup: make new ones with `strait token create`. Never run the old data and the restored data of one key at the same time."
)]
pub(crate) struct RestoreArgs {
    /// A directory that `strait backup` wrote.
    directory: PathBuf,
    #[command(flatten)]
    config: ConfigFlags,
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

/// What is next.
const NEXT: &str =
    "next: start `strait node`. It asks each peer for the newest state; a channel can be used again when both
have signed it, about two hours of chain time after the start (`strait channel show` says until when). If a
peer never answers, `strait channel dispute` takes the money out with the best state of the backup.
API tokens are not in a backup: make new ones with `strait token create`.";

/// Puts a backup into the home directory.
///
/// # Errors
/// When there is data already, the backup is none, or one of its chains is not configured.
pub(crate) fn run(global: &Global, args: &RestoreArgs, out: &Output) -> Result<(), Failure> {
    let config = load(global, &args.config, Vec::new())?.config;
    print(&restore(&args.directory, &config)?, out)
}

fn print(done: &Restored, out: &Output) -> Result<(), Failure> {
    out.result(done, |_| {
        let line = |chain: &RestoredChain| format!("{}: {} channels restored", chain.name, chain.channels);
        done.chains.iter().map(line).collect::<Vec<_>>().join("\n")
    })?;
    out.note(NEXT);
    Ok(())
}

fn restore(backup: &Path, config: &Config) -> Result<Restored, Failure> {
    let data = &config.home.join("data");
    let chains = destinations(&stores(backup)?, config)?;
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
    let mut done = Restored { data: data.clone(), chains: Vec::new() };
    for (name, directory) in chains {
        let place = partial.join(&name);
        fs::rename(partial.join(directory), &place).map_err(Failure::local)?;
        let channels = mark(&place).map_err(Failure::local)?;
        done.chains.push(RestoredChain { name, channels });
    }
    fs::write(partial.join(RESTORED), backup.display().to_string()).map_err(Failure::local)?;
    sync(&partial).map_err(Failure::local)?;
    if data.exists() {
        fs::remove_dir(data).map_err(Failure::local)?;
    }
    fs::rename(&partial, data).and_then(|()| sync(&config.home)).map_err(Failure::local)?;
    Ok(done)
}

/// By the name that the node looks for each chain under: its directory in the backup.
///
/// # Errors
/// When a chain is not configured: its channels would lie where nobody defends them.
fn destinations(stores: &[String], config: &Config) -> Result<BTreeMap<String, String>, Failure> {
    let mut found = BTreeMap::new();
    for directory in stores {
        let id = directory.strip_prefix(BY_ID).and_then(|id| id.parse::<u64>().ok());
        let Some(id) = id.filter(|id| *directory == format!("{BY_ID}{id}")) else {
            return Err(Failure::usage(format!("the directory {directory} is of no backup")).hint(
                "give the directory that `strait backup` wrote; it has a directory chain-ID per chain",
            ));
        };
        let Some((name, _)) = config.chains.iter().find(|(_, chain)| chain.chain_id == id) else {
            return Err(Failure::usage(format!(
                "the backup has channels on the chain with the id {id}, and no such chain is configured; nothing was restored"
            ))
            .hint(format!(
                "first configure [chains.NAME] with chain_id = {id} in {}",
                config.home.join(CONFIG_FILE).display()
            )));
        };
        found.insert(name.clone(), directory.clone());
    }
    Ok(found)
}

fn sync(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}

/// The chains' directories in a backup.
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
    sync(to)
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
    use crate::testing::Page;
    use strait_node::config::{Layers, Loaded};
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
        let mut store = SqliteStore::open(directory.join("chain-1")).expect("a store");
        let mut batch = Batch::default();
        batch.record(id, Kind::Working, borsh::to_vec(&opened).expect("bytes"));
        store.commit(&batch).expect("on disk");
        id
    }

    /// A configuration with a chain of this id and name.
    fn configured(home: &Path, id: u64) -> Config {
        let text = format!(
            "[chains.mine]\nchain_id = {id}\nrpc = [\"http://127.0.0.1:1\"]\nadjudicator = \"{}\"\n",
            Address::repeat_byte(3)
        );
        fs::create_dir_all(home).expect("a home");
        fs::write(home.join(CONFIG_FILE), text).expect("written");
        let layers = Layers { home: home.to_owned(), ..Layers::default() };
        Loaded::load(&layers).expect("a configuration").config
    }

    #[test]
    fn what_is_next_is_no_part_of_the_result() {
        let page = Page::new(false, None);
        let chains = vec![RestoredChain { name: "mine".into(), channels: 2 }];
        print(&Restored { data: PathBuf::new(), chains }, &page.out).expect("printed");
        assert_eq!(page.text(), "mine: 2 channels restored\n");
        assert!(page.notes().starts_with("next: start `strait node`"), "{}", page.notes());
    }

    #[test]
    fn every_channel_lies_where_the_node_looks_and_knows_that_it_was_restored() {
        let directory = tempfile::tempdir().expect("a directory");
        let (backup, home) = (directory.path().join("backup"), directory.path().join("home"));
        let id = filled(&backup);
        let config = configured(&home, 1);
        let done = restore(&backup, &config).expect("restored");
        assert_eq!(done.chains, [RestoredChain { name: "mine".into(), channels: 1 }]);
        let store = SqliteStore::open(config.chain_directory("mine")).expect("a store");
        let mut views = Vec::new();
        store
            .recover(&mut |found| {
                let channel = Channel::recover(found.snapshot.as_deref(), &found.records).expect("whole");
                views.push((channel.id(), channel.view().restoring));
            })
            .expect("read");
        assert_eq!(views, [(id, true)]);
        let mut names: Vec<_> =
            fs::read_dir(&done.data).expect("data").map(|entry| entry.expect("one").file_name()).collect();
        names.sort();
        assert_eq!(names, ["mine", RESTORED]);
    }

    #[test]
    fn a_chain_that_is_not_configured_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let (backup, home) = (directory.path().join("backup"), directory.path().join("home"));
        filled(&backup);
        let failure = restore(&backup, &configured(&home, 5)).expect_err("another chain");
        assert_eq!(failure.exit(), Exit::Usage);
        assert!(failure.to_string().contains("id 1"), "{failure}");
        assert!(!home.join("data").exists());
    }

    #[test]
    fn data_that_is_there_is_never_touched() {
        let directory = tempfile::tempdir().expect("a directory");
        let (backup, home) = (directory.path().join("backup"), directory.path().join("home"));
        filled(&backup);
        let config = configured(&home, 1);
        fs::create_dir(home.join("data")).expect("made");
        fs::write(home.join("data/service.db"), "mine").expect("written");
        let failure = restore(&backup, &config).expect_err("there is data");
        assert_eq!(failure.exit(), Exit::Usage);
        assert_eq!(fs::read_to_string(home.join("data/service.db")).expect("there"), "mine");
    }

    #[test]
    fn what_is_no_backup_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let config = configured(&directory.path().join("home"), 1);
        let failure = restore(directory.path(), &config).expect_err("empty");
        assert!(failure.to_string().contains("holds no backup"), "{failure}");
        assert!(!directory.path().join("home/data").exists());
    }
}
