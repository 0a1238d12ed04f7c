//! The transaction manager: what is stored is sent, what is dropped is sent again, what waits offers more.

use crate::anvil::CHAIN_ID;
use crate::bench::{TestClock, config, connect, deposit, deposits, mine, own_key, proxy, through};
use crate::conformance::AnvilDriver;
use crate::proxy::Act;
use serde_json::json;
use strait_chain::conformance::Driver;
use strait_chain::conformance::scene::Scene;
use strait_chain::rpc::{
    ConnectError, FeePolicy, JournalError, RpcChain, SqliteJournal, StoredTransaction, TransactionJournal,
};
use strait_engine::ports::{Chain, ChainError, TxHash, TxRequest};
use strait_types::abi::calls;
use strait_types::{Address, B256, Bytes, Side, U256};

const GWEI: u128 = 1_000_000_000;

fn raise_base_fee(scene: &Scene<'_, AnvilDriver>, wei: u128) {
    scene.driver.anvil.ask("anvil_setNextBlockBaseFeePerGas", &json!([U256::from(wei)]));
}

fn forget(scene: &Scene<'_, AnvilDriver>, hash: TxHash) {
    scene.driver.anvil.ask("anvil_dropTransaction", &json!([hash]));
}

/// A transaction from the own account that the port knows nothing of.
fn foreign(scene: &Scene<'_, AnvilDriver>, nonce: u64, gwei: u128) -> TxHash {
    let from = own_key().address();
    scene.driver.anvil.ask("anvil_impersonateAccount", &json!([from]));
    let fee = U256::from(gwei * GWEI);
    let transaction = json!({
        "from": from, "to": Address::repeat_byte(9), "value": "0x1", "gas": "0x5208", "nonce": U256::from(nonce),
        "maxFeePerGas": fee, "maxPriorityFeePerGas": fee,
    });
    let hash = scene.driver.anvil.ask("eth_sendTransaction", &json!([transaction]));
    serde_json::from_value(hash).expect("a hash")
}

fn succeeded(chain: &mut RpcChain, hash: TxHash) -> bool {
    chain.receipt(hash).expect("the chain answers").is_some_and(|receipt| receipt.success)
}

#[test]
fn what_was_stored_and_not_sent_is_sent_after_a_restart() {
    let mut driver = AnvilDriver::new("http");
    let scene = Scene::new(&mut driver);
    let clock = TestClock::new();
    let endpoint = proxy(&scene);
    let mut chain = through(&scene, &[&endpoint], &clock);
    endpoint.script(|method, _| match method {
        "eth_sendRawTransaction" => Act::HangUp,
        _ => Act::Pass,
    });
    let hash = deposit(&scene, &mut chain, 7);
    drop(chain);
    scene.driver.anvil.mine();
    endpoint.pass();
    let mut chain = through(&scene, &[&endpoint], &clock);
    assert!(!succeeded(&mut chain, hash));
    scene.driver.anvil.mine();
    assert!(succeeded(&mut chain, hash));
    assert_eq!(deposits(&mut chain), [7]);
}

#[test]
fn what_pools_drop_is_sent_again() {
    let mut driver = AnvilDriver::new("http");
    let scene = Scene::new(&mut driver);
    let endpoint = proxy(&scene);
    let mut chain = through(&scene, &[&endpoint], &TestClock::new());
    let hashes = [1, 2].map(|wei| deposit(&scene, &mut chain, wei));
    hashes.iter().for_each(|hash| forget(&scene, *hash));
    mine(&scene, &mut chain, 1);
    assert_eq!(deposits(&mut chain), [0; 0]);
    mine(&scene, &mut chain, 1);
    assert_eq!(deposits(&mut chain), [1, 2]);
    assert!(hashes.iter().all(|hash| succeeded(&mut chain, *hash)));
}

