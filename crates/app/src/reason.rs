//! Why an app reverted, in its author's words.

use alloy_primitives::{I256, hex};
use serde_json::Value;
use std::collections::HashMap;
use strait_types::abi::decode_revert;
use strait_types::{Address, B256, U256, keccak256};

/// Longest revert data that are read, in bytes; an app may return half a megabyte.
const MAX_REASON: usize = 1_024;

/// The custom errors of an app, by the first four bytes of what it reverts with.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reasons(HashMap<[u8; 4], CustomError>);

#[derive(Clone, PartialEq, Eq, Debug)]
struct CustomError {
    name: String,
    types: Vec<String>,
}

impl Reasons {
    /// Those that an ABI declares.
    pub fn of_abi(abi: &Value) -> Reasons {
        let errors = abi.as_array().into_iter().flatten().filter(|item| item["type"] == "error");
        Reasons(errors.filter_map(declared).collect())
    }

    /// `require`'s text, a panic's meaning, a custom error with its arguments, or the bytes.
    pub fn decode(&self, data: &[u8]) -> String {
        let shown = data.get(..MAX_REASON).unwrap_or(data);
        match self.custom(shown) {
            Some(reason) => reason,
            None if shown.len() < data.len() => format!("{}... ({} bytes)", decode_revert(shown), data.len()),
            None => decode_revert(shown),
        }
    }

    fn custom(&self, data: &[u8]) -> Option<String> {
        let (selector, arguments) = data.split_first_chunk::<4>()?;
        let error = self.0.get(selector)?;
        let decoded: Option<Vec<String>> = error
            .types
            .iter()
            .enumerate()
            .map(|(index, of_type)| argument(arguments, index, of_type))
            .collect();
        Some(match decoded {
            Some(values) if values.is_empty() => error.name.clone(),
            Some(values) => format!("{}({})", error.name, values.join(", ")),
            None => format!("{}({})", error.name, hex::encode_prefixed(arguments)),
        })
    }
}

fn declared(item: &Value) -> Option<([u8; 4], CustomError)> {
    let name = item["name"].as_str()?.to_owned();
    let inputs = item["inputs"].as_array()?;
    let types: Vec<String> = inputs.iter().map(written).collect::<Option<_>>()?;
    let hash = keccak256(format!("{name}({})", types.join(",")));
    Some(([hash[0], hash[1], hash[2], hash[3]], CustomError { name, types }))
}

/// The type as a signature has it: structs as lists of their parts.
pub(crate) fn written(parameter: &Value) -> Option<String> {
    let of_type = parameter["type"].as_str()?;
    let Some(array) = of_type.strip_prefix("tuple") else { return Some(of_type.to_owned()) };
    let parts: Option<Vec<String>> = parameter["components"].as_array()?.iter().map(written).collect();
    Some(format!("({}){array}", parts?.join(",")))
}

/// One argument; none if its type is no simple one, or the data end too early. Arguments before it may be of any
/// type but a struct or an array of fixed size.
fn argument(data: &[u8], index: usize, of_type: &str) -> Option<String> {
    let word = word(data, index.checked_mul(32)?)?;
    let number = U256::from_be_bytes(word.0);
    match of_type {
        "address" => Some(Address::from_word(word).to_string()),
        "bool" => Some((!word.is_zero()).to_string()),
        "string" => Some(format!("{:?}", String::from_utf8_lossy(tail(data, number)?))),
        "bytes" => Some(hex::encode_prefixed(tail(data, number)?)),
        _ if of_type.ends_with([']', ')']) => None,
        _ if of_type.starts_with("uint") => Some(number.to_string()),
        _ if of_type.starts_with("int") => Some(I256::from_be_bytes(word.0).to_string()),
        _ => {
            let length: usize = of_type.strip_prefix("bytes")?.parse().ok()?;
            Some(hex::encode_prefixed(word.get(..length)?))
        }
    }
}

fn word(data: &[u8], at: usize) -> Option<B256> {
    data.get(at..at.checked_add(32)?).map(B256::from_slice)
}

/// What lies where an offset points: a length, then as many bytes.
fn tail(data: &[u8], offset: U256) -> Option<&[u8]> {
    let at = usize::try_from(offset).ok()?;
    let length = usize::try_from(U256::from_be_bytes(word(data, at)?.0)).ok()?;
    let start = at.checked_add(32)?;
    data.get(start..start.checked_add(length)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_sol_types::{Panic, Revert, SolError, sol};
    use serde_json::json;

    sol! {
        error NotYourTurn();
        error Column(uint8 column, string why, address who, bool full, bytes32 id, bytes raw, int128 by);
        error Odd(uint8[] list);
    }

    fn reasons() -> Reasons {
        let input = |of_type: &str| json!({ "type": of_type });
        let column: Vec<Value> =
            ["uint8", "string", "address", "bool", "bytes32", "bytes", "int128"].map(input).to_vec();
        Reasons::of_abi(&json!([
            { "type": "error", "name": "NotYourTurn", "inputs": [] },
            { "type": "error", "name": "Column", "inputs": column },
            { "type": "error", "name": "Odd", "inputs": [{ "type": "uint8[]" }] },
            { "type": "function", "name": "verdict", "inputs": [] },
        ]))
    }

    #[test]
    fn every_kind_of_reason_is_read() {
        let known = reasons();
        assert_eq!(known.decode(&[]), "no reason given");
        assert_eq!(known.decode(&Revert::from("the column is full").abi_encode()), "the column is full");
        assert!(known.decode(&Panic::from(0x11_u64).abi_encode()).contains("overflow"));
        assert_eq!(known.decode(&NotYourTurn {}.abi_encode()), "NotYourTurn");
        let column = Column {
            column: 3,
            why: "it is \"full\"".to_owned(),
            who: Address::repeat_byte(0x11),
            full: true,
            id: B256::repeat_byte(0xab),
            raw: vec![1, 2].into(),
            by: -5,
        };
        let id = "ab".repeat(32);
        let expected = format!(
            "Column(3, \"it is \\\"full\\\"\", 0x1111111111111111111111111111111111111111, true, 0x{id}, 0x0102, -5)"
        );
        assert_eq!(known.decode(&column.abi_encode()), expected);
    }

    #[test]
    fn what_does_not_decode_is_shown_as_it_is() {
        let known = reasons();
        assert!(known.decode(&Odd { list: vec![7] }.abi_encode()).starts_with("Odd(0x0000"));
        assert_eq!(known.decode(&hex!("deadbeef01")), "0xdeadbeef01");
        let cut = [&Column::SELECTOR[..], &[0xff; 64]].concat();
        assert!(known.decode(&cut).starts_with("Column(0xffff"), "offsets beyond the end");
        let long = known.decode(&vec![0xee; 500_000]);
        assert!(long.len() < 3_000 && long.ends_with("(500000 bytes)"), "{}", long.len());
    }
}
