// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAdjudicator} from "../../src/interfaces/IAdjudicator.sol";

/// @notice Takes no coins.
contract Rejecting {
    function withdrawCredit(IAdjudicator adjudicator, address asset, address to) external {
        adjudicator.withdrawCredit(asset, to);
    }
}

/// @notice Spends whatever gas it gets.
contract GasBurner {
    receive() external payable {
        while (true) {}
    }
}

/// @notice Returns a megabyte.
contract ReturnBomber {
    receive() external payable {
        assembly {
            return(0, 1000000)
        }
    }
}

/// @notice Reverts with a megabyte.
contract RevertBomber {
    receive() external payable {
        assembly {
            revert(0, 1000000)
        }
    }
}

/// @notice Calls back when it is paid, and remembers how that went.
contract CallingBack {
    address public target;
    bytes public data;
    bool public called;
    bool public succeeded;

    function arm(address target_, bytes calldata data_) external {
        (target, data) = (target_, data_);
    }

    receive() external payable {
        if (target == address(0)) return;
        called = true;
        (succeeded,) = target.call(data);
    }
}

/// @notice A smart account that keeps books when it is paid: more than the 2,300 gas of a stipend.
contract SmartAccount {
    uint256 public received;
    uint256 public payments;

    receive() external payable {
        received += msg.value;
        payments += 1;
    }
}

/// @notice Gives up early when it has less than nearly all the gas that payouts promise: whoever could starve it would
/// have enough left to write down a credit.
contract EarlyQuitter {
    uint256 public received;

    receive() external payable {
        require(gasleft() > 49_000, "starved");
        received += msg.value;
    }
}

/// @notice Code at a signer's address that would disown or approve anything.
contract SignerCode {
    bytes4 public answer;

    function isValidSignature(bytes32, bytes calldata) external view returns (bytes4) {
        return answer;
    }
}
