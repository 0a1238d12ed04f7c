// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @notice What a call pays: per asset, to participant 0 and to participant 1.
type Payments is uint256;

using PaymentsLib for Payments global;

/// @title Payments of one call, in memory
/// @dev The amounts lie in a row behind their number of assets, as `abi.encode` lays out `uint256[2][]`: so an event takes
/// them by one copy. Callers keep `assetIndex` below the number of assets.
library PaymentsLib {
    /// @notice Room for payments in so many assets; `set` each.
    function create(uint256 assetCount) internal pure returns (Payments payments) {
        assembly ("memory-safe") {
            payments := mload(0x40)
            mstore(payments, assetCount)
            mstore(0x40, add(payments, add(32, shl(6, assetCount))))
        }
    }

    /// @notice Puts the payments in one asset.
    function set(Payments payments, uint256 assetIndex, uint256 pay0, uint256 pay1) internal pure {
        assembly ("memory-safe") {
            let pos := add(payments, shl(6, assetIndex))
            mstore(add(pos, 32), pay0)
            mstore(add(pos, 64), pay1)
        }
    }

    /// @notice The payments in one asset.
    function get(Payments payments, uint256 assetIndex) internal pure returns (uint256 pay0, uint256 pay1) {
        assembly ("memory-safe") {
            let pos := add(payments, shl(6, assetIndex))
            pay0 := mload(add(pos, 32))
            pay1 := mload(add(pos, 64))
        }
    }
}
