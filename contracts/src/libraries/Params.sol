// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Errors} from "../interfaces/Errors.sol";
import {ChannelParams} from "../interfaces/Types.sol";
import {Hashing} from "./Hashing.sol";

/// @title Parameters of a channel: their bounds
/// @dev `check` reads the words of the parameters as they lie in calldata and checks them all once; afterwards the
/// functions below read them without checking again, which saves 40 gas at each of a dozen places. The offset of the
/// assets is followed wherever it leads: the id commits to whatever is read there.
library Params {
    uint256 internal constant MIN_CHALLENGE_DURATION = 1 hours;
    uint256 internal constant MAX_CHALLENGE_DURATION = 30 days;
    uint256 internal constant MAX_ASSETS = 4;

    /// @notice Checks everything that the parameters alone can break.
    /// @return The channel's id.
    function check(ChannelParams calldata params) internal view returns (bytes32) {
        uint256 signer0;
        uint256 payout0;
        uint256 signer1;
        uint256 payout1;
        uint256 duration = challengeDuration(params);
        uint256 tooLarge;
        assembly ("memory-safe") {
            signer0 := calldataload(params)
            payout0 := calldataload(add(params, 32))
            signer1 := calldataload(add(params, 64))
            payout1 := calldataload(add(params, 96))
            let addresses := or(or(signer0, payout0), or(signer1, payout1))
            let nonce := calldataload(add(params, 160))
            let app_ := calldataload(add(params, 192))
            tooLarge := or(shr(160, or(addresses, app_)), shr(64, nonce))
        }
        require(tooLarge == 0, Errors.Malformed());
        require(signer0 != 0 && payout0 != 0, Errors.InvalidParticipants());
        require(signer1 != 0 && payout1 != 0 && signer0 != signer1, Errors.InvalidParticipants());
        require(
            duration >= MIN_CHALLENGE_DURATION && duration <= MAX_CHALLENGE_DURATION, Errors.InvalidChallengeDuration()
        );
        address[] calldata assets = assetsOf(params);
        bytes32 moreAssets = 0;
        if (assets.length != 1) {
            checkAssets(assets);
            moreAssets = Hashing.moreAssets(assets);
        }
        uint256 first;
        assembly ("memory-safe") {
            first := calldataload(assets.offset)
        }
        require(first >> 160 == 0, Errors.Malformed());
        return Hashing.id(Hashing.terms(params), address(uint160(first)), moreAssets, params.child);
    }

    /// @notice As `check`, and refuses channels with an app or a parent.
    function checkPayment(ChannelParams calldata params) internal view returns (bytes32) {
        require(isPayment(params), Errors.NotAPaymentChannel());
        return check(params);
    }

    /// @notice Neither an app nor a parent.
    function isPayment(ChannelParams calldata params) internal pure returns (bool result) {
        assembly ("memory-safe") {
            result := iszero(or(calldataload(add(params, 192)), calldataload(add(params, 224))))
        }
    }

    /// @notice 1 to 4 assets in strictly ascending order, hence none twice.
    function checkAssets(address[] calldata assets) internal pure {
        uint256 count = assets.length;
        require(count != 0 && count <= MAX_ASSETS, Errors.InvalidAssets());
        for (uint256 k = 1; k < count; ++k) {
            unchecked {
                require(assets[k - 1] < assets[k], Errors.InvalidAssets());
            }
        }
    }

    /// @notice The signer of participant 0 or 1, of parameters that were checked.
    function signer(ChannelParams calldata params, uint256 participant) internal pure returns (address result) {
        assembly ("memory-safe") {
            result := calldataload(add(params, shl(6, participant)))
        }
    }

    /// @notice The payout of participant 0 or 1, of parameters that were checked.
    function payout(ChannelParams calldata params, uint256 participant) internal pure returns (address result) {
        assembly ("memory-safe") {
            result := calldataload(add(params, add(32, shl(6, participant))))
        }
    }

    /// @notice The assets of parameters.
    function assetsOf(ChannelParams calldata params) internal pure returns (address[] calldata assets) {
        assembly ("memory-safe") {
            let pos := add(params, calldataload(add(params, 256)))
            assets.length := calldataload(pos)
            assets.offset := add(pos, 32)
        }
    }

    /// @notice One of the assets of parameters that were checked. `k` must be below the length.
    function assetAt(address[] calldata assets, uint256 k) internal pure returns (address asset) {
        assembly ("memory-safe") {
            asset := calldataload(add(assets.offset, shl(5, k)))
        }
    }

    /// @notice Seconds, of parameters that were checked.
    function challengeDuration(ChannelParams calldata params) internal pure returns (uint256 result) {
        assembly ("memory-safe") {
            result := calldataload(add(params, 128))
        }
    }
}
