//! `strait config`: what the configuration is, and why.

use crate::command::Global;
use crate::failure::Failure;
use crate::local::{ConfigFlags, load};
use crate::output::Output;
use clap::{Args, Subcommand};
use serde_json::json;

/// Options of `strait config`.
#[derive(Args, Clone, Debug)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:\n  strait config show\n  strait config show --json | jq '.[] | select(.source != \"default\")'\n  strait config check --config /etc/strait/strait.toml"
)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum ConfigCommand {
    /// Shows every value that counts and where it comes from: default, file and line, environment, or flag.
    #[command(
        after_help = "Examples:\n  strait config show\n  strait config show --set node.listen=0.0.0.0:4040"
    )]
    Show(ConfigFlags),
    /// Says whether the configuration is right, and what is wrong with it.
    #[command(after_help = "Example:\n  strait config check --config /etc/strait/strait.toml")]
    Check(ConfigFlags),
}

/// Runs the command.
///
/// # Errors
/// When the configuration is wrong.
pub(crate) fn run(global: &Global, args: &ConfigArgs, out: &Output) -> Result<(), Failure> {
    match &args.command {
        ConfigCommand::Show(flags) => show(global, flags, out),
        ConfigCommand::Check(flags) => {
            let loaded = load(global, flags, Vec::new())?;
            let chains: Vec<&String> = loaded.config.chains.keys().collect();
            out.result(&json!({ "ok": true, "chains": chains }), |_| match chains.len() {
                0 => "right, but no chain is configured; `strait init` adds one".to_owned(),
                count => format!("right, with {count} chain{}", if count == 1 { "" } else { "s" }),
            })
        }
    }
}

fn show(global: &Global, flags: &ConfigFlags, out: &Output) -> Result<(), Failure> {
    let rows = load(global, flags, Vec::new())?.rows();
    let json: Vec<_> = rows
        .iter()
        .map(|row| json!({ "key": row.key, "value": row.value, "source": row.source.to_string() }))
        .collect();
    out.result(&json, |out| {
        let rows = rows.into_iter().map(|row| vec![row.key, row.value, row.source.to_string()]);
        out.table(&["KEY", "VALUE", "SOURCE"], rows)
    })
}
