//! The `strait` command.

mod amount;
mod app;
mod backup;
mod channel;
mod command;
mod completions;
mod config;
mod connect;
mod context;
mod demo;
mod deploy;
mod devnet;
mod doctor;
mod exit;
mod exit_codes;
mod failure;
mod follow;
mod history;
mod info;
mod init;
mod invoice;
mod key;
mod local;
mod node;
mod output;
mod pay;
mod peer;
mod restore;
mod slow;
mod stop;
#[cfg(test)]
mod testing;
mod text;
mod token;
mod tower;
mod unlock;

use clap::Parser;
use command::Cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => cli.run(),
        Err(error) => failure::usage_error(&error),
    }
}
