//! What the hostile contracts of `contracts/test/mocks` do, in the model's words.

use strait_types::State;

/// Of `MoodyToken`, in its order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum TokenMood {
    Honest,
    Silent,
    SaysFalse,
    Lies,
    Reverts,
    KeepsAFee,
    BurnsGas,
    Bombs,
    CallsBack,
    Shrinks,
}

pub(crate) const TOKEN_MOODS: [TokenMood; 10] = [
    TokenMood::Honest,
    TokenMood::Silent,
    TokenMood::SaysFalse,
    TokenMood::Lies,
    TokenMood::Reverts,
    TokenMood::KeepsAFee,
    TokenMood::BurnsGas,
    TokenMood::Bombs,
    TokenMood::CallsBack,
    TokenMood::Shrinks,
];

impl TokenMood {
    /// What arrives of an amount that is pulled; none when that cannot be taken for a deposit.
    pub(crate) fn arrives(self, amount: u128) -> Option<u128> {
        match self {
            TokenMood::Honest | TokenMood::Silent | TokenMood::CallsBack => Some(amount),
            TokenMood::KeepsAFee => Some(amount - amount / 100),
            TokenMood::Lies => Some(0),
            _ => None,
        }
    }

    /// Whether a payout is taken for made, and what its receiver and the payer see of it.
    pub(crate) fn pays(self, amount: u128) -> Option<Moved> {
        match self {
            TokenMood::Honest | TokenMood::Silent | TokenMood::CallsBack | TokenMood::Shrinks => {
                Some(Moved { out: amount, received: amount })
            }
            TokenMood::KeepsAFee => Some(Moved { out: amount, received: amount - amount / 100 }),
            TokenMood::Lies => Some(Moved { out: 0, received: 0 }),
            _ => None,
        }
    }
}

/// What a transfer does to the balances.
pub(crate) struct Moved {
    pub(crate) out: u128,
    pub(crate) received: u128,
}

/// Of `MoodyPayout`, in its order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum PayoutMood {
    Takes,
    Reverts,
    BurnsGas,
    Bombs,
    CallsBack,
}

pub(crate) const PAYOUT_MOODS: [PayoutMood; 5] =
    [PayoutMood::Takes, PayoutMood::Reverts, PayoutMood::BurnsGas, PayoutMood::Bombs, PayoutMood::CallsBack];

impl PayoutMood {
    /// With the gas that a payout gets.
    pub(crate) fn takes(self) -> bool {
        matches!(self, PayoutMood::Takes | PayoutMood::CallsBack)
    }

    /// With all the gas that its own caller brings.
    pub(crate) fn takes_with_all_gas(self) -> bool {
        self.takes() || self == PayoutMood::Bombs
    }
}

/// The modes of `HostileApp`, whose number is the first byte of the app data.
pub(crate) const APP_MODES: u8 = 16;
pub(crate) const BURNS_GAS: u8 = 3;
/// Of the one asset; what it gives while it is honest.
const STAKE: i128 = 250_000_000_000_000_000;

fn mode(state: &State) -> Option<u8> {
    state.app_data.first().copied().filter(|mode| *mode < APP_MODES)
}

/// Whether the app allows a move from this state.
pub(crate) fn allows(state: &State) -> bool {
    // Honest, or wrong only in verdicts: offset, length, sum, overflow.
    matches!(mode(state), Some(0 | 8..=11))
}

/// What the app gives if this state is the last word.
pub(crate) fn verdict(state: &State) -> Option<Vec<[i128; 2]>> {
    // Honest, or wrong only in moves: not a boolean, false.
    matches!(mode(state), Some(0 | 12 | 13)).then(|| {
        let mut deltas = vec![[0; 2]; state.allocations.len()];
        deltas[0] = [-STAKE, STAKE];
        deltas
    })
}
