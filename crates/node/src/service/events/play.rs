//! Moves and ends of apps, each told once.

use super::pump::Pump;
use crate::service::apps::{shown, texts};
use crate::service::registry::Known;
use strait_api::Event;
use strait_protocol::{AppMove, BillLine, Operation};
use strait_types::{ChannelId, Version, keccak256};

/// What became agreed of an app, or was recorded by the chain.
#[derive(Clone, Copy)]
pub(super) enum Played<'a> {
    /// A move, or the start.
    Move(&'a AppMove),
    /// The end, by what participant 0 and 1 gain or lose per asset.
    End(&'a Vec<[i128; 2]>),
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
