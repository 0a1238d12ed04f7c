// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Errors} from "../interfaces/Errors.sol";
import {IAdjudicator} from "../interfaces/IAdjudicator.sol";
import {ChannelParams} from "../interfaces/Types.sol";
import {Holding, Holdings, Pair} from "../libraries/Holdings.sol";
import {Params} from "../libraries/Params.sol";
import {Payments} from "../libraries/Payments.sol";
import {Slot} from "../libraries/Records.sol";
import {Transfers} from "../libraries/Transfers.sol";

/// @notice All that is stored of a channel.
struct Channel {
    /// By asset index; the first one also carries the channel's status.
    Holding[4] holdings;
    /// The recorded version, or after settle the pending locks.
    Slot record;
    /// Paid out so far by `withdraw`; counts only while the status is OPEN_WITHDRAWN.
    Pair[4] paidOut;
    /// Shortages after settle; count only where the holding says so.
    Pair[4] debts;
}

/// @title What the adjudicator holds for whom
/// @notice Storage and payouts.
/// @dev Every payout is debited in storage before it is sent. Functions that call tokens or receivers hold the
/// reentrancy guard; all others that change anything are barred while it is held.
/// The adjudicator and its extension share this storage: both inherit it before any other.
abstract contract Ledger is Errors, ReentrancyGuardTransient {
    // Written through references to its channels.
    // slither-disable-next-line uninitialized-state
    mapping(bytes32 channelId => Channel) internal _channels;

    /// @dev What could not be paid, by payout and asset.
    mapping(address payout => mapping(address asset => uint256)) internal _credits;

    /// @dev For functions that call nobody: they need not hold the guard.
    modifier whenIdle() {
        if (_reentrancyGuardEntered()) revert ReentrancyGuardReentrantCall();
        _;
    }

    /// @dev A channel that is neither settled nor closed, and what it holds of its first asset, with its status.
    function _openChannel(bytes32 id) internal view returns (Channel storage channel_, Holding first) {
        channel_ = _channels[id];
        first = channel_.holdings[0];
        require(first.isOpen(), ChannelEnded());
    }

    /// @dev What participants deposited in an open channel, and what `withdraw` has paid of it.
    function _balance(Channel storage channel_, Holding first, uint256 assetIndex)
        internal
        view
        returns (uint256 deposit0, uint256 deposit1, uint256 paid0, uint256 paid1)
    {
        Holding holding = assetIndex == 0 ? first : channel_.holdings[assetIndex];
        (deposit0, deposit1) = holding.deposits();
        if (first.status() == Holdings.OPEN_WITHDRAWN) (paid0, paid1) = channel_.paidOut[assetIndex].unpack();
    }

    /// @dev Clears the slots that nobody will read again; the tombstone lies with the first asset.
    function _forget(Channel storage channel_, Holding first, uint256 assetIndex) internal {
        if (assetIndex != 0) channel_.holdings[assetIndex] = Holding.wrap(0);
        if (first.status() == Holdings.OPEN_WITHDRAWN) channel_.paidOut[assetIndex] = Pair.wrap(0);
    }

    /// @dev Pays both participants in every asset; what fails becomes a credit.
    function _payOut(ChannelParams calldata params, Payments pays) internal {
        address[] calldata assets = Params.assetsOf(params);
        for (uint256 k = 0; k < assets.length; ++k) {
            (uint256 pay0, uint256 pay1) = pays.get(k);
            address asset = Params.assetAt(assets, k);
            if (pay0 != 0) _pay(asset, Params.payout(params, 0), pay0);
            if (pay1 != 0) _pay(asset, Params.payout(params, 1), pay1);
        }
    }

    function _pay(address asset, address payout, uint256 amount) private {
        if (Transfers.tryPay(asset, payout, amount)) return;
        _credits[payout][asset] += amount;
        emit IAdjudicator.Credited(payout, asset, amount);
    }
}
