//! `strait init`: a home directory with a key and a configuration.

use crate::command::Global;
use crate::failure::Failure;
use crate::key::{key_name, make};
use crate::output::Output;
use crate::text::parse_address;
use clap::Args;
use serde_json::json;
use std::fs::{DirBuilder, OpenOptions, remove_dir};
use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use strait_chain::dev::deployer;
use strait_chain::rpc::{ConnectError, EndpointConfig, RpcChain, RpcConfig, SqliteJournal, Url};
use strait_node::config::{CONFIG_FILE, Template, TemplateAsset, TemplateChain, check_name, key_file};
use strait_node::keystore::{self, Cost, Secret, read_address};
use strait_types::{Address, SigningKey};

/// Id of a development chain, unless told otherwise.
const DEVNET_ID: u64 = 31_337;
/// In the home directory: the password of a key that everybody knows.
const PASSWORD_FILE: &str = "password";
/// Decimals of the development chain's USDC.
const USDC_DECIMALS: u8 = 6;

/// Options of `strait init`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  strait init --devnet --dev-key 1\n  strait init --chain base --chain-id 8453 --rpc https://base.example --adjudicator 0x...\n\nNothing that exists is overwritten: to add a chain later, edit HOME/strait.toml."
)]
pub(crate) struct InitArgs {
    /// For the development chain at this endpoint (`strait devnet`).
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "http://127.0.0.1:8545", conflicts_with = "chain", value_parser = endpoint)]
    devnet: Option<String>,
    /// Uses the development chain's funded account of this number, which everybody knows, as the key.
    #[arg(long, value_name = "NUMBER", requires = "devnet", value_parser = dev_key_number)]
    dev_key: Option<u8>,
    /// Name of the chain.
    #[arg(long, value_name = "NAME", value_parser = check_name, requires_all = ["rpc", "chain_id", "adjudicator"])]
    chain: Option<String>,
    /// The chain's id; Ethereum's main network has 1.
    #[arg(long, value_name = "ID")]
    chain_id: Option<u64>,
    /// An endpoint of the chain; may be given several times.
    #[arg(long, value_name = "URL", value_parser = endpoint)]
    rpc: Vec<String>,
    /// The contract's address on the chain.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    adjudicator: Option<Address>,
    /// Name of the key.
    #[arg(long, default_value = "node", value_parser = key_name)]
    key: String,
    /// The file that holds the key's password; else STRAIT_PASSWORD, or a question.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Where channels pay out; by default to the key's own address.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    payout: Option<Address>,
    /// Where peers connect.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:4040", value_parser = socket)]
    listen: SocketAddr,
    /// Where the API listens.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:4041", value_parser = socket)]
    api: SocketAddr,
}

/// An endpoint of a chain, as an argument, as it was written.
fn endpoint(text: &str) -> Result<String, String> {
    endpoint_url(text).map(|_| text.to_owned())
}

/// An endpoint of a chain, as an argument.
pub(crate) fn endpoint_url(text: &str) -> Result<Url, String> {
    let is_known = |url: &Url| matches!(url.scheme(), "http" | "https" | "ws" | "wss");
    match Url::parse(text) {
        Ok(url) if is_known(&url) => Ok(url),
        _ if text.contains("://") => Err("write http://, https://, ws:// or wss:// and the host".to_owned()),
        _ => Err(format!("the scheme is missing: write http://{text} (or https://, ws://, wss://)")),
    }
}

/// Where something listens, as an argument.
fn socket(text: &str) -> Result<SocketAddr, String> {
    let example =
        || format!("write an address and a port, such as 127.0.0.1:{}", port_of(text).unwrap_or(4040));
    text.parse().map_err(|_| example())
}

/// The port that somebody gave without an address.
fn port_of(text: &str) -> Option<u16> {
    text.trim_start_matches(':').parse().ok()
}

/// What is known of the chain.
struct Found {
    chain: TemplateChain,
    assets: Vec<TemplateAsset>,
    notes: Vec<String>,
}

/// Runs the command.
///
/// # Errors
/// When something is in the way; what was made until then stays and does no harm.
pub(crate) fn run(global: &Global, args: &InitArgs, out: &Output) -> Result<(), Failure> {
    set_up(global, args, out, "node")
}

