//! Every scenario runs, with and without product code, and gives every figure.

use std::process::Command;

const FIELDS: [&str; 11] = [
    "scenario",
    "payments_per_second",
    "p50_us",
    "p99_us",
    "cpu_us_per_payment",
    "payments_per_signature",
    "syncs",
    "disk_bytes_per_payment",
    "wire_bytes_per_payment",
    "peak_rss_mib",
    "bare_ratio",
];

const SCENARIOS: [&str; 9] = [
    "stream",
    "stream_2ms",
    "versions",
    "sequential",
    "channels_1000",
    "duplex",
    "api_pay",
    "api_many",
    "locks",
];

#[test]
fn every_scenario_gives_every_figure() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("figures.json");
    let status = Command::new(env!("CARGO_BIN_EXE_strait-bench"))
        .args(["--seconds", "0.1", "--rounds", "1", "--json"])
        .arg(&file)
        .arg("--directory")
        .arg(directory.path().join("data"))
        .status()
        .expect("starts");
    assert!(status.success());
    let text = std::fs::read_to_string(file).expect("written");
    let rows: Vec<serde_json::Map<String, serde_json::Value>> =
        serde_json::from_str(&text).expect("a list of objects");
    let names: Vec<_> = rows.iter().map(|row| row["scenario"].as_str().expect("a name")).collect();
    assert_eq!(names, SCENARIOS);
    for row in &rows {
        let fields: Vec<_> = row.keys().map(String::as_str).collect();
        let (mut found, mut wanted) = (fields, FIELDS.to_vec());
        found.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(found, wanted);
        for field in FIELDS.iter().filter(|field| **field != "scenario") {
            let figure = row[*field].as_f64().expect("a number");
            assert!(figure > 0.0, "{field} of {}: {figure}", row["scenario"]);
        }
    }
}
