//! Amounts as people write them: `0.05 ether`, `50 gwei`, `12.50 USDC`, `1000 units of 0xA0b8...`. Always exact.

use crate::failure::Failure;
use strait_api::{AssetInfo, Balance, ChannelInfo, NodeInfo};
use strait_types::{Address, Amount};

/// Decimals of the native coin on every EVM chain.
const NATIVE_DECIMALS: u8 = 18;
/// Names of the native coin's units, which no symbol can take over.
const NATIVE_UNITS: [(&str, u8); 3] = [("wei", 0), ("gwei", 9), ("ether", NATIVE_DECIMALS)];

/// The assets that a node's configuration names, and its chains.
#[derive(Clone, Debug, Default)]
pub(crate) struct Assets {
    named: Vec<AssetInfo>,
    chains: Vec<(u64, String)>,
}

/// Which assets an amount may be of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Among {
    chain: Option<u64>,
    assets: Option<Vec<Address>>,
}

impl Among {
    /// Those of a chain, or of all chains.
    pub(crate) fn chain(chain: Option<u64>) -> Among {
        Among { chain, assets: None }
    }

    /// Those of a channel.
    pub(crate) fn channel(channel: &ChannelInfo) -> Among {
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
pub(crate) struct Read {
    /// The zero address is the native coin.
    pub(crate) asset: Address,
    /// In the smallest unit; positive.
    pub(crate) amount: Amount,
}

impl Assets {
    /// Those of a node.
    pub(crate) fn new(node: &NodeInfo) -> Assets {
        let chains = node.chains.iter().map(|chain| (chain.chain_id, chain.name.clone())).collect();
        Assets { named: node.assets.clone(), chains }
    }

    /// Name and decimals of an asset; a token without a name has none.
    pub(crate) fn unit(&self, chain: u64, asset: Address) -> Option<(&str, u8)> {
        let named = self.named.iter().find(|named| named.chain_id == chain && named.asset == asset);
        match named {
            Some(named) => Some((&named.symbol, named.decimals)),
            None if asset.is_zero() => Some(("ether", NATIVE_DECIMALS)),
            None => None,
        }
    }

    /// The asset's name, or its address.
    pub(crate) fn symbol(&self, chain: u64, asset: Address) -> String {
        self.unit(chain, asset).map_or_else(|| asset.to_string(), |(symbol, _)| symbol.to_owned())
    }

    /// The amount with its unit, exactly; it can be read again.
    pub(crate) fn write(&self, chain: u64, asset: Address, amount: Amount) -> String {
        match self.unit(chain, asset) {
            Some((symbol, decimals)) => format!("{} {symbol}", amount.format_decimal(decimals)),
            None => format!("{amount} units of {asset}"),
        }
    }

    /// The name of a chain, or its number.
    pub(crate) fn chain_name(&self, chain: u64) -> String {
        let named = self.chains.iter().find(|(id, _)| *id == chain);
        named.map_or_else(|| chain.to_string(), |(_, name)| name.clone())
    }

    /// A chain by its name or number; without one, the node's only chain.
    ///
    /// # Errors
    /// Names the chains that there are.
    pub(crate) fn chain(&self, text: Option<&str>) -> Result<u64, Failure> {
        let known =
            || self.chains.iter().map(|(id, name)| format!("{name} ({id})")).collect::<Vec<_>>().join(", ");
        let Some(text) = text else {
            return match self.chains.as_slice() {
                [(only, _)] => Ok(*only),
                _ => Err(Failure::usage("the node has several chains; which one?")
                    .hint(format!("add --chain with one of: {}", known()))),
            };
        };
        let found = self.chains.iter().find(|(id, name)| name == text || id.to_string() == text);
        found.map(|(id, _)| *id).ok_or_else(|| {
            Failure::usage(format!("the node has no chain '{text}'")).hint(format!("it has: {}", known()))
        })
    }

    /// Reads a positive amount.
    ///
    /// # Errors
    /// Says what is wrong and how to write it.
    pub(crate) fn read(&self, text: &str, among: &Among) -> Result<Read, Failure> {
        let text = text.trim();
        let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-')).unwrap_or(text.len());
        let (number, unit) = (&text[..end], text[end..].trim());
        if unit.is_empty() {
            return Err(Failure::usage(format!("'{text}' says how much, but not of what"))
                .hint(self.example(text, among)));
        }
        if number.is_empty() {
            return Err(
                Failure::usage(format!("'{text}' is not an amount")).hint(self.example("0.05", among))
            );
        }
        let (asset, decimals) = self.read_unit(unit, among)?;
        let amount = Amount::parse_decimal(number, decimals)
            .and_then(
                |amount| if amount.is_zero() { Err(strait_types::AmountError::Zero) } else { Ok(amount) },
            )
            .map_err(|error| Failure::usage(error).hint(self.example("0.05", among)))?;
        Ok(Read { asset, amount })
    }

    /// An asset by its name.
    ///
    /// # Errors
    /// Names the assets that there are.
    pub(crate) fn asset(&self, name: &str, among: &Among) -> Result<Address, Failure> {
        Ok(self.read_unit(name, among)?.0)
    }

    fn read_unit(&self, unit: &str, among: &Among) -> Result<(Address, u8), Failure> {
        if let Some(token) = unit.strip_prefix("units of ").or_else(|| unit.strip_prefix("units ")) {
            let token: Address = token.trim().parse().map_err(|_| {
                Failure::usage(format!("'{}' is no token's address", token.trim()))
                    .hint("write: 1000 units of 0x and 40 hex digits")
            })?;
            return self.allowed(unit, token, 0, among);
        }
        let native = NATIVE_UNITS.iter().find(|(name, _)| unit.eq_ignore_ascii_case(name));
        if let Some((_, decimals)) = native {
            return self.allowed(unit, Address::ZERO, *decimals, among);
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
            _ => Err(Failure::usage(format!("'{unit}' is another asset on each of several chains"))
                .hint("add --chain NAME, or write: 1000 units of 0x and the token's address")),
        }
    }

    fn allowed(
        &self,
        unit: &str,
        asset: Address,
        decimals: u8,
        among: &Among,
    ) -> Result<(Address, u8), Failure> {
        match &among.assets {
            Some(assets) if !assets.contains(&asset) => Err(self.unknown(unit, among)),
            _ => Ok((asset, decimals)),
        }
    }

    fn unknown(&self, unit: &str, among: &Among) -> Failure {
        let place =
            if among.assets.is_some() { "the channel does not hold" } else { "the node knows no asset" };
        Failure::usage(format!("{place} '{unit}'")).hint(self.example("0.05", among))
    }

    fn example(&self, number: &str, among: &Among) -> String {
        let mut names: Vec<String> = match (&among.assets, among.chain) {
            (Some(assets), Some(chain)) => assets.iter().map(|asset| self.symbol(chain, *asset)).collect(),
            _ => {
                let allowed = self.named.iter().filter(|named| among.allows(named.chain_id, named.asset));
                allowed.map(|named| named.symbol.clone()).chain(["ether".to_owned()]).collect()
            }
        };
        names.sort();
        names.dedup();
        let first = names.first().map_or("ether", String::as_str);
        let number = if number.is_empty() { "0.05" } else { number };
        let shown = if first.starts_with("0x") {
            format!("1000 units of {first}")
        } else {
            format!("{number} {first}")
        };
        format!("write for example \"{shown}\"; there is: {}", names.join(", "))
    }
}

/// The balance of an asset in a channel.
pub(crate) fn balance(channel: &ChannelInfo, asset: Address) -> Option<&Balance> {
    channel.balances.iter().find(|balance| balance.asset == asset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{DAI, MAINNET, OTHER, USDC, node_info};

    fn read(text: &str, among: &Among) -> Result<(Address, u128), String> {
        let assets = Assets::new(&node_info());
        let read = assets.read(text, among).map_err(|failure| failure.to_string())?;
        Ok((read.asset, read.amount.units()))
    }

    #[test]
    fn reads_what_people_write_exactly() {
        let mainnet = Among::chain(Some(MAINNET));
        let table: [(&str, Address, u128); 14] = [
            ("0.05 ether", Address::ZERO, 50_000_000_000_000_000),
            ("0.05 ETH", Address::ZERO, 50_000_000_000_000_000),
            ("0.05eth", Address::ZERO, 50_000_000_000_000_000),
            ("  1   Ether ", Address::ZERO, 1_000_000_000_000_000_000),
            ("50 gwei", Address::ZERO, 50_000_000_000),
            ("0.5 gwei", Address::ZERO, 500_000_000),
            ("100 wei", Address::ZERO, 100),
            ("0.000000000000000001 ether", Address::ZERO, 1),
            ("12.50 USDC", USDC, 12_500_000),
            ("12.5usdc", USDC, 12_500_000),
            ("0.1 DAI", DAI, 100_000_000_000_000_000),
            ("1000 units of 0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48", USDC, 1_000),
            ("1000 units 0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", USDC, 1_000),
            ("170141183460469231731687303715884105727 wei", Address::ZERO, Amount::MAX.units()),
        ];
        for (text, asset, units) in table {
            assert_eq!(read(text, &mainnet), Ok((asset, units)), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_exact_or_not_clear() {
        let mainnet = Among::chain(Some(MAINNET));
        let table = [
            ("0.05", "not of what"),
            ("ether", "not an amount"),
            ("", "not of what"),
            ("-1 ether", "negative"),
            ("0 ether", "zero"),
            ("0.00 USDC", "zero"),
            ("0.5 wei", "1 decimals"),
            ("12.5000001 USDC", "7 decimals"),
            ("1.2.3 ether", "not an amount"),
            ("1,5 ether", "no asset"),
            ("1e3 wei", "no asset"),
            (".5 ether", "not an amount"),
            ("5. ether", "not an amount"),
            ("1 USDX", "no asset"),
            ("170141183460469231731687303715884105728 wei", "larger than"),
            ("1000 units of USDC", "no token's address"),
            ("0.5 units of 0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48", "1 decimals"),
        ];
        for (text, part) in table {
            let error = read(text, &mainnet).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_symbol_of_two_chains_needs_one() {
        let error = read("1 USDC", &Among::chain(None)).expect_err("two assets");
        assert!(error.contains("several chains"), "{error}");
        assert!(read("1 USDC", &Among::chain(Some(OTHER))).is_ok_and(|(asset, _)| asset != USDC));
        // Only one chain has it.
        assert!(read("1 DAI", &Among::chain(None)).is_ok_and(|(asset, _)| asset == DAI));
    }

    #[test]
    fn a_channel_takes_only_its_own_assets() {
        let among = Among { chain: Some(MAINNET), assets: Some(vec![USDC]) };
        assert_eq!(read("1 USDC", &among), Ok((USDC, 1_000_000)));
        for text in
            ["1 ether", "1 wei", "1 ETH", "1 DAI", "5 units of 0x0000000000000000000000000000000000000001"]
        {
            assert!(read(text, &among).is_err_and(|error| error.contains("does not hold")), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let assets = Assets::new(&node_info());
        let unnamed = Address::repeat_byte(7);
        for asset in [Address::ZERO, USDC, DAI, unnamed] {
            let amount = Amount::from(1_234_567);
            let text = assets.write(MAINNET, asset, amount);
            let again = assets.read(&text, &Among::chain(Some(MAINNET))).expect(&text);
            assert_eq!(again, Read { asset, amount }, "{text}");
        }
    }

    #[test]
    fn a_chain_is_named_or_the_only_one() {
        let assets = Assets::new(&node_info());
        assert_eq!(assets.chain(Some("mainnet")).expect("a chain"), MAINNET);
        assert_eq!(assets.chain(Some("1")).expect("a chain"), MAINNET);
        assert!(assets.chain(Some("ropsten")).is_err());
        assert!(assets.chain(None).is_err_and(|failure| failure.to_string().contains("several")));
    }
}
