//! Transactions on their way in.

use super::error::{Answer, failed, invalid, refused};
use super::{Methods, Registered, method};
use crate::node::Node;
use crate::rpc::{fees, state};
use alloy_eips::eip2718::{Decodable2718 as _, EIP4844_TX_TYPE_ID};
use alloy_rpc_types_eth::TransactionRequest;
use std::collections::BTreeMap;
use strait_chain::dev::{PoolError, SignedTransaction, Transaction, UnsignedTransaction};
use strait_types::{B256, Bytes};

pub(super) fn register(methods: &mut Methods) -> Registered {
    method(methods, "eth_sendRawTransaction", |node, mut params| send(node, decode(&params.next()?)?))?;
    method(methods, "eth_sendTransaction", |node, mut params| {
        let transaction = sign(node, params.next()?)?;
        send(node, transaction.envelope().clone())
    })?;
    method(methods, "eth_signTransaction", |node, mut params| {
        use alloy_eips::eip2718::Encodable2718 as _;
        let transaction = sign(node, params.next()?)?;
        Ok(Bytes::from(transaction.envelope().encoded_2718()))
    })
}

/// A transaction in the form in which the network carries it.
pub(super) fn decode(bytes: &Bytes) -> Answer<SignedTransaction> {
    if bytes.first() == Some(&EIP4844_TX_TYPE_ID) {
        return Err(refused(&PoolError::Blobs));
    }
    let mut rest = bytes.as_ref();
    let decoded = SignedTransaction::decode_2718(&mut rest);
    match decoded {
        Ok(transaction) if rest.is_empty() => Ok(transaction),
        Ok(_) => Err(invalid("rlp: the transaction is followed by other bytes")),
        Err(error) => Err(invalid(format!("the transaction cannot be read: {error}"))),
    }
}

fn send(node: &Node, transaction: SignedTransaction) -> Answer<B256> {
    node.with(|chain| chain.send(transaction)).map_err(|error| refused(&error))
}

/// Completes a transaction of a funded account, and signs it.
fn sign(node: &Node, mut request: TransactionRequest) -> Answer<Transaction> {
    let from = request.from.ok_or_else(|| invalid("the sender is missing: say `from`"))?;
    let account = node.account(from);
    let account = account.ok_or_else(|| {
        failed(format!("unknown account: the key of {from} is not held here; sign the transaction yourself"))
    })?;
    let (chain_id, nonce, base_fee) = node
        .with(|chain| (chain.config().chain_id, chain.next_nonce(from), u128::from(chain.config().base_fee)));
    request.chain_id.get_or_insert(chain_id);
    request.nonce.get_or_insert(nonce);
    if request.gas_price.is_none() {
        let tip = *request.max_priority_fee_per_gas.get_or_insert(fees::TIP);
        request.max_fee_per_gas.get_or_insert(base_fee.saturating_mul(2).saturating_add(tip));
    }
    if request.gas.is_none() {
        let call = state::call(request.clone(), BTreeMap::new())?;
        request.gas = Some(state::estimate(node, &call, None)?.to());
    }
    let kind = request.to.unwrap_or_default();
    request.to = Some(kind);
    let typed = request.build_consensus_tx().map_err(|error| invalid(error.error))?;
    let unsigned = match typed {
        alloy_consensus::TypedTransaction::Legacy(tx) => UnsignedTransaction::Legacy(tx),
        alloy_consensus::TypedTransaction::Eip2930(tx) => UnsignedTransaction::Eip2930(tx),
        alloy_consensus::TypedTransaction::Eip1559(tx) => UnsignedTransaction::Eip1559(tx),
        alloy_consensus::TypedTransaction::Eip7702(tx) => UnsignedTransaction::Eip7702(tx),
        alloy_consensus::TypedTransaction::Eip4844(_) => {
            return Err(refused(&PoolError::Blobs));
        }
    };
    Ok(Transaction::signed(unsigned, &account.key))
}
