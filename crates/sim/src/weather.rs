//! Weather that lasts: partitions, endpoints that hang, clocks that are wrong, fees a hundred times as high.

use crate::failure::Broken;
use crate::queue::Event;
use crate::world::World;
use strait_engine::ports::{Chain, ChainError, TxHash, TxRequest};

/// What gas costs in a congestion, in terms of what it costs else.
const SPIKE: u64 = 100;
/// Of 1,000 blocks: one after which a transaction that offers too little is replaced by its sender.
const REPLACED: u64 = 400;

/// A transaction under way.
#[derive(Debug)]
pub(crate) struct Sent {
    node: usize,
    request: TxRequest,
    /// What it offers for gas.
    price: u64,
}

impl World {
    /// Lets the weather begin; called once for the storm, and once for the end.
    pub(crate) fn begin_weather(&mut self) {
        if !self.coarse {
            (0..self.links.len()).for_each(|link| self.part_later(link));
            (0..self.nodes.len()).for_each(|node| self.stall_later(node));
        }
        if self.plan.chain.is_congested {
            let start = if self.coarse { self.shortest_period() / 2 } else { 20 * self.block_ms };
            let start = self.weather.below(start);
            self.after(start, Event::Congest);
        }
    }

    /// All that is under way ends.
    pub(crate) fn clear_up(&mut self) {
        (0..self.links.len()).for_each(|link| self.links[link].cut = [false; 2]);
        self.nodes.iter_mut().for_each(|node| node.stalled_until = 0);
        self.relax();
    }

    fn part_later(&mut self, link: usize) {
        let every = self.plan.network.partition_every;
        if every > 0 {
            let wait = self.weather.within(&(1..=2 * every));
            self.after(wait, Event::Part { link });
        }
    }

    /// Nothing arrives any more, in one direction or both; perhaps the connection breaks, and none comes about.
    pub(crate) fn part(&mut self, link: usize) -> Result<(), Broken> {
        self.part_later(link);
        if self.calm {
            return Ok(());
        }
        self.report.count("fault", "partition");
        let cut = self.weather.pick(&[[true, true], [true, false], [false, true]]);
        self.links[link].cut = cut;
        let [a, b] = self.links[link].nodes.map(|node| self.name(node));
        self.note(format_args!("{a} and {b} are parted: {cut:?}"));
        let length = self.plan.network.partition_for.clone();
        let length = self.weather.within(&length);
        self.after(length, Event::Heal { link });
        if self.weather.chance(500) { self.disconnect(link) } else { Ok(()) }
    }

    pub(crate) fn heal(&mut self, link: usize) {
        self.links[link].cut = [false; 2];
        if self.links[link].session.is_none() {
            self.connect_later(link);
        }
    }

    fn stall_later(&mut self, node: usize) {
        let every = self.plan.chain.stall_every;
        if every > 0 {
            let wait = self.weather.within(&(1..=2 * every)) * if self.coarse { 20 } else { 1 };
            self.after(wait, Event::Stall { node });
        }
    }

    /// The endpoint takes requests, and answers none.
    pub(crate) fn stall(&mut self, node: usize) {
        self.stall_later(node);
        if !self.calm {
            self.report.count("fault", "endpoint stalled");
            let length = self.plan.chain.stall_for.clone();
            self.nodes[node].stalled_until = self.now + self.weather.within(&length);
        }
    }

    fn shortest_period(&self) -> u64 {
        let periods = self.channels.values().map(|plan| u64::from(plan.params.challenge_duration) * 1_000);
        periods.min().unwrap_or_default()
    }

    /// For half a period gas costs a hundred times as much, and blocks are full.
    pub(crate) fn congest(&mut self) {
        if self.calm || self.is_congested {
            return;
        }
        self.report.count("fault", "congestion");
        self.note("congestion: gas costs a hundred times as much");
        self.is_congested = true;
        self.chain.with(|chain| chain.set_base_fee(chain.config().base_fee * SPIKE));
        let end = self.shortest_period() / 2;
        self.after(end, Event::Relax);
    }

    pub(crate) fn relax(&mut self) {
        if std::mem::take(&mut self.is_congested) {
            self.note("gas costs what it did");
            self.chain.with(|chain| chain.set_base_fee(chain.config().base_fee / SPIKE));
        }
    }

    /// Sends a transaction at what gas costs now.
    pub(crate) fn send_transaction(
        &mut self,
        node: usize,
        request: &TxRequest,
    ) -> Result<TxHash, ChainError> {
        let hash = self.nodes[node].account.submit(request)?;
        if self.plan.chain.is_congested {
            let price = self.chain.with(|chain| chain.config().base_fee);
            self.sent.insert(hash, Sent { node, request: request.clone(), price });
        }
        Ok(hash)
    }

    pub(crate) fn is_priced_out(&self, transaction: TxHash) -> bool {
        let price = self.chain.with(|chain| chain.config().base_fee);
        self.sent.get(&transaction).is_some_and(|sent| sent.price < price)
    }

    /// Perhaps the sender sees that its transaction waits, and offers what gas costs now.
    pub(crate) fn raise_fee(&mut self, transaction: TxHash) {
        if !self.weather.chance(REPLACED) {
            return;
        }
        let Some(Sent { node, request, .. }) = self.sent.remove(&transaction) else { return };
        self.chain.with(|chain| chain.forget(transaction));
        // What the chain would refuse by now is not sent again.
        if self.send_transaction(node, &request).is_ok() {
            self.report.count("defence", "fee raised");
        }
    }

    /// A machine that starts has some time or other.
    pub(crate) fn set_clock(&mut self, node: usize) {
        let skew = self.plan.skew;
        let ahead = self.weather.below(2 * skew + 1).cast_signed() - skew.cast_signed();
        self.nodes[node].clock_error = ahead;
        if ahead != 0 {
            self.report.count("fault", if ahead > 0 { "clock ahead" } else { "clock behind" });
        }
    }
}
