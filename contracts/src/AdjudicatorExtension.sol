// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {AppChannels} from "./base/AppChannels.sol";
import {ChildChannels} from "./base/ChildChannels.sol";
import {Signing} from "./base/Signing.sol";

/// @title The part of the adjudicator that judges channels with an app or a parent
/// @notice Created by the adjudicator and known to it for ever; there is no way to change it. It holds nothing: its code
/// runs on the adjudicator's storage, at whose address its functions are called (docs/decisions/0009).
contract AdjudicatorExtension is AppChannels, ChildChannels {
    /// @dev The creator is the adjudicator.
    constructor() Signing(msg.sender) {}
}
