//! Channels within channels: a tower acts for one as long as something may rest on it, and unlocks its parent by what it
//! has come to.

use super::guard::Guard;
use super::{Tower, context};
use std::collections::BTreeSet;
use strait_protocol::{Outputs, Phase, Standing, Surroundings};
use strait_types::{Address, ChannelId, MAX_LOCKS, Version};

impl Guard {
    /// The parent of a child, and the parent's version that opened it.
    fn origin(&self) -> Option<(ChannelId, Version)> {
        let terms = self.channel.terms()?;
        Some((terms.parent0, Version(terms.version0)))
    }
}

impl Tower {
    /// Notes a guard that has become known here.
    pub(super) fn note_guard(&mut self, guard: &Guard) {
        self.holdings.insert((guard.client, guard.channel.id()));
        if let Some((parent, _)) = guard.origin() {
            self.families.entry((guard.client, parent)).or_default().insert(guard.channel.id());
        }
    }

    /// Whether a client has as many children of one parent here as that has room for locks. Those that are over leave
    /// with the parent's next state.
    pub(super) fn is_family_full(&self, client: Address, parent: ChannelId) -> bool {
        self.families.get(&(client, parent)).is_some_and(|children| children.len() >= MAX_LOCKS)
    }

    /// Forgets a guard, and the channel in its client's families; returns its children, which are over with it.
    pub(super) fn drop_guard(&mut self, guard: &Guard) -> BTreeSet<ChannelId> {
        let id = guard.channel.id();
        self.holdings.remove(&(guard.client, id));
        if let Some((parent, _)) = guard.origin()
            && let Some(children) = self.families.get_mut(&(guard.client, parent))
        {
            children.remove(&id);
            if children.is_empty() {
                self.families.remove(&(guard.client, parent));
            }
        }
        self.families.get(&(guard.client, id)).cloned().unwrap_or_default()
    }

    /// Lets a channel and its parent or children know of each other; returns those, since it may be their turn.
    pub(super) fn relate(&mut self, now_ms: u64, id: ChannelId) -> BTreeSet<ChannelId> {
        let guards = self.watched.get(&id).map(|watched| watched.guards.as_slice()).unwrap_or_default();
        let guards: Vec<_> = guards.iter().map(|guard| (guard.client, guard.origin())).collect();
        let mut related = BTreeSet::new();
        for (client, origin) in guards {
            if let Some((parent, _)) = origin {
                self.relate_pair(now_ms, client, parent, id);
                related.insert(parent);
                continue;
            }
            let children = self.families.get(&(client, id)).cloned().unwrap_or_default();
            for child in children {
                self.relate_pair(now_ms, client, id, child);
                related.insert(child);
            }
        }
        related
    }

    fn relate_pair(&mut self, now_ms: u64, client: Address, parent: ChannelId, child: ChannelId) {
        let Some(mut watched) = self.watched.remove(&child) else { return };
        if let Some(guard) = watched.of_mut(client)
            && let Some((_, opened)) = guard.origin()
        {
            let outcome = guard.channel.outcome();
            let of_parent = self.watched.get_mut(&parent).and_then(|watched| watched.of_mut(client));
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

    /// Whether a channel is over for good for a client: a child not before its parent needs its outcome no more.
    pub(super) fn is_over(&self, guard: &Guard) -> bool {
        let is_closed = guard.channel.chain_view().counted().phase == Phase::Closed;
        let Some((parent, opened)) = guard.origin() else { return is_closed };
        let of_parent = self.watched.get(&parent).and_then(|watched| watched.of(guard.client));
        // While the parent is before the chain, an older state with the child's lock may still decide.
        of_parent.map_or(is_closed, |of_parent| {
            of_parent.channel.facts().phase == Phase::Open
                && !of_parent.channel.may_hold(guard.channel.id(), opened)
        })
    }
}
