//! `strait deploy`.

use crate::failure::Failure;
use crate::init::endpoint_url;
use crate::output::Output;
use crate::unlock::UnlockArgs;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;
use strait_chain::rpc::{
    ConnectError, Contract, DeployError, EndpointConfig, FeePolicy, SqliteJournal, Url, deploy,
};
use strait_engine::ports::ChainError;

/// How long a block is waited for before it is looked for again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Options of `strait deploy`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait deploy --rpc http://127.0.0.1:8545 --chain-id 31337 --key account.json\n  strait deploy --rpc https://rpc.example --chain-id 11155111 --key account.json --password-file secret\n  strait deploy --rpc http://127.0.0.1:8545 --chain-id 31337 --key account.json --json | jq -r .address\n\nThe contract has no owner and no upgrade, and its address follows from its bytecode where the usual CREATE2 proxy is there: deploying again finds it. One adjudicator serves everybody on its chain."
)]
pub(crate) struct DeployArgs {
    /// Addresses of the chain's endpoints, the preferred one first.
    #[arg(long, required = true, value_name = "URL", value_parser = endpoint_url)]
    rpc: Vec<Url>,
    /// The chain's EIP-155 id; an endpoint of another chain is refused.
    #[arg(long)]
    chain_id: u64,
    #[command(flatten)]
    key: UnlockArgs,
    /// What is deployed.
    #[arg(long, value_enum, default_value = "adjudicator")]
    contract: Name,
    /// Where sent transactions are noted, so that a repetition goes on instead of paying twice [default:
    /// ./strait-deploy-CHAIN.db].
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Name {
    /// The adjudicator.
    Adjudicator,
    /// A stand-in for USDC that anyone can mint, for development.
    TestUsdc,
}

/// Deploys, or finds what is there.
///
/// # Errors
/// What the chain says.
pub(crate) fn run(args: &DeployArgs, out: &Output) -> Result<(), Failure> {
    let key = args.key.unlock()?;
    let account = key.address();
    let path =
        args.journal.clone().unwrap_or_else(|| PathBuf::from(format!("strait-deploy-{}.db", args.chain_id)));
    let journal = SqliteJournal::open(&path, args.chain_id).map_err(Failure::local)?;
    let endpoints = EndpointConfig::new(args.chain_id, args.rpc.clone());
    let contract = match args.contract {
        Name::Adjudicator => Contract::Adjudicator,
        Name::TestUsdc => Contract::TestUsdc,
    };
    let line = out.wait("deploying");
    let mut go_on = || {
        line.say("waiting for the block");
        std::thread::sleep(LOOK_AGAIN);
        true
    };
    let fees = FeePolicy::default();
    let done = deploy(contract, endpoints, key, fees, Box::new(journal), &mut go_on).map_err(failure)?;
    drop(line);
    let result = json!({
        "address": done.address, "deployed_at": done.deployed_at, "transaction": done.transaction,
        "chain_id": args.chain_id, "account": account,
    });
    out.result(&result, |out| {
        let how = match done.transaction {
            Some(transaction) => transaction.to_string(),
            None => "none: it was there already".into(),
        };
        let pairs = [
            ("address", done.address.to_string()),
            ("deployed at", format!("block {}", done.deployed_at)),
            ("transaction", how),
        ];
        out.pairs(&pairs)
    })
}

fn failure(error: DeployError) -> Failure {
    let hint = match &error {
        DeployError::Connect(ConnectError::Chain(ChainError::Unreachable(_)))
        | DeployError::Chain(ChainError::Unreachable(_)) => "give an endpoint that answers with --rpc",
        DeployError::Connect(_) => "--chain-id and --rpc must name the same chain",
        DeployError::Chain(ChainError::NotEnoughGasMoney { .. }) => {
            "send the account that the message names some of the chain's coin, then run the same command again"
        }
        _ => "run the same command again: it goes on with what was sent, and deploys nothing twice",
    };
    Failure::chain(error).hint(hint)
}
