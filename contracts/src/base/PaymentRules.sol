// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {AdjudicatorExtension} from "../AdjudicatorExtension.sol";
import {ChannelParams, State} from "../interfaces/Types.sol";
import {Hashing} from "../libraries/Hashing.sol";
import {Params} from "../libraries/Params.sol";
import {States} from "../libraries/States.sol";
import {Arbitration} from "./Arbitration.sol";
import {Signing} from "./Signing.sol";

/// @title What makes a channel a payment channel, and where all others are judged
abstract contract PaymentRules is Arbitration {
    /// @notice The code that judges channels with an app or a parent; it runs on this contract's storage.
    address public immutable EXTENSION;

    constructor() Signing(address(this)) {
        EXTENSION = address(new AdjudicatorExtension());
    }

    /// @dev Channels with an app or a parent are the extension's: then the call ends here. Goes before a guard, which the
    /// extension takes itself.
    // The extension's answer is that of the whole call.
    // slither-disable-next-line incorrect-return
    function _checked(ChannelParams calldata params) internal override returns (bytes32) {
        if (!Params.isPayment(params)) _delegate();
        return Params.check(params);
    }

    /// @dev Runs the whole call in the extension and ends with what it returns.
    function _delegate() internal {
        address extension = EXTENSION;
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, 0, calldatasize())
            let ok := delegatecall(gas(), extension, free, calldatasize(), 0, 0)
            returndatacopy(free, 0, returndatasize())
            if ok { return(free, returndatasize()) }
            revert(free, returndatasize())
        }
    }

    function _stateHash(ChannelParams calldata params, bytes32 id, State calldata state)
        internal
        pure
        override
        returns (bytes32)
    {
        States.checkPayment(state, Params.assetsOf(params).length);
        return Hashing.state(state, id, Hashing.EMPTY);
    }
}
