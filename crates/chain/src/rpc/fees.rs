//! What a transaction offers for its gas, EIP-1559; on chains without a base fee the plain gas price.

/// Limits of what is offered, in wei per gas.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FeePolicy {
    /// Least tip for the block's maker.
    pub min_tip: u128,
    /// Most tip.
    pub max_tip: u128,
    /// Most that an ordinary transaction offers, tip included. It waits while the chain asks for more.
    pub max_fee: u128,
    /// Most that a transaction offers that answers a dispute or claims a lock, or that such a one waits for. What is paid is
    /// the block's base fee and the tip, whatever is offered: so it has room for a base fee of a hundred times what is usual.
    /// Without a base fee the offer is paid in full, and nothing offers more than ten times `max_fee`.
    pub max_urgent_fee: u128,
    /// Blocks without it after which a transaction offers more.
    pub bump_after_blocks: u64,
}

const GWEI: u128 = 1_000_000_000;

impl Default for FeePolicy {
    fn default() -> FeePolicy {
        FeePolicy {
            min_tip: 1_000_000,
            max_tip: 5 * GWEI,
            max_fee: 200 * GWEI,
            max_urgent_fee: 20_000 * GWEI,
            bump_after_blocks: 3,
        }
    }
}

/// What the chain asks for now, in wei per gas.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Market {
    /// Of the head; none on chains without it.
    pub(super) base_fee: Option<u128>,
    /// The usual tip; without a base fee the usual gas price.
    pub(super) tip: u128,
}

/// What a transaction offers, in wei per gas.
#[derive(Clone, Copy, PartialEq, Eq, Debug, borsh::BorshSerialize, borsh::BorshDeserialize)]
pub struct Fees {
    /// At most this in all.
    pub max_fee: u128,
    /// Of it at most this as a tip. None: `max_fee` is a plain gas price, paid in full.
    pub tip: Option<u128>,
}

impl FeePolicy {
    fn cap(&self, market: Market, is_urgent: bool) -> u128 {
        let most = match market.base_fee {
            Some(_) => self.max_urgent_fee,
            // An endpoint's word alone says what is usual.
            None => self.max_urgent_fee.min(self.max_fee.saturating_mul(10)),
        };
        if is_urgent { most.max(self.max_fee) } else { self.max_fee }
    }

    /// For a new transaction: room for the base fee to double, within the cap.
    pub(super) fn initial(&self, market: Market, is_urgent: bool) -> Fees {
        let cap = self.cap(market, is_urgent);
        let Some(base_fee) = market.base_fee else {
            return Fees { max_fee: market.tip.min(cap), tip: None };
        };
        let tip = market.tip.clamp(self.min_tip, self.max_tip.max(self.min_tip)).min(cap);
        Fees { max_fee: base_fee.saturating_mul(2).saturating_add(tip).min(cap), tip: Some(tip) }
    }

    /// For a transaction that waits: at least an eighth more in both parts, as pools ask for, and what a new one would
    /// offer. None when the cap does not allow that.
    pub(super) fn bumped(&self, last: Fees, market: Market, is_urgent: bool) -> Option<Fees> {
        let fresh = self.initial(market, is_urgent);
        let max_fee = eighth_more(last.max_fee).max(fresh.max_fee);
        let tip = last.tip.map(|tip| eighth_more(tip).max(fresh.tip.unwrap_or(0)).min(max_fee));
        (max_fee <= self.cap(market, is_urgent)).then_some(Fees { max_fee, tip })
    }
}

impl Fees {
    /// Whether the chain's next block may take it.
    pub(super) fn suffice(&self, market: Market) -> bool {
        self.max_fee >= market.base_fee.unwrap_or(0)
    }
}

/// 12.5% more, rounded up.
fn eighth_more(fee: u128) -> u128 {
    fee.saturating_add(fee.div_ceil(8)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: FeePolicy =
        FeePolicy { min_tip: 2, max_tip: 50, max_fee: 1_000, max_urgent_fee: 9_000, bump_after_blocks: 3 };

    fn market(base_fee: u128, tip: u128) -> Market {
        Market { base_fee: Some(base_fee), tip }
    }

    #[test]
    fn a_new_transaction_bears_a_doubled_base_fee_within_the_cap() {
        assert_eq!(POLICY.initial(market(100, 7), false), Fees { max_fee: 207, tip: Some(7) });
        assert_eq!(POLICY.initial(market(100, 0), false).tip, Some(2));
        assert_eq!(POLICY.initial(market(100, 5_000), false).tip, Some(50));
        assert_eq!(POLICY.initial(market(5_000, 7), false).max_fee, 1_000);
        assert_eq!(POLICY.initial(market(4_000, 7), true).max_fee, 8_007);
        assert_eq!(POLICY.initial(market(u128::MAX, 7), true).max_fee, 9_000);
    }

    #[test]
    fn without_a_base_fee_the_gas_price_is_offered() {
        let plain = Market { base_fee: None, tip: 40 };
        assert_eq!(POLICY.initial(plain, false), Fees { max_fee: 40, tip: None });
        let bumped = POLICY.bumped(Fees { max_fee: 40, tip: None }, plain, false);
        assert_eq!(bumped, Some(Fees { max_fee: 45, tip: None }));
    }

    #[test]
    fn a_replacement_offers_an_eighth_more_in_both_parts() {
        let last = Fees { max_fee: 207, tip: Some(7) };
        let bumped = POLICY.bumped(last, market(100, 7), false).expect("within the cap");
        assert_eq!(bumped, Fees { max_fee: 233, tip: Some(8) });
        assert!(bumped.max_fee * 8 >= last.max_fee * 9);
        let spiked = POLICY.bumped(last, market(400, 7), false).expect("within the cap");
        assert_eq!(spiked, Fees { max_fee: 807, tip: Some(8) });
    }

    #[test]
    fn nothing_is_offered_above_the_cap_unless_it_is_urgent() {
        let last = Fees { max_fee: 950, tip: Some(7) };
        assert_eq!(POLICY.bumped(last, market(400, 7), false), None);
        let urgent = POLICY.bumped(last, market(2_000, 7), true).expect("within the higher cap");
        assert_eq!(urgent.max_fee, 4_007);
    }

    #[test]
    fn by_default_an_urgent_transaction_bears_a_base_fee_of_a_hundred_times_a_high_one() {
        let usual = market(50 * GWEI, GWEI);
        let policy = FeePolicy::default();
        let first = policy.initial(usual, true);
        let spike = market(5_000 * GWEI, GWEI);
        assert!(!first.suffice(spike));
        let bumped = policy.bumped(first, spike, true).expect("within the cap");
        assert!(bumped.suffice(spike) && bumped.tip <= Some(policy.max_tip), "{bumped:?}");
        assert!(policy.initial(spike, true).suffice(spike), "and one that is new");
        let patient = policy.bumped(first, spike, false).expect("within the cap");
        assert!(!patient.suffice(spike), "what can wait waits");
    }

    #[test]
    fn without_a_base_fee_an_endpoint_cannot_have_us_offer_anything() {
        let market = Market { base_fee: None, tip: u128::MAX };
        assert_eq!(FeePolicy::default().initial(market, true).max_fee, 2_000 * GWEI);
    }

    #[test]
    fn a_zero_fee_can_be_bumped() {
        let free = FeePolicy { min_tip: 0, ..POLICY };
        let bumped = free.bumped(Fees { max_fee: 0, tip: Some(0) }, market(0, 0), false);
        assert_eq!(bumped, Some(Fees { max_fee: 1, tip: Some(1) }));
    }
}
