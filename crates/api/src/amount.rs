//! Amounts as people write them: `0.05 ether`, `50 gwei`, `12.50 USDC`, `1000 units of 0xA0b8...`. Always exact. The
//! command line, the configuration and the node's messages read and write them alike.

use crate::model::{AssetInfo, ChannelInfo};
use strait_types::{Address, Amount, AmountError};

/// Decimals of the native coin on every EVM chain.
const NATIVE_DECIMALS: u8 = 18;
/// Names of the native coin's units, which no symbol can take over.
const NATIVE_UNITS: [(&str, u8); 3] = [("wei", 0), ("gwei", 9), ("ether", NATIVE_DECIMALS)];

/// The decimals of a unit of the native coin: of `wei`, `gwei` and `ether`, whatever the case.
pub fn native_unit(name: &str) -> Option<u8> {
    NATIVE_UNITS.iter().find(|(unit, _)| name.eq_ignore_ascii_case(unit)).map(|(_, decimals)| *decimals)
}

/// The assets that a configuration names.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AssetNames {
    named: Vec<AssetInfo>,
}

/// Which assets an amount may be of.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Among {
    chain: Option<u64>,
    assets: Option<Vec<Address>>,
}

impl Among {
    /// Those of a chain, or of all chains.
    pub fn chain(chain: Option<u64>) -> Among {
        Among { chain, assets: None }
    }

    /// Those of a channel.
    pub fn channel(channel: &ChannelInfo) -> Among {
        let assets = channel.balances.iter().map(|balance| balance.asset).collect();
        Among { chain: Some(channel.chain_id), assets: Some(assets) }
    }

    fn allows(&self, chain: u64, asset: Address) -> bool {
        self.chain.is_none_or(|only| only == chain)
            && self.assets.as_ref().is_none_or(|assets| assets.contains(&asset))
    }
}

/// An amount that was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReadAmount {
    /// The zero address is the native coin.
    pub asset: Address,
    /// In the smallest unit; positive.
    pub amount: Amount,
}

/// A text that is no amount; the user's fault.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{mistake}")]
pub struct AmountTextError {
    /// What is wrong.
    pub mistake: AmountMistake,
    /// How to write it, with what there is.
    pub hint: String,
}

/// What is wrong with the text of an amount.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AmountMistake {
    /// A number alone.
    #[error("'{0}' says how much, but not of what")]
    NoUnit(String),
    /// No number.
    #[error("'{0}' is not an amount")]
    NoNumber(String),
    /// `units of` something that is no address.
    #[error("'{0}' is no token's address")]
    NoToken(String),
    /// No asset of that name.
    #[error("the node knows no asset '{0}'")]
    UnknownAsset(String),
    /// Another asset than the channel's.
    #[error("the channel does not hold '{0}'")]
    NotInChannel(String),
    /// A name that stands for different tokens.
    #[error("'{0}' is another asset on each of several chains")]
    SeveralChains(String),
    /// Something, and less than there is of the asset.
    #[error("'{text}' is less than the smallest unit, {smallest}")]
    BelowUnit {
        /// What was written.
        text: String,
        /// The smallest amount that there is, with the same unit.
        smallest: String,
    },
    /// Not an amount of this asset.
    #[error(transparent)]
    Amount(#[from] AmountError),
}

impl AmountMistake {
    fn hint(self, hint: impl Into<String>) -> AmountTextError {
        AmountTextError { mistake: self, hint: hint.into() }
    }
}

impl AssetNames {
    /// Of these.
    pub fn new(named: Vec<AssetInfo>) -> AssetNames {
        AssetNames { named }
    }

    /// All.
    pub fn all(&self) -> &[AssetInfo] {
        &self.named
    }

    /// Name and decimals of an asset; a token without a name has none.
    pub fn unit(&self, chain: u64, asset: Address) -> Option<(&str, u8)> {
        let named = self.named.iter().find(|named| named.chain_id == chain && named.asset == asset);
        match named {
            Some(named) => Some((&named.symbol, named.decimals)),
            None if asset.is_zero() => Some(("ETH", NATIVE_DECIMALS)),
            None => None,
        }
    }

