//! Strait for programs: payment channels by a node inside the program ([`Node`]) or by one elsewhere ([`Client`]), behind
//! one interface ([`Api`], [`Subscribe`]).
//!
//! A customer pays a store, both in this program, on a chain in this program too:
//!
//! ```
//! use strait::dev::DevNet;
//! use strait::{Address, Amount, Api, AssetAmount, ChannelOpen, Node, Pay, wait_until_payable};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let directory = directory.path();
//! let chain = DevNet::start()?;
//! let store = Node::builder(directory.join("store"), DevNet::key("store"))
//!     .chain(chain.setup("store"))
//!     .listen("127.0.0.1:0".parse()?)
//!     .start()
//!     .await?;
//! let customer = Node::builder(directory.join("customer"), DevNet::key("customer"))
//!     .chain(chain.setup("customer"))
//!     .start()
//!     .await?;
//!
//! let deposit = AssetAmount { asset: Address::ZERO, amount: Amount::from(1_000_000) };
//! let peer = store.address().ok_or("the store listens")?;
//! let opened = customer.channel_open(ChannelOpen { deposit: vec![deposit], ..ChannelOpen::new(peer) }).await?;
//! let channel = opened.channel.channel;
//! wait_until_payable(&*customer, channel).await?;
//! let paid = customer.pay(Pay { memo: "coffee".into(), ..Pay::new(channel, Amount::from(42)) }).await?;
//! assert_eq!(paid.number, 0);
//! # customer.stop().await;
//! # store.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! On a real chain, `ChainSetup::rpc` takes the place of `DevNet::setup`. A remote node needs
//! `Client::connect("http://127.0.0.1:4041", &token)` and nothing else. The folder `examples/` has a paying customer, a
//! store that sells per request inside an axum server, a bot, and a node with its data in two places.

mod client;
pub mod dev;
mod node;
mod wait;

pub use client::{Client, ClientConfig, Connection, OnConnection};
pub use node::{ChainSetup, Node, NodeBuilder, NodeError};
pub use strait_api::*;
pub use strait_chain::rpc::{EndpointConfig, RpcConfig, Url};
pub use strait_engine::{Alarms, Policy};
pub use strait_node::server::{ServerConfig, ServerLimits, Tokens as TokenStore};
pub use strait_node::service::Service;
pub use strait_protocol::Settings;
pub use strait_types::{Address, Amount, B256, Bytes, ChannelId, SigningKey, U256};
pub use wait::wait_until_payable;
