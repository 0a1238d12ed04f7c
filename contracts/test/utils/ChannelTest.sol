// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Test} from "forge-std/Test.sol";
import {IAdjudicator} from "../../src/interfaces/IAdjudicator.sol";
import {Allocation, ChannelParams, Lock, LockKind, Record, Sig, State} from "../../src/interfaces/Types.sol";
import {TestUSDC} from "../../src/test/TestUSDC.sol";

/// @notice Two participants, their keys and payouts, and everything a test needs to sign and to show states.
/// Tests know the contract by its interface only: they run what the build made of it, and needn't be built like it.
/// The hashes here are written down a second time, so that a slip in the contract does not pass unseen.
abstract contract ChannelTest is Test {
    bytes32 internal constant STATE_TYPEHASH = keccak256(
        "State(bytes32 channelId,uint64 version,uint8 writer,bool isFinal,uint64 validUntil,Allocation[] allocations,bytes32 locksHash,bytes32 history,bytes appData)Allocation(int128 delta0,int128 delta1,uint128 withdrawn0,uint128 withdrawn1)"
    );
    bytes32 internal constant ALLOCATION_TYPEHASH =
        keccak256("Allocation(int128 delta0,int128 delta1,uint128 withdrawn0,uint128 withdrawn1)");

    uint32 internal constant DURATION = 1 days;
    uint256 internal constant KEY0 = 0xa11ce;
    uint256 internal constant KEY1 = 0xb0b;

    IAdjudicator internal adjudicator;
    TestUSDC internal usdc;
    address internal signer0 = vm.addr(KEY0);
    address internal signer1 = vm.addr(KEY1);
    address internal payout0 = makeAddr("payout0");
    address internal payout1 = makeAddr("payout1");
    address internal stranger = makeAddr("stranger");

    function setUp() public virtual {
        adjudicator = IAdjudicator(deployCode("Adjudicator.sol:Adjudicator"));
        usdc = new TestUSDC();
        vm.deal(address(this), 1e30);
        vm.deal(stranger, 1e30);
    }

    /// Deploys what is committed in artifacts/.
    function deployArtifact(string memory name) internal returns (address deployed) {
        bytes memory code = artifactCode(name, ".bytecode");
        assembly {
            deployed := create(0, add(code, 32), mload(code))
        }
        require(deployed != address(0), "not deployed");
    }

    function artifactCode(string memory name, string memory key) internal view returns (bytes memory) {
        return vm.parseJsonBytes(vm.readFile(string.concat("artifacts/", name, ".json")), key);
    }

    // ---- parameters

    function nativeParams() internal view returns (ChannelParams memory) {
        return paramsOf(one(address(0)));
    }

    function tokenParams() internal view returns (ChannelParams memory) {
        return paramsOf(one(address(usdc)));
    }

    /// The native coin and the token.
    function mixedParams() internal view returns (ChannelParams memory) {
        address[] memory assets = new address[](2);
        assets[1] = address(usdc);
        return paramsOf(assets);
    }

    function paramsOf(address[] memory assets) internal view returns (ChannelParams memory) {
        return ChannelParams(signer0, payout0, signer1, payout1, DURATION, 1, address(0), 0, assets);
    }

    function one(address asset) internal pure returns (address[] memory assets) {
        assets = new address[](1);
        assets[0] = asset;
    }

    function termsOf(ChannelParams memory p) internal pure returns (bytes32) {
        return keccak256(abi.encode(p.signer0, p.payout0, p.signer1, p.payout1, p.challengeDuration, p.nonce, p.app));
    }

    function moreAssetsOf(ChannelParams memory p) internal pure returns (bytes32) {
        bytes memory words;
        for (uint256 k = 1; k < p.assets.length; ++k) {
            words = bytes.concat(words, abi.encode(p.assets[k]));
        }
        return words.length == 0 ? bytes32(0) : keccak256(words);
    }

    function idOf(ChannelParams memory p) internal view returns (bytes32) {
        return
            keccak256(
                abi.encode(block.chainid, address(adjudicator), termsOf(p), p.assets[0], moreAssetsOf(p), p.child)
            );
    }

    // ---- deposits

    function depositNative(ChannelParams memory p, uint256 participant, uint256 amount) internal {
        adjudicator.deposit{value: amount}(termsOf(p), moreAssetsOf(p), participant);
    }

    function depositUsdc(ChannelParams memory p, uint256 assetIndex, uint256 participant, uint256 amount) internal {
        usdc.mint(address(this), amount);
        usdc.approve(address(adjudicator), amount);
        adjudicator.depositToken(termsOf(p), p.assets, assetIndex, participant, amount);
    }

    // ---- states

    function zeroState(uint256 assetCount) internal pure returns (State memory s) {
        s.allocations = new Allocation[](assetCount);
    }

    /// A state in which participant 0 has given `paid` of the first asset to participant 1.
    function paidState(uint64 version, uint256 assetCount, int128 paid) internal pure returns (State memory s) {
        s = zeroState(assetCount);
        s.version = version;
        s.allocations[0].delta0 = -paid;
        s.allocations[0].delta1 = paid;
        s.history = keccak256(abi.encode("history", version));
    }

    function finalState(uint64 version, uint256 assetCount, int128 paid) internal view returns (State memory s) {
        s = paidState(version, assetCount, paid);
        s.isFinal = true;
        s.validUntil = uint64(block.timestamp + 1 hours);
    }

    /// As paidState, and participant 0 takes out `withdrawn` of the first asset.
    function withdrawState(uint64 version, uint256 assetCount, int128 paid, uint128 withdrawn)
        internal
        view
        returns (State memory s)
    {
        s = paidState(version, assetCount, paid);
        s.allocations[0].delta0 -= int128(withdrawn);
        s.allocations[0].withdrawn0 = withdrawn;
        s.validUntil = uint64(block.timestamp + 1 hours);
    }

    /// A state in which `locks` stand, each taken from its contributors' free balances.
    function lockedState(uint64 version, uint256 assetCount, Lock[] memory locks)
        internal
        pure
        returns (State memory s)
    {
        s = paidState(version, assetCount, 0);
        for (uint256 i = 0; i < locks.length; ++i) {
            s.allocations[locks[i].assetIndex].delta0 -= int128(locks[i].amount0);
            s.allocations[locks[i].assetIndex].delta1 -= int128(locks[i].amount1);
        }
        s.locksHash = keccak256(abi.encode(locks));
    }

    function hashLock(uint256 from, uint8 assetIndex, uint128 amount, bytes32 preimage, uint256 expiry)
        internal
        pure
        returns (Lock memory)
    {
        return Lock(
            LockKind.Hash,
            assetIndex,
            from == 0 ? amount : 0,
            from == 1 ? amount : 0,
            sha256(abi.encode(preimage)),
            uint64(expiry),
            false
        );
    }

    function listOf(Lock memory lock) internal pure returns (Lock[] memory list) {
        list = new Lock[](1);
        list[0] = lock;
    }

    function hashOf(ChannelParams memory p, State memory s) internal view returns (bytes32) {
        bytes memory hashes;
        for (uint256 k = 0; k < s.allocations.length; ++k) {
            Allocation memory a = s.allocations[k];
            hashes = bytes.concat(
                hashes, keccak256(abi.encode(ALLOCATION_TYPEHASH, a.delta0, a.delta1, a.withdrawn0, a.withdrawn1))
            );
        }
        return keccak256(
            abi.encode(
                STATE_TYPEHASH,
                idOf(p),
                s.version,
                s.writer,
                s.isFinal,
                s.validUntil,
                keccak256(hashes),
                s.locksHash,
                s.history,
                keccak256(s.appData)
            )
        );
    }

    function recordOf(ChannelParams memory p, State memory s) internal view returns (Record memory) {
        return Record(s.version, hashOf(p, s));
    }

    function nothing() internal pure returns (Record memory r) {}

    function fingerprintOf(ChannelParams memory p, State memory s, uint256 dispute) internal view returns (bytes25) {
        return bytes25(keccak256(abi.encode(idOf(p), s.version, dispute, hashOf(p, s))));
    }

    // ---- signatures

    function separatorOf(address contract_, uint256 chainId) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Strait"),
                keccak256("1"),
                chainId,
                contract_
            )
        );
    }

    function digestOf(bytes32 structHash) internal view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", separatorOf(address(adjudicator), block.chainid), structHash));
    }

    function sign(uint256 key, bytes32 structHash) internal view returns (Sig memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digestOf(structHash));
        return Sig(r, bytes32(uint256(v - 27) << 255 | uint256(s)));
    }

    function noSig() internal pure returns (Sig memory sig) {}

    function sigs(ChannelParams memory p, State memory s) internal view returns (Sig memory, Sig memory) {
        bytes32 hash = hashOf(p, s);
        return (sign(KEY0, hash), sign(KEY1, hash));
    }

    function challengeSig(uint256 key, ChannelParams memory p, State memory s, uint256 dispute)
        internal
        view
        returns (Sig memory)
    {
        bytes32 typeHash = keccak256("Challenge(bytes32 channelId,uint16 dispute,bytes32 stateHash)");
        return sign(key, keccak256(abi.encode(typeHash, idOf(p), dispute, hashOf(p, s))));
    }

    function resumeSigs(ChannelParams memory p, uint256 dispute) internal view returns (Sig memory, Sig memory) {
        bytes32 typeHash = keccak256("Resume(bytes32 channelId,uint16 dispute)");
        bytes32 hash = keccak256(abi.encode(typeHash, idOf(p), dispute));
        return (sign(KEY0, hash), sign(KEY1, hash));
    }

    // ---- calls, signed by both where signatures are needed

    function close(ChannelParams memory p, State memory s) internal {
        (Sig memory a, Sig memory b) = sigs(p, s);
        adjudicator.close(p, s, a, b);
    }

    function withdraw(ChannelParams memory p, State memory s, Record memory previous) internal {
        (Sig memory a, Sig memory b) = sigs(p, s);
        adjudicator.withdraw(p, s, a, b, previous);
    }

    /// Challenges with the challenger's signature, from whatever address the test speaks for.
    function challenge(ChannelParams memory p, State memory s, Record memory previous, uint256 challenger) internal {
        (, uint16 dispute,,) = adjudicator.channel(idOf(p));
        Sig memory sig = challengeSig(challenger == 0 ? KEY0 : KEY1, p, s, dispute);
        if (s.version == 0) {
            adjudicator.challenge(p, s, noSig(), noSig(), previous, challenger, sig);
        } else {
            (Sig memory a, Sig memory b) = sigs(p, s);
            adjudicator.challenge(p, s, a, b, previous, challenger, sig);
        }
    }

    function respond(ChannelParams memory p, State memory s, Record memory previous) internal {
        (Sig memory a, Sig memory b) = sigs(p, s);
        adjudicator.respond(p, s, a, b, previous);
    }

    function resume(ChannelParams memory p, State memory recorded, uint256 dispute) internal {
        (Sig memory a, Sig memory b) = resumeSigs(p, dispute);
        adjudicator.resume(p, recordOf(p, recorded), a, b);
    }

    /// Challenges, lets the period pass and settles.
    function disputeAndSettle(ChannelParams memory p, State memory s) internal {
        challenge(p, s, nothing(), 0);
        skip(DURATION + 1);
        adjudicator.settle(p, s);
    }

    function phaseOf(ChannelParams memory p) internal view returns (uint8 phase) {
        (phase,,,) = adjudicator.channel(idOf(p));
    }

    function deadlineOf(ChannelParams memory p) internal view returns (uint40 deadline) {
        (,, deadline,) = adjudicator.channel(idOf(p));
    }

    // ---- what several tests need

    function open(uint256 deposit0, uint256 deposit1) internal returns (ChannelParams memory p) {
        p = nativeParams();
        if (deposit0 != 0) depositNative(p, 0, deposit0);
        if (deposit1 != 0) depositNative(p, 1, deposit1);
    }

    function pairs(uint256 pay0, uint256 pay1) internal pure returns (uint256[2][] memory list) {
        list = new uint256[2][](1);
        list[0] = [pay0, pay1];
    }

    function deposited(ChannelParams memory p, uint256 k) internal view returns (uint256, uint256) {
        (uint128[2] memory amounts,,) = adjudicator.funds(idOf(p), k);
        return (amounts[0], amounts[1]);
    }

    function assertDeposited(ChannelParams memory p, uint256 k, uint256 amount0, uint256 amount1) internal view {
        (uint256 deposit0, uint256 deposit1) = deposited(p, k);
        assertEq(deposit0, amount0, "deposit of 0");
        assertEq(deposit1, amount1, "deposit of 1");
    }

    function expectChallengeReverts(
        ChannelParams memory p,
        State memory s,
        Record memory previous,
        uint16 dispute,
        bytes memory reason
    ) internal {
        (Sig memory a, Sig memory b) = sigs(p, s);
        Sig memory sig = challengeSig(KEY0, p, s, dispute);
        vm.expectRevert(reason);
        adjudicator.challenge(p, s, a, b, previous, 0, sig);
    }
}
