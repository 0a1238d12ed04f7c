// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Test} from "forge-std/Test.sol";
import {TestUSDC} from "../../src/test/TestUSDC.sol";
import {IAdjudicator} from "../../src/interfaces/IAdjudicator.sol";
import {ChannelParams} from "../../src/interfaces/Types.sol";
import {Handler} from "./Handler.sol";

/// @notice Properties 1, 2, 3 and 5 of the protocol, over random sequences of honest and hostile acts.
contract InvariantsTest is Test {
    Handler internal handler;
    IAdjudicator internal adjudicator;
    TestUSDC internal usdc;

    function setUp() public {
        handler = new Handler();
        adjudicator = IAdjudicator(handler.contractUnderTest());
        usdc = TestUSDC(handler.token());
        bytes4[] memory selectors = new bytes4[](14);
        selectors[0] = Handler.deposit.selector;
        selectors[1] = Handler.pay.selector;
        selectors[2] = Handler.lock.selector;
        selectors[3] = Handler.settleLock.selector;
        selectors[4] = Handler.agreeWithdrawal.selector;
        selectors[5] = Handler.finalise.selector;
        selectors[6] = Handler.agreeResume.selector;
        selectors[7] = Handler.tryClose.selector;
        selectors[8] = Handler.tryChallenge.selector;
        selectors[9] = Handler.tryRespond.selector;
        selectors[10] = Handler.trySettle.selector;
        selectors[11] = Handler.tryUnlock.selector;
        selectors[12] = Handler.register.selector;
        selectors[13] = Handler.pass.selector;
        targetSelector(FuzzSelector(address(handler), selectors));
        targetContract(address(handler));
    }

    function idOf(ChannelParams memory p) private view returns (bytes32) {
        return adjudicator.channelId(p);
    }

    function payoutOf(ChannelParams memory p, uint256 side) private pure returns (address) {
        return side == 0 ? p.payout0 : p.payout1;
    }

    function balanceOf(address asset, address account) private view returns (uint256) {
        return asset == address(0) ? account.balance : usdc.balanceOf(account);
    }

    function received(ChannelParams memory p, uint256 k, uint256 side) private view returns (uint256) {
        address payout = payoutOf(p, side);
        return balanceOf(p.assets[k], payout) + adjudicator.credits(payout, p.assets[k]);
    }

    /// 1. What the adjudicator holds is the sum over channels plus credits.
    function invariant_conservation() public view {
        assertEq(address(adjudicator).balance, accounted(address(0)), "native coin");
        assertEq(usdc.balanceOf(address(adjudicator)), accounted(address(usdc)), "token");
    }

    function accounted(address asset) private view returns (uint256 total) {
        for (uint256 c = 0; c < handler.CHANNELS(); ++c) {
            ChannelParams memory p = handler.paramsOfModel(c);
            for (uint256 k = 0; k < p.assets.length; ++k) {
                if (p.assets[k] != asset) continue;
                (uint128[2] memory deposited, uint128[2] memory withdrawn, uint128 reserve) =
                    adjudicator.funds(idOf(p), k);
                total += uint256(deposited[0]) + deposited[1] - withdrawn[0] - withdrawn[1] + reserve;
            }
            total += adjudicator.credits(p.payout0, asset) + adjudicator.credits(p.payout1, asset);
        }
    }

    /// 5. The honest side answers each dispute that the other starts at most once.
    function invariant_boundedGriefing() public view {
        for (uint256 c = 0; c < handler.CHANNELS(); ++c) {
            (uint256 disputes, uint256 responses) = handler.griefing(c);
            assertLe(responses, disputes);
        }
    }

    /// 2 and 3. From wherever the run ended, the honest side leaves alone, with what its last state gives it.
    function afterInvariant() public {
        // Leaving one channel takes time, in which the disputes of the others go on.
        for (uint256 c = 0; c < handler.CHANNELS(); ++c) {
            handler.defend(c);
        }
        for (uint256 c = 0; c < handler.CHANNELS(); ++c) {
            ChannelParams memory p = handler.paramsOfModel(c);
            handler.exit(c);
            (uint8 phase,,,) = adjudicator.channel(idOf(p));
            assertEq(phase, 2, "no hostage");
            uint256 honest = handler.honestOf(c);
            for (uint256 k = 0; k < p.assets.length; ++k) {
                uint256 deposited = handler.deposited(c, k, honest);
                assertEq(received(p, k, honest), handler.owed(c, k, honest, deposited), "safety");
                uint256 all = deposited + handler.deposited(c, k, 1 - honest);
                assertEq(received(p, k, 0) + received(p, k, 1), all, "nothing stranded");
            }
        }
        invariant_conservation();
    }
}
