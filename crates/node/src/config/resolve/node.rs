//! `[node]` and `[tls]`.

use super::super::layers::from_home;
use super::super::raw::{RawNode, RawTls, Text};
use super::super::{LogFormat, NodeSection, TlsFiles};
use super::{Checker, read_address};
use std::net::SocketAddr;
use std::path::Path;

const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 4040);
const DEFAULT_API: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 4041);
const DEFAULT_KEY: &str = "node";

pub(super) fn node(checker: &mut Checker<'_>, home: &Path, raw: RawNode) -> NodeSection {
    let listen = match raw.listen {
        Some(Text(off)) if off == "off" => None,
        listen => {
            Some(checker.read("node.listen", listen, |text| socket(text, true)).unwrap_or(DEFAULT_LISTEN))
        }
    };
    let api = checker.read("node.api", raw.api, |text| socket(text, false)).unwrap_or(DEFAULT_API);
    if listen.is_some_and(|listen| listen == api && api.port() != 0) {
        checker.problem("node.api", format!("{api} is where peers connect already; choose another port"));
    }
    if !api.ip().is_loopback() && !raw.api_allow_plain_remote {
        checker.problem(
            "node.api",
            format!(
                "{api} is reached from other machines, and tokens would cross the network unencrypted; listen on 127.0.0.1 behind a TLS proxy, or set node.api_allow_plain_remote = true inside a private network"
            ),
        );
    }
    let key = checker.read("node.key", raw.key, key_name).unwrap_or_else(|| DEFAULT_KEY.into());
    let path = |text: &str| {
        if text.is_empty() { Err("this is empty; give a path".into()) } else { Ok(from_home(home, text)) }
    };
    let password_file = checker.read("node.password_file", raw.password_file, path);
    let payout = checker.read("node.payout", raw.payout, |text| match read_address(text) {
        Ok(address) if address.is_zero() => {
            Err("nobody can be paid at the zero address; give your own".into())
        }
        result => result,
    });
    let log_format = checker.read("node.log_format", raw.log_format, |text| match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        other => Err(format!("'{other}' is no format; write text or json")),
    });
    let mut peers = Vec::new();
    for (index, peer) in raw.peers.0.iter().enumerate() {
        match peer.parse() {
            Ok(peer) => peers.push(peer),
            Err(error) => checker.problem(format!("node.peers[{index}]"), error_text(&error)),
        }
    }
    let mut towers = Vec::new();
    for (index, tower) in raw.towers.0.iter().enumerate() {
        match tower.parse() {
            Ok(tower) => towers.push(tower),
            Err(error) => checker.problem(format!("node.towers[{index}]"), error_text(&error)),
        }
    }
    NodeSection {
        listen,
        advertise: checker.read("node.advertise", raw.advertise, advertised),
        api,
        api_hosts: raw.api_hosts.0,
        api_origins: raw.api_origins.0,
        api_allow_plain_remote: raw.api_allow_plain_remote,
        key,
        password_file,
        payout,
        log: raw.log.map_or_else(|| "info".into(), |Text(log)| log),
        log_format: log_format.unwrap_or(LogFormat::Text),
        allow_plain_remote: raw.allow_plain_remote,
        peers,
        towers,
    }
}

pub(super) fn tls(checker: &mut Checker<'_>, home: &Path, raw: RawTls) -> Option<TlsFiles> {
    match (raw.cert, raw.key) {
        (None, None) => None,
        (Some(Text(cert)), Some(Text(key))) => {
            Some(TlsFiles { cert: from_home(home, &cert), key: from_home(home, &key) })
        }
        (Some(_), None) => {
            checker.problem("tls.cert", "the certificate has no private key; set tls.key too");
            None
        }
        (None, Some(_)) => {
            checker.problem("tls.key", "the private key has no certificate; set tls.cert too");
            None
        }
    }
}

/// A key's name is a file's name.
pub(in crate::config) fn key_name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if text.is_empty() || text.len() > 64 || !text.chars().all(fits) {
        return Err(format!("'{text}' is no name for a file; it is made of letters, digits, - and _"));
    }
    Ok(text.to_owned())
}

fn socket(text: &str, can_be_off: bool) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let off = if can_be_off { ", or off" } else { "" };
        format!(
            "'{text}' is no address to listen on; write an IP address and a port, such as 127.0.0.1:4040{off}"
        )
    })
}

fn advertised(text: &str) -> Result<String, String> {
    let signer = strait_types::Address::repeat_byte(1);
    let address: Result<crate::transport::PeerAddress, _> = format!("strait://{signer}@{text}").parse();
    match address {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(format!(
            "'{text}' is no address to be reached at; write host:port, such as node.example.org:4040"
        )),
    }
}

fn error_text(error: &impl std::fmt::Display) -> String {
    error.to_string()
}
