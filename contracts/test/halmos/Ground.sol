// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Test} from "forge-std/Test.sol";
import {IAdjudicator} from "../../src/interfaces/IAdjudicator.sol";
import {ChannelParams} from "../../src/interfaces/Types.sol";

/// @notice One asset of a state, as words: the contract has to see to their ranges itself.
struct Words {
    int256 delta0;
    int256 delta1;
    uint256 withdrawn0;
    uint256 withdrawn1;
}

/// @notice A state as `State` is encoded.
struct Wide {
    uint256 version;
    uint256 writer;
    uint256 isFinal;
    uint256 validUntil;
    Words[] allocations;
    bytes32 locksHash;
    bytes32 history;
    bytes appData;
}

/// @notice A state of one asset that a prover may choose. Instead of delta1 it chooses what is locked, from which
/// delta1 follows; so any state can be chosen, and sums cancel before a solver sees them.
struct Chosen {
    uint256 version;
    uint256 writer;
    uint256 isFinal;
    uint256 validUntil;
    int256 delta0;
    int256 locked;
    uint256 withdrawn0;
    uint256 withdrawn1;
    bytes32 locksHash;
    bytes32 history;
}

/// @notice What is stored of a channel of one asset, and of the credits of its two; and all coins that there are.
struct Stored {
    uint256 holding;
    uint256 record;
    uint256 paidOut;
    uint256 debts;
    uint256 credit0;
    uint256 credit1;
    uint256 balance;
}