/// Makes a home; `then`: the command that runs in it.
///
/// # Errors
/// As [`run`].
pub(crate) fn set_up(global: &Global, args: &InitArgs, out: &Output, then: &str) -> Result<(), Failure> {
    let home = global.home()?;
    let file = home.join(CONFIG_FILE);
    if file.exists() {
        return Err(Failure::usage(format!("{} exists already; it is never overwritten", file.display()))
            .hint("edit it, or choose another directory with --home"));
    }
    let found = find(args)?;
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&home);
    made.map_err(|error| Failure::local(format!("{} cannot be made: {error}", home.display())))?;
    let (address, password_file) = key(&home, args).inspect_err(|_| {
        // One that holds something stays.
        drop(remove_dir(&home));
    })?;
    let template = Template {
        listen: args.listen,
        api: args.api,
        key: args.key.clone(),
        password_file,
        payout: args.payout,
        chains: vec![found.chain],
        assets: found.assets,
        min_challenge: if args.devnet.is_some() { "1h".into() } else { "24h".into() },
    };
    write_new(&file, &template.render())?;
    let value =
        json!({ "home": home, "config": file, "key": args.key, "address": address, "notes": found.notes });
    out.result(&value, |out| {
        out.pairs(&[
            ("configuration", file.display().to_string()),
            ("key", format!("{address}  ({})", key_file(&home, &args.key).display())),
        ])
    })?;
    found.notes.iter().for_each(|note| out.note(&format!("note: {note}")));
    let strait = match &global.home {
        Some(home) => format!("strait --home {}", home.display()),
        None => "strait".to_owned(),
    };
    out.note(&match args.dev_key {
        Some(_) => format!("next: {strait} {then}"),
        None => format!("next: send the key's address some of the chain's coin for gas and deposits; then {strait} doctor, and {strait} {then}"),
    });
    Ok(())
}

/// Makes the key, unless it is there, and gives its address and where its password lies.
fn key(home: &Path, args: &InitArgs) -> Result<(String, Option<PathBuf>), Failure> {
    let path = key_file(home, &args.key);
    let absolute = |path: &PathBuf| std::path::absolute(path).map_err(Failure::local);
    let given = args.password_file.as_ref().map(absolute).transpose()?;
    let secret = args.dev_key.map(dev_key).transpose()?;
    if path.exists() {
        let address = existing(home, args, secret.as_ref())?;
        return Ok((address, given.or_else(|| existing_password(home, args))));
    }
    let Some(secret) = secret else {
        let address = make(home, &args.key, &Secret::random()?, given.as_deref(), Cost::Wallet)?;
        return Ok((address, given));
    };
    let (password_file, configured) = match given {
        Some(path) => (path.clone(), path),
        None if std::env::var_os("STRAIT_PASSWORD").is_some() => {
            let address = make(home, &args.key, &secret, None, Cost::Light)?;
            return Ok((address, None));
        }
        None => {
            // The key itself is public, so its password may lie beside it.
            let path = home.join(PASSWORD_FILE);
            write_new(&path, "devnet\n")?;
            // Paths in the configuration start at the home directory.
            (path, PathBuf::from(PASSWORD_FILE))
        }
    };
    let address = make(home, &args.key, &secret, Some(&password_file), Cost::Light)?;
    Ok((address, Some(configured)))
}

fn dev_key_number(text: &str) -> Result<u8, String> {
    text.parse().ok().filter(|number| *number < 10).ok_or_else(|| "give 0 to 9".to_owned())
}

/// The key of a funded account of the development chain.
fn dev_key(number: u8) -> Result<Secret, Failure> {
    let no_account = || Failure::usage(format!("the development chain has no account {number}"));
    let secret = strait_devnet::account_secret(number.into()).ok_or_else(no_account)?;
    Ok(Secret::from_hex(&secret.to_string())?)
}

/// The address of the key that is there already.
///
/// # Errors
/// When it is another one than `wanted`.
fn existing(home: &Path, args: &InitArgs, wanted: Option<&Secret>) -> Result<String, Failure> {
    let path = key_file(home, &args.key);
    let address = read_address(&path)?;
    match wanted.map(Secret::address).transpose()? {
        Some(wanted) if wanted != address => Err(Failure::usage(format!(
            "{} holds the key of {address} already, and --dev-key asks for {wanted}",
            path.display()
        ))
        .hint("leave --dev-key out, give the new key another name with --key, or choose another --home")),
        _ => Ok(address.to_string()),
    }
}

