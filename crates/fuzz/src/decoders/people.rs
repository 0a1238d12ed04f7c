//! What people and their programs write.

use crate::Features;
use async_trait::async_trait;
use futures_util::FutureExt;
use serde_json::value::RawValue;
use std::fs;
use strait_api::{Among, ApiError, AssetNames, Call, ErrorCode, METHODS, dispatch};
use strait_node::config::{Layers, Loaded, parse_duration, show_duration};
use strait_node::service::read_invoice;
use strait_node::transport::{PeerAddress, TowerAddress};
use strait_types::Amount;

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// What is read is written, and that is read as the same.
fn round_trip<T>(kind: &str, text: &str, features: &mut Features) -> Result<(), String>
where
    T: std::str::FromStr<Err: std::fmt::Display> + std::fmt::Display + PartialEq,
{
    let read = text.parse::<T>();
    features.outcome(kind, &read);
    let Ok(value) = read else { return Ok(()) };
    let again = value.to_string();
    match again.parse::<T>() {
        Ok(same) if same == value => Ok(()),
        Ok(_) => Err(format!("{again:?} is another {kind}")),
        Err(error) => Err(format!("{again:?} is written and not read: {error}")),
    }
}

pub(super) fn address(bytes: &[u8], features: &mut Features) -> Result<(), String> {
    let Some(text) = text(bytes) else { return Ok(()) };
    round_trip::<PeerAddress>("peer address", text, features)?;
    round_trip::<TowerAddress>("tower address", text, features)
}

pub(super) const ADDRESSES: &[&str] = &[
    "strait://0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF@example.org:4040",
    "strait-tower://0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF@127.0.0.1:4040",
    "strait://0x2b5ad5c4795c026514f8317c7a215e218dccd6cf@[::1]:1",
    "strait://0x2b5ad5c4795c026514f8317c7a215e218dccd6cf@[fe80::1%25eth0]:65535",
];

/// The first byte says how many decimals.
pub(super) fn amount(bytes: &[u8], features: &mut Features) -> Result<(), String> {
    let Some((decimals, rest)) = bytes.split_first() else { return Ok(()) };
    let Some(text) = text(rest) else { return Ok(()) };
    for decimals in [decimals % 40, *decimals] {
        let read = Amount::parse_decimal(text, decimals);
        features.outcome("amount", &read);
        if let Ok(amount) = read
            && Amount::parse_decimal(&amount.format_decimal(decimals), decimals) != Ok(amount)
        {
            return Err(format!("{text:?} with {decimals} decimals changes when it is written"));
        }
    }
    features.outcome("units", &AssetNames::new(Vec::new()).read(text, &Among::chain(None)));
    let read = parse_duration(text);
    features.outcome("duration", &read);
    read.map_or(Ok(()), |duration| {
        let again = parse_duration(&show_duration(duration));
        if again == Ok(duration) { Ok(()) } else { Err(format!("{text:?} changes: {again:?}")) }
    })
}

pub(super) const AMOUNTS: &[&str] = &[
    "\u{12}1.5",
    "\u{6}0.000001",
    "\u{0}340282366920938463463374607431768211455",
    "\u{12}1.5 ETH",
    "\u{1}24h",
    "\u{1}1d 2h",
];

pub(super) fn invoice(bytes: &[u8], features: &mut Features) -> Result<(), String> {
    let Some(text) = text(bytes) else { return Ok(()) };
    let read = read_invoice(text);
    features.outcome("invoice", &read);
    // The checksum hides what is behind it from damage to the text; so the bytes are also read as what it guards.
    let read = read_invoice(&bech32m("straitinvoice", bytes));
    features.outcome("inside", &read);
    Ok(())
}

pub(super) fn invoices() -> Vec<Vec<u8>> {
    let mut terms = vec![7; 64 + 32];
    terms.extend(4u32.to_le_bytes());
    terms.extend(b"0x00");
    terms.extend([0; 8 + 20 + 20 + 16]);
    terms.extend(3u32.to_le_bytes());
    terms.extend(b"tea");
    terms.extend([0; 16]);
    vec![terms, b"straitinvoice1qqqq".to_vec()]
}

