//! What a client hears over WebSocket, and what filters tell it.

use crate::client::{deposit, devnet, get, http};
use alloy_primitives::TxKind;
use alloy_provider::{Provider, ProviderBuilder, RootProvider, WsConnect};
use alloy_rpc_types_eth::{Filter, TransactionRequest};
use serde_json::json;
use strait_devnet::{Devnet, Mining};
use strait_types::U256;

async fn ws(devnet: &Devnet) -> RootProvider {
    ProviderBuilder::default().connect_ws(WsConnect::new(devnet.ws_url())).await.expect("a connection")
}

async fn send_deposit(devnet: &Devnet) {
    let deposit = deposit(devnet, devnet.adjudicator(), 3);
    let request = TransactionRequest {
        from: Some(devnet.accounts()[0].address()),
        to: Some(TxKind::Call(deposit.to)),
        value: Some(deposit.value),
        input: deposit.data.into(),
        ..TransactionRequest::default()
    };
    let _ = http(devnet).send_transaction(request).await.expect("sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_and_logs_are_told_and_taken_back() {
    let devnet = devnet(Mining::Instant).await;
    let socket = ws(&devnet).await;
    let mut heads = socket.subscribe_blocks().await.expect("subscribed");
    let filter = Filter::new().address(devnet.adjudicator());
    let mut logs = socket.subscribe_logs(&filter).await.expect("subscribed");

    send_deposit(&devnet).await;
    let head = heads.recv().await.expect("a head");
    let log = logs.recv().await.expect("a log");
    assert_eq!((log.block_hash, log.removed), (Some(head.hash), false));

    get(&socket, "anvil_reorg", json!([1, []])).await;
    let other = heads.recv().await.expect("a head");
    assert_eq!(other.number, head.number);
    assert_ne!(other.hash, head.hash);
    let removed = logs.recv().await.expect("a log");
    assert!(removed.removed);
    assert_eq!((removed.transaction_hash, removed.block_hash), (log.transaction_hash, log.block_hash));
    let receipt = get(&socket, "eth_getTransactionReceipt", json!([log.transaction_hash])).await;
    assert!(receipt.is_null(), "it is in no block");
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_tell_what_is_new_since_they_were_asked() {
    let devnet = devnet(Mining::Instant).await;
    let provider = http(&devnet);
    let blocks = get(&provider, "eth_newBlockFilter", json!([])).await;
    let logs = get(&provider, "eth_newFilter", json!([{ "address": devnet.adjudicator() }])).await;
    send_deposit(&devnet).await;
    get(&provider, "evm_mine", json!([])).await;

    let hashes = get(&provider, "eth_getFilterChanges", json!([blocks])).await;
    assert_eq!(hashes.as_array().map(Vec::len), Some(2));
    let new = get(&provider, "eth_getFilterChanges", json!([logs])).await;
    assert_eq!(new.as_array().map(Vec::len), Some(1));
    assert_eq!(get(&provider, "eth_getFilterChanges", json!([logs])).await, json!([]));
    get(&provider, "anvil_reorg", json!([2, []])).await;
    let taken_back = get(&provider, "eth_getFilterChanges", json!([logs])).await;
    assert_eq!(taken_back[0]["removed"], json!(true));
    assert_eq!(taken_back[0]["logIndex"], new[0]["logIndex"]);
    assert_eq!(get(&provider, "eth_uninstallFilter", json!([logs])).await, json!(true));
    assert_eq!(get(&provider, "eth_uninstallFilter", json!([logs])).await, json!(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_come_by_themselves_at_intervals() {
    let devnet = devnet(Mining::Interval(std::time::Duration::from_millis(20))).await;
    let socket = ws(&devnet).await;
    let mut heads = socket.subscribe_blocks().await.expect("subscribed");
    let first = heads.recv().await.expect("a head").number;
    send_deposit(&devnet).await;
    loop {
        let head = heads.recv().await.expect("a head");
        assert!(head.number > first);
        if head.gas_used > 0 {
            break;
        }
    }
    let held = http(&devnet).get_balance(devnet.adjudicator()).await.expect("an answer");
    assert_eq!(held, U256::from(3));
}
