// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAdjudicator} from "../interfaces/IAdjudicator.sol";
import {Transfers} from "../libraries/Transfers.sol";
import {Ledger} from "./Ledger.sol";

/// @title Payouts that failed, to be pulled by their owners
abstract contract Credits is IAdjudicator, Ledger {
    /// @inheritdoc IAdjudicator
    function credits(address payout, address asset) external view returns (uint256) {
        return _credits[payout][asset];
    }

    /// @inheritdoc IAdjudicator
    function withdrawCredit(address asset, address to) external nonReentrant {
        require(to != address(0) && to != address(this), InvalidRecipient());
        uint256 amount = _credits[msg.sender][asset];
        require(amount != 0, NoCredit());
        delete _credits[msg.sender][asset];
        emit CreditWithdrawn(msg.sender, asset, to, amount);
        require(Transfers.payUncapped(asset, to, amount), TransferFailed());
    }
}
