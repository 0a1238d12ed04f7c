// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IApp} from "../../src/interfaces/IApp.sol";
import {State} from "../../src/interfaces/Types.sol";

/// @notice The two count up in turns; whoever does not when it could loses a stake of the first asset.
contract CountingApp is IApp {
    function validTransition(State calldata state, State calldata next) external pure virtual returns (bool) {
        (uint256 count, uint128 stake) = abi.decode(state.appData, (uint256, uint128));
        bool counted = keccak256(next.appData) == keccak256(abi.encode(count + 1, stake));
        bool unchanged = keccak256(abi.encode(state.allocations)) == keccak256(abi.encode(next.allocations));
        return counted && unchanged && next.writer == 1 - state.writer;
    }

    function verdict(State calldata state) external pure virtual returns (int128[2][] memory deltas) {
        (, uint128 stake) = abi.decode(state.appData, (uint256, uint128));
        deltas = new int128[2][](state.allocations.length);
        for (uint256 k = 0; k < deltas.length; ++k) {
            deltas[k] = [state.allocations[k].delta0, state.allocations[k].delta1];
        }
        int128 lost = state.writer == 0 ? int128(stake) : -int128(stake);
        deltas[0][0] -= lost;
        deltas[0][1] += lost;
    }
}

/// @notice The same, but who moves may keep the pen.
contract SoloApp is CountingApp {
    function validTransition(State calldata, State calldata) external pure override returns (bool) {
        return true;
    }
}

/// @notice Participant 0 has won, whoever's turn it is.
contract WonApp is CountingApp {
    function verdict(State calldata state) external pure override returns (int128[2][] memory deltas) {
        deltas = new int128[2][](state.allocations.length);
        deltas[0] = [int128(0.5 ether), -0.5 ether];
    }
}

/// @notice Does what the app data say: any answer or none.
contract HostileApp {
    enum Mode {
        Honest,
        Revert,
        RevertWithBomb,
        BurnGas,
        Nothing,
        Bomb,
        LongAnswer,
        ShortAnswer,
        WrongOffset,
        WrongLength,
        MoreThanThere,
        Overflow,
        NotABoolean,
        False,
        WriteStorage,
        CallBack
    }

    function modeOf(State calldata state) private pure returns (Mode) {
        return Mode(uint8(state.appData[0]));
    }

    function validTransition(State calldata state, State calldata) external returns (bool) {
        Mode mode = modeOf(state);
        if (mode == Mode.NotABoolean) answer(abi.encode(2));
        if (mode == Mode.LongAnswer) answer(abi.encode(1, 1));
        if (mode == Mode.ShortAnswer) answer(hex"01");
        misbehave(mode);
        return mode != Mode.False;
    }

    function verdict(State calldata state) external returns (int128[2][] memory deltas) {
        Mode mode = modeOf(state);
        uint256 count = state.allocations.length;
        if (mode == Mode.WrongOffset) answer(abi.encode(64, count, 0, 0));
        if (mode == Mode.Overflow) answer(abi.encode(32, count, int256(1) << 127, -(int256(1) << 127)));
        misbehave(mode);
        if (mode == Mode.WrongLength) return new int128[2][](count - 1);
        if (mode == Mode.LongAnswer) return new int128[2][](count + 1);
        if (mode == Mode.ShortAnswer) answer(abi.encode(32, count));
        deltas = new int128[2][](count);
        if (mode == Mode.MoreThanThere) deltas[0] = [int128(1), int128(0)];
        else deltas[0] = [-(0.25 ether), int128(0.25 ether)];
    }

    function misbehave(Mode mode) private {
        if (mode == Mode.Revert) revert("no");
        if (mode == Mode.BurnGas) while (true) {}
        if (mode == Mode.Nothing) answer("");
        if (mode == Mode.Bomb) {
            assembly {
                return(0, 500000)
            }
        }
        if (mode == Mode.RevertWithBomb) {
            assembly {
                revert(0, 500000)
            }
        }
        if (mode == Mode.WriteStorage) {
            assembly {
                sstore(0, 1)
            }
        }
        if (mode == Mode.CallBack) {
            (bool ok,) = msg.sender.call(abi.encodeWithSignature("registerPreimage(bytes32)", bytes32(0)));
            require(ok, "adjudicator refused");
        }
    }

    function answer(bytes memory data) private pure {
        assembly {
            return(add(data, 32), mload(data))
        }
    }
}
