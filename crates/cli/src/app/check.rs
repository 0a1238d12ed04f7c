//! `strait app check`.

use crate::failure::Failure;
use crate::output::Output;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use strait_types::Address;

/// Options of `strait app check`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait app check artifact.json\n  strait app check out/MyGame.sol/MyGame.json --adjudicator 0x5fbd..\n\nThe address follows from the code and the adjudicator alone; nothing needs to be deployed for it."
)]
pub(crate) struct CheckArgs {
    /// What the compiler wrote: JSON with `abi` and `deployedBytecode`.
    artifact: PathBuf,
    /// Adjudicator of the chain for which the app's address is shown.
    #[arg(long, value_name = "ADDRESS", value_parser = crate::text::parse_address)]
    adjudicator: Option<Address>,
}

/// Scans the code.
///
/// # Errors
/// Why it can't be an app.
pub(crate) fn run(args: &CheckArgs, out: &Output) -> Result<(), Failure> {
    let code = super::code(&args.artifact)?;
    super::warn_of(&code, out);
    let bytes = code.runtime().len();
    let address = args.adjudicator.map(|adjudicator| code.address(adjudicator));
    out.result(&json!({ "bytes": bytes, "address": address }), |out| {
        let mut pairs = vec![("code", format!("{bytes} bytes, fit to be an app"))];
        pairs.extend(address.map(|address| ("address", address.to_string())));
        out.pairs(&pairs)
    })
}
