//! `strait key`: the keys in the home directory.

use crate::command::Global;
use crate::failure::Failure;
use crate::local::{new_password, password};
use crate::output::Output;
use clap::{Args, Subcommand};
use serde_json::json;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use strait_node::config::key_file;
use strait_node::keystore::{self, Cost, KeyFile, Secret};
use zeroize::Zeroizing;

/// Options of `strait key`.
#[derive(Args, Clone, Debug)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:\n  strait key new\n  strait key list\n  strait key import gas --keystore UTC--2026-01-01--wallet.json\n  strait key export node > node.json\n\nKeys are files of Web3 secret storage (version 3), as Ethereum wallets read and write them, in HOME/keys."
)]
pub(crate) struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum KeyCommand {
    /// Makes a new key.
    #[command(after_help = "Examples:\n  strait key new\n  strait key new gas --password-file password")]
    New {
        /// Its name.
        #[arg(default_value = "node", value_parser = key_name)]
        name: String,
        /// The file that holds its password; else STRAIT_PASSWORD, or a question.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Lists the keys.
    #[command(after_help = "Example:\n  strait key list --json")]
    List,
    /// Takes a key over: from a wallet's file, or a private key from standard input.
    #[command(
        after_help = "Examples:\n  strait key import gas --keystore UTC--2026-01-01--wallet.json\n  strait key import gas < private-key"
    )]
    Import {
        /// Its name here.
        #[arg(value_parser = key_name)]
        name: String,
        /// The wallet's file; its password is asked for, and stays.
        #[arg(long, value_name = "FILE")]
        keystore: Option<PathBuf>,
        /// The file that holds the password; else STRAIT_PASSWORD, or a question.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Prints a key's file, for another wallet or machine. It still needs its password.
    #[command(
        after_help = "Examples:\n  strait key export node > node.json\n  strait key export node --private-key"
    )]
    Export {
        /// Which key.
        #[arg(default_value = "node", value_parser = key_name)]
        name: String,
        /// Prints the bare private key instead: whoever sees it has the money.
        #[arg(long)]
        private_key: bool,
        /// The file that holds its password; else STRAIT_PASSWORD, or a question.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Prints a key's address.
    #[command(after_help = "Example:\n  strait key address node")]
    Address {
        /// Which key.
        #[arg(default_value = "node", value_parser = key_name)]
        name: String,
    },
}

/// A name that is a file's name too.
pub(crate) fn key_name(text: &str) -> Result<String, String> {
    strait_node::config::check_name(text)
}

/// Runs the command.
///
/// # Errors
/// When a key is missing, there already, or does not open.
pub(crate) fn run(global: &Global, args: &KeyArgs, out: &Output) -> Result<(), Failure> {
    let home = global.home()?;
    match &args.command {
        KeyCommand::New { name, password_file } => {
            let made = make(&home, name, &Secret::random()?, password_file.as_deref(), Cost::Wallet)?;
            out.note("Back the file up, and remember the password: without both the money in channels is out of reach.",
            );
            show(&home, name, &made, out)
        }
        KeyCommand::List => list(&home, out),
        KeyCommand::Import { name, keystore: Some(file), password_file } => {
            let file = keystore::load(file)?;
            // That it opens is worth knowing before the original is thrown away.
            let password = password(password_file.as_deref(), None, "Password of the wallet's file: ")?;
            let address = file.decrypt(&password)?.address()?.to_string();
            let file = if file.address().is_some() {
                file
            } else {
                KeyFile::encrypt(&file.decrypt(&password)?, &password, Cost::Wallet)?
            };
            keystore::save(&key_file(&home, name), &file)?;
            show(&home, name, &address, out)
        }
        KeyCommand::Import { name, keystore: None, password_file } => {
            let secret = Secret::from_hex(&read_private_key()?)?;
            let made = make(&home, name, &secret, password_file.as_deref(), Cost::Wallet)?;
            show(&home, name, &made, out)
        }
        KeyCommand::Export { name, private_key, password_file } => {
            export(&home, name, *private_key, password_file.as_deref(), out)
        }
        KeyCommand::Address { name } => {
            let address = keystore::read_address(&key_file(&home, name))?.to_string();
            out.result(&json!({ "address": address }), |_| address.clone())
        }
    }
}

/// Encrypts and saves a key, and gives its address.
pub(crate) fn make(
    home: &Path,
    name: &str,
    secret: &Secret,
    password_file: Option<&Path>,
    cost: Cost,
) -> Result<String, Failure> {
    let path = key_file(home, name);
    if path.exists() {
        return Err(keystore::KeystoreError::Exists(path).into());
    }
    let password = new_password(password_file, name)?;
    keystore::save(&path, &KeyFile::encrypt(secret, &password, cost)?)?;
    Ok(secret.address()?.to_string())
}

fn show(home: &Path, name: &str, address: &str, out: &Output) -> Result<(), Failure> {
    let path = key_file(home, name);
    let value = json!({ "name": name, "address": address, "file": path });
    out.result(&value, |out| {
        out.pairs(&[
            ("name", name.to_owned()),
            ("address", address.to_owned()),
            ("file", path.display().to_string()),
        ])
    })
}

fn list(home: &Path, out: &Output) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for name in keystore::list(&home.join("keys"))? {
        let address = match keystore::read_address(&key_file(home, &name)) {
            Ok(address) => address.to_string(),
            Err(error) => format!("({error})"),
        };
        rows.push((name, address));
    }
    let value: Vec<_> =
        rows.iter().map(|(name, address)| json!({ "name": name, "address": address })).collect();
    out.result(&value, |out| {
        if rows.is_empty() {
            return format!("no keys in {}; `strait key new` makes one", home.join("keys").display());
        }
        out.table(
            &["NAME", "ADDRESS"],
            rows.iter().map(|(name, address)| vec![name.clone(), address.clone()]),
        )
    })
}

fn export(
    home: &Path,
    name: &str,
    private_key: bool,
    password_file: Option<&Path>,
    out: &Output,
) -> Result<(), Failure> {
    let file = keystore::load(&key_file(home, name))?;
    if !private_key {
        return out.raw(&file.render()?);
    }
    let password = password(password_file, None, &format!("Password of the key '{name}': "))?;
    let secret = file.decrypt(&password)?.to_hex();
    out.note("Whoever sees this key has the money.");
    out.result(&json!({ "private_key": secret.as_str() }), |_| secret.to_string())
}

fn read_private_key() -> Result<Zeroizing<String>, Failure> {
    if std::io::stdin().is_terminal() {
        let typed = rpassword::prompt_password("Private key (0x...): ");
        return typed
            .map(Zeroizing::new)
            .map_err(|error| Failure::local(format!("the terminal gives nothing: {error}")));
    }
    let mut text = Zeroizing::new(String::new());
    std::io::stdin().take(1_024).read_to_string(&mut text).map_err(Failure::local)?;
    Ok(text)
}
