//! What a user may expect, by nothing but what the node told.

use std::collections::BTreeMap;
use strait_protocol::Event;

/// The books of one user.
#[derive(Clone, Default, Debug)]
pub(super) struct Ledger {
    /// Payments, locks that were asked for and may have moved: token, amount.
    spent: BTreeMap<u64, u128>,
    /// Payments that have come, by number.
    received: BTreeMap<u64, u128>,
}

impl Ledger {
    /// The user asks for something that costs so much.
    pub(super) fn ask(&mut self, token: u64, amount: u128) {
        self.spent.insert(token, amount);
    }

    /// Nothing has moved.
    pub(super) fn failed(&mut self, token: u64) {
        self.spent.remove(&token);
    }

    pub(super) fn hear(&mut self, event: &Event) {
        match event {
            Event::Done { token, result: Err(_) } => self.failed(*token),
            Event::Received { first, payments, .. } => {
                for (number, payment) in (*first..).zip(payments.iter()) {
                    self.received.insert(number, payment.amount.units());
                }
            }
            _ => {}
        }
    }

    /// The least that is this user's of what it has put in.
    pub(super) fn floor(&self, deposited: u128) -> u128 {
        let received: u128 = self.received.values().sum();
        let spent: u128 = self.spent.values().sum();
        (deposited + received).saturating_sub(spent)
    }
}
