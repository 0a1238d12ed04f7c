//! What came of it: figures, checks, and the bill as it is on disk.

use super::DemoArgs;
use super::DemoError;
use super::flow::ether;
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use strait_node::Node;
use strait_protocol::{BillLine, Operation, Record};
use strait_types::{ChannelId, Side, U256};

/// Gas of a plain transfer of the native coin, by Ethereum's rules.
const TRANSFER_GAS: u64 = 21_000;
/// Records read at once.
const PAGE: usize = 1_000;

#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    pub(super) paid: u64,
    pub(super) refunds: u64,
    pub(super) streamed: u64,
    pub(super) stream_seconds: f64,
    pub(super) latency_us_p50: u64,
    pub(super) latency_us_p99: u64,
    pub(super) deposits: U256,
    pub(super) locked: U256,
    pub(super) customer_got: U256,
    pub(super) store_got: U256,
    pub(super) transactions: u64,
    pub(super) gas: u64,
    pub(super) seconds: f64,
}

impl Figures {
    pub(super) fn payments_per_second(&self) -> f64 {
        as_float(self.streamed) / self.stream_seconds.max(f64::EPSILON)
    }

    fn payments(&self) -> u64 {
        // The payment against the hash lock counts too.
        self.paid + self.refunds + 1
    }

    /// Of the same payments as plain transfers on chain.
    fn gas_alone(&self) -> u64 {
        self.payments().saturating_mul(TRANSFER_GAS)
    }
}

/// For display only; exact below 2^53.
#[allow(clippy::cast_precision_loss)]
fn as_float(number: u64) -> f64 {
    number as f64
}

#[derive(Clone, Debug, Default)]
pub(super) struct Receipt {
    pub(super) figures: Figures,
    checks: BTreeMap<&'static str, bool>,
}

/// The receipt for programs; amounts are decimal strings of wei.
#[derive(Serialize)]
pub(super) struct Json<'a> {
    payments: u64,
    refunds: u64,
    seconds: f64,
    payments_per_second: f64,
    latency_us_p50: u64,
    latency_us_p99: u64,
    transactions: u64,
    gas: u64,
    cost_usd: f64,
    /// Of the same payments, one by one on chain.
    onchain_gas: u64,
    onchain_cost_usd: f64,
    gas_price_gwei: f64,
    ether_price_usd: f64,
    deposited: String,
    customer_paid: String,
    store_paid: String,
    checks: &'a BTreeMap<&'static str, bool>,
    ok: bool,
}

impl Receipt {
    pub(super) fn check(&mut self, name: &'static str, holds: bool) {
        let all_so_far = self.checks.entry(name).or_insert(true);
        *all_so_far = *all_so_far && holds;
    }

    pub(super) fn is_ok(&self) -> bool {
        !self.checks.is_empty() && self.checks.values().all(|holds| *holds)
    }

    pub(super) fn json(&self, args: &DemoArgs) -> Json<'_> {
        let figures = &self.figures;
        Json {
            payments: figures.payments(),
            refunds: figures.refunds,
            seconds: figures.seconds,
            payments_per_second: figures.payments_per_second().round(),
            latency_us_p50: figures.latency_us_p50,
            latency_us_p99: figures.latency_us_p99,
            transactions: figures.transactions,
            gas: figures.gas,
            cost_usd: dollars(args, figures.gas),
            onchain_gas: figures.gas_alone(),
            onchain_cost_usd: dollars(args, figures.gas_alone()),
            gas_price_gwei: args.gas_price,
            ether_price_usd: args.ether_price,
            deposited: figures.deposits.to_string(),
            customer_paid: figures.customer_got.to_string(),
            store_paid: figures.store_got.to_string(),
            checks: &self.checks,
            ok: self.is_ok(),
        }
    }

    pub(super) fn text(&self, args: &DemoArgs) -> String {
        let figures = &self.figures;
        let line = "-".repeat(66);
        let alone = figures.gas_alone();
        let mut lines = vec![
            String::new(),
            line.clone(),
            format!("  RECEIPT{:>57}", format!("{:.1} s in all", figures.seconds)),
            line.clone(),
            row("Payments, each acknowledged", &group(figures.payments())),
            row(
                "  one by one, latency p50 / p99",
                &format!("{} / {} us", group(figures.latency_us_p50), group(figures.latency_us_p99)),
            ),
            row(
                "  streamed, with crash and restart",
                &format!("{}/s", group(figures.payments_per_second().round() as u64)),
            ),
            row("Transactions on chain", &figures.transactions.to_string()),
            row("  gas", &group(figures.gas)),
            row("  cost", &format!("${:.2}", dollars(args, figures.gas))),
            row(
                "The same payments on chain, one by one",
                &format!("${}", group(dollars(args, alone).round() as u64)),
            ),
            row("  gas", &group(alone)),
            format!(
                "  at {} gwei a unit of gas and ${} an ether (--gas-price, --ether-price)",
                args.gas_price, args.ether_price
            ),
            line.clone(),
            row("Deposited", &format!("{} ETH", ether(figures.deposits))),
            row("Customer was paid", &format!("{} ETH", ether(figures.customer_got))),
            row("Store was paid", &format!("{} ETH", ether(figures.store_got))),
            line.clone(),
        ];
        let checks = self.checks.iter();
        lines.extend(
            checks.map(|(name, holds)| row(&name.replace('_', " "), if *holds { "ok" } else { "FAILED" })),
        );
        lines.push(line);
        lines.join("\n")
    }
}

fn dollars(args: &DemoArgs, gas: u64) -> f64 {
    as_float(gas) * args.gas_price * 1e-9 * args.ether_price
}

fn row(label: &str, value: &str) -> String {
    format!("  {label:<40}{value:>24}")
}

/// Digits in groups of three.
pub(super) fn group(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// The customer's payments as they stand in a node's books.
#[derive(Default)]
pub(super) struct Bill {
    listed: u64,
    streamed: HashSet<u64>,
    /// A streamed payment stands in it twice.
    doubled: bool,
}

impl Bill {
    /// Whether every streamed payment is listed, nothing twice, and nothing else but `paid` in all.
    pub(super) fn lists_once(&self, streamed: u64, paid: u64) -> bool {
        !self.doubled && self.listed == paid && (0..streamed).all(|number| self.streamed.contains(&number))
    }

    /// Whether it lists a streamed payment.
    pub(super) fn lists(&self, number: u64) -> bool {
        self.streamed.contains(&number)
    }

    fn add(&mut self, line: &BillLine) {
        let Operation::Pay(payment) = &line.operation else { return };
        if line.writer != Side::Zero {
            return;
        }
        self.listed += 1;
        let memo = String::from_utf8_lossy(&payment.memo);
        let number = memo.strip_prefix("stream ").and_then(|number| number.parse().ok());
        self.doubled |= number.is_some_and(|number| !self.streamed.insert(number));
    }
}

/// Reads the bill from a node's own books.
pub(super) async fn read_bill(node: &Node, side: Side, channel: ChannelId) -> Result<Bill, DemoError> {
    let mut bill = Bill::default();
    let mut reader = strait_protocol::Bill::new(side);
    let mut after = None;
    loop {
        let page = node.history(channel, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(bill) };
        after = Some(last.position);
        for entry in &page {
            let record = Record::decode(&entry.payload)
                .map_err(|error| DemoError::Unexpected(format!("a record does not decode: {error}")))?;
            reader.read(record).iter().for_each(|line| bill.add(line));
        }
    }
}