/// @notice Where proofs start: the deployed bytecode, and a channel of which anything may be stored that its own calls
/// can leave behind. What one call then keeps, any number of calls keeps.
abstract contract Ground is Test {
    uint256 private constant OPEN_WITHDRAWN = 1;
    uint256 private constant SETTLED = 2;
    uint256 internal constant CLOSED = 3;
    uint256 private constant LIMIT = 1 << 127;
    uint256 private constant RECORD_SLOT = 4;
    uint256 private constant PAID_OUT_SLOT = 5;
    uint256 private constant DEBTS_SLOT = 9;
    uint256 internal constant SLOTS = 13;

    IAdjudicator internal adjudicator;
    bytes32 internal id;
    /// Another channel, which no call here is about.
    bytes32 internal constant OTHER = keccak256("another channel");
    bytes32[SLOTS] private otherBefore;
    address internal constant SIGNER0 = address(0xa0);
    address internal constant SIGNER1 = address(0xa1);
    address internal constant PAYOUT0 = address(0xb0);
    address internal constant PAYOUT1 = address(0xb1);

    function setUp() public {
        adjudicator = IAdjudicator(deployCode("Adjudicator.sol:Adjudicator"));
        id = adjudicator.channelId(params());
    }

    function params() internal pure returns (ChannelParams memory p) {
        address[] memory assets = new address[](1);
        p = ChannelParams(SIGNER0, PAYOUT0, SIGNER1, PAYOUT1, 1 days, 1, address(0), 0, assets);
    }

    function terms() internal pure returns (bytes32) {
        ChannelParams memory p = params();
        return keccak256(abi.encode(p.signer0, p.payout0, p.signer1, p.payout1, p.challengeDuration, p.nonce, p.app));
    }

    function stateOf(Chosen memory c) internal pure returns (Wide memory s) {
        s.allocations = new Words[](1);
        unchecked {
            int256 delta1 = -(c.delta0 + int256(c.withdrawn0) + int256(c.withdrawn1) + c.locked);
            s.allocations[0] = Words(c.delta0, delta1, c.withdrawn0, c.withdrawn1);
        }
        (s.version, s.writer, s.isFinal, s.validUntil) = (c.version, c.writer, c.isFinal, c.validUntil);
        (s.locksHash, s.history) = (c.locksHash, c.history);
    }

    function send(bytes memory call) internal returns (bool ok) {
        (ok,) = address(adjudicator).call(call);
    }

    // ---- storage

    function slotOf(bytes32 channel, uint256 offset) private pure returns (bytes32) {
        return bytes32(uint256(keccak256(abi.encode(channel, uint256(0)))) + offset);
    }

    function creditSlot(address payout) private pure returns (bytes32) {
        return keccak256(abi.encode(address(0), keccak256(abi.encode(payout, uint256(1)))));
    }

    function load(bytes32 slot) private view returns (uint256) {
        return uint256(vm.load(address(adjudicator), slot));
    }

    function statusNow() internal view returns (uint256) {
        return load(slotOf(id, 0)) >> 254;
    }

    function recordNow() internal view returns (uint256) {
        return load(slotOf(id, RECORD_SLOT));
    }

    /// Puts the adjudicator into any state in which it holds at least what it owes to this channel and its two.
    function begin(Stored memory x) internal {
        vm.assume(isSound(x.holding, x.paidOut));
        vm.assume(x.credit0 < LIMIT && x.credit1 < LIMIT && x.balance < LIMIT * 8);
        vm.assume(x.balance >= owed(x.holding, x.paidOut, x.credit0, x.credit1));
        store(slotOf(id, 0), x.holding);
        store(slotOf(id, RECORD_SLOT), x.record);
        store(slotOf(id, PAID_OUT_SLOT), x.paidOut);
        store(slotOf(id, DEBTS_SLOT), x.debts);
        store(creditSlot(PAYOUT0), x.credit0);
        store(creditSlot(PAYOUT1), x.credit1);
        vm.deal(address(adjudicator), x.balance);
        for (uint256 i = 0; i < SLOTS; ++i) {
            otherBefore[i] = vm.load(address(adjudicator), slotOf(OTHER, i));
        }
    }

    function owed(uint256 holding, uint256 paidOut, uint256 credit0, uint256 credit1) private pure returns (uint256) {
        unchecked {
            return held(holding, paidOut) + credit0 + credit1;
        }
    }

    /// What a channel and its own calls leave behind: it never paid out more than was deposited.
    function isSound(uint256 holding, uint256 paidOut) private pure returns (bool) {
        if (holding >> 254 != OPEN_WITHDRAWN) return true;
        unchecked {
            return (paidOut >> 128) + uint128(paidOut) <= (holding >> 127 & (LIMIT - 1)) + (holding & (LIMIT - 1));
        }
    }

    /// What the channel holds, by the meaning of its slots.
    function held(uint256 holding, uint256 paidOut) private pure returns (uint256) {
        uint256 status = holding >> 254;
        if (status == CLOSED) return 0;
        if (status == SETTLED) return uint128(holding);
        unchecked {
            uint256 deposits = (holding >> 127 & (LIMIT - 1)) + (holding & (LIMIT - 1));
            return status == OPEN_WITHDRAWN ? deposits - (paidOut >> 128) - uint128(paidOut) : deposits;
        }
    }

    function store(bytes32 slot, uint256 value) internal {
        vm.store(address(adjudicator), slot, bytes32(value));
    }

    /// Says what is stored of the other channel.
    function storeOther(uint256 holding) internal {
        store(slotOf(OTHER, 0), holding);
        otherBefore[0] = bytes32(holding);
    }

    // ---- what every call must keep

    /// Conservation: what is there beyond what this channel and its two are owed is all others', and stays the same.
    /// Isolation: nothing is written of another channel.
    function assertKept(Stored memory x) internal view {
        (uint256 holding, uint256 paidOut) = (load(slotOf(id, 0)), load(slotOf(id, PAID_OUT_SLOT)));
        assert(isSound(holding, paidOut));
        uint256 owedNow = owed(holding, paidOut, load(creditSlot(PAYOUT0)), load(creditSlot(PAYOUT1)));
        unchecked {
            uint256 others = x.balance - owed(x.holding, x.paidOut, x.credit0, x.credit1);
            assert(address(adjudicator).balance - owedNow == others);
        }
        for (uint256 i = 0; i < SLOTS; ++i) {
            assert(vm.load(address(adjudicator), slotOf(OTHER, i)) == otherBefore[i]);
        }
    }

    /// Tombstone: the call went through, so the channel was not closed before.
    function assertWasOpen(Stored memory x) internal pure {
        assert(x.holding >> 254 != CLOSED);
    }
}
