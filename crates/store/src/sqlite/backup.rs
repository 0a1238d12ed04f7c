//! Copies of a store that is in use.

use super::directory::{self, DATABASE, PARTIAL};
use super::error::Place;
use rusqlite::{Connection, OpenFlags};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use strait_engine::ports::StoreError;

/// Copies an open store from any thread, while it takes commits. The copy holds exactly the commits that were
/// complete when it began. Until it ends, the store's write-ahead log grows with what is committed meanwhile.
#[derive(Clone, Debug)]
pub struct BackupSource {
    directory: PathBuf,
}

impl BackupSource {
    pub(super) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// Copies into a directory that holds no store; it is made if there is none. The copy is on disk when this returns;
    /// an interrupted one is refused by [`super::SqliteStore::open`] and can be deleted.
    ///
    /// # Errors
    /// `Misuse` when the target holds a store or an unfinished copy; else as [`super::SqliteStore::open`].
    pub fn copy_to(&self, target: impl AsRef<Path>) -> Result<(), StoreError> {
        let target = target.as_ref();
        let place = Place::new(target);
        let io = |error| place.io(error);
        directory::create_private(target).map_err(io)?;
        let (partial, complete) = (target.join(PARTIAL), target.join(DATABASE));
        for path in [&partial, &complete] {
            if path.try_exists().map_err(io)? {
                let path = path.display();
                return Err(StoreError::Misuse(format!(
                    "{path} is there already; choose an empty directory"
                )));
            }
        }
        // SQLite fills an empty file and leaves its mode alone.
        directory::private_file(&partial).map_err(io)?;
        self.write(&partial, &place)?;
        File::open(&partial).and_then(|file| file.sync_all()).map_err(io)?;
        fs::rename(&partial, &complete).and_then(|()| directory::sync(target)).map_err(io)
    }

    fn write(&self, file: &Path, place: &Place) -> Result<(), StoreError> {
        let name = file
            .to_str()
            .ok_or_else(|| StoreError::Misuse(format!("the name {} is not valid UTF-8", file.display())))?;
        // Reading needs write access to the shared index of the log.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let source = Place::new(&self.directory);
        let db = Connection::open_with_flags(self.directory.join(DATABASE), flags)
            .map_err(|error| source.sql(error))?;
        db.execute("VACUUM INTO ?1", [name]).map(drop).map_err(|error| match source.sql(error) {
            StoreError::DiskFull { .. } => place.disk_full(),
            other => other,
        })
    }
}
