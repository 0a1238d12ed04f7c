//! `[chains.NAME]` and `[[assets]]`.

use super::super::raw::{NEVER, RawAsset, RawChain, RawSettings, Text, Texts};
use super::super::{ChainSection, Confirmations, NamedAsset};
use super::node::key_name;
use super::{Checker, read_address};
use std::collections::BTreeMap;
use std::time::Duration;
use strait_protocol::Settings;
use strait_types::Address;

const DEFAULT_CONFIRMATIONS: u64 = 12;
const DEFAULT_POLL_MS: u64 = 2_000;
const DEFAULT_CHALLENGE: u32 = 24 * 3_600;
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// What the contract takes.
const SHORTEST_CHALLENGE: Duration = HOUR;
const LONGEST_CHALLENGE: Duration = Duration::from_secs(30 * 24 * 3_600);
const MAX_DECIMALS: u8 = 36;
/// More would mean that nothing counts before a dispute is over.
const MOST_CONFIRMATIONS: u64 = 10_000;

pub(super) fn chain(
    checker: &mut Checker<'_>,
    name: &str,
    raw: RawChain,
    node_key: &str,
) -> Option<ChainSection> {
    let at = |key: &str| format!("chains.{name}.{key}");
    let before = checker.problems.len();
    if key_name(name).is_err() {
        checker.problem(
            format!("chains.{name}"),
            "a chain's name is made of letters, digits, - and _; rename it",
        );
    }
    match raw.chain_id {
        None => checker.problem(at("chain_id"), "this is missing; Ethereum's main network has 1"),
        Some(0) => checker.problem(at("chain_id"), "no chain has the id 0; Ethereum's main network has 1"),
        Some(_) => {}
    }
    endpoints(checker, name, &raw.rpc);
    if raw.adjudicator.is_none() {
        checker.problem(at("adjudicator"), "this is missing; give the contract's address on this chain");
    }
    let adjudicator = checker.read(&at("adjudicator"), raw.adjudicator, |text| match read_address(text) {
        Ok(address) if address.is_zero() => {
            Err("the zero address is no contract; give the contract's".into())
        }
        result => result,
    });
    let confirmations = checker.read(&at("confirmations"), raw.confirmations, |text| match text {
        "finalized" => Ok(Confirmations::Finalized),
        number => match number.parse() {
            Ok(blocks) if blocks <= MOST_CONFIRMATIONS => Ok(Confirmations::Blocks(blocks)),
            Ok(_) => {
                Err(format!("{number} blocks are more than {MOST_CONFIRMATIONS}: no deposit would count"))
            }
            Err(_) => Err(format!("'{number}' is neither a number of blocks nor \"finalized\"")),
        },
    });
    let poll = raw.poll_ms.unwrap_or(DEFAULT_POLL_MS);
    if !(10..=600_000).contains(&poll) {
        checker.problem(at("poll_ms"), format!("{poll} is out of range; give 10 to 600000 milliseconds"));
    }
    let account = checker.read(&at("account"), raw.account, key_name).unwrap_or_else(|| node_key.to_owned());
    let challenge_duration =
        challenge(checker, &at("challenge_duration"), raw.challenge_duration).unwrap_or(DEFAULT_CHALLENGE);
    let confirmations = confirmations.unwrap_or(Confirmations::Blocks(DEFAULT_CONFIRMATIONS));
    let settings = settings(checker, &at("settings"), raw.settings, confirmations);
    if checker.problems.len() > before {
        return None;
    }
    Some(ChainSection {
        chain_id: raw.chain_id?,
        rpc: raw.rpc.0,
        adjudicator: adjudicator?,
        deployed_at: raw.deployed_at,
        confirmations,
        poll: Duration::from_millis(poll),
        account,
        challenge_duration,
        check_clock: raw.check_clock.unwrap_or(true),
        settings,
    })
}

