//! The JSON-RPC methods, by subject.

mod blocks;
mod control;
mod convert;
mod error;
mod fees;
pub(crate) mod filters;
mod logs;
mod network;
mod place;
mod send;
mod state;
pub(crate) mod subscribe;
mod transactions;

use crate::node::Node;
use error::Answer;
use jsonrpsee::RpcModule;
use jsonrpsee::server::RegisterMethodError;
use jsonrpsee::types::params::ParamsSequence;
use serde::Serialize;
use std::sync::Arc;

type Methods = RpcModule<Node>;
type Registered = Result<(), RegisterMethodError>;

/// All methods.
pub(crate) fn methods(node: Arc<Node>) -> Result<Methods, RegisterMethodError> {
    let mut methods = RpcModule::from_arc(node);
    network::register(&mut methods)?;
    blocks::register(&mut methods)?;
    transactions::register(&mut methods)?;
    send::register(&mut methods)?;
    state::register(&mut methods)?;
    fees::register(&mut methods)?;
    logs::register(&mut methods)?;
    filters::register(&mut methods)?;
    subscribe::register(&mut methods)?;
    control::register(&mut methods)?;
    Ok(methods)
}

/// Serves a method on a thread that may block: it waits for the chain, and the machine may run for a while.
fn method<T: Serialize + Clone + Send + 'static>(
    methods: &mut Methods,
    name: &'static str,
    answer: fn(&Node, ParamsSequence<'_>) -> Answer<T>,
) -> Registered {
    methods.register_blocking_method(name, move |params, node, _| answer(&node, params.sequence()))?;
    Ok(())
}

/// Serves a method by another name too.
fn alias(methods: &mut Methods, alias: &'static str, name: &'static str) -> Registered {
    methods.register_alias(alias, name)
}
