// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Allocation, ChannelParams, ChildTerms, Lock, State} from "../interfaces/Types.sol";
import {States} from "./States.sol";

/// @title Hashes of what callers show
/// @dev Assembly where words lie in calldata just as they are hashed: `abi.encode` would decode, check and copy each of
/// them once more, which costs 5,000 gas in a challenge. All of it works in free memory that nothing else keeps.
library Hashing {
    bytes32 internal constant STATE_TYPEHASH = keccak256(
        "State(bytes32 channelId,uint64 version,uint8 writer,bool isFinal,uint64 validUntil,Allocation[] allocations,bytes32 locksHash,bytes32 history,bytes appData)"
        "Allocation(int128 delta0,int128 delta1,uint128 withdrawn0,uint128 withdrawn1)"
    );
    bytes32 internal constant ALLOCATION_TYPEHASH =
        keccak256("Allocation(int128 delta0,int128 delta1,uint128 withdrawn0,uint128 withdrawn1)");
    bytes32 internal constant CHALLENGE_TYPEHASH =
        keccak256("Challenge(bytes32 channelId,uint16 dispute,bytes32 stateHash)");
    bytes32 internal constant RESUME_TYPEHASH = keccak256("Resume(bytes32 channelId,uint16 dispute)");
    bytes32 internal constant ACTIVATION_TYPEHASH = keccak256("Activation(bytes32 channelId)");
    bytes32 internal constant CHILD_TERMS_TYPEHASH = keccak256(
        "ChildTerms(bytes32 parent0,uint64 version0,bytes32 parent1,uint64 version1,address hub,uint64 end,uint128 amount0,uint128 amount1)"
    );
    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    /// @dev Of app data that there is not.
    bytes32 internal constant EMPTY = keccak256("");

    /// @notice `termsHash` of the channel's id: the first seven words of the parameters.
    function terms(ChannelParams calldata params) internal pure returns (bytes32 result) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, params, 224)
            result := keccak256(free, 224)
        }
    }

    /// @notice Commits to all assets but the first: zero when there is no other.
    function moreAssets(address[] calldata assets) internal pure returns (bytes32) {
        // In an array encodePacked pads every element to a word.
        return assets.length == 1 ? bytes32(0) : keccak256(abi.encodePacked(assets[1:]));
    }

    /// @notice The channel's id: keccak256(abi.encode(chainId, adjudicator, terms, firstAsset, moreAssets, child)).
    /// It binds chain and contract.
    function id(bytes32 terms_, address firstAsset, bytes32 moreAssets_, bytes32 child)
        internal
        view
        returns (bytes32 result)
    {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, chainid())
            mstore(add(free, 32), address())
            mstore(add(free, 64), terms_)
            mstore(add(free, 96), firstAsset)
            mstore(add(free, 128), moreAssets_)
            mstore(add(free, 160), child)
            result := keccak256(free, 192)
        }
    }

    /// @notice EIP-712 hashStruct(State), of a state that was checked.
    function state(State calldata s, bytes32 channelId, bytes32 appDataHash) internal pure returns (bytes32 result) {
        Allocation[] calldata allocations = States.allocationsOf(s);
        bytes32 stateType = STATE_TYPEHASH;
        bytes32 allocationType = ALLOCATION_TYPEHASH;
        assembly ("memory-safe") {
            let free := mload(0x40)
            // Hashes of the allocations in a row, behind the 160 bytes in which each is hashed.
            let hashes := add(free, 160)
            mstore(free, allocationType)
            for { let k := 0 } lt(k, allocations.length) { k := add(k, 1) } {
                calldatacopy(add(free, 32), add(allocations.offset, shl(7, k)), 128)
                mstore(add(hashes, shl(5, k)), keccak256(free, 160))
            }
            let allocationsHash := keccak256(hashes, shl(5, allocations.length))
            mstore(free, stateType)
            mstore(add(free, 32), channelId)
            // version, writer, isFinal, validUntil
            calldatacopy(add(free, 64), s, 128)
            mstore(add(free, 192), allocationsHash)
            // locksHash, history
            calldatacopy(add(free, 224), add(s, 160), 64)
            mstore(add(free, 288), appDataHash)
            result := keccak256(free, 320)
        }
    }

    /// @notice EIP-712 hashStruct(Challenge).
    function challenge(bytes32 channelId, uint256 dispute, bytes32 stateHash) internal pure returns (bytes32) {
        return words(CHALLENGE_TYPEHASH, channelId, bytes32(dispute), stateHash);
    }

    /// @notice EIP-712 hashStruct(Resume).
    function resume(bytes32 channelId, uint256 dispute) internal pure returns (bytes32) {
        return keccak256(abi.encode(RESUME_TYPEHASH, channelId, dispute));
    }

    /// @notice keccak256 of a state's app data.
    function appData(State calldata s) internal pure returns (bytes32 result) {
        bytes calldata data = States.appDataOf(s);
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, data.offset, data.length)
            result := keccak256(free, data.length)
        }
    }

    /// @notice EIP-712 hashStruct(Activation).
    function activation(bytes32 channelId) internal pure returns (bytes32) {
        return keccak256(abi.encode(ACTIVATION_TYPEHASH, channelId));
    }

    /// @notice EIP-712 hashStruct(ChildTerms).
    function childTerms(ChildTerms calldata terms_) internal pure returns (bytes32 result) {
        bytes32 typeHash = CHILD_TERMS_TYPEHASH;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, typeHash)
            calldatacopy(add(free, 32), terms_, 256)
            result := keccak256(free, 288)
        }
    }

    /// @notice The EIP-712 domain separator of an adjudicator on this chain.
    function separator(address adjudicator) internal view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPEHASH, keccak256("Strait"), keccak256("1"), block.chainid, adjudicator));
    }

    /// @notice keccak256 of four words.
    function words(bytes32 a, bytes32 b, bytes32 c, bytes32 d) internal pure returns (bytes32 result) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, a)
            mstore(add(free, 32), b)
            mstore(add(free, 64), c)
            mstore(add(free, 96), d)
            result := keccak256(free, 128)
        }
    }

    /// @notice `locksHash` of a list that is not empty: keccak256(abi.encode(locks)).
    function locks(Lock[] calldata list) internal pure returns (bytes32 result) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            let size := mul(list.length, 224)
            mstore(free, 32)
            mstore(add(free, 32), list.length)
            calldatacopy(add(free, 64), list.offset, size)
            result := keccak256(free, add(64, size))
        }
    }
}
