//! `[policy]`.

use super::super::raw::{RawPolicy, Texts};
use super::super::{AssetList, ChainSection, PolicySection};
use super::chain::challenge;
use super::{Checker, read_address};
use std::collections::{BTreeMap, BTreeSet};
use strait_api::{Among, AmountMistake, AssetNames, ReadAmount};
use strait_engine::Starts;
use strait_types::{Address, Amount, B256};

const DEFAULT_MIN_CHALLENGE: u32 = 24 * 3_600;
const DEFAULT_MAX_CHALLENGE: u32 = 30 * 24 * 3_600;
const DEFAULT_PER_PEER: usize = 1_024;
const DEFAULT_UNFUNDED: usize = 16_384;
const DEFAULT_PROPOSALS: usize = 1_024;
/// Takes any asset, or start.
const ANY: &str = "any";

pub(super) fn policy(
    checker: &mut Checker<'_>,
    raw: RawPolicy,
    chains: &BTreeMap<String, ChainSection>,
    assets: &AssetList,
) -> PolicySection {
    let min = challenge(checker, "policy.min_challenge", raw.min_challenge).unwrap_or(DEFAULT_MIN_CHALLENGE);
    let max = challenge(checker, "policy.max_challenge", raw.max_challenge).unwrap_or(DEFAULT_MAX_CHALLENGE);
    if min > max {
        checker
            .problem("policy.min_challenge", "this is longer than max_challenge; no channel would be taken");
    }
    for (name, chain) in chains {
        if !(min..=max).contains(&chain.challenge_duration) {
            checker.problem(
                format!("chains.{name}.challenge_duration"),
                "this is outside of the policy's min_challenge to max_challenge, which hold for this node's own channels too; change one of them",
            );
        }
    }
    let mut apps = Vec::new();
    for (index, app) in raw.apps.0.iter().enumerate() {
        match read_address(app) {
            Ok(address) => apps.push(address),
            Err(text) => checker.problem(format!("policy.apps[{index}]"), text),
        }
    }
    let mut count = |name: &str, value: Option<u64>, default: usize| match value.map(usize::try_from) {
        None => default,
        Some(Ok(value)) if value > 0 => value,
        Some(_) => {
            checker.problem(format!("policy.{name}"), "this is out of range; give 1 or more");
            default
        }
    };
    let channels_per_peer = count("channels_per_peer", raw.channels_per_peer, DEFAULT_PER_PEER);
    let unfunded_channels = count("unfunded_channels", raw.unfunded_channels, DEFAULT_UNFUNDED);
    let proposals = count("proposals", raw.proposals, DEFAULT_PROPOSALS);
    PolicySection {
        assets: allowed(checker, raw.assets, chains, assets),
        apps,
        min_challenge: min,
        max_challenge: max,
        min_deposits: amounts(checker, ("min_deposit", &raw.min_deposit), chains, assets),
        stakes: amounts(checker, ("stakes", &raw.stakes), chains, assets),
        starts: starts(checker, &raw.starts),
        channels_per_peer,
        unfunded_channels,
        manual_approval: raw.manual_approval,
        proposals,
    }
}

fn starts(checker: &mut Checker<'_>, texts: &Texts) -> Starts {
    if texts.0 == [ANY] {
        return Starts::Any;
    }
    let mut listed = BTreeSet::new();
    for (index, text) in texts.0.iter().enumerate() {
        match text.parse::<B256>() {
            Ok(start) => {
                listed.insert(start);
            }
            Err(_) => checker.problem(
                format!("policy.starts[{index}]"),
                "this is no start: `strait app start` prints one, 0x and 64 hexadecimal digits; [\"any\"] takes all",
            ),
        }
    }
    Starts::Listed(listed)
}

/// By default the assets that have names.
fn allowed(
    checker: &mut Checker<'_>,
    raw: Option<Texts>,
    chains: &BTreeMap<String, ChainSection>,
    assets: &AssetList,
) -> BTreeMap<String, Vec<Address>> {
    let of_chain = |chain: &str| assets.of_chain(chain).map(|asset| asset.address).collect::<Vec<_>>();
    let Some(Texts(symbols)) = raw else {
        return chains.keys().map(|chain| (chain.clone(), of_chain(chain))).collect();
    };
    if symbols == [ANY] {
        return BTreeMap::new();
    }
    for (index, symbol) in symbols.iter().enumerate() {
        if !assets.all().iter().any(|asset| asset.symbol.eq_ignore_ascii_case(symbol)) {
            let text =
                format!("no asset '{symbol}' is configured; list it under [[assets]], or write [\"any\"]");
            checker.problem(format!("policy.assets[{index}]"), text);
        }
    }
    let is_named = |symbol: &str| symbols.iter().any(|named| named.eq_ignore_ascii_case(symbol));
    let mut allowed: BTreeMap<String, Vec<Address>> = BTreeMap::new();
    for chain in chains.keys() {
        let named: Vec<_> = assets
            .of_chain(chain)
            .filter(|asset| is_named(&asset.symbol))
            .map(|asset| asset.address)
            .collect();
        if named.is_empty() {
            let text = format!("chain {chain} would take no asset at all; name one of it");
            checker.problem("policy.assets", text);
        }
        allowed.insert(chain.clone(), named);
    }
    allowed
}

/// One amount per chain and asset.
fn amounts(
    checker: &mut Checker<'_>,
    (key, texts): (&str, &Texts),
    chains: &BTreeMap<String, ChainSection>,
    assets: &AssetList,
) -> BTreeMap<(String, Address), Amount> {
    let names = AssetNames::new(assets.infos(chains));
    let mut amounts = BTreeMap::new();
    for (index, text) in texts.0.iter().enumerate() {
        let mut read = BTreeMap::new();
        let mut failed = None;
        for (name, chain) in chains {
            match names.read(text, &Among::chain(Some(chain.chain_id))) {
                Ok(ReadAmount { asset, amount }) => {
                    read.insert((name.clone(), asset), amount);
                }
                // Another chain may have it.
                Err(error) if matches!(error.mistake, AmountMistake::UnknownAsset(_)) => {
                    failed.get_or_insert(error);
                }
                Err(error) => {
                    read.clear();
                    failed = Some(error);
                    break;
                }
            }
        }
        match failed {
            Some(error) if read.is_empty() => {
                checker.problem(format!("policy.{key}[{index}]"), format!("{error}; {}", error.hint));
            }
            _ => amounts.append(&mut read),
        }
    }
    amounts
}
