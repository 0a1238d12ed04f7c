//! What code of an app may not contain, so that its answers are a function of the question alone.

use revm_bytecode::opcode::{self, OpCode};

/// An instruction that an app may not contain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "the code has {name} ({opcode:#04x}) at byte {position}, and may read nothing but its arguments: take out {}; if those are \
     data, compile without metadata (`bytecode_hash = \"none\"`, `cbor_metadata = false`)",
    origin(*opcode)
)]
pub struct Forbidden {
    /// Where it stands in the runtime code.
    pub position: usize,
    /// The byte.
    pub opcode: u8,
    /// What it is called.
    pub name: &'static str,
}

/// What people write that compilers make it of.
fn origin(byte: u8) -> &'static str {
    match byte {
        opcode::GAS | opcode::CALL..=opcode::CALLCODE | opcode::DELEGATECALL | opcode::STATICCALL => {
            "calls, among which are `sha256`, `ecrecover`, `ripemd160` and external libraries (`keccak256` is none), or `gasleft`"
        }
        opcode::SLOAD | opcode::SSTORE | opcode::TLOAD | opcode::TSTORE => "the contract's variables",
        opcode::LOG0..=opcode::LOG4 => "events",
        opcode::CALLER | opcode::ORIGIN => {
            "`msg.sender` and `tx.origin`: whose move it is, is the state's `writer`"
        }
        opcode::TIMESTAMP | opcode::NUMBER => {
            "the block's time and number: who does not move in time is judged by `verdict`"
        }
        _ => "what it comes from (block, sender, storage, calls, events, `gasleft`)",
    }
}

/// Looks at every instruction that can ever run. What follows an end and is no jump's destination is data.
///
/// # Errors
/// The first instruction whose outcome could differ between the node and the chain, or between two chains: those of
/// the environment, storage, events, calls and creation, `GAS`, and all that came after Cancun.
pub fn scan(code: &[u8]) -> Result<(), Forbidden> {
    let mut position = 0_usize;
    let mut runs = true;
    while let Some(&byte) = code.get(position) {
        runs |= byte == opcode::JUMPDEST;
        if runs && !allowed(byte) {
            return Err(Forbidden { position, opcode: byte, name: name(byte) });
        }
        runs &= !ends(byte);
        position = position.saturating_add(1).saturating_add(pushed(byte));
    }
    Ok(())
}

fn name(byte: u8) -> &'static str {
    OpCode::new(byte).map_or("an unknown instruction", |known| known.as_str())
}

/// Bytes that follow as the instruction's own.
fn pushed(byte: u8) -> usize {
    match byte {
        opcode::PUSH1..=opcode::PUSH32 => usize::from(byte - opcode::PUSH0),
        _ => 0,
    }
}

fn ends(byte: u8) -> bool {
    matches!(byte, opcode::STOP | opcode::JUMP | opcode::RETURN | opcode::REVERT | opcode::INVALID)
}

fn allowed(byte: u8) -> bool {
    match byte {
        opcode::STOP..=opcode::SIGNEXTEND | opcode::LT..=opcode::SAR | opcode::KECCAK256 => true,
        // Nobody ever sends value to an app: this is zero, and compilers ask for it in every function.
        opcode::CALLVALUE => true,
        opcode::CALLDATALOAD..=opcode::CODECOPY => true,
        // Without calls there is no such data: zero, and a failure.
        opcode::RETURNDATASIZE | opcode::RETURNDATACOPY => true,
        opcode::POP..=opcode::MSTORE8 | opcode::JUMP..=opcode::MSIZE => true,
        opcode::JUMPDEST | opcode::MCOPY..=opcode::SWAP16 => true,
        opcode::RETURN | opcode::REVERT | opcode::INVALID => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every byte, by the list that docs/apps.md gives.
    #[test]
    fn only_what_depends_on_the_arguments_is_allowed() {
        let ranges = [
            0x00..=0x0b,
            0x10..=0x1d,
            0x20..=0x20,
            0x34..=0x39,
            0x3d..=0x3e,
            0x50..=0x53,
            0x56..=0x59,
            0x5b..=0x5b,
            0x5e..=0x9f,
            0xf3..=0xf3,
            0xfd..=0xfe,
        ];
        for byte in 0..=u8::MAX {
            let expected = ranges.iter().any(|range| range.contains(&byte));
            assert_eq!(scan(&[byte]).is_ok(), expected, "{byte:#04x}");
        }
    }

    #[test]
    fn a_refusal_says_where_and_what() {
        let code = [opcode::PUSH2, opcode::TIMESTAMP, opcode::SLOAD, opcode::POP, opcode::TIMESTAMP];
        let refused = scan(&code).expect_err("it asks for the time");
        assert_eq!(refused, Forbidden { position: 4, opcode: 0x42, name: "TIMESTAMP" });
        assert!(refused.to_string().contains("TIMESTAMP (0x42) at byte 4"), "{refused}");
        let calls = scan(&[opcode::GAS]).expect_err("a call").to_string();
        assert!(calls.contains("`sha256`"), "{calls}");
        assert!(
            scan(&[0x0c]).expect_err("not defined").to_string().contains("an unknown instruction (0x0c)")
        );
    }

    #[test]
    fn data_after_the_end_does_not_count_but_a_destination_does() {
        for end in [opcode::STOP, opcode::JUMP, opcode::RETURN, opcode::REVERT, opcode::INVALID] {
            assert_eq!(scan(&[end, opcode::SLOAD]), Ok(()));
            assert!(scan(&[end, opcode::JUMPDEST, opcode::SLOAD]).is_err());
            assert_eq!(scan(&[end, opcode::PUSH1, opcode::JUMPDEST, opcode::SLOAD]), Ok(()));
        }
        assert!(scan(&[opcode::JUMPI, opcode::SLOAD]).is_err(), "it may go on");
    }
}
