// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {Errors} from "../../src/interfaces/Errors.sol";
import {IPermit2} from "../../src/interfaces/Tokens.sol";
import {ChannelParams} from "../../src/interfaces/Types.sol";
import {MockPermit2} from "../mocks/Permit2.sol";
import {PhantomToken, PlainToken} from "../mocks/Tokens.sol";
import {ChannelTest} from "../utils/ChannelTest.sol";

/// @notice Deposits of tokens by the signature of their owner.
contract SignedDepositsTest is ChannelTest {
    address private constant PERMIT2 = 0x000000000022D473030F116dDEE9F6B43aC78BA3;

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