    /// The asset's name, or its address.
    pub fn symbol(&self, chain: u64, asset: Address) -> String {
        self.unit(chain, asset).map_or_else(|| asset.to_string(), |(symbol, _)| symbol.to_owned())
    }

    /// The amount with its unit, exactly; it can be read again.
    pub fn write(&self, chain: u64, asset: Address, amount: Amount) -> String {
        match self.unit(chain, asset) {
            Some((symbol, decimals)) => format!("{} {symbol}", amount.format_decimal(decimals)),
            None => format!("{amount} units of {asset}"),
        }
    }

    /// Reads a positive amount.
    ///
    /// # Errors
    /// Says what is wrong and how to write it.
    pub fn read(&self, text: &str, among: &Among) -> Result<ReadAmount, AmountTextError> {
        let read = self.read_any(text, among)?;
        if read.amount.is_zero() {
            return Err(AmountMistake::from(AmountError::Zero).hint(self.example("0.05", among)));
        }
        Ok(read)
    }

    /// Reads an amount that may be zero.
    ///
    /// # Errors
    /// Says what is wrong and how to write it.
    pub fn read_any(&self, text: &str, among: &Among) -> Result<ReadAmount, AmountTextError> {
        let text = text.trim();
        let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-')).unwrap_or(text.len());
        let (number, unit) = (&text[..end], text[end..].trim());
        if unit.is_empty() {
            return Err(AmountMistake::NoUnit(text.to_owned()).hint(self.example(text, among)));
        }
        if number.is_empty() {
            return Err(AmountMistake::NoNumber(text.to_owned()).hint(self.example("0.05", among)));
        }
        if number.starts_with('-') {
            return Err(AmountMistake::from(AmountError::Negative).hint(self.example("0.05", among)));
        }
        let known = self.read_unit(unit, among);
        if known.is_err() && is_rest_of_number(unit) {
            let hint = format!(
                "write plain digits with a point for decimals, without exponent, comma, space or 0x; {}",
                self.example("0.05", among)
            );
            return Err(AmountMistake::NoNumber(text.to_owned()).hint(hint));
        }
        let (asset, decimals) = known?;
        let amount = Amount::parse_decimal(number, decimals)
            .map_err(|error| too_small(number, unit, &error).unwrap_or_else(|| error.into()))
            .map_err(|mistake| mistake.hint(self.example("0.05", among)))?;
        Ok(ReadAmount { asset, amount })
    }

    /// An asset by its name.
    ///
    /// # Errors
    /// Names the assets that there are.
    pub fn asset(&self, name: &str, among: &Among) -> Result<Address, AmountTextError> {
        Ok(self.read_unit(name, among)?.0)
    }

    fn read_unit(&self, unit: &str, among: &Among) -> Result<(Address, u8), AmountTextError> {
        if let Some(token) = unit.strip_prefix("units of ").or_else(|| unit.strip_prefix("units ")) {
            let token: Address = token.trim().parse().map_err(|_| {
                AmountMistake::NoToken(token.trim().to_owned())
                    .hint("write: 1000 units of 0x and 40 hex digits")
            })?;
            return self.allowed(unit, token, 0, among);
        }
        if let Some(decimals) = native_unit(unit) {
            return self.allowed(unit, Address::ZERO, decimals, among);
        }
        let mut found: Vec<_> = self
            .named
            .iter()
            .filter(|named| {
                named.symbol.eq_ignore_ascii_case(unit) && among.allows(named.chain_id, named.asset)
            })
            .map(|named| (named.asset, named.decimals))
            .collect();
        found.sort_unstable();
        found.dedup();
        match found.as_slice() {
            [one] => Ok(*one),
            [] if unit.eq_ignore_ascii_case("eth") => {
                self.allowed(unit, Address::ZERO, NATIVE_DECIMALS, among)
            }
            [] => Err(self.unknown(unit, among)),
            _ => Err(AmountMistake::SeveralChains(unit.to_owned())
                .hint("add --chain NAME, or write: 1000 units of 0x and the token's address")),
        }
    }

