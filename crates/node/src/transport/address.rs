//! Where a peer is and who it must prove to be.

use std::fmt;
use std::str::FromStr;
use strait_types::Address;
use tokio_tungstenite::tungstenite::http::uri::Authority;

const SCHEME: &str = "strait://";

/// `strait://0xSIGNER@host:port`: the signer that the peer must prove to be, and where it listens.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PeerAddress {
    signer: Address,
    authority: Authority,
    port: u16,
}

/// A peer address that cannot be read; the text says how to write it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerAddressError {
    /// Another scheme or none.
    #[error("a peer address starts with strait://, this one does not: write strait://0xSIGNER@host:port")]
    NoScheme,
    /// No `@`.
    #[error(
        "the peer address does not say whose it is: write strait://0xSIGNER@host:port, the peer's node shows it"
    )]
    NoSigner,
    /// Not 20 bytes of hex.
    #[error("'{0}' is no signer address: it is 0x and 40 hex digits; write strait://0xSIGNER@host:port")]
    BadSigner(String),
    /// Mixed case that is not the checksum of EIP-55.
    #[error("the upper and lower case of '{0}' do not fit its digits, so it is mistyped: copy it again")]
    BadChecksum(String),
    /// Nothing, or characters that no host name has.
    #[error("'{0}' is no host: write a name, an IPv4 address or an IPv6 address in brackets, then ':port'")]
    BadHost(String),
    /// No port, or none between 1 and 65535.
    #[error("'{0}' does not end in a port from 1 to 65535: write strait://0xSIGNER@host:port")]
    BadPort(String),
}

impl PeerAddress {
    /// From its parts. `host` is a name, an IPv4 address, or an IPv6 address (brackets may be left out).
    ///
    /// # Errors
    /// See [`PeerAddressError`].
    pub fn new(signer: Address, host: &str, port: u16) -> Result<PeerAddress, PeerAddressError> {
        let brackets = host.contains(':') && !host.starts_with('[');
        let place = if brackets { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        PeerAddress::at(signer, &place)
    }

    /// Who the peer must prove to be.
    pub fn signer(&self) -> Address {
        self.signer
    }

    /// Name or IP address; an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        self.authority.host().trim_start_matches('[').trim_end_matches(']')
    }

    /// TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `host:port` as it stands in a URL.
    pub fn authority(&self) -> &str {
        self.authority.as_str()
    }

    fn at(signer: Address, place: &str) -> Result<PeerAddress, PeerAddressError> {
        if signer.is_zero() {
            return Err(PeerAddressError::BadSigner(signer.to_string()));
        }
        let authority: Authority = place.parse().map_err(|_| PeerAddressError::BadHost(place.to_owned()))?;
        let port = match authority.port_u16() {
            Some(port) if port > 0 => port,
            _ => return Err(PeerAddressError::BadPort(place.to_owned())),
        };
        if place.contains('@') || authority.host().is_empty() || authority.host() == "[]" {
            return Err(PeerAddressError::BadHost(place.to_owned()));
        }
        Ok(PeerAddress { signer, authority, port })
    }
}

impl FromStr for PeerAddress {
    type Err = PeerAddressError;

    fn from_str(text: &str) -> Result<PeerAddress, PeerAddressError> {
        let rest = text.trim().strip_prefix(SCHEME).ok_or(PeerAddressError::NoScheme)?;
        let (signer, place) = rest.split_once('@').ok_or(PeerAddressError::NoSigner)?;
        PeerAddress::at(read_signer(signer)?, place)
    }
}

fn read_signer(text: &str) -> Result<Address, PeerAddressError> {
    let bad = || PeerAddressError::BadSigner(text.to_owned());
    let digits = text.strip_prefix("0x").ok_or_else(bad)?;
    let address: Address = text.parse().map_err(|_| bad())?;
    let mixed = digits.contains(|c: char| c.is_ascii_uppercase())
        && digits.contains(|c: char| c.is_ascii_lowercase());
    if mixed && Address::parse_checksummed(text, None).is_err() {
        return Err(PeerAddressError::BadChecksum(text.to_owned()));
    }
    Ok(address)
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}@{}", self.signer, self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNER: &str = "0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045";

    #[test]
    fn is_written_as_it_was_read() {
        for place in ["example.org:4040", "127.0.0.1:1", "[::1]:65535"] {
            let text = format!("strait://{SIGNER}@{place}");
            let address: PeerAddress = text.parse().expect("well formed");
            assert_eq!(address.to_string(), text);
            assert_eq!(PeerAddress::new(address.signer(), address.host(), address.port()), Ok(address));
        }
        let lower: PeerAddress =
            format!("strait://{}@h:1", SIGNER.to_lowercase()).parse().expect("lower case");
        assert_eq!(lower.to_string(), format!("strait://{SIGNER}@h:1"));
        assert_eq!(lower.host(), "h");
    }

    #[test]
    fn errors_name_the_part_at_fault() {
        type E = PeerAddressError;
        let error = |text: &str| text.parse::<PeerAddress>().expect_err(text);
        assert_eq!(error("ws://h:1"), E::NoScheme);
        assert_eq!(error("strait://h:1"), E::NoSigner);
        assert!(matches!(error("strait://0x12@h:1"), E::BadSigner(_)));
        assert!(matches!(error(&format!("strait://{}@h:1", &SIGNER[2..])), E::BadSigner(_)));
        assert!(matches!(error(&format!("strait://{}@h:1", Address::ZERO)), E::BadSigner(_)));
        assert!(matches!(error(&format!("strait://{}@h:1", SIGNER.replace('d', "D"))), E::BadChecksum(_)));
        for place in ["", ":1", "a b:1", "user@h:1", "h:1/path", "[]:1", "::1:1"] {
            let error = error(&format!("strait://{SIGNER}@{place}"));
            assert!(matches!(error, E::BadHost(_) | E::BadPort(_)), "{place}: {error}");
        }
        for place in ["h", "h:", "h:0", "h:70000", "h:x"] {
            let error = error(&format!("strait://{SIGNER}@{place}"));
            assert!(matches!(error, E::BadHost(_) | E::BadPort(_)), "{place}: {error}");
        }
    }
}
