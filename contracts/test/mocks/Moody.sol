// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @notice A token that treats every transfer as its mood is. Nobody's approval is asked for.
contract MoodyToken {
    enum Mood {
        Honest,
        Silent,
        SaysFalse,
        Lies,
        Reverts,
        KeepsAFee,
        BurnsGas,
        Bombs,
        CallsBack,
        Shrinks
    }

    mapping(address => uint256) public balanceOf;
    Mood public mood;
    address private target;
    bytes private data;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function feel(Mood mood_, address target_, bytes calldata data_) external {
        (mood, target, data) = (mood_, target_, data_);
    }

    function transfer(address to, uint256 amount) external {
        if (mood == Mood.BurnsGas) while (true) {}
        move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external {
        if (mood == Mood.Shrinks) (from, to, amount) = (to, from, 1);
        move(from, to, amount);
    }

    function move(address from, address to, uint256 amount) private {
        if (mood == Mood.Reverts || mood == Mood.BurnsGas) revert("no");
        if (mood == Mood.SaysFalse) answer(0, 32);
        if (mood == Mood.Bombs) answer(0, 100_000);
        if (mood == Mood.Lies) answer(1, 32);
        if (mood == Mood.CallsBack) {
            // Whatever becomes of it.
            (bool ok,) = target.call(data);
            ok = ok;
        }
        balanceOf[from] -= amount;
        balanceOf[to] += mood == Mood.KeepsAFee ? amount - amount / 100 : amount;
        answer(1, mood == Mood.Silent ? 0 : 32);
    }

    function answer(uint256 value, uint256 size) private pure {
        assembly {
            mstore(0, value)
            return(0, size)
        }
    }
}

/// @notice A payout that treats coins as its mood is, and does what it is told.
contract MoodyPayout {
    enum Mood {
        Takes,
        Reverts,
        BurnsGas,
        Bombs,
        CallsBack
    }

    Mood public mood;
    address private target;
    bytes private data;

    function feel(Mood mood_, address target_, bytes calldata data_) external {
        (mood, target, data) = (mood_, target_, data_);
    }

    function execute(address to, bytes calldata call) external {
        (bool ok,) = to.call(call);
        require(ok, "refused");
    }

    receive() external payable {
        if (mood == Mood.Reverts) revert("no");
        if (mood == Mood.BurnsGas) while (true) {}
        if (mood == Mood.Bombs) {
            assembly {
                return(0, 1000000)
            }
        }
        if (mood == Mood.CallsBack) {
            (bool ok,) = target.call(data);
            ok = ok;
        }
    }
}
