// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Exchange, FairExchange} from "../../src/examples/FairExchange.sol";
import {State} from "../../src/interfaces/Types.sol";
import {GameTest} from "../utils/GameTest.sol";

contract FairExchangeTest is GameTest {
    bytes32 private constant KEY = "the key";

    /// The buyer, 0, has already paid 0.1 for something else.
    function exchange(bytes32 key) private pure returns (bytes memory) {
        return abi.encode(Exchange(1, 0.25 ether, keccak256(abi.encode(KEY)), key));
    }

    function paid(State memory s, int128 price) private pure returns (State memory) {
        s.allocations[0].delta0 -= price;
        s.allocations[0].delta1 += price;
        return s;
    }

    function setUp() public override {
        super.setUp();
        start("FairExchange", 1, exchange(0));
    }

    function test_paidExactlyWhenTheKeyIsRevealed() public {
        stalledHere(0.9 ether);
        move(paid(following(0, exchange(KEY)), 0.25 ether));
        stalledHere(0.65 ether);
        refused(paid(following(0, exchange(KEY)), 0.25 ether), FairExchange.NoMoveLeft.selector);
    }

    function test_theSellerMayOnlyReveal() public {
        refused(following(0, exchange(KEY)), FairExchange.PayThePrice.selector);
        refused(paid(following(0, exchange(KEY)), 0.26 ether), FairExchange.PayThePrice.selector);
        refused(paid(following(0, exchange("another key")), 0.25 ether), FairExchange.NotTheKey.selector);
        refused(paid(following(0, exchange(0)), 0.25 ether), FairExchange.NotTheKey.selector);
        refused(paid(following(1, exchange(KEY)), 0.25 ether), FairExchange.NothingElseMayChange.selector);
        bytes memory cheaper = abi.encode(Exchange(1, 0.2 ether, keccak256(abi.encode(KEY)), KEY));
        refused(paid(following(0, cheaper), 0.2 ether), FairExchange.NothingElseMayChange.selector);
    }

    function test_sellerZero() public {
        delete game;
        Exchange memory terms = Exchange(0, 0.25 ether, keccak256(abi.encode(KEY)), 0);
        start("FairExchange", 0, abi.encode(terms));
        terms.key = KEY;
        refused(paid(following(1, abi.encode(terms)), 0.25 ether), FairExchange.PayThePrice.selector);
        move(paid(following(1, abi.encode(terms)), -0.25 ether));
    }
}