#[test]
fn an_endpoint_that_swallows_transactions_does_not_matter_beside_another() {
    let mut driver = AnvilDriver::new("http");
    let scene = Scene::new(&mut driver);
    let (swallows, good) = (proxy(&scene), proxy(&scene));
    swallows.script(|method, _| match method {
        "eth_sendRawTransaction" => Act::Answer(json!(B256::repeat_byte(1))),
        _ => Act::Pass,
    });
    let mut chain = through(&scene, &[&swallows, &good], &TestClock::new());
    let hash = deposit(&scene, &mut chain, 7);
    mine(&scene, &mut chain, 1);
    assert!(succeeded(&mut chain, hash));
}

#[test]
fn what_a_reorg_removes_is_sent_again() {
    let mut driver = AnvilDriver::new("http");
    let scene = Scene::new(&mut driver);
    let endpoint = proxy(&scene);
    let mut chain = through(&scene, &[&endpoint], &TestClock::new());
    let hash = deposit(&scene, &mut chain, 7);
    mine(&scene, &mut chain, 1);
    assert!(succeeded(&mut chain, hash));
    scene.driver.reorg(1, false);
    assert_eq!(chain.receipt(hash), Ok(None));
    chain.follow(&[], 10).expect("the chain answers");
    mine(&scene, &mut chain, 1);
    assert!(succeeded(&mut chain, hash));
    assert_eq!(deposits(&mut chain), [7]);
}

#[test]
fn what_waits_through_a_spike_of_the_base_fee_offers_more() {
    let mut driver = AnvilDriver::new("http");
    let scene = Scene::new(&mut driver);
    let endpoint = proxy(&scene);
    let mut chain = through(&scene, &[&endpoint], &TestClock::new());
    let hashes = [1, 2].map(|wei| deposit(&scene, &mut chain, wei));
    for _ in 0..3 {
        raise_base_fee(&scene, 40 * GWEI);
        mine(&scene, &mut chain, 1);
    }
    assert!(hashes.iter().all(|hash| !succeeded(&mut chain, *hash)));
    mine(&scene, &mut chain, 1);
    assert!(hashes.iter().all(|hash| succeeded(&mut chain, *hash)), "both by their first hash");
    let sent = scene.driver.anvil.ask("eth_getTransactionReceipt", &json!([hashes[0]]));
    assert!(sent.is_null(), "it was a replacement that came into a block");
    assert_eq!(deposits(&mut chain), [1, 2]);
}

#[test]
fn only_what_is_urgent_or_waited_for_exceeds_the_usual_limit() {
    let mut driver = AnvilDriver::new("http");
    let scene = Scene::new(&mut driver);
    let endpoint = proxy(&scene);
    scene.driver.anvil.fund(own_key().address(), U256::from(10_000_000_000_000_000_000u128));
    let mut config = config(&scene, vec![endpoint.url()], &TestClock::new());
    config.fees = FeePolicy { max_fee: 4 * GWEI, max_urgent_fee: 500 * GWEI, ..FeePolicy::default() };
    let mut chain = connect(&scene, config).expect("connects");
    let ordinary = deposit(&scene, &mut chain, 1);
    for _ in 0..6 {
        raise_base_fee(&scene, 40 * GWEI);
        mine(&scene, &mut chain, 1);
    }
    assert!(!succeeded(&mut chain, ordinary));
    let data = calls::register_preimage(B256::repeat_byte(5));
    let urgent = TxRequest { to: scene.adjudicator(), value: U256::ZERO, data };
    let urgent = chain.submit(&urgent).expect("sent");
    for _ in 0..4 {
        raise_base_fee(&scene, 40 * GWEI);
        mine(&scene, &mut chain, 1);
    }
    assert!(succeeded(&mut chain, ordinary) && succeeded(&mut chain, urgent));
}

#[test]
fn a_nonce_that_another_program_just_used_is_passed_over() {
    let mut driver = AnvilDriver::new("http");
    let scene = Scene::new(&mut driver);
    let endpoint = proxy(&scene);
    let mut chain = through(&scene, &[&endpoint], &TestClock::new());
    foreign(&scene, 0, 10);
    scene.driver.anvil.mine();
    let mut stale = 2;
    endpoint.script(move |method, _| match method {
        "eth_getTransactionCount" if stale > 0 => {
            stale -= 1;
            Act::Answer(json!("0x0"))
        }
        _ => Act::Pass,
    });
    let hash = deposit(&scene, &mut chain, 7);
    mine(&scene, &mut chain, 1);
    assert!(succeeded(&mut chain, hash));
}

