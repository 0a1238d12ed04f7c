//! One process per home directory.

use super::DaemonError;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

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
            Ok(()) => Ok(HomeLock { _file: file }),
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
    fn a_second_node_of_one_home_is_refused_until_the_first_ends() {
        let home = tempfile::tempdir().expect("a directory");
        let first = HomeLock::take(home.path()).expect("free");
        assert!(matches!(HomeLock::take(home.path()), Err(DaemonError::Running(_))));
        drop(first);
        assert!(HomeLock::take(home.path()).is_ok());
    }
}
