//! The store's thread: one commit for all rounds that wait, and only then their effects.

use super::chain_thread::Task;
use super::engine_thread::Work;
use super::shared::Shared;
use crate::transport::Network;
use std::collections::BTreeMap;
use std::mem::{Discriminant, discriminant};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use strait_engine::ports::{ChainError, Store, Transport};
use strait_engine::{Effect, Notice, Staged, SubmissionKey, TowerEffect};
use strait_types::ChannelId;

/// How often it is logged that a call still fails for the same reason.
const LOGGED_EVERY: Duration = Duration::from_secs(600);

pub(crate) struct Committer {
    pub(crate) store: Box<dyn Store>,
    pub(crate) transport: Box<dyn Transport>,
    pub(crate) chain: Sender<Task>,
    /// Of a node that has towers.
    pub(crate) towers: Option<Network>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) repeats: Repeats,
}

impl Committer {
    /// `effects`: of a round that is durable already.
    pub(crate) fn run(mut self, effects: Vec<Effect>, work: &Receiver<Work>) {
        self.perform(effects);
        while let Ok(first) = work.recv() {
            let mut round = None;
            let mut questions = Vec::new();
            for item in std::iter::once(first).chain(work.try_iter()) {
                match item {
                    Work::Round(staged) => match &mut round {
                        None => round = Some(*staged),
                        Some(round) => Staged::join(round, *staged),
                    },
                    Work::Store(query) => questions.push(query),
                }
            }
            if self.shared.is_dead() {
                return;
            }
            if let Some(round) = round
                && !self.commit(round)
            {
                return;
            }
            for query in questions {
                query(self.store.as_mut());
            }
        }
    }

    /// Returns whether the node can go on.
    fn commit(&mut self, round: Staged) -> bool {
        let start = Instant::now();
        match round.commit(self.store.as_mut()) {
            Ok(effects) => {
                self.shared.figures.committed(start.elapsed());
                if self.shared.is_dead() {
                    return false;
                }
                self.perform(effects);
                true
            }
            Err(error) => {
                // The engine is ahead of the store: it must be rebuilt from it.
                self.shared.fail(error.to_string());
                false
            }
        }
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        let mut notices = Vec::new();
        for effect in effects {
            match effect {
                Effect::Send { peer, frame } => self.transport.send(peer, frame),
                Effect::Notify(notice) => notices.push(notice),
                // The chain's thread ends only with the node.
                Effect::Submit(submission) => drop(self.chain.send(Task::Submit(submission))),
                Effect::FetchEvents { channel, .. } => drop(self.chain.send(Task::Fetch(channel))),
                Effect::LookUp { channel, hashes } => drop(self.chain.send(Task::LookUp(channel, hashes))),
                Effect::FindCode { app } => drop(self.chain.send(Task::FindCode(app))),
                Effect::FollowFrom { known } => drop(self.chain.send(Task::FollowFrom(known))),
                Effect::Tower(effect) => self.perform_for_tower(effect),
                Effect::Disconnect { peer, reason } => {
                    tracing::warn!(%peer, %reason, "the peer sends what no honest node sends");
                    self.transport.disconnect(peer);
                }
                Effect::Dismiss { peer } => self.transport.disconnect(peer),
            }
        }
        self.publish(notices);
        self.shared.rounds.send_modify(|rounds| *rounds += 1);
    }

    fn perform_for_tower(&self, effect: TowerEffect) {
        let Some(towers) = &self.towers else { return };
        match effect {
            // What is lost is handed over again after the next connect.
            TowerEffect::Send { tower, frame } => drop(towers.send(tower, frame)),
            TowerEffect::Disconnect { tower, reason } => {
                tracing::warn!(%tower, %reason, "the connection with a tower is ended");
                towers.disconnect(tower);
            }
        }
    }

    fn publish(&mut self, notices: Vec<Notice>) {
        self.shared.waiters.resolve(notices.iter());
        notices.iter().filter(|notice| self.repeats.is_news(notice, Instant::now())).for_each(log);
        let mut subscribers = self.shared.subscribers.lock().unwrap_or_else(PoisonError::into_inner);
        if subscribers.is_empty() {
            return;
        }
        for notice in notices {
            let notice = Arc::new(notice);
            subscribers.retain(|subscriber| subscriber.try_send(notice.clone()).is_ok());
        }
    }
}

