//! `strait app show`, `move` and `claim`.

use super::fields;
use super::finish::told;
use super::names;
use super::state::pairs;
use crate::amount::{Among, Assets};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::confirm;
use crate::text::{duration, short, time};
use clap::Args;
use serde_json::{Value, json};
use strait_api::{AppInfo, AppMove, AppPosition, ChannelInfo, ChannelRef, Link, Nothing, Phase};
use strait_app::Fields;
use strait_types::{Address, Bytes, ChannelId};

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
    after_help = "Examples:\n  strait app move 0x1a2b '[1000, 18]' --fields \"uint128 stake, uint8 sticks\"\n  strait app move 0x1a2b 0x00..12 --writer 0 --gain \"-0.5 ether\"\n\nIt answers when the peer has countersigned, or, in a dispute, when the chain has recorded it, however long that takes; Ctrl-C ends the waiting, not a move that is signed. Neither amounts nor turn need to be given where the other side is next and no money moves."
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
    /// What participant 0 has gained so far, and participant 1 lost, such as "0.5 ether", "-0.5 ether" or "0 ether"; once per
    /// asset [default: as before].
    #[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
    gain: Vec<String>,
    /// Moves even if the app would then give this node more than the peer has put in, which is all that is ever paid.
    #[arg(long)]
    accept_less: bool,
    /// Makes a repetition move no second time.
    #[arg(long)]
    key: Option<String>,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait app claim 0x1a2b\n  strait app claim 0x1a2b --yes    # on this node's own turn, too\n\nThe node shows the chain the newest state; then each move has one challenge period. The node must run until the end. On the own turn it is refused while the peer is there to move with, and else asks first: the clock runs against this node."
)]
pub(super) struct ClaimArgs {
    /// Its id, or the first digits.
    channel: String,
    /// Does not ask first.
    #[arg(long, short)]
    yes: bool,
}

pub(super) async fn look(context: &Context, channel: ChannelId) -> Result<AppInfo, Failure> {
    Ok(context.api.app_show(ChannelRef { channel }).await?)
}

/// The same JSON, with a position's data by their names beside them.
pub(crate) fn with_fields(mut value: Value, position: &AppPosition, fields: &Fields) -> Value {
    if let Some(named) = fields.named(&position.data) {
        value["position"]["fields"] = named;
    }
    value
}

pub(super) async fn show(context: &Context, args: &ShowArgs) -> Result<(), Failure> {
    let channel = context.channel(&args.channel).await?;
    let info = look(context, channel.channel).await?;
    let assets = context.assets().await?;
    let fields = names::fields(context, Some(info.app), &args.fields);
    let value = with_fields(json!(info), &info.position, &fields);
    context.out.result(&value, |out| out.pairs(&pairs(&info, &channel, assets, &fields)))
}

pub(super) async fn make(context: &Context, args: &MoveArgs) -> Result<(), Failure> {
    let channel = context.channel(&args.channel).await?;
    let info = look(context, channel.channel).await?;
    let deltas = deltas(&args.gain, info.position.deltas.clone(), &channel, context.assets().await?)?;
    let fields = names::fields(context, Some(info.app), &args.fields);
    let data = fields.encode(&args.data).map_err(Failure::usage)?;
    if let Some(when) = by_the_chain(&info, &channel) {
        context.out.note(&when);
    }
    let next =
        AppPosition { writer: args.writer.unwrap_or(1 - info.side.min(1)), deltas, data: Bytes::from(data) };
    // One of its own where none is given: a move may outlive many requests.
    let key = args.key.clone().map_or_else(|| super::commit::random().map(|key| key.to_string()), Ok)?;
    let line = context.out.wait("waiting for the peer");
    let request =
        AppMove { channel: info.channel, next, accept_less: args.accept_less, idempotency_key: Some(key) };
    let moved = super::patient::play(context, request).await;
    let moved = moved.map_err(|error| {
        let failure = names::named(context, info.app, error);
        if args.key.is_some() { failure.repeatable(args.key.as_deref()) } else { failure }
    })?;
    drop(line);
    context.out.result(&moved, |_| format!("moved: version {}", moved.version))
}

/// How a move is made while the chain has the game.
fn by_the_chain(info: &AppInfo, channel: &ChannelInfo) -> Option<String> {
    let dispute = channel.dispute.as_ref().filter(|_| info.our_turn)?;
    // Before the first period is over it takes no move.
    let brought = if info.deadline.is_some_and(|last| last > dispute.deadline) {
        format!(
            "at {} of chain time, when the period is over in which states can be shown",
            time(dispute.deadline)
        )
    } else {
        "with the next blocks".to_owned()
    };
    Some(format!(
        "the chain has the game: the move is signed now, and the node brings it {brought}; keep the node running\nCtrl-C ends the waiting, not the move"
    ))
}

