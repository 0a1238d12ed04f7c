// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IAdjudicator} from "../interfaces/IAdjudicator.sol";
import {ChannelParams, Record, Sig, State} from "../interfaces/Types.sol";
import {Division} from "../libraries/Division.sol";
import {Holding, Holdings, Pair, Pairs} from "../libraries/Holdings.sol";
import {Params} from "../libraries/Params.sol";
import {Records, Slot} from "../libraries/Records.sol";
import {States} from "../libraries/States.sol";
import {Ledger} from "./Ledger.sol";

/// @title What both participants do with the adjudicator in agreement: close, withdraw, resume
abstract contract Agreements is Ledger, EIP712 {
    constructor() EIP712("Strait", "1") {}

    /// @inheritdoc IAdjudicator
    function close(ChannelParams calldata params, State calldata state, Sig calldata sig0, Sig calldata sig1)
        external
        nonReentrant
    {
        bytes32 id = Params.paymentChannelId(params);
        Holding first = _openChannel(id);
        require(state.isFinal, WrongFinality());
        require(block.timestamp <= state.validUntil, Expired());
        _requireAgreed(params, id, state, sig0, sig1);
        uint256[2][] memory pays = _closingPays(params, id, first, state);
        _first[id] = Holdings.TOMBSTONE;
        emit Closed(id, pays);
        _payOut(params, pays);
    }

    /// @inheritdoc IAdjudicator
    function withdraw(
        ChannelParams calldata params,
        State calldata state,
        Sig calldata sig0,
        Sig calldata sig1,
        Record calldata previous
    ) external nonReentrant {
        bytes32 id = Params.paymentChannelId(params);
        Holding first = _openChannel(id);
        require(!state.isFinal, WrongFinality());
        require(block.timestamp <= state.validUntil, Expired());
        Slot slot = _records[id];
        // In a dispute this is a response, and as one it comes too late after the period.
        require(slot.deadline() == 0 || block.timestamp <= slot.deadline(), PeriodOver());
        slot.check(id, previous);
        require(state.version > previous.version, StaleState());
        bytes32 stateHash = _requireAgreed(params, id, state, sig0, sig1);
        _recordVersion(id, state.version, stateHash, slot.deadline(), slot.dispute());
        uint256[2][] memory pays = _withdrawnPays(id, first, state);
        emit Withdrawn(id, state, pays);
        _payOut(params, pays);
    }

    /// @inheritdoc IAdjudicator
    function resume(ChannelParams calldata params, Record calldata recorded, Sig calldata sig0, Sig calldata sig1)
        external
        whenIdle
    {
        bytes32 id = Params.paymentChannelId(params);
        _openChannel(id);
        Slot slot = _records[id];
        require(slot.deadline() != 0, NotDisputed());
        slot.check(id, recorded);
        uint256 dispute = slot.dispute();
        require(dispute != type(uint16).max, TooManyDisputes());
        bytes32 digest = _hashTypedDataV4(States.resumeHash(id, dispute));
        _requireSigner(digest, sig0, params.signer0, 0);
        _requireSigner(digest, sig1, params.signer1, 1);
        _recordVersion(id, recorded.version, recorded.stateHash, 0, dispute + 1);
        emit Resumed(id, dispute);
    }

    /// @dev Checks that the state keeps the rules and that both signed it.
    /// @return stateHash hashStruct(State).
    function _requireAgreed(
        ChannelParams calldata params,
        bytes32 id,
        State calldata state,
        Sig calldata sig0,
        Sig calldata sig1
    ) internal view returns (bytes32 stateHash) {
        require(state.version != 0, UnsignedVersion());
        States.check(state, params.assets.length);
        stateHash = States.hash(state, id);
        bytes32 digest = _hashTypedDataV4(stateHash);
        _requireSigner(digest, sig0, params.signer0, 0);
        _requireSigner(digest, sig1, params.signer1, 1);
    }

    /// @dev Always ecrecover, whatever code sits at the signer's address: code could disown what was signed.
    function _requireSigner(bytes32 digest, Sig calldata sig, address signer, uint256 participant) internal pure {
        (address recovered,,) = ECDSA.tryRecover(digest, sig.r, sig.vs);
        // A failed recovery is the zero address, which no signer is.
        require(recovered == signer, BadSignature(participant));
    }

    function _recordVersion(bytes32 id, uint256 version, bytes32 stateHash, uint256 deadline, uint256 dispute)
        internal
    {
        bytes25 print = Records.fingerprintOf(id, version, dispute, stateHash);
        _records[id] = Records.pack(print, deadline, dispute);
    }

    /// @dev A final whose claims the deposits do not cover is refused: `settle` divides such shortages after the
    /// other side had its period to answer.
    function _closingPays(ChannelParams calldata params, bytes32 id, Holding first, State calldata state)
        private
        returns (uint256[2][] memory pays)
    {
        uint256 count = params.assets.length;
        pays = new uint256[2][](count);
        for (uint256 k = 0; k < count; ++k) {
            (uint256 deposit0, uint256 deposit1) = _holding(id, first, k).deposits();
            (uint256 paid0, uint256 paid1) = _paid(id, first, k);
            (int256 claim0, int256 claim1) = Division.claims(state.allocations[k], deposit0, deposit1, paid0, paid1);
            require(claim0 >= 0 && claim1 >= 0, Underfunded(k));
            pays[k] = [uint256(claim0), uint256(claim1)];
            _forget(id, first, k);
        }
    }

    /// @dev Clears the slots that nobody will read again; the tombstone lies with the first asset.
    function _forget(bytes32 id, Holding first, uint256 assetIndex) internal {
        if (assetIndex != 0) _others[id][assetIndex] = Holding.wrap(0);
        if (first.status() == Holdings.OPEN_WITHDRAWN) _paidOut[id][assetIndex] = Pair.wrap(0);
    }

    /// @dev What `withdrawn` grew by since the last withdrawal, where both keep a claim that is not negative.
    function _withdrawnPays(bytes32 id, Holding first, State calldata state)
        private
        returns (uint256[2][] memory pays)
    {
        uint256 count = state.allocations.length;
        pays = new uint256[2][](count);
        for (uint256 k = 0; k < count; ++k) {
            uint256 withdrawn0 = state.allocations[k].withdrawn0;
            uint256 withdrawn1 = state.allocations[k].withdrawn1;
            (uint256 deposit0, uint256 deposit1) = _holding(id, first, k).deposits();
            // What is left to each after this withdrawal: all that is withdrawn counts as paid.
            (int256 left0, int256 left1) =
                Division.claims(state.allocations[k], deposit0, deposit1, withdrawn0, withdrawn1);
            require(left0 >= 0 && left1 >= 0, Underfunded(k));
            (uint256 paid0, uint256 paid1) = _paid(id, first, k);
            require(withdrawn0 >= paid0 && withdrawn1 >= paid1, WithdrawnDecreased(k));
            pays[k] = [withdrawn0 - paid0, withdrawn1 - paid1];
            _paidOut[id][k] = Pairs.pack(withdrawn0, withdrawn1);
        }
        if (first.status() == Holdings.OPEN) _first[id] = first.withStatus(Holdings.OPEN_WITHDRAWN);
    }
}
