//! The figures as drawings.

use super::report::Report;
use anyhow::{Result, anyhow};
use plotters::prelude::*;
use std::path::Path;

const SIZE: (u32, u32) = (720, 420);

/// A line of the drawing: its name and its points.
type Line<'a> = (&'a str, RGBColor, Vec<(f64, f64)>);

/// Draws cost against channels and against payments.
pub(super) fn draw(report: &Report, directory: &Path) -> Result<()> {
    let sizes = &report.sizes;
    let by_channels: [Line<'_>; 2] = [
        ("CPU of a payment", BLUE, sizes.iter().map(|at| (at.channels as f64, at.cost_growth)).collect()),
        (
            "memory of a channel",
            RED,
            sizes.iter().map(|at| (at.channels as f64, at.bytes_per_channel)).collect(),
        ),
    ];
    one(&directory.join("scale-channels.svg"), "channels", &by_channels)?;
    let steps = &report.payments;
    let by_payments: [Line<'_>; 2] = [
        (
            "CPU of a payment",
            BLUE,
            steps.iter().map(|at| (at.payments as f64, at.cpu_us_per_payment)).collect(),
        ),
        ("memory of the node", RED, steps.iter().map(|at| (at.payments as f64, at.rss_mib)).collect()),
    ];
    one(&directory.join("scale-payments.svg"), "payments", &by_payments)
}

/// Each line is relative to its first point, so that lines of several units share a drawing.
fn one(file: &Path, against: &str, lines: &[Line<'_>]) -> Result<()> {
    let failed = |error: &dyn std::fmt::Display| anyhow!("{} can't be drawn: {error}", file.display());
    let relative: Vec<_> = lines
        .iter()
        .map(|(name, colour, points)| {
            let first = points.first().map_or(1.0, |point| point.1);
            (*name, *colour, first, points.iter().map(|(x, y)| (*x, y / first)).collect::<Vec<_>>())
        })
        .collect();
    let points = || relative.iter().flat_map(|line| &line.3);
    let least = points().map(|point| point.0).fold(f64::MAX, f64::min);
    let most = points().map(|point| point.0).fold(least + 1.0, f64::max);
    let highest = points().map(|point| point.1).fold(1.5, f64::max) * 1.1;
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE).map_err(|error| failed(&error))?;
    let mut chart = ChartBuilder::on(&root)
        .caption(format!("Cost against {against}, as a multiple of the first"), ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(50)
        .build_cartesian_2d((least..most).log_scale(), 0.0..highest)
        .map_err(|error| failed(&error))?;
    chart.configure_mesh().x_desc(against).draw().map_err(|error| failed(&error))?;
    for (name, colour, first, points) in relative {
        let dots = points.iter().map(|point| Circle::new(*point, 3, colour.filled()));
        chart.draw_series(dots).map_err(|error| failed(&error))?;
        chart
            .draw_series(LineSeries::new(points.clone(), &colour))
            .map_err(|error| failed(&error))?
            .label(format!("{name}, 1 = {first:.1}"))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE)
        .border_style(BLACK)
        .draw()
        .map_err(|error| failed(&error))?;
    root.present().map_err(|error| failed(&error))
}
