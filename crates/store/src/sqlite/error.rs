//! SQLite's errors as those of the port, with the directory in the text.

use crate::entry::Malformed;
use rusqlite::ffi;
use std::io;
use std::path::Path;
use strait_engine::ports::StoreError;

/// Where a failure happened.
#[derive(Clone, Debug)]
pub(super) struct Place(String);

impl Place {
    pub(super) fn new(directory: &Path) -> Self {
        Self(directory.display().to_string())
    }

    pub(super) fn in_use(&self) -> StoreError {
        StoreError::InUse { path: self.0.clone() }
    }

    pub(super) fn disk_full(&self) -> StoreError {
        StoreError::DiskFull { path: self.0.clone() }
    }

    pub(super) fn damaged(&self, what: impl Into<String>) -> StoreError {
        StoreError::Damaged { path: self.0.clone(), what: what.into() }
    }

    pub(super) fn malformed(&self, table: &'static str) -> impl Fn(Malformed) -> StoreError {
        move |_| self.damaged(format!("an entry of `{table}` does not match its checksum"))
    }

    pub(super) fn newer(&self, found: u32) -> StoreError {
        StoreError::NewerFormat { path: self.0.clone(), found, supported: super::FORMAT }
    }

    pub(super) fn io(&self, source: io::Error) -> StoreError {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => self.disk_full(),
            _ => StoreError::Io { path: self.0.clone(), source },
        }
    }

    pub(super) fn sql(&self, error: rusqlite::Error) -> StoreError {
        use rusqlite::ErrorCode as Code;
        match error.sqlite_error().map(|failure| (failure.code, failure.extended_code)) {
            // The shared memory file is the one place where SQLite reports a full disk as another failure.
            Some((Code::DiskFull, _)) | Some((_, ffi::SQLITE_IOERR_SHMSIZE)) => self.disk_full(),
            Some((Code::DatabaseBusy | Code::DatabaseLocked, _)) => self.in_use(),
            Some((Code::DatabaseCorrupt | Code::NotADatabase | Code::ConstraintViolation, _)) => {
                self.damaged(error.to_string())
            }
            Some(_) => StoreError::Io { path: self.0.clone(), source: io::Error::other(error) },
            // Not from SQLite itself: a missing row or a value of another type than we write.
            None => self.damaged(error.to_string()),
        }
    }
}
