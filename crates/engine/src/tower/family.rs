//! Channels within channels: a tower acts for one as long as something may rest on it, and unlocks its parent by what it
//! has come to.

use super::guard::{Guard, Watched};
use super::{Tower, context};
use std::collections::BTreeSet;
use strait_protocol::{Outputs, Phase, Standing, Surroundings};
use strait_types::{ChannelId, Version};

impl Guard {
    /// The parent of a child, and the parent's version that opened it.
    fn origin(&self) -> Option<(ChannelId, Version)> {
        let terms = self.channel.terms()?;
        Some((terms.parent0, Version(terms.version0)))
    }
}

impl Watched {
    /// The parent of a child.
    pub(super) fn parent(&self) -> Option<ChannelId> {
        self.guards.first()?.origin().map(|(parent, _)| parent)
    }
}

impl Tower {
    /// Notes a channel that has become known here.
    pub(super) fn note_family(&mut self, id: ChannelId) {
        if let Some(parent) = self.watched.get(&id).and_then(Watched::parent) {
            self.families.entry(parent).or_default().insert(id);
        }
    }

    /// Forgets a channel in its family; returns its children, which are over with it.
    pub(super) fn leave_family(&mut self, id: ChannelId, watched: &Watched) -> BTreeSet<ChannelId> {
        if let Some(parent) = watched.parent()
            && let Some(children) = self.families.get_mut(&parent)
        {
            children.remove(&id);
            if children.is_empty() {
                self.families.remove(&parent);
            }
        }
        self.families.get(&id).cloned().unwrap_or_default()
    }

    /// Lets a channel and its parent or children know of each other; returns those, since it may be their turn.
    pub(super) fn relate(&mut self, now_ms: u64, id: ChannelId) -> BTreeSet<ChannelId> {
        if let Some(parent) = self.watched.get(&id).and_then(Watched::parent) {
            self.relate_pair(now_ms, parent, id);
            return BTreeSet::from([parent]);
        }
        let children = self.families.get(&id).cloned().unwrap_or_default();
        for child in &children {
            self.relate_pair(now_ms, id, *child);
        }
        children
    }

    fn relate_pair(&mut self, now_ms: u64, parent: ChannelId, child: ChannelId) {
        let Some(mut watched) = self.watched.remove(&child) else { return };
        for guard in &mut watched.guards {
            let Some((_, opened)) = guard.origin() else { continue };
            let outcome = guard.channel.outcome();
            let of_parent = self.watched.get_mut(&parent).and_then(|watched| watched.of_mut(guard.client));
            // Without its parent nothing tells that it does not count.
            let may_count = of_parent.is_none_or(|of_parent| {
                let signer = of_parent.signer(&self.domain);
                let around = Surroundings::default();
                let ctx = context(&self.domain, &self.cursor, now_ms, of_parent, &signer, around);
                of_parent.channel.child_came_to(&ctx, child, outcome, &mut Outputs::default());
                of_parent.channel.may_hold(child, opened)
            });
            let standing = if may_count { Standing::Locked } else { Standing::Over };
            guard.channel.set_standing(standing, &mut Outputs::default());
        }
        self.watched.insert(child, watched);
    }

    /// Whether a channel is over for good: a child not before its parent needs its outcome no more.
    pub(super) fn is_over(&self, watched: &Watched) -> bool {
        let is_over = |guard: &Guard| {
            let is_closed = guard.channel.chain_view().counted().phase == Phase::Closed;
            let Some((parent, opened)) = guard.origin() else { return is_closed };
            let of_parent = self.watched.get(&parent).and_then(|watched| watched.of(guard.client));
            // While the parent is before the chain, an older state with the child's lock may still decide.
            of_parent.map_or(is_closed, |of_parent| {
                of_parent.channel.facts().phase == Phase::Open
                    && !of_parent.channel.may_hold(guard.channel.id(), opened)
            })
        };
        watched.guards.iter().all(is_over)
    }
}
