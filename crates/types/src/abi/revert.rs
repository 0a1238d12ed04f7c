//! Why a call reverted, in words.

use alloy_primitives::{Address, B256, U256, hex, keccak256};
use alloy_sol_types::{Panic, Revert, SolError};
use std::collections::HashMap;
use std::sync::LazyLock;

/// Custom errors of the adjudicator, of the libraries in it, and of OpenZeppelin's ERC-20. A test compares the list
/// with the committed artifacts.
const ERRORS: &[&str] = &[
    "AddressEmptyCode(address)",
    "AlreadyDisputed()",
    "AlreadyRegistered()",
    "AppNotDeployable()",
    "AppNotDeployed()",
    "BadSignature(uint256)",
    "BalanceDecreased()",
    "ChannelEnded()",
    "ChildChannel()",
    "ChildTermsMismatch()",
    "ConflictingState()",
    "DepositTooLarge()",
    "ECDSAInvalidSignature()",
    "ECDSAInvalidSignatureLength(uint256)",
    "ECDSAInvalidSignatureS(bytes32)",
    "ERC20InsufficientAllowance(address,uint256,uint256)",
    "ERC20InsufficientBalance(address,uint256,uint256)",
    "ERC20InvalidApprover(address)",
    "ERC20InvalidReceiver(address)",
    "ERC20InvalidSender(address)",
    "ERC20InvalidSpender(address)",
    "ERC2612ExpiredSignature(uint256)",
    "ERC2612InvalidSigner(address,address)",
    "ERC3009InvalidAuthorizationTime(uint256,uint256)",
    "ERC3009InvalidSignature()",
    "ERC3009UsedAuthorization(address,bytes32)",
    "Expired()",
    "FailedCall()",
    "FinalWithLocks()",
    "HubNotEntitled()",
    "InvalidAccountNonce(address,uint256)",
    "InvalidAssetIndex()",
    "InvalidAssets()",
    "InvalidChallengeDuration()",
    "InvalidChild()",
    "InvalidMove()",
    "InvalidParticipant()",
    "InvalidParticipants()",
    "InvalidRecipient()",
    "InvalidShortString()",
    "InvalidWriter()",
    "LockedWithoutLocks(uint256)",
    "LocksMismatch()",
    "Malformed()",
    "NoApp()",
    "NoCredit()",
    "NotAMove()",
    "NotAPaymentChannel()",
    "NotDisputed()",
    "NotEnoughGas()",
    "NotSettled()",
    "NotTheZeroState()",
    "NothingDeposited()",
    "NothingToUnlock()",
    "OverAllocated(uint256)",
    "PeriodOver()",
    "PeriodRunning()",
    "RecordMismatch()",
    "ReentrancyGuardReentrantCall()",
    "SafeCastOverflowedUintDowncast(uint8,uint256)",
    "SafeERC20FailedOperation(address)",
    "StaleState()",
    "StringTooLong(string)",
    "TooManyDisputes()",
    "TooManyMoves()",
    "TransferFailed()",
    "Unbalanced(uint256)",
    "Underfunded(uint256)",
    "UnexpectedAppData()",
    "UnexpectedLocks()",
    "UnsignedVersion()",
    "ValueMismatch()",
    "WithdrawnDecreased(uint256)",
    "WrongAllocationCount()",
    "WrongFinality()",
];

static BY_SELECTOR: LazyLock<HashMap<[u8; 4], &'static str>> =
    LazyLock::new(|| ERRORS.iter().map(|signature| (selector(signature), *signature)).collect());

fn selector(signature: &str) -> [u8; 4] {
    let hash = keccak256(signature);
    [hash[0], hash[1], hash[2], hash[3]]
}

/// The reason behind revert data: a custom error's name and arguments, `require`'s text, a panic's meaning, or
/// the raw bytes.
pub fn decode_revert(data: &[u8]) -> String {
    if data.is_empty() {
        return "no reason given".to_owned();
    }
    if let Ok(revert) = Revert::abi_decode_validate(data) {
        return revert.reason;
    }
    if let Ok(panic) = Panic::abi_decode_validate(data) {
        return panic.to_string();
    }
    custom_error(data).unwrap_or_else(|| hex::encode_prefixed(data))
}

/// `Name` or `Name(argument,..)`, for errors whose arguments are single words.
fn custom_error(data: &[u8]) -> Option<String> {
    let (selector, arguments) = data.split_first_chunk::<4>()?;
    let (name, types) = BY_SELECTOR.get(selector)?.strip_suffix(')')?.split_once('(')?;
    if types.is_empty() {
        return Some(name.to_owned());
    }
    let mut words = arguments.chunks_exact(32).map(B256::from_slice);
    let mut shown = Vec::new();
    for of_type in types.split(',') {
        let word = words.next()?;
        shown.push(match of_type {
            "uint256" => U256::from_be_bytes(word.0).to_string(),
            "address" => Address::from_word(word).to_string(),
            _ => word.to_string(),
        });
    }
    Some(format!("{name}({})", shown.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::artifact_tests::{ADJUDICATOR, TOKEN, signatures};

    #[test]
    fn names_every_error_of_the_contracts() {
        for artifact in [ADJUDICATOR, TOKEN] {
            for error in signatures(artifact, "error") {
                assert!(ERRORS.contains(&error.as_str()), "{error} is missing in the list");
            }
        }
    }

    #[test]
    fn reasons_are_readable() {
        let with = |signature: &str, words: &[U256]| {
            let mut data = selector(signature).to_vec();
            words.iter().for_each(|word| data.extend_from_slice(&word.to_be_bytes::<32>()));
            decode_revert(&data)
        };
        assert_eq!(with("StaleState()", &[]), "StaleState");
        assert_eq!(with("Underfunded(uint256)", &[U256::from(2)]), "Underfunded(2)");
        assert_eq!(
            with("SafeERC20FailedOperation(address)", &[U256::from(0x77)]),
            "SafeERC20FailedOperation(0x0000000000000000000000000000000000000077)"
        );
        assert_eq!(decode_revert(&Revert::from("too late").abi_encode()), "too late");
        assert!(with("Panic(uint256)", &[U256::from(0x11)]).contains("overflow"));
    }

    #[test]
    fn foreign_data_is_shown_raw() {
        assert_eq!(decode_revert(&[]), "no reason given");
        assert_eq!(decode_revert(&[1, 2, 3]), "0x010203");
        assert_eq!(
            decode_revert(&selector("Underfunded(uint256)")),
            hex::encode_prefixed(selector("Underfunded(uint256)"))
        );
    }
}
