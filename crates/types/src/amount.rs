//! Money: exact, checked, in the asset's smallest unit.

use alloy_primitives::Address;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A non-negative amount in the asset's smallest unit (wei for the native coin), at most 2^127 - 1, which is
/// what the adjudicator takes as cumulative deposits.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, BorshSerialize, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Amount(u128);

/// Why a text or number is not an amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Above 2^127 - 1.
    #[error("the amount is larger than any channel can hold (2^127 - 1 of the smallest unit)")]
    TooLarge,
    /// Zero where something must move.
    #[error("the amount is zero; give a positive amount")]
    Zero,
    /// A minus sign.
    #[error("the amount is negative; amounts are positive, the direction says who pays")]
    Negative,
    /// Decimals of a unit that has none.
    #[error("this is the smallest unit, and there are no fractions of it; write a whole number")]
    NoFractions,
    /// More decimals than the asset has.
    #[error("the amount has {given} decimals, this asset has {allowed}; round it to {allowed}")]
    TooPrecise {
        /// Decimals in the text.
        given: usize,
        /// Decimals of the asset.
        allowed: u8,
    },
    /// Not a decimal number.
    #[error("'{0}' is not an amount; write it as 12 or 0.05")]
    NotANumber(String),
}

impl Amount {
    /// Nothing.
    pub const ZERO: Amount = Amount(0);
    /// 2^127 - 1.
    pub const MAX: Amount = Amount(u128::MAX >> 1);

    /// From the smallest unit.
    pub const fn new(units: u128) -> Option<Amount> {
        if units <= Self::MAX.0 { Some(Amount(units)) } else { None }
    }

    /// In the smallest unit.
    pub const fn units(self) -> u128 {
        self.0
    }

    /// Whether nothing moves.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// As a signed number; always fits.
    pub const fn signed(self) -> i128 {
        self.0 as i128
    }

    /// The sum, unless it leaves the range.
    pub fn checked_add(self, other: Amount) -> Option<Amount> {
        self.0.checked_add(other.0).and_then(Amount::new)
    }

    /// The difference, unless negative.
    pub fn checked_sub(self, other: Amount) -> Option<Amount> {
        self.0.checked_sub(other.0).map(Amount)
    }

    /// Reads a decimal text such as `0.05` for an asset with the given number of decimals, exactly.
    ///
    /// # Errors
    /// Refuses signs, exponents, separators, and more decimals than the asset has.
    pub fn parse_decimal(text: &str, decimals: u8) -> Result<Amount, AmountError> {
        let not_a_number = || AmountError::NotANumber(text.to_owned());
        if text.starts_with('-') {
            return Err(AmountError::Negative);
        }
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || text.ends_with('.') {
            return Err(not_a_number());
        }
        if decimals == 0 && !fraction.is_empty() {
            return Err(AmountError::NoFractions);
        }
        if fraction.len() > usize::from(decimals) {
            return Err(AmountError::TooPrecise { given: fraction.len(), allowed: decimals });
        }
        let padded = format!("{whole}{fraction:0<width$}", width = usize::from(decimals));
        let significant = padded.trim_start_matches('0');
        if significant.is_empty() {
            return Ok(Amount::ZERO);
        }
        let units: u128 = significant.parse().map_err(|_| AmountError::TooLarge)?;
        Amount::new(units).ok_or(AmountError::TooLarge)
    }

    /// Writes the amount exactly, with the asset's decimals and without trailing zeros.
    pub fn format_decimal(self, decimals: u8) -> String {
        let width = usize::from(decimals);
        let digits = format!("{:0>width$}", self.0, width = width + 1);
        let (whole, fraction) = digits.split_at(digits.len() - width);
        let fraction = fraction.trim_end_matches('0');
        if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl From<u64> for Amount {
    fn from(units: u64) -> Self {
        Amount(u128::from(units))
    }
}

impl TryFrom<u128> for Amount {
    type Error = AmountError;
    fn try_from(units: u128) -> Result<Self, AmountError> {
        Amount::new(units).ok_or(AmountError::TooLarge)
    }
}

impl From<Amount> for String {
    fn from(amount: Amount) -> String {
        amount.to_string()
    }
}

/// How the message begins when a value that came over a wire is no amount.
pub const NO_AMOUNT: &str = "no amount: ";

/// Longest text that an error repeats, in characters.
const SHOWN: usize = 48;

impl TryFrom<String> for Amount {
    type Error = String;
    /// Reads a whole number of the smallest unit.
    fn try_from(text: String) -> Result<Self, String> {
        Amount::parse_decimal(&text, 0).map_err(|error| match error {
            AmountError::TooLarge | AmountError::Zero | AmountError::Negative => {
                format!("{NO_AMOUNT}{error}")
            }
            AmountError::NoFractions | AmountError::TooPrecise { .. } | AmountError::NotANumber(_) => {
                let shown: String = text.chars().take(SHOWN).collect();
                format!("{NO_AMOUNT}'{shown}' is no whole number of the smallest unit")
            }
        })
    }
}

impl BorshDeserialize for Amount {
    fn deserialize_reader<R: std::io::Read>(reader: &mut R) -> std::io::Result<Self> {
        let units = u128::deserialize_reader(reader)?;
        Amount::new(units)
            .ok_or_else(|| std::io::Error::new(std::io::ErrorKind::InvalidData, "amount too large"))
    }
}

/// What is paid: the chain's native coin or an ERC-20 token.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Asset {
    /// The native coin, with 18 decimals.
    Native,
    /// An ERC-20 token by its address.
    Token(Address),
}

impl Asset {
    /// As it stands in the channel's parameters: the zero address is the native coin.
    pub fn address(self) -> Address {
        match self {
            Asset::Native => Address::ZERO,
            Asset::Token(address) => address,
        }
    }
}

impl From<Address> for Asset {
    fn from(address: Address) -> Self {
        if address.is_zero() { Asset::Native } else { Asset::Token(address) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write() {
        assert_eq!(Amount::parse_decimal("0.05", 18), Ok(Amount(50_000_000_000_000_000)));
        assert_eq!(Amount::parse_decimal("12.50", 6), Ok(Amount(12_500_000)));
        assert_eq!(Amount::parse_decimal("0", 6), Ok(Amount::ZERO));
    }

    #[test]
    fn refuses_what_is_not_exact() {
        assert_eq!(Amount::parse_decimal("-1", 6), Err(AmountError::Negative));
        assert_eq!(
            Amount::parse_decimal("0.1234567", 6),
            Err(AmountError::TooPrecise { given: 7, allowed: 6 })
        );
        for text in ["", ".", "1.", ".5", "1e3", "1,5", "0x10", "+1", "1 ", "\u{0661}"] {
            assert_eq!(Amount::parse_decimal(text, 6), Err(AmountError::NotANumber(text.into())), "{text}");
        }
        let too_large = "170141183460469231731687303715884105728";
        assert_eq!(Amount::parse_decimal(too_large, 0), Err(AmountError::TooLarge));
        assert_eq!(Amount::parse_decimal(&"9".repeat(100), 6), Err(AmountError::TooLarge));
    }

    proptest! {
        #[test]
        fn format_then_parse_is_identity(units in 0..=Amount::MAX.0, decimals in 0u8..=30) {
            let amount = Amount(units);
            prop_assert_eq!(Amount::parse_decimal(&amount.format_decimal(decimals), decimals), Ok(amount));
        }
    }
}
