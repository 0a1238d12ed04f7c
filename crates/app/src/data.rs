//! App data in the developer's own types.

use alloy_sol_types::{SolType, SolValue};

/// What an app keeps in a state's `appData`. Every structure that `sol!` declares is one, encoded as the contract's
/// `abi.encode` of it.
pub trait AppData: Sized {
    /// The bytes; the only ones that stand for this value.
    fn encode(&self) -> Vec<u8>;

    /// The value, as the contract's `abi.decode` reads it: what does not fit its types is none, what follows is ignored.
    fn decode(bytes: &[u8]) -> Option<Self>;
}

impl<T> AppData for T
where
    T: SolValue + From<<T::SolType as SolType>::RustType>,
{
    fn encode(&self) -> Vec<u8> {
        self.abi_encode()
    }

    fn decode(bytes: &[u8]) -> Option<T> {
        T::abi_decode_validate(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_sol_types::sol;

    sol! {
        #[derive(Debug, PartialEq)]
        enum Phase { First, Second }

        #[derive(Debug, PartialEq)]
        struct Round { uint8 number; Phase phase; }

        #[derive(Debug, PartialEq)]
        struct Words { string text; }
    }

    #[test]
    fn data_are_read_as_solidity_reads_them() {
        let round = Round { number: 7, phase: Phase::Second };
        let bytes = round.encode();
        assert_eq!(bytes.len(), 64);
        assert_eq!(Round::decode(&[&bytes[..], &[1, 2, 3]].concat()), Some(round), "more is ignored");
        assert_eq!(Round::decode(&bytes[..63]), None, "too short");
        let with = |index: usize, byte: u8| {
            let mut changed = bytes.clone();
            changed[index] = byte;
            Round::decode(&changed)
        };
        assert_eq!(with(30, 1), None, "no uint8");
        assert_eq!(with(63, 2), None, "no phase");
        let words = Words { text: "a word".to_owned() };
        assert_eq!(words.encode()[31], 32, "what has no fixed length lies behind its offset");
        assert_eq!(Words::decode(&words.encode()), Some(words));
    }
}
