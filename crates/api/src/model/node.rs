use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strait_types::{Address, U256};

/// A node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NodeInfo {
    /// Release.
    pub version: String,
    /// The key that signs states.
    #[schemars(with = "String")]
    pub signer: Address,
    /// Where peers reach it: `strait://SIGNER@HOST:PORT`, one per place that it listens on.
    pub addresses: Vec<String>,
    /// Seconds since it started.
    pub uptime: u64,
    /// Its chains.
    pub chains: Vec<ChainInfo>,
    /// The assets that its configuration names.
    pub assets: Vec<AssetInfo>,
}

/// One chain of a node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ChainInfo {
    /// Its name in the configuration.
    pub name: String,
    /// EIP-155 id.
    pub chain_id: u64,
    /// The contract.
    #[schemars(with = "String")]
    pub adjudicator: Address,
    /// The account that pays gas and deposits.
    #[schemars(with = "String")]
    pub account: Address,
    /// What it holds, in wei; absent while no endpoint answers.
    #[serde(serialize_with = "decimal")]
    #[schemars(with = "Option<String>")]
    pub account_balance: Option<U256>,
    /// Where channels pay this node out.
    #[schemars(with = "String")]
    pub payout: Address,
    /// Number of the newest block that the node knows.
    pub head: u64,
    /// Its time.
    pub head_time: u64,
    /// Whether the view of the chain is fresh enough to take value.
    pub is_fresh: bool,
    /// Since when nothing of value moves, in Unix seconds: the chain's history changed deeper than can be undone, and every
    /// channel's events are read anew. It ends by itself.
    #[serde(default)]
    pub halted_since: Option<u64>,
    /// What stands in the way, if anything, with the next step.
    pub problem: Option<String>,
    /// Blocks on top of a deposit's block before it counts; absent: until the chain calls it finalised.
    pub confirmations: Option<u64>,
}

/// An asset that the configuration names; symbols on chain are never trusted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AssetInfo {
    /// On which chain.
    pub chain_id: u64,
    /// The zero address is the native coin.
    #[schemars(with = "String")]
    pub asset: Address,
    /// Such as `ETH` or `USDC`.
    pub symbol: String,
    /// Decimals between the smallest unit and the one that people use.
    pub decimals: u8,
}

/// The peers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Peers {
    /// By signer.
    pub peers: Vec<PeerInfo>,
}

/// A peer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PeerInfo {
    /// Its key.
    #[schemars(with = "String")]
    pub signer: Address,
    /// Where it is dialled, if it is.
    pub address: Option<String>,
    /// On the chains on which it is connected now.
    pub connected_on: Vec<u64>,
    /// Channels with it that are not closed.
    pub channels: u64,
    /// Why it is not connected, as the last attempt to dial it found: a tower may be there, say.
    #[serde(default)]
    pub problem: Option<String>,
}

/// A peer to keep a connection with.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PeerAdd {
    /// `strait://SIGNER@HOST:PORT`.
    pub address: String,
}

/// A peer to dial no more.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PeerRemove {
    /// Its key.
    #[schemars(with = "String")]
    pub signer: Address,
}

/// Where to write a backup.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupTo {
    /// An absolute path on the node's machine that does not exist yet.
    pub directory: String,
}

/// A backup that was written.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BackupDone {
    /// Where.
    pub directory: String,
    /// Its size.
    pub bytes: u64,
}

/// Like every amount; the type's own form is hexadecimal.
fn decimal<S: serde::Serializer>(amount: &Option<U256>, serializer: S) -> Result<S::Ok, S::Error> {
    amount.map(|amount| amount.to_string()).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Account {
        #[serde(serialize_with = "decimal")]
        balance: Option<U256>,
    }

    #[test]
    fn a_balance_is_a_decimal_string_like_every_amount() {
        for (balance, text) in
            [(Some(U256::from(1_000)), r#"{"balance":"1000"}"#), (None, r#"{"balance":null}"#)]
        {
            let account = Account { balance };
            assert_eq!(serde_json::to_string(&account).expect("JSON"), text);
            assert_eq!(serde_json::from_str::<Account>(text).expect("read"), account);
        }
    }
}
