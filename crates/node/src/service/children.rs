//! Channels that are opened in a payment channel, without a transaction.

use super::Core;
use super::apps::position;
use super::convert::asset_index;
use super::keys::{Intention, Keyed};
use super::registry::Known;
use crate::NodeError;
use std::sync::Arc;
use std::time::Duration;
use strait_api::{ApiError, AppOpen, ChannelOpen, ChannelOpened, ErrorCode};
use strait_protocol::{ChannelView, CommandError, NewChild, Rule, start_id};
use strait_types::{Amount, ChannelId};

/// How long the answer waits for the start of a game, which both sign by themselves.
const START_PATIENCE: Duration = Duration::from_secs(5);

fn invalid(message: &str) -> ApiError {
    ApiError::new(ErrorCode::InvalidParams, message)
}

impl Core {
    /// Opens a game within a payment channel.
    pub(super) async fn app_open_within(
        self: &Arc<Core>,
        parent: ChannelId,
        mut request: AppOpen,
    ) -> Result<ChannelOpened, ApiError> {
        let known = self.known(parent).await?;
        let key = request.idempotency_key.take();
        let keyed = key.map(|key| Keyed::new(self, &key, "app_open", &request, Some(&known))).transpose()?;
        let ([stake], [peer_stake]) = (&request.stake[..], &request.peer_stake[..]) else {
            let message =
                "a game within a channel has stakes of one asset: give one `stake` and one `peer_stake`";
            return Err(invalid(message));
        };
        let new = NewChild {
            asset: asset_index(&known, Some(stake.asset))?,
            stakes: [stake.amount, *peer_stake],
            challenge_duration: self.period_of_child(&known, request.challenge_duration),
            nonce: u64::from_be_bytes(self.random()?),
            app: Some((request.app, position(&request.start)?)),
        };
        self.open_within(known, new, keyed).await
    }

    /// Opens a channel for payments within one.
    pub(super) async fn channel_open_within(
        self: &Arc<Core>,
        parent: ChannelId,
        mut request: ChannelOpen,
    ) -> Result<ChannelOpened, ApiError> {
        let known = self.known(parent).await?;
        let key = request.idempotency_key.take();
        let keyed =
            key.map(|key| Keyed::new(self, &key, "channel_open", &request, Some(&known))).transpose()?;
        let [deposit] = &request.deposit[..] else {
            return Err(invalid("a channel within a channel is of one asset: give one `deposit`"));
        };
        if request.peer_payout.is_some() || !request.assets.is_empty() {
            return Err(invalid(
                "payouts and assets of a channel within a channel are those of that: leave them out",
            ));
        }
        let new = NewChild {
            asset: asset_index(&known, Some(deposit.asset))?,
            stakes: [deposit.amount, request.peer_deposit.unwrap_or(Amount::ZERO)],
            challenge_duration: self.period_of_child(&known, request.challenge_duration),
            nonce: u64::from_be_bytes(self.random()?),
            app: None,
        };
        self.open_within(known, new, keyed).await
    }

    fn period_of_child(&self, parent: &Known, asked: Option<u32>) -> u32 {
        asked.unwrap_or_else(|| self.nodes.get(parent.chain).map_or(0, |chain| chain.challenge_duration))
    }

    async fn open_within(
        self: &Arc<Core>,
        parent: Arc<Known>,
        new: NewChild,
        keyed: Option<Keyed>,
    ) -> Result<ChannelOpened, ApiError> {
        let intention = Intention::Child { nonce: new.nonce };
        let act = move |core: Arc<Core>| async move { core.open_child_now(&parent, new).await };
        match keyed {
            Some(keyed) => self.open_once(keyed, intention, act).await,
            None => act(self.clone()).await,
        }
    }

    async fn open_child_now(&self, parent: &Known, new: NewChild) -> Result<ChannelOpened, ApiError> {
        let start = new.app.as_ref().map(|(app, first)| start_id(*app, new.stakes, first));
        let opened = self.with_peer(parent, |node| node.open_child(parent.id, new.clone())).await;
        let child = opened.map_err(|error| {
            let rule = match &error {
                NodeError::Command(CommandError::PeerRefused(rule)) => Some(*rule),
                _ => None,
            };
            match (rule, start) {
                (Some(Rule::UnknownStart), Some(start)) => ApiError::from(error).hint(format!(
                    "this start is {start}: who takes it for fair adds that to `policy.starts`, and starts the node again"
                )),
                (Some(Rule::AwaitsApproval), _) => ApiError::from(error).hint(
                    "its operator sees it by `strait channel proposals` and says yes by `strait channel approve`; then open it again, the same",
                ),
                _ => error.into(),
            }
        })?;
        if start.is_some() {
            // Whoever moves next must not come before the start is signed. A peer that is away by now does not hold this up.
            let has_begun = |view: &ChannelView| {
                view.app.as_ref().is_some_and(|app| app.state.version.0 > 0 && !app.in_flight)
            };
            let begun = self.node(parent)?.wait_until(child, has_begun);
            drop(tokio::time::timeout(START_PATIENCE, begun).await);
        }
        Ok(ChannelOpened { channel: self.show(child).await?, deposits: Vec::new(), was_opened_before: false })
    }
}
