//! `strait completions`.

use crate::command::Cli;
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::io::stdout;

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
pub(crate) fn run(args: &CompletionsArgs) {
    clap_complete::generate(args.shell, &mut Cli::command(), "strait", &mut stdout());
}