pub(super) async fn claim(context: &Context, args: &ClaimArgs) -> Result<(), Failure> {
    let info = context.channel(&args.channel).await?;
    let channel = info.channel;
    let play = look(context, channel).await?;
    if let Some(claimed) = claimed_already(&play, &info) {
        return context.out.result(&Nothing {}, |_| claimed);
    }
    let warning = own_turn(context, &play, &info).await?;
    if let Some(warning) = &warning {
        if args.yes {
            context.out.note(warning);
        } else {
            confirm(&format!("{warning}\nGo to the chain? [y/N] "), "a claim on this node's own turn")?;
        }
    }
    let done = context.api.app_claim(ChannelRef { channel }).await?;
    let period = duration(info.challenge_duration.into());
    let next = match warning {
        Some(_) => {
            format!("then this node has another {period} to move: strait app move {} DATA", short(channel))
        }
        None => format!("then whoever is to move has another {period}"),
    };
    context.out.result(&done, |_| {
        format!(
            "{} goes to the chain: for {period} of chain time newer states can be shown, {next}; keep the node running",
            short(channel)
        )
    })
}

/// That the chain has the game, or is about to, and until when the next move may be made.
fn claimed_already(play: &AppInfo, channel: &ChannelInfo) -> Option<String> {
    let id = short(channel.channel);
    if channel.phase == Phase::Open && channel.is_dispute_ordered {
        return Some(format!("{id} is on its way to the chain already; `strait app show {id}` tells more"));
    }
    if channel.phase != Phase::Disputed {
        return None;
    }
    let until = play.deadline.or(channel.dispute.as_ref().map(|dispute| dispute.deadline));
    let until = until.map(|until| format!(", until {} of chain time, or the app judges", time(until)));
    let until = until.unwrap_or_default();
    Some(if play.our_turn {
        format!("the chain has {id} already: it is this node's turn{until}: strait app move {id} DATA")
    } else {
        format!("the chain has {id} already: it is the peer's turn{until}; keep the node running")
    })
}

/// What a claim on one's own turn means, where the node makes one: the peer is not there to move with.
async fn own_turn(
    context: &Context,
    play: &AppInfo,
    channel: &ChannelInfo,
) -> Result<Option<String>, Failure> {
    if !play.our_turn || play.is_over || channel.phase != Phase::Open || channel.link == Link::Up {
        return Ok(None);
    }
    let assets = context.assets().await?;
    let node = context.api.node_info(Nothing {}).await?;
    let head =
        node.chains.iter().find(|chain| chain.chain_id == channel.chain_id).map(|chain| chain.head_time);
    let periods = u64::from(channel.challenge_duration).saturating_mul(2);
    let until = head.map(|head| format!(" (until {} or somewhat later)", time(head.saturating_add(periods))));
    let judged = play.verdict.as_ref().map(|verdict| format!(": {}", told(verdict, channel, assets)));
    Ok(Some(format!(
        "it is this node's turn, not the peer's: on the chain it has to move within {} of chain time{}, else the app judges{}\nWithout the chain it can move as soon as the peer is back; `strait app move` asks for it",
        duration(periods),
        until.unwrap_or_default(),
        judged.unwrap_or_default()
    )))
}

/// The gains so far with those that are named; of every other asset they stay.
fn deltas(
    gains: &[String],
    mut deltas: Vec<[String; 2]>,
    channel: &ChannelInfo,
    assets: &Assets,
) -> Result<Vec<[String; 2]>, Failure> {
    let mut named = Vec::new();
    for text in gains {
        let (asset, gain) = read_gain(text, channel, assets)?;
        let index = channel.balances.iter().position(|balance| balance.asset == asset);
        let place = index.filter(|index| !named.contains(index));
        let place = place.and_then(|index| Some((index, deltas.get_mut(index)?)));
        let (index, pair) =
            place.ok_or_else(|| Failure::usage(format!("'{text}': name each asset of the channel once")))?;
        *pair = [gain.to_string(), gain.saturating_neg().to_string()];
        named.push(index);
    }
    Ok(deltas)
}