#[test]
fn a_nonce_that_another_program_is_using_is_passed_over() {
    let mut driver = AnvilDriver::new("http");
    let scene = Scene::new(&mut driver);
    let endpoint = proxy(&scene);
    let mut chain = through(&scene, &[&endpoint], &TestClock::new());
    foreign(&scene, 0, 100);
    endpoint.script(move |method, parameters| match method {
        "eth_getTransactionCount" if parameters[1] == "pending" => Act::Answer(json!("0x0")),
        _ => Act::Pass,
    });
    let hash = deposit(&scene, &mut chain, 7);
    mine(&scene, &mut chain, 1);
    assert!(succeeded(&mut chain, hash));
}

#[test]
fn a_nonce_that_was_left_unused_does_not_block_what_follows() {
    let mut driver = AnvilDriver::new("http");
    let scene = Scene::new(&mut driver);
    let endpoint = proxy(&scene);
    let mut chain = through(&scene, &[&endpoint], &TestClock::new());
    let lost = foreign(&scene, 0, 10);
    let hash = deposit(&scene, &mut chain, 7);
    forget(&scene, lost);
    mine(&scene, &mut chain, 1);
    assert!(!succeeded(&mut chain, hash));
    mine(&scene, &mut chain, 1);
    assert!(succeeded(&mut chain, hash));
}

/// What an endpoint says that is wrong about how many transactions wait.
fn claims_a_thousand(endpoint: &crate::proxy::Proxy) {
    endpoint.script(|method, parameters| match method {
        "eth_getTransactionCount" if parameters[1] == "pending" => Act::Answer(json!("0x3e8")),
        _ => Act::Pass,
    });
}

#[test]
fn an_endpoint_that_counts_far_too_many_transactions_stops_nothing() {
    let mut driver = AnvilDriver::new("http");
    let scene = Scene::new(&mut driver);
    let (liar, good) = (proxy(&scene), proxy(&scene));
    let mut chain = through(&scene, &[&liar, &good], &TestClock::new());
    claims_a_thousand(&liar);
    let hash = deposit(&scene, &mut chain, 7);
    mine(&scene, &mut chain, 1);
    assert!(succeeded(&mut chain, hash));
    assert_eq!(deposits(&mut chain), [7]);
}

#[test]
fn an_endpoint_that_counts_far_too_many_blocks_of_transactions_makes_nothing_forgotten() {
    let mut driver = AnvilDriver::new("http");
    let scene = Scene::new(&mut driver);
    let (liar, good) = (proxy(&scene), proxy(&scene));
    let mut chain = through(&scene, &[&liar, &good], &TestClock::new());
    let hash = deposit(&scene, &mut chain, 7);
    forget(&scene, hash);
    liar.script(|method, _| match method {
        "eth_getTransactionCount" => Act::Answer(json!("0x3e8")),
        _ => Act::Pass,
    });
    mine(&scene, &mut chain, 2);
    assert!(succeeded(&mut chain, hash), "it was sent again");
}

#[test]
fn few_unused_nonces_are_used_up_at_one_head() {
    let mut driver = AnvilDriver::new("http");
    let scene = Scene::new(&mut driver);
    let endpoint = proxy(&scene);
    let mut chain = through(&scene, &[&endpoint], &TestClock::new());
    endpoint.script(|method, parameters| match method {
        "eth_getTransactionCount" if parameters[1] == "pending" => Act::Answer(json!("0x1e")),
        _ => Act::Pass,
    });
    let hash = deposit(&scene, &mut chain, 7);
    endpoint.pass();
    scene.driver.anvil.mine();
    endpoint.count("eth_sendRawTransaction");
    chain.follow(&[], 1_000).expect("the chain answers");
    assert_eq!(endpoint.count("eth_sendRawTransaction"), 5, "four unused nonces and the deposit");
    mine(&scene, &mut chain, 9);
    assert!(succeeded(&mut chain, hash), "in the end it comes into a block");
}