/// A challenge period that the contract takes, in seconds.
pub(super) fn challenge(checker: &mut Checker<'_>, key: &str, text: Option<Text>) -> Option<u32> {
    let duration = checker.duration(key, text, SHORTEST_CHALLENGE..=LONGEST_CHALLENGE)?;
    u32::try_from(duration.as_secs()).ok()
}

fn endpoints(checker: &mut Checker<'_>, name: &str, rpc: &Texts) {
    let key = format!("chains.{name}.rpc");
    if rpc.0.is_empty() {
        checker.problem(
            &key,
            "this is missing; give at least one endpoint, such as [\"http://127.0.0.1:8545\"]",
        );
    }
    for (index, url) in rpc.0.iter().enumerate() {
        let is_url = ["http://", "https://", "ws://", "wss://"]
            .iter()
            .any(|scheme| url.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()));
        if !is_url {
            checker.problem(
                format!("{key}[{index}]"),
                format!("'{url}' is no endpoint; it starts with http://, https://, ws:// or wss://"),
            );
        }
    }
}

fn settings(
    checker: &mut Checker<'_>,
    key: &str,
    raw: RawSettings,
    confirmations: Confirmations,
) -> Settings {
    let mut settings = Settings::default();
    if let Confirmations::Blocks(blocks) = confirmations {
        settings.confirmations = blocks;
    }
    let mut count = |name: &str, value: Option<u64>, most: usize, target: &mut usize| {
        let Some(value) = value else { return };
        match usize::try_from(value) {
            Ok(value) if (1..=most).contains(&value) => *target = value,
            _ => {
                checker.problem(format!("{key}.{name}"), format!("{value} is out of range; give 1 to {most}"))
            }
        }
    };
    count("window", raw.window, 256, &mut settings.window);
    count("batch", raw.batch, 4_095, &mut settings.batch);
    let mut seconds = |name: &str, value, most: Duration, target: &mut u64| {
        if let Some(duration) =
            checker.duration(&format!("{key}.{name}"), value, Duration::from_secs(1)..=most)
        {
            *target = duration.as_secs();
        }
    };
    seconds("lock_margin", raw.lock_margin, DAY, &mut settings.lock_margin);
    seconds("lock_horizon", raw.lock_horizon, LONGEST_CHALLENGE, &mut settings.lock_horizon);
    seconds("execution_window", raw.execution_window, DAY, &mut settings.execution_window);
    match raw.move_patience {
        Some(Text(never)) if never == NEVER => settings.move_patience = 0,
        value => seconds("move_patience", value, LONGEST_CHALLENGE, &mut settings.move_patience),
    }
    let mut millis = |name: &str, value, target: &mut u64| {
        let range = Duration::from_millis(20)..=HOUR;
        if let Some(duration) = checker.duration(&format!("{key}.{name}"), value, range) {
            *target = u64::try_from(duration.as_millis()).unwrap_or(*target);
        }
    };
    millis("hold_timeout", raw.hold_timeout, &mut settings.hold_timeout_ms);
    millis("retry", raw.retry, &mut settings.retry_ms);
    settings
}

/// One node speaks for one chain and contract once.
pub(super) fn no_domain_twice(checker: &mut Checker<'_>, chains: &BTreeMap<String, ChainSection>) {
    let mut seen: BTreeMap<u64, &String> = BTreeMap::new();
    for (name, chain) in chains {
        if let Some(first) = seen.insert(chain.chain_id, name) {
            checker.problem(
                format!("chains.{name}.chain_id"),
                format!("{first} has the chain id {} already; remove one of the two", chain.chain_id),
            );
        }
    }
}

