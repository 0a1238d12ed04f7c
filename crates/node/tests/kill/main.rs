//! Real processes, killed with SIGKILL at random moments of a stream in both directions: afterwards both agree on
//! version, balances and history, and whatever was acknowledged to a caller stands in the bill, once.
//!
//! The test starts itself again as the two nodes; see `child`.

mod child;
mod parent;

use parent::Session;

/// Five sessions of ten kills each. `STRAIT_KILL_SEED` and `STRAIT_KILLS` run another one.
#[test]
fn nothing_acknowledged_is_lost_or_doubled_by_fifty_kills() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (seeds, kills) = match (number("STRAIT_KILL_SEED"), number("STRAIT_KILLS")) {
        (None, None) => ((1..=5).collect::<Vec<_>>(), 10),
        (seed, kills) => (vec![seed.unwrap_or(1)], kills.unwrap_or(10)),
    };
    for seed in seeds {
        println!("seed {seed}, {kills} kills; again: STRAIT_KILL_SEED={seed} STRAIT_KILLS={kills}");
        let mut session = Session::start(seed);
        for _ in 0..kills {
            session.kill_one();
        }
        session.stop_and_check();
    }
}

/// Not a test: what the processes run. Does nothing unless it was started by a session.
#[test]
fn child_process() {
    if let Some(config) = child::Config::from_environment() {
        child::run(&config);
    }
}
