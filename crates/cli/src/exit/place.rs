//! The copy of the backup that is worked in, and the way to the chains.

use crate::command::Global;
use crate::failure::Failure;
use crate::init::endpoint_url;
use crate::output::tell;
use crate::restore::{copy, stores};
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use strait_chain::rpc::Url;
use strait_node::config::CONFIG_FILE;
use strait_node::daemon::{DaemonError, HomeLock};

/// An endpoint, perhaps for one chain only.
#[derive(Clone, Debug)]
pub(super) struct Rpc {
    chain: Option<String>,
    url: Url,
}

impl FromStr for Rpc {
    type Err = String;

    fn from_str(text: &str) -> Result<Rpc, String> {
        let (chain, url) = match text.split_once('=') {
            Some((name, url)) if !name.contains(':') => (Some(name.to_owned()), url),
            _ => (None, text),
        };
        let url =
            endpoint_url(url).map_err(|error| format!("{error}; with several chains NAME=https://HOST"))?;
        Ok(Rpc { chain, url })
    }
}

/// The endpoints of a chain.
///
/// # Errors
/// When it has none, or it is not clear which.
pub(super) fn urls(rpc: &[Rpc], name: &str, chains: usize) -> Result<Vec<Url>, Failure> {
    let is_meant = |rpc: &&Rpc| rpc.chain.as_deref().map_or(chains == 1, |chain| chain == name);
    let urls: Vec<_> = rpc.iter().filter(is_meant).map(|rpc| rpc.url.clone()).collect();
    if urls.is_empty() {
        return Err(Failure::usage(format!("no endpoint is given for chain {name}"))
            .hint(format!("add --rpc {name}=https://HOST")));
    }
    Ok(urls)
}

/// Two that act for one key sign two states of one version, and a store cannot be copied while it is written. A running
/// node is known by its home: that of the data, or that of the key. No node starts there while the locks are held.
///
/// # Errors
/// When a node runs, or another exit.
pub(super) fn lock_homes(backup: &Path, key: &Path) -> Result<Vec<HomeLock>, Failure> {
    let absolute = std::path::absolute(backup).map_err(Failure::local)?;
    let key = std::path::absolute(key).map_err(Failure::local)?;
    let of_data = absolute.parent().filter(|_| absolute.ends_with("data"));
    let of_key = key.parent().filter(|keys| keys.ends_with("keys")).and_then(Path::parent);
    let is_home = |home: &&Path| home.join("data").is_dir() || home.join(CONFIG_FILE).exists();
    let mut homes: Vec<PathBuf> = Vec::new();
    for home in of_data.into_iter().chain(of_key).filter(is_home) {
        // One home by two names must not keep itself out.
        let home = fs::canonicalize(home).map_err(Failure::local)?;
        if !homes.contains(&home) {
            homes.push(home);
        }
    }
    let mut locks = Vec::new();
    for home in homes {
        match HomeLock::take(&home) {
            Ok(lock) => locks.push(lock),
            Err(DaemonError::Running(_)) => {
                let message = format!("the node of {} runs, or another `strait exit`", home.display());
                return Err(Failure::usage(message).hint(
                    "stop it for good first; while a node runs, `strait channel close` or `dispute` leaves a channel",
                ));
            }
            // The way out works also from where nothing can be written.
            Err(error) => {
                tell(&format!("note: {} cannot be locked, so start no node there: {error}", home.display()))
            }
        }
    }
    Ok(locks)
}

/// Where the configuration is that names tokens: in the home that is given, or else in that of the key.
pub(super) fn home(global: &Global, key: &Path) -> Global {
    let of_key = key.parent().filter(|keys| keys.ends_with("keys")).and_then(Path::parent);
    Global { home: global.home.clone().or_else(|| of_key.map(Path::to_owned)), ..global.clone() }
}

/// The copy; made if it is not there.
///
/// # Errors
/// When the backup is none, or cannot be copied.
pub(super) fn prepare(backup: &Path, work: Option<&Path>) -> Result<PathBuf, Failure> {
    let work = match work {
        Some(work) => work.to_owned(),
        None => {
            let mut name = backup.components().as_path().as_os_str().to_owned();
            name.push(".exit");
            PathBuf::from(name)
        }
    };
    if work.exists() {
        return Ok(work);
    }
    stores(backup)?;
    let mut partial = work.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(Failure::local)?;
    }
    copy(backup, &partial)
        .map_err(|error| Failure::local(format!("the backup cannot be copied: {error}")))?;
    fs::rename(&partial, &work).map_err(Failure::local)?;
    Ok(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rpc(text: &str) -> Rpc {
        text.parse().expect("an endpoint")
    }

    #[test]
    fn endpoints_are_for_the_only_chain_or_the_named_one() {
        let named = [rpc("base=https://b.example/?k=1"), rpc("mainnet=https://m.example")];
        assert_eq!(urls(&named, "base", 2).expect("one")[0].as_str(), "https://b.example/?k=1");
        assert!(urls(&named, "gnosis", 3).is_err());
        let bare = [rpc("https://m.example/?key=a=b"), rpc("https://n.example")];
        assert_eq!(urls(&bare, "mainnet", 1).expect("both").len(), 2);
        assert!(urls(&bare, "mainnet", 2).is_err_and(|failure| failure.to_string().contains("mainnet")));
        assert!("mainnet".parse::<Rpc>().is_err());
    }

    #[test]
    fn no_node_starts_in_the_home_of_data_or_key_until_the_exit_ends() {
        let directory = tempfile::tempdir().expect("a directory");
        let (home, other) = (directory.path().join("home"), directory.path().join("other"));
        fs::create_dir_all(home.join("data")).expect("made");
        fs::create_dir_all(other.join("keys")).expect("made");
        fs::write(other.join(CONFIG_FILE), "").expect("written");
        let key = other.join("keys/node.json");
        let locks = lock_homes(&home.join("data"), &key).expect("nothing runs");
        assert!([&home, &other].iter().all(|home| HomeLock::take(home).is_err()));
        assert!(lock_homes(&directory.path().join("backup"), &key).is_err(), "a second exit");
        drop(locks);
        let of_node = HomeLock::take(&other).expect("free again");
        let failure = lock_homes(&home.join("data"), &key).expect_err("a node runs");
        assert!(failure.to_string().contains("other"), "{failure}");
        drop(of_node);
        // A home that is named twice, and a key that lies in none.
        assert_eq!(lock_homes(&home.join("data"), &home.join("keys/node.json")).expect("free").len(), 1);
        let elsewhere = directory.path().join("keys/node.json");
        assert!(lock_homes(&directory.path().join("backup"), &elsewhere).expect("no home").is_empty());
        assert!(!directory.path().join("data").exists());
    }

    #[test]
    fn the_backup_stays_as_it_is_and_the_work_goes_on() {
        let directory = tempfile::tempdir().expect("a directory");
        let backup = directory.path().join("backup");
        fs::create_dir_all(backup.join("mainnet")).expect("made");
        fs::write(backup.join("mainnet/strait.db"), "kept").expect("written");
        let work = prepare(&backup, None).expect("copied");
        fs::write(work.join("mainnet/strait.db"), "further").expect("written");
        assert_eq!(prepare(&backup, None).expect("there"), work);
        assert_eq!(fs::read_to_string(work.join("mainnet/strait.db")).expect("there"), "further");
        assert_eq!(fs::read_to_string(backup.join("mainnet/strait.db")).expect("there"), "kept");
    }
}
