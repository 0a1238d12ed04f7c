//! What a token allows.

use crate::model::AssetAmount;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

/// How much the bearer of a token with [`Scope::Pay`] may spend; absent means no limit of that kind.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SpendLimits {
    /// Per channel, over the token's life; one entry per asset.
    pub per_channel: Vec<AssetAmount>,
    /// Over all channels, per day (UTC); one entry per asset.
    pub per_day: Vec<AssetAmount>,
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
