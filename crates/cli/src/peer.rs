//! `strait peer`.

use crate::context::Context;
use crate::failure::Failure;
use crate::text::one_line;
use clap::{Args, Subcommand};
use strait_api::{Nothing, PeerAdd, PeerRemove};

/// Options of `strait peer`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait peer list\n  strait peer add strait://0x5151..5151@store.example:4040\n  strait peer remove 0x5151"
)]
pub(crate) struct PeerArgs {
    #[command(subcommand)]
    command: PeerCommand,
}

#[derive(Subcommand, Debug)]
enum PeerCommand {
    /// Lists the peers.
    #[command(after_help = "Example:\n  strait peer list")]
    List,
    /// Keeps a connection with a peer from now on.
    #[command(after_help = "Example:\n  strait peer add strait://0x5151..5151@store.example:4040")]
    Add {
        /// `strait://SIGNER@HOST:PORT`; the peer's `strait info` shows it.
        address: String,
    },
    /// Dials a peer no more; its channels stay.
    #[command(after_help = "Example:\n  strait peer remove 0x5151")]
    Remove {
        /// Its signer, or the first digits.
        peer: String,
    },
}

/// Runs it.
///
/// # Errors
/// What the node says.
pub(crate) async fn run(context: &Context, args: PeerArgs) -> Result<(), Failure> {
    match args.command {
        PeerCommand::List => list(context).await,
        PeerCommand::Add { address } => {
            let done = context.api.peer_add(PeerAdd { address: address.clone() }).await?;
            context.out.result(&done, |_| format!("keeps a connection with {address}"))
        }
        PeerCommand::Remove { peer } => {
            let signer = context.signer(&peer).await?;
            let done = context.api.peer_remove(PeerRemove { signer }).await?;
            context.out.result(&done, |_| format!("{signer} is dialled no more"))
        }
    }
}

async fn list(context: &Context) -> Result<(), Failure> {
    let peers = context.api.peer_list(Nothing {}).await?;
    let assets = context.assets().await?;
    context.out.result(&peers, |out| {
        if peers.peers.is_empty() {
            return "no peers yet; `strait peer add` or `strait channel open` makes one".into();
        }
        let rows = peers.peers.iter().map(|peer| {
            let chains: Vec<_> = peer.connected_on.iter().map(|chain| assets.chain_name(*chain)).collect();
            vec![
                peer.signer.to_string(),
                if chains.is_empty() { "no".into() } else { chains.join(", ") },
                peer.channels.to_string(),
                peer.address.clone().unwrap_or_else(|| "-".into()),
                peer.problem.as_deref().map_or_else(|| "-".into(), one_line),
            ]
        });
        out.table(&["SIGNER", "CONNECTED", "CHANNELS", "ADDRESS", "PROBLEM"], rows)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fake;
    use serde_json::json;
    use strait_types::Address;

    #[tokio::test]
    async fn a_peer_that_is_a_tower_is_told_as_such() {
        let peer = json!({"signer": Address::repeat_byte(0x77), "address": "strait://0x77@a:1", "connected_on": [],
            "channels": 0, "problem": "the peer refuses: a tower is there, no node"});
        let (context, seen) =
            Fake::new(false).on("strait_peer_list", move |_| Ok(json!({"peers": [peer.clone()]}))).start();
        list(&context).await.expect("listed");
        assert!(
            seen.text().contains("PROBLEM") && seen.text().contains("a tower is there"),
            "{}",
            seen.text()
        );
    }
}
