// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title Why the adjudicator refuses a call
/// @notice Each error names the rule that was broken.
interface Errors {
    /// @notice A number or address in the calldata is out of its type's range.
    error Malformed();

    // ---- parameters of a channel

    /// @notice Signers and payouts must not be zero, and the two signers must differ.
    error InvalidParticipants();
    /// @notice The challenge duration must be 1 hour to 30 days.
    error InvalidChallengeDuration();
    /// @notice There must be 1 to 4 assets, strictly ascending by address.
    error InvalidAssets();
    /// @notice Channels with an app or a parent have neither withdrawals nor locks.
    error NotAPaymentChannel();
    /// @notice A child channel is judged by the calls that show its terms.
    error ChildChannel();
    /// @notice The terms are not those that the parameters commit to.
    error ChildTermsMismatch();
    /// @notice A child channel has one asset, and its funds stay below 2^127.
    error InvalidChild();
    /// @notice A participant is 0 or 1; as a challenger of a child channel 2 is its hub.
    error InvalidParticipant();

    // ---- deposits

    /// @notice The channel is settled or closed: it takes no deposit and no other state any more.
    error ChannelEnded();
    /// @notice No such asset in the channel, or one that this call cannot take.
    error InvalidAssetIndex();
    /// @notice Nothing arrived, so that there is nothing to credit.
    error NothingDeposited();
    /// @notice The deposits of one participant in one asset must stay below 2^127.
    error DepositTooLarge();
    /// @notice The amounts of a batch must add up to the value sent.
    error ValueMismatch();
    /// @notice The token sent away more than arrived.
    error BalanceDecreased();

    // ---- states

    /// @notice One allocation per asset is needed.
    error WrongAllocationCount();
    /// @notice The writer is 0 or 1.
    error InvalidWriter();
    /// @notice A state has no app data without an app, and at most 8,192 bytes with one.
    error UnexpectedAppData();
    /// @notice A state of a channel with an app or a parent has no locks.
    error UnexpectedLocks();
    /// @notice In a channel with an app or a parent delta0 + delta1 is zero, and nothing is withdrawn.
    error Unbalanced(uint256 assetIndex);
    /// @notice A final state has no locks.
    error FinalWithLocks();
    /// @notice In this asset the state gives out more than both deposited: delta0 + delta1 + withdrawn0 + withdrawn1 > 0.
    error OverAllocated(uint256 assetIndex);
    /// @notice In this asset an amount is locked, but the state names no locks.
    error LockedWithoutLocks(uint256 assetIndex);
    /// @notice Version 0 is the zero state: nothing moved, writer 0, not final, no locks, no history.
    error NotTheZeroState();
    /// @notice Version 0 is not signed by anyone, and this call needs a signed state.
    error UnsignedVersion();
    /// @notice The signature is not that participant's signer's on this state or request; 2 is the hub.
    error BadSignature(uint256 participant);
    /// @notice The state must have a higher version than what is recorded.
    error StaleState();
    /// @notice The state has the recorded version, but is another state.
    error ConflictingState();
    /// @notice `close` needs a final state, `withdraw` one that is not final; `progress` is not possible above one.
    error WrongFinality();
    /// @notice The state could be executed until its validUntil, which has passed.
    error Expired();
    /// @notice In this asset the deposits on chain do not cover the state; `challenge` and `settle` still work.
    error Underfunded(uint256 assetIndex);
    /// @notice In this asset more was paid out already than the state says was withdrawn.
    error WithdrawnDecreased(uint256 assetIndex);

    // ---- disputes

    /// @notice What the caller says is recorded is not what is recorded.
    error RecordMismatch();
    /// @notice A dispute is already under way: use `respond`.
    error AlreadyDisputed();
    /// @notice No dispute is under way.
    error NotDisputed();
    /// @notice The challenge period is over: only `settle`, `close` and `resume` are possible.
    error PeriodOver();
    /// @notice The challenge period still runs.
    error PeriodRunning();
    /// @notice All 65,536 dispute numbers are used up: the channel can only be closed or settled.
    error TooManyDisputes();

    // ---- apps and children

    /// @notice Without an app there are no forced moves.
    error NoApp();
    /// @notice The app has no code yet: `deployApp` creates it.
    error AppNotDeployed();
    /// @notice The app's code cannot be created: it is empty, too long, or starts with 0xEF.
    error AppNotDeployable();
    /// @notice A move is the next version: not final, without a time limit, its history the hash of the state before.
    error NotAMove();
    /// @notice The app does not allow the move, or has no verdict on it.
    error InvalidMove();
    /// @notice All forced moves of this dispute are used up: it can only be settled, closed or resumed.
    error TooManyMoves();
    /// @notice A hub challenges at what is recorded: from `end` on, or while that is version 0.
    error HubNotEntitled();

    // ---- locks and credits

    /// @notice The channel has no locks pending: it is not settled, or closed.
    error NotSettled();
    /// @notice The list is not the one that is recorded.
    error LocksMismatch();
    /// @notice No lock of the list can be resolved yet.
    error NothingToUnlock();
    /// @notice The caller has no credit in this asset.
    error NoCredit();
    /// @notice Neither the zero address nor the adjudicator can receive a credit.
    error InvalidRecipient();
    /// @notice The credit could not be sent; it remains.
    error TransferFailed();
    /// @notice A payout or an app needs more gas than is left; without this check a caller could make it fail on purpose.
    error NotEnoughGas();
}
