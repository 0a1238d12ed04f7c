//! App data of one-word fields, from JSON and as text.

use alloy_primitives::{I256, hex};
use serde_json::Value;
use strait_types::{Address, B256, U256};

/// The fields of an app data's structure, for people who type them: types of one word each.
#[derive(Clone, Debug, Default)]
pub struct Fields(Vec<Field>);

impl Fields {
    /// Reads `type name, type name`, such as `uint128 stake, uint8 sticks`; empty: no fields, all is hexadecimal.
    ///
    /// # Errors
    /// What is no such list.
    pub fn read(text: &str) -> Result<Fields, String> {
        let parts = text.split(',').filter(|part| !part.trim().is_empty());
        parts
            .map(|part| Field::read(part).ok_or_else(|| wrong(part.trim())))
            .collect::<Result<_, _>>()
            .map(Fields)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is known of the data.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the last one is a `bytes32`.
    pub fn ends_with_word(&self) -> bool {
        matches!(self.0.last(), Some(Field { of: Type::Fixed(32), .. }))
    }

    /// The values by their names, as texts; none when the data are of another length.
    pub fn named(&self, data: &[u8]) -> Option<Value> {
        named(&self.0, data)
    }

    /// The app data of values in JSON, in the fields' order, or of one hexadecimal text.
    ///
    /// # Errors
    /// What does not fit.
    pub fn encode(&self, values: &str) -> Result<Vec<u8>, String> {
        if values.starts_with("0x") {
            return encode(&self.0, &Value::from(values));
        }
        let values = serde_json::from_str(&quoted(values))
            .map_err(|error| format!("`{values}` is no JSON: {error}"))?;
        encode(&self.0, &values)
    }

    /// Field by field, or in hexadecimal when the data are of another length.
    pub fn show(&self, data: &[u8]) -> String {
        let shown = show(&self.0, data);
        if self.is_empty() || self.named(data).is_some() {
            return shown;
        }
        format!(
            "{shown} (the fields do not fit: they are {} bytes long, and the data {})",
            self.len().saturating_mul(32),
            data.len()
        )
    }
}

/// The values by their names, as texts; none without fields, or when the data are of another length.
pub(crate) fn named(fields: &[Field], data: &[u8]) -> Option<Value> {
    let words = words(fields, data).filter(|_| !fields.is_empty())?;
    Some(words.map(|(field, word)| (field.name.clone(), Value::from(field.of.show(word)))).collect())
}

/// JSON in which whole numbers that are too long to be one there are texts, as fields take them.
fn quoted(json: &str) -> String {
    let mut written = String::with_capacity(json.len());
    let mut rest = json;
    let mut in_text = false;
    while let Some(first) = rest.chars().next() {
        let part = |is_in: fn(&char) -> bool| rest.chars().take_while(is_in).count();
        let is_number = !in_text && (first.is_ascii_digit() || first == '-');
        let length = match first {
            _ if is_number => part(|c| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E')),
            '\\' if in_text => rest.chars().take(2).map(char::len_utf8).sum(),
            _ => first.len_utf8(),
        };
        in_text ^= first == '"';
        let (taken, after) = rest.split_at(length);
        let is_long = is_number && length > 19 && !taken.contains(['.', 'e', 'E']);
        written.push_str(&if is_long { format!("\"{taken}\"") } else { taken.to_owned() });
        rest = after;
    }
    written
}

/// A field of the app data's structure.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    name: String,
    of: Type,
}

#[derive(Clone, Copy, Debug)]
enum Type {
    /// Bits.
    Uint(usize),
    /// Bits.
    Int(usize),
    Bool,
    Address,
    /// Bytes.
    Fixed(usize),
}

impl Field {
    /// Reads `type name`.
    pub(crate) fn read(text: &str) -> Option<Field> {
        let (of, name) = text.trim().split_once(' ')?;
        let bits = |text: &str| text.parse().ok().filter(|bits| (8..=256).contains(bits) && bits % 8 == 0);
        let of = match of {
            "bool" => Type::Bool,
            "address" => Type::Address,
            of => {
                if let Some(size) = of.strip_prefix("uint") {
                    Type::Uint(bits(size)?)
                } else if let Some(size) = of.strip_prefix("int") {
                    Type::Int(bits(size)?)
                } else {
                    Type::Fixed(
                        of.strip_prefix("bytes")?.parse().ok().filter(|size| (1..=32).contains(size))?,
                    )
                }
            }
        };
        let name = name.trim();
        (!name.contains(char::is_whitespace)).then(|| Field { name: name.to_owned(), of })
    }

