//! Keys for commands that work without a node.

use crate::failure::Failure;
use crate::local;
use clap::Args;
use std::path::PathBuf;
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
    /// The key itself.
    ///
    /// # Errors
    /// When the file or the password is wrong.
    pub(crate) fn unlock(&self) -> Result<SigningKey, Failure> {
        let file = keystore::load(&self.key)?;
        let question = format!("Password of {}: ", self.key.display());
        let password = local::password(self.password_file.as_deref(), None, &question)?;
        Ok(file.decrypt(&password)?.signing_key()?)
    }
}
