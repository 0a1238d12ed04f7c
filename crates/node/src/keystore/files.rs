//! Where keys lie. Nobody but the owner can read them, and none is ever overwritten.

use super::{KeyFile, KeystoreError};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use strait_types::Address;

/// No key file is larger.
const MAX_BYTES: u64 = 64 << 10;

/// Writes a new key file, and its directory if need be. It is on disk when this returns.
///
/// # Errors
/// When the file exists already, or the system does not let us.
pub fn save(path: &Path, file: &KeyFile) -> Result<(), KeystoreError> {
    let failed = |source| KeystoreError::Io { path: path.to_owned(), source };
    let text = file.render()?;
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut out = match opened {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(KeystoreError::Exists(path.to_owned()));
        }
        result => result.map_err(failed)?,
    };
    let written = writeln!(out, "{text}").and_then(|()| out.sync_all());
    let written = written.and_then(|()| fs::File::open(directory)?.sync_all());
    written.map_err(|error| {
        // Half a key would only be in the way; that it cannot be removed is no news beside the error itself.
        let _in_the_way = fs::remove_file(path);
        failed(error)
    })
}

/// Reads a key file.
///
/// # Errors
/// When there is none, or it is something else.
pub fn load(path: &Path) -> Result<KeyFile, KeystoreError> {
    let failed = |source: std::io::Error| match source.kind() {
        ErrorKind::NotFound => KeystoreError::Missing(path.to_owned()),
        _ => KeystoreError::Io { path: path.to_owned(), source },
    };
    if fs::metadata(path).map_err(failed)?.len() > MAX_BYTES {
        return Err(within(path, KeystoreError::Malformed("it is too large".into())));
    }
    KeyFile::parse(&fs::read_to_string(path).map_err(failed)?).map_err(|error| within(path, error))
}

fn within(path: &Path, source: KeystoreError) -> KeystoreError {
    KeystoreError::In { path: path.to_owned(), source: Box::new(source) }
}

/// The address that a key file names, without its password.
///
/// # Errors
/// When there is none, or it names none.
pub fn read_address(path: &Path) -> Result<Address, KeystoreError> {
    load(path)?.address().ok_or_else(|| within(path, KeystoreError::Malformed("it names no address".into())))
}

/// The names of the keys in a directory, ascending. No directory: none.
///
/// # Errors
/// When the directory cannot be read.
pub fn list(directory: &Path) -> Result<Vec<String>, KeystoreError> {
    let failed = |source| KeystoreError::Io { path: directory.to_owned(), source };
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        result => result.map_err(failed)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let is_json = path.extension().is_some_and(|extension| extension == "json");
        if let Some(name) = path.file_stem().and_then(|name| name.to_str())
            && is_json
        {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}
