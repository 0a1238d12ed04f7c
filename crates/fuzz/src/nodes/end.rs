//! The end, in which nothing goes wrong any more.

use super::Broken;
use super::world::{HORIZON, PERIOD, World};
use strait_protocol::{ChannelView, Command};
use strait_types::abi::views::Phase;

/// Blocks in which two who are connected bring in order what was in flight.
const CALM: usize = 60;
/// Seconds between the blocks of the end: several in a lock's margin.
const STRIDE: u64 = 150;

impl World<'_> {
    /// `length` of the program decides who closes.
    pub(super) fn end(&mut self, length: usize) -> Result<(), Broken> {
        // Whoever was taken for a liar is connected to again, too.
        self.disconnect()?;
        for _ in 0..CALM {
            self.serve_all()?;
            self.check_views()?;
        }
        if !self.is_altered && self.is_open()? {
            self.check_agreement()?;
            self.check_progress()?;
        }
        let closer = length & 1;
        let bound = (u64::from(PERIOD) + HORIZON + 4 * 3_600) / STRIDE;
        for step in 0..bound {
            if self.status()?.phase == Phase::Closed {
                return self.check_paid();
            }
            if step.is_multiple_of(8) {
                self.command(closer, Command::ForceClose, 0)?;
            }
            self.serve_after(STRIDE)?;
        }
        let views: Vec<_> = (0..2).map(|node| self.view(node)).collect();
        Err(Broken(format!("the channel does not close: {:?}, {views:?}", self.status()?)))
    }

    fn view(&self, node: usize) -> Option<ChannelView> {
        self.engine(node)?.view(self.channel)
    }

    /// No dispute, no close and no rebase is under way.
    fn is_open(&self) -> Result<bool, Broken> {
        let status = self.status()?;
        let is_quiet = |view: &ChannelView| !view.closing && !view.restoring && view.phase == "open";
        let are_quiet = (0..2).all(|node| self.view(node).as_ref().is_some_and(is_quiet));
        Ok(status.phase == Phase::Open && status.deadline.is_none() && are_quiet)
    }

    /// Property 7.
    fn check_agreement(&self) -> Result<(), Broken> {
        let (Some(zero), Some(one)) = (self.view(0), self.view(1)) else { return Ok(()) };
        let own = |view: &ChannelView| (view.balances[0].own, view.balances[0].peer);
        let (a, b) = (own(&zero), own(&one));
        let is_same = zero.version == one.version && zero.history == one.history && a == (b.1, b.0);
        let is_done = zero.in_flight == 0 && one.in_flight == 0;
        if is_same && is_done {
            return Ok(());
        }
        Err(Broken(format!("the two do not agree: {zero:?}, {one:?}")))
    }

    /// Property 8: who has something can pay it.
    fn check_progress(&mut self) -> Result<(), Broken> {
        for node in 0..2 {
            let Some(view) = self.view(node) else { continue };
            if view.balances[0].own < 1 {
                continue;
            }
            self.pay(node, 1)?;
            for _ in 0..3 {
                self.serve_all()?;
            }
            let Some(later) = self.view(node) else { continue };
            if later.payments[0] != view.payments[0] + 1 || later.in_flight > 0 {
                return Err(Broken(format!("node {node} can't pay: {later:?}")));
            }
        }
        self.check_agreement()
    }
}
