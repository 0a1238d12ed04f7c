//! What commands share that work on the home directory rather than on a running node.

use crate::command::Global;
use crate::failure::Failure;
use crate::output::tell;
use clap::Args;
use std::io::IsTerminal;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use strait_node::config::{ConfigError, Flag, Layers, Loaded};
use strait_node::keystore::KeystoreError;
use zeroize::Zeroizing;

/// The variable that holds a password.
pub(crate) const PASSWORD_VARIABLE: &str = "STRAIT_PASSWORD";

/// Options that change the configuration.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ConfigFlags {
    /// Another configuration file than HOME/strait.toml.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Sets a value of the configuration, above file and environment.
    #[arg(long, value_name = "KEY=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
}

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if key.contains('.') => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as node.listen=127.0.0.1:4040".into()),
    }
}

/// Reads the configuration; `flags` are those of the command itself.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn load(global: &Global, options: &ConfigFlags, mut flags: Vec<Flag>) -> Result<Loaded, Failure> {
    let set = options.set.iter().map(|(key, value)| Flag {
        name: "--set".into(),
        key: key.clone(),
        value: value.clone(),
    });
    flags.extend(set);
    let layers =
        Layers { home: global.home()?, file: options.config.clone(), env: std::env::vars().collect(), flags };
    Ok(Loaded::load(&layers)?)
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        Failure::usage(error)
            .hint("correct what is named; `strait config check` says whether all is right then")
    }
}

impl From<KeystoreError> for Failure {
    fn from(error: KeystoreError) -> Failure {
        match error {
            KeystoreError::Io { .. } | KeystoreError::NoRandomness(_) => Failure::local(error),
            _ => Failure::usage(error),
        }
    }
}

/// The password of an existing key, from a file, the environment or the terminal, in this order: `chosen` by the
/// command, `STRAIT_PASSWORD`, `configured`, a question.
///
/// # Errors
/// When there is none.
pub(crate) fn password(
    chosen: Option<&Path>,
    configured: Option<&Path>,
    question: &str,
) -> Result<Zeroizing<String>, Failure> {
    match given_password(chosen, configured)? {
        Some(password) => Ok(password),
        None => ask(question),
    }
}

/// The same without asking. `None`: nothing gives one.
///
/// # Errors
/// When a file cannot be read.
pub(crate) fn given_password(
    chosen: Option<&Path>,
    configured: Option<&Path>,
) -> Result<Option<Zeroizing<String>>, Failure> {
    if let Some(path) = chosen {
        return read_password(path).map(Some);
    }
    if let Ok(password) = std::env::var(PASSWORD_VARIABLE) {
        return Ok(Some(Zeroizing::new(password)));
    }
    configured.map(read_password).transpose()
}

/// A password for a new key: from a file or the environment, or asked for twice.
///
/// # Errors
/// When there is none, or the two differ.
pub(crate) fn new_password(chosen: Option<&Path>, key: &str) -> Result<Zeroizing<String>, Failure> {
    if let Some(password) = given_password(chosen, None)? {
        return Ok(password);
    }
    let first = ask(&format!("New password for the key '{key}': "))?;
    let again = ask("The same again: ")?;
    if first != again {
        return Err(Failure::usage("the two passwords differ").hint("run the command again"));
    }
    Ok(first)
}

fn ask(question: &str) -> Result<Zeroizing<String>, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage("the key has a password, and there is no terminal to ask for it").hint(
            format!(
                "set node.password_file in strait.toml, give --password-file, or set {PASSWORD_VARIABLE}"
            ),
        ));
    }
    let answer = rpassword::prompt_password(question);
    answer
        .map(Zeroizing::new)
        .map_err(|error| Failure::local(format!("the terminal gives no password: {error}")))
}

fn read_password(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let failed = |error| {
        Failure::usage(format!("the password file {} cannot be read: {error}", path.display()))
            .hint("correct its path, or the permissions")
    };
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(failed)?);
    if is_open_to_others(path) {
        let path = path.display();
        tell(&format!("note: others can read the password file {path}; chmod 600 {path}"));
    }
    // Editors end the last line; nobody's password does.
    let password = text.strip_suffix('\n').unwrap_or(&text);
    Ok(Zeroizing::new(password.strip_suffix('\r').unwrap_or(password).to_owned()))
}

/// Whether others than the owner can read a file.
pub(crate) fn is_open_to_others(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}
