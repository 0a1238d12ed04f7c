//! Keys of the demo. Fixed, so that each run shows the same addresses; never use them for money.

use strait_types::{Address, SigningKey, keccak256};

/// A party's key and addresses.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) key: SigningKey,
    /// Pays gas and deposits.
    pub(super) account: Address,
    /// Receives what the party owns in the end; holds nothing before.
    pub(super) payout: Address,
}

impl Identity {
    pub(super) fn new(name: &'static str) -> Option<Identity> {
        let derive = |purpose: &str| keccak256(format!("strait demo {name} {purpose}"));
        Some(Identity {
            key: SigningKey::from_bytes(derive("signer").0).ok()?,
            account: Address::from_slice(&derive("account")[12..]),
            payout: Address::from_slice(&derive("payout")[12..]),
        })
    }
}
