// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {Errors} from "../../src/interfaces/Errors.sol";
import {IAdjudicator} from "../../src/interfaces/IAdjudicator.sol";
import {IPermit2} from "../../src/interfaces/Tokens.sol";
import {ChannelParams, NativeDeposit, State} from "../../src/interfaces/Types.sol";
import {MockPermit2} from "../mocks/Permit2.sol";
import {
    CallbackToken,
    FalseToken,
    FeeToken,
    NoReturnToken,
    PhantomToken,
    PlainToken,
    ShrinkingToken
} from "../mocks/Tokens.sol";
import {ChannelTest} from "../utils/ChannelTest.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

contract DepositsTest is ChannelTest {
    address internal constant PERMIT2 = 0x000000000022D473030F116dDEE9F6B43aC78BA3;

    function deposited(ChannelParams memory p, uint256 k) private view returns (uint256, uint256) {
        (uint128[2] memory amounts,,) = adjudicator.funds(idOf(p), k);
        return (amounts[0], amounts[1]);
    }

    function assertDeposited(ChannelParams memory p, uint256 k, uint256 amount0, uint256 amount1) private view {
        (uint256 deposit0, uint256 deposit1) = deposited(p, k);
        assertEq(deposit0, amount0, "deposit of 0");
        assertEq(deposit1, amount1, "deposit of 1");
    }

    // ---- native coin

    function test_nativeDepositsAddUpForEither() public {
        ChannelParams memory p = nativeParams();
        vm.expectEmit(address(adjudicator));
        emit IAdjudicator.Deposited(idOf(p), 1, 0, 3 ether);
        depositNative(p, 1, 3 ether);
        depositNative(p, 0, 2 ether);
        vm.prank(stranger);
        adjudicator.deposit{value: 1 ether}(termsOf(p), 0, 0);
        assertDeposited(p, 0, 3 ether, 3 ether);
        assertEq(address(adjudicator).balance, 6 ether);
    }

    /// Nitro's expectedHeld: a stranger's wei must not make anyone's deposit fail.
    function test_aStrangersWeiChangesNothingForTheDepositor() public {
        ChannelParams memory p = nativeParams();
        vm.prank(stranger);
        adjudicator.deposit{value: 1}(termsOf(p), 0, 0);
        depositNative(p, 0, 1 ether);
        assertDeposited(p, 0, 1 ether + 1, 0);
    }

    function test_refusesNothingAndNobody() public {
        ChannelParams memory p = nativeParams();
        vm.expectRevert(Errors.NothingDeposited.selector);
        adjudicator.deposit(termsOf(p), 0, 0);
        vm.expectRevert(Errors.InvalidParticipant.selector);
        adjudicator.deposit{value: 1}(termsOf(p), 0, 2);
        vm.expectRevert(Errors.InvalidParticipant.selector);
        adjudicator.deposit{value: 1}(termsOf(p), 0, type(uint256).max);
    }

    function test_refusesDepositsThatReach2To127() public {
        ChannelParams memory p = nativeParams();
        uint256 max = (1 << 127) - 1;
        vm.deal(address(this), 1 << 130);
        depositNative(p, 0, max);
        depositNative(p, 1, max);
        vm.expectRevert(Errors.DepositTooLarge.selector);
        adjudicator.deposit{value: 1}(termsOf(p), 0, 0);
        vm.expectRevert(Errors.DepositTooLarge.selector);
        adjudicator.deposit{value: 1}(termsOf(p), 0, 1);
        vm.expectRevert(Errors.DepositTooLarge.selector);
        adjudicator.deposit{value: 1 << 128}(termsOf(p), 0, 1);
        assertDeposited(p, 0, max, max);
        disputeAndSettle(p, zeroState(1));
        assertEq(payout0.balance, max);
        assertEq(payout1.balance, max);
    }

    function testFuzz_depositsOfBothStayApart(uint128 amount0, uint128 amount1) public {
        amount0 = uint128(bound(amount0, 1, (1 << 127) - 1));
        amount1 = uint128(bound(amount1, 1, (1 << 127) - 1));
        ChannelParams memory p = nativeParams();
        vm.deal(address(this), 1 << 130);
        depositNative(p, 0, amount0);
        depositNative(p, 1, amount1);
        assertDeposited(p, 0, amount0, amount1);
    }

    function test_manyDepositsInOneCall() public {
        NativeDeposit[] memory items = new NativeDeposit[](3);
        ChannelParams memory p = nativeParams();
        ChannelParams memory q = mixedParams();
        items[0] = NativeDeposit(termsOf(p), moreAssetsOf(p), 0, 1 ether);
        items[1] = NativeDeposit(termsOf(q), moreAssetsOf(q), 1, 2 ether);
        items[2] = NativeDeposit(termsOf(p), moreAssetsOf(p), 1, 3 ether);
        adjudicator.depositMany{value: 6 ether}(items);
        assertDeposited(p, 0, 1 ether, 3 ether);
        assertDeposited(q, 0, 0, 2 ether);
    }

    function test_manyDepositsMustAddUpToTheValue() public {
        NativeDeposit[] memory items = new NativeDeposit[](2);
        ChannelParams memory p = nativeParams();
        items[0] = NativeDeposit(termsOf(p), 0, 0, 1 ether);
        items[1] = NativeDeposit(termsOf(p), 0, 1, 1 ether);
        vm.expectRevert(Errors.ValueMismatch.selector);
        adjudicator.depositMany{value: 2 ether - 1}(items);
        vm.expectRevert(Errors.ValueMismatch.selector);
        adjudicator.depositMany{value: 2 ether + 1}(items);
    }

    function test_plainTransfersAreRefused() public {
        (bool sent,) = address(adjudicator).call{value: 1}("");
        assertFalse(sent);
    }

    // ---- after the end

    function test_refusedAfterClose() public {
        ChannelParams memory p = mixedParams();
        depositNative(p, 0, 1 ether);
        close(p, finalState(1, 2, 0));
        usdc.mint(address(this), 1);
        usdc.approve(address(adjudicator), 1);
        bytes32 terms = termsOf(p);
        bytes32 more = moreAssetsOf(p);
        vm.expectRevert(Errors.ChannelEnded.selector);
        adjudicator.deposit{value: 1}(terms, more, 0);
        // The tombstone lies with the first asset and counts for all.
        vm.expectRevert(Errors.ChannelEnded.selector);
        adjudicator.depositToken(terms, p.assets, 1, 0, 1);
    }

    function test_refusedAfterSettle() public {
        ChannelParams memory p = nativeParams();
        depositNative(p, 0, 1 ether);
        disputeAndSettle(p, zeroState(1));
        vm.expectRevert(Errors.ChannelEnded.selector);
        adjudicator.deposit{value: 1}(termsOf(p), 0, 0);
    }

    function test_takenDuringADisputeAndCounted() public {
        ChannelParams memory p = nativeParams();
        depositNative(p, 0, 1 ether);
        challenge(p, zeroState(1), nothing(), 0);
        depositNative(p, 1, 2 ether);
        skip(DURATION + 1);
        adjudicator.settle(p, zeroState(1));
        assertEq(payout0.balance, 1 ether);
        assertEq(payout1.balance, 2 ether);
    }

    // ---- tokens by allowance

    function test_tokenDeposit() public {
        ChannelParams memory p = mixedParams();
        depositUsdc(p, 1, 1, 500);
        assertDeposited(p, 1, 0, 500);
        assertDeposited(p, 0, 0, 0);
    }

    function test_tokenDepositChecksTheAssets() public {
        ChannelParams memory p = mixedParams();
        bytes32 terms = termsOf(p);
        vm.expectRevert(Errors.InvalidAssetIndex.selector);
        adjudicator.depositToken(terms, p.assets, 0, 0, 1); // the native coin
        vm.expectRevert(Errors.InvalidAssetIndex.selector);
        adjudicator.depositToken(terms, p.assets, 2, 0, 1);
        address[] memory twice = new address[](2);
        twice[0] = twice[1] = address(usdc);
        vm.expectRevert(Errors.InvalidAssets.selector);
        adjudicator.depositToken(terms, twice, 0, 0, 1);
        vm.expectRevert(Errors.InvalidAssets.selector);
        adjudicator.depositToken(terms, new address[](0), 0, 0, 1);
        vm.expectRevert(Errors.InvalidAssets.selector);
        adjudicator.depositToken(terms, new address[](5), 0, 0, 1);
    }

    function test_feeOnTransferIsCreditedAsItArrives() public {
        FeeToken token = new FeeToken();
        ChannelParams memory p = paramsOf(one(address(token)));
        token.mint(address(this), 1000);
        token.approve(address(adjudicator), 1000);
        adjudicator.depositToken(termsOf(p), p.assets, 0, 0, 1000);
        assertDeposited(p, 0, 990, 0);
        disputeAndSettle(p, zeroState(1));
        assertEq(token.balanceOf(address(adjudicator)), 0);
    }

    function test_tokenThatReturnsNothing() public {
        NoReturnToken token = new NoReturnToken();
        ChannelParams memory p = paramsOf(one(address(token)));
        token.mint(address(this), 1000);
        token.approve(address(adjudicator), 1000);
        adjudicator.depositToken(termsOf(p), p.assets, 0, 0, 1000);
        close(p, finalState(1, 1, 400));
        assertEq(token.balanceOf(payout0), 600);
        assertEq(token.balanceOf(payout1), 400);
    }

    function test_tokenThatReturnsFalse() public {
        FalseToken token = new FalseToken();
        ChannelParams memory p = paramsOf(one(address(token)));
        token.mint(address(this), 1000);
        token.approve(address(adjudicator), 1000);
        token.refuse(true);
        bytes32 terms = termsOf(p);
        vm.expectRevert();
        adjudicator.depositToken(terms, p.assets, 0, 0, 1000);
    }

    function test_noTokenAtAll() public {
        ChannelParams memory p = paramsOf(one(makeAddr("nothing here")));
        bytes32 terms = termsOf(p);
        vm.expectRevert();
        adjudicator.depositToken(terms, p.assets, 0, 0, 1000);
    }

    function test_tokenThatTakesAwayIsRefused() public {
        ShrinkingToken token = new ShrinkingToken();
        token.mint(address(adjudicator), 1000);
        ChannelParams memory p = paramsOf(one(address(token)));
        bytes32 terms = termsOf(p);
        vm.expectRevert(Errors.BalanceDecreased.selector);
        adjudicator.depositToken(terms, p.assets, 0, 0, 1000);
    }

    /// A deposit within a deposit would be measured twice.
    function test_reentrantDepositIsBarred() public {
        CallbackToken token = new CallbackToken();
        ChannelParams memory p = paramsOf(one(address(token)));
        token.mint(address(this), 1000);
        token.mint(address(token), 1000);
        vm.prank(address(token));
        token.approve(address(adjudicator), 1000);
        token.approve(address(adjudicator), 1000);
        bytes32 terms = termsOf(p);
        token.arm(address(adjudicator), abi.encodeCall(IAdjudicator.depositToken, (terms, p.assets, 0, 0, 10)));
        adjudicator.depositToken(terms, p.assets, 0, 0, 100);
        assertTrue(token.called());
        assertFalse(token.succeeded());
        assertEq(bytes4(token.result()), ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
        assertDeposited(p, 0, 100, 0);
    }

    /// Calls that call nobody themselves are barred during a callback, too.
    function test_everythingIsBarredDuringACallback() public {
        CallbackToken token = new CallbackToken();
        ChannelParams memory p = paramsOf(one(address(token)));
        State memory s = zeroState(1);
        bytes[] memory calls = new bytes[](9);
        calls[0] = abi.encodeCall(IAdjudicator.deposit, (termsOf(p), 0, 0));
        calls[1] = abi.encodeCall(IAdjudicator.depositMany, (new NativeDeposit[](0)));
        calls[2] =
            abi.encodeCall(adjudicator.challenge, (p, s, noSig(), noSig(), nothing(), 0, challengeSig(KEY0, p, s, 0)));
        calls[3] = abi.encodeCall(adjudicator.respond, (p, s, noSig(), noSig(), nothing()));
        calls[4] = abi.encodeCall(adjudicator.resume, (p, nothing(), noSig(), noSig()));
        calls[5] = abi.encodeCall(IAdjudicator.registerPreimage, (bytes32("x")));
        calls[6] = abi.encodeCall(IAdjudicator.withdrawCredit, (address(0), address(1)));
        calls[7] = abi.encodeCall(adjudicator.settle, (p, s));
        bytes[] memory inner = new bytes[](1);
        inner[0] = calls[5];
        calls[8] = abi.encodeCall(IAdjudicator.multicall, (inner));
        token.mint(address(this), 1000);
        token.approve(address(adjudicator), 1000);
        for (uint256 i = 0; i < calls.length; ++i) {
            token.arm(address(adjudicator), calls[i]);
            adjudicator.depositToken(termsOf(p), p.assets, 0, 0, 1);
            assertTrue(token.called() && !token.succeeded());
            assertEq(bytes4(token.result()), ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
        }
    }

    // ---- ERC-2612

    function permit(address owner, uint256 key, uint256 amount) private view returns (uint8 v, bytes32 r, bytes32 s) {
        bytes32 typeHash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 structHash =
            keccak256(abi.encode(typeHash, owner, address(adjudicator), amount, usdc.nonces(owner), block.timestamp));
        return vm.sign(key, keccak256(abi.encodePacked(hex"1901", usdc.DOMAIN_SEPARATOR(), structHash)));
    }

    function test_permit() public {
        ChannelParams memory p = tokenParams();
        usdc.mint(signer0, 700);
        (uint8 v, bytes32 r, bytes32 s) = permit(signer0, KEY0, 700);
        vm.prank(signer0);
        adjudicator.depositWithPermit(termsOf(p), p.assets, 0, 0, 700, block.timestamp, v, r, s);
        assertDeposited(p, 0, 700, 0);
    }

    function test_permitUsedByAnotherFirstStillDeposits() public {
        ChannelParams memory p = tokenParams();
        usdc.mint(signer0, 700);
        (uint8 v, bytes32 r, bytes32 s) = permit(signer0, KEY0, 700);
        vm.prank(stranger);
        IERC20Permit(usdc).permit(signer0, address(adjudicator), 700, block.timestamp, v, r, s);
        vm.prank(signer0);
        adjudicator.depositWithPermit(termsOf(p), p.assets, 0, 0, 700, block.timestamp, v, r, s);
        assertDeposited(p, 0, 700, 0);
    }

    /// A permit names no channel: only its owner may use it.
    function test_permitOfAnotherIsWorthNothing() public {
        ChannelParams memory p = tokenParams();
        usdc.mint(signer0, 700);
        (uint8 v, bytes32 r, bytes32 s) = permit(signer0, KEY0, 700);
        bytes32 terms = termsOf(p);
        vm.prank(stranger);
        vm.expectRevert();
        adjudicator.depositWithPermit(terms, p.assets, 0, 1, 700, block.timestamp, v, r, s);
        assertEq(usdc.balanceOf(signer0), 700);
    }

    // ---- EIP-3009

    function authorization(ChannelParams memory p, uint256 participant, bytes32 salt, uint256 amount)
        private
        view
        returns (bytes memory)
    {
        bytes32 typeHash = keccak256(
            "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
        );
        bytes32 nonce = keccak256(abi.encode(idOf(p), participant, salt));
        bytes32 structHash =
            keccak256(abi.encode(typeHash, signer0, address(adjudicator), amount, 0, block.timestamp + 1, nonce));
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(KEY0, keccak256(abi.encodePacked(hex"1901", usdc.DOMAIN_SEPARATOR(), structHash)));
        return abi.encodePacked(r, s, v);
    }

    function depositAuthorized(ChannelParams memory p, uint256 participant, uint256 amount, bytes memory sig) private {
        adjudicator.depositWithAuthorization(
            termsOf(p), p.assets, 0, participant, amount, signer0, 0, block.timestamp + 1, "salt", sig
        );
    }

    function test_authorizationByAnyone() public {
        ChannelParams memory p = tokenParams();
        usdc.mint(signer0, 700);
        bytes memory sig = authorization(p, 0, "salt", 700);
        vm.prank(stranger);
        adjudicator.depositWithAuthorization(
            termsOf(p), p.assets, 0, 0, 700, signer0, 0, block.timestamp + 1, "salt", sig
        );
        assertDeposited(p, 0, 700, 0);
    }

    function test_authorizationIsBoundToChannelAndParticipant() public {
        ChannelParams memory p = tokenParams();
        ChannelParams memory other = tokenParams();
        other.nonce = 2;
        usdc.mint(signer0, 700);
        bytes memory sig = authorization(p, 0, "salt", 700);
        vm.expectRevert();
        this.depositAuthorizedExternally(p, 1, 700, sig);
        vm.expectRevert();
        this.depositAuthorizedExternally(other, 0, 700, sig);
        vm.expectRevert();
        this.depositAuthorizedExternally(p, 0, 699, sig);
        assertEq(usdc.balanceOf(signer0), 700);
    }

    function depositAuthorizedExternally(ChannelParams memory p, uint256 i, uint256 amount, bytes memory sig) external {
        depositAuthorized(p, i, amount, sig);
    }

    /// Nobody can use the authorization past the adjudicator, and who front-runs the call only pays its gas.
    function test_authorizationFrontRun() public {
        ChannelParams memory p = tokenParams();
        usdc.mint(signer0, 700);
        bytes memory sig = authorization(p, 0, "salt", 700);
        bytes32 nonce = keccak256(abi.encode(idOf(p), 0, bytes32("salt")));
        (bytes32 r, bytes32 s) = (bytes32(0), bytes32(0));
        assembly {
            r := mload(add(sig, 32))
            s := mload(add(sig, 64))
        }
        vm.prank(stranger);
        vm.expectRevert();
        usdc.receiveWithAuthorization(
            signer0, address(adjudicator), 700, 0, block.timestamp + 1, nonce, uint8(sig[64]), r, s
        );
        vm.prank(stranger);
        adjudicator.depositWithAuthorization(
            termsOf(p), p.assets, 0, 0, 700, signer0, 0, block.timestamp + 1, "salt", sig
        );
        vm.expectRevert();
        this.depositAuthorizedExternally(p, 0, 700, sig);
        assertDeposited(p, 0, 700, 0);
    }

    /// A token that swallows unknown calls credits nothing.
    function test_phantomAuthorizationDepositsNothing() public {
        PhantomToken token = new PhantomToken();
        ChannelParams memory p = paramsOf(one(address(token)));
        bytes32 terms = termsOf(p);
        vm.expectRevert(Errors.NothingDeposited.selector);
        adjudicator.depositWithAuthorization(terms, p.assets, 0, 0, 700, signer0, 0, block.timestamp, "salt", hex"00");
    }

    // ---- Permit2

    function permit2Signature(PlainToken token, bytes32 id, uint256 participant, uint256 amount)
        private
        view
        returns (bytes memory)
    {
        bytes32 witness =
            keccak256(abi.encode(keccak256("DepositTo(bytes32 channelId,uint256 participant)"), id, participant));
        bytes32 digest = MockPermit2(PERMIT2)
            .digestOf(
                IPermit2.PermitTransferFrom(IPermit2.TokenPermissions(address(token), amount), 5, block.timestamp),
                address(adjudicator),
                witness,
                "DepositTo witness)DepositTo(bytes32 channelId,uint256 participant)TokenPermissions(address token,uint256 amount)"
            );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(KEY0, digest);
        return abi.encodePacked(r, s, v);
    }

    function test_permit2IsBoundToChannelAndParticipant() public {
        vm.etch(PERMIT2, address(new MockPermit2()).code);
        PlainToken token = new PlainToken();
        ChannelParams memory p = paramsOf(one(address(token)));
        token.mint(signer0, 700);
        vm.prank(signer0);
        token.approve(PERMIT2, type(uint256).max);
        bytes memory sig = permit2Signature(token, idOf(p), 1, 700);
        bytes32 terms = termsOf(p);
        vm.startPrank(stranger);
        vm.expectRevert("signature");
        adjudicator.depositWithPermit2(terms, p.assets, 0, 0, 700, signer0, 5, block.timestamp, sig);
        vm.expectRevert("signature");
        adjudicator.depositWithPermit2(keccak256("other"), p.assets, 0, 1, 700, signer0, 5, block.timestamp, sig);
        adjudicator.depositWithPermit2(terms, p.assets, 0, 1, 700, signer0, 5, block.timestamp, sig);
        vm.expectRevert("nonce");
        adjudicator.depositWithPermit2(terms, p.assets, 0, 1, 700, signer0, 5, block.timestamp, sig);
        assertDeposited(p, 0, 0, 700);
    }
}
