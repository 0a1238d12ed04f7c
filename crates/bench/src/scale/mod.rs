//! What many channels cost: one node with more and more of them, killed and started again at each size.

mod chart;
mod crowd;
mod node;
mod report;
mod talk;

use crate::median;
use crate::process::Process;
use crate::talk::Ran;
use anyhow::{Context as _, Result, bail};
use clap::Args;
use crowd::Crowd;
use report::{AtPayments, AtSize, Report};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use strait_node::transport::PeerAddress;
use talk::{Order, Pruned, Said, Setup, Used};

/// How often nodes ask the chain for new blocks.
const POLL: Duration = Duration::from_millis(200);
/// The first peer's key; those before are the measured nodes'.
const PEERS_FROM: u64 = 8;
/// Key of the node that grows.
const LARGE: u64 = 0;
/// Of the one that it is compared with.
const SMALL: u64 = 1;
/// Of the one that only pays.
const PAYING: u64 = 2;
/// Of the one that has only the first size's channels.
const FIRST: u64 = 3;
/// Channels over which payments are made to compare sizes.
const FEW: u64 = 1_000;
/// Memo of a payment, in bytes.
const MEMO: u64 = 8;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Sizes to measure at, in channels, ascending
    #[arg(long, value_delimiter = ',', default_value = "1000,10000,100000,1000000", value_name = "N,..")]
    channels: Vec<u64>,
    /// Peers, which share the channels
    #[arg(long, default_value_t = 100)]
    peers: u64,
    /// Channels of the small node that the last size is compared with, chosen at random of the large one's
    #[arg(long, default_value_t = 10_000)]
    small: u64,
    /// Payments in each measurement
    #[arg(long, default_value_t = 1_000_000)]
    payments: u64,
    /// How often speed is measured; the figures are the medians
    #[arg(long, default_value_t = 3)]
    rounds: u64,
    /// Writes the figures to a file as well
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draws scale-channels.svg and scale-payments.svg there
    #[arg(long, value_name = "DIRECTORY")]
    svg: Option<PathBuf>,
    /// Where the node keeps its data while it is measured: on the disk that counts
    #[arg(long, default_value = "target/bench", value_name = "DIRECTORY")]
    directory: PathBuf,
}

/// Follows orders as the measured node.
pub(crate) fn serve(setup: &str) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(node::run(setup))
}

/// Measures and reports.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    std::fs::create_dir_all(&arguments.directory)?;
    let directory = tempfile::tempdir_in(&arguments.directory)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let crowd = runtime.block_on(Crowd::start(arguments.peers))?;
    // The peers dial within it.
    let _entered = runtime.enter();
    let bench = Bench { arguments, crowd, executable: std::env::current_exe()?, directory: directory.path() };
    let report = bench.measure()?;
    report.print();
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(path, text + "\n").with_context(|| format!("{} can't be written", path.display()))?;
    }
    if let Some(directory) = &arguments.svg {
        std::fs::create_dir_all(directory)?;
        chart::draw(&report, directory)?;
    }
    Ok(())
}

struct Bench<'a> {
    arguments: &'a Arguments,
    crowd: Crowd,
    executable: PathBuf,
    directory: &'a Path,
}

/// A node that is measured, with how long it took to start.
struct Hub {
    process: Process,
    start_seconds: f64,
    address: PeerAddress,
}

/// Speed and cost of one measurement.
#[derive(Clone, Copy)]
struct Paid {
    per_second: f64,
    cpu_us: f64,
}

