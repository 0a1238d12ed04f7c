//! `strait doctor`: what is wrong with the set-up, before it costs money.

use crate::channel::{awaited, is_empty};
use crate::command::Global;
use crate::failure::Failure;
use crate::init::connect;
use crate::local::{ConfigFlags, PASSWORD_VARIABLE, given_password, is_open_to_others, load};
use crate::output::Output;
use crate::restore::{DATABASE, RESTORED};
use crate::text::{duration, short, time};
use clap::Args;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{Error, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use strait_api::{ChannelInfo, Channels, PeerInfo, Peers, Phase, Towers};
use strait_chain::rpc::{ConnectError, RpcChain, SqliteJournal};
use strait_node::config::{CONFIG_FILE, ChainSection, Config, without_secrets};
use strait_node::daemon::{GAS_OF_A_DISPUTE, RunningTower, is_running, running_tower};
use strait_node::keystore;
use strait_node::service::LAST_BACKUP;
use strait_node::transport::{PeerAddress, TowerAddress};
use strait_types::{Address, Amount, U256};

/// Less free space than this is a warning, a tenth of it a failure.
const ENOUGH_DISK: u64 = 1 << 30;
/// Seconds by which clock and chain may differ.
const CLOCK_TOLERANCE: u64 = 60;
/// Chain time older than this is suspicious, in seconds.
const OLD_HEAD: u64 = 900;

/// How long the node's API may take to answer, and how many bytes it may say.
const API_PATIENCE: Duration = Duration::from_secs(10);
const MOST_OF_AN_ANSWER: u64 = 16 << 20;
/// How long a tower or peer may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// An older backup is a warning.
const OLD_BACKUP: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Options of `strait doctor`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  strait doctor\n  strait doctor --json | jq '.[] | select(.level != \"ok\")'\n\nIt changes nothing and sends nothing. Exit code: 0 when nothing fails, 1 when something does, 2 for wrong options."
)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    flags: ConfigFlags,
    /// The file that holds the key's password.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Ok,
    Warn,
    Fail,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Warn => "warn",
            Level::Fail => "FAIL",
        }
    }
}

struct Finding {
    level: Level,
    what: String,
    text: String,
}

/// What was found so far.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, level: Level, what: impl Into<String>, text: impl Into<String>) {
        self.0.push(Finding { level, what: what.into(), text: text.into() });
    }
}

/// Runs all checks.
///
/// # Errors
/// When one fails.
pub(crate) fn run(global: &Global, args: &DoctorArgs, out: &Output) -> Result<(), Failure> {
    let mut findings = Findings::default();
    match load(global, &args.flags, Vec::new()) {
        Err(failure) => findings.add(Level::Fail, "configuration", failure.to_string()),
        Ok(loaded) if !loaded.config.home.join(CONFIG_FILE).exists() && loaded.config.chains.is_empty() => {
            let home = loaded.config.home.display().to_string();
            let text =
                format!("nothing is set up in {home}: `strait init` makes a key and a configuration there");
            findings.add(Level::Fail, "configuration", text);
            check_disk(&loaded.config.home, &mut findings);
        }
        Ok(loaded) => {
            let config = loaded.config;
            let chains = config.chains.len();
            if chains == 0 {
                findings.add(Level::Fail, "configuration", "no chain is configured; run `strait init`");
            } else {
                let text = format!("{} with {chains} chain(s)", config.home.display());
                findings.add(Level::Ok, "configuration", text);
            }
            check_keys(&config, args, &mut findings);
            check_ports(&config, &mut findings);
            check_disk(&config.home, &mut findings);
            check_backup(&config, &mut findings);
            check_towers(&config, &mut findings);
            for (name, chain) in &config.chains {
                check_chain(&config, name, chain, &mut findings);
            }
        }
    }
    report(&findings, out)
}

fn report(Findings(findings): &Findings, out: &Output) -> Result<(), Failure> {
    let value: Vec<_> = findings
        .iter()
        .map(|found| json!({ "level": found.level.name().to_lowercase(), "what": found.what, "text": found.text }))
        .collect();
    out.result(&value, |out| {
        let rows = findings
            .iter()
            .map(|found| vec![found.level.name().to_owned(), found.what.clone(), found.text.clone()]);
        out.table(&[], rows)
    })?;
    match findings.iter().filter(|found| found.level == Level::Fail).count() {
        0 => Ok(()),
        count => Err(Failure::local(format!("{count} of {} checks fail", findings.len())).told()),
    }
}

