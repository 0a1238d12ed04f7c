// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Test} from "forge-std/Test.sol";
import {IAdjudicator} from "../../src/interfaces/IAdjudicator.sol";
import {IAdjudicatorExtension} from "../../src/interfaces/IAdjudicatorExtension.sol";
import {HubHandler} from "./HubHandler.sol";

/// @notice Properties 1, 3 and 6 of the protocol for a hub against its two clients, in any interleaving of disputes of both
/// parents and the child.
/// forge-config: default.invariant.runs = 24
/// forge-config: default.invariant.depth = 40
contract HubInvariantsTest is Test {
    HubHandler internal handler;
    IAdjudicator internal adjudicator;

    function setUp() public {
        handler = new HubHandler();
        adjudicator = IAdjudicator(handler.contractUnderTest());
        bytes4[] memory selectors = new bytes4[](12);
        selectors[0] = HubHandler.fabricate.selector;
        selectors[1] = HubHandler.agreeFinal.selector;
        selectors[2] = HubHandler.tryClose.selector;
        selectors[3] = HubHandler.tryChallenge.selector;
        selectors[4] = HubHandler.tryRespond.selector;
        selectors[5] = HubHandler.tryProgress.selector;
        selectors[6] = HubHandler.trySettle.selector;
        selectors[7] = HubHandler.agreeResume.selector;
        selectors[8] = HubHandler.tryChallengeParent.selector;
        selectors[9] = HubHandler.trySettleParent.selector;
        selectors[10] = HubHandler.tryUnlock.selector;
        selectors[11] = HubHandler.pass.selector;
        targetSelector(FuzzSelector(address(handler), selectors));
        targetContract(address(handler));
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
}