impl Bench<'_> {
    fn measure(&self) -> Result<Report> {
        let mut hub = self.start(LARGE)?;
        let empty = hub.used()?;
        let mut sizes = Vec::new();
        let mut opened = 0;
        let first = self.arguments.channels.first().copied().unwrap_or_default();
        let mut small = self.start(FIRST)?;
        self.open(&mut small, 0, first)?;
        for &channels in &self.arguments.channels {
            eprintln!("{channels} channels");
            let began = Instant::now();
            self.open(&mut hub, opened, channels)?;
            let open_seconds = began.elapsed().as_secs_f64();
            opened = channels;
            // Like a crash: nothing is tidied up before the next start.
            drop(hub);
            hub = self.start(LARGE)?;
            let started = hub.used()?;
            let connect_seconds = self.connect(&mut hub, channels)?;
            let connected = hub.used()?;
            let (paid, cost_growth) = self.pay_in_turn((&mut hub, channels), (&mut small, first))?;
            let seconds = [open_seconds, hub.start_seconds, connect_seconds];
            sizes.push(AtSize::new(channels, seconds, [&empty, &started, &connected], (paid, cost_growth)));
        }
        let small_share = self.compare(&mut hub, opened)?;
        drop(hub);
        let small = (self.arguments.small, small_share);
        Ok(Report::new(self.arguments.peers, sizes, small, self.measure_payments()?))
    }

    /// Speed on as many channels of the large node as a small one has, as a share of the small one's; measured in turn.
    fn compare(&self, large: &mut Hub, channels: u64) -> Result<f64> {
        let (over, payments) = (self.arguments.small, self.arguments.payments);
        eprintln!("{over} of {channels} channels, beside a node of {over}");
        let mut small = self.start(SMALL)?;
        self.open(&mut small, 0, over)?;
        let mut shares = Vec::new();
        for seed in 0..self.arguments.rounds.max(1) {
            let of_small = small.pay(over, over, payments, seed)?;
            shares.push(large.pay(channels, over, payments, seed)?.per_second / of_small.per_second);
        }
        Ok(median(shares.into_iter()))
    }

    /// What payments leave behind: ten times as many in each step.
    fn measure_payments(&self) -> Result<(Vec<AtPayments>, Pruned)> {
        let channels = FEW.min(self.arguments.small);
        let mut hub = self.start(PAYING)?;
        self.open(&mut hub, 0, channels)?;
        let mut steps = Vec::new();
        let mut made = 0;
        let before = hub.used()?;
        for total in [100, 10, 1].map(|part| self.arguments.payments.div_ceil(part)) {
            eprintln!("{total} payments");
            let paid = hub.pay(channels, channels, total - made, total)?;
            made = total;
            drop(hub);
            hub = self.start(PAYING)?;
            steps.push(AtPayments::new(total, hub.start_seconds, &hub.used()?, &before, paid));
            self.connect(&mut hub, channels)?;
        }
        let pruned = hub.prune(channels)?;
        Ok((steps, pruned))
    }

    /// Payments over a few channels, with their CPU time as a multiple of that in a node that has only the first size's.
    /// The nodes take turns, since a machine that others use is never the same for long.
    fn pay_in_turn(&self, large: (&mut Hub, u64), small: (&mut Hub, u64)) -> Result<(Paid, f64)> {
        let ((large, channels), (small, first)) = (large, small);
        let payments = self.arguments.payments;
        let (mut paid, mut growth) = (Vec::new(), Vec::new());
        for seed in 0..self.arguments.rounds.max(1) {
            let of_small = small.pay(first, FEW.min(first), payments, seed)?;
            let of_large = large.pay(channels, FEW.min(channels), payments, seed)?;
            growth.push(of_large.cpu_us / of_small.cpu_us);
            paid.push(of_large);
        }
        let median_of = |figure: fn(&Paid) -> f64| median(paid.iter().map(figure));
        let paid =
            Paid { per_second: median_of(|paid| paid.per_second), cpu_us: median_of(|paid| paid.cpu_us) };
        Ok((paid, median(growth.into_iter())))
    }

    /// Starts a node over what it left on disk.
    fn start(&self, key: u64) -> Result<Hub> {
        let directory = self.directory.join(key.to_string());
        let setup = Setup { key, directory, peers: self.arguments.peers };
        let began = Instant::now();
        let mut process = Process::start(&self.executable, "--measured-node", &setup)?;
        let Said::Listening(address) = process.hear()? else { bail!("the node does not listen") };
        Ok(Hub { process, start_seconds: began.elapsed().as_secs_f64(), address: address.parse()? })
    }

    fn open(&self, hub: &mut Hub, from: u64, to: u64) -> Result<()> {
        self.crowd.connect(&hub.address);
        match hub.ask(Order::Open { from, to })? {
            Said::Opened => Ok(()),
            other => bail!("the node said {other:?} instead of what it opened"),
        }
    }

    /// Has the peers connect; gives the seconds until all channels can be paid over.
    fn connect(&self, hub: &mut Hub, channels: u64) -> Result<f64> {
        let began = Instant::now();
        self.crowd.connect(&hub.address);
        match hub.ask(Order::Connect { channels })? {
            Said::Connected => Ok(began.elapsed().as_secs_f64()),
            other => bail!("the node said {other:?} instead of its connections"),
        }
    }
}

impl Hub {
    fn ask(&mut self, order: Order) -> Result<Said> {
        self.process.order(&order)?;
        self.process.hear()
    }

    fn pay(&mut self, channels: u64, over: u64, payments: u64, seed: u64) -> Result<Paid> {
        let before = self.used()?;
        let ran: Ran = match self.ask(Order::Pay { channels, over, payments, seed })? {
            Said::Ran(ran) => ran,
            other => bail!("the node said {other:?} instead of what it paid"),
        };
        let cpu_us = (self.used()?.since_start.cpu_us - before.since_start.cpu_us) as f64;
        let made = ran.payments.max(1) as f64;
        Ok(Paid { per_second: made / ran.seconds, cpu_us: cpu_us / made })
    }

    fn prune(&mut self, channels: u64) -> Result<Pruned> {
        match self.ask(Order::Prune { channels })? {
            Said::Pruned(pruned) => Ok(pruned),
            other => bail!("the node said {other:?} instead of what it forgot"),
        }
    }

    fn used(&mut self) -> Result<Used> {
        match self.ask(Order::Usage)? {
            Said::Usage(used) => Ok(used),
            other => bail!("the node said {other:?} instead of what it used"),
        }
    }
}
