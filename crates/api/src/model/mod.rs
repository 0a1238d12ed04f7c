//! Requests and answers. Amounts are decimal strings of the asset's smallest unit; times are Unix seconds unless a name
//! ends in `_ms`; hashes, keys and addresses are `0x` and hex.

mod app;
mod channel;
mod event;
mod history;
mod invoice;
mod node;
mod payment;
mod token;
mod tower;

pub use app::*;
pub use channel::*;
pub use event::*;
pub use history::*;
pub use invoice::*;
pub use node::*;
pub use payment::*;
pub use token::*;
pub use tower::*;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strait_types::{Address, Amount};

/// Nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// An amount of an asset.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssetAmount {
    /// The zero address is the native coin.
    #[schemars(with = "String")]
    pub asset: Address,
    /// In the smallest unit.
    #[schemars(with = "String")]
    pub amount: Amount,
}
