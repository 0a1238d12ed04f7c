//! What the peer demands to be deposited before it signs anything: told on every connect, so that nothing is written that it
//! would only hold and refuse.

use super::{Channel, Outputs};
use crate::command::CommandError;
use crate::message::Body;
use crate::rule::Rule;
use strait_types::{Amount, AssetIndex, Version};

impl Channel {
    /// Tells the peer what we demand. It comes before our `Sync`, so that the peer knows it before it may write.
    pub(super) fn tell_demand(&self, out: &mut Outputs) {
        let deposits = &self.durable.settings.peer_deposit;
        if !self.is_child() && !self.is_admitted() && deposits.iter().any(|amount| !amount.is_zero()) {
            out.messages.push(Body::Demand { deposits: deposits.clone() });
        }
    }

    pub(super) fn on_demand(&mut self, deposits: Vec<Amount>, out: &mut Outputs) {
        if deposits.len() > self.durable.params.assets.len() || self.is_child() {
            out.fault(Rule::Unexpected);
            return;
        }
        // Who has signed a version has taken what was deposited.
        if self.durable.confirmed.position.state.version == Version::ZERO {
            self.volatile.demanded = deposits;
            self.note_demand_met();
        }
    }

    /// Once our deposits count, nothing of it is left to be remembered.
    pub(super) fn note_demand_met(&mut self) {
        if !self.volatile.demanded.is_empty() && self.check_demand().is_ok() {
            self.volatile.demanded = Vec::new();
        }
    }

    /// Whether our deposits that count reach what the peer demands.
    pub(super) fn check_demand(&self) -> Result<(), CommandError> {
        match self.short_of().next() {
            Some((asset, demanded, deposited)) => {
                Err(CommandError::DepositDemanded { asset, demanded, deposited })
            }
            None => Ok(()),
        }
    }

    /// Whether what was put in allows a command. What the peer demands of us comes first: that we can do something about.
    pub(super) fn check_deposits(&self, closes: bool) -> Result<(), CommandError> {
        if !closes {
            self.check_demand()?;
        }
        let is_admitted = self.is_admitted() && !self.is_unfunded();
        if is_admitted || closes && !self.knows_nothing_of_chain() && !self.is_unfunded() {
            return Ok(());
        }
        Err(self.lacking_deposit(closes))
    }

    /// Ends what waits in a channel that holds nothing: a peer that has heard of no deposit gives no pen away.
    pub(super) fn fail_unfunded(&mut self, out: &mut Outputs) {
        if !self.volatile.queue.is_empty() {
            self.fail_payments(&self.lacking_deposit(false), out);
        }
        if let Some(intent) = self.volatile.intent.take_if(|intent| !intent.is_proposed()) {
            out.done(Some(intent.token()), Err(self.lacking_deposit(true)));
        }
    }

    /// What lacks where too little was put in.
    pub(super) fn lacking_deposit(&self, closes: bool) -> CommandError {
        let demands = self.durable.settings.peer_deposit.iter().any(|amount| !amount.is_zero());
        if demands && !closes { CommandError::AwaitingDeposit } else { CommandError::NothingDeposited }
    }

    /// Assets of which too little is there: what is demanded of each, and what counts.
    fn short_of(&self) -> impl Iterator<Item = (AssetIndex, Amount, Amount)> {
        let side = self.durable.side.index();
        let counted = self.durable.chain.counted().deposits.iter().map(move |pair| pair[side]);
        let assets = (0_u8..).map(AssetIndex).zip(self.volatile.demanded.iter().copied().zip(counted));
        let assets = assets.map(|(asset, (demanded, deposited))| (asset, demanded, deposited));
        assets.filter(|(_, demanded, deposited)| deposited < demanded)
    }

    /// What the peer demands of each asset of which it has too little, by the channel's assets in order; empty: nothing.
    pub fn demanded(&self) -> Vec<Amount> {
        let mut all = vec![Amount::ZERO; self.volatile.demanded.len()];
        for (asset, demanded, _) in self.short_of() {
            if let Some(entry) = all.get_mut(asset.index()) {
                *entry = demanded;
            }
        }
        all
    }
}
