//! What users write, and what they are told.

use super::*;
use std::path::Path;

const FULL: &str = r#"
[node]
listen = "0.0.0.0:4040"
payout = "0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045"
password_file = "secret"
peers = ["strait://0x1a642f0E3c3aF545E7AcBD38b07251B3990914F1@host:4040"]

[chains.local]
chain_id = 31337
rpc = ["http://127.0.0.1:8545", "wss://user:pass@provider.example/v3/0123456789abcdef"]
adjudicator = "0x1a642f0E3c3aF545E7AcBD38b07251B3990914F1"
confirmations = 3

[chains.local.settings]
retry = "500ms"
move_patience = "never"

[chains.main]
chain_id = 1
rpc = "https://provider.example"
adjudicator = "0x1a642f0E3c3aF545E7AcBD38b07251B3990914F1"
confirmations = "finalized"
challenge_duration = "48h"

[[assets]]
chain = "main"
symbol = "USDC"
address = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"
decimals = 6

[policy]
min_deposit = ["0.05 ETH", "100 usdc"]
manual_approval = true
"#;

fn load_with(text: &str, change: impl FnOnce(&mut Layers)) -> Result<Loaded, ConfigError> {
    let home = tempfile::tempdir().expect("a directory");
    std::fs::write(home.path().join(CONFIG_FILE), text).expect("written");
    let mut layers = Layers { home: home.path().to_owned(), ..Layers::default() };
    change(&mut layers);
    Loaded::load(&layers)
}

fn load(text: &str) -> Result<Loaded, ConfigError> {
    load_with(text, |_| {})
}

/// Keys, lines and texts of the problems.
fn problems(result: Result<Loaded, ConfigError>) -> Vec<(String, Option<usize>, String)> {
    match result {
        Err(ConfigError::Problems(problems)) => problems
            .into_iter()
            .map(|problem| {
                let line = match problem.source {
                    Source::File { line, .. } => line,
                    _ => None,
                };
                (problem.key, line, problem.text)
            })
            .collect(),
        other => panic!("expected problems, got {other:?}"),
    }
}

#[test]
fn a_file_is_understood() {
    let Loaded { config, .. } = load(FULL).expect("right");
    assert_eq!(config.node.listen, Some("0.0.0.0:4040".parse().expect("an address")));
    assert_eq!(config.node.api, "127.0.0.1:4041".parse().expect("an address"));
    assert_eq!(config.node.password_file, Some(config.home.join("secret")));
    assert_eq!(config.node.peers.len(), 1);
    let local = &config.chains["local"];
    assert_eq!((local.chain_id, local.rpc.len(), local.settings.retry_ms), (31_337, 2, 500));
    assert_eq!((local.confirmations, local.settings.confirmations), (Confirmations::Blocks(3), 3));
    assert_eq!(local.account, "node");
    let main = &config.chains["main"];
    assert_eq!(main.confirmations, Confirmations::Finalized);
    assert_eq!((main.challenge_duration, main.rpc.len()), (48 * 3_600, 1));
    let usdc = config.assets.named("main", "usdc").expect("listed");
    assert_eq!(usdc.decimals, 6);
    assert!(config.assets.named("local", "USDC").is_none());
    assert_eq!(config.assets.named("local", "eth").expect("implied").address, Address::ZERO);
    let deposits = &config.policy.min_deposits;
    assert_eq!(deposits[&("main".to_owned(), usdc.address)], Amount::from(100_000_000));
    let half_a_tenth = Amount::from(50_000_000_000_000_000);
    assert_eq!(deposits[&("local".to_owned(), Address::ZERO)], half_a_tenth);
    assert_eq!(config.policy.assets["main"], [Address::ZERO, usdc.address]);
    assert!(config.policy.manual_approval);
}

