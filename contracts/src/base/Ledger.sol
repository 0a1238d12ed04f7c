// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Errors} from "../interfaces/Errors.sol";
import {IAdjudicator} from "../interfaces/IAdjudicator.sol";
import {ChannelParams} from "../interfaces/Types.sol";
import {Holding, Holdings, Pair} from "../libraries/Holdings.sol";
import {Slot} from "../libraries/Records.sol";
import {Transfers} from "../libraries/Transfers.sol";

/// @title What the adjudicator holds for whom
/// @notice Storage, payouts and credits.
/// @dev Every payout is debited in storage before it is sent. Functions that call tokens or receivers hold the
/// reentrancy guard; all others that change anything are barred while it is held.
abstract contract Ledger is IAdjudicator, Errors, ReentrancyGuardTransient {
    /// @dev The channel's status, and what it holds of its first asset.
    mapping(bytes32 channelId => Holding) internal _first;
    /// @dev What it holds of the other assets, by index; without a status.
    mapping(bytes32 channelId => mapping(uint256 assetIndex => Holding)) internal _others;
    /// @dev Paid out so far by `withdraw`; counts only while the status is OPEN_WITHDRAWN.
    mapping(bytes32 channelId => mapping(uint256 assetIndex => Pair)) internal _paidOut;
    /// @dev Shortages; counts only where the holding says so.
    mapping(bytes32 channelId => mapping(uint256 assetIndex => Pair)) internal _debts;
    /// @dev The recorded version, or after settle the pending locks.
    mapping(bytes32 channelId => Slot) internal _records;

    /// @inheritdoc IAdjudicator
    mapping(address payout => mapping(address asset => uint256)) public credits;

    /// @dev For functions that call nobody: they need not hold the guard.
    modifier whenIdle() {
        if (_reentrancyGuardEntered()) revert ReentrancyGuardReentrantCall();
        _;
    }

    /// @inheritdoc IAdjudicator
    function withdrawCredit(address asset, address to) external nonReentrant {
        require(to != address(0) && to != address(this), InvalidRecipient());
        uint256 amount = credits[msg.sender][asset];
        require(amount != 0, NoCredit());
        delete credits[msg.sender][asset];
        emit CreditWithdrawn(msg.sender, asset, to, amount);
        require(Transfers.payUncapped(asset, to, amount), TransferFailed());
    }

    /// @dev The status and first holding of a channel that is neither settled nor closed.
    function _openChannel(bytes32 id) internal view returns (Holding first) {
        first = _first[id];
        require(first.isOpen(), ChannelEnded());
    }

    /// @dev What a channel holds of an asset; `first` is what `_first` has of it.
    function _holding(bytes32 id, Holding first, uint256 assetIndex) internal view returns (Holding) {
        return assetIndex == 0 ? first : _others[id][assetIndex];
    }

    /// @dev What `withdraw` has paid out of an asset so far.
    function _paid(bytes32 id, Holding first, uint256 assetIndex) internal view returns (uint256, uint256) {
        if (first.status() != Holdings.OPEN_WITHDRAWN) return (0, 0);
        return _paidOut[id][assetIndex].unpack();
    }

    /// @dev Pays both participants in every asset; what fails becomes a credit.
    function _payOut(ChannelParams calldata params, uint256[2][] memory amounts) internal {
        for (uint256 k = 0; k < amounts.length; ++k) {
            address asset = params.assets[k];
            _pay(asset, params.payout0, amounts[k][0]);
            _pay(asset, params.payout1, amounts[k][1]);
        }
    }

    function _pay(address asset, address payout, uint256 amount) private {
        if (amount == 0 || Transfers.tryPay(asset, payout, amount)) return;
        credits[payout][asset] += amount;
        emit Credited(payout, asset, amount);
    }
}
