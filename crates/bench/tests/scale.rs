//! `bench scale` in small: it measures and draws everything, and what payments leave behind has its bound.

use serde_json::Value;
use std::process::Command;

fn numbers(row: &Value) -> Vec<(&String, f64)> {
    let fields = row.as_object().expect("an object").iter();
    fields.filter_map(|(name, value)| Some((name, value.as_f64()?))).collect()
}

#[test]
fn many_channels_are_measured_and_drawn() {
    let directory = tempfile::tempdir().expect("a directory");
    let [figures, data] = ["figures.json", "data"].map(|name| directory.path().join(name));
    let status = Command::new(env!("CARGO_BIN_EXE_strait-bench"))
        .args(["scale", "--channels", "20,60", "--small", "20", "--peers", "4", "--payments", "2000"])
        .args(["--rounds", "1", "--json"])
        .arg(&figures)
        .arg("--svg")
        .arg(directory.path())
        .arg("--directory")
        .arg(data)
        .status()
        .expect("starts");
    assert!(status.success());
    let report: Value =
        serde_json::from_str(&std::fs::read_to_string(figures).expect("written")).expect("JSON");
    let rows = |name: &str| report[name].as_array().expect("a list").clone();
    let channels: Vec<_> = rows("sizes").iter().map(|row| row["channels"].as_u64()).collect();
    assert_eq!(channels, [Some(20), Some(60)]);
    let payments: Vec<_> = rows("payments").iter().map(|row| row["payments"].as_u64()).collect();
    assert_eq!(payments, [Some(20), Some(200), Some(2_000)]);
    for row in rows("sizes").iter().chain(&rows("payments")) {
        for (name, figure) in numbers(row) {
            assert!(figure.is_finite() && figure >= 0.0, "{name}: {figure}");
        }
    }
    // One payment of each channel was made when it was opened.
    assert_eq!(report["history"]["payments"], 2_020);
    let bytes = report["history"]["bytes_per_payment"].as_f64().expect("a number");
    assert!(bytes <= 80.0, "{bytes} bytes of history for a payment");
    for drawing in ["scale-channels.svg", "scale-payments.svg"] {
        let text = std::fs::read_to_string(directory.path().join(drawing)).expect("drawn");
        assert!(text.starts_with("<svg") && text.contains("CPU of a payment"), "{drawing}");
    }
}
