// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Errors} from "../interfaces/Errors.sol";
import {ChannelParams} from "../interfaces/Types.sol";

/// @title Parameters of a channel: their bounds, and the id that commits to them
library Params {
    uint256 internal constant MIN_CHALLENGE_DURATION = 1 hours;
    uint256 internal constant MAX_CHALLENGE_DURATION = 30 days;
    uint256 internal constant MAX_ASSETS = 4;

    /// @notice Checks everything that the parameters alone can break.
    /// @return The channel's id.
    function checkedId(ChannelParams calldata params) internal view returns (bytes32) {
        address signer0 = params.signer0;
        address signer1 = params.signer1;
        require(
            signer0 != address(0) && signer1 != address(0) && signer0 != signer1 && params.payout0 != address(0)
                && params.payout1 != address(0),
            Errors.InvalidParticipants()
        );
        uint256 duration = params.challengeDuration;
        require(
            duration >= MIN_CHALLENGE_DURATION && duration <= MAX_CHALLENGE_DURATION, Errors.InvalidChallengeDuration()
        );
        checkAssets(params.assets);
        return id(params);
    }

    /// @notice As `checkedId`, and refuses the channels that this adjudicator cannot judge.
    function paymentChannelId(ChannelParams calldata params) internal view returns (bytes32) {
        require(params.app == address(0), Errors.AppChannel());
        require(params.child == 0, Errors.ChildChannel());
        return checkedId(params);
    }

    /// @notice 1 to 4 assets in strictly ascending order, hence none twice.
    function checkAssets(address[] calldata assets) internal pure {
        uint256 count = assets.length;
        require(count != 0 && count <= MAX_ASSETS, Errors.InvalidAssets());
        for (uint256 k = 1; k < count; ++k) {
            require(assets[k - 1] < assets[k], Errors.InvalidAssets());
        }
    }

    /// @notice The channel's id by what a deposit shows; of a channel that is no child.
    function depositId(bytes32 terms, address firstAsset, bytes32 moreAssets) internal view returns (bytes32) {
        return _id(terms, firstAsset, moreAssets, 0);
    }

    /// @notice Commits to all assets but the first: zero when there is no other.
    function moreAssets(address[] calldata assets) internal pure returns (bytes32) {
        // In an array encodePacked pads every element to a word.
        return assets.length == 1 ? bytes32(0) : keccak256(abi.encodePacked(assets[1:]));
    }

    function id(ChannelParams calldata params) private view returns (bytes32) {
        bytes32 terms = keccak256(
            abi.encode(
                params.signer0,
                params.payout0,
                params.signer1,
                params.payout1,
                params.challengeDuration,
                params.nonce,
                params.app
            )
        );
        return _id(terms, params.assets[0], moreAssets(params.assets), params.child);
    }

    function _id(bytes32 terms, address firstAsset, bytes32 others, bytes32 child) private view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), terms, firstAsset, others, child));
    }
}
