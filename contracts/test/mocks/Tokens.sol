// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice Mints to anyone.
contract PlainToken is ERC20("Plain", "P") {
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}

/// @notice Keeps one percent of every transfer.
contract FeeToken is PlainToken {
    function _update(address from, address to, uint256 amount) internal override {
        if (from == address(0) || to == address(0)) return super._update(from, to, amount);
        super._update(from, address(0xfee), amount / 100);
        super._update(from, to, amount - amount / 100);
    }
}

/// @notice Returns nothing, like USDT.
contract NoReturnToken {
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function approve(address spender, uint256 amount) external {
        allowance[msg.sender][spender] = amount;
    }

    function transfer(address to, uint256 amount) external {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
    }

    function transferFrom(address from, address to, uint256 amount) external {
        allowance[from][msg.sender] -= amount;
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}

/// @notice Says false instead of reverting, when told to.
contract FalseToken is PlainToken {
    bool public refusing;

    function refuse(bool refusing_) external {
        refusing = refusing_;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        return !refusing && super.transfer(to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        return !refusing && super.transferFrom(from, to, amount);
    }
}

/// @notice Refuses to pay whom its owner does not like, like USDC.
contract BlacklistToken is PlainToken {
    mapping(address => bool) public blacklisted;

    function blacklist(address account, bool yes) external {
        blacklisted[account] = yes;
    }

    function _update(address from, address to, uint256 amount) internal override {
        require(!blacklisted[to], "blacklisted");
        super._update(from, to, amount);
    }
}

/// @notice Calls back whom it is told to, in the middle of every transfer, and remembers how that went.
contract CallbackToken is PlainToken {
    address public target;
    bytes public data;
    bool public called;
    bool public succeeded;
    bytes public result;

    function arm(address target_, bytes calldata data_) external {
        (target, data, called) = (target_, data_, false);
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (target != address(0) && from != address(0) && to != address(0)) {
            called = true;
            (succeeded, result) = target.call(data);
        }
        super._update(from, to, amount);
    }
}

/// @notice Burns all the gas it gets, or returns a megabyte, when paying out.
contract NastyToken is PlainToken {
    bool public bombing;

    function bomb(bool yes) external {
        bombing = yes;
    }

    function transfer(address, uint256) public view override returns (bool) {
        if (bombing) {
            assembly {
                return(0, 1000000)
            }
        }
        while (true) {}
        return true;
    }
}

/// @notice Gives up early when it has less than nearly all the gas that payouts promise.
contract EarlyQuittingToken is PlainToken {
    function transfer(address to, uint256 amount) public override returns (bool) {
        require(gasleft() > 298_000, "starved");
        return super.transfer(to, amount);
    }
}

/// @notice Accepts every call and does nothing: a permit or authorization on it proves nothing.
contract PhantomToken {
    function balanceOf(address) external pure returns (uint256) {
        return 0;
    }

    fallback() external {}
}

/// @notice Takes tokens away from a holder while it should receive some.
contract ShrinkingToken is PlainToken {
    function transferFrom(address, address to, uint256 amount) public override returns (bool) {
        _burn(to, amount);
        return true;
    }
}
