//! Time, mining, reorgs and snapshots under the client's control.

use crate::client::{GENESIS_TIME, ask, devnet, get, http, payment, signed};
use alloy_provider::{Provider, RootProvider};
use serde_json::{Value, json};
use strait_devnet::Mining;
use strait_types::{Address, U256};

async fn head(provider: &RootProvider) -> (u64, u64) {
    let block = get(provider, "eth_getBlockByNumber", json!(["latest", false])).await;
    let number = |field: &str| {
        let value: U256 = serde_json::from_value(block[field].clone()).expect("a quantity");
        value.to::<u64>()
    };
    (number("number"), number("timestamp"))
}

#[tokio::test(flavor = "multi_thread")]
async fn time_travels_with_the_next_block() {
    let devnet = devnet(Mining::Instant).await;
    let provider = http(&devnet);
    let (number, time) = head(&provider).await;
    assert!((GENESIS_TIME..GENESIS_TIME + 60).contains(&time), "{time}");
    get(&provider, "evm_increaseTime", json!([86_400])).await;
    get(&provider, "evm_mine", json!([])).await;
    let (next, later) = head(&provider).await;
    assert_eq!(next, number + 1);
    assert!((time + 86_400..time + 86_460).contains(&later), "{later}");

    get(&provider, "evm_setNextBlockTimestamp", json!([later + 1_000])).await;
    get(&provider, "evm_mine", json!([])).await;
    assert_eq!(head(&provider).await, (next + 1, later + 1_000));
    let past = ask(&provider, "evm_setNextBlockTimestamp", json!([later])).await;
    assert!(past.expect_err("time does not run back").message.contains("before the latest block"));

    get(&provider, "anvil_mine", json!(["0x5", "0x3c"])).await;
    let (last, at) = head(&provider).await;
    assert_eq!(last, next + 6);
    assert!((later + 1_240..later + 1_300).contains(&at), "{at}");
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_wait_while_nothing_is_mined() {
    let devnet = devnet(Mining::Instant).await;
    let provider = http(&devnet);
    get(&provider, "evm_setAutomine", json!([false])).await;
    let hash =
        get(&provider, "eth_sendRawTransaction", json!([signed(&devnet, 2, payment(0, 5_000_000))])).await;
    assert_eq!(get(&provider, "eth_getTransactionReceipt", json!([hash])).await, Value::Null);
    assert_eq!(get(&provider, "eth_getTransactionByHash", json!([hash])).await["blockHash"], Value::Null);
    let sender = devnet.accounts()[2].address();
    assert_eq!(get(&provider, "eth_getTransactionCount", json!([sender, "pending"])).await, json!("0x1"));
    assert_eq!(get(&provider, "eth_getTransactionCount", json!([sender, "latest"])).await, json!("0x0"));
    let to = Address::repeat_byte(0x77);
    assert_eq!(get(&provider, "eth_getBalance", json!([to, "pending"])).await, json!("0x5"));
    assert_eq!(get(&provider, "eth_getBalance", json!([to])).await, json!("0x0"));
    get(&provider, "evm_mine", json!([])).await;
    let receipt = get(&provider, "eth_getTransactionReceipt", json!([hash])).await;
    assert_eq!(receipt["status"], json!("0x1"));
    assert_eq!(get(&provider, "eth_getBalance", json!([to])).await, json!("0x5"));
    let before =
        get(&provider, "eth_getBalance", json!([to, { "blockHash": parent_of(&provider).await }])).await;
    assert_eq!(before, json!("0x0"), "the past is remembered");
}

async fn parent_of(provider: &RootProvider) -> Value {
    get(provider, "eth_getBlockByNumber", json!(["latest", false])).await["parentHash"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reorg_moves_a_transaction_to_another_block() {
    let devnet = devnet(Mining::Instant).await;
    let provider = http(&devnet);
    let raw = signed(&devnet, 2, payment(0, 5_000_000));
    let hash = get(&provider, "eth_sendRawTransaction", json!([raw])).await;
    get(&provider, "anvil_mine", json!(["0x2"])).await;
    let before = get(&provider, "eth_getTransactionReceipt", json!([hash])).await;
    get(&provider, "anvil_reorg", json!([3, [[raw, 2]]])).await;
    let after = get(&provider, "eth_getTransactionReceipt", json!([hash])).await;
    let number =
        |receipt: &Value| serde_json::from_value::<U256>(receipt["blockNumber"].clone()).expect("in a block");
    assert_eq!(number(&after), number(&before) + U256::from(2));
    let gone = get(&provider, "eth_getBlockByHash", json!([before["blockHash"], false])).await;
    assert_eq!(gone, Value::Null);
    let too_deep =
        ask(&provider, "anvil_reorg", json!([1_000, []])).await.expect_err("the deployment is final");
    assert!(too_deep.message.contains("3 can be replaced"), "{too_deep:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_brings_everything_back_once() {
    let devnet = devnet(Mining::Instant).await;
    let provider = http(&devnet);
    let before = head(&provider).await.0;
    let id = get(&provider, "evm_snapshot", json!([])).await;
    get(&provider, "anvil_setBalance", json!([Address::repeat_byte(0x77), "0x64"])).await;
    get(&provider, "anvil_mine", json!(["0xa"])).await;
    assert_eq!(get(&provider, "eth_getBalance", json!([Address::repeat_byte(0x77)])).await, json!("0x64"));
    assert_eq!(get(&provider, "evm_revert", json!([id])).await, json!(true));
    assert_eq!(head(&provider).await.0, before);
    assert_eq!(get(&provider, "eth_getBalance", json!([Address::repeat_byte(0x77)])).await, json!("0x0"));
    assert_eq!(get(&provider, "evm_revert", json!([id])).await, json!(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_port_is_free_after_the_shutdown() {
    let first = devnet(Mining::Instant).await;
    let address = first.local_addr();
    let taken = strait_devnet::DevnetConfig { listen: address, ..Default::default() };
    let refused = strait_devnet::Devnet::start(taken.clone()).await.err().expect("taken");
    assert!(refused.to_string().contains("choose another port"), "{refused}");
    first.shutdown().await;
    let second = strait_devnet::Devnet::start(taken).await.expect("free again");
    assert_eq!(http(&second).get_chain_id().await.expect("an answer"), 31_337);
}