    fn word(&self, value: &Value) -> Result<B256, String> {
        let wrong = || format!("`{}` can't be {value}; it is {}", self.name, self.of.wanted());
        self.of.word(value).ok_or_else(wrong)
    }
}

impl Type {
    fn word(self, value: &Value) -> Option<B256> {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(yes) => {
                return matches!(self, Type::Bool).then(|| B256::with_last_byte(u8::from(*yes)));
            }
            _ => return None,
        };
        match self {
            Type::Uint(bits) => {
                let number: U256 = text.parse().ok()?;
                (number.bit_len() <= bits).then(|| number.into())
            }
            Type::Int(bits) => {
                let number: I256 = text.parse().ok()?;
                let fits = number.bits() as usize <= bits;
                fits.then(|| B256::new(number.to_be_bytes::<32>()))
            }
            Type::Bool => None,
            Type::Address => text.parse::<Address>().ok().map(|address| address.into_word()),
            Type::Fixed(_) if text == "0x0" => Some(B256::ZERO),
            Type::Fixed(size) => {
                let bytes = hex::decode(text).ok().filter(|bytes| bytes.len() == size)?;
                Some(B256::right_padding_from(&bytes))
            }
        }
    }

    /// What people write.
    fn wanted(self) -> String {
        match self {
            Type::Uint(bits) => format!("a whole number of up to {bits} bits, not negative"),
            Type::Int(bits) => format!("a whole number of up to {bits} bits with its sign"),
            Type::Bool => "true or false".to_owned(),
            Type::Address => "an address, 0x and 40 hexadecimal digits".to_owned(),
            Type::Fixed(size) => {
                format!("0x and {} hexadecimal digits, or 0x0 for zeros", size.saturating_mul(2))
            }
        }
    }

    fn show(self, word: B256) -> String {
        match self {
            Type::Uint(_) => U256::from_be_bytes(word.0).to_string(),
            Type::Int(_) => I256::from_be_bytes(word.0).to_string(),
            Type::Bool => (!word.is_zero()).to_string(),
            Type::Address => Address::from_word(word).to_string(),
            Type::Fixed(size) => hex::encode_prefixed(word.get(..size).unwrap_or_default()),
        }
    }
}

/// The bytes of a list of values, or of one hexadecimal text.
pub(crate) fn encode(fields: &[Field], given: &Value) -> Result<Vec<u8>, String> {
    if let Some(text) = given.as_str() {
        return hex::decode(text).map_err(|_| "`data` is not hexadecimal".to_owned());
    }
    let values = given.as_array().ok_or("`data` is a list of values, or a hexadecimal text")?;
    if fields.is_empty() && !values.is_empty() {
        return Err("nothing says what the values are: give --fields \"TYPE NAME, TYPE NAME\", or the data in hexadecimal".into());
    }
    if values.len() != fields.len() {
        return Err(format!("`data` has {} values, and there are {} fields", values.len(), fields.len()));
    }
    let words: Result<Vec<B256>, String> =
        fields.iter().zip(values).map(|(field, value)| field.word(value)).collect();
    Ok(words?.concat())
}

/// Field by field, or in hexadecimal when it has another length.
pub(crate) fn show(fields: &[Field], data: &[u8]) -> String {
    let Some(words) = words(fields, data) else { return hex::encode_prefixed(data) };
    let shown: Vec<String> =
        words.map(|(field, word)| format!("{} {}", field.name, field.of.show(word))).collect();
    shown.join(", ")
}