#[test]
fn flags_lie_above_the_environment_and_that_above_the_file() {
    let set = |layers: &mut Layers| {
        layers.env = vec![
            ("STRAIT_NODE__LISTEN".into(), "127.0.0.1:1".into()),
            ("STRAIT_NODE__API".into(), "127.0.0.1:2".into()),
            ("STRAIT_CHAINS__LOCAL__RPC".into(), "http://a, http://b".into()),
            ("STRAIT_POLICY__APPS".into(), "[0x1a642f0E3c3aF545E7AcBD38b07251B3990914F1]".into()),
            ("STRAIT_PASSWORD".into(), "no configuration".into()),
        ];
        layers.flags =
            vec![Flag { name: "--api".into(), key: "node.api".into(), value: "127.0.0.1:3".into() }];
    };
    let loaded = load_with(FULL, set).expect("right");
    let config = &loaded.config;
    assert_eq!(config.node.listen.map(|listen| listen.port()), Some(1));
    assert_eq!(config.node.api.port(), 3);
    assert_eq!(config.chains["local"].rpc, ["http://a", "http://b"]);
    assert_eq!(config.policy.apps.len(), 1);
    let source = |key: &str| loaded.source(key).to_string();
    assert_eq!(source("node.listen"), "environment STRAIT_NODE__LISTEN");
    assert_eq!(source("node.api"), "flag --api");
    assert!(source("node.payout").ends_with("strait.toml:4"), "{}", source("node.payout"));
    assert_eq!(source("node.log"), "default");
}

#[test]
fn the_table_shows_every_value_and_no_secret() {
    let loaded = load(FULL).expect("right");
    let rows = loaded.rows();
    let value = |key: &str| rows.iter().find(|row| row.key == key).map(|row| row.value.as_str());
    assert_eq!(value("node.key"), Some("\"node\""));
    assert_eq!(value("chains.main.confirmations"), Some("\"finalized\""));
    assert_eq!(value("chains.local.settings.retry"), Some("\"500ms\""));
    assert_eq!(value("chains.local.settings.move_patience"), Some("\"never\""));
    assert_eq!(value("policy.min_deposit"), Some("[\"0.05 ETH\", \"100 USDC\"]"));
    assert_eq!(value("chains.local.rpc"), Some("[\"http://127.0.0.1:8545\", \"wss://provider.example/…\"]"));
}

#[test]
fn an_unknown_key_is_found_with_its_line_and_what_was_meant() {
    let wrong = load("[node]\nkey = \"a\"\nlistn = \"127.0.0.1:4040\"\n");
    let text = "there is no such key; did you mean 'listen'?";
    assert_eq!(problems(wrong), [("node.listn".to_owned(), Some(3), text.to_owned())]);
    let far_off = problems(load("[node]\nzzz = 1\n"));
    assert!(far_off[0].2.starts_with("there is no such key; there are listen, "), "{far_off:?}");
    let section = problems(load("[polcy]\n"));
    assert_eq!((section[0].0.as_str(), section[0].1), ("polcy", Some(1)));
    assert!(section[0].2.contains("'policy'"));
    let in_list = problems(load(&FULL.replace("decimals", "decimal")));
    assert_eq!(in_list[0].0, "assets[0].decimal");
    assert_eq!(in_list[0].1, Some(29));
}

#[test]
fn what_is_not_toml_is_found_with_its_line() {
    let wrong = problems(load("[node]\nlisten = 127.0.0.1:4040\n"));
    assert_eq!((wrong[0].1, wrong[0].2.starts_with("this is not TOML")), (Some(2), true));
}

#[test]
fn all_problems_are_reported_at_once() {
    let wrong = FULL
        .replace("\"0.0.0.0:4040\"", "\"everywhere\"")
        .replace("chain_id = 1\n", "")
        .replace("100 usdc", "100 DAI")
        .replace("0xd8dA", "0xD8DA");
    let found = problems(load(&wrong));
    let keys: Vec<&str> = found.iter().map(|(key, ..)| key.as_str()).collect();
    let expected =
        ["node.listen", "node.payout", "chains.main.chain_id", "assets[0].chain", "policy.min_deposit[1]"];
    assert_eq!(keys, expected);
    assert!(found.iter().all(|(_, line, _)| line.is_some()), "{found:?}");
}