#[test]
fn what_another_program_pushed_aside_is_given_up() {
    let mut driver = AnvilDriver::new("http");
    let scene = Scene::new(&mut driver);
    let endpoint = proxy(&scene);
    let mut chain = through(&scene, &[&endpoint], &TestClock::new());
    let hash = deposit(&scene, &mut chain, 7);
    foreign(&scene, 0, 500);
    mine(&scene, &mut chain, 1);
    assert_eq!(chain.receipt(hash), Ok(None), "that may be undone");
    mine(&scene, &mut chain, 12);
    assert_eq!(chain.receipt(hash), Err(ChainError::NotIncluded(hash)));
    let again = deposit(&scene, &mut chain, 7);
    mine(&scene, &mut chain, 1);
    assert!(succeeded(&mut chain, again));
}

#[test]
fn what_fails_in_its_block_says_so_and_frees_its_nonce() {
    let mut driver = AnvilDriver::new("http");
    let mut scene = Scene::new(&mut driver);
    scene.deposit(Side::Zero, 100);
    let endpoint = proxy(&scene);
    let mut chain = through(&scene, &[&endpoint], &TestClock::new());
    let state = scene.state(1, 5);
    let state = strait_types::State { is_final: true, valid_until: scene.now() + 1_000, ..state };
    let close = scene.to_adjudicator(calls::close(&scene.params, &state, &scene.sign(&state)));
    scene.chains[0].submit(&close).expect("sent");
    endpoint.script(|method, _| match method {
        // As if the rival were not in the pool yet.
        "eth_estimateGas" => Act::Answer(json!("0x30000")),
        _ => Act::Pass,
    });
    let second = chain.submit(&close).expect("sent");
    endpoint.pass();
    mine(&scene, &mut chain, 1);
    assert!(chain.receipt(second).expect("answers").is_some_and(|receipt| !receipt.success));
    let data = calls::register_preimage(B256::repeat_byte(5));
    let next = chain.submit(&scene.to_adjudicator(data)).expect("sent");
    mine(&scene, &mut chain, 1);
    assert!(succeeded(&mut chain, next));
}

/// A disk that is full.
struct Full;

impl TransactionJournal for Full {
    fn load(&mut self, _: Address) -> Result<Vec<StoredTransaction>, JournalError> {
        Ok(Vec::new())
    }

    fn store(&mut self, _: Address, _: &StoredTransaction) -> Result<(), JournalError> {
        Err(JournalError::Io { path: "transactions.db".into(), reason: "database or disk is full".into() })
    }

    fn remove(&mut self, _: Address, _: u64) -> Result<(), JournalError> {
        Ok(())
    }

    fn genesis(&mut self) -> Result<Option<B256>, JournalError> {
        Ok(None)
    }

    fn note_genesis(&mut self, _: B256) -> Result<(), JournalError> {
        Ok(())
    }
}

#[test]
fn nothing_is_sent_that_cannot_be_written_down() {
    let mut driver = AnvilDriver::new("http");
    let scene = Scene::new(&mut driver);
    scene.driver.anvil.fund(own_key().address(), U256::from(10_000_000_000_000_000_000u128));
    let endpoint = proxy(&scene);
    let config = config(&scene, vec![endpoint.url()], &TestClock::new());
    let mut chain = RpcChain::connect(config, Box::new(Full)).expect("connects");
    let refused = chain.submit(&scene.deposit_request(Side::Zero, 7));
    assert!(matches!(&refused, Err(ChainError::Journal(text)) if text.contains("disk")), "{refused:?}");
    assert_eq!(endpoint.count("eth_sendRawTransaction"), 0);
}

