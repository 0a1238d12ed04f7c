//! `strait demo`: an embedded chain, two full nodes with durable stores, and everything that happens to a channel.

mod accounts;
mod cheat;
mod flow;
mod party;
mod progress;
mod receipt;
mod stream;
mod world;

use crate::failure::Failure;
use crate::output::Output;
use clap::Args;
use progress::Progress;

/// Options of `strait demo`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  strait demo\n  strait demo --payments 1000000 --gas-price 5 --ether-price 4000\n  strait demo --json | tail -1 | jq .payments_per_second\n\nWith --json it prints nothing but one JSON object at the end; amounts in it are decimal strings of wei. Exit code: 0 when every check holds, 1 when one does not, 2 for wrong options."
)]
pub(crate) struct DemoArgs {
    /// Payments that are streamed, besides the 1,000 made one by one.
    #[arg(long, default_value_t = 100_000, value_parser = payments)]
    payments: u64,
    /// Assumed price of gas on the chain that it is compared with, in gwei.
    #[arg(long, default_value_t = 2.0, value_parser = price, allow_negative_numbers = true)]
    gas_price: f64,
    /// Assumed price of one ether, in US dollars.
    #[arg(long, default_value_t = 3_000.0, value_parser = price, allow_negative_numbers = true)]
    ether_price: f64,
}

fn payments(text: &str) -> Result<u64, String> {
    let count = text.parse().ok().filter(|count| (1_000..=10_000_000).contains(count));
    count.ok_or_else(|| "give a whole number from 1000 to 10000000".to_owned())
}

fn price(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok(value),
        _ => Err(format!("'{text}' is no price; give a positive number such as 2.5")),
    }
}

/// Why the demo could not be carried through.
#[derive(Debug, thiserror::Error)]
enum DemoError {
    /// The machine gives no directory, socket or thread.
    #[error("the machine does not play along: {0}")]
    Io(#[from] std::io::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] strait_engine::ports::StoreError),
    /// The embedded chain.
    #[error(transparent)]
    DevChain(#[from] strait_chain::dev::DevChainError),
    /// The chain refused a call.
    #[error(transparent)]
    Chain(#[from] strait_engine::ports::ChainError),
    /// A node does not start.
    #[error(transparent)]
    Start(#[from] strait_node::StartError),
    /// A node refused.
    #[error(transparent)]
    Node(#[from] strait_node::NodeError),
    /// Something did not happen in time.
    #[error("{0} did not happen within {1} seconds")]
    TimedOut(&'static str, u64),
    /// A figure or answer that cannot be.
    #[error("{0}")]
    Unexpected(String),
}

impl From<DemoError> for Failure {
    fn from(error: DemoError) -> Failure {
        Failure::local(error)
    }
}

/// Runs the demo.
///
/// # Errors
/// When it cannot be carried through, or a check does not hold.
pub(crate) fn run(args: &DemoArgs, out: &Output) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::local)?;
    let progress = Progress::new(out.is_json());
    let played = runtime.block_on(flow::play(args, &progress));
    progress.finish();
    let receipt = played?;
    out.result(&receipt.json(args), |_| receipt.text(args))?;
    if receipt.is_ok() {
        Ok(())
    } else {
        Err(Failure::local("not every check holds; the receipt names them"))
    }
}
