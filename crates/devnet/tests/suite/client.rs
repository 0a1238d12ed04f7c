//! What the tests share: a devnet and clients of it.

use alloy_consensus::TxEip1559;
use alloy_primitives::TxKind;
use alloy_provider::{Provider, ProviderBuilder, RootProvider};
use serde_json::Value;
use strait_chain::dev::{Transaction, UnsignedTransaction};
use strait_devnet::{Devnet, DevnetConfig, Mining};
use strait_engine::ports::TxRequest;
use strait_types::abi::calls;
use strait_types::{Address, B256, Bytes, ChannelParams, Participant, Side, U256};

/// Start of the chain's clock, far from the machine's.
pub(crate) const GENESIS_TIME: u64 = 1_900_000_000;

pub(crate) async fn devnet(mining: Mining) -> Devnet {
    let config = DevnetConfig { mining, genesis_time: Some(GENESIS_TIME), ..DevnetConfig::default() };
    Devnet::start(config).await.expect("port 0 is free")
}

pub(crate) fn http(devnet: &Devnet) -> RootProvider {
    // The client wants to know by what it would encrypt, and is content that another test has said so.
    rustls::crypto::ring::default_provider().install_default().ok();
    let url = devnet.http_url().parse().expect("a URL");
    ProviderBuilder::default().connect_http(url)
}

/// Code, message and data of a JSON-RPC error.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Refusal {
    pub(crate) code: i64,
    pub(crate) message: String,
    pub(crate) data: Option<Value>,
}

/// Asks any method.
pub(crate) async fn ask(provider: &RootProvider, method: &str, params: Value) -> Result<Value, Refusal> {
    let answer = provider.raw_request::<_, Value>(method.to_owned().into(), params).await;
    answer.map_err(|error| {
        let payload = error.as_error_resp().unwrap_or_else(|| panic!("{method}: {error}"));
        let data = payload.data.as_ref().map(|raw| serde_json::from_str(raw.get()).expect("JSON"));
        Refusal { code: payload.code, message: payload.message.to_string(), data }
    })
}

/// Asks what cannot fail.
pub(crate) async fn get(provider: &RootProvider, method: &str, params: Value) -> Value {
    let answer = ask(provider, method, params).await;
    answer.unwrap_or_else(|refusal| panic!("{method}: {refusal:?}"))
}

/// A channel of the first two accounts.
pub(crate) fn channel(devnet: &Devnet) -> ChannelParams {
    let participant = |index: usize| {
        let address = devnet.accounts()[index].address();
        Participant { signer: address, payout: address }
    };
    ChannelParams {
        participants: [participant(0), participant(1)],
        challenge_duration: 3_600,
        nonce: 7,
        app: Address::ZERO,
        child: B256::ZERO,
        assets: vec![Address::ZERO],
    }
}

/// A deposit of the first account into [`channel`].
pub(crate) fn deposit(devnet: &Devnet, adjudicator: Address, wei: u64) -> TxRequest {
    let data = calls::deposit(&channel(devnet), Side::Zero);
    TxRequest { to: adjudicator, value: U256::from(wei), data }
}

/// A plain payment of an account.
pub(crate) fn payment(nonce: u64, fee: u128) -> TxEip1559 {
    TxEip1559 {
        chain_id: 31_337,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: fee,
        max_priority_fee_per_gas: fee / 10,
        to: TxKind::Call(Address::repeat_byte(0x77)),
        value: U256::from(5),
        ..TxEip1559::default()
    }
}

/// Signed by one of the funded accounts, as the network carries it.
pub(crate) fn signed(devnet: &Devnet, account: usize, unsigned: impl Into<UnsignedTransaction>) -> Bytes {
    use alloy_eips::eip2718::Encodable2718;
    let transaction = Transaction::signed(unsigned.into(), &devnet.accounts()[account].key);
    transaction.envelope().encoded_2718().into()
}
