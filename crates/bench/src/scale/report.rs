//! The figures, as tables and for programs.

use super::talk::{Pruned, Used};
use super::{MEMO, Paid};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) peers: u64,
    pub(super) sizes: Vec<AtSize>,
    /// Channels of the small node.
    pub(super) small: u64,
    /// Speed at the last size on so many channels, as a share of the small node's.
    pub(super) small_share: f64,
    pub(super) payments: Vec<AtPayments>,
    pub(super) history: History,
}

/// At one number of channels.
#[derive(Debug, Serialize)]
pub(super) struct AtSize {
    pub(super) channels: u64,
    /// To open those that the size before did not have, with a payment in each.
    open_seconds: f64,
    /// From the start of the process, after a kill, until it works and peers can reach it.
    pub(super) start_seconds: f64,
    /// From then until all channels can be paid over.
    connect_seconds: f64,
    /// Memory of an idle channel: beyond that of a node without any.
    started_bytes_per_channel: f64,
    /// The same once all peers are connected.
    pub(super) bytes_per_channel: f64,
    disk_bytes_per_channel: f64,
    payments_per_second: f64,
    /// Of the measured node, its caller included.
    pub(super) cpu_us_per_payment: f64,
    /// That CPU time as a multiple of a node's that has only as many channels as the first size, measured in turn.
    pub(super) cost_growth: f64,
}

/// After so many payments on the same channels.
#[derive(Debug, Serialize)]
pub(super) struct AtPayments {
    pub(super) payments: u64,
    start_seconds: f64,
    pub(super) rss_mib: f64,
    /// Of the whole database, memos left out.
    pub(super) disk_bytes_per_payment: f64,
    payments_per_second: f64,
    pub(super) cpu_us_per_payment: f64,
}

/// The history of all payments, read and forgotten.
#[derive(Debug, Serialize)]
pub(super) struct History {
    payments: u64,
    /// In the records, memos left out.
    bytes_per_payment: f64,
    read_per_second: f64,
    /// Records that no snapshot covered, so that they stayed.
    records_left: u64,
}

impl AtSize {
    pub(super) fn new(
        channels: u64,
        [open_seconds, start_seconds, connect_seconds]: [f64; 3],
        [empty, started, connected]: [&Used; 3],
        (paid, cost_growth): (Paid, f64),
    ) -> AtSize {
        let each = |bytes: u64| bytes as f64 / channels.max(1) as f64;
        let memory = |used: &Used| each(used.rss_kib.saturating_sub(empty.rss_kib) * 1_024);
        AtSize {
            channels,
            open_seconds,
            start_seconds,
            connect_seconds,
            started_bytes_per_channel: memory(started),
            bytes_per_channel: memory(connected),
            disk_bytes_per_channel: each(started.database_bytes),
            payments_per_second: paid.per_second,
            cpu_us_per_payment: paid.cpu_us,
            cost_growth,
        }
    }
}

impl AtPayments {
    pub(super) fn new(
        payments: u64,
        start_seconds: f64,
        used: &Used,
        before: &Used,
        paid: Paid,
    ) -> AtPayments {
        let database = used.database_bytes.saturating_sub(before.database_bytes);
        AtPayments {
            payments,
            start_seconds,
            rss_mib: used.rss_kib as f64 / 1_024.0,
            disk_bytes_per_payment: without_memo(database, payments),
            payments_per_second: paid.per_second,
            cpu_us_per_payment: paid.cpu_us,
        }
    }
}

fn without_memo(bytes: u64, payments: u64) -> f64 {
    bytes.saturating_sub(payments * MEMO) as f64 / payments.max(1) as f64
}

impl From<Pruned> for History {
    fn from(pruned: Pruned) -> History {
        History {
            payments: pruned.payments,
            bytes_per_payment: without_memo(pruned.bytes, pruned.payments),
            read_per_second: pruned.payments as f64 / pruned.seconds,
            records_left: pruned.left,
        }
    }
}

impl Report {
    pub(super) fn new(
        peers: u64,
        sizes: Vec<AtSize>,
        (small, small_share): (u64, f64),
        (payments, pruned): (Vec<AtPayments>, Pruned),
    ) -> Report {
        Report { peers, sizes, small, small_share, payments, history: pruned.into() }
    }

    pub(super) fn print(&self) {
        println!(
            "| channels | open s | restart s | all connected s | memory B/channel | connected | disk B/channel | payments/s | CPU us | cost growth |"
        );
        println!("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
        for at in &self.sizes {
            println!(
                "| {} | {:.1} | {:.2} | {:.1} | {:.0} | {:.0} | {:.0} | {:.0} | {:.2} | {:.2} |",
                at.channels,
                at.open_seconds,
                at.start_seconds,
                at.connect_seconds,
                at.started_bytes_per_channel,
                at.bytes_per_channel,
                at.disk_bytes_per_channel,
                at.payments_per_second,
                at.cpu_us_per_payment,
                at.cost_growth,
            );
        }
        println!(
            "\nCost growth: CPU time of a payment over 1000 random channels, as a multiple of a node's that has only the first size's."
        );
        println!(
            "Speed at the last size on {} random channels: {:.2} of a node that has no others.",
            self.small, self.small_share
        );
        println!(
            "\n| payments | restart s | memory MiB | disk B/payment beside memos | payments/s | CPU us |"
        );
        println!("|---:|---:|---:|---:|---:|---:|");
        for at in &self.payments {
            println!(
                "| {} | {:.2} | {:.0} | {:.1} | {:.0} | {:.2} |",
                at.payments,
                at.start_seconds,
                at.rss_mib,
                at.disk_bytes_per_payment,
                at.payments_per_second,
                at.cpu_us_per_payment,
            );
        }
        let History { payments, bytes_per_payment, read_per_second, records_left } = &self.history;
        println!(
            "\nHistory of {payments} payments: {bytes_per_payment:.1} bytes each beside memos, read at {read_per_second:.0} a second; {records_left} records stayed when it was forgotten."
        );
    }
}
