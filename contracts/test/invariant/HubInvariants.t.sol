// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAdjudicator} from "../../src/interfaces/IAdjudicator.sol";
import {IAdjudicatorExtension} from "../../src/interfaces/IAdjudicatorExtension.sol";
import {HubHandler} from "./HubHandler.sol";
import {StepsTest} from "./StepsTest.sol";

/// @notice Properties 1, 3 and 6 of the protocol for a hub against its two clients, in any interleaving of disputes of both
/// parents and the child.
/// forge-config: default.invariant.runs = 24
/// forge-config: default.invariant.depth = 40
contract HubInvariantsTest is StepsTest {
    HubHandler internal handler;
    IAdjudicator internal adjudicator;

    function setUp() public {
        handler = new HubHandler();
        adjudicator = IAdjudicator(handler.contractUnderTest());
        targetSelector(FuzzSelector(address(handler), selectors()));
        targetContract(address(handler));
    }

    function selectors() private pure returns (bytes4[] memory list) {
        list = new bytes4[](13);
        list[0] = HubHandler.fabricate.selector;
        list[1] = HubHandler.agreeFinal.selector;
        list[2] = HubHandler.tryClose.selector;
        list[3] = HubHandler.tryChallenge.selector;
        list[4] = HubHandler.tryRespond.selector;
        list[5] = HubHandler.tryProgress.selector;
        list[6] = HubHandler.trySettle.selector;
        list[7] = HubHandler.agreeResume.selector;
        list[8] = HubHandler.tryChallengeParent.selector;
        list[9] = HubHandler.trySettleParent.selector;
        list[10] = HubHandler.tryUnlock.selector;
        list[11] = HubHandler.pass.selector;
        list[12] = HubHandler.tryProgressAtTheEnd.selector;
    }

    /// 1. The adjudicator holds what its channels hold, and the one that takes no part keeps all.
    function invariant_conservation() public view {
        uint256 held = 5 ether;
        for (uint256 i = 0; i < 2; ++i) {
            bytes32 id = adjudicator.channelId(handler.parent(i));
            (uint128[2] memory deposited,, uint128 reserve) = adjudicator.funds(id, 0);
            held += uint256(deposited[0]) + deposited[1] + reserve;
        }
        assertEq(address(adjudicator).balance, held);
    }

    /// 3 and 6. The hub gets out in bounded time, with exactly what it put in, whatever the child's outcome is.
    function afterInvariant() public {
        handler.exit();
        (address payout0, address payout1, address hubPayout) = handler.payouts();
        (bool finalised, uint128 outcome0, uint128 outcome1) =
            IAdjudicatorExtension(address(adjudicator)).outcome(handler.childId());
        assertTrue(finalised, "no hostage");
        assertEq(hubPayout.balance, 2 * handler.DEPOSIT(), "neutral hub");
        assertEq(payout0.balance, handler.DEPOSIT() - 0.6 ether + outcome0, "by the outcome");
        assertEq(payout1.balance, handler.DEPOSIT() - 0.4 ether + outcome1, "by the outcome");
        invariant_conservation();
    }

    function test_stepsSucceed() public {
        bytes32[] memory steps = new bytes32[](5);
        steps[0] = "close";
        steps[1] = "challenge";
        steps[2] = "respond";
        steps[3] = "progress";
        steps[4] = "settle";
        for (uint256 run = 0; run < 48; ++run) {
            handler = new HubHandler();
            take(address(handler), selectors(), steps, run);
            vm.warp(1_800_000_000);
        }
        assertTaken(steps);
    }
}
