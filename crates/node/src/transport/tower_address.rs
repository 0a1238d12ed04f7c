//! Where a tower is and who it must prove to be.

use super::address::{PeerAddress, PeerAddressError};
use std::fmt;
use std::str::FromStr;
use strait_types::Address;

const SCHEME: &str = "strait-tower://";

/// `strait-tower://0xSIGNER@host:port`. Told apart from a peer's, so that neither is taken for the other.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TowerAddress(PeerAddress);

impl TowerAddress {
    /// Of a tower that is reached like a peer.
    pub fn new(place: PeerAddress) -> TowerAddress {
        TowerAddress(place)
    }

    /// Who the tower must prove to be.
    pub fn signer(&self) -> Address {
        self.0.signer()
    }

    /// How it is dialled.
    pub fn place(&self) -> &PeerAddress {
        &self.0
    }
}

/// A tower's address that cannot be read; the text says how to write it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TowerAddressError {
    /// Another scheme or none.
    #[error(
        "a tower's address starts with strait-tower://, this one does not: write strait-tower://0xSIGNER@host:port"
    )]
    NoScheme,
    /// What follows is wrong.
    #[error("{0}, with strait-tower:// in front for a tower")]
    Place(#[from] PeerAddressError),
}

impl FromStr for TowerAddress {
    type Err = TowerAddressError;

    fn from_str(text: &str) -> Result<TowerAddress, TowerAddressError> {
        let rest = text.trim().strip_prefix(SCHEME).ok_or(TowerAddressError::NoScheme)?;
        Ok(TowerAddress(format!("strait://{rest}").parse()?))
    }
}

impl fmt::Display for TowerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}@{}", self.0.signer(), self.0.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_it_was_read_and_no_peers_address() {
        let text = "strait-tower://0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045@tower.example:4043";
        let address: TowerAddress = text.parse().expect("well formed");
        assert_eq!(address.to_string(), text);
        assert_eq!(address.place().port(), 4043);
        let peer = text.replace("strait-tower", "strait");
        assert_eq!(peer.parse::<TowerAddress>(), Err(TowerAddressError::NoScheme));
        assert_eq!(text.parse::<PeerAddress>(), Err(PeerAddressError::NoScheme));
        assert!(matches!("strait-tower://h:1".parse::<TowerAddress>(), Err(TowerAddressError::Place(_))));
    }
}
