//! One of the two parties, in a process of its own: follows the orders of the measuring process.

mod api;
mod load;
mod locks;
mod node;

pub(crate) use load::{Stream, pay};

use crate::bare;
use crate::scenario;
use crate::talk::Setup;
use anyhow::{Context as _, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{BufRead as _, Write as _};
use tokio::sync::mpsc;

/// Follows orders until there are no more.
pub(crate) fn run(setup: &str) -> Result<()> {
    let setup: Setup = serde_json::from_str(setup).context("the setup is not understood")?;
    let scenario = scenario::find(&setup.scenario).context("no such scenario")?;
    if setup.bare {
        return bare::run(&setup, &scenario);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(node::run(&setup, &scenario))
}

/// Says a line to the measuring process.
pub(crate) fn say(said: &impl Serialize) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(said)?)?;
    Ok(out.flush()?)
}

/// Orders as they come; ends when the measuring process does.
pub(crate) fn orders<Order: DeserializeOwned + Send + 'static>() -> mpsc::UnboundedReceiver<Order> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let Ok(order) = serde_json::from_str(&line) else { return };
            if sender.send(order).is_err() {
                return;
            }
        }
    });
    receiver
}
