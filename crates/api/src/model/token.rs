use crate::scope::{Scope, SpendLimits};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A token to make.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenCreate {
    /// For people, at most 64 bytes.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// How much may be spent with it.
    #[serde(default)]
    pub limits: SpendLimits,
    /// Seconds until it ends by itself; absent: never.
    #[serde(default)]
    pub expires_in: Option<u64>,
}

/// A new token with its secret, which is shown once.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TokenSecret {
    /// What it is.
    pub info: TokenInfo,
    /// For `Authorization: Bearer`.
    pub secret: String,
}

/// The tokens.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Tokens {
    /// Oldest first.
    pub tokens: Vec<TokenInfo>,
}

/// A token.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TokenInfo {
    /// Names it in `token_revoke`.
    pub id: String,
    /// For people.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// How much may be spent with it.
    pub limits: SpendLimits,
    /// Made at.
    pub created: u64,
    /// Ends by itself at.
    pub expires: Option<u64>,
}

/// Which token.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRef {
    /// Its id.
    pub id: String,
}
