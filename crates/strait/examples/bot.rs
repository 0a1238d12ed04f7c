//! A bot at a node that runs elsewhere: it gives back a tenth of every payment, once, also after it was restarted.
//!
//! `STRAIT_TOKEN=... cargo run --release -p strait --example bot -- http://127.0.0.1:4041`

use futures_util::StreamExt as _;
use std::error::Error;
use strait::{Amount, Api, ApiError, Client, Event, EventQuery, Pay, Subscribe};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("give the address of the node's API")?;
    let node = Client::connect(&url, &std::env::var("STRAIT_TOKEN")?).await?;
    // A bot that must miss nothing keeps the cursor on disk.
    let mut cursor = None;
    loop {
        cursor = Some(give_back(&node, cursor, usize::MAX).await?);
    }
}

/// Answers so many payments after the cursor; returns the cursor of the last.
///
/// # Errors
/// What the node says.
pub(crate) async fn give_back<N>(node: &N, cursor: Option<String>, count: usize) -> Result<String, ApiError>
where
    N: Api + Subscribe,
{
    let mut cursor = cursor.unwrap_or_default();
    let after = (!cursor.is_empty()).then(|| cursor.clone());
    let mut news = node.subscribe(EventQuery { after, ..EventQuery::default() }).await?;
    let mut answered = 0;
    while let Some(record) = news.next().await {
        let record = record?;
        let (Some(channel), Event::Received { first, payments, .. }) = (record.channel, record.event) else {
            continue;
        };
        for (number, payment) in (first..).zip(payments) {
            let Some(tenth) = Amount::new(payment.amount.units() / 10).filter(|tenth| !tenth.is_zero())
            else {
                continue;
            };
            let pay = Pay {
                asset: Some(payment.asset),
                memo: format!("a tenth of payment {number}"),
                // The same payment has the same key, so it is answered once.
                idempotency_key: Some(format!("tenth {channel} {number}")),
                ..Pay::new(channel, tenth)
            };
            node.pay(pay).await?;
            answered += 1;
        }
        cursor = record.cursor;
        if answered >= count {
            break;
        }
    }
    Ok(cursor)
}
