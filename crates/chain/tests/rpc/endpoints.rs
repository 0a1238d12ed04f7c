//! Endpoints that are wrong, slow, limited, behind or dishonest.

use crate::bench::{TestClock, config, connect, deposits, proxy, through};
use crate::conformance::AnvilDriver;
use crate::proxy::{Act, Line};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::time::Duration;
use strait_chain::conformance::scene::{Reader, Scene};
use strait_chain::rpc::{ConnectError, Url};
use strait_engine::ports::{BlockRef, Chain, ChainError};
use strait_types::abi::AdjudicatorEvent;
use strait_types::{Address, B256, Side};

/// Nobody listens there.
fn dead() -> Url {
    let port =
        TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    format!("http://127.0.0.1:{port}").parse().expect("an address")
}

/// Blocks that an `eth_getLogs` spans.
fn span(parameters: &Value) -> u64 {
    let number = |name: &str| {
        let text = parameters[0][name].as_str().unwrap_or("0x0");
        u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("a number")
    };
    number("toBlock").saturating_sub(number("fromBlock")) + 1
}

fn asks_by_range(method: &str, parameters: &Value) -> bool {
    method == "eth_getLogs" && parameters[0].get("fromBlock").is_some()
}

#[test]
fn an_endpoint_of_another_chain_is_refused() {
    let mut driver = AnvilDriver::new("http");
    let scene = Scene::new(&mut driver);
    let (good, other) = (proxy(&scene), proxy(&scene));
    other.script(|method, _| match method {
        "eth_chainId" => Act::Answer(json!("0x5")),
        _ => Act::Pass,
    });
    let refused = connect(&scene, config(&scene, vec![good.url(), other.url()], &TestClock::new()));
    let Err(ConnectError::WrongChain { endpoint, found: 5, expected: 31_337 }) = refused else {
        panic!("{:?}", refused.err());
    };
    assert!(!endpoint.contains("key-of-an-account"), "{endpoint}");
}

#[test]
fn another_chain_of_the_same_id_that_takes_the_place_is_not_followed() {
    let mut driver = AnvilDriver::new("http");
    let scene = Scene::new(&mut driver);
    let clock = TestClock::new();
    let endpoint = proxy(&scene);
    let mut chain = through(&scene, &[&endpoint], &clock);
    let head = chain.follow(&[], 1_000).expect("answers").head;
    // Its blocks are others, from the first on.
    endpoint.script(|method, parameters| match method {
        "eth_getBlockByNumber" if parameters[0] != "latest" => Act::Change(Box::new(|mut block| {
            block["hash"] = json!(B256::repeat_byte(9));
            block
        })),
        _ => Act::Pass,
    });
    let gone = BlockRef { number: head.number, hash: B256::repeat_byte(1) };
    let is_refused = |followed: &Result<_, ChainError>| matches!(followed, Err(ChainError::Nonsense(text)) if text.contains("another chain"));
    for _ in 0..3 {
        let refused = chain.follow(&[gone], 1_000);
        assert!(is_refused(&refused), "{refused:?}");
        clock.advance(Duration::from_secs(60));
    }
    // The chain itself is back, and is followed after a rest: a wrong answer must not blind the node for good.
    endpoint.script(|_, _| Act::Pass);
    clock.advance(Duration::from_secs(60));
    assert_eq!(chain.follow(&[head], 1_000).expect("follows").head, head);
}

#[test]
fn an_address_without_the_adjudicator_is_refused() {
    let mut driver = AnvilDriver::new("http");
    let token = strait_chain::conformance::Driver::token(&driver);
    let scene = Scene::new(&mut driver);
    let at = |address| {
        let mut config = config(&scene, vec![proxy(&scene).url()], &TestClock::new());
        config.adjudicator = address;
        connect(&scene, config).err().expect("refused")
    };
    let nobody = Address::repeat_byte(0x77);
    let nothing = at(nobody);
    assert!(matches!(nothing, ConnectError::NoContract { address, .. } if address == nobody), "{nothing}");
    let other = at(token);
    assert!(matches!(other, ConnectError::AnotherContract { address, .. } if address == token), "{other}");
}

