//! What must hold, judged from outside.

use crate::world::{Node, World};
use std::collections::{BTreeMap, BTreeSet};
use strait_protocol::{Command, Operation, Operations, Outcome, Record, Update, history_hash};
use strait_types::{B256, Side, Version};

/// Same version, history, balances, counters and locks on both sides, nothing in flight.
pub(crate) fn agreed(world: &World) {
    let [zero, one] = [&world.nodes[0], &world.nodes[1]].map(|node| node.channel.view());
    assert_eq!(zero.version, one.version, "version");
    assert_eq!(zero.history, one.history, "history");
    assert_eq!((zero.in_flight, one.in_flight), (0, 0), "in flight");
    assert_eq!(zero.payments[0], one.payments[1], "payments of 0");
    assert_eq!(zero.payments[1], one.payments[0], "payments of 1");
    assert_ne!(zero.writer, one.writer, "one writer");
    for (a, b) in zero.balances.iter().zip(&one.balances) {
        assert_eq!((a.own, a.peer, a.locked), (b.peer, b.own, b.locked), "balances");
    }
    let locks = |view: &strait_protocol::ChannelView| -> Vec<_> {
        view.locks.iter().map(|entry| (entry.number, entry.lock.clone())).collect()
    };
    assert_eq!(locks(&zero), locks(&one), "locks");
    let children =
        |view: &strait_protocol::ChannelView| view.children.iter().map(|of| of.child).collect::<Vec<_>>();
    assert_eq!(children(&zero), children(&one), "children");
    for node in &world.nodes {
        let opened: BTreeSet<_> = node.channel.openings().map(|(child, _)| child).collect();
        let locked: BTreeSet<_> = children(&node.channel.view()).into_iter().collect();
        assert!(opened.is_subset(&locked), "what is over is forgotten");
        // What a restored side has lost its peer tells it.
        assert!(opened == locked || Bill::of(node).has_gap, "what opened the children");
    }
}

/// What the sides own, what is locked and what was taken out is what was deposited.
pub(crate) fn conserved(world: &World) {
    world.nodes.iter().for_each(conserved_by);
}

pub(crate) fn conserved_by(node: &Node) {
    for balance in node.channel.view().balances {
        let total = |pair: [i128; 2]| pair[0] + pair[1];
        let withdrawn = total(balance.withdrawn.map(|amount| i128::try_from(amount).unwrap()));
        let locked = i128::try_from(balance.locked).unwrap();
        let deposited = total(balance.deposited.map(|amount| amount.signed()));
        assert_eq!(balance.own + balance.peer + locked + withdrawn, deposited, "conservation");
    }
}

/// The itemised bill behind the confirmed version, from the journal alone.
#[derive(Debug, Default)]
pub(crate) struct Bill {
    pub(crate) items: Vec<(Version, Side, Operations)>,
    /// A restored side adopted a state without what led to it.
    pub(crate) has_gap: bool,
}

impl Bill {
    pub(crate) fn of(node: &Node) -> Bill {
        let mut bill = Bill::default();
        let mut pending: Vec<Update> = Vec::new();
        let (own, peer) = (node.side, node.side.other());
        for record in &node.log {
            match record {
                Record::Wrote(update) => pending.push(update.clone()),
                Record::Accepted(update) => {
                    bill.take(own, pending.drain(..));
                    bill.take(peer, [update.clone()]);
                }
                Record::Confirmed { version, .. } => {
                    let count = pending.iter().take_while(|update| update.version <= *version).count();
                    bill.take(own, pending.drain(..count));
                }
                Record::RolledBack | Record::Rebased { .. } => pending.clear(),
                Record::Adopted(_) => {
                    pending.clear();
                    bill.has_gap = true;
                }
                _ => {}
            }
        }
        bill
    }

    fn take(&mut self, writer: Side, updates: impl IntoIterator<Item = Update>) {
        self.items.extend(updates.into_iter().map(|update| (update.version, writer, update.operations)));
    }

    /// Hash over all of it, as both sign it.
    pub(crate) fn hash(&self) -> B256 {
        let mut payments = [0; 2];
        let mut hash = B256::ZERO;
        for (_, writer, operations) in &self.items {
            hash = history_hash(hash, *writer, payments[writer.index()], operations);
            let paid = operations.iter().filter(|operation| matches!(operation, Operation::Pay(_)));
            payments[writer.index()] += paid.count() as u64;
        }
        hash
    }

    /// How often each memo stands in it, and where.
    fn memos(&self) -> BTreeMap<Vec<u8>, Vec<(Version, Side, u64)>> {
        let mut payments = [0; 2];
        let mut memos: BTreeMap<Vec<u8>, Vec<_>> = BTreeMap::new();
        for (version, writer, operations) in &self.items {
            for operation in operations {
                if let Operation::Pay(payment) = operation {
                    let number = payments[writer.index()];
                    memos.entry(payment.memo.clone()).or_default().push((*version, *writer, number));
                    payments[writer.index()] += 1;
                }
            }
        }
        memos
    }
}

/// Both bills are what was signed, and every payment's outcome is true to both.
pub(crate) fn bills(world: &World) {
    let bills = [&world.nodes[0], &world.nodes[1]].map(Bill::of);
    let complete = bills.iter().all(|bill| !bill.has_gap);
    for (node, bill) in world.nodes.iter().zip(&bills) {
        if !bill.has_gap {
            assert_eq!(bill.hash(), node.channel.view().history, "{:?}'s journal is its history", node.side);
            let mut shown = strait_protocol::Bill::new(node.side);
            let lines = node.log.iter().flat_map(|record| shown.read(record.clone()));
            let expected = bill.items.iter().flat_map(|(version, writer, operations)| {
                operations.iter().map(|operation| (*version, *writer, operation.clone()))
            });
            assert!(
                lines.map(|line| (line.version, line.writer, line.operation)).eq(expected),
                "the bill shown"
            );
        }
    }
    for node in &world.nodes {
        for (token, command) in &node.issued {
            let Command::Pay(payment) = command else { continue };
            if payment.memo != token.to_be_bytes() {
                continue;
            }
            let ends = node.done.get(token).map(Vec::as_slice).unwrap_or_default();
            assert!(ends.len() <= 1, "payment {token} ended more than once");
            for bill in bills.iter().filter(|bill| !bill.has_gap) {
                let memos = bill.memos();
                let found = memos.get(&payment.memo).map(Vec::as_slice).unwrap_or_default();
                assert!(found.len() <= 1, "payment {token} was made more than once");
                match ends.first() {
                    Some(Ok(Outcome::Paid { number, version })) => {
                        assert_eq!(found, [(*version, node.side, *number)], "payment {token}");
                    }
                    Some(Err(error)) => assert!(found.is_empty(), "payment {token} was made, yet: {error}"),
                    Some(other) => panic!("a payment does not end with {other:?}"),
                    None => {
                        let is_lost = !complete || node.orphans.contains(token);
                        assert!(is_lost, "payment {token} of {:?} never ended", node.side);
                    }
                }
            }
        }
    }
}
