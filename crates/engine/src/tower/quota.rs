//! How much a tower does for whom, so that one client cannot take what the others need.

use std::collections::BTreeSet;
use strait_types::Address;

/// Who is served.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Admission {
    /// These keys.
    Keys(BTreeSet<Address>),
    /// Any key. A key costs nothing, so the limits for all together are what protects the tower and its gas money.
    Anybody,
}

/// What one client may have, and all together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Quotas {
    /// Who is served.
    pub admission: Admission,
    /// Most channels of one client.
    pub channels: u32,
    /// Most bytes of one client.
    pub bytes: u64,
    /// Most requests of one client in a second, on average; as many as ten times that may come at once.
    pub requests_per_second: u32,
    /// Most transactions for one client in a day: who has two keys can make disputes with itself. Settling and unlocking,
    /// which can wait, take no more than half of them.
    pub calls_per_day: u32,
    /// Most bytes of all clients together.
    pub total_bytes: u64,
}

impl Default for Quotas {
    fn default() -> Self {
        Quotas {
            admission: Admission::Keys(BTreeSet::new()),
            channels: 10_000,
            bytes: 64 << 20,
            requests_per_second: 1_000,
            calls_per_day: 1_000,
            total_bytes: 4 << 30,
        }
    }
}

impl Quotas {
    pub(super) fn admits(&self, client: Address) -> bool {
        match &self.admission {
            Admission::Keys(keys) => keys.contains(&client),
            Admission::Anybody => true,
        }
    }
}

const DAY_MS: u64 = 24 * 3_600 * 1_000;
/// Requests that may come at once, as a multiple of those in a second.
const BURST: u64 = 10;
/// Receipts of a list that cost as much as one request.
const RECEIPTS_A_REQUEST: usize = 10;

/// What a client has used.
#[derive(Clone, Debug, Default)]
pub(super) struct Usage {
    pub(super) channels: u32,
    pub(super) bytes: u64,
    /// Thousandths of requests that may come now, as of `filled_ms`.
    tokens: u64,
    filled_ms: u64,
    /// Transactions in the day that began at `day_ms`.
    calls: u32,
    day_ms: u64,
}

impl Usage {
    /// Takes one request. `Err`: how many milliseconds too early it is.
    pub(super) fn request(&mut self, now_ms: u64, quotas: &Quotas) -> Result<(), u32> {
        let rate = u64::from(quotas.requests_per_second.max(1));
        let full = rate.saturating_mul(BURST * 1_000);
        // A thousandth of a request a millisecond is one request a second.
        let earned = now_ms.saturating_sub(self.filled_ms).saturating_mul(rate);
        self.tokens = if self.filled_ms == 0 { full } else { self.tokens.saturating_add(earned).min(full) };
        self.filled_ms = now_ms;
        match self.tokens.checked_sub(1_000) {
            Some(left) => {
                self.tokens = left;
                Ok(())
            }
            None => Err(u32::try_from((1_000 - self.tokens).div_ceil(rate)).unwrap_or(u32::MAX)),
        }
    }

    /// Counts what a list costs beyond the request for it.
    pub(super) fn listed(&mut self, receipts: usize) {
        let requests = u64::try_from(receipts / RECEIPTS_A_REQUEST).unwrap_or(u64::MAX);
        self.tokens = self.tokens.saturating_sub(requests.saturating_mul(1_000));
    }

    /// Counts a transaction; `false`: the day's are used up. Half of them are kept for what is lost when it comes late, so
    /// that nobody who makes for many settlements keeps an answer from being given.
    pub(super) fn call(&mut self, now_ms: u64, quotas: &Quotas, can_wait: bool) -> bool {
        if now_ms.saturating_sub(self.day_ms) >= DAY_MS {
            (self.day_ms, self.calls) = (now_ms, 0);
        }
        let all = quotas.calls_per_day;
        let may = self.calls < if can_wait { all.div_ceil(2) } else { all };
        self.calls = self.calls.saturating_add(u32::from(may));
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_in_a_burst_and_then_at_their_rate() {
        let quotas = Quotas { requests_per_second: 2, ..Quotas::default() };
        let mut usage = Usage::default();
        let taken = (0..100).filter(|_| usage.request(1_000, &quotas).is_ok()).count();
        assert_eq!(taken, 20);
        assert_eq!(usage.request(1_000, &quotas), Err(500));
        assert_eq!(usage.request(1_499, &quotas), Err(1));
        assert_eq!(usage.request(1_500, &quotas), Ok(()));
        assert!(usage.request(1_501, &quotas).is_err());
        let taken = (0..100).filter(|_| usage.request(1_000_000, &quotas).is_ok()).count();
        assert_eq!(taken, 20, "what was not used does not pile up");
    }

    #[test]
    fn long_lists_cost_more_than_short_ones() {
        let quotas = Quotas { requests_per_second: 20, ..Quotas::default() };
        let mut usage = Usage::default();
        let mut lists = |receipts| {
            let mut ask = || usage.request(1_000, &quotas).map(|()| usage.listed(receipts));
            (0..1_000).filter(|_| ask().is_ok()).count()
        };
        assert_eq!(lists(990), 2, "99 and 1 of 200 each");
        assert_eq!(lists(0), 0);
    }

    #[test]
    fn transactions_are_counted_by_the_day() {
        let quotas = Quotas { calls_per_day: 2, ..Quotas::default() };
        let mut usage = Usage::default();
        let at = 1_800_000_000_000;
        assert_eq!([0, 1, 2].map(|_| usage.call(at, &quotas, false)), [true, true, false]);
        assert!(!usage.call(at + DAY_MS - 1, &quotas, false));
        assert!(usage.call(at + DAY_MS, &quotas, false));
    }

    #[test]
    fn what_can_wait_leaves_half_of_the_transactions_to_what_cannot() {
        let quotas = Quotas { calls_per_day: 4, ..Quotas::default() };
        let mut usage = Usage::default();
        let at = 1_800_000_000_000;
        let mut calls = |can_wait| [0, 1, 2].map(|_| usage.call(at, &quotas, can_wait));
        assert_eq!(calls(true), [true, true, false]);
        assert_eq!(calls(false), [true, true, false]);
        assert!(usage.call(at + DAY_MS, &quotas, true), "the next day is another day");
    }
}