#[test]
fn the_deployment_is_found_where_old_states_are_known() {
    let mut driver = AnvilDriver::new("http");
    let scene = Scene::new(&mut driver);
    for _ in 0..5 {
        scene.driver.anvil.mine();
    }
    let clock = TestClock::new();
    let endpoint = proxy(&scene);
    // The first block that anvil made holds it.
    assert_eq!(through(&scene, &[&endpoint], &clock).deployed_at(), 1);
    endpoint.script(|method, parameters| match method {
        "eth_getCode" if parameters[1] != "latest" => Act::Refuse(-32_000, "missing trie node"),
        _ => Act::Pass,
    });
    assert_eq!(through(&scene, &[&endpoint], &clock).deployed_at(), 0);
}

#[test]
fn a_dead_endpoint_does_not_matter_while_another_lives() {
    let mut driver = AnvilDriver::new("http");
    let mut scene = Scene::new(&mut driver);
    scene.deposit(Side::Zero, 7);
    let clock = TestClock::new();
    let urls = vec![dead(), proxy(&scene).url()];
    let mut chain = connect(&scene, config(&scene, urls, &clock)).expect("one of them answers");
    assert_eq!(deposits(&mut chain), [7]);
    drop(chain);
    let alone = connect(&scene, config(&scene, vec![dead()], &clock)).err();
    assert!(matches!(alone, Some(ConnectError::Chain(ChainError::Unreachable(_)))), "{alone:?}");
}

#[test]
fn a_silent_endpoint_costs_no_more_than_the_time_limit() {
    let mut driver = AnvilDriver::new("http");
    let mut scene = Scene::new(&mut driver);
    scene.deposit(Side::Zero, 7);
    let (silent, good) = (proxy(&scene), proxy(&scene));
    silent.script(|_, _| Act::Silent);
    let mut config = config(&scene, vec![silent.url(), good.url()], &TestClock::new());
    config.endpoints.timeout = Duration::from_secs(2);
    let mut chain = connect(&scene, config).expect("one of them answers");
    silent.count("");
    assert_eq!(deposits(&mut chain), [7]);
    assert_eq!(silent.count("eth_getBlockByNumber"), 0, "it rests");
}

#[test]
fn a_limiting_endpoint_rests_as_long_as_it_asks_for() {
    let mut driver = AnvilDriver::new("http");
    let mut scene = Scene::new(&mut driver);
    scene.deposit(Side::Zero, 7);
    let clock = TestClock::new();
    let (limited, good) = (proxy(&scene), proxy(&scene));
    let mut chain = through(&scene, &[&limited, &good], &clock);
    limited.script(|_, _| Act::Status(429, 30));
    assert_eq!(deposits(&mut chain), [7]);
    limited.pass();
    limited.count("");
    clock.advance(Duration::from_secs(29));
    chain.follow(&[], 10).expect("the other answers");
    assert_eq!(limited.count("eth_getBlockByNumber"), 0);
    clock.advance(Duration::from_secs(2));
    chain.follow(&[], 10).expect("both answer");
    assert!(limited.count("eth_getBlockByNumber") > 0);
}

#[test]
fn with_only_a_limiting_endpoint_the_caller_is_told_at_once() {
    let mut driver = AnvilDriver::new("http");
    let scene = Scene::new(&mut driver);
    let clock = TestClock::new();
    let limited = proxy(&scene);
    let mut chain = through(&scene, &[&limited], &clock);
    limited.count("");
    limited.script(|_, _| Act::Refuse(-32_005, "daily request count exceeded"));
    for _ in 0..5 {
        let told = chain.follow(&[], 10);
        assert!(
            matches!(&told, Err(ChainError::Unreachable(text)) if text.contains("limits requests")),
            "{told:?}"
        );
    }
    limited.pass();
    assert_eq!(limited.count("eth_getBlockByNumber"), 1, "it is asked no more while it rests");
    clock.advance(Duration::from_secs(60));
    chain.follow(&[], 10).expect("it answers again");
}

#[test]
fn ranges_shrink_to_what_an_endpoint_allows() {
    let mut driver = AnvilDriver::new("http");
    let mut scene = Scene::new(&mut driver);
    for wei in 1..=3 {
        scene.deposit(Side::Zero, wei);
        scene.driver.anvil.ask("anvil_mine", &json!([40]));
    }
    let narrow = proxy(&scene);
    narrow.script(|method, parameters| {
        if asks_by_range(method, parameters) && span(parameters) > 9 {
            return Act::Refuse(-32_600, "eth_getLogs is limited to a 9 range");
        }
        Act::Pass
    });
    let mut chain = through(&scene, &[&narrow], &TestClock::new());
    assert_eq!(deposits(&mut chain), [1, 2, 3]);
    let head = chain.follow(&[], 1).expect("answers").head;
    assert_eq!(chain.events_of(scene.id(), head).expect("answers").len(), 3);
}

