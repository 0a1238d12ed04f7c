// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAdjudicator} from "../interfaces/IAdjudicator.sol";
import {ChannelParams, Lock, LockKind} from "../interfaces/Types.sol";
import {Holding, Holdings, Pairs} from "../libraries/Holdings.sol";
import {Params} from "../libraries/Params.sol";
import {Records, Slot} from "../libraries/Records.sol";
import {Ledger} from "./Ledger.sol";

/// @notice One asset of a settled channel while its locks are being resolved.
struct Pending {
    uint256 reserve;
    uint256[2] debts;
    uint256[2] pays;
    bool hadDebts;
}

/// @title Locks of settled channels
/// @dev `settle` kept a reserve per asset. Every lock that can be resolved now leaves the list and pays out of it, never
/// more than is left: a list that promises more than was contributed takes nothing from anyone else. A lock of the kind
/// Channel waits for its child's outcome, which this adjudicator does not judge yet: it stays in the list.
abstract contract Locks is Ledger {
    /// @inheritdoc IAdjudicator
    mapping(bytes32 hash => uint64) public registeredAt;

    /// @inheritdoc IAdjudicator
    function registerPreimage(bytes32 preimage) external whenIdle {
        bytes32 hash = sha256(abi.encode(preimage));
        require(registeredAt[hash] == 0, AlreadyRegistered());
        registeredAt[hash] = uint64(block.timestamp);
        emit PreimageRegistered(hash, preimage);
    }

    /// @inheritdoc IAdjudicator
    function unlock(ChannelParams calldata params, Lock[] calldata locks) external nonReentrant {
        bytes32 id = Params.paymentChannelId(params);
        Holding first = _first[id];
        require(first.status() == Holdings.SETTLED, NotSettled());
        bytes25 print = Records.fingerprintOfLocks(id, keccak256(abi.encode(locks)));
        require(_records[id].fingerprint() == print, LocksMismatch());

        Pending[] memory pending = _load(id, first, params.assets.length);
        Lock[] memory remaining = _resolve(locks, pending);
        require(remaining.length < locks.length, NothingToUnlock());
        uint256[2][] memory pays;
        (remaining, pays) = _store(id, pending, remaining);
        emit Unlocked(id, pays, remaining);
        _payOut(params, pays);
    }

    function _load(bytes32 id, Holding first, uint256 count) private view returns (Pending[] memory pending) {
        pending = new Pending[](count);
        for (uint256 k = 0; k < count; ++k) {
            Holding holding = _holding(id, first, k);
            pending[k].reserve = holding.reserve();
            if (holding.hasDebts()) {
                pending[k].hadDebts = true;
                (pending[k].debts[0], pending[k].debts[1]) = _debts[id][k].unpack();
            }
        }
    }

    /// @dev Takes every lock that can be resolved out of the list.
    function _resolve(Lock[] calldata locks, Pending[] memory pending) private view returns (Lock[] memory remaining) {
        remaining = new Lock[](locks.length);
        uint256 kept = 0;
        for (uint256 i = 0; i < locks.length; ++i) {
            Lock calldata lock = locks[i];
            (bool resolved, bool redeemed) = _outcome(lock);
            if (!resolved) {
                remaining[kept++] = lock;
            } else if (lock.assetIndex < pending.length) {
                // What 0 contributed goes to 1 when redeemed, and the other way round; a sound lock has one contributor.
                _release(pending[lock.assetIndex], redeemed ? 1 : 0, lock.amount0);
                _release(pending[lock.assetIndex], redeemed ? 0 : 1, lock.amount1);
            }
        }
        // The array only becomes shorter.
        assembly ("memory-safe") {
            mstore(remaining, kept)
        }
    }

    function _outcome(Lock calldata lock) private view returns (bool resolved, bool redeemed) {
        if (lock.kind != LockKind.Hash) return (false, false);
        uint256 at = registeredAt[lock.ref];
        redeemed = at != 0 && at <= lock.expiry;
        resolved = redeemed || block.timestamp > lock.expiry;
    }

    /// @dev First the participant's own debt, then what the reserve still has.
    function _release(Pending memory asset, uint256 to, uint256 amount) private pure {
        uint256 debt = asset.debts[to];
        if (amount <= debt) {
            asset.debts[to] = debt - amount;
            return;
        }
        asset.debts[to] = 0;
        uint256 pay = amount - debt;
        if (pay > asset.reserve) pay = asset.reserve;
        asset.reserve -= pay;
        asset.pays[to] += pay;
    }

    /// @dev Writes back what is left. The channel is closed when nothing is left to pay, or no lock to decide about it.
    /// Both participants signed a list that is to account for the whole reserve; what it leaves over they share equally,
    /// so that nothing is stranded.
    function _store(bytes32 id, Pending[] memory pending, Lock[] memory remaining)
        private
        returns (Lock[] memory, uint256[2][] memory pays)
    {
        pays = new uint256[2][](pending.length);
        bool ended = true;
        for (uint256 k = 0; k < pending.length; ++k) {
            Pending memory asset = pending[k];
            if (remaining.length == 0 && asset.reserve != 0) {
                asset.pays[0] += asset.reserve - asset.reserve / 2;
                asset.pays[1] += asset.reserve / 2;
                asset.reserve = 0;
            }
            if (asset.reserve != 0) ended = false;
            pays[k] = asset.pays;
            if (asset.hadDebts) _debts[id][k] = Pairs.pack(asset.debts[0], asset.debts[1]);
            if (k != 0) _others[id][k] = Holdings.ofReserve(asset.reserve, asset.hadDebts && asset.reserve != 0);
        }
        if (ended) {
            _first[id] = Holdings.TOMBSTONE;
            _records[id] = Slot.wrap(0);
            return (new Lock[](0), pays);
        }
        _first[id] = Holdings.ofReserve(pending[0].reserve, pending[0].hadDebts).withStatus(Holdings.SETTLED);
        bytes25 print = Records.fingerprintOfLocks(id, keccak256(abi.encode(remaining)));
        _records[id] = Records.pack(print, 0, _records[id].dispute());
        return (remaining, pays);
    }
}
