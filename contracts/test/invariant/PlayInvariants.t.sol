// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Test} from "forge-std/Test.sol";
import {PlayHandler} from "./PlayHandler.sol";

/// @notice Properties 2 and 3 of the protocol for an honest player in a child over a hub.
/// forge-config: default.invariant.runs = 8
/// forge-config: default.invariant.depth = 24
contract PlayInvariantsTest is Test {
    PlayHandler internal handler;

    function setUp() public {
        handler = new PlayHandler();
        targetSelector(FuzzSelector(address(handler), selectors()));
        targetContract(address(handler));
    }

    function selectors() private pure returns (bytes4[] memory list) {
        list = new bytes4[](8);
        list[0] = PlayHandler.play.selector;
        list[1] = PlayHandler.tryChallenge.selector;
        list[2] = PlayHandler.tryRespond.selector;
        list[3] = PlayHandler.tryMove.selector;
        list[4] = PlayHandler.tryMoveAtTheEnd.selector;
        list[5] = PlayHandler.tryAllMoves.selector;
        list[6] = PlayHandler.trySettle.selector;
        list[7] = PlayHandler.pass.selector;
    }

    /// Nobody is forced on for ever.
    function invariant_movesEnd() public view {
        assertLe(handler.turns(), 127);
    }

    function afterInvariant() public {
        assertSafe();
    }

    /// It gets out, and loses nothing: it never stalled.
    function assertSafe() private {
        handler.exit();
        (bool finalised, uint256 amount) = handler.outcome0();
        assertTrue(finalised, "no hostage");
        assertGe(amount, handler.amount0(), "safety");
    }

    /// The steps do what they are there for; else the invariants would hold of nothing.
    function test_stepsSucceed() public {
        bytes32[6] memory steps = [bytes32("challenge"), "respond", "move", "move at the end", "all moves", "settle"];
        uint256[6] memory taken;
        bytes4[] memory calls = selectors();
        for (uint256 run = 0; run < 12; ++run) {
            handler = new PlayHandler();
            for (uint256 i = 0; i < 24; ++i) {
                uint256 random = uint256(keccak256(abi.encode(run, i)));
                (bool ok,) = address(handler).call(abi.encodePacked(calls[random % 8], random >> 8));
                // A duration of 32 bits is all that a step takes less than a word for.
                if (!ok) (ok,) = address(handler).call(abi.encodePacked(calls[random % 8], random >> 224));
                assertTrue(ok);
            }
            for (uint256 k = 0; k < 6; ++k) {
                taken[k] += handler.taken(steps[k]);
            }
            assertSafe();
            vm.warp(1_800_000_000);
        }
        for (uint256 k = 0; k < 6; ++k) {
            assertGt(taken[k], 0, string(abi.encodePacked(steps[k])));
        }
    }
}
