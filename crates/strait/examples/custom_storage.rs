//! A node with its data in two places: signed states, for which each payment waits, on the disk that syncs fast; events,
//! tokens and the rest on another.
//!
//! `cargo run --release -p strait --example custom_storage`

use std::error::Error;
use std::path::Path;
use strait::dev::DevNet;
use strait::{Api, Node, Nothing};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (fast, large) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let chain = DevNet::start()?;
    let node = start(&chain, fast.path(), large.path()).await?;
    let info = node.node_info(Nothing {}).await?;
    println!(
        "{} runs, states in {}, the rest in {}",
        info.signer,
        fast.path().display(),
        large.path().display()
    );
    node.stop().await;
    Ok(())
}

/// Starts a node that listens on a port of the system's choice.
pub(crate) async fn start(chain: &DevNet, fast: &Path, large: &Path) -> Result<Node, Box<dyn Error>> {
    let node = Node::builder(large, DevNet::key("two places"))
        .chain(chain.setup("two places").store(fast.join("states")))
        .listen("127.0.0.1:0".parse()?)
        .start()
        .await?;
    Ok(node)
}
