//! The way to a running node.

use crate::command::Global;
use crate::context::Context;
use crate::failure::Failure;

/// Where a node's API is by default.
const DEFAULT_URL: &str = "127.0.0.1:4041";

/// Makes a client of the node; it connects with the first call.
pub(crate) fn connect(global: &Global) -> Result<Context, Failure> {
    let url = global.url.as_deref().unwrap_or(DEFAULT_URL);
    Err(Failure::unreachable(format!("no node answers at {url}"))
        .hint("start one with `strait node`, or say where it is with --url"))
}
