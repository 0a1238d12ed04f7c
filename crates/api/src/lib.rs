//! The interface of a node: what it can be asked, what it answers, and how it fails. The node serves it, the client
//! calls it, and an embedded node implements it directly; all three share the one trait [`Api`].
//!
//! No I/O here: [`dispatch`] turns a JSON-RPC call into a call of the trait, [`Remote`] does the reverse.

mod amount;
mod error;
mod methods;
mod model;
mod openrpc;
mod params;
mod scope;
mod subscribe;

pub use amount::{Among, AmountMistake, AmountTextError, AssetNames, ReadAmount, native_unit};
pub use error::{ApiError, ErrorCode, ErrorData, ErrorKind, Exceeded, Shortage};
pub use methods::{Api, Call, METHODS, Method, Remote, dispatch, unknown_method};
pub use model::*;
pub use openrpc::openrpc;
pub use params::read_params;
pub use scope::{Scope, SpendLimit, SpendLimits};
pub use subscribe::{EventStream, Subscribe};
