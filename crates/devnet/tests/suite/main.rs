//! The devnet as clients see it.

mod client;
mod control;
mod headers;
mod hostile;
mod refusals;
mod subscriptions;
mod use_case;
