//! The gas report plays all its scenarios, and its sums add up.

use strait_chain::gas::{GasRow, gas_report};

fn gas_of(rows: &[GasRow], name: &str) -> u64 {
    rows.iter().find(|row| row.name == name).unwrap_or_else(|| panic!("no row '{name}'")).gas
}

#[test]
fn the_report_is_complete_and_repeatable() {
    let rows = gas_report().expect("all scenarios can be played");
    for row in &rows {
        println!("{:<40} {:>9} gas {:>6} bytes", row.name, row.gas, row.calldata_bytes);
        assert!(row.gas > 21_000 && row.calldata_bytes >= 4, "{row:?}");
    }
    let gas = |name| gas_of(&rows, name);
    assert_eq!(
        gas("open to close, two deposits"),
        gas("deposit, first") + gas("deposit, second") + gas("close, both paid")
    );
    assert!(gas("20 deposits in one call") < 20 * gas("deposit, first"));
    assert_eq!(gas_report().expect("again"), rows);
}
