// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Allocation, ChannelParams, Lock, Record, Sig, State} from "../../src/interfaces/Types.sol";
import {GasBurner, Rejecting} from "../mocks/Receivers.sol";
import {ChannelTest} from "../utils/ChannelTest.sol";

/// @notice Drives three channels at random. In each, one side is honest: it accepts only what deposits cover, and
/// within every period it shows its last state once. The other side tries whatever it can: old states, replays,
/// withdrawals at the worst moment, payouts that reject. Calls of the honest side must succeed.
contract Handler is ChannelTest {
    uint256 public constant CHANNELS = 3;

    struct Model {
        ChannelParams params;
        uint256 honest;
        /// abi.encode of every state that both signed, by version; the first is the unsigned one.
        bytes[] states;
        /// abi.encode of its locks, for each.
        bytes[] locks;
        bool finalised;
        uint256 disputes;
        uint256 responses;
    }

    Model[CHANNELS] internal models;
    /// By channel, asset and side; on chain it is forgotten when the channel ends.
    mapping(uint256 => mapping(uint256 => mapping(uint256 => uint256))) public deposited;
    uint256 internal preimages;
    bytes32[] internal knownPreimages;

    constructor() {
        setUp();
        vm.deal(address(this), 1e36);
        usdc.mint(address(this), 1e36);
        usdc.approve(address(adjudicator), type(uint256).max);
        add(0, one(address(0)));
        add(1, one(address(usdc)));
        address[] memory both = new address[](2);
        both[1] = address(usdc);
        add(2, both);
    }

    function add(uint256 c, address[] memory assets) private {
        Model storage model = models[c];
        model.params = paramsOf(assets);
        model.params.nonce = uint64(c);
        model.honest = c % 2;
        address hostile = c == 0 ? address(new Rejecting()) : address(new GasBurner());
        address honest = address(uint160(0xa000 + c));
        (model.params.payout0, model.params.payout1) = c % 2 == 0 ? (honest, hostile) : (hostile, honest);
        model.states.push(abi.encode(zeroState(assets.length)));
        model.locks.push(abi.encode(new Lock[](0)));
    }

    // ---- what both do

    function deposit(uint256 c, uint256 side, uint256 k, uint96 amount) external {
        ChannelParams memory p = models[c %= CHANNELS].params;
        if (amount == 0 || phaseOf(p) != 0) return;
        k %= p.assets.length;
        side %= 2;
        deposited[c][k][side] += amount;
        if (p.assets[k] == address(0)) depositNative(p, side, amount);
        else adjudicator.depositToken(termsOf(p), p.assets, k, side, amount);
    }

    /// A payment, as far as the payer's deposits cover it.
    function pay(uint256 c, uint256 from, uint256 k, uint96 amount) external {
        Model storage model = models[c %= CHANNELS];
        if (!writable(model)) return;
        State memory s = next(model);
        k %= s.allocations.length;
        int128 paid = int128(int256(bound(amount, 0, claim(model.params, s, k, from % 2))));
        if (from % 2 == 1) paid = -paid;
        s.allocations[k].delta0 -= paid;
        s.allocations[k].delta1 += paid;
        push(model, s, lastLocks(model));
    }

    /// A hash lock, as far as the contributor's deposits cover it.
    function lock(uint256 c, uint256 from, uint256 k, uint96 amount, uint16 hours_) external {
        Model storage model = models[c %= CHANNELS];
        Lock[] memory locks = lastLocks(model);
        if (!writable(model) || locks.length == 4) return;
        State memory s = next(model);
        k %= s.allocations.length;
        from %= 2;
        uint128 locked = uint128(bound(amount, 0, claim(model.params, s, k, from)));
        bytes32 preimage = keccak256(abi.encode(preimages++));
        knownPreimages.push(preimage);
        Lock[] memory longer = new Lock[](locks.length + 1);
        for (uint256 i = 0; i < locks.length; ++i) {
            longer[i] = locks[i];
        }
        longer[locks.length] =
            hashLock(from, uint8(k), locked, preimage, block.timestamp + bound(hours_, 1, 100) * 1 hours);
        if (from == 0) s.allocations[k].delta0 -= int128(locked);
        else s.allocations[k].delta1 -= int128(locked);
        push(model, s, longer);
    }

    /// The last lock leaves by agreement, to either side.
    function settleLock(uint256 c, bool redeemed) external {
        Model storage model = models[c %= CHANNELS];
        Lock[] memory locks = lastLocks(model);
        if (!writable(model) || locks.length == 0) return;
        Lock memory last = locks[locks.length - 1];
        State memory s = next(model);
        Allocation memory a = s.allocations[last.assetIndex];
        a.delta0 += int128(redeemed ? last.amount1 : last.amount0);
        a.delta1 += int128(redeemed ? last.amount0 : last.amount1);
        assembly {
            mstore(locks, sub(mload(locks), 1))
        }
        push(model, s, locks);
    }

    /// A withdrawal is agreed and, perhaps, executed at once.
    function agreeWithdrawal(uint256 c, uint256 side, uint256 k, uint96 amount, bool execute) external {
        Model storage model = models[c %= CHANNELS];
        if (!writable(model)) return;
        State memory s = next(model);
        k %= s.allocations.length;
        uint128 out = uint128(bound(amount, 0, claim(model.params, s, k, side % 2)));
        Allocation memory a = s.allocations[k];
        if (side % 2 == 0) (a.delta0, a.withdrawn0) = (a.delta0 - int128(out), a.withdrawn0 + out);
        else (a.delta1, a.withdrawn1) = (a.delta1 - int128(out), a.withdrawn1 + out);
        s.validUntil = uint64(block.timestamp + 6 hours);
        push(model, s, lastLocks(model));
        if (execute) executeWithdrawal(c, model.states.length - 1);
    }

    function finalise(uint256 c, uint256 dice) external {
        Model storage model = models[c %= CHANNELS];
        if (dice % 4 != 0 || !writable(model) || lastLocks(model).length != 0) return;
        State memory s = next(model);
        s.isFinal = true;
        s.validUntil = uint64(block.timestamp + 6 hours);
        push(model, s, lastLocks(model));
        model.finalised = true;
    }

    function agreeResume(uint256 c) external {
        Model storage model = models[c %= CHANNELS];
        (uint8 phase, uint16 dispute, uint40 deadline,) = adjudicator.channel(idOf(model.params));
        if (phase != 0 || deadline == 0) return;
        (Sig memory a, Sig memory b) = resumeSigs(model.params, dispute);
        adjudicator.resume(model.params, recorded(model), a, b);
    }

    // ---- what the hostile side and strangers try

    function executeWithdrawal(uint256 c, uint256 version) public {
        Model storage model = models[c %= CHANNELS];
        State memory s = stateAt(model, version);
        (Sig memory a, Sig memory b) = sigs(model.params, s);
        try adjudicator.withdraw(model.params, s, a, b, recorded(model)) {} catch {}
    }

    function tryClose(uint256 c, uint256 version) external {
        Model storage model = models[c %= CHANNELS];
        State memory s = stateAt(model, version);
        (Sig memory a, Sig memory b) = sigs(model.params, s);
        try adjudicator.close(model.params, s, a, b) {} catch {}
    }

    function tryChallenge(uint256 c, uint256 version) external {
        Model storage model = models[c %= CHANNELS];
        State memory s = stateAt(model, version);
        (, uint16 dispute,,) = adjudicator.channel(idOf(model.params));
        uint256 hostile = 1 - model.honest;
        Sig memory sig = challengeSig(hostile == 0 ? KEY0 : KEY1, model.params, s, dispute);
        (Sig memory a, Sig memory b) = sigs(model.params, s);
        try adjudicator.challenge(model.params, s, a, b, recorded(model), hostile, sig) {
            ++model.disputes;
        } catch {}
    }

    function tryRespond(uint256 c, uint256 version) external {
        Model storage model = models[c %= CHANNELS];
        State memory s = stateAt(model, version);
        (Sig memory a, Sig memory b) = sigs(model.params, s);
        try adjudicator.respond(model.params, s, a, b, recorded(model)) {} catch {}
    }

    function trySettle(uint256 c, uint256 version) external {
        Model storage model = models[c %= CHANNELS];
        try adjudicator.settle(model.params, stateAt(model, version)) {} catch {}
    }

    function tryUnlock(uint256 c, uint256 version) external {
        Model storage model = models[c %= CHANNELS];
        Lock[] memory locks = abi.decode(model.locks[version % model.locks.length], (Lock[]));
        try adjudicator.unlock(model.params, locks) {} catch {}
    }

    function register(uint256 which) external {
        if (knownPreimages.length == 0) return;
        adjudicator.registerPreimage(knownPreimages[which % knownPreimages.length]);
    }

    // ---- time, and what the honest side does about it

    /// Before a period ends, the honest side shows its last state if a lower one is recorded.
    function pass(uint32 duration) external {
        uint256 until = block.timestamp + bound(duration, 1, 2 days);
        for (uint256 c = 0; c < CHANNELS; ++c) {
            if (until > deadlineOf(models[c].params)) defend(c);
        }
        vm.warp(until);
    }

    /// The honest side answers a dispute that stands at less than its last state.
    function defend(uint256 c) public {
        Model storage model = models[c];
        (uint8 phase,, uint40 deadline,) = adjudicator.channel(idOf(model.params));
        if (phase != 0 || block.timestamp > deadline) return;
        Record memory record = recorded(model);
        if (record.version == model.states.length - 1) return;
        respond(model.params, stateAt(model, model.states.length - 1), record);
        ++model.responses;
    }

    /// The honest side leaves, alone: whatever is under way, one period and the expiries of its locks suffice.
    function exit(uint256 c) external {
        Model storage model = models[c];
        ChannelParams memory p = model.params;
        if (phaseOf(p) == 0) {
            State memory last = stateAt(model, model.states.length - 1);
            if (deadlineOf(p) == 0) challenge(p, last, recorded(model), model.honest);
            if (block.timestamp <= deadlineOf(p)) vm.warp(deadlineOf(p) + 1);
            adjudicator.settle(p, stateAt(model, recorded(model).version));
        }
        if (phaseOf(p) == 1) {
            vm.warp(block.timestamp + 200 hours);
            adjudicator.unlock(p, pendingLocks(model));
        }
    }

    // ---- views of the model

    function paramsOfModel(uint256 c) external view returns (ChannelParams memory) {
        return models[c].params;
    }

    function token() external view returns (address) {
        return address(usdc);
    }

    function contractUnderTest() external view returns (address) {
        return address(adjudicator);
    }

    function honestOf(uint256 c) external view returns (uint256) {
        return models[c].honest;
    }

    function griefing(uint256 c) external view returns (uint256 disputes, uint256 responses) {
        return (models[c].disputes, models[c].responses);
    }

    /// What a side must have received in the end, by the last state that both signed.
    function owed(uint256 c, uint256 k, uint256 side, uint256 amountDeposited) external view returns (uint256) {
        Model storage model = models[c];
        Allocation memory a = stateAt(model, model.states.length - 1).allocations[k];
        int256 amount = int256(amountDeposited) + (side == 0 ? a.delta0 : a.delta1);
        amount += int256(uint256(side == 0 ? a.withdrawn0 : a.withdrawn1));
        Lock[] memory locks = lastLocks(model);
        for (uint256 i = 0; i < locks.length; ++i) {
            if (locks[i].assetIndex != k) continue;
            uint256 at = adjudicator.registeredAt(locks[i].ref);
            bool redeemed = at != 0 && at <= locks[i].expiry;
            amount += int256(uint256((side == 0) != redeemed ? locks[i].amount0 : locks[i].amount1));
        }
        return uint256(amount);
    }

    function stateAt(Model storage model, uint256 version) private view returns (State memory) {
        return abi.decode(model.states[version % model.states.length], (State));
    }

    function lastLocks(Model storage model) private view returns (Lock[] memory) {
        return abi.decode(model.locks[model.locks.length - 1], (Lock[]));
    }

    function next(Model storage model) private view returns (State memory s) {
        s = stateAt(model, model.states.length - 1);
        s.version += 1;
        s.validUntil = 0;
        s.history = keccak256(abi.encode(s.history, s.version));
    }

    function push(Model storage model, State memory s, Lock[] memory locks) private {
        s.locksHash = locks.length == 0 ? bytes32(0) : keccak256(abi.encode(locks));
        model.states.push(abi.encode(s));
        model.locks.push(abi.encode(locks));
    }

    /// The honest side signs nothing while the channel is disputed, nor above a final.
    function writable(Model storage model) private view returns (bool) {
        return phaseOf(model.params) == 0 && deadlineOf(model.params) == 0 && !model.finalised;
    }

    function claim(ChannelParams memory p, State memory s, uint256 k, uint256 side) private view returns (uint256) {
        (uint128[2] memory amounts,,) = adjudicator.funds(idOf(p), k);
        int128 delta = side == 0 ? s.allocations[k].delta0 : s.allocations[k].delta1;
        return uint256(int256(uint256(amounts[side])) + delta);
    }

    /// Finds what is recorded among the states that there are.
    function recorded(Model storage model) private view returns (Record memory) {
        (, uint16 dispute,, bytes25 print) = adjudicator.channel(idOf(model.params));
        for (uint256 v = model.states.length; print != 0 && v > 0; --v) {
            State memory s = stateAt(model, v - 1);
            if (fingerprintOf(model.params, s, dispute) == print) return recordOf(model.params, s);
        }
        return nothing();
    }

    /// Finds the pending list among the parts that can be left of the last one.
    function pendingLocks(Model storage model) private view returns (Lock[] memory list) {
        (,,, bytes25 print) = adjudicator.channel(idOf(model.params));
        Lock[] memory locks = lastLocks(model);
        bytes32 tag = keccak256("Strait: pending locks");
        for (uint256 bits = 1; bits < 1 << locks.length; ++bits) {
            list = new Lock[](locks.length);
            uint256 count = 0;
            for (uint256 i = 0; i < locks.length; ++i) {
                if (bits >> i & 1 != 0) list[count++] = locks[i];
            }
            assembly {
                mstore(list, count)
            }
            if (bytes25(keccak256(abi.encode(tag, idOf(model.params), keccak256(abi.encode(list))))) == print) {
                return list;
            }
        }
        revert("no such list");
    }
}
