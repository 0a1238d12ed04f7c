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
use strait_protocol::Record;
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
    let verified = proof::verify(&whole).map_err(|failure| unproven(failure, &whole.records))?;
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

/// Nobody is to be asked for it again where the chain itself made a version.
fn unproven(failure: Failure, records: &[Bytes]) -> Failure {
    let is_forced = |bytes: &Bytes| matches!(Record::decode(bytes), Ok(Record::Forced(_)));
    if !records.iter().any(is_forced) {
        return failure;
    }
    failure.hint("no file proves this game: the chain recorded moves that the other side never signed, and its events prove those; `strait history` lists all that was played and what came of it")
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
    fn a_move_that_the_chain_recorded_is_named_and_nobody_is_asked_again() {
        let failure = || Failure::not_proven("record 1: by the chain").hint("ask for the bill again");
        let state = strait_types::State::zero(strait_types::ChannelId(strait_types::B256::ZERO), 1);
        let forced = borsh::to_vec(&Record::Forced(Box::new(state))).expect("bytes");
        let told = unproven(failure(), &[forced.into()]).render(false, false);
        assert!(told.contains("the chain recorded moves") && !told.contains("ask for"), "{told}");
        assert!(unproven(failure(), &[]).render(false, false).contains("ask for the bill again"));
    }

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
