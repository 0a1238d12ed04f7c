// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAdjudicator} from "../../src/interfaces/IAdjudicator.sol";
import {ChannelParams} from "../../src/interfaces/Types.sol";
import {AppHandler} from "./AppHandler.sol";
import {StepsTest} from "./StepsTest.sol";

/// @notice Properties 1, 2, 3 and 5 of the protocol in channels with an app, hostile ones included.
/// forge-config: default.invariant.runs = 24
/// forge-config: default.invariant.depth = 40
contract AppInvariantsTest is StepsTest {
    AppHandler internal handler;
    IAdjudicator internal adjudicator;

    function setUp() public {
        handler = new AppHandler();
        adjudicator = IAdjudicator(handler.contractUnderTest());
        targetSelector(FuzzSelector(address(handler), selectors()));
        targetContract(address(handler));
    }

    function selectors() private pure returns (bytes4[] memory list) {
        list = new bytes4[](11);
        list[0] = AppHandler.play.selector;
        list[1] = AppHandler.fabricate.selector;
        list[2] = AppHandler.tryChallenge.selector;
        list[3] = AppHandler.tryRespond.selector;
        list[4] = AppHandler.tryCount.selector;
        list[5] = AppHandler.tryAnything.selector;
        list[6] = AppHandler.tryAgreed.selector;
        list[7] = AppHandler.tryClose.selector;
        list[8] = AppHandler.trySettle.selector;
        list[9] = AppHandler.agreeResume.selector;
        list[10] = AppHandler.pass.selector;
    }

    function received(uint256 c) private view returns (uint256 by0, uint256 by1) {
        ChannelParams memory p = handler.paramsOfModel(c);
        return (p.payout0.balance, p.payout1.balance);
    }

    /// 1. No channel is paid from another, and the one that takes no part keeps what it has.
    function invariant_conservation() public view {
        uint256 held = 5 ether;
        for (uint256 c = 0; c < handler.CHANNELS(); ++c) {
            (uint128[2] memory deposited,,) = adjudicator.funds(adjudicator.channelId(handler.paramsOfModel(c)), 0);
            held += uint256(deposited[0]) + deposited[1];
        }
        assertEq(address(adjudicator).balance, held);
    }

    /// 5. The honest side answers each dispute that the other starts at most once.
    function invariant_boundedGriefing() public view {
        assertLe(handler.responses(), handler.disputes());
    }

    /// 2 and 3. The honest player gets out, never with less than its states give it: it loses no stake.
    function afterInvariant() public {
        for (uint256 c = 0; c < handler.CHANNELS(); ++c) {
            handler.exit(c);
            (uint8 phase,,,) = adjudicator.channel(adjudicator.channelId(handler.paramsOfModel(c)));
            assertEq(phase, 2, "no hostage");
            (uint256 by0, uint256 by1) = received(c);
            assertEq(by0 + by1, 2 * handler.DEPOSIT(), "nothing stranded");
            if (c == 0) assertGe(by0, handler.DEPOSIT(), "safety");
        }
        invariant_conservation();
    }

    function test_stepsSucceed() public {
        bytes32[] memory steps = new bytes32[](6);
        steps[0] = "challenge";
        steps[1] = "respond";
        steps[2] = "count";
        steps[3] = "anything";
        steps[4] = "close";
        steps[5] = "settle";
        for (uint256 run = 0; run < 64; ++run) {
            handler = new AppHandler();
            take(address(handler), selectors(), steps, run);
            vm.warp(1_800_000_000);
        }
        assertTaken(steps);
    }
}
