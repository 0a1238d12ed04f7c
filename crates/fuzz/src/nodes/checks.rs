//! What must hold at every moment, and in the end.

use super::Broken;
use super::world::World;
use strait_engine::ports::Chain;
use strait_types::abi::{AdjudicatorEvent, views};
use strait_types::{AssetIndex, Side, U256};

fn unreadable(error: impl std::fmt::Display) -> Broken {
    Broken(format!("a view cannot be read: {error}"))
}

impl World<'_> {
    pub(super) fn funds(&self) -> Result<views::Funds, Broken> {
        let answer = self.look(views::funds(self.channel, AssetIndex(0)))?;
        views::read_funds(&answer).map_err(unreadable)
    }

    pub(super) fn status(&self) -> Result<views::ChannelStatus, Broken> {
        views::read_channel(&self.look(views::channel(self.channel))?).map_err(unreadable)
    }

    /// Property 1: there is one channel, so the contract holds what that owns.
    pub(super) fn check_conservation(&self) -> Result<(), Broken> {
        let funds = self.funds()?;
        let put: u128 = funds.deposited.iter().map(|amount| amount.units()).sum();
        let taken: u128 = funds.withdrawn.iter().sum();
        let Some(owned) = put.checked_sub(taken).and_then(|rest| rest.checked_add(funds.reserve)) else {
            return Err(Broken(format!("{taken} left the channel that took in {put}")));
        };
        let held = self.chain.with(|chain| chain.balance(chain.adjudicator()));
        if held == U256::from(owned) {
            return Ok(());
        }
        Err(Broken(format!("the contract holds {held}, the channel owns {owned}")))
    }

    /// What a node shows adds up.
    pub(super) fn check_views(&self) -> Result<(), Broken> {
        for node in 0..2 {
            let Some(view) = self.engine(node).and_then(|engine| engine.view(self.channel)) else { continue };
            let balance = &view.balances[0];
            let put: u128 = balance.deposited.iter().map(|amount| amount.units()).sum();
            let withdrawn: u128 = balance.withdrawn.iter().sum();
            let parts = balance.own + balance.peer + (balance.locked + withdrawn) as i128;
            if parts != put as i128 {
                return Err(Broken(format!("node {node} shows {balance:?}, which does not add up")));
            }
        }
        Ok(())
    }

    /// By the events of the canonical chain: the contract forgets it when it has paid.
    fn deposited(&mut self) -> Result<[u128; 2], Broken> {
        let all = self.nodes[0].port.follow(&[], usize::MAX).map_err(unreadable)?;
        let mut deposited = [0; 2];
        for event in all.blocks.into_iter().flat_map(|block| block.events) {
            if let AdjudicatorEvent::Deposited { side, amount, .. } = event.event {
                deposited[side.index()] += amount.units();
            }
        }
        Ok(deposited)
    }

    pub(super) fn paid(&self, node: usize) -> u128 {
        let payout = self.params.participant(self.side(node)).payout;
        self.chain.with(|chain| chain.balance(payout)).saturating_to()
    }

    /// Property 2, by what users were told; and all that came in went out.
    pub(super) fn check_paid(&mut self) -> Result<(), Broken> {
        let funds = self.funds()?;
        let deposited = self.deposited()?;
        let put: u128 = deposited.iter().sum();
        let out = self.paid(0) + self.paid(1);
        if out + funds.reserve != put {
            return Err(Broken(format!("{put} came in, {out} went out, {} is kept", funds.reserve)));
        }
        for (node, side) in Side::BOTH.into_iter().enumerate() {
            // A restored node keeps what the other remembers, which nothing here counts.
            if self.nodes[node].has_forgotten {
                continue;
            }
            let deposited = deposited[side.index()];
            let (floor, paid) = (self.nodes[node].ledger.floor(deposited), self.paid(node));
            if paid < floor {
                let ledger = &self.nodes[node].ledger;
                return Err(Broken(format!(
                    "node {node} is paid {paid}, it is owed {floor}: {deposited}, {ledger:?}"
                )));
            }
        }
        Ok(())
    }
}