fn check_keys(config: &Config, args: &DoctorArgs, findings: &mut Findings) {
    let mut names = vec![&config.node.key];
    names.extend(config.chains.values().map(|chain| &chain.account));
    names.sort();
    names.dedup();
    let withheld = withheld_password(config, args);
    let password = given_password(args.password_file.as_deref(), config.node.password_file.as_deref());
    for name in names {
        let path = config.key_file(name);
        let what = format!("key {name}");
        let file = match keystore::load(&path) {
            Ok(file) => file,
            Err(error) => {
                findings.add(Level::Fail, what, error.to_string());
                continue;
            }
        };
        if is_open_to_others(&path) {
            findings.add(Level::Warn, &what, format!("others can read it; chmod 600 {}", path.display()));
        }
        match &password {
            Err(failure) => match &withheld {
                Some(reason) => findings.add(Level::Ok, what, reason.clone()),
                None => findings.add(Level::Fail, what, failure.to_string()),
            },
            Ok(None) => {
                let text = "the password was not tried: it is asked for at the start; set node.password_file for a node that starts by itself";
                findings.add(Level::Warn, what, text);
            }
            Ok(Some(password)) => match file.decrypt(password).and_then(|secret| secret.address()) {
                Ok(address) => findings.add(Level::Ok, what, format!("{address}, the password opens it")),
                Err(error) => findings.add(Level::Fail, what, error.to_string()),
            },
        }
    }
}

/// Why the configured password is not tried, where that is no fault: systemd hands root's file to the service, and this is
/// run as the service's user.
fn withheld_password(config: &Config, args: &DoctorArgs) -> Option<String> {
    if args.password_file.is_some() || std::env::var_os(PASSWORD_VARIABLE).is_some() {
        return None;
    }
    let path = config.node.password_file.as_deref()?;
    withheld(path, &File::open(path).err()?, is_running(&config.home))
}

fn withheld(path: &Path, error: &Error, is_running: bool) -> Option<String> {
    (is_running && error.kind() == ErrorKind::PermissionDenied).then(|| {
        let path = path.display();
        format!(
            "the password was not tried: {path} is another user's to read; the node runs, so that it has it"
        )
    })
}

fn check_ports(config: &Config, findings: &mut Findings) {
    if let Some(tower) = running_tower(&config.home) {
        check_running_tower(&tower, findings);
        return;
    }
    if is_running(&config.home) {
        findings.add(Level::Ok, "node", "it runs, so its ports are its own");
        check_node(config, findings);
        return;
    }
    for (what, address) in
        [("port for peers", config.node.listen), ("port for the API", Some(config.node.api))]
    {
        let Some(address) = address else {
            findings.add(Level::Ok, what, "off: this node only dials");
            continue;
        };
        match free(address) {
            Ok(()) => findings.add(Level::Ok, what, format!("{address} is free")),
            Err(error) => {
                let text = format!("{address}: {error}; choose another port, or stop what uses it");
                findings.add(Level::Fail, what, text);
            }
        }
    }
    if let Some(listen) = config.node.listen
        && listen.ip().is_unspecified()
        && config.node.advertise.is_none()
    {
        let text = "peers cannot be told where to connect; set node.advertise = \"host:port\"";
        findings.add(Level::Warn, "port for peers", text);
    }
}

/// A tower has no API: what it said of itself at its start.
fn check_running_tower(tower: &RunningTower, findings: &mut Findings) {
    let text = format!("a tower runs here, at {}, so its ports are its own", tower.addresses.join(", "));
    findings.add(Level::Ok, "tower", text);
    if tower.clients.is_empty() {
        let text = "nobody is served: name signers in tower.clients, or with --client, and start it again";
        findings.add(Level::Warn, "tower's clients", text);
    } else {
        findings.add(Level::Ok, "tower's clients", tower.clients.join(", "));
    }
    let figures = match tower.metrics {
        Some(address) => format!("http://{address}/metrics"),
        None => "off; tower.metrics = \"127.0.0.1:4043\" serves them".to_owned(),
    };
    findings.add(Level::Ok, "tower's figures", figures);
}