#[test]
fn a_long_past_is_read_in_several_calls() {
    let mut driver = AnvilDriver::new("http");
    let mut scene = Scene::new(&mut driver);
    for wei in 1..=3 {
        scene.deposit(Side::Zero, wei);
        scene.driver.anvil.ask("anvil_mine", &json!([40]));
    }
    let narrow = proxy(&scene);
    narrow.script(|method, parameters| {
        if asks_by_range(method, parameters) && span(parameters) > 2 {
            return Act::Refuse(-32_600, "block range is too large");
        }
        Act::Pass
    });
    let mut chain = through(&scene, &[&narrow], &TestClock::new());
    let mut head = chain.follow(&[], 1).expect("answers").head;
    let mut calls = 1;
    let blocks = loop {
        match chain.events_of(scene.id(), head) {
            Ok(blocks) => break blocks,
            Err(ChainError::Unreachable(text)) if text.contains("ask again") && calls < 9 => calls += 1,
            Err(error) => panic!("{error}"),
        }
        // As for a node, the head moves on between the calls.
        scene.driver.anvil.mine();
        head = chain.follow(&[], 1).expect("answers").head;
    };
    assert!(calls > 1);
    assert_eq!(blocks.iter().map(|block| block.events.len()).collect::<Vec<_>>(), [1, 1, 1]);
}

#[test]
fn a_log_that_is_kept_back_is_missed_in_a_recent_block() {
    let mut driver = AnvilDriver::new("http");
    let mut scene = Scene::new(&mut driver);
    scene.deposit(Side::Zero, 7);
    let (liar, good) = (proxy(&scene), proxy(&scene));
    let hide = |method: &str, parameters: &Value| match asks_by_range(method, parameters) {
        true => Act::Answer(json!([])),
        false => Act::Pass,
    };
    liar.script(hide);
    let clock = TestClock::new();
    let contradicted = through(&scene, &[&liar, &good], &clock).follow(&[], 10);
    assert!(matches!(contradicted, Err(ChainError::Nonsense(_))), "{contradicted:?}");
    assert_eq!(deposits(&mut through(&scene, &[&liar, &good, &proxy(&scene)], &clock)), [7]);
    let alone = through(&scene, &[&liar], &clock).follow(&[], 10);
    assert!(matches!(alone, Err(ChainError::Nonsense(_))), "{alone:?}");
}

#[test]
fn a_log_that_is_kept_back_is_missed_in_an_old_block_by_other_endpoints() {
    let mut driver = AnvilDriver::new("http");
    let mut scene = Scene::new(&mut driver);
    scene.deposit(Side::Zero, 7);
    scene.driver.anvil.ask("anvil_mine", &json!([100]));
    let (liar, good) = (proxy(&scene), proxy(&scene));
    liar.script(|method, _| match method {
        "eth_getLogs" => Act::Answer(json!([])),
        _ => Act::Pass,
    });
    let clock = TestClock::new();
    for two in [[&liar, &good], [&good, &liar]] {
        let contradicted = through(&scene, &two, &clock).follow(&[], 10);
        assert!(matches!(contradicted, Err(ChainError::Nonsense(_))), "{contradicted:?}");
    }
    assert_eq!(deposits(&mut through(&scene, &[&liar, &good, &proxy(&scene)], &clock)), [7]);
    assert_eq!(deposits(&mut through(&scene, &[&good, &liar, &proxy(&scene)], &clock)), [7]);
}

#[test]
fn a_forged_amount_is_not_believed_beside_other_endpoints() {
    let mut driver = AnvilDriver::new("http");
    let mut scene = Scene::new(&mut driver);
    scene.deposit(Side::Zero, 7);
    let (liar, one, two) = (proxy(&scene), proxy(&scene), proxy(&scene));
    liar.script(|method, _| match method {
        "eth_getLogs" => Act::Change(Box::new(|mut logs| {
            for log in logs.as_array_mut().into_iter().flatten() {
                let data = log["data"].as_str().expect("data").replace("07", "70");
                log["data"] = json!(data);
            }
            logs
        })),
        _ => Act::Pass,
    });
    let clock = TestClock::new();
    let contradicted = through(&scene, &[&liar, &one], &clock).follow(&[], 10);
    assert!(matches!(contradicted, Err(ChainError::Nonsense(_))), "{contradicted:?}");
    assert_eq!(deposits(&mut through(&scene, &[&liar, &one, &two], &clock)), [7]);
    assert_eq!(deposits(&mut through(&scene, &[&one, &liar, &two], &clock)), [7]);
}

