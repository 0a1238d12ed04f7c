//! A client deploys a contract, sends, calls, and reads what happened.

use crate::client::{channel, deposit, devnet, get, http, payment, signed};
use alloy_consensus::{TxEip2930, TxEip7702, TxLegacy};
use alloy_eips::eip7702::Authorization;
use alloy_primitives::{Signature, TxKind};
use alloy_provider::Provider;
use alloy_rpc_types_eth::{Filter, TransactionRequest};
use serde_json::{Value, json};
use strait_devnet::{Devnet, Mining};
use strait_types::abi::{AdjudicatorEvent, decode_event, views};
use strait_types::{Address, AssetIndex, Bytes, U256};

fn artifact() -> Bytes {
    let text = include_str!("../../../../contracts/artifacts/Adjudicator.json");
    let artifact: Value = serde_json::from_str(text).expect("JSON");
    artifact["bytecode"].as_str().expect("bytecode").parse().expect("hexadecimal")
}

async fn deploy(devnet: &Devnet) -> Address {
    let request = TransactionRequest {
        from: Some(devnet.accounts()[0].address()),
        to: Some(TxKind::Create),
        input: artifact().into(),
        ..TransactionRequest::default()
    };
    let sent = http(devnet).send_transaction(request).await.expect("sent");
    let receipt = sent.get_receipt().await.expect("in a block");
    assert!(receipt.status());
    receipt.contract_address.expect("it creates a contract")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_is_deployed_used_and_read() {
    let devnet = devnet(Mining::Instant).await;
    let provider = http(&devnet);
    let adjudicator = deploy(&devnet).await;
    let code = provider.get_code_at(adjudicator).await.expect("an answer");
    assert!(code.len() > 10_000, "{}", code.len());

    let deposit = deposit(&devnet, adjudicator, 42);
    let request = TransactionRequest {
        from: Some(devnet.accounts()[0].address()),
        to: Some(TxKind::Call(deposit.to)),
        value: Some(deposit.value),
        input: deposit.data.into(),
        ..TransactionRequest::default()
    };
    let sent = provider.send_transaction(request).await.expect("sent");
    let receipt = sent.get_receipt().await.expect("in a block");
    assert!(receipt.status() && receipt.effective_gas_price > 0);

    let id = channel(&devnet).id(devnet.chain_id(), adjudicator);
    let view = TransactionRequest {
        to: Some(TxKind::Call(adjudicator)),
        input: views::funds(id, AssetIndex(0)).into(),
        ..TransactionRequest::default()
    };
    let answer = provider.call(view).await.expect("a view");
    assert_eq!(views::read_funds(&answer).expect("decodes").deposited[0].units(), 42);

    let filter = Filter::new().address(adjudicator).from_block(0).topic1(id.0);
    let logs = provider.get_logs(&filter).await.expect("logs");
    assert_eq!(logs, receipt.logs(), "the same log, with the same place");
    let event = decode_event(logs[0].topics(), &logs[0].inner.data.data).expect("decodes");
    assert!(matches!(event, Some(AdjudicatorEvent::Deposited { .. })), "{event:?}");
    let elsewhere = Filter::new().address(devnet.adjudicator()).from_block(0).topic1(id.0);
    assert_eq!(provider.get_logs(&elsewhere).await.expect("logs"), []);
    devnet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_usual_type_of_transaction_is_carried() {
    let devnet = devnet(Mining::Instant).await;
    let provider = http(&devnet);
    let to = TxKind::Call(Address::repeat_byte(0x77));
    let (value, gas_price, chain_id) = (U256::from(5), 2_000_000, 31_337);
    let legacy =
        TxLegacy { chain_id: Some(chain_id), gas_limit: 21_000, gas_price, to, value, ..TxLegacy::default() };
    let with_list =
        TxEip2930 { chain_id, nonce: 1, gas_limit: 21_000, gas_price, to, value, ..TxEip2930::default() };
    let all = [
        signed(&devnet, 3, legacy),
        signed(&devnet, 3, with_list),
        signed(&devnet, 3, payment(2, gas_price)),
    ];
    for (index, raw) in all.into_iter().enumerate() {
        let receipt =
            provider.send_raw_transaction(&raw).await.expect("sent").get_receipt().await.expect("mined");
        assert_eq!((receipt.status(), receipt.gas_used), (true, 21_000));
        assert_eq!(u8::from(receipt.transaction_type()), index as u8);
        let hash = receipt.transaction_hash;
        let transaction = get(&provider, "eth_getTransactionByHash", json!([hash])).await;
        assert_eq!(transaction["from"], json!(devnet.accounts()[3].address()));
        assert_eq!(transaction["type"], json!(format!("{index:#x}")));
        assert_eq!(get(&provider, "eth_getRawTransactionByHash", json!([hash])).await, json!(raw));
    }
    assert_eq!(provider.get_balance(Address::repeat_byte(0x77)).await.expect("an answer"), U256::from(15));
    assert_eq!(provider.get_transaction_count(devnet.accounts()[3].address()).await.expect("an answer"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_takes_the_code_of_a_contract() {
    let devnet = devnet(Mining::Instant).await;
    let provider = http(&devnet);
    let authorization = Authorization { chain_id: U256::from(31_337), address: devnet.usdc(), nonce: 0 };
    let by = &devnet.accounts()[4];
    let signature = Signature::from_erc2098(&by.key.sign(authorization.signature_hash()).0);
    let transaction = TxEip7702 {
        chain_id: 31_337,
        gas_limit: 100_000,
        max_fee_per_gas: 5_000_000,
        to: Address::repeat_byte(0x77),
        authorization_list: vec![authorization.into_signed(signature)],
        ..TxEip7702::default()
    };
    let raw = signed(&devnet, 3, transaction);
    let receipt =
        provider.send_raw_transaction(&raw).await.expect("sent").get_receipt().await.expect("mined");
    assert!(receipt.status());
    let code = provider.get_code_at(by.address()).await.expect("an answer");
    assert_eq!(code.as_ref(), [&[0xef, 0x01, 0x00][..], devnet.usdc().as_slice()].concat());
    let raw = signed(&devnet, 4, payment(1, 5_000_000));
    let receipt = provider.send_raw_transaction(&raw).await.expect("it can still send").get_receipt().await;
    assert!(receipt.expect("mined").status());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_accounts_are_funded() {
    let devnet = devnet(Mining::Instant).await;
    let provider = http(&devnet);
    assert_eq!(devnet.accounts().len(), 10);
    for account in devnet.accounts() {
        let ether = provider.get_balance(account.address()).await.expect("an answer");
        assert_eq!(ether, U256::from(10_000) * U256::from(10).pow(U256::from(18)));
        let view = TransactionRequest {
            to: Some(TxKind::Call(devnet.usdc())),
            input: views::balance_of(account.address()).into(),
            ..TransactionRequest::default()
        };
        let answer = provider.call(view).await.expect("a view");
        assert_eq!(views::read_balance_of(&answer), Ok(U256::from(1_000_000_000_000u64)));
    }
    let deployed = provider.get_logs(&Filter::new().address(devnet.adjudicator()).from_block(0)).await;
    assert_eq!(deployed.expect("an answer"), [], "nobody has used the adjudicator");
    let block = json!([format!("{:#x}", devnet.adjudicator_block())]);
    let receipts = get(&provider, "eth_getBlockReceipts", block).await;
    assert_eq!(receipts[0]["contractAddress"], json!(devnet.adjudicator()));
}
