// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {IAdjudicator} from "../interfaces/IAdjudicator.sol";
import {Allocation, ChannelParams, Record, Sig, State} from "../interfaces/Types.sol";
import {Division} from "../libraries/Division.sol";
import {Hashing} from "../libraries/Hashing.sol";
import {Holding, Holdings, Pair, Pairs} from "../libraries/Holdings.sol";
import {Logs} from "../libraries/Logs.sol";
import {Params} from "../libraries/Params.sol";
import {Payments, PaymentsLib} from "../libraries/Payments.sol";
import {Records, Slot} from "../libraries/Records.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {States} from "../libraries/States.sol";
import {Channel, Ledger} from "./Ledger.sol";

/// @title What both participants do with the adjudicator in agreement: close, withdraw, resume
abstract contract Agreements is Ledger, EIP712 {
    bytes32 private immutable SEPARATOR;
    uint256 private immutable CHAIN_ID;

    constructor() EIP712("Strait", "1") {
        SEPARATOR = _domainSeparatorV4();
        CHAIN_ID = block.chainid;
    }

    /// @inheritdoc IAdjudicator
    function close(ChannelParams calldata params, State calldata state, Sig calldata sig0, Sig calldata sig1)
        external
        nonReentrant
    {
        bytes32 id = Params.checkPayment(params);
        (Channel storage channel_, Holding first) = _openChannel(id);
        require(state.isFinal, WrongFinality());
        require(block.timestamp <= States.validUntil(state), Expired());
        _requireAgreed(params, id, state, sig0, sig1);
        Payments pays = _closingPays(channel_, first, States.allocationsOf(state));
        channel_.holdings[0] = Holdings.TOMBSTONE;
        Logs.closed(id, pays);
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
        bytes32 id = Params.checkPayment(params);
        (Channel storage channel_, Holding first) = _openChannel(id);
        require(!state.isFinal, WrongFinality());
        require(block.timestamp <= States.validUntil(state), Expired());
        Slot slot = channel_.record;
        uint256 deadline = slot.deadline();
        // In a dispute this is a response, and as one it comes too late after the period.
        require(deadline == 0 || block.timestamp <= deadline, PeriodOver());
        (, uint256 recordedVersion) = slot.check(id, previous);
        require(States.version(state) > recordedVersion, StaleState());
        bytes32 stateHash = _requireAgreed(params, id, state, sig0, sig1);
        channel_.record = Records.ofVersion(id, States.version(state), stateHash, deadline, slot.dispute());
        Payments pays = _withdrawnPays(channel_, first, States.allocationsOf(state));
        Logs.withdrawn(id, state, pays);
        _payOut(params, pays);
    }

    /// @inheritdoc IAdjudicator
    function resume(ChannelParams calldata params, Record calldata recorded, Sig calldata sig0, Sig calldata sig1)
        external
        whenIdle
    {
        bytes32 id = Params.checkPayment(params);
        (Channel storage channel_,) = _openChannel(id);
        Slot slot = channel_.record;
        require(slot.deadline() != 0, NotDisputed());
        (, uint256 version) = slot.check(id, recorded);
        uint256 dispute = slot.dispute();
        require(dispute != type(uint16).max, TooManyDisputes());
        bytes32 digest = _digest(Hashing.resume(id, dispute));
        Signatures.check(sig0, digest, Params.signer(params, 0), 0);
        Signatures.check(sig1, digest, Params.signer(params, 1), 1);
        channel_.record = Records.ofVersion(id, version, recorded.stateHash, 0, dispute + 1);
        emit Resumed(id, dispute);
    }

    /// @dev What is signed for a struct, in this chain's and this contract's domain; also after a fork of the chain.
    function _digest(bytes32 structHash) internal view returns (bytes32) {
        bytes32 separator = block.chainid == CHAIN_ID ? SEPARATOR : _domainSeparatorV4();
        return MessageHashUtils.toTypedDataHash(separator, structHash);
    }

    /// @dev Checks that the state keeps the rules and that both signed it. Returns hashStruct(State).
    function _requireAgreed(
        ChannelParams calldata params,
        bytes32 id,
        State calldata state,
        Sig calldata sig0,
        Sig calldata sig1
    ) internal view returns (bytes32 stateHash) {
        States.check(state, Params.assetsOf(params).length);
        require(States.version(state) != 0, UnsignedVersion());
        stateHash = Hashing.state(state, id);
        bytes32 digest = _digest(stateHash);
        Signatures.check(sig0, digest, Params.signer(params, 0), 0);
        Signatures.check(sig1, digest, Params.signer(params, 1), 1);
    }

    /// @dev A final whose claims the deposits do not cover is refused: `settle` divides such shortages after the
    /// other side had its period to answer.
    function _closingPays(Channel storage channel_, Holding first, Allocation[] calldata allocations)
        private
        returns (Payments pays)
    {
        pays = PaymentsLib.create(allocations.length);
        for (uint256 k = 0; k < allocations.length; ++k) {
            (uint256 deposit0, uint256 deposit1, uint256 paid0, uint256 paid1) = _balance(channel_, first, k);
            (int256 claim0, int256 claim1) = Division.claims(allocations, k, deposit0, deposit1, paid0, paid1);
            require(claim0 >= 0 && claim1 >= 0, Underfunded(k));
            pays.set(k, uint256(claim0), uint256(claim1));
            _forget(channel_, first, k);
        }
    }

    /// @dev Clears the slots that nobody will read again; the tombstone lies with the first asset.
    function _forget(Channel storage channel_, Holding first, uint256 assetIndex) internal {
        if (assetIndex != 0) channel_.holdings[assetIndex] = Holding.wrap(0);
        if (first.status() == Holdings.OPEN_WITHDRAWN) channel_.paidOut[assetIndex] = Pair.wrap(0);
    }

    /// @dev What `withdrawn` grew by since the last withdrawal, where both keep a claim that is not negative.
    function _withdrawnPays(Channel storage channel_, Holding first, Allocation[] calldata allocations)
        private
        returns (Payments pays)
    {
        pays = PaymentsLib.create(allocations.length);
        for (uint256 k = 0; k < allocations.length; ++k) {
            (,, uint256 withdrawn0, uint256 withdrawn1) = States.allocation(allocations, k);
            (uint256 deposit0, uint256 deposit1, uint256 paid0, uint256 paid1) = _balance(channel_, first, k);
            require(withdrawn0 >= paid0 && withdrawn1 >= paid1, WithdrawnDecreased(k));
            pays.set(k, withdrawn0 - paid0, withdrawn1 - paid1);
            // What is left to each afterwards, when all that is withdrawn is paid.
            (int256 left0, int256 left1) = Division.claims(allocations, k, deposit0, deposit1, withdrawn0, withdrawn1);
            require(left0 >= 0 && left1 >= 0, Underfunded(k));
            channel_.paidOut[k] = Pairs.pack(withdrawn0, withdrawn1);
        }
        if (first.status() == Holdings.OPEN) channel_.holdings[0] = first.withStatus(Holdings.OPEN_WITHDRAWN);
    }
}
