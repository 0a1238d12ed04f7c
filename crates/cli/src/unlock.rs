//! Keys for commands that work without a node.

use crate::failure::Failure;
use crate::local;
use clap::Args;
use std::path::{Path, PathBuf};
use strait_node::keystore;
use strait_types::SigningKey;

/// A key and its password.
#[derive(Args, Clone, Debug)]
pub(crate) struct UnlockArgs {
    /// The key file: Web3 secret storage, as in HOME/keys.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The file with its password; else STRAIT_PASSWORD, else it is asked for.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl UnlockArgs {
    /// Where the key is.
    pub(crate) fn file(&self) -> &Path {
        &self.key
    }

    /// The key itself.
    ///
    /// # Errors
    /// When the file or the password is wrong.
    pub(crate) fn unlock(&self) -> Result<SigningKey, Failure> {
        self.other(&self.key)
    }

    /// Another key with its password from the same place.
    ///
    /// # Errors
    /// As [`UnlockArgs::unlock`].
    pub(crate) fn other(&self, path: &Path) -> Result<SigningKey, Failure> {
        let file = keystore::load(path)?;
        let question = format!("Password of {}: ", path.display());
        let password = local::password(self.password_file.as_deref(), None, &question)?;
        Ok(file.decrypt(&password)?.signing_key()?)
    }
}