/// An amount as people write it, that may be negative or nothing.
fn read_gain(text: &str, channel: &ChannelInfo, assets: &Assets) -> Result<(Address, i128), Failure> {
    let among = Among::channel(channel);
    let text = text.trim();
    let (sign, amount) = text.strip_prefix('-').map_or((1, text), |amount| (-1, amount));
    let unit = amount.trim_start_matches(['0', '.']);
    if unit.len() < amount.len() && !unit.starts_with(|c: char| c.is_ascii_digit()) {
        return Ok((assets.read(&format!("1 {}", unit.trim()), &among)?.asset, 0));
    }
    let read = assets.read(amount, &among)?;
    Ok((read.asset, read.amount.signed().saturating_mul(sign)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fake, channel_info};
    use serde_json::json;

    /// A game in which this node stands to lose 1,000 wei if it does not move.
    fn game(our_turn: bool, change: impl Fn(&mut ChannelInfo) + Send + Sync + 'static) -> Fake {
        let info = channel_info(0xab);
        let play = json!({"channel": info.channel, "app": Address::repeat_byte(7), "side": 0, "version": 3, "stakes": [],
            "position": {"writer": u8::from(!our_turn), "deltas": [["0", "0"]], "data": "0x"}, "our_turn": our_turn,
            "in_flight": false, "deadline": null, "offer": null, "verdict": [["-1000", "1000"], ["0", "0"]]});
        Fake::new(false)
            .on("strait_app_claim", |_| Ok(json!({})))
            .on("strait_app_show", move |_| Ok(play.clone()))
            .on("strait_channel_show", move |_| {
                let mut info = channel_info(0xab);
                change(&mut info);
                Ok(json!(info))
            })
    }

    fn claim_args(yes: bool) -> ClaimArgs {
        ClaimArgs { channel: channel_info(0xab).channel.to_string(), yes }
    }

    #[tokio::test]
    async fn the_clock_is_not_set_running_against_oneself_unasked() {
        let away = |info: &mut ChannelInfo| info.link = Link::Down;
        let (context, seen) = game(true, away).start();
        let failure = claim(&context, &claim_args(false)).await.expect_err("nobody to ask");
        assert!(failure.to_string().contains("own turn"), "{failure}");
        assert!(seen.asked("strait_app_claim").is_empty());
        let info = channel_info(0xab);
        let play = look(&context, info.channel).await.expect("a game");
        let mut gone = info.clone();
        away(&mut gone);
        let warning = own_turn(&context, &play, &gone).await.expect("known").expect("a warning");
        // Two days after the chain's head.
        for part in [
            "this node's turn",
            "within 48h",
            "until 2023-11-16T22:13:20Z",
            "the peer gains 0.000000000000001 ETH",
        ] {
            assert!(warning.contains(part), "{part} is missing in {warning}");
        }
        claim(&context, &claim_args(true)).await.expect("claimed");
        assert!(
            seen.text().contains("this node has another 24h to move: strait app move 0xabababab"),
            "{}",
            seen.text()
        );
        // What the peer has to do needs no question, and with the peer there the node refuses by itself.
        for (our_turn, link) in [(false, Link::Down), (true, Link::Up)] {
            let (context, seen) = game(our_turn, move |info| info.link = link).start();
            claim(&context, &claim_args(false)).await.expect("asked for");
            assert_eq!(seen.asked("strait_app_claim").len(), 1);
        }
    }

    #[tokio::test]
    async fn a_second_claim_says_until_when_the_first_one_runs() {
        let disputed = |info: &mut ChannelInfo| {
            info.phase = Phase::Disputed;
            let dispute =
                json!({"recorded": 3, "deadline": 1_700_000_000, "is_ours": true, "is_answered": true});
            info.dispute = serde_json::from_value(dispute).expect("a dispute");
        };
        for (our_turn, part) in [
            (false, "already: it is the peer's turn, until 2023-11-14T22:13:20Z"),
            (
                true,
                "already: it is this node's turn, until 2023-11-14T22:13:20Z of chain time, or the app judges: strait app move",
            ),
        ] {
            let (context, seen) = game(our_turn, disputed).start();
            claim(&context, &claim_args(false)).await.expect("it is so");
            assert!(seen.text().contains(part), "{}", seen.text());
            assert!(seen.asked("strait_app_claim").is_empty());
        }
        let (context, seen) = game(false, |info| info.is_dispute_ordered = true).start();
        claim(&context, &claim_args(false)).await.expect("it is so");
        assert!(seen.text().contains("on its way to the chain already"), "{}", seen.text());
    }

    #[tokio::test]
    async fn gains_are_written_as_people_write_amounts() {
        let context = Fake::new(false).context();
        let assets = context.assets().await.expect("assets");
        let channel = channel_info(0xab);
        let so_far = || vec![["5".to_owned(), "-5".to_owned()], ["7".to_owned(), "-7".to_owned()]];
        let told = |gains: &[&str]| {
            let gains: Vec<String> = gains.iter().map(|gain| (*gain).to_owned()).collect();
            deltas(&gains, so_far(), &channel, assets)
        };
        let first = |gains: &[&str]| told(gains).expect("read")[0][0].clone();
        assert_eq!(told(&[]).expect("as before"), so_far());
        assert_eq!(first(&["0.5 ether"]), "500000000000000000");
        assert_eq!(first(&["-0.5 ether"]), "-500000000000000000");
        assert_eq!(first(&["0.50eth"]), "500000000000000000");
        assert_eq!(first(&["0 ether"]), "0");
        assert_eq!(first(&["-3 wei"]), "-3");
        let both = told(&["-12.5 USDC", "1 wei"]).expect("read");
        assert_eq!(
            both,
            [["1".to_owned(), "-1".to_owned()], ["-12500000".to_owned(), "12500000".to_owned()]]
        );
        for wrong in [&["5"][..], &["1 DAI"], &["0"], &["--1 ether"], &["1 ether", "2 ether"], &["ether"]] {
            assert!(told(wrong).is_err(), "{wrong:?}");
        }
    }
}
