//! Waiting for what takes the chain or the peer a while.

use futures_util::StreamExt as _;
use std::time::Duration;
use strait_api::{Api, ApiError, ChannelInfo, ChannelRef, ErrorCode, EventQuery, Phase, Subscribe};
use strait_types::ChannelId;
use tokio::time::timeout;

/// That a deposit has its confirmations is no news of its own.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Waits until a payment can be made over a channel: the peer is connected, and a deposit counts.
///
/// # Errors
/// [`ErrorCode::ChannelNotOpen`] when it never can, or what the node says.
pub async fn wait_until_payable<N: Api + Subscribe + ?Sized>(
    node: &N,
    channel: ChannelId,
) -> Result<ChannelInfo, ApiError> {
    // Subscribed first, so that nothing happens unseen between looking and listening.
    let mut news = node.subscribe(EventQuery { channel: Some(channel), ..EventQuery::default() }).await?;
    loop {
        let info = node.channel_show(ChannelRef { channel }).await?;
        if info.can_pay {
            return Ok(info);
        }
        if info.phase != Phase::Open {
            return Err(ApiError::new(ErrorCode::ChannelNotOpen, "the channel is disputed or closed"));
        }
        match timeout(LOOK_AGAIN, news.next()).await {
            Ok(Some(news)) => drop(news?),
            Ok(None) => return Err(ApiError::new(ErrorCode::Stopping, "the node is stopping")),
            Err(_) => {}
        }
    }
}
