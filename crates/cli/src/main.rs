//! The `strait` command.

mod demo;
mod devnet;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// State channels: pay and play off the chain, with the chain as the arbiter.
#[derive(Parser)]
#[command(name = "strait", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Shows the whole life of a channel on an embedded chain: over 100,000 payments, a crash, a cheat, a settlement.
    Demo(demo::DemoArgs),
    /// Runs a chain for development on this machine: contracts deployed, accounts funded, any Ethereum tool can use it.
    Devnet(devnet::DevnetArgs),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Demo(args) => demo::run(&args),
        Command::Devnet(args) => devnet::run(&args),
    }
}
