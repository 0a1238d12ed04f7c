//! The command line: options that all commands share, and the commands.

use crate::failure::Failure;
use crate::output::Output;
use crate::{
    app, backup, channel, completions, config, connect, demo, deploy, devnet, doctor, exit, exit_codes,
    history, info, init, invoice, key, node, pay, peer, restore, token, tower,
};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// State channels: pay and play off the chain, with the chain as the arbiter.
#[derive(Parser, Debug)]
#[command(
    name = "strait",
    version,
    about,
    arg_required_else_help = true,
    after_help = "Examples:\n  strait demo\n  strait channel open strait://0x..@store.example:4040 --deposit \"1 ether\" --wait\n  strait pay 0x1a2b 0.05 ether --memo coffee\n  strait history 0x1a2b --csv > bill.csv\n\n`strait help exit-codes` lists the exit codes, `strait COMMAND --help` shows examples of each command."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Args, Clone, Debug)]
pub(crate) struct Global {
    /// Directory of configuration, keys and data [default: ~/.strait].
    #[arg(long, global = true, env = "STRAIT_HOME", value_name = "DIR", help_heading = "Global options")]
    pub(crate) home: Option<PathBuf>,
    /// Address of the node's API [default: 127.0.0.1:4041].
    #[arg(long, global = true, env = "STRAIT_URL", help_heading = "Global options")]
    pub(crate) url: Option<String>,
    /// Token for the API [default: the one in HOME/admin.token].
    #[arg(
        long,
        global = true,
        env = "STRAIT_TOKEN",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub(crate) token: Option<String>,
    /// Prints JSON for programs: one value per command, one per line where a command goes on.
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) json: bool,
}

impl Global {
    /// The home directory.
    ///
    /// # Errors
    /// When the system knows none.
    pub(crate) fn home(&self) -> Result<PathBuf, Failure> {
        let chosen = self.home.clone().or_else(|| std::env::home_dir().map(|home| home.join(".strait")));
        chosen.ok_or_else(|| {
            Failure::usage("the system knows no home directory").hint("say where with --home DIR")
        })
    }
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Shows the whole life of a channel on an embedded chain: over 100,000 payments, a crash, a cheat, a settlement.
    Demo(demo::DemoArgs),
    /// Makes a home directory with a key and a configuration.
    Init(init::InitArgs),
    /// Runs a node in the foreground.
    Node(node::NodeArgs),
    /// Runs a watchtower: it defends the channels of nodes that are away.
    Tower(tower::TowerArgs),
    /// Makes, lists, imports and exports keys.
    Key(key::KeyArgs),
    /// Shows the configuration and where each value comes from.
    Config(config::ConfigArgs),
    /// Says what is wrong with the set-up, before it costs money.
    Doctor(doctor::DoctorArgs),
    /// Runs a chain for development on this machine: contracts deployed, accounts funded, any Ethereum tool can use it.
    Devnet(devnet::DevnetArgs),
    /// Shows the node: its address, chains and assets.
    #[command(after_help = "Examples:\n  strait info\n  strait info --json | jq -r .addresses[0]")]
    Info,
    /// The peers that the node keeps connections with.
    Peer(peer::PeerArgs),
    /// Opens, shows, funds and closes channels.
    Channel(channel::ChannelArgs),
    /// Pays over a channel, pays an invoice, or pays many from a file.
    Pay(pay::PayArgs),
    /// Makes an invoice: the same as `strait invoice create`.
    Request(invoice::CreateArgs),
    /// Makes, shows and awaits invoices.
    Invoice(invoice::InvoiceArgs),
    /// Shows a channel's bill, exports it with its proof, and verifies a proof without a node.
    History(history::HistoryArgs),
    /// Makes and revokes tokens for the API.
    Token(token::TokenArgs),
    /// Writes a backup of the running node.
    Backup(backup::BackupArgs),
    /// Puts a backup into a home without data.
    Restore(restore::RestoreArgs),
    /// Writes, checks and tries the rules of channels with an app.
    App(app::AppArgs),
    /// Deploys the adjudicator to a chain, or finds it there.
    Deploy(deploy::DeployArgs),
    /// Leaves all channels over the chain, from a backup and the key alone.
    Exit(exit::ExitArgs),
    /// Prints a completion script for a shell.
    Completions(completions::CompletionsArgs),
    /// Lists the exit codes.
    #[command(hide = true, long_about = exit_codes::text(), help_template = "{about}\n")]
    ExitCodes,
}

impl Cli {
    /// Runs the command.
    pub(crate) fn run(self) -> ExitCode {
        let Cli { global, command } = self;
        let json = global.json;
        let result = match command {
            Command::Demo(args) => demo::run(&args, &Output::new(json)),
            Command::Devnet(args) => devnet::run(&args, &Output::new(json)),
            Command::Init(args) => init::run(&global, &args, &Output::new(json)),
            Command::Node(args) => node::run(&global, &args, &Output::new(json)),
            Command::Tower(args) if args.is_offline() => tower::run(&global, &args, &Output::new(json)),
            Command::Key(args) => key::run(&global, &args, &Output::new(json)),
            Command::Config(args) => config::run(&global, &args, &Output::new(json)),
            Command::Doctor(args) => doctor::run(&global, &args, &Output::new(json)),
            Command::Completions(args) => completions::run(&args, &Output::new(json)),
            Command::App(args) if args.is_offline() => app::run(&global, &args, &Output::new(json)),
            Command::Deploy(args) => deploy::run(&args, &Output::new(json)),
            Command::Exit(args) => exit::run(&global, &args, &Output::new(json)),
            Command::Restore(args) => restore::run(&global, &args, &Output::new(json)),
            Command::ExitCodes => exit_codes::run(&Output::new(json)),
            Command::History(args) if args.is_offline() => {
                history::offline(&global, &args, &Output::new(json))
            }
            command => with_node(&global, command),
        };
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.report(json),
        }
    }
}

/// Commands that ask a running node.
fn with_node(global: &Global, command: Command) -> Result<(), Failure> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::local)?;
    runtime.block_on(async {
        let context = connect::connect(global).await?;
        let done = match command {
            Command::Info => info::run(&context).await,
            Command::Peer(args) => peer::run(&context, args).await,
            Command::Channel(args) => channel::run(&context, args).await,
            Command::Pay(args) => pay::run(&context, args).await,
            Command::Request(args) => invoice::create(&context, args).await,
            Command::Invoice(args) => invoice::run(&context, args).await,
            Command::History(args) => history::run(&context, args).await,
            Command::Token(args) => token::run(&context, args).await,
            Command::App(args) => app::with_node(&context, args).await,
            Command::Tower(args) => tower::with_node(&context, args).await,
            Command::Backup(args) => backup::run(&context, args).await,
            // Run without a node.
            _ => Ok(()),
        };
        match done {
            Err(failure) => Err(connect::explained(global, &context, failure).await),
            Ok(()) => Ok(()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::{Command, CommandFactory};

    /// Own line breaks within a paragraph collide with those that the terminal's width makes.
    fn check(command: &Command) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let lines: Vec<&str> = help.lines().collect();
        for pair in lines.windows(2) {
            let is_text = |line: &str| !line.is_empty() && !line.starts_with(' ');
            assert!(!(is_text(pair[0]) && is_text(pair[1])), "{}: {pair:?}", command.get_name());
        }
        command.get_subcommands().for_each(check);
    }

    #[test]
    fn a_paragraph_of_the_help_is_wrapped_by_the_terminal_alone() {
        check(&Cli::command());
    }
}
