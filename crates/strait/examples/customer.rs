//! A paying customer: opens a channel with a store, buys, and sees what is left.
//!
//! `cargo run --release -p strait --example customer`

use std::error::Error;
use std::path::Path;
use strait::dev::DevNet;
use strait::{
    Address, Amount, Api, AssetAmount, ChannelOpen, ChannelRef, Node, Paid, Pay, wait_until_payable,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let (paid, left) = shop(directory.path(), &["coffee", "cake", "tip"]).await?;
    println!(
        "bought {} things, the last in version {}",
        paid.len(),
        paid.last().map_or(0, |paid| paid.version)
    );
    println!("left in the channel: {left} wei");
    Ok(())
}

/// Buys each thing for 100 wei; tells the payments and what is left of 1,000,000 wei.
pub(crate) async fn shop(directory: &Path, things: &[&str]) -> Result<(Vec<Paid>, Amount), Box<dyn Error>> {
    let chain = DevNet::start()?;
    let store = Node::builder(directory.join("store"), DevNet::key("store"))
        .chain(chain.setup("store"))
        .listen("127.0.0.1:0".parse()?)
        .start()
        .await?;
    let customer = Node::builder(directory.join("customer"), DevNet::key("customer"))
        .chain(chain.setup("customer"))
        .start()
        .await?;

    let deposit = AssetAmount { asset: Address::ZERO, amount: Amount::from(1_000_000) };
    let peer = store.address().ok_or("the store listens")?;
    let request = ChannelOpen { deposit: vec![deposit], ..ChannelOpen::new(peer) };
    let channel = customer.channel_open(request).await?.channel.channel;
    wait_until_payable(&*customer, channel).await?;

    let mut paid = Vec::new();
    for thing in things {
        // With a key a repetition pays nothing more, whatever became of the first try.
        let key = Some(format!("order 17, {thing}"));
        let pay = Pay { memo: (*thing).into(), idempotency_key: key, ..Pay::new(channel, Amount::from(100)) };
        paid.push(customer.pay(pay).await?);
    }

    let info = customer.channel_show(ChannelRef { channel }).await?;
    let left = info.balances.first().map_or(Amount::ZERO, |balance| balance.own);
    customer.stop().await;
    store.stop().await;
    Ok((paid, left))
}
