// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {PlayHandler} from "./PlayHandler.sol";
import {StepsTest} from "./StepsTest.sol";

/// @notice Properties 2 and 3 of the protocol for an honest player in a child over a hub.
/// forge-config: default.invariant.runs = 8
/// forge-config: default.invariant.depth = 24
contract PlayInvariantsTest is StepsTest {
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

    function test_stepsSucceed() public {
        bytes32[] memory steps = new bytes32[](6);
        (steps[0], steps[1], steps[2]) = ("challenge", "respond", "move");
        (steps[3], steps[4], steps[5]) = ("move at the end", "all moves", "settle");
        for (uint256 run = 0; run < 12; ++run) {
            handler = new PlayHandler();
            take(address(handler), selectors(), steps, run);
            assertSafe();
            vm.warp(1_800_000_000);
        }
        assertTaken(steps);
    }
}
