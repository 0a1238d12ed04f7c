// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Errors} from "../interfaces/Errors.sol";
import {Sig} from "../interfaces/Types.sol";

/// @title Who signed
library Signatures {
    /// @dev Half of the curve's order: of the two signatures (s, n - s) only the lower one counts.
    uint256 private constant MAX_S = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    /// @notice Requires a compact signature (EIP-2098) of `signer` on `digest`.
    /// @dev Always ecrecover, whatever code sits at the signer's address: code could disown what was signed.
    /// @param signer Not zero, which is what a failed recovery yields.
    function check(Sig calldata sig, bytes32 digest, address signer, uint256 participant) internal pure {
        uint256 s = uint256(sig.vs) << 1 >> 1;
        uint8 v;
        // 27 or 28.
        unchecked {
            v = uint8(27 + (uint256(sig.vs) >> 255));
        }
        bool valid = s <= MAX_S && ecrecover(digest, v, sig.r, bytes32(s)) == signer;
        require(valid, Errors.BadSignature(participant));
    }
}
