//! `strait devnet`: the embedded chain for wallets, tools and nodes of other processes.

use crate::failure::Failure;
use crate::output::Output;
use clap::Args;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use strait_devnet::{Devnet, DevnetConfig, DevnetError, Mining};

/// Longest time between blocks, in seconds.
const LONGEST: f64 = 3_600.0;

/// Options of `strait devnet`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  strait devnet\n  strait devnet --block-time instant --listen 127.0.0.1:0\n  strait devnet --json | head -1 | jq -r .http\n\nWith --json it prints one line of JSON instead of the table. It runs until Ctrl-C or SIGTERM and keeps nothing. Exit code: 0 when it was ended, 1 when it cannot start, 2 for wrong options."
)]
pub(crate) struct DevnetArgs {
    /// Where it listens, for HTTP and WebSocket alike; port 0 takes any free one.
    #[arg(long, default_value = "127.0.0.1:8545", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Seconds between blocks, such as 1 or 0.25; or `instant`: a block for every transaction; or `manual`: only on request.
    #[arg(long, default_value = "1", value_parser = mining, value_name = "SECONDS|instant|manual")]
    block_time: Mining,
    /// The chain's id.
    #[arg(long, default_value_t = 31_337, value_parser = clap::value_parser!(u64).range(1..))]
    chain_id: u64,
}

fn mining(text: &str) -> Result<Mining, String> {
    match (text, text.parse::<f64>()) {
        ("instant", _) => Ok(Mining::Instant),
        ("manual", _) => Ok(Mining::Manual),
        (_, Ok(seconds)) if (0.01..=LONGEST).contains(&seconds) => {
            Ok(Mining::Interval(Duration::from_secs_f64(seconds)))
        }
        _ => Err(format!("give seconds from 0.01 to {LONGEST}, `instant` or `manual`")),
    }
}

impl From<DevnetError> for Failure {
    fn from(error: DevnetError) -> Failure {
        Failure::local(error)
    }
}

/// Runs the chain until it is ended.
///
/// # Errors
/// Why it does not start.
pub(crate) fn run(args: &DevnetArgs, out: &Output) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::local)?;
    runtime.block_on(serve(args, out))
}

async fn serve(args: &DevnetArgs, out: &Output) -> Result<(), Failure> {
    let config = DevnetConfig {
        listen: args.listen,
        chain_id: args.chain_id,
        mining: args.block_time,
        ..DevnetConfig::default()
    };
    let devnet = Devnet::start(config).await?;
    out.result(&machine_readable(&devnet), |_| table(&devnet, args.block_time))?;
    ended().await.map_err(Failure::local)?;
    devnet.shutdown().await;
    Ok(())
}

async fn ended() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminated.recv() => Ok(()),
    }
}

fn machine_readable(devnet: &Devnet) -> Value {
    let accounts = devnet.accounts().iter();
    let accounts: Vec<_> = accounts
        .map(|account| {
            json!({ "address": account.address().to_string(), "private_key": account.secret.to_string() })
        })
        .collect();
    json!({
        "http": devnet.http_url(),
        "ws": devnet.ws_url(),
        "chain_id": devnet.chain_id(),
        "adjudicator": devnet.adjudicator().to_string(),
        "adjudicator_block": devnet.adjudicator_block(),
        "usdc": devnet.usdc().to_string(),
        "accounts": accounts,
    })
}

fn table(devnet: &Devnet, mining: Mining) -> String {
    let blocks = match mining {
        Mining::Instant => "one for every transaction".to_owned(),
        Mining::Interval(interval) => format!("one every {} s", interval.as_secs_f64()),
        Mining::Manual => "only on request (evm_mine)".to_owned(),
    };
    let mut lines = vec![
        format!("JSON-RPC      {}  {}", devnet.http_url(), devnet.ws_url()),
        format!("Chain id      {}", devnet.chain_id()),
        format!("Blocks        {blocks}"),
        format!("Adjudicator   {}  (block {})", devnet.adjudicator(), devnet.adjudicator_block()),
        format!("Test USDC     {}  (6 decimals, anyone can mint)", devnet.usdc()),
        String::new(),
        "Accounts with 10,000 ETH and 1,000,000 test USDC each:".to_owned(),
    ];
    let accounts = devnet.accounts().iter().enumerate();
    lines.extend(
        accounts.map(|(index, account)| format!("{index}  {}  {}", account.address(), account.secret)),
    );
    lines.push(String::new());
    lines.push(
        "These private keys are public: never use them on a real chain. Ctrl-C ends it; nothing is kept."
            .to_owned(),
    );
    lines.join("\n")
}
