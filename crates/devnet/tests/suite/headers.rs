//! What a distrustful client checks: hashes, roots and blooms follow from what is in them.

use crate::client::{deposit, devnet, http, payment, signed};
use alloy_consensus::proofs::{calculate_receipt_root, calculate_transaction_root};
use alloy_primitives::{Bloom, TxKind};
use alloy_provider::Provider;
use alloy_rpc_types_eth::{BlockId, TransactionRequest};
use strait_devnet::Mining;

#[tokio::test(flavor = "multi_thread")]
async fn hashes_roots_and_blooms_follow_from_the_contents() {
    let devnet = devnet(Mining::Manual).await;
    let provider = http(&devnet);
    let deposit = deposit(&devnet, devnet.adjudicator(), 9);
    let request = TransactionRequest {
        from: Some(devnet.accounts()[0].address()),
        to: Some(TxKind::Call(deposit.to)),
        value: Some(deposit.value),
        input: deposit.data.into(),
        ..TransactionRequest::default()
    };
    let _ = provider.send_transaction(request).await.expect("sent");
    for nonce in 0..3 {
        let raw = signed(&devnet, 1, payment(nonce, 5_000_000));
        let _ = provider.send_raw_transaction(&raw).await.expect("sent");
    }
    provider.raw_request::<_, ()>("anvil_mine".into(), ()).await.expect("mined");

    let head = provider.get_block_number().await.expect("an answer");
    let mut parent = None;
    for number in 0..=head {
        let block =
            provider.get_block(BlockId::number(number)).full().await.expect("an answer").expect("there");
        assert_eq!(block.header.inner.hash_slow(), block.header.hash);
        assert!(parent.is_none_or(|parent| parent == block.header.parent_hash));
        parent = Some(block.header.hash);
        let transactions: Vec<_> = block.transactions.txns().map(|one| one.inner.inner().clone()).collect();
        assert_eq!(calculate_transaction_root(&transactions), block.header.transactions_root);
        let receipts = provider.get_block_receipts(BlockId::number(number)).await.expect("an answer");
        let receipts: Vec<_> =
            receipts.expect("there").into_iter().map(|one| one.inner.map_logs(|log| log.inner)).collect();
        assert_eq!(calculate_receipt_root(&receipts), block.header.receipts_root);
        let bloom = receipts.iter().fold(Bloom::ZERO, |bloom, one| bloom | *one.logs_bloom());
        assert_eq!(bloom, block.header.logs_bloom);
        if number == head {
            assert_eq!((transactions.len(), bloom.is_empty()), (4, false));
        }
    }
}
