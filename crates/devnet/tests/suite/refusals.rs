//! What is refused, in the words for which clients look.

use crate::client::{Refusal, ask, devnet, get, http, payment, signed};
use alloy_consensus::{TxEip1559, TxLegacy};
use alloy_primitives::TxKind;
use serde_json::{Value, json};
use strait_devnet::Mining;
use strait_types::abi::calls;
use strait_types::{Address, B256, U256};

const FEE: u128 = 5_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_cannot_be_included_is_refused_at_once() {
    let devnet = devnet(Mining::Instant).await;
    let provider = http(&devnet);
    get(&provider, "eth_sendRawTransaction", json!([signed(&devnet, 0, payment(0, FEE))])).await;
    let poor = U256::from(10_001) * U256::from(10).pow(U256::from(18));
    let to = TxKind::Call(Address::repeat_byte(0x77));
    let refused = [
        (signed(&devnet, 0, payment(0, FEE)), "nonce too low"),
        (
            signed(&devnet, 0, TxEip1559 { value: poor, ..payment(1, FEE) }),
            "insufficient funds for gas * price + value",
        ),
        (signed(&devnet, 0, TxEip1559 { chain_id: 1, ..payment(1, FEE) }), "invalid chain id for signer"),
        (signed(&devnet, 0, TxEip1559 { gas_limit: 20_999, ..payment(1, FEE) }), "intrinsic gas too low"),
        (
            signed(&devnet, 0, TxEip1559 { gas_limit: 1 << 25, ..payment(1, FEE) }),
            "transaction gas limit too high",
        ),
        (signed(&devnet, 0, TxEip1559 { gas_limit: 1 << 26, ..payment(1, FEE) }), "exceeds block gas limit"),
        (signed(&devnet, 0, payment(1, 10)), "max fee per gas less than block base fee"),
        (
            signed(&devnet, 0, TxEip1559 { max_priority_fee_per_gas: FEE + 1, ..payment(1, FEE) }),
            "max priority fee per gas higher than max fee per gas",
        ),
        (signed(&devnet, 0, TxEip1559 { nonce: u64::MAX, ..payment(1, FEE) }), "nonce has max value"),
        (
            signed(
                &devnet,
                0,
                TxLegacy { nonce: 1, gas_limit: 21_000, gas_price: FEE, to, ..TxLegacy::default() },
            ),
            "only replay-protected (EIP-155) transactions allowed over RPC",
        ),
        (
            signed(
                &devnet,
                0,
                TxEip1559 {
                    to: TxKind::Create,
                    gas_limit: 16_000_000,
                    input: vec![0; 49_153].into(),
                    ..payment(1, FEE)
                },
            ),
            "max initcode size exceeded",
        ),
    ];
    for (raw, reason) in refused {
        let refusal = ask(&provider, "eth_sendRawTransaction", json!([raw])).await.expect_err(reason);
        assert_eq!(refusal.code, -32_000);
        assert!(refusal.message.starts_with(reason), "{} is not '{reason}'", refusal.message);
    }
    let blobs = ask(&provider, "eth_sendRawTransaction", json!(["0x03c0"])).await.expect_err("blobs");
    assert!(blobs.message.starts_with("transaction type not supported"), "{blobs:?}");
    let garbage =
        ask(&provider, "eth_sendRawTransaction", json!(["0x02c0ffee"])).await.expect_err("no transaction");
    assert_eq!(garbage.code, -32_602);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_transaction_is_replaced_by_one_that_pays_more() {
    let devnet = devnet(Mining::Manual).await;
    let provider = http(&devnet);
    let send = async |fee: u128| {
        ask(&provider, "eth_sendRawTransaction", json!([signed(&devnet, 0, payment(0, fee))])).await
    };
    let message = |refused: Result<Value, Refusal>| refused.expect_err("refused").message;
    let first = send(10_000_000).await.expect("sent");
    assert_eq!(message(send(10_000_000).await), "already known");
    assert!(message(send(10_900_000).await).starts_with("replacement transaction underpriced"));
    let second = send(11_000_000).await.expect("ten per cent more");
    get(&provider, "evm_mine", json!([])).await;
    assert_eq!(get(&provider, "eth_getTransactionReceipt", json!([first])).await, Value::Null);
    assert_eq!(get(&provider, "eth_getTransactionReceipt", json!([second])).await["status"], json!("0x1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nonces_are_waited_for() {
    let devnet = devnet(Mining::Instant).await;
    let provider = http(&devnet);
    let send = async |nonce| {
        get(&provider, "eth_sendRawTransaction", json!([signed(&devnet, 0, payment(nonce, FEE))])).await
    };
    let later = send(1).await;
    assert_eq!(get(&provider, "eth_getTransactionReceipt", json!([later])).await, Value::Null);
    assert_eq!(
        get(&provider, "txpool_status", json!([])).await,
        json!({ "pending": "0x0", "queued": "0x1" })
    );
    send(0).await;
    let receipt = get(&provider, "eth_getTransactionReceipt", json!([later])).await;
    assert_eq!(
        (&receipt["transactionIndex"], &receipt["cumulativeGasUsed"]),
        (&json!("0x1"), &json!("0xa410"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revert_says_why() {
    let devnet = devnet(Mining::Instant).await;
    let provider = http(&devnet);
    let call = json!({
        "from": devnet.accounts()[0].address(),
        "to": devnet.adjudicator(),
        "data": calls::withdraw_credit(Address::ZERO, Address::repeat_byte(1)),
    });
    for method in ["eth_call", "eth_estimateGas", "eth_sendTransaction"] {
        let refusal = ask(&provider, method, json!([call])).await.expect_err("there is no credit");
        assert_eq!((refusal.code, refusal.message.as_str()), (3, "execution reverted: NoCredit"));
        let selector = &alloy_primitives::keccak256("NoCredit()")[..4];
        assert_eq!(refusal.data, Some(json!(alloy_primitives::Bytes::copy_from_slice(selector))));
    }
    let lent = json!({ Address::repeat_byte(9).to_string(): { "balance": "0x1" } });
    let stranger = json!({ "from": Address::repeat_byte(9), "to": Address::repeat_byte(1) });
    let refusal = ask(&provider, "eth_sendTransaction", json!([stranger])).await.expect_err("no key");
    assert!(refusal.message.starts_with("unknown account"), "{refusal:?}");
    let too_rich = json!({ "to": Address::repeat_byte(1), "from": Address::repeat_byte(9), "value": "0x1" });
    let refusal = ask(&provider, "eth_call", json!([too_rich])).await.expect_err("no money");
    assert!(refusal.message.starts_with("insufficient funds"), "{refusal:?}");
    assert_eq!(
        get(&provider, "eth_call", json!([too_rich, "latest", lent])).await,
        json!("0x"),
        "lent for the call"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_null_or_named() {
    let devnet = devnet(Mining::Instant).await;
    let provider = http(&devnet);
    assert_eq!(get(&provider, "eth_getBlockByNumber", json!(["0xffff", true])).await, Value::Null);
    assert_eq!(get(&provider, "eth_getBlockByHash", json!([B256::ZERO, true])).await, Value::Null);
    let beyond =
        ask(&provider, "eth_getBalance", json!([Address::ZERO, "0xffff"])).await.expect_err("no such block");
    assert!(beyond.message.starts_with("header not found"), "{beyond:?}");
    let unknown =
        ask(&provider, "eth_getLogs", json!([{ "blockHash": B256::ZERO }])).await.expect_err("no such block");
    assert_eq!(unknown.message, "unknown block");
    let method = ask(&provider, "eth_getProof", json!([])).await.expect_err("no such method");
    assert_eq!(method.code, -32_601);
    get(&provider, "anvil_mine", json!(["0x12c"])).await;
    let old = ask(&provider, "eth_getBalance", json!([Address::ZERO, "0x5"])).await.expect_err("forgotten");
    assert!(old.message.starts_with("missing trie node"), "{old:?}");
}