/// What a running node itself says: a halt after a deep reorg, a disk that takes nothing.
fn check_node(config: &Config, findings: &mut Findings) {
    const WHAT: &str = "node's own view";
    if config.node.api.port() == 0 {
        let text = "its API is at a port that the system chose, so it is not asked; `api` in the configuration gives it one";
        findings.add(Level::Warn, WHAT, text);
        return;
    }
    match ask_ready(config) {
        Err(error) => {
            let text = format!("its API at {} does not answer: {error}", config.node.api);
            findings.add(Level::Fail, WHAT, text);
        }
        Ok(missing) if missing.is_empty() => findings.add(Level::Ok, WHAT, "it is ready"),
        Ok(missing) => missing.into_iter().for_each(|text| findings.add(Level::Fail, WHAT, text)),
    }
    match ask_api::<Channels>(config, "strait_channel_list", &json!({"limit": 1_000})) {
        Ok(found) => check_restored(&found.channels, findings),
        Err(error) => findings.add(Level::Warn, "channels", format!("they cannot be looked at: {error}")),
    }
    match ask_api::<Peers>(config, "strait_peer_list", &json!({})) {
        Ok(found) => check_peers(&found.peers, findings),
        Err(error) => findings.add(Level::Warn, "peers", format!("they cannot be looked at: {error}")),
    }
}

/// Channels that wait after a restore, here or at the peer.
fn check_restored(channels: &[ChannelInfo], findings: &mut Findings) {
    let waiting: Vec<&ChannelInfo> = channels
        .iter()
        .filter(|info| {
            info.phase == Phase::Open && (info.is_restoring || info.is_peer_restoring) && !is_empty(info)
        })
        .collect();
    let Some(latest) = waiting.iter().map(|info| info.restoring_until).max() else { return };
    let until = latest.map_or_else(String::new, |until| format!("the chain is past {} and ", time(until)));
    let names: Vec<String> = waiting.iter().map(|info| short(info.channel)).collect();
    let text = format!(
        "after a restore neither pays nor is paid in {} until {until}both have signed again, about two hours of chain time after the start; if a peer never signs, `strait channel dispute` takes the money out",
        names.join(", ")
    );
    findings.add(Level::Warn, "restored channels", text);
    if let Some(info) = waiting.iter().find(|info| !info.awaits_towers.is_empty()) {
        let text = format!("they wait {}", awaited(&info.awaits_towers));
        findings.add(Level::Warn, "restored channels", text);
    }
}

/// What `/ready` misses.
fn ask_ready(config: &Config) -> std::io::Result<Vec<String>> {
    Ok(serde_json::from_str::<Ready>(&ask(config, "GET /ready", "")?)?.missing)
}

/// What a method of the running node's API gives.
fn ask_api<T: DeserializeOwned>(config: &Config, method: &str, params: &Value) -> std::io::Result<T> {
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let mut answer: Value = serde_json::from_str(&ask(config, "POST /", &call.to_string())?)?;
    Ok(serde_json::from_value(answer["result"].take())?)
}

/// Peers with channels that are away: where they are looked for, and whether anybody is there.
fn check_peers(peers: &[PeerInfo], findings: &mut Findings) {
    let away = peers.iter().filter(|peer| peer.channels > 0 && peer.connected_on.is_empty());
    for PeerInfo { signer, address, channels, .. } in away {
        let place = address.as_ref().and_then(|address| address.parse::<PeerAddress>().ok());
        let found = match &place {
            None => "its address is not known here, so that it has to connect by itself; `strait peer add` names one".to_owned(),
            Some(place) if is_reached(place) => {
                format!("something answers at {}, where it is dialled; the log says why it is not taken for the peer", place.authority())
            }
            Some(place) => format!(
                "nothing answers at {}, where it is dialled; if it is elsewhere: strait peer add strait://{signer}@HOST:PORT",
                place.authority()
            ),
        };
        let text = format!("not connected, with {channels} channel(s): {found}");
        findings.add(Level::Warn, format!("peer {}", short(signer)), text);
    }
}