pub(super) fn assets(
    checker: &mut Checker<'_>,
    raw: Vec<RawAsset>,
    chains: &BTreeMap<String, ChainSection>,
) -> Vec<NamedAsset> {
    let mut assets: Vec<NamedAsset> = Vec::new();
    for (index, raw) in raw.into_iter().enumerate() {
        let key = format!("assets[{index}]");
        let Some(asset) = asset(checker, &key, raw, chains) else { continue };
        let same_chain = || assets.iter().filter(|other| other.chain == asset.chain);
        if same_chain().any(|other| other.address == asset.address) {
            checker
                .problem(format!("{key}.address"), "this address is listed already; remove one of the two");
        } else if same_chain().any(|other| other.symbol.eq_ignore_ascii_case(&asset.symbol)) {
            checker.problem(
                format!("{key}.symbol"),
                format!("'{}' names another asset of this chain already; choose another name", asset.symbol),
            );
        } else {
            assets.push(asset);
        }
    }
    for chain in chains.keys() {
        let of_chain: Vec<_> = assets.iter().filter(|asset| asset.chain == *chain).collect();
        if of_chain.iter().any(|asset| asset.address.is_zero()) {
            continue;
        }
        if of_chain.iter().any(|asset| asset.symbol.eq_ignore_ascii_case("ETH")) {
            let text = "ETH names the native coin; choose another name, or name the coin by an entry with address = \"native\"";
            checker.problem("assets", text);
            continue;
        }
        assets.push(NamedAsset {
            chain: chain.clone(),
            address: Address::ZERO,
            symbol: "ETH".into(),
            decimals: 18,
        });
    }
    assets.sort_by(|a, b| (&a.chain, a.address).cmp(&(&b.chain, b.address)));
    assets
}

fn asset(
    checker: &mut Checker<'_>,
    key: &str,
    raw: RawAsset,
    chains: &BTreeMap<String, ChainSection>,
) -> Option<NamedAsset> {
    let mut missing =
        |name: &str, what: &str| checker.problem(format!("{key}.{name}"), format!("this is missing; {what}"));
    if raw.chain.is_none() {
        missing("chain", "name a chain of [chains]");
    }
    if raw.symbol.is_none() {
        missing("symbol", "give a short name, such as USDC");
    }
    if raw.address.is_none() {
        missing("address", "give the token's address, or \"native\"");
    }
    if raw.decimals.is_none() {
        missing("decimals", "the token's documentation tells; USDC has 6, most have 18");
    }
    let chain = checker.read(&format!("{key}.chain"), raw.chain, |text| {
        if chains.contains_key(text) {
            return Ok(text.to_owned());
        }
        let known: Vec<&str> = chains.keys().map(String::as_str).collect();
        Err(format!("no chain '{text}' is configured correctly; there are: {}", known.join(", ")))
    });
    let symbol = checker.read(&format!("{key}.symbol"), raw.symbol, |text| {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-' || c == '_';
        let is_symbol = !text.is_empty() && text.len() <= 16 && text.chars().all(fits);
        let starts = text.starts_with(|c: char| c.is_ascii_alphabetic());
        if is_symbol && starts {
            return Ok(text.to_owned());
        }
        Err(format!("'{text}' is no name; take up to 16 letters and digits, such as USDC"))
    });
    let address = checker.read(&format!("{key}.address"), raw.address, |text| {
        if text == "native" { Ok(Address::ZERO) } else { read_address(text) }
    });
    let decimals = raw.decimals?;
    if decimals > MAX_DECIMALS {
        checker.problem(
            format!("{key}.decimals"),
            format!("{decimals} is out of range; give 0 to {MAX_DECIMALS}"),
        );
        return None;
    }
    let (address, symbol) = (address?, symbol?);
    let is_own_unit = |unit: u8| address.is_zero() && unit == decimals;
    if strait_api::native_unit(&symbol).is_some_and(|unit| !is_own_unit(unit)) {
        checker.problem(
            format!("{key}.symbol"),
            format!("'{symbol}' is a unit of the native coin, and would stand for two amounts; choose another name"),
        );
        return None;
    }
    Some(NamedAsset { chain: chain?, address, symbol, decimals })
}
