//! Names of assets. They come from the configuration alone: what a token calls itself on chain proves nothing.

use strait_types::{Address, Amount, AmountError};

/// An asset with a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamedAsset {
    /// The chain's name in the configuration.
    pub chain: String,
    /// The zero address is the native coin.
    pub address: Address,
    /// Such as `ETH` or `USDC`; unique on its chain, whatever the case.
    pub symbol: String,
    /// Decimals between the smallest unit and the one that people use.
    pub decimals: u8,
}

/// The assets that have names: those listed, and every chain's native coin.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AssetList {
    assets: Vec<NamedAsset>,
}

/// Why an amount such as `0.05 ETH` cannot be read; the user's fault.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AmountTextError {
    /// No unit.
    #[error("'{0}' does not say of what; write the amount and the symbol, such as 0.05 ETH")]
    NoSymbol(String),
    /// No asset of that name.
    #[error("no asset '{symbol}' is configured{}", list_known(.known))]
    UnknownSymbol {
        /// As written.
        symbol: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// Not an amount of this asset.
    #[error(transparent)]
    Amount(#[from] AmountError),
}

fn list_known(symbols: &[String]) -> String {
    if symbols.is_empty() {
        return "; list it under [[assets]]".into();
    }
    format!("; there are {}, others are listed under [[assets]]", symbols.join(", "))
}

impl NamedAsset {
    /// An amount as people write it, with the symbol.
    pub fn show(&self, amount: Amount) -> String {
        format!("{} {}", amount.format_decimal(self.decimals), self.symbol)
    }
}

impl AssetList {
    pub(super) fn new(assets: Vec<NamedAsset>) -> AssetList {
        AssetList { assets }
    }

    /// All, by chain.
    pub fn all(&self) -> &[NamedAsset] {
        &self.assets
    }

    /// Those of one chain.
    pub fn of_chain<'a>(&'a self, chain: &'a str) -> impl Iterator<Item = &'a NamedAsset> + use<'a> {
        self.assets.iter().filter(move |asset| asset.chain == chain)
    }

    /// The asset at an address.
    pub fn find(&self, chain: &str, address: Address) -> Option<&NamedAsset> {
        self.assets.iter().find(|asset| asset.chain == chain && asset.address == address)
    }

    /// The asset of a name, whatever the case.
    pub fn named(&self, chain: &str, symbol: &str) -> Option<&NamedAsset> {
        self.assets.iter().find(|asset| asset.chain == chain && asset.symbol.eq_ignore_ascii_case(symbol))
    }

    /// Reads `0.05 ETH`: the amount and which assets it may be, one for each chain that knows the symbol.
    ///
    /// # Errors
    /// See [`AmountTextError`].
    pub fn read_amount(&self, text: &str) -> Result<Vec<(&NamedAsset, Amount)>, AmountTextError> {
        let mut words = text.split_whitespace();
        let (Some(number), Some(symbol), None) = (words.next(), words.next(), words.next()) else {
            return Err(AmountTextError::NoSymbol(text.to_owned()));
        };
        let matching: Vec<_> =
            self.assets.iter().filter(|asset| asset.symbol.eq_ignore_ascii_case(symbol)).collect();
        if matching.is_empty() {
            let mut known: Vec<String> = self.assets.iter().map(|asset| asset.symbol.clone()).collect();
            known.sort_unstable();
            known.dedup();
            return Err(AmountTextError::UnknownSymbol { symbol: symbol.to_owned(), known });
        }
        let read = |asset: &'_ NamedAsset| Amount::parse_decimal(number, asset.decimals);
        matching.into_iter().map(|asset| Ok((asset, read(asset)?))).collect()
    }
}
