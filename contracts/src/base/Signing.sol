// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {Hashing} from "../libraries/Hashing.sol";

/// @title The domain in which participants and hubs sign
abstract contract Signing {
    bytes32 private immutable SEPARATOR;
    uint256 private immutable CHAIN_ID;

    /// @param adjudicator What signatures name as the verifying contract: the extension's code runs there, too.
    constructor(address adjudicator) {
        SEPARATOR = Hashing.separator(adjudicator);
        CHAIN_ID = block.chainid;
    }

    /// @dev What is signed for a struct, in this chain's and this contract's domain; also after a fork of the chain.
    function _digest(bytes32 structHash) internal view returns (bytes32) {
        bytes32 separator = block.chainid == CHAIN_ID ? SEPARATOR : Hashing.separator(address(this));
        return MessageHashUtils.toTypedDataHash(separator, structHash);
    }
}
