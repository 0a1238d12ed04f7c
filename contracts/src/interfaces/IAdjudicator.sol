// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IArbitration} from "./IArbitration.sol";
import {ChannelParams, Lock, NativeDeposit, Record, Sig, State} from "./Types.sol";

/// @title The arbiter of two-party channels
/// @notice Holds deposits, and pays them out by the highest version that both participants signed.
/// No owner, no upgrade, no pause, no fee.
/// In events and comments, what is paid to a payout is what its owner is entitled to; where the transfer failed it waits
/// as a credit, and `Credited` says so.
/// @dev EIP-712 domain: name "Strait", version "1", chainId, verifyingContract. Signed structures:
/// State (see Types.sol), `Challenge(bytes32 channelId,uint16 dispute,bytes32 stateHash)`,
/// `Resume(bytes32 channelId,uint16 dispute)`.
interface IAdjudicator is IArbitration {
    event Deposited(bytes32 indexed channelId, uint256 participant, uint256 assetIndex, uint256 amount);
    /// @notice A dispute began. `dispute` numbers the disputes of a channel from 0.
    event Challenged(bytes32 indexed channelId, uint256 challenger, uint256 dispute, uint256 deadline, State state);
    /// @notice The record was replaced by a higher version during a dispute.
    event Responded(bytes32 indexed channelId, uint256 dispute, State state);
    /// @notice The dispute ended by agreement; the record stays. The next dispute has the number `dispute + 1`.
    event Resumed(bytes32 indexed channelId, uint256 dispute);
    /// @notice The state was recorded and the increase of its `withdrawn` paid. `paid[k]` are the amounts per asset: to payout 0, to payout 1.
    event Withdrawn(bytes32 indexed channelId, State state, uint256[2][] paid);
    /// @notice All was paid out; nothing remains and no deposit is taken any more.
    event Closed(bytes32 indexed channelId, uint256[2][] paid);
    /// @notice The dispute ended by time and free balances were paid. `reserve[k]` is kept for the locks behind `locksHash`;
    /// when every reserve is zero the channel is closed.
    event Settled(bytes32 indexed channelId, uint256[2][] paid, uint256[] reserve, bytes32 locksHash);
    /// @notice Locks were resolved. `locks` is the list that remains, in the order it had; empty: the channel is closed.
    event Unlocked(bytes32 indexed channelId, uint256[2][] paid, Lock[] locks);
    event PreimageRegistered(bytes32 indexed hash, bytes32 preimage);
    /// @notice A payout failed and waits as a credit.
    event Credited(address indexed payout, address indexed asset, uint256 amount);
    event CreditWithdrawn(address indexed payout, address indexed asset, address to, uint256 amount);

    // ---- deposits: credit what really arrived; refused after settle or close; a child's id cannot be formed here

    /// @notice Deposits msg.value of the native coin (assets[0] must be the zero address: the id commits to it).
    function deposit(bytes32 terms, bytes32 moreAssets, uint256 participant) external payable;
    /// @notice Many native deposits; the amounts must add up to msg.value.
    function depositMany(NativeDeposit[] calldata deposits) external payable;
    /// @notice Pulls `amount` of `assets[assetIndex]` from the caller by its allowance.
    function depositToken(
        bytes32 terms,
        address[] calldata assets,
        uint256 assetIndex,
        uint256 participant,
        uint256 amount
    ) external;
    /// @notice Like depositToken, after an ERC-2612 permit of the caller; a failed permit (it may have been front-run) is ignored when the allowance suffices.
    function depositWithPermit(
        bytes32 terms,
        address[] calldata assets,
        uint256 assetIndex,
        uint256 participant,
        uint256 amount,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external;
    /// @notice EIP-3009 `receiveWithAuthorization` from `owner`, whose nonce must be keccak256(abi.encode(channelId, participant, salt)).
    function depositWithAuthorization(
        bytes32 terms,
        address[] calldata assets,
        uint256 assetIndex,
        uint256 participant,
        uint256 amount,
        address owner,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 salt,
        bytes calldata signature
    ) external;
    /// @notice Permit2 `permitWitnessTransferFrom` from `owner`; the witness is `DepositTo(bytes32 channelId,uint256 participant)`.
    function depositWithPermit2(
        bytes32 terms,
        address[] calldata assets,
        uint256 assetIndex,
        uint256 participant,
        uint256 amount,
        address owner,
        uint256 nonce,
        uint256 deadline,
        bytes calldata signature
    ) external;

    // ---- payment channels alone

    /// @notice Records a both-signed state above the record, within its `validUntil`, and pays the increase of `withdrawn`.
    /// Refused for a final state, and unless both own something not negative afterwards, by the deposits on chain.
    /// During a dispute it acts as `respond`: in its period, and the deadline stays.
    /// @param previous what is recorded; all zero when nothing is.
    function withdraw(
        ChannelParams calldata params,
        State calldata state,
        Sig calldata sig0,
        Sig calldata sig1,
        Record calldata previous
    ) external;
    /// @notice Resolves all locks of a settled channel that can be resolved now. Pays at most what is kept for them.
    /// @param locks the list that is recorded: of the settled state, then of the last `Unlocked`.
    function unlock(ChannelParams calldata params, Lock[] calldata locks) external;
    /// @notice Registers a preimage for hash locks; the first registration counts, and later ones change nothing.
    function registerPreimage(bytes32 preimage) external;
    /// @notice Pulls what could not be paid to the caller, who is the payout, to any other address.
    function withdrawCredit(address asset, address to) external;
    /// @notice Several calls in one transaction; not payable. Reverts as a whole.
    function multicall(bytes[] calldata calls) external;

    // ---- views

    /// @notice The id of parameters; reverts when they break a rule. Of a child channel its terms are not checked.
    function channelId(ChannelParams calldata params) external view returns (bytes32);
    /// @notice `phase` is 0 open, 1 settled with locks pending, 2 closed. `dispute` is the number of the dispute under
    /// way, or of the next. Deadline 0: no dispute. Fingerprint 0: nothing recorded; in phase 0 it is that of a version,
    /// bytes25(keccak256(abi.encode(channelId, version, dispute, stateHash))), in phase 1 that of the pending locks,
    /// bytes25(keccak256(abi.encode(keccak256("Strait: pending locks"), channelId, locksHash))). Closed: all zero.
    function channel(bytes32 id)
        external
        view
        returns (uint8 phase, uint16 dispute, uint40 deadline, bytes25 fingerprint);
    /// @notice Per participant: deposited and already withdrawn while open; after settle `reserve` is what the locks keep,
    /// and all else is zero.
    function funds(bytes32 id, uint256 assetIndex)
        external
        view
        returns (uint128[2] memory deposited, uint128[2] memory withdrawn, uint128 reserve);
    /// @notice What waits for a payout to pull, per asset.
    function credits(address payout, address asset) external view returns (uint256);
    /// @notice When the preimage of a sha256 hash was registered, Unix seconds; 0: never.
    function registeredAt(bytes32 hash) external view returns (uint64);
}
