//! `strait app show`, `move` and `claim`.

use super::fields;
use super::reasons;
use super::state::pairs;
use crate::context::Context;
use crate::failure::Failure;
use crate::text::short;
use clap::Args;
use serde_json::{Value, json};
use strait_api::{AppInfo, AppMove, AppPosition, ChannelRef};
use strait_app::Fields;
use strait_types::{Bytes, ChannelId};

/// A participant, as an argument.
pub(super) fn side(text: &str) -> Result<u8, String> {
    text.parse().ok().filter(|side| *side < 2).ok_or_else(|| "a side is 0 or 1".to_owned())
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait app show 0x1a2b\n  strait app show 0x1a2b --fields \"uint128 stake, uint8 sticks\""
)]
pub(super) struct ShowArgs {
    /// Its id, or the first digits.
    channel: String,
    /// Types and names of the app data's fields.
    #[arg(long, default_value = "", value_parser = fields, hide_default_value = true)]
    fields: Fields,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait app move 0x1a2b '[1000, 18]' --fields \"uint128 stake, uint8 sticks\"\n  strait app move 0x1a2b 0x00..12 --writer 0\n\nIt answers when the peer has countersigned, or, in a dispute, when the chain has recorded it. Neither amounts nor turn\nneed to be given where the other side is next and no money moves."
)]
pub(super) struct MoveArgs {
    /// Its id, or the first digits.
    channel: String,
    /// The app data after the move: values in JSON, or hexadecimal.
    data: String,
    /// Types and names of the app data's fields.
    #[arg(long, default_value = "", value_parser = fields, hide_default_value = true)]
    fields: Fields,
    /// Who moves next [default: the peer].
    #[arg(long, value_parser = side)]
    writer: Option<u8>,
    /// What participant 0 has gained so far, in the smallest unit, and participant 1 lost; once per asset [default: as
    /// before].
    #[arg(long, value_name = "UNITS", allow_negative_numbers = true)]
    gain: Vec<i128>,
    /// Makes a repetition move no second time.
    #[arg(long)]
    key: Option<String>,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  strait app claim 0x1a2b\n\nThe node shows the chain the newest state; then each move has one challenge period. The node must run until the end."
)]
pub(super) struct ClaimArgs {
    /// Its id, or the first digits.
    channel: String,
}

pub(super) async fn look(context: &Context, channel: ChannelId) -> Result<AppInfo, Failure> {
    Ok(context.api.app_show(ChannelRef { channel }).await?)
}

/// The same JSON, with a position's data by their names beside them.
pub(super) fn with_fields(mut value: Value, position: &AppPosition, fields: &Fields) -> Value {
    if let Some(named) = fields.named(&position.data) {
        value["position"]["fields"] = named;
    }
    value
}

pub(super) async fn show(context: &Context, args: &ShowArgs) -> Result<(), Failure> {
    let channel = context.channel(&args.channel).await?;
    let info = look(context, channel.channel).await?;
    let assets = context.assets().await?;
    let value = with_fields(json!(info), &info.position, &args.fields);
    context.out.result(&value, |out| out.pairs(&pairs(&info, &channel, assets, &args.fields)))
}

pub(super) async fn make(context: &Context, args: &MoveArgs) -> Result<(), Failure> {
    let info = look(context, context.channel(&args.channel).await?.channel).await?;
    let data = args.fields.encode(&args.data).map_err(Failure::usage)?;
    let next = AppPosition {
        writer: args.writer.unwrap_or(1 - info.side.min(1)),
        deltas: if args.gain.is_empty() { info.position.deltas } else { deltas(&args.gain)? },
        data: Bytes::from(data),
    };
    let line = context.out.wait("waiting for the peer");
    let request = AppMove { channel: info.channel, next, idempotency_key: args.key.clone() };
    let moved =
        context.api.app_move(request).await.map_err(|error| reasons::named(context, info.app, error))?;
    drop(line);
    context.out.result(&moved, |_| format!("moved: version {}", moved.version))
}

pub(super) async fn claim(context: &Context, args: &ClaimArgs) -> Result<(), Failure> {
    let channel = context.channel(&args.channel).await?.channel;
    let done = context.api.app_claim(ChannelRef { channel }).await?;
    context.out.result(&done, |_| format!("{} goes to the chain; keep the node running", short(channel)))
}

fn deltas(gains: &[i128]) -> Result<Vec<[String; 2]>, Failure> {
    let pair = |gain: &i128| {
        let lost = gain.checked_neg().ok_or_else(|| Failure::usage("the amount is too large"))?;
        Ok([gain.to_string(), lost.to_string()])
    };
    gains.iter().map(pair).collect()
}