/// The password that an earlier run put beside the key, if it is this key's.
fn existing_password(home: &Path, args: &InitArgs) -> Option<PathBuf> {
    let password = std::fs::read_to_string(home.join(PASSWORD_FILE)).ok()?;
    let key = keystore::load(&key_file(home, &args.key)).ok()?;
    key.decrypt(password.trim_end_matches('\n')).ok().map(|_| PathBuf::from(PASSWORD_FILE))
}

fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            Failure::usage(format!("{} exists already; it is never overwritten", path.display()))
                .hint("move it away, or choose another directory with --home")
        }
        _ => Failure::local(format!("{} cannot be written: {error}", path.display())),
    })
}

fn find(args: &InitArgs) -> Result<Found, Failure> {
    if let Some(url) = &args.devnet {
        return devnet(url, args);
    }
    let (Some(name), Some(chain_id), Some(adjudicator)) = (&args.chain, args.chain_id, args.adjudicator)
    else {
        return Err(Failure::usage("no chain is named").hint(
            "strait init --devnet, or strait init --chain NAME --chain-id ID --rpc URL --adjudicator ADDRESS",
        ));
    };
    let (deployed_at, notes) = match connect(&args.rpc, chain_id, adjudicator) {
        Ok(chain) => (Some(chain.deployed_at()).filter(|block| *block > 0), Vec::new()),
        Err(ConnectError::Chain(error)) => (None, vec![format!("the chain was not looked at: {error}")]),
        Err(error) => return Err(Failure::usage(error)),
    };
    let chain = TemplateChain {
        name: name.clone(),
        chain_id,
        rpc: args.rpc.clone(),
        adjudicator,
        deployed_at,
        confirmations: "12".into(),
        poll_ms: 2_000,
        account: None,
        is_development: false,
    };
    Ok(Found { chain, assets: Vec::new(), notes })
}

/// The development chain has its contracts where its deployer puts them.
fn devnet(url: &str, args: &InitArgs) -> Result<Found, Failure> {
    let deployer = deployer().address();
    let adjudicator = args.adjudicator.unwrap_or_else(|| deployer.create(0));
    let usdc = deployer.create(1);
    let asked = args.chain_id.unwrap_or(DEVNET_ID);
    let urls = [url.to_owned()];
    let (chain_id, connected) = match connect(&urls, asked, adjudicator) {
        Err(ConnectError::WrongChain { found, .. }) if args.chain_id.is_none() => {
            (found, connect(&urls, found, adjudicator))
        }
        result => (asked, result),
    };
    let mut notes = Vec::new();
    let deployed_at = match connected {
        Ok(chain) => Some(chain.deployed_at()),
        Err(ConnectError::Chain(error)) => {
            notes.push(format!("the development chain was not looked at: {error}"));
            None
        }
        Err(error) => {
            return Err(
                Failure::usage(error).hint("`strait devnet` has the contract; elsewhere give --adjudicator")
            );
        }
    };
    let name = "devnet".to_owned();
    let assets = vec![TemplateAsset {
        chain: name.clone(),
        symbol: "USDC".into(),
        address: usdc,
        decimals: USDC_DECIMALS,
    }];
    let chain = TemplateChain {
        name,
        chain_id,
        rpc: vec![url.to_owned()],
        adjudicator,
        deployed_at,
        confirmations: "1".into(),
        poll_ms: 200,
        account: None,
        is_development: true,
    };
    // Without the deployer's contract there is no token of its either.
    let assets = if args.adjudicator.is_some() { Vec::new() } else { assets };
    Ok(Found { chain, assets, notes })
}

/// Looks at the chain with a key and a journal that nothing is sent with.
pub(crate) fn connect(
    urls: &[String],
    chain_id: u64,
    adjudicator: Address,
) -> Result<RpcChain, ConnectError> {
    let system = |error: &dyn std::fmt::Display| ConnectError::System(error.to_string());
    let mut parsed = Vec::new();
    for url in urls {
        parsed.push(Url::parse(url).map_err(|error| system(&format!("'{url}' is no endpoint: {error}")))?);
    }
    let key = SigningKey::from_bytes([1; 32]).map_err(|error| system(&error))?;
    let directory = tempfile::tempdir().map_err(|error| system(&error))?;
    let journal = SqliteJournal::open(directory.path().join("transactions.db"), chain_id)?;
    let config = RpcConfig::new(EndpointConfig::new(chain_id, parsed), adjudicator, key);
    RpcChain::connect(config, Box::new(journal))
}