#[test]
fn values_out_of_range_are_refused() {
    for (from, to, key) in [
        ("confirmations = 3", "confirmations = \"soon\"", "chains.local.confirmations"),
        ("\"500ms\"", "\"500\"", ""),
        ("\"500ms\"", "\"5ms\"", "chains.local.settings.retry"),
        ("\"never\"", "\"forever\"", "chains.local.settings.move_patience"),
        ("\"48h\"", "\"31d\"", "chains.main.challenge_duration"),
        ("\"48h\"", "\"2h\"", "chains.main.challenge_duration"),
        ("chain_id = 31337", "chain_id = 1", "chains.main.chain_id"),
        ("\"http://127.0.0.1:8545\"", "\"127.0.0.1:8545\"", "chains.local.rpc[0]"),
        ("decimals = 6", "decimals = 99", "assets[0].decimals"),
        ("decimals = 6", "decimals = 300", "assets[0].decimals"),
        ("0.05 ETH", "0.0000000000000000001 ETH", "policy.min_deposit[0]"),
        ("0.05 ETH", "0.05", "policy.min_deposit[0]"),
        ("\"USDC\"", "\"Ether\"", "assets[0].symbol"),
        ("\"USDC\"", "\"gwei\"", "assets[0].symbol"),
        ("manual_approval = true", "assets = [\"USDC\"]", "policy.assets"),
        ("manual_approval = true", "channels_per_peer = 0", "policy.channels_per_peer"),
        ("manual_approval = true", "manual_approval = \"yes\"", "policy.manual_approval"),
        ("[node]", "[tls]\ncert = \"a\"\n[node]", "tls.cert"),
    ] {
        assert!(FULL.contains(from));
        let result = load(&FULL.replacen(from, to, 1));
        if key.is_empty() {
            assert!(result.is_ok(), "{to}");
            continue;
        }
        let found = problems(result);
        assert!(found.iter().any(|(at, line, _)| at == key && line.is_some()), "{to}: {found:?}");
    }
}

#[test]
fn a_file_that_was_named_must_exist_and_the_usual_one_need_not() {
    let nothing = Layers { home: Path::new("/nonexistent").into(), ..Layers::default() };
    assert!(Loaded::load(&nothing).expect("defaults").config.chains.is_empty());
    let named = Layers { file: Some("/nonexistent/strait.toml".into()), ..nothing };
    assert!(matches!(Loaded::load(&named), Err(ConfigError::Missing(_))));
}

#[test]
fn a_new_file_is_right_and_says_what_could_be() {
    let chain = TemplateChain {
        name: "local".into(),
        chain_id: 31_337,
        rpc: vec!["http://127.0.0.1:8545".into()],
        adjudicator: Address::repeat_byte(7),
        deployed_at: Some(1),
        is_development: true,
        confirmations: "1".into(),
        poll_ms: 200,
        account: None,
    };
    let token = Address::repeat_byte(8);
    let asset = TemplateAsset { chain: "local".into(), symbol: "USDC".into(), address: token, decimals: 6 };
    let template = Template {
        listen: "127.0.0.1:4040".parse().expect("an address"),
        api: "127.0.0.1:4041".parse().expect("an address"),
        key: "node".into(),
        password_file: Some("a \"quoted\" path".into()),
        payout: None,
        chains: vec![chain],
        assets: vec![asset],
        min_challenge: "1h".into(),
    };
    let text = template.render();
    let config = load(&text).unwrap_or_else(|error| panic!("{error}\n{text}")).config;
    assert_eq!(config.chains["local"].adjudicator, Address::repeat_byte(7));
    assert_eq!(config.policy.min_challenge, 3_600);
    assert!(!config.chains["local"].check_clock);
    assert_eq!(config.assets.named("local", "USDC").map(|asset| asset.address), Some(token));
    assert_eq!(config.node.password_file, Some(config.home.join("a \"quoted\" path")));
}

#[test]
fn an_api_that_others_reach_is_a_problem_unless_the_operator_insists() {
    let wrong = problems(load("[node]\napi = \"0.0.0.0:4041\"\n"));
    let [(key, line, text)] = &wrong[..] else { panic!("one problem: {wrong:?}") };
    assert_eq!((key.as_str(), *line), ("node.api", Some(2)));
    assert!(text.contains("unencrypted") && text.contains("node.api_allow_plain_remote = true"), "{text}");
    for right in [
        "[node]\napi = \"0.0.0.0:4041\"\napi_allow_plain_remote = true\n",
        "[node]\napi = \"127.0.0.1:4041\"\n",
        "[node]\napi = \"[::1]:4041\"\n",
    ] {
        load(right).expect(right);
    }
}
