//! A store that sells per request: whoever asks for an article is told what to pay, pays over a channel, and asks again.
//!
//! `cargo run --release -p strait --example store_axum`

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Router, routing::get};
use futures_util::StreamExt as _;
use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use strait::dev::DevNet;
use strait::{Amount, ApiError, B256, Event, EventQuery, Node, Subscribe};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What an article costs, in wei.
pub(crate) const PRICE: u64 = 5;

/// The caller's payment may be countersigned a moment before this node has told it.
const PATIENCE: Duration = Duration::from_secs(2);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (chain, directory) = (DevNet::start()?, tempfile::tempdir()?);
    let node = Node::builder(directory.path(), DevNet::key("store"))
        .chain(chain.setup("store"))
        .listen("127.0.0.1:0".parse()?)
        .start()
        .await?;
    let listener = TcpListener::bind("127.0.0.1:8080").await?;
    println!("curl -i http://{}/articles/7", listener.local_addr()?);
    sell(&node, listener).await?;
    Ok(())
}

/// What the handlers share.
#[derive(Clone)]
struct Till {
    address: String,
    /// By reference, what was paid in all.
    received: Arc<watch::Sender<HashMap<B256, Amount>>>,
}

/// Serves articles until the node stops.
pub(crate) async fn sell(node: &Node, listener: TcpListener) -> Result<(), Box<dyn Error>> {
    let till = Till {
        address: node.address().ok_or("the store listens")?,
        received: Arc::new(watch::Sender::new(HashMap::new())),
    };
    let news = node.subscribe(EventQuery::default()).await?;
    let router = Router::new().route("/articles/{number}", get(article)).with_state(till.clone());
    tokio::select! {
        served = axum::serve(listener, router) => Ok(served?),
        counted = count(news, till) => Ok(counted?),
    }
}

/// Notes each payment by its reference.
async fn count(mut news: strait::EventStream, till: Till) -> Result<(), ApiError> {
    while let Some(record) = news.next().await {
        let Event::Received { payments, .. } = record?.event else { continue };
        till.received.send_modify(|received| {
            for payment in payments {
                let Some(reference) = payment.invoice else { continue };
                let sum = received.entry(reference).or_default();
                *sum = sum.checked_add(payment.amount).unwrap_or(Amount::MAX);
            }
        });
    }
    Ok(())
}

/// 402 with what is to be paid; with the header `x-payment: REFERENCE` the article, once that is paid.
async fn article(State(till): State<Till>, Path(number): Path<u32>, headers: HeaderMap) -> Response {
    let reference = headers.get("x-payment").and_then(|value| value.to_str().ok()?.parse::<B256>().ok());
    if let Some(reference) = reference {
        let mut received = till.received.subscribe();
        let enough = |received: &HashMap<B256, Amount>| {
            received.get(&reference).is_some_and(|sum| *sum >= Amount::from(PRICE))
        };
        let waited = tokio::time::timeout(PATIENCE, received.wait_for(enough)).await;
        if waited.is_ok_and(|found| found.is_ok()) {
            // Of two who ask at once one is served.
            let mut is_first = false;
            till.received.send_modify(|received| is_first = received.remove(&reference).is_some());
            if is_first {
                return format!("This is article {number}.").into_response();
            }
        }
    }
    let offer = serde_json::json!({
        "pay_to": till.address,
        "amount": PRICE.to_string(),
        "reference": B256::from(random()),
    });
    (StatusCode::PAYMENT_REQUIRED, offer.to_string()).into_response()
}

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the system's randomness");
    bytes
}
