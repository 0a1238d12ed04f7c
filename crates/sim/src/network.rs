//! Connections between nodes, and what becomes of frames on their way.

use crate::failure::Broken;
use crate::plan::Plan;
use crate::queue::Event;
use crate::world::World;
use strait_engine::Input;

/// The way between two nodes.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) nodes: [usize; 2],
    /// Number of the connection that stands, if one does.
    pub(crate) session: Option<u64>,
    sessions: u64,
    /// When the last frame arrives, per direction: frames of a connection arrive in order unless the weather is bad.
    last: [u64; 2],
    /// A connection is on its way.
    connecting: bool,
    /// Directions in which nothing arrives, by the receiving end.
    pub(crate) cut: [bool; 2],
}

impl Link {
    /// One for each pair of nodes with channels.
    pub(crate) fn between(plan: &Plan) -> Vec<Link> {
        let mut pairs: Vec<[usize; 2]> = plan
            .channels
            .iter()
            .map(|channel| {
                let [a, b] = channel.nodes;
                [a.min(b), a.max(b)]
            })
            .collect();
        pairs.sort_unstable();
        pairs.dedup();
        let link = |nodes| Link {
            nodes,
            session: None,
            sessions: 0,
            last: [0; 2],
            connecting: false,
            cut: [false; 2],
        };
        pairs.into_iter().map(link).collect()
    }

    pub(crate) fn other(&self, node: usize) -> usize {
        if self.nodes[0] == node { self.nodes[1] } else { self.nodes[0] }
    }
}

impl World {
    pub(crate) fn link_between(&self, a: usize, b: usize) -> Option<usize> {
        self.links.iter().position(|link| link.nodes == [a.min(b), a.max(b)])
    }

    /// Tries to connect after a while.
    pub(crate) fn connect_later(&mut self, link: usize) {
        if !self.links[link].connecting {
            self.links[link].connecting = true;
            let away = self.plan.network.away.clone();
            let delay = if self.calm { 1 } else { self.weather.within(&away) };
            self.after(delay, Event::Connect { link });
        }
    }

    pub(crate) fn connect(&mut self, link: usize) -> Result<(), Broken> {
        self.links[link].connecting = false;
        let nodes = self.links[link].nodes;
        let is_cut = self.links[link].cut != [false; 2];
        let is_ready = !is_cut && nodes.iter().all(|node| self.nodes[*node].process.is_some());
        if self.links[link].session.is_some() || !is_ready {
            return Ok(());
        }
        let state = &mut self.links[link];
        state.sessions += 1;
        let session = state.sessions;
        state.session = Some(session);
        state.last = [0; 2];
        let [a, b] = nodes;
        self.note(format_args!("{} and {} are connected", self.name(a), self.name(b)));
        let every = self.plan.network.break_every;
        if every > 0 && !self.calm {
            let delay = self.weather.within(&(1..=2 * every));
            self.after(delay, Event::Break { link });
        }
        let signers = nodes.map(|node| self.nodes[node].key.address());
        self.take(a, Input::Connected { peer: signers[1] })?;
        if self.links[link].session == Some(session) && self.nodes[b].process.is_some() {
            self.take(b, Input::Connected { peer: signers[0] })?;
        }
        Ok(())
    }

    pub(crate) fn break_link(&mut self, link: usize) -> Result<(), Broken> {
        if self.links[link].session.is_none() || self.calm {
            return Ok(());
        }
        self.report.count("fault", "connection broken");
        self.disconnect(link)
    }

    /// Ends a connection; whoever lives is told and connects again.
    pub(crate) fn disconnect(&mut self, link: usize) -> Result<(), Broken> {
        if self.links[link].session.take().is_none() {
            return Ok(());
        }
        let [a, b] = self.links[link].nodes;
        self.note(format_args!("{} and {} are disconnected", self.name(a), self.name(b)));
        self.connect_later(link);
        for (node, peer) in [(a, b), (b, a)] {
            let peer = self.nodes[peer].key.address();
            if self.nodes[node].process.is_some() {
                self.take(node, Input::Disconnected { peer })?;
            }
        }
        Ok(())
    }

    /// Puts a frame on its way.
    pub(crate) fn transmit(&mut self, link: usize, from: usize, frame: Vec<u8>) {
        let Some(session) = self.links[link].session else { return };
        let to = self.links[link].other(from);
        let plan = self.plan.network.clone();
        let (lose, duplicate, reorder) =
            if self.calm { (0, 0, 0) } else { (plan.lose, plan.duplicate, plan.reorder) };
        if self.weather.chance(lose) {
            self.report.count("fault", "message lost");
            return;
        }
        let direction = usize::from(to > from);
        if self.links[link].cut[direction] {
            return;
        }
        let delay = if self.calm { 1 } else { self.weather.within(&plan.delay) };
        let mut time = self.now + delay;
        if self.weather.chance(reorder) {
            self.report.count("fault", "message out of order");
            time += self.weather.within(&plan.delay);
        } else {
            time = time.max(self.links[link].last[direction]);
            self.links[link].last[direction] = time;
        }
        if self.weather.chance(duplicate) {
            self.report.count("fault", "message duplicated");
            let again = time + self.weather.within(&plan.delay);
            self.queue.at(again, Event::Arrive { link, session, to, frame: frame.clone() });
        }
        self.queue.at(time, Event::Arrive { link, session, to, frame });
    }

    pub(crate) fn arrive(
        &mut self,
        link: usize,
        session: u64,
        to: usize,
        bytes: Vec<u8>,
    ) -> Result<(), Broken> {
        let from = self.links[link].other(to);
        let stands = self.links[link].session == Some(session);
        let silent = self.nodes[to].liar.as_ref().is_some_and(|liar| liar.silent);
        if !stands || silent || self.nodes[to].process.is_none() {
            return Ok(());
        }
        if let Some(liar) = &mut self.nodes[to].liar {
            liar.overhear(&bytes);
        }
        if self.keeps_secret(to, &bytes)? || self.keeps_pen(to, &bytes) {
            return Ok(());
        }
        let peer = self.nodes[from].key.address();
        self.take(to, Input::Frame { peer, bytes })
    }
}