#[test]
fn a_log_that_never_was_is_refused() {
    let mut driver = AnvilDriver::new("http");
    let mut scene = Scene::new(&mut driver);
    scene.deposit(Side::Zero, 7);
    let forgeries: [fn(Value) -> Value; 4] = [
        |mut logs| {
            logs[0]["topics"][1] = json!(B256::repeat_byte(3));
            logs
        },
        |mut logs| {
            logs[0]["address"] = json!(Address::repeat_byte(3));
            logs
        },
        |mut logs| {
            let twice = logs[0].clone();
            logs.as_array_mut().expect("logs").push(twice);
            logs
        },
        |mut logs| {
            logs[0]["data"] = json!("0x01");
            logs
        },
    ];
    for forge in forgeries {
        let liar = proxy(&scene);
        liar.script(move |method, _| match method {
            "eth_getLogs" => Act::Change(Box::new(forge)),
            _ => Act::Pass,
        });
        let refused = through(&scene, &[&liar], &TestClock::new()).follow(&[], 10);
        assert!(matches!(refused, Err(ChainError::Nonsense(_))), "{refused:?}");
    }
}

#[test]
fn answers_that_are_none_are_refused() {
    let mut driver = AnvilDriver::new("http");
    let scene = Scene::new(&mut driver);
    let acts: [fn() -> Act; 6] = [
        || Act::Text("<html>502</html>"),
        || Act::Text("{\"jsonrpc\":\"2.0\",\"id\":99,\"result\":null}"),
        || Act::Answer(json!(null)),
        || Act::Answer(json!({ "number": "0x1" })),
        || Act::Answer(json!([1, 2, 3])),
        || Act::HangUp,
    ];
    for act in acts {
        let endpoint = proxy(&scene);
        let mut chain = through(&scene, &[&endpoint], &TestClock::new());
        endpoint.script(move |_, _| act());
        let refused = chain.follow(&[], 10);
        let is_refused = matches!(refused, Err(ChainError::Nonsense(_) | ChainError::Unreachable(_)));
        assert!(is_refused, "{refused:?}");
    }
}

#[test]
fn who_lags_is_set_aside_and_causes_no_rollback() {
    let mut driver = AnvilDriver::new("http");
    let mut scene = Scene::new(&mut driver);
    scene.deposit(Side::Zero, 1);
    let clock = TestClock::new();
    let (slow, good) = (proxy(&scene), proxy(&scene));
    let mut chain = through(&scene, &[&slow, &good], &clock);
    let old = scene.driver.anvil.ask("eth_getBlockByNumber", &json!(["latest", false]));
    slow.script(move |method, parameters| match method {
        "eth_getBlockByNumber" if parameters[0] == "latest" => Act::Answer(old.clone()),
        _ => Act::Pass,
    });
    for wei in 2..=6 {
        scene.deposit(Side::Zero, wei);
    }
    let mut reader = Reader::default();
    reader.catch_up(&mut chain, 10);
    assert_eq!(reader.events().len(), 6);
    drop(chain);
    let mut alone = through(&scene, &[&slow], &clock);
    let told = alone.follow(&reader.known(), 10);
    assert!(matches!(&told, Err(ChainError::Unreachable(text)) if text.contains("behind")), "{told:?}");
}

#[test]
fn an_old_head_is_not_believed_to_be_one() {
    let mut driver = AnvilDriver::new("http");
    let scene = Scene::new(&mut driver);
    let clock = TestClock::new();
    clock.advance(Duration::from_secs(60 * 60 * 24 * 365 * 30));
    let mut config = config(&scene, vec![proxy(&scene).url()], &clock);
    config.endpoints.max_head_age = Some(Duration::from_secs(600));
    let stale = connect(&scene, config).err();
    assert!(matches!(stale, Some(ConnectError::Chain(ChainError::Unreachable(_)))), "{stale:?}");
}

