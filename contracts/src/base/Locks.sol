// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAdjudicator} from "../interfaces/IAdjudicator.sol";
import {ChannelParams, Lock, LockKind} from "../interfaces/Types.sol";
import {Hashing} from "../libraries/Hashing.sol";
import {Holding, Holdings, Pairs} from "../libraries/Holdings.sol";
import {LockList, LockLists} from "../libraries/LockLists.sol";
import {Logs} from "../libraries/Logs.sol";
import {Params} from "../libraries/Params.sol";
import {Payments, PaymentsLib} from "../libraries/Payments.sol";
import {Records, Slot} from "../libraries/Records.sol";
import {Channel, Ledger} from "./Ledger.sol";

/// @notice One asset of a settled channel while its locks are being resolved.
struct Pending {
    uint256 reserve;
    uint256 debt0;
    uint256 debt1;
    uint256 pay0;
    uint256 pay1;
}

/// @title Locks of settled channels
/// @dev `settle` kept a reserve per asset. Every lock that can be resolved now leaves the list and pays out of it, never
/// more than is left: a list that promises more than was contributed takes nothing from anyone else. A lock of the kind
/// Channel waits for its child's outcome, however long that takes.
abstract contract Locks is IAdjudicator, Ledger {
    /// @inheritdoc IAdjudicator
    mapping(bytes32 hash => uint64) public registeredAt;

    /// @inheritdoc IAdjudicator
    function registerPreimage(bytes32 preimage) external whenIdle {
        bytes32 hash = sha256(abi.encode(preimage));
        // No error: whoever registers first must not make a batch fail that would do the same.
        if (registeredAt[hash] != 0) return;
        registeredAt[hash] = uint64(block.timestamp);
        emit PreimageRegistered(hash, preimage);
    }

    /// @inheritdoc IAdjudicator
    function unlock(ChannelParams calldata params, Lock[] calldata locks) external nonReentrant {
        bytes32 id = Params.checkPayment(params);
        Channel storage channel_ = _channels[id];
        Holding first = channel_.holdings[0];
        require(first.status() == Holdings.SETTLED, NotSettled());
        Slot slot = channel_.record;
        slot.checkLocks(id, Hashing.locks(locks));

        LockList remaining = LockLists.create(locks.length);
        (Payments pays, bool ended) = _resolve(channel_, first, Params.assetsOf(params).length, locks, remaining);
        if (ended) remaining.clear();
        channel_.record = ended ? Slot.wrap(0) : Records.ofLocks(id, remaining.hash(), slot.dispute());
        Logs.unlocked(id, pays, remaining);
        _payOut(params, pays);
    }

    /// @dev Resolves what can be resolved in every asset and writes what is left. The channel is closed when nothing is
    /// left to pay.
    function _resolve(
        Channel storage channel_,
        Holding first,
        uint256 assetCount,
        Lock[] calldata locks,
        LockList remaining
    ) private returns (Payments pays, bool ended) {
        pays = PaymentsLib.create(assetCount);
        ended = true;
        Holding kept = Holding.wrap(0);
        for (uint256 k = 0; k < assetCount; ++k) {
            Pending memory asset = _load(channel_, first, k);
            _resolveAsset(asset, k, locks, remaining);
            require(remaining.length() < locks.length, NothingToUnlock());
            if (remaining.length() == 0 && asset.reserve != 0) _share(asset);
            pays.set(k, asset.pay0, asset.pay1);
            Holding holding = _keepPending(channel_, k, asset);
            if (asset.reserve != 0) ended = false;
            if (k == 0) kept = holding;
            else channel_.holdings[k] = holding;
        }
        channel_.holdings[0] = kept.withStatus(ended ? Holdings.CLOSED : Holdings.SETTLED);
    }

    function _load(Channel storage channel_, Holding first, uint256 assetIndex)
        private
        view
        returns (Pending memory asset)
    {
        Holding holding = assetIndex == 0 ? first : channel_.holdings[assetIndex];
        asset.reserve = holding.reserve();
        if (holding.hasDebts()) (asset.debt0, asset.debt1) = channel_.debts[assetIndex].unpack();
    }

    /// @dev Pays the locks of one asset that can be resolved. The first asset's turn also collects all locks that
    /// remain; one in an asset that the channel does not have locks nothing, and must not stop the others.
    function _resolveAsset(Pending memory asset, uint256 assetIndex, Lock[] calldata locks, LockList remaining)
        private
        view
    {
        for (uint256 i = 0; i < locks.length; ++i) {
            Lock calldata lock = locks[i];
            bool concerned = lock.assetIndex == assetIndex;
            if (!concerned && assetIndex != 0) continue;
            (bool resolved, uint256 part0, uint256 part1) = _outcome(lock);
            if (!resolved) {
                if (assetIndex == 0) remaining.push(lock);
            } else if (concerned) {
                _release(asset, part0, part1);
            }
        }
    }

    /// @dev Whether the lock can be resolved now, and the parts of participant 0 and 1; together all that is locked.
    function _outcome(Lock calldata lock) private view returns (bool resolved, uint256 part0, uint256 part1) {
        (part0, part1) = (lock.amount0, lock.amount1);
        if (lock.kind == LockKind.Channel) return _childOutcome(lock, part0, part1);
        uint256 registered = registeredAt[lock.ref];
        uint256 expiry = lock.expiry;
        bool redeemed = registered != 0 && registered <= expiry;
        resolved = redeemed || block.timestamp > expiry;
        // What 0 contributed goes to 1, and the other way round; a sound lock has one contributor.
        if (redeemed) (part0, part1) = (part1, part0);
    }

    /// @dev What the child's outcome gives to this channel's participant 0, the rest to participant 1: whatever the
    /// lock says of the child's amounts, no more is released than was locked.
    function _childOutcome(Lock calldata lock, uint256 amount0, uint256 amount1)
        private
        view
        returns (bool resolved, uint256 part0, uint256 part1)
    {
        Holding child = _channels[lock.ref].holdings[0];
        if (child.status() != Holdings.CLOSED) return (false, 0, 0);
        (uint256 outcome0, uint256 outcome1) = child.outcome();
        part0 = lock.flip ? outcome1 : outcome0;
        // Amounts of 128 bits.
        unchecked {
            uint256 total = amount0 + amount1;
            if (part0 > total) part0 = total;
            return (true, part0, total - part0);
        }
    }

    function _release(Pending memory asset, uint256 part0, uint256 part1) private pure {
        uint256 pay;
        // No payment exceeds the reserve, of 128 bits.
        unchecked {
            if (part0 != 0) {
                (pay, asset.debt0, asset.reserve) = _take(part0, asset.debt0, asset.reserve);
                asset.pay0 += pay;
            }
            if (part1 != 0) {
                (pay, asset.debt1, asset.reserve) = _take(part1, asset.debt1, asset.reserve);
                asset.pay1 += pay;
            }
        }
    }

    /// @dev First the participant's own debt, then what the reserve still has.
    function _take(uint256 amount, uint256 debt, uint256 reserve)
        private
        pure
        returns (uint256 pay, uint256 debtLeft, uint256 reserveLeft)
    {
        unchecked {
            if (amount <= debt) return (0, debt - amount, reserve);
            pay = amount - debt;
            if (pay > reserve) pay = reserve;
            return (pay, 0, reserve - pay);
        }
    }

    /// @dev Both participants signed a list that is to account for the whole reserve; what it leaves over they share
    /// equally, so that nothing is stranded.
    function _share(Pending memory asset) private pure {
        uint256 half = asset.reserve / 2;
        asset.pay0 += asset.reserve - half;
        asset.pay1 += half;
        asset.reserve = 0;
    }

    function _keepPending(Channel storage channel_, uint256 assetIndex, Pending memory asset)
        private
        returns (Holding)
    {
        if (asset.reserve == 0) return Holding.wrap(0);
        bool hasDebts = asset.debt0 | asset.debt1 != 0;
        if (hasDebts) channel_.debts[assetIndex] = Pairs.pack(asset.debt0, asset.debt1);
        return Holdings.ofReserve(asset.reserve, hasDebts);
    }
}
