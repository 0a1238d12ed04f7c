//! Amounts as people write them, of the assets that the node names.

use crate::command::Global;
use crate::failure::Failure;
use crate::local::ConfigFlags;
pub(crate) use strait_api::{Among, ReadAmount as Read};
use strait_api::{AmountTextError, AssetNames, Balance, ChannelInfo, NodeInfo};
use strait_types::{Address, Amount};

/// The assets that a node's configuration names, and its chains.
#[derive(Clone, Debug, Default)]
pub(crate) struct Assets {
    names: AssetNames,
    chains: Vec<(u64, String)>,
}

impl From<AmountTextError> for Failure {
    fn from(error: AmountTextError) -> Failure {
        Failure::usage(&error).hint(error.hint)
    }
}

impl Assets {
    /// Those of a node.
    pub(crate) fn new(node: &NodeInfo) -> Assets {
        let chains = node.chains.iter().map(|chain| (chain.chain_id, chain.name.clone())).collect();
        Assets { names: AssetNames::new(node.assets.clone()), chains }
    }

    /// Those that the configuration of a home names, for commands without a node; without one, ETH alone has a name.
    pub(crate) fn of_home(global: &Global) -> Assets {
        // Names are a help to readers: what is wrong with the configuration is no matter of these commands.
        let loaded = crate::local::load(global, &ConfigFlags::default(), Vec::new());
        let infos = loaded.map(|loaded| loaded.config.asset_infos()).unwrap_or_default();
        Assets { names: AssetNames::new(infos), chains: Vec::new() }
    }

    /// Name and decimals of an asset; a token without a name has none.
    pub(crate) fn unit(&self, chain: u64, asset: Address) -> Option<(&str, u8)> {
        self.names.unit(chain, asset)
    }

    /// The asset's name, or its address.
    pub(crate) fn symbol(&self, chain: u64, asset: Address) -> String {
        self.names.symbol(chain, asset)
    }

    /// The amount with its unit, exactly; it can be read again.
    pub(crate) fn write(&self, chain: u64, asset: Address, amount: Amount) -> String {
        self.names.write(chain, asset, amount)
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
        Ok(self.names.read(text, among)?)
    }

    /// Reads an amount that may be zero, as a stake.
    ///
    /// # Errors
    /// Says what is wrong and how to write it.
    pub(crate) fn read_any(&self, text: &str, among: &Among) -> Result<Read, Failure> {
        Ok(self.names.read_any(text, among)?)
    }

    /// An asset by its name.
    ///
    /// # Errors
    /// Names the assets that there are.
    pub(crate) fn asset(&self, name: &str, among: &Among) -> Result<Address, Failure> {
        Ok(self.names.asset(name, among)?)
    }
}

/// The balance of an asset in a channel.
pub(crate) fn balance(channel: &ChannelInfo, asset: Address) -> Option<&Balance> {
    channel.balances.iter().find(|balance| balance.asset == asset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{DAI, MAINNET, OTHER, USDC, channel_info, node_info};

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
            ("0.5 wei", "no fractions"),
            ("12.5000001 USDC", "7 decimals"),
            ("0.0000001 USDC", "less than the smallest unit, 0.000001 USDC"),
            ("1.2.3 ether", "not an amount"),
            ("1,5 ether", "not an amount"),
            ("1e3 wei", "not an amount"),
            ("0x10 wei", "not an amount"),
            ("1 000 wei", "not an amount"),
            ("- 1 ether", "negative"),
            ("1.5 wei", "no fractions"),
            (".5 ether", "not an amount"),
            ("5. ether", "not an amount"),
            ("1 USDX", "no asset"),
            ("170141183460469231731687303715884105728 wei", "larger than"),
            ("1000 units of USDC", "no token's address"),
            ("0.5 units of 0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48", "no fractions"),
        ];
        for (text, part) in table {
            let error = read(text, &mainnet).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_hint_prefers_no_asset() {
        let assets = Assets::new(&node_info());
        for text in ["12.50", "1,5 ether"] {
            let failure = assets.read(text, &Among::chain(Some(MAINNET))).expect_err(text);
            let told = failure.render(false, false);
            for name in ["DAI\"", "ETH\"", "USDC\""] {
                assert!(told.contains(name), "{told}");
            }
            assert!(!told.contains("ether\""), "one name for each: {told}");
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
        let mut channel = channel_info(0xab);
        channel.balances.retain(|balance| balance.asset == USDC);
        let among = Among::channel(&channel);
        assert_eq!(read("1 USDC", &among), Ok((USDC, 1_000_000)));
        for text in
            ["1 ether", "1 wei", "1 ETH", "1 DAI", "5 units of 0x0000000000000000000000000000000000000001"]
        {
            assert!(read(text, &among).is_err_and(|error| error.contains("does not hold")), "{text}");
        }
        let told = Assets::new(&node_info()).read("1 ETH", &among).expect_err("another").render(false, false);
        assert!(told.contains("it holds USDC"), "{told}");
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
