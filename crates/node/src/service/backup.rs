//! A backup of the running node: complete, or not there.

use super::Core;
use rusqlite::{Connection, OpenFlags};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use strait_api::{ApiError, BackupDone, BackupTo, ErrorCode};

impl Core {
    /// Copies everything beside the wanted directory first, and gives it its name when all is on disk.
    pub(crate) async fn backup(&self, request: BackupTo) -> Result<BackupDone, ApiError> {
        let target = PathBuf::from(&request.directory);
        let parent = check_target(&target)?;
        // The database's copy must know of all that the stores' copies have forgotten.
        let kept = self.pruning.reading().await;
        let mut sources = Vec::new();
        for chain in &self.nodes {
            let copy = chain.copy_store.clone().ok_or_else(|| {
                let message = format!("the store of the chain {} cannot be copied while it runs", chain.name);
                ApiError::new(ErrorCode::StoreFailed, message)
                    .hint("stop the node and copy its data directory")
            })?;
            sources.push((chain.node.domain().chain_id(), copy, chain.transactions.clone()));
        }
        let database = self.database.path().to_owned();
        let work = move || {
            let _kept = kept;
            let partial = partial_name(&target);
            let written = write_all(&partial, &database, &sources).and_then(|()| {
                fs::rename(&partial, &target).map_err(|error| failed(&target, &error))?;
                sync(&parent).map_err(|error| failed(&parent, &error))?;
                note(&database, &target)?;
                size_of(&target).map_err(|error| failed(&target, &error))
            });
            if written.is_err() {
                // What is left of it under another name is no backup; if it cannot be removed, that is no worse.
                drop(fs::remove_dir_all(&partial));
            }
            let directory = target.display().to_string();
            written.map(|bytes| BackupDone { directory, bytes })
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|error| Err(ApiError::new(ErrorCode::Internal, error.to_string())))
    }
}

type Source = (u64, super::CopyStore, Option<PathBuf>);

fn check_target(target: &Path) -> Result<PathBuf, ApiError> {
    let refuse = |why: &str| {
        let message = format!("{} cannot take the backup: {why}", target.display());
        Err(ApiError::new(ErrorCode::InvalidParams, message)
            .hint("name a new directory by its absolute path"))
    };
    if !target.is_absolute() {
        return refuse("the path is not absolute");
    }
    if target.exists() {
        return refuse("it exists already");
    }
    match target.parent() {
        Some(parent) if parent.is_dir() && target.file_name().is_some() => Ok(parent.to_owned()),
        _ => refuse("the directory above it does not exist"),
    }
}

fn partial_name(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.partial"))
}

fn write_all(partial: &Path, database: &Path, sources: &[Source]) -> Result<(), ApiError> {
    if partial.exists() {
        // An earlier one that was interrupted.
        fs::remove_dir_all(partial).map_err(|error| failed(partial, &error))?;
    }
    make_private(partial).map_err(|error| failed(partial, &error))?;
    // The service's database first: what the stores hold beyond it is told again, never the other way round.
    copy_database(database, &partial.join("service.db"))?;
    for (chain_id, copy, transactions) in sources {
        let directory = partial.join(format!("chain-{chain_id}"));
        copy(&directory).map_err(|error| ApiError::new(ErrorCode::StoreFailed, error.to_string()))?;
        if let Some(transactions) = transactions.as_ref().filter(|path| path.exists()) {
            copy_database(transactions, &directory.join("transactions.db"))?;
        }
    }
    sync(partial).map_err(|error| failed(partial, &error))
}

/// Copies a database that is in use, as of one moment.
fn copy_database(from: &Path, to: &Path) -> Result<(), ApiError> {
    let failed_sql = |error: rusqlite::Error| {
        ApiError::new(ErrorCode::StoreFailed, format!("{} cannot be copied: {error}", from.display()))
    };
    let name = to.to_str().ok_or_else(|| {
        ApiError::new(ErrorCode::InvalidParams, format!("the name {} is not valid UTF-8", to.display()))
    })?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(from, flags).map_err(failed_sql)?;
    db.execute("VACUUM INTO ?1", [name]).map_err(failed_sql)?;
    fs::File::open(to).and_then(|file| file.sync_all()).map_err(|error| failed(to, &error))
}

fn make_private(directory: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

/// Where the last backup went, beside the service's database; its own time is the backup's.
pub const LAST_BACKUP: &str = "last-backup";

/// Notes the backup, for whoever asks how old the newest one is.
fn note(database: &Path, target: &Path) -> Result<(), ApiError> {
    let path = database.with_file_name(LAST_BACKUP);
    fs::write(&path, format!("{}\n", target.display())).map_err(|error| failed(&path, &error))
}

fn sync(directory: &Path) -> std::io::Result<()> {
    fs::File::open(directory)?.sync_all()
}

fn size_of(directory: &Path) -> std::io::Result<u64> {
    let mut bytes = 0_u64;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        let size = if metadata.is_dir() { size_of(&entry.path())? } else { metadata.len() };
        bytes = bytes.saturating_add(size);
    }
    Ok(bytes)
}

fn failed(path: &Path, error: &std::io::Error) -> ApiError {
    let hint = match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "name a directory in which the node's user may write, or give it that right"
        }
        _ => "free space, or choose another disk",
    };
    ApiError::new(ErrorCode::StoreFailed, format!("{} cannot be written: {error}", path.display())).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_fits_why_nothing_can_be_written() {
        let hint = |kind: ErrorKind| failed(Path::new("/backup"), &kind.into()).hint;
        assert!(hint(ErrorKind::PermissionDenied).contains("may write"));
        assert!(hint(ErrorKind::StorageFull).contains("free space"));
    }
}