#[test]
fn most_endpoints_decide_which_chain_it_is() {
    let mut driver = AnvilDriver::new("http");
    let mut scene = Scene::new(&mut driver);
    scene.deposit(Side::Zero, 7);
    let (lonely, one, two) = (proxy(&scene), proxy(&scene), proxy(&scene));
    let clock = TestClock::new();
    let mut chain = through(&scene, &[&lonely, &one, &two], &clock);
    lonely.script(|method, _| match method {
        "eth_getBlockByNumber" => Act::Change(Box::new(|mut block| {
            block["hash"] = json!(B256::repeat_byte(0xee));
            block
        })),
        _ => Act::Pass,
    });
    let followed = chain.follow(&[], 10).expect("two agree");
    assert_ne!(followed.head.hash, B256::repeat_byte(0xee));
    assert_eq!(deposits(&mut chain), [7]);
}

#[test]
fn an_endpoint_that_limits_requests_gets_one_there_little_by_little() {
    let mut driver = AnvilDriver::new("http");
    let mut scene = Scene::new(&mut driver);
    scene.deposit(Side::Zero, 7);
    scene.driver.anvil.ask("anvil_mine", &json!([50]));
    let clock = TestClock::new();
    let limited = proxy(&scene);
    let mut chain = through(&scene, &[&limited], &clock);
    let mut reader = Reader::default();
    for _ in 0..20 {
        let mut allowed = 30;
        limited.script(move |_, _| {
            if allowed == 0 {
                return Act::Status(429, 1);
            }
            allowed -= 1;
            Act::Pass
        });
        let known = reader.known();
        if let Ok(followed) = chain.follow(&known, 1_000) {
            reader.blocks.extend(followed.blocks);
            if reader.known().first() == Some(&followed.head) {
                assert_eq!(reader.events().len(), 1);
                return;
            }
        }
        clock.advance(Duration::from_secs(90));
    }
    panic!("it never gets there");
}

#[test]
fn a_websocket_that_breaks_is_opened_anew() {
    let mut driver = AnvilDriver::new("ws");
    let mut scene = Scene::new(&mut driver);
    let clock = TestClock::new();
    let line = Line::to(scene.driver.anvil.port);
    let mut chain = connect(&scene, config(&scene, vec![line.url()], &clock)).expect("connects");
    scene.deposit(Side::Zero, 7);
    assert_eq!(deposits(&mut chain), [7]);
    line.cut();
    scene.deposit(Side::Zero, 8);
    assert_eq!(deposits(&mut chain), [7, 8], "the caller does not notice");
    line.take_down();
    let broken = chain.follow(&[], 10);
    assert!(matches!(broken, Err(ChainError::Unreachable(_))), "{broken:?}");
    line.mend();
    scene.deposit(Side::Zero, 9);
    clock.advance(Duration::from_secs(1));
    assert_eq!(deposits(&mut chain), [7, 8, 9]);
}

#[test]
fn logs_that_the_only_endpoint_left_out_for_a_while_are_found() {
    let mut driver = AnvilDriver::new("http");
    let mut scene = Scene::new(&mut driver);
    let endpoint = proxy(&scene);
    let clock = TestClock::new();
    let mut chain = through(&scene, &[&endpoint], &clock);
    scene.deposit(Side::Zero, 7);
    let mut reader = Reader::default();
    endpoint.script(|method, _| match method {
        "eth_getLogs" => Act::Answer(json!([])),
        _ => Act::Pass,
    });
    reader.catch_up(&mut chain, 1_000);
    assert!(reader.events().is_empty(), "it was left out");
    endpoint.pass();
    scene.driver.anvil.mine();
    reader.catch_up(&mut chain, 1_000);
    clock.advance(Duration::from_secs(31));
    scene.driver.anvil.mine();
    reader.catch_up(&mut chain, 1_000);
    let [AdjudicatorEvent::Deposited { amount, .. }] = reader.events()[..] else {
        panic!("once and no more: {:?}", reader.events())
    };
    assert_eq!(amount.units(), 7);
    let asked = endpoint.count("eth_getLogs");
    scene.driver.anvil.mine();
    reader.catch_up(&mut chain, 1_000);
    assert!(endpoint.count("eth_getLogs") <= asked + 2, "it looks now and then, and not each time");
    assert_eq!(reader.events().len(), 1);
}
