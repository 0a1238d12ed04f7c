//! `strait completions`.

use crate::command::Cli;
use crate::failure::Failure;
use crate::output::Output;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// Options of `strait completions`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait completions bash > ~/.local/share/bash-completion/completions/strait\n  strait completions zsh > ~/.zfunc/_strait\n  strait completions fish > ~/.config/fish/completions/strait.fish"
)]
pub(crate) struct CompletionsArgs {
    /// For which shell.
    shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn run(args: &CompletionsArgs, out: &Output) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "strait", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    out.result(&script, |_| script.clone())
}
