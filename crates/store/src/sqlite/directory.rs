//! The data directory: private to its owner, and held by one process at a time.

use super::error::Place;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use strait_engine::ports::StoreError;

pub(super) const DATABASE: &str = "strait.db";
/// A backup bears this name until it is complete.
pub(super) const PARTIAL: &str = "strait.db.partial";
const WRITE_AHEAD_LOG: &str = "strait.db-wal";
const LOCK: &str = "lock";
const PRIVATE_DIRECTORY: u32 = 0o700;
const PRIVATE_FILE: u32 = 0o600;

/// An open data directory. The lock belongs to the open file, so it ends with the process however that ends,
/// and a second open fails in the same process as well.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    _lock: File,
}

impl Directory {
    /// Opens and locks, making the directory and an empty database where there is none.
    pub(super) fn open(path: &Path, place: &Place) -> Result<Self, StoreError> {
        create_private(path).map_err(|error| place.io(error))?;
        let lock = private_file(&path.join(LOCK)).map_err(|error| place.io(error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(place.in_use()),
            Err(TryLockError::Error(error)) => return Err(place.io(error)),
        }
        let directory = Self { path: path.to_owned(), _lock: lock };
        directory.check_contents(place)?;
        private_file(&directory.database()).and_then(|_| sync(path)).map_err(|error| place.io(error))?;
        Ok(directory)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    /// An empty store must not be taken for the one that was here.
    fn check_contents(&self, place: &Place) -> Result<(), StoreError> {
        let exists = |name: &str| self.path.join(name).try_exists().map_err(|error| place.io(error));
        if exists(DATABASE)? {
            return Ok(());
        }
        if exists(PARTIAL)? {
            return Err(place.damaged("it holds a backup that was not completed"));
        }
        if exists(WRITE_AHEAD_LOG)? {
            return Err(place.damaged(format!("{WRITE_AHEAD_LOG} is there but {DATABASE} is missing")));
        }
        Ok(())
    }
}

/// Makes a directory that only its owner can enter.
pub(super) fn create_private(path: &Path) -> std::io::Result<()> {
    if !path.try_exists()? {
        DirBuilder::new().recursive(true).mode(PRIVATE_DIRECTORY).create(path)?;
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync(parent)?;
        }
    }
    make_private(path, PRIVATE_DIRECTORY)
}

/// Opens a file that only its owner can read, making it if needed. SQLite gives its other files the same mode.
pub(super) fn private_file(path: &Path) -> std::io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(PRIVATE_FILE)
        .open(path)?;
    make_private(path, PRIVATE_FILE)?;
    Ok(file)
}

/// Makes the names in a directory durable.
pub(super) fn sync(directory: &Path) -> std::io::Result<()> {
    File::open(directory)?.sync_all()
}

fn make_private(path: &Path, mode: u32) -> std::io::Result<()> {
    let open_to_others = fs::metadata(path)?.permissions().mode() & 0o077 != 0;
    if open_to_others { fs::set_permissions(path, Permissions::from_mode(mode)) } else { Ok(()) }
}