/// BIP 350, without a limit of its own.
fn bech32m(prefix: &str, bytes: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    let mut groups = Vec::new();
    let (mut held, mut bits) = (0u32, 0);
    for byte in bytes {
        held = (held << 8 | u32::from(*byte)) & 0xfff;
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            groups.push((held >> bits & 31) as u8);
        }
    }
    if bits > 0 {
        groups.push((held << (5 - bits) & 31) as u8);
    }
    let high = prefix.bytes().map(|byte| byte >> 5);
    let low = prefix.bytes().map(|byte| byte & 31);
    let summed = high.chain([0]).chain(low).chain(groups.iter().copied()).chain([0; 6]);
    let sum = summed.fold(1u32, |sum, value| {
        let top = sum >> 25;
        let next = (sum & 0x1ff_ffff) << 5 ^ u32::from(value);
        let terms = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
        terms
            .iter()
            .enumerate()
            .fold(next, |next, (bit, term)| if top >> bit & 1 == 1 { next ^ term } else { next })
    }) ^ 0x2bc8_30a3;
    groups.extend((0..6).map(|at| (sum >> (5 * (5 - at)) & 31) as u8));
    let data = groups.iter().map(|group| char::from(LETTERS[usize::from(*group)]));
    format!("{prefix}1{}", data.collect::<String>())
}

pub(super) fn config(bytes: &[u8], features: &mut Features) -> Result<(), String> {
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let file = directory.path().join("strait.toml");
    fs::write(&file, bytes).map_err(|error| error.to_string())?;
    let layers = Layers { home: directory.path().to_owned(), ..Layers::default() };
    let read = Loaded::load(&layers);
    match &read {
        Err(error) => features.note("refused", error.to_string().replace(&*file.to_string_lossy(), "")),
        Ok(loaded) => features.note("rows", loaded.rows().len()),
    }
    Ok(())
}

pub(super) const CONFIGS: &[&str] = &[
    include_str!("../../samples/config.toml"),
    "[node]\nlisten = \"127.0.0.1:0\"\ntowers = [\"strait-tower://0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF@127.0.0.1:4040\"]\n",
];

/// A node that takes every request and answers none.
struct Deaf;

#[async_trait]
impl Call for Deaf {
    async fn call(&self, _: &'static str, _: Box<RawValue>) -> Result<Box<RawValue>, ApiError> {
        Err(ApiError::new(ErrorCode::Internal, "taken"))
    }
}

/// The first byte chooses the method, the rest is what it is given.
pub(super) fn api(bytes: &[u8], features: &mut Features) -> Result<(), String> {
    let Some((which, rest)) = bytes.split_first() else { return Ok(()) };
    let method = METHODS[usize::from(*which) % METHODS.len()].name;
    let Some(params) = text(rest).and_then(|text| RawValue::from_string(text.to_owned()).ok()) else {
        features.note("api", "no JSON");
        return Ok(());
    };
    match dispatch(&Deaf, method, Some(&params)).now_or_never() {
        Some(answer) => features.outcome(method, &answer),
        None => return Err(format!("{method} waits for something")),
    }
    Ok(())
}

const PARAMS: &[&str] = &[
    "{}",
    r#"{"channel":"0x0101010101010101010101010101010101010101010101010101010101010101","amount":"5"}"#,
    r#"{"peer":"strait://0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF@example.org:4040","assets":["0x0000000000000000000000000000000000000000"],"deposit":"1","nonce":"7","challenge_seconds":86400}"#,
    r#"{"channel":"0x0101010101010101010101010101010101010101010101010101010101010101","payments":[{"amount":"1","memo":"0x00"}],"key":"a"}"#,
    r#"{"name":"a","scope":"spend","limits":[{"chain_id":1,"asset":"0x0000000000000000000000000000000000000000","amount":"1","per_seconds":60}]}"#,
    r#"{"invoice":"straitinvoice1qqqq","asset":"0x0000000000000000000000000000000000000000","amount":"1","description":"tea","expires_seconds":60}"#,
];

pub(super) fn requests() -> Vec<Vec<u8>> {
    let methods = 0..u8::try_from(METHODS.len()).unwrap_or(u8::MAX);
    let with = |which: u8| PARAMS.iter().map(move |params| [&[which], params.as_bytes()].concat());
    methods.flat_map(with).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_that_wraps_bytes_gets_past_the_checksum() {
        let error = read_invoice(&bech32m("straitinvoice", &[1; 10])).expect_err("too short");
        assert!(error.message.contains("too short"), "{error}");
        let error = read_invoice(&bech32m("straitinvoice", &invoices()[0])).expect_err("no address");
        assert!(error.message.contains("payee"), "{error}");
    }
}
