//! The session: starts the two processes, kills them, and holds the books against what was acknowledged.

use crate::child::{Config, channel_id};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use strait_engine::ports::Store;
use strait_node::transport::PeerAddress;
use strait_protocol::{Channel, Operation, Record};
use strait_store::SqliteStore;
use strait_types::Side;

/// Longest silence of a process that is no failure.
const PATIENCE: Duration = Duration::from_secs(60);

struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    fn start(config: &Config) -> Process {
        let mut child = Command::new(std::env::current_exe().expect("this test's path"))
            .args(["--exact", "child_process", "--nocapture", "--test-threads=1"])
            .envs(config.to_environment())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the process starts");
        let stdout = child.stdout.take().expect("piped");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // The runner's own lines have no mark; its first word may share a line with ours.
                if let Some((_, ours)) = line.split_once('@') {
                    let _ = sender.send(ours.to_owned());
                }
            }
        });
        Process { child, lines }
    }

    fn next_line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("the process goes on")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What callers were told.
#[derive(Default)]
struct Told {
    acknowledged: HashSet<String>,
    not_made: HashSet<String>,
}

impl Told {
    fn note(&mut self, line: &str) {
        if let Some(memo) = line.strip_prefix("ack ") {
            assert!(self.acknowledged.insert(memo.to_owned()), "{memo} acknowledged twice");
        } else if let Some(memo) = line.strip_prefix("not ") {
            self.not_made.insert(memo.to_owned());
        } else {
            assert!(!line.starts_with("error"), "{line}");
        }
    }
}

/// Two processes and what their callers were told.
pub(crate) struct Session {
    rng: ChaCha8Rng,
    directory: tempfile::TempDir,
    genesis: u64,
    lives: u64,
    store_address: PeerAddress,
    processes: [Process; 2],
    told: Told,
}

fn config(session_dir: &std::path::Path, side: Side, genesis: u64, life: u64) -> Config {
    let directory: PathBuf = session_dir.join(side.index().to_string());
    let listen = (side == Side::One).then(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    Config { side, directory, listen, peer: None, genesis, life }
}

impl Session {
    pub(crate) fn start(seed: u64) -> Session {
        let directory = tempfile::tempdir().expect("a directory");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let one = Process::start(&config(directory.path(), Side::One, now, 1));
        let line = one.next_line();
        let store_address =
            line.strip_prefix("listen ").expect("its address first").parse().expect("an address");
        let mut customer = config(directory.path(), Side::Zero, now, 0);
        customer.peer = Some(store_address);
        let store_address = customer.peer.clone().expect("just set");
        let zero = Process::start(&customer);
        let rng = ChaCha8Rng::seed_from_u64(seed);
        let processes = [zero, one];
        let told = Told::default();
        Session { rng, directory, genesis: now, lives: 2, store_address, processes, told }
    }

    /// Lets a random number of acknowledgements pass, kills one or both processes, starts them again.
    pub(crate) fn kill_one(&mut self) {
        let watched = (self.rng.next_u32() % 2) as usize;
        for _ in 0..self.rng.next_u32() % 2_000 {
            let line = self.processes[watched].next_line();
            self.told.note(&line);
        }
        let both = self.rng.next_u32().is_multiple_of(5);
        let victims = if both { vec![0, 1] } else { vec![(self.rng.next_u32() % 2) as usize] };
        for &victim in &victims {
            self.kill(victim);
        }
        for &victim in &victims {
            self.restart(victim);
        }
        for &victim in &victims {
            self.wait_until_up(victim);
        }
    }

    fn kill(&mut self, victim: usize) {
        let process = &mut self.processes[victim];
        process.child.kill().expect("killed");
        process.child.wait().expect("reaped");
        // What it said before it died was said.
        while let Ok(line) = process.lines.recv_timeout(PATIENCE) {
            self.told.note(&line);
        }
    }

    fn restart(&mut self, victim: usize) {
        let side = Side::from_index(victim).expect("0 or 1");
        let mut config = config(self.directory.path(), side, self.genesis, self.lives);
        self.lives += 1;
        match side {
            Side::Zero => config.peer = Some(self.store_address.clone()),
            Side::One => {
                config.listen = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, self.store_address.port())));
            }
        }
        self.processes[victim] = Process::start(&config);
    }

    fn wait_until_up(&mut self, victim: usize) {
        loop {
            let line = self.processes[victim].next_line();
            self.told.note(&line);
            if line == "up" {
                return;
            }
        }
    }

    /// Stops paying, waits until both agree, and reads their stores.
    pub(crate) fn stop_and_check(mut self) {
        for process in &mut self.processes {
            let stdin = process.child.stdin.as_mut().expect("piped");
            stdin.write_all(b"stop\n").expect("told to stop");
        }
        for process in &self.processes {
            loop {
                let line = process.next_line();
                self.told.note(&line);
                if line.starts_with("paying ended") {
                    break;
                }
            }
        }
        let Session { processes, directory, genesis, told, .. } = self;
        drop(processes);
        check(directory.path(), genesis, &told);
    }
}

fn check(directory: &std::path::Path, genesis: u64, told: &Told) {
    let id = channel_id(genesis);
    let mut views = Vec::new();
    let mut bill: HashMap<String, u32> = HashMap::new();
    for side in Side::BOTH {
        let store = SqliteStore::open(directory.join(side.index().to_string())).expect("opens");
        let mut view = None;
        let mut visit = |recovered: strait_engine::ports::Recovered| {
            let channel =
                Channel::recover(recovered.snapshot.as_deref(), &recovered.records).expect("recovers");
            view = Some(channel.view());
        };
        store.recover(&mut visit).expect("readable");
        views.push(view.expect("the channel is there"));
        read_bill(&store, id, &mut bill);
    }
    let [zero, one] = [&views[0], &views[1]];
    assert_eq!(zero.version, one.version, "both agree on the version");
    assert_eq!(zero.history, one.history, "both agree on the history");
    assert_eq!(zero.balances[0].own, one.balances[0].peer, "both agree on the balances");
    assert_eq!(zero.balances[0].peer, one.balances[0].own, "both agree on the balances");
    assert_eq!(zero.payments, [one.payments[1], one.payments[0]], "both counted alike");
    assert_eq!(bill.len() as u64, zero.payments[0] + zero.payments[1], "the bill lists what was counted");
    for (memo, times) in &bill {
        assert_eq!(*times, 1, "{memo} stands once in the bill");
        assert!(!told.not_made.contains(memo), "{memo} was said not to have moved");
    }
    for memo in &told.acknowledged {
        assert!(bill.contains_key(memo), "{memo} was acknowledged and is in the bill");
    }
    assert!(told.acknowledged.len() > 100, "the stream ran");
    println!(
        "{} acknowledged, {} in the bill, version {}",
        told.acknowledged.len(),
        bill.len(),
        zero.version
    );
}

/// What this side accepted from the other.
fn read_bill(store: &SqliteStore, id: strait_types::ChannelId, bill: &mut HashMap<String, u32>) {
    let mut after = None;
    loop {
        let page = store.history(id, after, 500).expect("readable");
        let Some(last) = page.last() else { return };
        after = Some(last.position);
        for entry in &page {
            let Record::Accepted(update) = Record::decode(&entry.payload).expect("a record") else {
                continue;
            };
            for operation in &update.operations {
                if let Operation::Pay(payment) = operation {
                    *bill.entry(String::from_utf8_lossy(&payment.memo).into_owned()).or_default() += 1;
                }
            }
        }
    }
}
