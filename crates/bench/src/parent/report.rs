//! The figures, as a table and for programs.

use super::Series;
use super::pair::Measured;
use crate::median;
use crate::scenario::{Scenario, Target};
use serde::Serialize;

/// One scenario's figures: medians over the rounds.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    scenario: String,
    payments_per_second: f64,
    p50_us: f64,
    p99_us: f64,
    /// Of both parties and their callers.
    cpu_us_per_payment: f64,
    /// Of both parties.
    payments_per_signature: f64,
    /// Of both parties, in one measurement.
    syncs: f64,
    /// Written by both.
    disk_bytes_per_payment: f64,
    /// Frames in both directions.
    wire_bytes_per_payment: f64,
    /// Of the larger party.
    peak_rss_mib: f64,
    /// Speed as a share of what the same work without product code reaches, measured in turn.
    bare_ratio: Option<f64>,
}

impl Row {
    pub(super) fn new(scenario: String, product: &[Measured], bare: &[Measured]) -> Row {
        let of = |figure: &dyn Fn(&Measured) -> f64| median(product.iter().map(figure));
        let ratios = product.iter().zip(bare).map(|(product, bare)| product.per_second / bare.per_second);
        Row {
            scenario,
            payments_per_second: of(&|one| one.per_second),
            p50_us: of(&|one| one.latency.quantile(0.5)),
            p99_us: of(&|one| one.latency.quantile(0.99)),
            cpu_us_per_payment: of(&|one| one.each(one.used.cpu_us)),
            payments_per_signature: of(&|one| one.payments as f64 / one.used.signatures.max(1) as f64),
            syncs: of(&|one| one.used.syncs as f64),
            disk_bytes_per_payment: of(&|one| one.each(one.used.disk_bytes)),
            wire_bytes_per_payment: of(&|one| one.each(one.used.wire_bytes)),
            peak_rss_mib: of(&|one| one.used.peak_rss_kib as f64 / 1_024.0),
            bare_ratio: (!bare.is_empty()).then(|| median(ratios)),
        }
    }
}

/// Prints the figures, with the spread of the speed over the rounds and what each scenario has to reach.
pub(super) fn print(rows: &[Row], all: &[Series]) {
    println!(
        "| scenario | payments/s | p50 us | p99 us | CPU us | payments/signature | syncs | disk B | wire B | peak MiB | of bare |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    for row in rows {
        let ratio = row.bare_ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        println!(
            "| {} | {:.0} | {:.0} | {:.0} | {:.2} | {:.1} | {:.0} | {:.0} | {:.0} | {:.0} | {ratio} |",
            row.scenario,
            row.payments_per_second,
            row.p50_us,
            row.p99_us,
            row.cpu_us_per_payment,
            row.payments_per_signature,
            row.syncs,
            row.disk_bytes_per_payment,
            row.wire_bytes_per_payment,
            row.peak_rss_mib,
        );
    }
    println!("\n| scenario | slowest to fastest round | bare | target |\n|---|---:|---:|---|");
    for series in all {
        let target = target(&series.scenario);
        let name = series.scenario.name;
        println!("| {name} | {} | {} | {target} |", spread(&series.product), spread(&series.bare));
    }
}

fn spread(measured: &[Measured]) -> String {
    let speeds = || measured.iter().map(|one| one.per_second);
    if measured.is_empty() {
        return String::new();
    }
    format!("{:.0} to {:.0}", speeds().fold(f64::MAX, f64::min), speeds().fold(0.0, f64::max))
}

fn target(scenario: &Scenario) -> String {
    match scenario.target {
        Target::Rate(rate) => format!("{rate} payments/s"),
        Target::RateWithin(rate, micros) => format!("{rate} payments/s, p50 within {micros} us"),
        Target::Latency(micros) => format!("p50 within {micros} us"),
        Target::OfStream(share) => format!("{share} of stream"),
    }
}
