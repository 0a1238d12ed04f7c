//! `strait node` processes on anvil, killed with SIGKILL in every phase of a channel's life, while the chain takes blocks back:
//! nothing acknowledged is lost or doubled, nobody signs two states of one version, every channel is paid out to the wei.

#[path = "../../../chain/tests/rpc/anvil.rs"]
mod anvil;
mod away;
mod books;
mod chain;
mod cheat;
mod party;
mod payers;
mod session;
mod tower;
mod wire;

use session::{Counts, Session};

/// Kills of one session; a campaign has many.
const KILLS: u64 = 50;

/// One session. `STRAIT_KILL_SEED` runs another one, `STRAIT_KILL_RESULT` names a file for what happened.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_by_fifty_kills_on_anvil() {
    let seed = std::env::var("STRAIT_KILL_SEED").ok().map_or(1, |text| text.parse().expect("a number"));
    println!("seed {seed}; again: cargo xtask campaign kill --seed {seed}");
    let counts: Counts = Session::start(seed, KILLS).await.run().await;
    println!("{counts:?}");
    if let Some(path) = std::env::var_os("STRAIT_KILL_RESULT") {
        let text = serde_json::to_string(&counts).expect("JSON");
        std::fs::write(path, text).expect("the result is written");
    }
}