/// Each field with its word; none when the data are of another length.
fn words<'a>(fields: &'a [Field], data: &'a [u8]) -> Option<impl Iterator<Item = (&'a Field, B256)>> {
    let words = data.chunks_exact(32);
    let fits = words.remainder().is_empty() && words.len() == fields.len();
    fits.then(|| fields.iter().zip(words.map(B256::from_slice)))
}

/// Why a text is no field.
fn wrong(text: &str) -> String {
    match text.split_once(' ') {
        Some((short @ ("uint" | "int"), name)) => format!("`{text}`: write {short}256 {name}"),
        Some((_, name)) if name.trim().contains(char::is_whitespace) => {
            format!("`{text}`: a comma is missing between two fields, `TYPE NAME, TYPE NAME`")
        }
        _ => format!(
            "`{text}` is no `TYPE NAME`, of a type that fills one word: uint8 to uint256, int8 to int256, bool, address, bytes1 to bytes32; an enum is a uint8"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn field(text: &str) -> Field {
        Field::read(text).expect("a field")
    }

    #[test]
    fn fields_are_encoded_and_shown() {
        let fields = ["uint256 a", "int16 b", "bool c", "address d", "bytes2 e"].map(field);
        let max = U256::MAX.to_string();
        let address = "0x1111111111111111111111111111111111111111";
        let data = encode(&fields, &json!([max, -5, true, address, "0xabcd"])).expect("they fit");
        assert_eq!(data.len(), 160);
        assert_eq!(show(&fields, &data), format!("a {max}, b -5, c true, d {address}, e 0xabcd"));
        assert_eq!(show(&fields, &[1, 2]), "0x0102");
    }

    #[test]
    fn a_list_of_fields_is_read() {
        let fields = Fields::read("uint128 stake, uint8 sticks").expect("fields");
        let data = fields.encode("[100, 5]").expect("they fit");
        assert_eq!(fields.show(&data), "stake 100, sticks 5");
        assert_eq!(fields.encode("0x01"), Ok(vec![1]), "hexadecimal goes through");
        assert!(fields.show(&[1]).starts_with("0x01 (the fields do not fit"));
        let long = fields.encode("[20000000000000000000, \"5\"]").expect("more than 64 bits");
        assert_eq!(fields.show(&long), "stake 20000000000000000000, sticks 5");
        assert_eq!(
            quoted(r#"["a\"12345678901234567890", -5, 1.0]"#),
            r#"["a\"12345678901234567890", -5, 1.0]"#
        );
        assert!(Fields::read("uint128 stake uint8 sticks").expect_err("one").contains("comma"));
        assert!(fields.encode("[100]").is_err() && fields.encode("five").is_err());
        assert!(Fields::read("uint8").is_err());
        assert!(Fields::read("uint x").expect_err("short").contains("uint256 x"));
        assert_eq!(fields.named(&data), Some(json!({"stake": "100", "sticks": "5"})));
        assert_eq!((fields.named(&[1]), Fields::default().named(&[])), (None, None));
        assert!(Fields::default().encode("[1]").expect_err("no types").contains("--fields"));
        assert!(!fields.ends_with_word() && Fields::read("bytes32 salt").expect("a field").ends_with_word());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let refused = |of: &str, value: Value| field(&format!("{of} x")).word(&value).is_err();
        assert!(refused("uint8", json!(256)) && refused("uint8", json!(-1)) && refused("uint8", json!(1.5)));
        assert!(refused("int8", json!(128)) && !refused("int8", json!(-128)) && refused("int8", json!(-129)));
        assert!(
            refused("bool", json!(1)) && refused("uint8", json!(true)) && refused("address", json!("0x11"))
        );
        assert!(refused("bytes2", json!("0xab")) && !refused("uint128", json!("0xff")));
        assert_eq!(field("bytes2 x").word(&json!("0x0")), Ok(B256::ZERO));
        let told = field("bytes32 key").word(&json!("0x01")).expect_err("too short");
        assert_eq!(told, r#"`key` can't be "0x01"; it is 0x and 64 hexadecimal digits, or 0x0 for zeros"#);
        for none in ["uint x", "uint7 x", "bytes33 x", "string x", "uint8", "uint264 x"] {
            assert!(Field::read(none).is_none(), "{none}");
        }
    }
}
