//! `strait history export`.

use super::lines::file_name;
use super::proof;
use crate::context::Context;
use crate::failure::Failure;
use crate::text::short;
use clap::Args;
use serde_json::json;
use std::fs;
use std::path::PathBuf;
use strait_api::HistoryQuery;
use strait_types::Bytes;

/// Records of one page.
const PAGE: u32 = 5_000;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait history export 0x1a2b --proof bill.json\n  strait history export 0x1a2b\n\n`strait history verify FILE` checks it anywhere, without a node."
)]
pub(super) struct ExportArgs {
    /// The channel's id, or the first digits.
    channel: String,
    /// The file to write; it must not exist yet [default: bill-CHANNEL.json].
    #[arg(long, value_name = "FILE")]
    proof: Option<PathBuf>,
}

pub(super) async fn run(context: &Context, args: ExportArgs) -> Result<(), Failure> {
    let channel = context.channel(&args.channel).await?;
    let path = args.proof.unwrap_or_else(|| PathBuf::from(file_name(&channel)));
    let name = path.display().to_string();
    if path.exists() {
        return Err(
            Failure::usage(format!("{name} exists already")).hint("give another name, or remove it first")
        );
    }
    let line = context.out.wait("collecting the bill");
    let mut query = HistoryQuery { channel: channel.channel, cursor: None, limit: Some(PAGE) };
    let mut whole = context.api.history_proof(query.clone()).await?;
    while let Some(next) = whole.next.take() {
        line.say(format!("collecting the bill: {} records", whole.records.len()));
        query.cursor = Some(next);
        let page = context.api.history_proof(query.clone()).await?;
        append(&mut whole.records, page.records);
        (whole.latest, whole.next) = (page.latest, page.next);
    }
    drop(line);
    // What cannot be verified is not worth keeping; better to know it now.
    let verified = proof::verify(&whole)?;
    let text = serde_json::to_string(&whole).map_err(Failure::local)?;
    fs::write(&path, text).map_err(|error| Failure::local(format!("{name} cannot be written: {error}")))?;
    let result = json!({"file": name, "records": whole.records.len(), "version": verified.version});
    context.out.result(&result, |_| {
        format!(
            "the bill of {} up to version {} is in {name}; it holds, and `strait history verify {name}` checks it anywhere",
            short(channel.channel),
            verified.version
        )
    })
}

/// A page begins before the oldest version that was not yet agreed at the end of the page before, and so may repeat
/// some of its records.
fn append(records: &mut Vec<Bytes>, page: Vec<Bytes>) {
    let longest = records.len().min(page.len());
    let repeated = (0..=longest).rev().find(|count| records[records.len() - count..] == page[..*count]);
    records.extend(page.into_iter().skip(repeated.unwrap_or(0)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_page_repeats_is_taken_once() {
        let bytes = |numbers: &[u8]| numbers.iter().map(|n| Bytes::from(vec![*n])).collect::<Vec<_>>();
        for (page, whole) in [
            (&[4, 5][..], &[1, 2, 3, 4, 5][..]),
            (&[2, 3, 4], &[1, 2, 3, 4]),
            (&[3], &[1, 2, 3]),
            (&[], &[1, 2, 3]),
        ] {
            let mut records = bytes(&[1, 2, 3]);
            append(&mut records, bytes(page));
            assert_eq!(records, bytes(whole), "{page:?}");
        }
    }
}
