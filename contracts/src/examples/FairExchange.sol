// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IApp} from "../interfaces/IApp.sol";
import {State} from "../interfaces/Types.sol";

/// @notice The app data: abi.encode of this.
struct Exchange {
    /// 0 or 1.
    uint8 seller;
    /// In the first asset.
    uint128 price;
    /// keccak256 of the key to what the buyer has received encrypted, and has checked as far as that goes.
    bytes32 keyHash;
    /// Zero until the seller reveals it.
    bytes32 key;
}

/// @title A key for its price: the seller is paid exactly when it reveals the key
/// @notice At the start the seller writes, and the key is zero. There is one move: the seller's, with the key, which pays
/// the price. If it never comes, nothing is paid.
contract FairExchange is IApp {
    /// The key is revealed, or it is not the seller who writes.
    error NoMoveLeft();
    /// Another hash than the one that was agreed on.
    error NotTheKey(bytes32 key);
    /// A move pays the price, and nothing else.
    error PayThePrice(uint128 price);
    /// A move reveals the key, and hands over to the buyer.
    error NothingElseMayChange();

    /// @inheritdoc IApp
    function validTransition(State calldata state, State calldata next) external pure returns (bool) {
        Exchange memory exchange = abi.decode(state.appData, (Exchange));
        require(exchange.key == 0 && state.writer == exchange.seller, NoMoveLeft());
        exchange.key = abi.decode(next.appData, (Exchange)).key;
        bool revealed = exchange.key != 0 && keccak256(abi.encode(exchange.key)) == exchange.keyHash;
        bool sameTerms = keccak256(next.appData) == keccak256(abi.encode(exchange));
        require(revealed, NotTheKey(exchange.key));
        require(sameTerms && next.writer != state.writer, NothingElseMayChange());
        require(_isPaid(exchange, state, next), PayThePrice(exchange.price));
        return true;
    }

    /// @inheritdoc IApp
    /// @dev What the state says: the price is paid in it, or not.
    function verdict(State calldata state) external pure returns (int128[2][] memory deltas) {
        // Reverts for data that are none of this app, so that nobody begins with them.
        abi.decode(state.appData, (Exchange));
        deltas = new int128[2][](state.allocations.length);
        for (uint256 k = 0; k < deltas.length; ++k) {
            deltas[k] = [state.allocations[k].delta0, state.allocations[k].delta1];
        }
    }

    function _isPaid(Exchange memory exchange, State calldata state, State calldata next) private pure returns (bool) {
        int256 price = int256(uint256(exchange.price));
        if (exchange.seller == 1) price = -price;
        for (uint256 k = 0; k < state.allocations.length; ++k) {
            int256 gain = k == 0 ? price : int256(0);
            if (next.allocations[k].delta0 != state.allocations[k].delta0 + gain) return false;
            if (next.allocations[k].delta1 != state.allocations[k].delta1 - gain) return false;
        }
        return true;
    }
}
