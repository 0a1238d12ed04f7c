//! Input by which no client is served and no server may fall.

use crate::client::{ask, devnet, get, http};
use alloy_provider::RootProvider;
use serde_json::{Value, json};
use strait_devnet::{Devnet, Mining};
use strait_types::{Address, B256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Status line and body of the answer to a POST of any bytes.
async fn post(devnet: &Devnet, host: &str, body: &[u8]) -> (String, String) {
    let mut stream = TcpStream::connect(devnet.local_addr()).await.expect("it listens");
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    // The server may answer, and close, before it has read everything.
    stream.write_all(body).await.ok();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
}

async fn is_alive(provider: &RootProvider) {
    assert_eq!(get(provider, "eth_chainId", json!([])).await, json!("0x7a69"));
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_answered_with_an_error() {
    let devnet = devnet(Mining::Instant).await;
    let host = devnet.local_addr().to_string();
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"eth_getLogs","params":[{{"topics":{}{}}}]}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let garbage: [&[u8]; 7] = [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe\x00",
        br#"{"jsonrpc":"2.0","id":1}"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":{"address":1}}"#,
        deep.as_bytes(),
    ];
    for body in garbage {
        let (status, answer) = post(&devnet, &host, body).await;
        assert!(answer.contains("\"error\"") || status.contains(" 400 "), "{status}: {answer}");
    }
    is_alive(&http(&devnet)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_is_refused() {
    let devnet = devnet(Mining::Instant).await;
    let host = devnet.local_addr().to_string();
    let (status, _) = post(&devnet, &host, &vec![b' '; 3 << 20]).await;
    assert!(status.contains(" 413 ") || status.is_empty(), "{status}");
    let one = r#"{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}"#;
    let batch = |count| format!("[{}]", vec![one; count].join(","));
    let (_, allowed) = post(&devnet, &host, batch(1_000).as_bytes()).await;
    let answers: Vec<Value> = serde_json::from_str(&allowed).expect("a thousand answers");
    assert!(answers.len() == 1_000 && answers.iter().all(|answer| answer["result"] == json!("0x3")));
    let (_, refused) = post(&devnet, &host, batch(1_001).as_bytes()).await;
    assert!(refused.contains("batch request was too large"), "{refused}");

    let provider = http(&devnet);
    let addresses = vec![Address::ZERO; 1];
    let many: Vec<B256> =
        (0..1_001u64).map(|index| B256::from(alloy_primitives::U256::from(index))).collect();
    let filter = json!([{ "address": addresses, "topics": [many] }]);
    let refused = ask(&provider, "eth_getLogs", filter).await.expect_err("too many alternatives");
    assert!(refused.message.contains("at most 1000"), "{refused:?}");
    for (method, params) in [
        ("anvil_mine", json!(["0xffffffffffffffff"])),
        ("evm_increaseTime", json!(["0xffffffffffffffff"])),
        ("evm_setNextBlockTimestamp", json!(["0xffffffffffffffff"])),
        ("anvil_reorg", json!(["0xffffffffffffffff", []])),
        ("eth_feeHistory", json!(["0xffffffffffffffff", "latest", [50, 10]])),
        (
            "eth_call",
            json!([{ "to": Address::ZERO }, "latest", { Address::ZERO.to_string(): { "code": "0xef01" } }]),
        ),
    ] {
        ask(&provider, method, params).await.expect_err(method);
    }
    let whole = json!([{ "fromBlock": "0x0", "toBlock": "0xffffffffffffffff" }]);
    let beyond = get(&provider, "eth_getLogs", whole).await;
    assert!(beyond.as_array().is_some_and(|logs| !logs.is_empty()), "what there is of the range");
    let long = get(&provider, "eth_feeHistory", json!(["0xffffffffffffffff", "latest", []])).await;
    assert_eq!(long["oldestBlock"], json!("0x0"));
    is_alive(&provider).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_calls_end() {
    let devnet = devnet(Mining::Instant).await;
    let provider = http(&devnet);
    // JUMPDEST PUSH0 JUMP, as init code: it loops until the gas is gone.
    let endless = json!({ "data": "0x5b5f56", "gas": "0xffffffffffffffff" });
    let refused = ask(&provider, "eth_call", json!([endless])).await.expect_err("out of gas");
    assert!(refused.message.starts_with("out of gas"), "{refused:?}");
    let refused = ask(&provider, "eth_estimateGas", json!([endless])).await.expect_err("out of gas");
    assert!(refused.message.starts_with("gas required exceeds allowance"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_hosts_names_are_refused() {
    let devnet = devnet(Mining::Instant).await;
    let body = br#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}"#;
    let (status, _) = post(&devnet, "attacker.example", body).await;
    assert!(status.contains(" 403 "), "{status}");
    let (status, answer) = post(&devnet, "localhost:8545", body).await;
    assert!(status.contains(" 200 ") && answer.contains("0x7a69"), "{status}: {answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_without_end_come_in_parts() {
    let devnet = devnet(Mining::Instant).await;
    let provider = http(&devnet);
    // Init code that logs until little gas is left, and then stops: JUMPDEST PUSH0 PUSH0 LOG0 PUSH2 0x1000 GAS GT PUSH0 JUMPI STOP.
    let code = "0x5b5f5fa06110005a115f5700";
    for _ in 0..2 {
        let request = json!({ "from": devnet.accounts()[0].address(), "data": code, "gas": "0x1000000" });
        let hash = get(&provider, "eth_sendTransaction", json!([request])).await;
        let receipt = get(&provider, "eth_getTransactionReceipt", json!([hash])).await;
        assert_eq!(receipt["status"], json!("0x1"));
    }
    let refused = ask(&provider, "eth_getLogs", json!([{ "fromBlock": "0x0" }])).await.expect_err("too many");
    assert_eq!(refused.code, -32_005);
    assert!(refused.message.starts_with("query returned more than 10000 results"), "{refused:?}");
}
