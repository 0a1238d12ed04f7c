//! The token that commands on this machine use. It lies in the home directory, for its owner alone.

use super::DaemonError;
use crate::server::Tokens;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use strait_api::{Scope, SpendLimits, TokenCreate};

const NAME: &str = "commands on this machine";

/// Sees to it that the file holds a token that works, and makes a new one if not.
pub(super) fn ensure(path: &Path, tokens: &Tokens) -> Result<(), DaemonError> {
    let failed = |source| DaemonError::Io { path: path.to_owned(), source };
    match fs::read_to_string(path) {
        Ok(secret) if tokens.authenticate(secret.trim()).is_ok() => return Ok(()),
        Ok(_) => {
            tracing::warn!(path = %path.display(), "the token for commands on this machine works no more; a new one is made")
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let request = TokenCreate {
        name: NAME.to_owned(),
        scopes: vec![Scope::Admin],
        limits: SpendLimits::default(),
        expires_in: None,
    };
    let made = tokens.create(&request).map_err(|error| DaemonError::AdminToken(error.to_string()))?;
    write(path, &made.secret).map_err(failed)
}

/// Either the whole token is in the file or the former one.
fn write(path: &Path, secret: &str) -> std::io::Result<()> {
    let new = path.with_extension("token.new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    writeln!(file, "{secret}")?;
    file.sync_all()?;
    fs::rename(&new, path)
}
