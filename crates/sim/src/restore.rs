//! Nodes that lose their data and start from a backup, knowing that they do.

use crate::check::book::Book;
use crate::mutation::Mutation;
use crate::world::World;
use std::collections::BTreeMap;
use strait_store::MemoryDisk;
use strait_types::{B256, ChannelId};

/// A backup, and what the journal's independent reader had read by then.
pub(crate) struct Backup {
    disk: MemoryDisk,
    books: BTreeMap<ChannelId, Option<Book>>,
}

impl World {
    /// Some operator makes a backup.
    pub(crate) fn back_up(&mut self, node: usize) {
        let wanted = self.plan.restores > 0 || self.mutation == Some(Mutation::StartsFromOldCopy);
        if !wanted || !self.weather.chance(60) || !self.plan.is_honest(node) {
            return;
        }
        let state = &mut self.nodes[node];
        state.backup = Some(Backup { disk: state.disk.fork(), books: state.books.clone() });
    }

    /// Perhaps the disk is lost, and the backup takes its place. Says whether the node must know of it.
    pub(crate) fn lose_disk(&mut self, node: usize) -> bool {
        let silently = self.mutation == Some(Mutation::StartsFromOldCopy);
        let restores = if silently { 1_000 } else { self.plan.restores };
        if self.calm || self.coarse || !self.weather.chance(restores) {
            return false;
        }
        let state = &mut self.nodes[node];
        let Some(backup) = state.backup.take() else { return false };
        state.disk = backup.disk;
        if silently {
            return false;
        }
        let lost = std::mem::replace(&mut state.books, backup.books);
        for (id, book) in lost {
            let Some(mut book) = book else { continue };
            self.note_unacknowledged(node, id, &mut book);
            let state = &mut self.nodes[node];
            let known = state.truth.get(&id).map(|truth| truth.confirmed().state.version);
            if known.is_none_or(|known| known < book.confirmed().state.version) {
                state.truth.insert(id, book);
            }
        }
        self.report.count("fault", "restored from a backup");
        self.note(format_args!("{} is restored from a backup", self.name(node)));
        true
    }

    /// What was accepted and lost before the peer had the acknowledgement is nobody's: the peer acts by what it has.
    fn note_unacknowledged(&self, node: usize, channel: ChannelId, lost: &mut Book) {
        let peer = self.peer_in(node, channel).and_then(|peer| self.book(peer, channel));
        if let Some(peer) =
            peer.filter(|peer| peer.confirmed().state.version < lost.confirmed().state.version)
        {
            lost.exposed.push(peer.confirmed().state.hash());
        }
    }

    fn peer_in(&self, node: usize, channel: ChannelId) -> Option<usize> {
        self.channels.get(&channel)?.nodes.into_iter().find(|other| *other != node)
    }

    /// The book that says what a node is owed: its own, or while it has forgotten more than it has regained the one
    /// that it lost, by which an honest peer still acts. A lying peer may keep what was forgotten.
    pub(crate) fn book_of_claims(&self, node: usize, channel: ChannelId) -> Option<&Book> {
        let book = self.book(node, channel);
        let version = book.map(|book| book.confirmed().state.version);
        let lost = self.nodes[node].truth.get(&channel);
        let knows = |book: &Book, state: &B256| book.positions.contains_key(state);
        // A lying peer may have brought to the chain what was signed, forgotten, and never countersigned.
        let recorded =
            self.recorded.get(&channel).filter(|state| !book.is_some_and(|book| knows(book, state)));
        let is_forgotten = |lost: &Book| recorded.is_some_and(|state| knows(lost, state));
        match lost.filter(|lost| version < Some(lost.confirmed().state.version) || is_forgotten(lost)) {
            None => book,
            Some(lost) => Some(lost).filter(|_| self.is_honest_channel(channel) && !self.both_lost(channel)),
        }
    }

    /// What both have forgotten nobody can bring back.
    fn both_lost(&self, channel: ChannelId) -> bool {
        let nodes = self.channels.get(&channel).map(|plan| plan.nodes);
        nodes.is_some_and(|nodes| nodes.iter().all(|node| self.nodes[*node].truth.contains_key(&channel)))
    }

    /// A book that has the whole history of a channel: the node's own, or its honest peer's.
    pub(crate) fn book_of_history(&self, node: usize, channel: ChannelId) -> Option<&Book> {
        if self.both_lost(channel) {
            return None;
        }
        let peer = self.peer_in(node, channel).filter(|peer| self.plan.is_honest(*peer));
        let remembers = |of: &usize| !self.nodes[*of].truth.contains_key(&channel);
        let nodes = [Some(node), peer].into_iter().flatten().filter(remembers);
        nodes.filter_map(|node| self.book(node, channel)).find(|book| book.is_whole)
    }
}
