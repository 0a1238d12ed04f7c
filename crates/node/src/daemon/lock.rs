//! One process per home directory.

use super::DaemonError;
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File, TryLockError};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// What a tower says of itself while it runs, in `data/`.
const TOWER_FILE: &str = "tower.json";

/// A watchtower that runs in a home directory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RunningTower {
    /// Where clients reach it.
    pub addresses: Vec<String>,
    /// Signers that are served; `any`: every one.
    pub clients: Vec<String>,
    /// Where its figures are.
    pub metrics: Option<SocketAddr>,
}

impl RunningTower {
    /// Leaves it for other processes.
    pub(super) fn publish(&self, home: &Path) -> Result<(), DaemonError> {
        let path = home.join("data").join(TOWER_FILE);
        let text = serde_json::to_vec(self).unwrap_or_default();
        fs::write(&path, text).map_err(|source| DaemonError::Io { path, source })
    }
}

/// The watchtower that runs in a home directory, if one does.
pub fn running_tower(home: &Path) -> Option<RunningTower> {
    let text = fs::read(home.join("data").join(TOWER_FILE)).ok().filter(|_| is_running(home))?;
    serde_json::from_slice(&text).ok()
}

/// Held as long as a node runs, or as `strait exit` leaves its channels; the system lets go of it when the process ends, however that happens.
#[derive(Debug)]
pub struct HomeLock {
    _file: File,
}

impl HomeLock {
    /// Makes `data/` if need be, and takes its lock.
    ///
    /// # Errors
    /// When another process has it, or the file cannot be made.
    pub fn take(home: &Path) -> Result<HomeLock, DaemonError> {
        let directory = home.join("data");
        let path = directory.join("lock");
        let failed = |source| DaemonError::Io { path: path.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(&directory).map_err(failed)?;
        let file =
            fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {
                // What ran here before; there need be none.
                drop(fs::remove_file(directory.join(TOWER_FILE)));
                Ok(HomeLock { _file: file })
            }
            Err(TryLockError::WouldBlock) => Err(DaemonError::Running(home.to_owned())),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

/// Whether a node runs in a home directory, or `strait exit` works for its key.
pub fn is_running(home: &Path) -> bool {
    let lock = File::open(home.join("data").join("lock"));
    lock.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_tower_is_known_and_none_that_was_here_before() {
        let home = tempfile::tempdir().expect("a directory");
        let lock = HomeLock::take(home.path()).expect("free");
        assert_eq!(running_tower(home.path()), None);
        let tower = RunningTower { addresses: vec!["a".into()], clients: vec!["any".into()], metrics: None };
        tower.publish(home.path()).expect("written");
        assert_eq!(running_tower(home.path()), Some(tower));
        drop(lock);
        assert_eq!(running_tower(home.path()), None, "it has stopped");
        let _node = HomeLock::take(home.path()).expect("free");
        assert_eq!(running_tower(home.path()), None, "what runs now is a node");
    }

    #[test]
    fn a_second_node_of_one_home_is_refused_until_the_first_ends() {
        let home = tempfile::tempdir().expect("a directory");
        let first = HomeLock::take(home.path()).expect("free");
        assert!(matches!(HomeLock::take(home.path()), Err(DaemonError::Running(_))));
        drop(first);
        assert!(HomeLock::take(home.path()).is_ok());
    }
}