/// What an operator must see, whether anybody subscribes or not.
fn log(notice: &Notice) {
    match notice {
        Notice::DeepReorg { head } => tracing::error!(
            head,
            "the chain's history changed deeper than can be undone: nothing of value moves until the channels' events are read anew; check that the endpoint serves the right chain"
        ),
        Notice::Halted { waiting, .. } => tracing::error!(
            waiting,
            "the channels' events are still not read anew after a deep reorg, and nothing of value moves; check the chain's endpoint"
        ),
        Notice::ChainRebuilt => tracing::warn!("the channels' events are read anew, value moves again"),
        Notice::NoSigner { channel, error } => {
            tracing::warn!(%channel, %error, "a signature waits for the key")
        }
        Notice::Declined { channel, reason } => {
            tracing::warn!(%channel, %reason, "the peer declines a channel; it is offered again by itself, and a dispute takes a deposit back");
        }
        Notice::Included { key: SubmissionKey::Call(key), transaction, success: true, .. } => {
            tracing::info!(channel = %key.channel, call = key.name, %transaction, "the chain has taken a call for a channel");
        }
        Notice::CallFailed { channel, call, error } => {
            tracing::warn!(%channel, call, %error, "a call was not sent; if it is still needed it is tried again");
        }
        Notice::DeadlineInDanger { channel, call: "move", deadline, quarters_left } => {
            tracing::warn!(%channel, deadline, quarters_left, "it is this node's turn in a game that is before the chain: `strait app move` before the deadline, or the app judges");
        }
        Notice::DeadlineInDanger { channel, call, deadline, quarters_left } => {
            tracing::error!(%channel, call, deadline, quarters_left, "a call that guards money is not on chain yet; check the gas account and the endpoint");
        }
        Notice::ChainStale { .. } => {
            tracing::error!(
                "no new block has come for long: neither dangers nor deposits are seen; check the chain's endpoint"
            );
        }
        Notice::TowerBehind { tower, channels, .. } => {
            tracing::error!(%tower, channels, "a tower lacks the newest state of some channels: while this node is off it could not defend them; see that the tower runs, or use another one");
        }
        Notice::TowerCurrent { tower } => {
            tracing::info!(%tower, "the tower holds the newest state of every channel")
        }
        Notice::TowerRefused { tower, channel, reason } => {
            tracing::error!(%tower, %channel, %reason, "a tower does not guard a channel");
        }
        Notice::TurnedAway { tower } => {
            tracing::error!(%tower, "a tower does not serve this node, and defends none of its channels; ask its operator to add this node's signer to tower.clients");
        }
        Notice::ClientTurnedAway { client } => {
            tracing::info!(%client, "a client that is not served was turned away; to serve it, add it to tower.clients and start again");
        }
        Notice::TowerFault { tower, channel, what } => {
            tracing::error!(%tower, ?channel, %what, "a tower is not to be relied on; use another one");
        }
        Notice::HandedBack { tower, channel, version } => {
            tracing::error!(%tower, %channel, %version, "a tower handed back a state that this node had forgotten: its data is old, and the channel goes on as after a restore");
        }
        Notice::ClientOverdrawn { client, channel } => {
            tracing::error!(%client, %channel, "a client has used up its transactions of the day, and one is due; raise tower.calls_per_day if it is to be trusted");
        }
        Notice::ChainFresh { .. } => tracing::info!("new blocks come again"),
        Notice::ClockSkew { seconds } => {
            tracing::warn!(seconds, "the chain's clock is ahead of this node's; set the clock");
        }
        _ => {}
    }
}

/// Calls that failed lately: they are tried every few blocks, and the log would hold nothing else.
#[derive(Default)]
pub(crate) struct Repeats {
    logged: BTreeMap<(ChannelId, &'static str), (Discriminant<ChainError>, Instant)>,
    /// When those of long ago were last dropped: not at each, since the calls of all channels fail together.
    tidied: Option<Instant>,
}

impl Repeats {
    fn is_news(&mut self, notice: &Notice, now: Instant) -> bool {
        let Notice::CallFailed { channel, call, error } = notice else { return true };
        let is_recent = |logged: Instant| now.saturating_duration_since(logged) < LOGGED_EVERY;
        if !self.tidied.is_some_and(is_recent) {
            self.logged.retain(|_, (_, logged)| is_recent(*logged));
            self.tidied = Some(now);
        }
        let (key, kind) = ((*channel, *call), discriminant(error));
        let known = self.logged.get(&key);
        let is_news = !known.is_some_and(|(of, logged)| *of == kind && is_recent(*logged));
        if is_news {
            self.logged.insert(key, (kind, now));
        }
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strait_types::B256;

    #[test]
    fn a_call_that_fails_again_and_again_is_logged_once_in_a_while() {
        let failed = |error: &ChainError| Notice::CallFailed {
            channel: ChannelId(B256::ZERO),
            call: "withdraw",
            error: error.clone(),
        };
        let (poor, away) = (ChainError::Reverts { reason: "x".into() }, ChainError::Unreachable("x".into()));
        let (mut repeats, start) = (Repeats::default(), Instant::now());
        let mut is_logged =
            |error, seconds| repeats.is_news(&failed(error), start + Duration::from_secs(seconds));
        let logged =
            [(&poor, 0), (&poor, 3), (&away, 6), (&away, 9), (&away, 599), (&away, 606), (&away, 609)]
                .map(|(error, seconds)| is_logged(error, seconds));
        assert_eq!(logged, [true, false, true, false, false, true, false]);
    }
}
