//! Deposits that were handed to the chain and that no block has shown here yet. They are told as arriving from the moment
//! of the order on, so that an amount that has left the account is always in some column.

use super::Core;
use super::registry::Known;
use std::sync::{Arc, Weak};
use std::time::Duration;
use strait_api::ChannelInfo;
use strait_engine::ports::TxHash;
use strait_types::{Amount, AssetIndex};

/// How often it is looked whether a deposit that no block shows is still under way.
const LOOK: Duration = Duration::from_secs(15);

#[derive(Debug)]
struct Sent {
    number: u64,
    asset: AssetIndex,
    amount: Amount,
    /// What the chain shows of the asset when it shows this one.
    total: Amount,
    /// Once it was handed in.
    transaction: Option<TxHash>,
}

/// Those of one channel, in the order in which they were made.
#[derive(Debug, Default)]
pub(crate) struct Unseen {
    next: u64,
    sent: Vec<Sent>,
}

impl Unseen {
    /// A deposit that is about to be handed to the chain, which shows so much now: its number, and what the chain will show.
    pub(crate) fn add(&mut self, asset: AssetIndex, amount: Amount, shown: Amount) -> (u64, Amount) {
        self.see(asset, shown);
        let sums = [self.sum(asset), amount];
        let total = sums.into_iter().try_fold(shown, Amount::checked_add).unwrap_or(Amount::MAX);
        let number = self.next;
        self.next = number.wrapping_add(1);
        self.sent.push(Sent { number, asset, amount, total, transaction: None });
        (number, total)
    }

    /// Forgets those that the chain shows.
    fn see(&mut self, asset: AssetIndex, shown: Amount) {
        self.sent.retain(|sent| sent.asset != asset || sent.total > shown);
    }

    /// How much of an asset no block shows yet.
    pub(crate) fn sum(&self, asset: AssetIndex) -> Amount {
        let mut amounts = self.sent.iter().filter(|sent| sent.asset == asset).map(|sent| sent.amount);
        amounts.try_fold(Amount::ZERO, Amount::checked_add).unwrap_or(Amount::MAX)
    }

    fn has(&self, number: u64) -> bool {
        self.sent.iter().any(|sent| sent.number == number)
    }

    /// It is this transaction.
    pub(crate) fn sent_as(&mut self, number: u64, transaction: TxHash) {
        if let Some(sent) = self.sent.iter_mut().find(|sent| sent.number == number) {
            sent.transaction = Some(transaction);
        }
    }

    /// Forgets the deposit of a transaction that took no effect; whether it was one of these.
    pub(crate) fn failed(&mut self, transaction: TxHash) -> bool {
        let number =
            self.sent.iter().find(|sent| sent.transaction == Some(transaction)).map(|sent| sent.number);
        number.is_some_and(|number| {
            self.remove(number);
            true
        })
    }

    /// One that will never come.
    pub(crate) fn remove(&mut self, number: u64) {
        let Some(at) = self.sent.iter().position(|sent| sent.number == number) else { return };
        let gone = self.sent.remove(at);
        for later in self.sent.iter_mut().skip(at).filter(|sent| sent.asset == gone.asset) {
            later.total = later.total.checked_sub(gone.amount).unwrap_or(Amount::ZERO);
        }
    }

    /// Adds them to what arrives in a channel.
    pub(crate) fn complete(&mut self, info: &mut ChannelInfo) {
        for (index, balance) in info.balances.iter_mut().enumerate() {
            // A channel has at most four assets.
            let asset = AssetIndex(u8::try_from(index).unwrap_or(u8::MAX));
            self.see(asset, balance.deposited.checked_add(balance.arriving).unwrap_or(Amount::MAX));
            balance.arriving = balance.arriving.checked_add(self.sum(asset)).unwrap_or(Amount::MAX);
        }
    }
}

impl Core {
    /// Forgets a deposit when it will never come: its transaction fails, or somebody else's took its place.
    pub(crate) fn watch_deposit(
        self: &Arc<Core>,
        known: Arc<Known>,
        number: u64,
        asset: AssetIndex,
        amount: Amount,
    ) {
        tokio::spawn(watch(Arc::downgrade(self), known, number, asset, amount));
    }
}

async fn watch(core: Weak<Core>, known: Arc<Known>, number: u64, asset: AssetIndex, amount: Amount) {
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(core) = core.upgrade() else { return };
        let Ok(node) = core.node(&known) else { return };
        let id = known.id;
        let looked = node
            .query(move |engine| (engine.channel(id).map(|channel| channel.facts().clone()), engine.head()));
        let Ok((Some(facts), Some((head, _)))) = looked.await else { return };
        if let Some(pair) = facts.deposits.get(asset.index()) {
            known.unseen().see(asset, pair[known.side.index()]);
        }
        if !known.unseen().has(number) {
            return;
        }
        if let Ok(false) = node.is_deposit_under_way(id, asset, amount, head.number).await {
            known.unseen().remove(number);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASSET: AssetIndex = AssetIndex(0);

    fn wei(units: u64) -> Amount {
        Amount::from(units)
    }

    #[test]
    fn each_is_arriving_until_the_chain_shows_it() {
        let mut unseen = Unseen::default();
        let (_, first) = unseen.add(ASSET, wei(5), wei(10));
        let (_, second) = unseen.add(ASSET, wei(7), wei(10));
        assert_eq!((first, second, unseen.sum(ASSET)), (wei(15), wei(22), wei(12)));
        unseen.see(ASSET, wei(15));
        assert_eq!(unseen.sum(ASSET), wei(7), "the first is shown");
        unseen.see(AssetIndex(1), Amount::MAX);
        assert_eq!(unseen.sum(ASSET), wei(7), "another asset");
        unseen.see(ASSET, wei(22));
        assert_eq!(unseen.sum(ASSET), Amount::ZERO);
    }

    #[test]
    fn one_that_never_comes_is_waited_for_by_no_later_one() {
        let mut unseen = Unseen::default();
        let (first, _) = unseen.add(ASSET, wei(5), wei(10));
        let (second, _) = unseen.add(ASSET, wei(7), wei(10));
        unseen.remove(first);
        assert_eq!(unseen.sum(ASSET), wei(7));
        unseen.see(ASSET, wei(17));
        assert!(!unseen.has(second));
    }
}