#[test]
fn one_port_at_a_time_sends_from_an_account() {
    let mut driver = AnvilDriver::new("http");
    let scene = Scene::new(&mut driver);
    let path = scene.driver.directory.path().join("shared.db");
    let journal = SqliteJournal::open(&path, CHAIN_ID).expect("a journal");
    let config = config(&scene, vec![proxy(&scene).url()], &TestClock::new());
    let _first = RpcChain::connect(config, Box::new(journal)).expect("connects");
    let second = SqliteJournal::open(&path, CHAIN_ID).map_err(ConnectError::Journal);
    assert!(matches!(second, Err(ConnectError::Journal(JournalError::InUse { .. }))), "{second:?}");
}

#[test]
fn a_call_is_simulated_after_what_waits() {
    let mut driver = AnvilDriver::new("http");
    let token = Driver::token(&driver);
    let scene = Scene::with_assets(&mut driver, |token| vec![token]);
    let endpoint = proxy(&scene);
    let mut chain = through(&scene, &[&endpoint], &TestClock::new());
    let amount = U256::from(1_000);
    let to_token = |data: Bytes| TxRequest { to: token, value: U256::ZERO, data };
    chain.submit(&to_token(calls::mint(own_key().address(), amount))).expect("sent");
    chain.submit(&to_token(calls::approve(scene.adjudicator(), amount))).expect("sent");
    let data = calls::deposit_token(
        &scene.params,
        strait_types::AssetIndex(0),
        Side::Zero,
        strait_types::Amount::from(1_000),
    );
    let hash = chain.submit(&scene.to_adjudicator(data)).expect("what it needs waits in the pool");
    mine(&scene, &mut chain, 1);
    assert!(succeeded(&mut chain, hash));
}

#[test]
fn what_cannot_be_paid_any_more_does_not_block_an_answer_behind_it() {
    let mut driver = AnvilDriver::new("http");
    let scene = Scene::new(&mut driver);
    let endpoint = proxy(&scene);
    let mut chain = through(&scene, &[&endpoint], &TestClock::new());
    let five_coins = TxRequest {
        value: U256::from(5_000_000_000_000_000_000u128),
        ..scene.deposit_request(Side::Zero, 0)
    };
    let unpaid = chain.submit(&five_coins).expect("sent");
    forget(&scene, unpaid);
    let one_coin = U256::from(1_000_000_000_000_000_000u128);
    scene.driver.anvil.ask("anvil_setBalance", &json!([own_key().address(), one_coin]));
    mine(&scene, &mut chain, 1);
    let data = calls::register_preimage(B256::repeat_byte(5));
    let urgent = chain.submit(&scene.to_adjudicator(data)).expect("this it can pay");
    // Until something else has its nonce in a block, it may still be included.
    for _ in 0..4 {
        let is_open = chain.receipt(unpaid) == Ok(None);
        let under_way = chain.under_way(&|request| *request == five_coins, 0).expect("the chain answers");
        assert_eq!(under_way.len(), usize::from(is_open));
        mine(&scene, &mut chain, 1);
    }
    assert!(succeeded(&mut chain, urgent));
    assert_eq!(chain.receipt(unpaid), Err(ChainError::NotIncluded(unpaid)));
}

#[test]
fn what_an_account_needs_is_said_before_it_is_needed() {
    let mut driver = AnvilDriver::new("http");
    let scene = Scene::new(&mut driver);
    let endpoint = proxy(&scene);
    let mut chain = through(&scene, &[&endpoint], &TestClock::new());
    let needed = chain.needed_for(&[200_000], true).expect("the chain answers");
    assert!(needed >= U256::from(200_000 * GWEI), "{needed}");
    raise_base_fee(&scene, 100 * GWEI);
    scene.driver.anvil.mine();
    let later = chain.needed_for(&[200_000], true).expect("the chain answers");
    assert!(later >= U256::from(200_000 * 150 * GWEI), "{later}");
    deposit(&scene, &mut chain, 1);
    assert!(chain.needed_for(&[200_000], true).expect("the chain answers") > later, "what waits counts, too");
}
