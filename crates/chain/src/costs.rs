//! Gas that calls use, for what must be known before they are made: the figures of `docs/gas.md` before refunds, rounded up.
//! Tokens may use more, and what is too little is said again when the call is made.

/// Allowing the adjudicator to pull tokens.
pub const APPROVE: u64 = 50_000;
/// A first deposit in the native coin.
pub const DEPOSIT: u64 = 47_000;
/// A first deposit in a token, the adjudicator's first one of it.
pub const DEPOSIT_TOKEN: u64 = 95_000;
/// A dispute by the side that begins it: the challenge, then the settlement.
pub const DISPUTE: [u64; 2] = [80_000, 75_000];
/// A close by agreement.
pub const CLOSE: [u64; 1] = [80_000];
/// A first withdrawal.
pub const WITHDRAW: [u64; 1] = [110_000];