/// Whether anything listens there.
fn is_reached(place: &PeerAddress) -> bool {
    let found = (place.host(), place.port()).to_socket_addrs();
    let addresses = found.map(Iterator::collect::<Vec<_>>).unwrap_or_default();
    addresses.iter().any(|at| TcpStream::connect_timeout(at, PATIENCE).is_ok())
}

/// The body of an answer of the node's API.
fn ask(config: &Config, what: &str, body: &str) -> std::io::Result<String> {
    let token = std::fs::read_to_string(config.admin_token_file())?;
    let mut stream = TcpStream::connect_timeout(&config.node.api, API_PATIENCE)?;
    stream.set_read_timeout(Some(API_PATIENCE))?;
    let request = format!(
        "{what} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\nAuthorization: Bearer {}\r\n\r\n{body}",
        body.len(),
        token.trim()
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.take(MOST_OF_AN_ANSWER).read_to_string(&mut answer)?;
    Ok(answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

#[derive(Deserialize)]
struct Ready {
    missing: Vec<String>,
}

fn free(address: SocketAddr) -> std::io::Result<()> {
    TcpListener::bind(address).map(drop)
}

fn check_disk(home: &Path, findings: &mut Findings) {
    let existing = home.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    match nix::sys::statvfs::statvfs(existing) {
        Err(error) => findings.add(Level::Warn, "disk", format!("its free space is not known: {error}")),
        Ok(disk) => {
            // The types differ between systems.
            #[allow(clippy::useless_conversion)]
            let free = u64::from(disk.blocks_available()).saturating_mul(u64::from(disk.fragment_size()));
            let level = match free {
                free if free >= ENOUGH_DISK => Level::Ok,
                free if free >= ENOUGH_DISK / 10 => Level::Warn,
                _ => Level::Fail,
            };
            let advice = if level == Level::Ok { "" } else { "; make room, a full disk stops the node" };
            findings.add(level, "disk", format!("{} MiB free{advice}", free >> 20));
        }
    }
}

/// Without channels there is nothing to back up.
fn check_backup(config: &Config, findings: &mut Findings) {
    let is_used = config.chains.keys().any(|name| config.chain_directory(name).join(DATABASE).exists());
    if !is_used {
        return;
    }
    if let Ok(backup) = std::fs::read_to_string(config.database(RESTORED)) {
        let text = format!(
            "it is that of the backup {}, and the node was not started since: start it, and each channel can be used about two hours of chain time later, when its peer has signed again; the data from before the restore must never run again",
            backup.trim()
        );
        findings.add(Level::Warn, "data", text);
    }
    let note = config.database(LAST_BACKUP);
    let age = std::fs::metadata(&note)
        .and_then(|note| note.modified())
        .ok()
        .map(|at| at.elapsed().unwrap_or_default());
    let advice = "`strait backup DIRECTORY` makes one while the node runs";
    match age {
        None => findings.add(
            Level::Warn,
            "backup",
            format!("none was made since this home was set up or restored; {advice}"),
        ),
        Some(age) => {
            let level = if age > OLD_BACKUP { Level::Warn } else { Level::Ok };
            let place = std::fs::read_to_string(&note).unwrap_or_default();
            let text = format!("{} old, in {}", duration(age.as_secs()), place.trim());
            let advice = if level == Level::Warn { format!("; {advice}") } else { String::new() };
            findings.add(level, "backup", text + &advice);
        }
    }
}

/// Without channels there is nothing to guard.
fn check_towers(config: &Config, findings: &mut Findings) {
    let is_used = config.chains.keys().any(|name| config.chain_directory(name).join(DATABASE).exists());
    let towers = towers(config);
    if towers.is_empty() && is_used {
        let text = "no watchtower defends the channels while this node is off; name one or two in node.towers, or with `strait tower add`";
        findings.add(Level::Warn, "watchtowers", text);
    }
    for (tower, problem) in towers {
        let place = tower.place();
        let (level, text) = match problem {
            Some(problem) => (Level::Warn, problem),
            None if is_reached(place) => (Level::Ok, "answers".to_owned()),
            None => (Level::Warn, "does not answer; ask its operator, and use a second one".to_owned()),
        };
        findings.add(
            level,
            format!("watchtower {}", tower.signer()),
            format!("{} {text}", place.authority()),
        );
    }
}

/// The towers of the configuration, and those that a running node was told besides, with what it says is wrong.
fn towers(config: &Config) -> Vec<(TowerAddress, Option<String>)> {
    let asked = is_running(&config.home).then(|| ask_api::<Towers>(config, "strait_tower_list", &json!({})));
    let Some(Ok(found)) = asked else {
        return config.node.towers.iter().map(|tower| (tower.clone(), None)).collect();
    };
    let mut towers: Vec<(TowerAddress, Option<String>)> = Vec::new();
    for tower in found.towers {
        let Ok(address) = tower.address.parse::<TowerAddress>() else { continue };
        let problem = tower.problem.or(tower.refusal);
        // One stands there once for each chain.
        match towers.iter_mut().find(|(known, _)| known.signer() == address.signer()) {
            Some((_, known)) => *known = known.take().or(problem),
            None => towers.push((address, problem)),
        }
    }
    towers
}

fn check_chain(config: &Config, name: &str, chain: &ChainSection, findings: &mut Findings) {
    let mut reached = None;
    for url in &chain.rpc {
        let what = format!("chain {name}: {}", without_secrets(url));
        match connect(std::slice::from_ref(url), chain.chain_id, chain.adjudicator) {
            Ok(connected) if is_another(config, name, &connected) => {
                let text = "another chain of the same id than the one that this home's data is of; the node sends nothing to it. If the old one is gone (a test chain that was started anew), set up another --home with `strait init`; else correct the endpoint";
                findings.add(Level::Fail, what, text);
            }
            Ok(connected) => {
                findings.add(
                    Level::Ok,
                    what,
                    format!("answers, chain {}, the contract is there", chain.chain_id),
                );
                reached = reached.or(Some(connected));
            }
            Err(error @ ConnectError::Chain(_)) => findings.add(Level::Warn, what, error.to_string()),
            Err(error) => findings.add(Level::Fail, what, error.to_string()),
        }
    }
    let Some(mut connected) = reached else {
        findings.add(
            Level::Fail,
            format!("chain {name}"),
            "no endpoint can be used; the node could not see disputes",
        );
        return;
    };
    if chain.rpc.len() == 1 && chain.check_clock {
        let text = "there is one endpoint; a second of another operator survives its failure, and is compared with it";
        findings.add(Level::Warn, format!("chain {name}"), text);
    }
    check_clock(name, chain, &mut connected, findings);
    check_account(config, name, chain, &mut connected, findings);
}

/// Whether the chain begins with another block than the one that the node's data is of.
fn is_another(config: &Config, name: &str, connected: &RpcChain) -> bool {
    let journal = config.chain_directory(name).join("transactions.db");
    // A node that has not been started knows none.
    let known = SqliteJournal::genesis_of(journal).ok().flatten();
    known.is_some_and(|known| connected.genesis().is_some_and(|found| found != known))
}

fn check_clock(name: &str, chain: &ChainSection, connected: &mut RpcChain, findings: &mut Findings) {
    let what = format!("chain {name}: clock");
    let Ok((_, time)) = connected.head() else { return };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (behind, age) = (time.saturating_sub(now), now.saturating_sub(time));
    if !chain.check_clock {
        findings.add(Level::Ok, what, "not compared, as configured");
    } else if behind > CLOCK_TOLERANCE {
        let text = format!("this machine is {behind} seconds behind the chain; timedatectl set-ntp true");
        findings.add(Level::Fail, what, text);
    } else if age > OLD_HEAD {
        let text = format!(
            "the newest block is {age} seconds old: this machine's clock is ahead, or the chain stands still; compare with another clock"
        );
        findings.add(Level::Fail, what, text);
    } else {
        findings.add(Level::Ok, what, format!("the newest block is {age} seconds old"));
    }
}

fn check_account(
    config: &Config,
    name: &str,
    chain: &ChainSection,
    connected: &mut RpcChain,
    findings: &mut Findings,
) {
    let what = format!("chain {name}: account {}", chain.account);
    let Ok(account) = keystore::read_address(&config.key_file(&chain.account)) else {
        findings.add(Level::Warn, what, "its address is not known without its key");
        return;
    };
    match (connected.balance(account), connected.gas_price()) {
        (Ok(balance), Ok(price)) => {
            let needed = price.saturating_mul(U256::from(GAS_OF_A_DISPUTE));
            let symbol = config.assets.find(name, Address::ZERO).map_or("coins", |coin| coin.symbol.as_str());
            let decimals = config.assets.find(name, Address::ZERO).map_or(18, |coin| coin.decimals);
            let show = |wei: U256| format!("{} {symbol}", decimal(wei, decimals));
            if balance < needed {
                let text = format!(
                    "{account} holds {}, a deposit and a dispute cost about {} of gas now; send it some",
                    show(balance),
                    show(needed)
                );
                findings.add(Level::Fail, what, text);
            } else {
                let text = format!(
                    "{account} holds {}, a deposit and a dispute cost about {} of gas",
                    show(balance),
                    show(needed)
                );
                findings.add(Level::Ok, what, text);
            }
        }
        (Err(error), _) | (_, Err(error)) => findings.add(Level::Warn, what, error.to_string()),
    }
}

fn decimal(wei: U256, decimals: u8) -> String {
    let amount = u128::try_from(wei).ok().and_then(Amount::new).unwrap_or(Amount::MAX);
    amount.format_decimal(decimals)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::channel_info;

    #[test]
    fn a_peer_that_is_away_is_told_with_the_address_that_is_dialled() {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = socket.local_addr().expect("bound").port();
        let signer = Address::repeat_byte(0x99);
        let peer = |address: Option<String>, connected_on: Vec<u64>| PeerInfo {
            signer,
            address,
            connected_on,
            channels: 1,
            problem: None,
        };
        let at = Some(format!("strait://{signer}@127.0.0.1:{port}"));
        let told = |peer: PeerInfo| {
            let mut findings = Findings::default();
            check_peers(&[peer], &mut findings);
            findings.0.pop().map(|found| found.text).unwrap_or_default()
        };
        assert_eq!(told(peer(at.clone(), vec![1])), "", "it is there");
        assert!(told(peer(at.clone(), Vec::new())).contains("something answers"));
        drop(socket);
        let gone = told(peer(at, Vec::new()));
        assert!(gone.contains(&format!("nothing answers at 127.0.0.1:{port}")), "{gone}");
        assert!(told(peer(None, Vec::new())).contains("strait peer add"));
    }

    #[test]
    fn channels_that_wait_after_a_restore_are_named_with_the_time() {
        let waiting =
            ChannelInfo { is_restoring: true, restoring_until: Some(1_700_000_000), ..channel_info(0xab) };
        let mut findings = Findings::default();
        check_restored(&[channel_info(0xcd), waiting], &mut findings);
        let [Finding { level, text, .. }] = &findings.0[..] else { panic!("one finding") };
        assert!(
            *level == Level::Warn && text.contains("0xabababab") && !text.contains("0xcdcdcdcd"),
            "{text}"
        );
        assert!(text.contains("2023-11-14T22:13:20Z"), "{text}");
        let of_peer = ChannelInfo { is_peer_restoring: true, ..channel_info(0xee) };
        let mut findings = Findings::default();
        check_restored(&[of_peer], &mut findings);
        let text = &findings.0[0].text;
        assert!(text.contains("in 0xeeeeeeee until both have signed again"), "{text}");
        let mut empty = ChannelInfo { is_restoring: true, version: 0, ..channel_info(0xef) };
        empty.balances.iter_mut().for_each(|balance| balance.deposited = Amount::ZERO);
        let mut none = Findings::default();
        check_restored(&[channel_info(0xcd), empty], &mut none);
        assert!(none.0.is_empty());
    }

    #[test]
    fn a_password_that_only_root_may_read_is_no_fault_while_the_node_runs() {
        let path = Path::new("/etc/strait/password");
        let denied = Error::from(ErrorKind::PermissionDenied);
        let text = withheld(path, &denied, true).expect("no fault");
        assert!(text.contains("/etc/strait/password") && text.contains("the node runs"), "{text}");
        assert_eq!(withheld(path, &denied, false), None);
        assert_eq!(withheld(path, &Error::from(ErrorKind::NotFound), true), None);
    }
}
