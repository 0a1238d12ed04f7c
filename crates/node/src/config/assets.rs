//! Names of assets. They come from the configuration alone: what a token calls itself on chain proves nothing.

use super::ChainSection;
use std::collections::BTreeMap;
use strait_api::AssetInfo;
use strait_types::{Address, Amount};

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

    /// The same with the chains' ids.
    pub(crate) fn infos(&self, chains: &BTreeMap<String, ChainSection>) -> Vec<AssetInfo> {
        let info = |asset: &NamedAsset| {
            let chain_id = chains.get(&asset.chain)?.chain_id;
            let (symbol, decimals) = (asset.symbol.clone(), asset.decimals);
            Some(AssetInfo { chain_id, asset: asset.address, symbol, decimals })
        };
        self.assets.iter().filter_map(info).collect()
    }
}
