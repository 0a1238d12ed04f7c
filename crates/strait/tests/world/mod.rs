//! A store and a customer on a chain, with a channel that the customer can pay over.

#![allow(dead_code)]

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use strait::dev::DevNet;
use strait::{
    Address, Amount, Api, AssetAmount, ChannelId, ChannelOpen, Client, Node, Pay, Scope, ServerConfig,
    SpendLimits, TokenCreate, wait_until_payable,
};
use tempfile::TempDir;

/// Nothing here takes long; what never comes must not be waited for.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) async fn soon<T>(what: &str, act: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, act).await.unwrap_or_else(|_| panic!("{what} never came"))
}

pub(crate) struct World {
    pub(crate) chain: DevNet,
    pub(crate) directory: TempDir,
    pub(crate) store: Node,
    pub(crate) customer: Node,
    pub(crate) channel: ChannelId,
}

pub(crate) async fn store(chain: &DevNet, directory: &Path) -> Node {
    let builder = Node::builder(directory, DevNet::key("store")).chain(chain.setup("store"));
    builder.listen(loopback()).start().await.expect("a store")
}

pub(crate) async fn customer(chain: &DevNet, directory: &Path) -> Node {
    let builder = Node::builder(directory, DevNet::key("customer")).chain(chain.setup("customer"));
    builder.start().await.expect("a customer")
}

pub(crate) async fn open(customer: &Node, store: &Node) -> ChannelId {
    let deposit = AssetAmount { asset: Address::ZERO, amount: Amount::from(1_000_000_000) };
    let peer = store.address().expect("it listens");
    let request = ChannelOpen { deposit: vec![deposit], ..ChannelOpen::new(peer) };
    let channel = soon("the opening", customer.channel_open(request)).await.expect("opened").channel.channel;
    soon("the deposit", wait_until_payable(&**customer, channel)).await.expect("payable");
    channel
}

pub(crate) fn loopback() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

impl World {
    pub(crate) async fn new() -> World {
        let chain = DevNet::start().expect("a chain");
        let directory = tempfile::tempdir().expect("a directory");
        let store = store(&chain, &directory.path().join("store")).await;
        let customer = customer(&chain, &directory.path().join("customer")).await;
        let channel = open(&customer, &store).await;
        World { chain, directory, store, customer, channel }
    }

    pub(crate) async fn pay(&self, amount: u64) {
        let pay = Pay::new(self.channel, Amount::from(amount));
        soon("the payment", self.customer.pay(pay)).await.expect("paid");
    }

    pub(crate) async fn connect_to_store(&mut self, scopes: &[Scope]) -> Client {
        let address = self.store.serve(ServerConfig::new(loopback())).await.expect("serves");
        let secret = token(&self.store, scopes);
        Client::connect(&format!("http://{address}"), &secret).await.expect("a client")
    }

    pub(crate) async fn stop(self) {
        self.customer.stop().await;
        self.store.stop().await;
    }
}

pub(crate) fn token(node: &Node, scopes: &[Scope]) -> String {
    let wish = TokenCreate {
        name: "test".into(),
        scopes: scopes.to_vec(),
        limits: SpendLimits::default(),
        expires_in: None,
    };
    node.tokens().create(&wish).expect("a token").secret
}