    fn allowed(
        &self,
        unit: &str,
        asset: Address,
        decimals: u8,
        among: &Among,
    ) -> Result<(Address, u8), AmountTextError> {
        match &among.assets {
            Some(assets) if !assets.contains(&asset) => Err(self.unknown(unit, among)),
            _ => Ok((asset, decimals)),
        }
    }

    fn unknown(&self, unit: &str, among: &Among) -> AmountTextError {
        let mistake = match among.assets {
            Some(_) => AmountMistake::NotInChannel(unit.to_owned()),
            None => AmountMistake::UnknownAsset(unit.to_owned()),
        };
        let hint = match (&among.assets, among.chain) {
            (Some(assets), Some(chain)) => {
                format!("it holds {}; {}", self.held(chain, assets), self.example("0.05", among))
            }
            _ => self.example("0.05", among),
        };
        mistake.hint(hint)
    }

    /// A channel's assets, the coin with its units.
    fn held(&self, chain: u64, assets: &[Address]) -> String {
        let name = |asset: &Address| {
            let symbol = self.symbol(chain, *asset);
            if asset.is_zero() { format!("{symbol} (also written in ether, gwei or wei)") } else { symbol }
        };
        assets.iter().map(name).collect::<Vec<_>>().join(" and ")
    }

    fn example(&self, number: &str, among: &Among) -> String {
        let mut names: Vec<String> = match (&among.assets, among.chain) {
            (Some(assets), Some(chain)) => assets.iter().map(|asset| self.symbol(chain, *asset)).collect(),
            _ => {
                let allowed = self.named.iter().filter(|named| among.allows(named.chain_id, named.asset));
                let mut names: Vec<String> = allowed.clone().map(|named| named.symbol.clone()).collect();
                if !allowed.clone().any(|named| named.asset.is_zero()) {
                    names.push("ether".to_owned());
                }
                names
            }
        };
        names.sort();
        names.dedup();
        let number = if number.is_empty() { "0.05" } else { number };
        let write = |name: &String| {
            if name.starts_with("0x") {
                format!("\"1000 units of {name}\"")
            } else {
                format!("\"{number} {name}\"")
            }
        };
        // None is preferred: whoever copies the hint must have chosen.
        let shown: Vec<String> = names.iter().map(write).collect();
        format!("write {}", shown.join(" or "))
    }
}

/// Of a number of which nothing is left where it is cut to the decimals that there are: rounding it is no advice.
fn too_small(number: &str, unit: &str, error: &AmountError) -> Option<AmountMistake> {
    let AmountError::TooPrecise { allowed, .. } = error else { return None };
    let (whole, decimals) = number.split_once('.')?;
    let kept = decimals.get(..usize::from(*allowed))?;
    let is_nothing = whole.bytes().chain(kept.bytes()).all(|digit| digit == b'0');
    is_nothing.then(|| AmountMistake::BelowUnit {
        text: format!("{number} {unit}"),
        smallest: format!("{} {unit}", Amount::new(1).unwrap_or(Amount::ZERO).format_decimal(*allowed)),
    })
}

/// Whether what stands after the digits was meant as more of the number: an exponent, a separator, hex.
fn is_rest_of_number(unit: &str) -> bool {
    let mut rest = unit.chars();
    match rest.next() {
        Some(first) if first.is_ascii_digit() => true,
        Some(',' | '_' | '\'' | '+' | 'e' | 'E' | 'x' | 'X') => {
            rest.next().is_some_and(|next| next.is_ascii_hexdigit() || matches!(next, '-' | '+'))
                && unit.contains(|c: char| c.is_ascii_digit())
        }
        _ => false,
    }
}
