//! What a client hears of without asking, over WebSocket.

use super::error::{Answer, invalid};
use super::logs::check;
use super::{Methods, Registered, convert, filters};
use crate::changes::{Changes, View};
use crate::node::Node;
use alloy_rpc_types_eth::Filter;
use alloy_rpc_types_eth::pubsub::SubscriptionKind;
use jsonrpsee::core::traits::IdProvider;
use jsonrpsee::server::{PendingSubscriptionSink, SubscriptionSink};
use jsonrpsee::types::{Params, SubscriptionId};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Subscriptions are numbered, in hexadecimal as everything is.
#[derive(Debug, Default)]
pub(crate) struct HexIds(AtomicU64);

impl IdProvider for HexIds {
    fn next_id(&self) -> SubscriptionId<'static> {
        let id = self.0.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        SubscriptionId::Str(format!("{id:#x}").into())
    }
}

enum Topic {
    NewHeads,
    Logs(Box<Filter>),
}

pub(super) fn register(methods: &mut Methods) -> Registered {
    methods.register_subscription(
        "eth_subscribe",
        "eth_subscription",
        "eth_unsubscribe",
        |params, pending, node, _| async move { serve(params, pending, node).await },
    )?;
    Ok(())
}

async fn serve(params: Params<'static>, pending: PendingSubscriptionSink, node: Arc<Node>) {
    let topic = match topic(&params) {
        Ok(topic) => topic,
        Err(error) => return pending.reject(error).await,
    };
    let mut heads = node.heads.subscribe();
    let mut view = node.with(|chain| View::of(chain));
    // Who has gone hears nothing.
    let Ok(sink) = pending.accept().await else { return };
    loop {
        tokio::select! {
            () = sink.closed() => return,
            changed = heads.changed() => if changed.is_err() { return },
        }
        loop {
            let changes = node.with(|chain| view.changes(chain));
            if changes.is_empty() {
                break;
            }
            if tell(&sink, &topic, &changes).await.is_none() {
                return;
            }
        }
    }
}

fn topic(params: &Params<'_>) -> Answer<Topic> {
    let mut params = params.sequence();
    match params.next::<SubscriptionKind>()? {
        SubscriptionKind::NewHeads => Ok(Topic::NewHeads),
        SubscriptionKind::Logs => {
            let filter: Filter = params.optional_next()?.unwrap_or_default();
            check(&filter)?;
            Ok(Topic::Logs(Box::new(filter)))
        }
        _ => Err(invalid("only `newHeads` and `logs` can be subscribed to")),
    }
}

/// Tells a subscriber; none when it has gone. It waits for slow readers, whose view stands still meanwhile.
async fn tell(sink: &SubscriptionSink, topic: &Topic, changes: &Changes) -> Option<()> {
    match topic {
        Topic::NewHeads => {
            for block in &changes.added {
                sink.send(json(&convert::header(block))?).await.ok()?;
            }
        }
        Topic::Logs(filter) => {
            for log in filters::changed_logs(changes, filter) {
                sink.send(json(&log)?).await.ok()?;
            }
        }
    }
    Some(())
}

fn json(value: &impl Serialize) -> Option<Box<RawValue>> {
    to_raw_value(value).ok()
}
