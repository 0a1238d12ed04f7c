// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Errors} from "../interfaces/Errors.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title Outflows that cannot be made to hurt anyone but their receiver
/// @dev A receiver or token may revert, burn gas, return megabytes or call back: the caller learns only whether the
/// payment went through, at a bounded price.
library Transfers {
    /// @notice Gas for a receiver of the native coin: ample for smart accounts and their proxies.
    uint256 internal constant NATIVE_GAS = 50_000;
    /// @notice Gas for a token's transfer: ample for proxies, blacklists and interest-bearing tokens.
    uint256 internal constant TOKEN_GAS = 300_000;

    /// @dev What must be left so that the callee surely gets its gas: a call passes on at most 63/64 (EIP-150) of what
    /// remains after its own cost, which is at most 25,000 (new account) + 9,000 (value) + 5,200 (cold, EIP-7702).
    uint256 private constant NATIVE_GAS_NEEDED = NATIVE_GAS * 64 / 63 + 40_000;
    uint256 private constant TOKEN_GAS_NEEDED = TOKEN_GAS * 64 / 63 + 10_000;

    /// @notice Pays, or says that it was not possible. Reverts only when the caller gave too little gas.
    /// @param asset Zero for the native coin.
    function tryPay(address asset, address to, uint256 amount) internal returns (bool) {
        if (asset == address(0)) {
            require(gasleft() >= NATIVE_GAS_NEEDED, Errors.NotEnoughGas());
            return _sendNative(to, amount, NATIVE_GAS);
        }
        require(gasleft() >= TOKEN_GAS_NEEDED, Errors.NotEnoughGas());
        return _sendToken(asset, to, amount, TOKEN_GAS);
    }

    /// @notice Pays with all the gas there is; for callers who pay for their own receiver.
    function payUncapped(address asset, address to, uint256 amount) internal returns (bool) {
        return asset == address(0) ? _sendNative(to, amount, gasleft()) : _sendToken(asset, to, amount, gasleft());
    }

    function _sendNative(address to, uint256 amount, uint256 gasLimit) private returns (bool ok) {
        // Assembly, because Solidity copies all returned data and so lets the receiver spend our gas.
        assembly ("memory-safe") {
            ok := call(gasLimit, to, amount, 0, 0, 0, 0)
        }
    }

    /// @dev Success is: the call went through, and a contract returned nothing (USDT) or `true`.
    function _sendToken(address token, address to, uint256 amount, uint256 gasLimit) private returns (bool ok) {
        bytes memory data = abi.encodeCall(IERC20.transfer, (to, amount));
        assembly ("memory-safe") {
            mstore(0, 0)
            ok := call(gasLimit, token, 0, add(data, 32), mload(data), 0, 32)
            switch returndatasize()
            case 0 { ok := and(ok, iszero(iszero(extcodesize(token)))) }
            default { ok := and(ok, and(gt(returndatasize(), 31), eq(mload(0), 1))) }
        }
    }
}
