//! `strait history verify`.

use super::proof::{self, Game, Verified};
use crate::amount::Assets;
use crate::failure::Failure;
use crate::output::Output;
use clap::Args;
use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use strait_api::HistoryProof;
use strait_types::Amount;

/// Largest file that is read, in bytes: bills come from strangers.
const MOST: u64 = 256 << 20;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait history verify bill.json\n  strait history verify bill.json --json | jq .totals\n\nExit code 0 when every record follows from the one before, every signature is right, and both have signed the end; 8 with the place when anything is not."
)]
pub(super) struct VerifyArgs {
    /// A file of `strait history export`.
    file: PathBuf,
}

pub(super) fn run(args: &VerifyArgs, out: &Output, assets: &Assets) -> Result<(), Failure> {
    let name = args.file.display();
    let unread = |why: String| {
        Failure::usage(format!("{name} cannot be read: {why}")).hint("give a file of `strait history export`")
    };
    let file = File::open(&args.file).map_err(|error| unread(error.to_string()))?;
    let mut text = String::new();
    let taken = file.take(MOST.saturating_add(1)).read_to_string(&mut text);
    if taken.map_err(|error| unread(error.to_string()))? as u64 > MOST {
        return Err(unread(format!("it is larger than {} MiB", MOST >> 20)));
    }
    let verified = proof::verify(&read(&text)?)?;
    out.result(&verified, |out| report(&verified, out, assets))
}

/// Reads the file; what the verification would not look at has no place in it.
fn read(text: &str) -> Result<HistoryProof, Failure> {
    let broken = |what: String| {
        Failure::not_proven(format!("the file is no bill: {what}"))
            .hint("give a file of `strait history export`, as it was written")
    };
    let value: Value = serde_json::from_str(text).map_err(|error| broken(error.to_string()))?;
    let proof: HistoryProof =
        serde_json::from_value(value.clone()).map_err(|error| broken(error.to_string()))?;
    let again = serde_json::to_value(&proof).map_err(Failure::local)?;
    if again == value {
        Ok(proof)
    } else {
        Err(broken("it holds more than a bill, or writes it otherwise".into()))
    }
}

fn report(verified: &Verified, out: &Output, assets: &Assets) -> String {
    let who = |side: usize| if side == usize::from(verified.side) { "exporter" } else { "peer" };
    let mut pairs = vec![
        ("channel", verified.channel.to_string()),
        ("chain", verified.chain_id.to_string()),
        ("adjudicator", verified.adjudicator.to_string()),
        ("version", verified.version.to_string()),
    ];
    for side in [0, 1] {
        pairs.push((who(side), verified.signers[side].to_string()));
    }
    if let Some(game) = &verified.game {
        return format!(
            "{HOLDS}\n\n{}{}",
            out.pairs(&played(pairs, game, verified, &who, assets)),
            notes(verified)
        );
    }
    // A proof has addresses alone: the names are those of this home's configuration.
    let rows = verified.totals.iter().flat_map(|total| {
        let write = |amount| assets.write(verified.chain_id, total.asset, amount);
        [0, 1].map(|side| {
            let mut row = vec![
                who(side).to_owned(),
                total.payments[side].to_string(),
                write(total.paid[side]),
                write(total.withdrawn[side]),
            ];
            if verified.pruned_through > 0 {
                let written = |change| signed(change, write);
                row.extend([written(&total.change_before[side]), written(&total.change[side])]);
            }
            row
        })
    });
    let mut heads = vec!["SIDE", "PAYMENTS", "PAID", "WITHDRAWN"];
    if verified.pruned_through > 0 {
        heads.extend(["AT THE BEGIN", "AT THE END"]);
    }
    let table = out.table(&heads, rows.collect::<Vec<_>>());
    format!("{HOLDS}\n\n{}\n\n{table}{}", out.pairs(&pairs), notes(verified))
}

/// A change against the deposits, with its sign.
fn signed(change: &str, write: impl Fn(Amount) -> String) -> String {
    let change: i128 = change.parse().unwrap_or_default();
    let amount = write(Amount::new(change.unsigned_abs()).unwrap_or(Amount::MAX));
    format!("{}{amount}", if change < 0 { "-" } else { "+" })
}

const HOLDS: &str = "the bill holds: every signature and hash is right";

/// What was played, and what came of it.
fn played(
    mut pairs: Vec<(&'static str, String)>,
    game: &Game,
    verified: &Verified,
    who: &impl Fn(usize) -> &'static str,
    assets: &Assets,
) -> Vec<(&'static str, String)> {
    pairs.push(("app", game.app.to_string()));
    pairs.push(("moves", game.moves.to_string()));
    let next = || format!("played on: the {} is to move", who(usize::from(game.writer)));
    pairs.push(("state", if game.is_over { "over, both have signed the end".into() } else { next() }));
    pairs.push(("last position", game.data.to_string()));
    for total in &verified.totals {
        for side in [0, 1] {
            let change: i128 = total.change[side].parse().unwrap_or_default();
            let amount = Amount::new(change.unsigned_abs()).unwrap_or(Amount::MAX);
            let how = if change < 0 { "loses" } else { "gains" };
            let written = assets.write(verified.chain_id, total.asset, amount);
            pairs.push((
                if game.is_over { "outcome" } else { "so far" },
                format!("the {} {how} {written}", who(side)),
            ));
        }
    }
    pairs
}

/// What the bill does not hold.
fn notes(verified: &Verified) -> String {
    let mut text = String::new();
    if verified.pruned_through > 0 {
        text.push_str(&format!(
            "\n\nit begins after version {}: the exporter's node has forgotten what was agreed before, whose payments are in no\nsum here. Begin and end are each side's balance against its deposits; the signatures on what follows cover both",
            verified.pruned_through
        ));
    }
    for [from, to] in &verified.gaps {
        text.push_str(&format!(
            "\n\nbetween versions {from} and {to} the items are missing, since the exporter's node was restored from a\nbackup; the balances after it are signed by both, and the peer's bill has the items"
        ));
    }
    text
}

#[cfg(test)]
mod tests;
