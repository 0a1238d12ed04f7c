//! What a token allows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strait_types::{Address, Amount};

/// What the bearer of a token may do. Each includes what stands before it, except that `pay` and `receive` do not
/// include each other.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Look at channels, history and events.
    Read,
    /// Make invoices and claim locks.
    Receive,
    /// Pay, within the token's limits.
    Pay,
    /// Everything: open, deposit, withdraw, close, tokens, backup.
    Admin,
}

impl Scope {
    /// Whether a bearer with `self` may do what asks for `needed`.
    pub fn allows(self, needed: Scope) -> bool {
        self == Scope::Admin || needed == Scope::Read || self == needed
    }
}

/// Most of an asset that may be spent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpendLimit {
    /// The chain on which it may be spent: one address may be different tokens on different chains.
    pub chain_id: u64,
    /// The zero address is the native coin.
    #[schemars(with = "String")]
    pub asset: Address,
    /// In the smallest unit.
    #[schemars(with = "String")]
    pub amount: Amount,
}

/// How much the bearer of a token with [`Scope::Pay`] may spend; absent means no limit of that kind.
/// A list that is not empty names all that may be spent: nothing of another asset, nothing on another chain.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SpendLimits {
    /// Per channel, over the token's life; one entry per chain and asset.
    pub per_channel: Vec<SpendLimit>,
    /// Over all channels, per day (UTC); one entry per chain and asset.
    pub per_day: Vec<SpendLimit>,
}

#[cfg(test)]
mod tests {
    use super::Scope::{Admin, Pay, Read, Receive};

    #[test]
    fn a_scope_allows_itself_and_reading_and_admin_allows_all() {
        for needed in [Read, Receive, Pay, Admin] {
            for held in [Read, Receive, Pay, Admin] {
                let expected = held == Admin || needed == held || needed == Read;
                assert_eq!(held.allows(needed), expected, "{held:?} {needed:?}");
            }
        }
    }
}
