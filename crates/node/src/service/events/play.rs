//! Moves and ends of apps, each told once.

use super::pump::Pump;
use crate::NodeError;
use crate::service::apps::{shown, texts};
use crate::service::registry::Known;
use strait_api::Event;
use strait_protocol::{AppMove, BalanceView, BillLine, ChannelView, Operation, Phase};
use strait_types::{Amount, ChannelId, Side, Version, keccak256};

/// What became agreed of an app, or was recorded by the chain.
#[derive(Clone, Copy)]
pub(super) enum Played<'a> {
    /// A move, or the start.
    Move(&'a AppMove),
    /// The end, by what participant 0 and 1 gain or lose per asset.
    End(&'a Vec<[i128; 2]>),
}

/// What this node and its peer have gained by a game that is over, per asset.
pub(super) fn outcome(view: &ChannelView) -> Option<Vec<[i128; 2]>> {
    let is_over = view.phase == "closed" && view.app.is_some() && view.version > Version::ZERO;
    let gains = |of: &BalanceView| {
        [of.own.saturating_sub(of.deposited[0].signed()), of.peer.saturating_sub(of.deposited[1].signed())]
    };
    is_over.then(|| view.balances.iter().map(gains).collect())
}

impl Pump {
    /// Tells what of a piece of history is play and was not told.
    pub(super) fn tell_play(&mut self, known: &Known, lines: &[BillLine]) {
        for line in lines {
            let played = match &line.operation {
                Operation::Move(step) => Played::Move(step),
                Operation::Finish { outcome, .. } => Played::End(outcome),
                _ => continue,
            };
            self.played(known.id, line.version, played, line.writer == known.side);
        }
    }

    /// What a game that is over has come to.
    pub(super) async fn outcome(&self, id: ChannelId) -> Result<Option<Vec<[i128; 2]>>, NodeError> {
        self.node().node.query(move |engine| outcome(&engine.channel(id)?.view())).await
    }

    /// Tells what a game has come to, when it is closed.
    pub(super) fn tell_ended(&mut self, id: ChannelId, phase: &Phase, outcome: Option<Vec<[i128; 2]>>) {
        let (Phase::Closed, Some(mut outcome), Some(account)) = (phase, outcome, self.accounts.get(&id))
        else {
            return;
        };
        let gains = outcome.iter().map(|pair| pair[0].to_string()).collect::<Vec<_>>().join(", ");
        tracing::info!(channel = %id, gains, "a game has ended; what this node gains, per asset, in the smallest unit");
        if account.known.side == Side::One {
            outcome.iter_mut().for_each(|pair| pair.swap(0, 1));
        }
        self.tell_event(id, Event::AppEnded { outcome: texts(&outcome) });
    }

    /// News of a child that has come back into its parent.
    pub(super) fn child_closed(&mut self, id: ChannelId, child: ChannelId, got: [Amount; 2]) {
        let Some(account) = self.accounts.get_mut(&id) else { return };
        if !account.ended_children.remove(&child) {
            self.tell_child_closed(id, child, got);
        }
    }

    /// The same from a look at the history. Where the log holds it, its news has come, since news is written before a look begins;
    /// else that may still come.
    pub(super) async fn child_closed_before(&mut self, id: ChannelId, child: ChannelId, got: [Amount; 2]) {
        if self.core.log.tells_end_of_child(id, child).await {
            return;
        }
        self.tell_child_closed(id, child, got);
        if let Some(account) = self.accounts.get_mut(&id) {
            account.ended_children.insert(child);
        }
    }

    /// Tells that a child has come back into its parent, of which participants 0 and 1 of the child got so much.
    fn tell_child_closed(&mut self, id: ChannelId, child: ChannelId, got: [Amount; 2]) {
        let Some(known) = self.core.registry.get(child) else { return };
        let (own, peer) = (got[known.side.index()], got[known.side.other().index()]);
        let asset = known.assets.first().copied().unwrap_or_default();
        tracing::info!(channel = %id, %child, %own, %peer, "what was in the child is in the channel now");
        self.tell_event(id, Event::ChildClosed { child, asset, own, peer });
    }

    /// Tells a move or an end, unless it was told.
    pub(super) fn played(&mut self, id: ChannelId, version: Version, played: Played<'_>, is_ours: bool) {
        let Some(account) = self.accounts.get_mut(&id) else { return };
        // Writing to a Vec cannot fail.
        let content = match played {
            Played::Move(step) => borsh::to_vec(step),
            Played::End(outcome) => borsh::to_vec(outcome),
        };
        let this = (version, keccak256(content.unwrap_or_default()));
        if account.told.played.0 > version || account.told.played == this {
            return;
        }
        account.told.played = this;
        let version = version.0;
        let event = match played {
            Played::Move(step) => Event::AppMoved {
                version,
                is_ours,
                our_turn: step.writer == account.known.side,
                position: shown(step.clone()),
            },
            Played::End(outcome) => Event::AppFinished { version, outcome: texts(outcome) },
        };
        self.changed.insert(id);
        self.tell_event(id, event);
    }
}
