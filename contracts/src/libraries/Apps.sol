// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Errors} from "../interfaces/Errors.sol";
import {IApp} from "../interfaces/IApp.sol";
import {State} from "../interfaces/Types.sol";

/// @title Questions to an app that may be anything
/// @dev It may revert, burn gas, return megabytes or lie. It is asked by `staticcall`, with exactly the same gas whoever
/// asks and however much there is, so that its answer never depends on the caller.
library Apps {
    /// @notice Gas for one question.
    uint256 internal constant GAS = 1_000_000;
    /// @dev What must be left so that the app surely gets its gas: a call passes on at most 63/64 (EIP-150).
    uint256 private constant GAS_NEEDED = GAS * 64 / 63 + 10_000;
    /// @dev Longest code of a contract (EIP-170).
    uint256 internal constant MAX_CODE = 24_576;
    /// @dev Init code that returns all that follows it.
    bytes11 private constant INIT_CODE = 0x600b5981380380925939f3;

    /// @notice Whether the app allows the move.
    function isValidTransition(address app, State calldata state, State calldata next) internal view returns (bool) {
        (bool ok, uint256 answer) = _ask(app, abi.encodeCall(IApp.validTransition, (state, next)), 32);
        uint256 allowed;
        assembly ("memory-safe") {
            allowed := mload(answer)
        }
        return ok && allowed == 1;
    }

    /// @notice What the app gives to participant 0 and 1, per asset.
    /// @param writer who is said to be the state's writer.
    /// @return ok The app answered, and of no asset gives more or less than there is.
    /// @return deltas Pairs in a row, one per asset; see `deltaOf`.
    function verdict(address app, State calldata state, uint256 writer, uint256 assetCount)
        internal
        view
        returns (bool ok, uint256 deltas)
    {
        bytes memory question = abi.encodeCall(IApp.verdict, (state));
        assembly ("memory-safe") {
            // Behind length, selector, the state's offset and its version.
            mstore(add(question, 100), writer)
        }
        uint256 answer;
        // As abi.encode lays out int128[2][]: offset, length, pairs.
        (ok, answer) = _ask(app, question, 64 + 64 * assetCount);
        if (!ok) return (false, 0);
        assembly ("memory-safe") {
            ok := and(eq(mload(answer), 32), eq(mload(add(answer, 32)), assetCount))
        }
        deltas = answer + 64;
        for (uint256 k = 0; k < assetCount; ++k) {
            (int256 delta0, int256 delta1) = deltaOf(deltas, k);
            // forge-lint: disable-next-line(unsafe-typecast) the comparison is what the cast is for
            if (int128(delta0) != delta0 || int128(delta1) != delta1) return (false, 0);
            if (delta0 + delta1 != 0) return (false, 0);
        }
    }

    /// @notice Whether two verdicts are the same.
    function same(uint256 deltas, uint256 others, uint256 assetCount) internal pure returns (bool result) {
        assembly ("memory-safe") {
            let size := shl(6, assetCount)
            result := eq(keccak256(deltas, size), keccak256(others, size))
        }
    }

    /// @notice One pair of a verdict.
    function deltaOf(uint256 deltas, uint256 assetIndex) internal pure returns (int256 delta0, int256 delta1) {
        assembly ("memory-safe") {
            let pos := add(deltas, shl(6, assetIndex))
            delta0 := mload(pos)
            delta1 := mload(add(pos, 32))
        }
    }

    /// @notice The app must have code: whoever needs an answer can create it.
    function requireCode(address app) internal view {
        require(app.code.length != 0, Errors.AppNotDeployed());
    }

    /// @notice Creates an app from its runtime code, unless it is there.
    /// @return app Its address, which the runtime code and this contract's address decide on.
    /// @return created Whether it was created now.
    function deploy(bytes calldata runtime) internal returns (address app, bool created) {
        // What no chain takes would burn all the gas that there is.
        bool deployable = runtime.length != 0 && runtime.length <= MAX_CODE && runtime[0] != 0xef;
        require(deployable, Errors.AppNotDeployable());
        bytes memory initCode = bytes.concat(INIT_CODE, runtime);
        app = address(
            uint160(uint256(keccak256(abi.encodePacked(hex"ff", address(this), bytes32(0), keccak256(initCode)))))
        );
        if (app.code.length != 0) return (app, false);
        address result;
        assembly ("memory-safe") {
            result := create2(0, add(initCode, 32), mload(initCode), 0)
        }
        require(result == app, Errors.AppNotDeployable());
        return (app, true);
    }

    /// @dev The answer lies in memory at `answer`. Not `ok` also when it has another size than expected; no more than
    /// `size` bytes are ever copied.
    function _ask(address app, bytes memory question, uint256 size) private view returns (bool ok, uint256 answer) {
        assembly ("memory-safe") {
            answer := mload(0x40)
            mstore(0x40, add(answer, size))
            // Memory is paid for before gas is counted.
            mstore(add(answer, sub(size, 32)), 0)
        }
        require(gasleft() >= GAS_NEEDED, Errors.NotEnoughGas());
        uint256 gasForApp = GAS;
        assembly ("memory-safe") {
            ok := staticcall(gasForApp, app, add(question, 32), mload(question), answer, size)
            ok := and(ok, eq(returndatasize(), size))
        }
    }
}
