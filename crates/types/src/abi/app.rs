//! Channels with an app: forced moves, the app's code, and the questions that it is asked.

use super::convert;
use super::solidity::{Adjudicator, App};
use crate::{ChannelParams, Side, Signature, State};
use alloy_primitives::{Address, B256, Bytes, I256, keccak256};
use alloy_sol_types::SolCall;

/// Gas that the adjudicator gives an app for one answer. Nodes refuse what takes more than half of it.
pub const APP_GAS: u64 = 1_000_000;
/// Most turns that forced moves begin in one dispute. A move that keeps the pen begins none.
pub const MAX_FORCED_MOVES: u8 = 127;
/// Longest code of an app, in bytes.
pub const MAX_APP_CODE: usize = 24_576;

/// Init code that returns all that follows it.
const INIT_CODE: [u8; 11] = [0x60, 0x0b, 0x59, 0x81, 0x38, 0x03, 0x80, 0x92, 0x59, 0x39, 0xf3];

/// The address that `deployApp` of an adjudicator gives to an app's runtime code, whether it is there yet or not.
pub fn app_address(adjudicator: Address, runtime: &[u8]) -> Address {
    adjudicator.create2(B256::ZERO, keccak256([&INIT_CODE, runtime].concat()))
}

/// Creates an app; does nothing when it is there.
pub fn deploy_app(runtime: &[u8]) -> Bytes {
    Adjudicator::deployAppCall { runtime: runtime.to_vec().into() }.abi_encode().into()
}

/// A move from the recorded `state` that its writer alone signed, once the period of a dispute is over.
pub fn progress(params: &ChannelParams, state: &State, next: &State, mover: &Signature) -> Bytes {
    let (zero, one) = match state.writer {
        Side::Zero => (Some(mover), None),
        Side::One => (None, Some(mover)),
    };
    progress_call(params, state, next, zero, one)
}

/// A higher state that both signed, once the period of a dispute is over.
pub fn progress_agreed(
    params: &ChannelParams,
    state: &State,
    next: &State,
    signatures: &[Signature; 2],
) -> Bytes {
    let [zero, one] = signatures;
    progress_call(params, state, next, Some(zero), Some(one))
}

fn progress_call(
    params: &ChannelParams,
    state: &State,
    next: &State,
    zero: Option<&Signature>,
    one: Option<&Signature>,
) -> Bytes {
    let call = Adjudicator::progressCall {
        params: convert::params(params),
        state: convert::state(state),
        next: convert::state(next),
        sig0: convert::signature(zero),
        sig1: convert::signature(one),
    };
    call.abi_encode().into()
}

/// Selectors of what an app has to answer: `validTransition` and `verdict`.
pub const SELECTORS: [[u8; 4]; 2] = [App::validTransitionCall::SELECTOR, App::verdictCall::SELECTOR];

/// Asks an app whether the writer of `state` may move to `next`, exactly as the adjudicator asks.
pub fn valid_transition(state: &State, next: &State) -> Bytes {
    App::validTransitionCall { state: convert::state(state), next: convert::state(next) }.abi_encode().into()
}

/// Whether the answer to [`valid_transition`] allows the move; anything but a clean yes is a no.
pub fn read_valid_transition(answer: &[u8]) -> bool {
    <[u8; 32]>::try_from(answer).is_ok_and(|word| B256::new(word) == B256::with_last_byte(1))
}

/// Asks an app what each side gains or loses if `state` is the last word, exactly as the adjudicator asks.
pub fn verdict(state: &State) -> Bytes {
    App::verdictCall { state: convert::state(state) }.abi_encode().into()
}

/// The answer to [`verdict`], per asset; none when the adjudicator would not take it, so that the state's own deltas
/// count.
pub fn read_verdict(answer: &[u8], assets: usize) -> Option<Vec<[i128; 2]>> {
    let mut words = answer.chunks_exact(32).map(B256::from_slice);
    let expected = assets.checked_mul(64)?.checked_add(64)?;
    let mut number = || i128::try_from(I256::from_be_bytes(words.next()?.0)).ok();
    let head = (answer.len() == expected).then_some((number()?, number()?))?;
    if head != (32, i128::try_from(assets).ok()?) {
        return None;
    }
    let mut deltas = Vec::with_capacity(assets);
    for _ in 0..assets {
        let pair = [number()?, number()?];
        if pair[0].checked_add(pair[1]) != Some(0) {
            return None;
        }
        deltas.push(pair);
    }
    Some(deltas)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::U256;
    use alloy_sol_types::SolValue;

    fn answer(deltas: &[[i128; 2]]) -> Vec<u8> {
        deltas.to_vec().abi_encode()
    }

    #[test]
    fn a_sound_verdict_is_read() {
        let deltas = [[-5, 5], [i128::MAX, -i128::MAX]];
        assert_eq!(read_verdict(&answer(&deltas), 2), Some(deltas.to_vec()));
    }

    #[test]
    fn an_unsound_verdict_counts_for_nothing() {
        let sound = answer(&[[-5, 5]]);
        assert_eq!(read_verdict(&sound, 2), None, "too few");
        assert_eq!(read_verdict(&sound[..96], 1), None, "too short");
        assert_eq!(read_verdict(&[sound.clone(), vec![0]].concat(), 1), None, "too long");
        assert_eq!(read_verdict(&answer(&[[-5, 6]]), 1), None, "more than there is");
        assert_eq!(read_verdict(&answer(&[[i128::MIN, i128::MIN]]), 1), None, "more than there is");
        let word = |value: U256| value.to_be_bytes::<32>();
        let head = [word(U256::from(32)), word(U256::ONE)].concat();
        let huge = [word(U256::ONE << 127), word(U256::MAX - (U256::ONE << 127) + U256::ONE)].concat();
        assert_eq!(read_verdict(&[head, huge].concat(), 1), None, "no int128");
        let mut elsewhere = sound;
        elsewhere[31] = 64;
        assert_eq!(read_verdict(&elsewhere, 1), None, "another offset");
        assert_eq!(read_verdict(&[], 0), None);
    }

    #[test]
    fn only_a_clean_yes_allows_a_move() {
        assert!(read_valid_transition(&true.abi_encode()));
        assert!(!read_valid_transition(&false.abi_encode()));
        assert!(!read_valid_transition(&U256::from(2).abi_encode()));
        assert!(!read_valid_transition(&[1]));
        assert!(!read_valid_transition(&[]));
        assert!(!read_valid_transition(&(true, true).abi_encode()));
    }
}
