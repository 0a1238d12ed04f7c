//! `strait app finish`: an end on which both agree.

use super::play::look;
use crate::amount::{Among, Assets};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::confirm;
use crate::text::short;
use clap::Args;
use serde_json::json;
use strait_api::{AppFinish, AppInfo, Balance, ChannelInfo};
use strait_types::Amount;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait app finish 0x1a2b                         # as the app itself judges\n  strait app finish 0x1a2b --accept                # as the peer offers\n  strait app finish 0x1a2b --we-gain \"0.5 ether\"\n  strait app finish 0x1a2b --even --yes\n\nThe peer must ask for the same. It waits until then; Ctrl-C ends the waiting, not the proposal, which stands until the peer agrees or refuses, another one takes its place, or a move is made: the same command once more joins it. Before play has begun it gives both back what they have put in. Where this node loses, or would get less than the app gives it, it asks first. What gives the peer all that this node put in is agreed by the peer's node itself, at once. What both have agreed on is paid by the chain, or goes back into the channel that the app was opened in."
)]
pub(super) struct FinishArgs {
    /// Its id, or the first digits.
    channel: String,
    #[command(flatten)]
    wanted: WantedArgs,
    /// Does not ask first.
    #[arg(long, short)]
    yes: bool,
    /// Makes a repetition answer as the first one.
    #[arg(long)]
    key: Option<String>,
}

/// Which end; by default the one that the app itself gives.
#[derive(Args, Debug)]
struct WantedArgs {
    /// The end that the peer offers.
    #[arg(long, conflicts_with_all = ["we_gain", "we_lose", "even"])]
    accept: bool,
    /// What this node gains and the peer loses, such as "0.5 ether"; once per asset.
    #[arg(long, value_name = "AMOUNT")]
    we_gain: Vec<String>,
    /// What this node loses and the peer gains; once per asset.
    #[arg(long, value_name = "AMOUNT")]
    we_lose: Vec<String>,
    /// Nobody gains anything.
    #[arg(long, conflicts_with_all = ["we_gain", "we_lose"])]
    even: bool,
}

/// What participant 0 and 1 gain, per asset.
type Outcome = Vec<[String; 2]>;

pub(super) async fn run(context: &Context, args: FinishArgs) -> Result<(), Failure> {
    let info = context.channel(&args.channel).await?;
    let play = look(context, info.channel).await?;
    let assets = context.assets().await?;
    let outcome = args.wanted.outcome(&info, &play, assets)?;
    if !play.is_over && !is_empty(&info, &play) {
        propose(context, &args, &outcome, (&info, &play, assets))?;
    }
    let line = context.out.wait("waiting for the peer to ask for the same");
    let mut value = json!({ "outcome": &outcome });
    let request = AppFinish { channel: info.channel, outcome, idempotency_key: args.key };
    let agreed = super::patient::finish(context, request).await?;
    value["version"] = agreed.version.into();
    drop(line);
    context.out.result(&value, |_| match info.parent {
        // A version pays somebody.
        _ if agreed.version == 0 => "given up: nobody had put anything in".to_owned(),
        Some(parent) => format!("agreed; it goes back into the channel {}", short(parent)),
        None => "agreed; the chain pays it".to_owned(),
    })
}

/// Whether nobody has put anything in, so that the peer need not be asked.
fn is_empty(info: &ChannelInfo, play: &AppInfo) -> bool {
    let amounts = |of: &Balance| [of.deposited, of.peer_deposited, of.arriving, of.peer_arriving];
    play.version == 0 && info.balances.iter().flat_map(amounts).all(|amount| amount.is_zero())
}

/// Says what is proposed, and asks where this node loses or it is less than could be had.
fn propose(
    context: &Context,
    args: &FinishArgs,
    outcome: &Outcome,
    (info, play, assets): (&ChannelInfo, &AppInfo, &Assets),
) -> Result<(), Failure> {
    check_covered(outcome, info, assets)?;
    context.out.note(&format!(
        "proposes to end the app, in addition to what each put in: {}",
        told(outcome, info, assets)
    ));
    let doubts = doubts(&args.wanted, outcome, info, play, assets)?;
    let at_once = at_once(outcome, info, play)?;
    if let Some(doubt) = &doubts.asked {
        let doubt =
            at_once.map_or_else(|| doubt.clone(), |why| format!("{doubt}\n{why}: it is final at once"));
        if args.yes {
            context.out.note(&doubt);
        } else {
            let question = if at_once.is_some() { "End it so?" } else { "Propose it all the same?" };
            confirm(&format!("{doubt}\n{question} [y/N] "), doubts.what)?;
        }
    }
    doubts.told.iter().for_each(|doubt| context.out.note(doubt));
    match at_once {
        Some(_) if doubts.asked.is_some() => {}
        Some(why) => context.out.note(&format!("{why}: it is final at once")),
        None => context.out.note(&format!(
                "waits until the peer asks for the same: strait app finish {} --accept\nCtrl-C ends the waiting, not the proposal",
                short(info.channel)
            ),
        ),
    }
    Ok(())
}

/// Why the peer's user has no more word in it.
fn at_once(outcome: &Outcome, info: &ChannelInfo, play: &AppInfo) -> Result<Option<&'static str>, Failure> {
    if play.offer.as_ref() == Some(outcome) {
        return Ok(Some("the peer has offered the same"));
    }
    if play.version == 0 {
        let is_empty =
            info.balances.iter().all(|of| of.peer_deposited.is_zero() && of.peer_arriving.is_zero());
        return Ok(is_empty.then_some("the peer has put nothing in, so that its node agrees by itself"));
    }
    let ours = gains(outcome, info.side)?;
    let gives_all = ours.iter().zip(&info.balances).all(|(gain, of)| *gain == -of.deposited.signed());
    Ok(gives_all
        .then_some("this gives up all that this node put in, so that the peer's node agrees by itself"))
}

/// Nobody can lose more than it has put in.
fn check_covered(outcome: &Outcome, info: &ChannelInfo, assets: &Assets) -> Result<(), Failure> {
    let ours = gains(outcome, info.side)?;
    for (gain, balance) in ours.iter().zip(&info.balances) {
        let (who, there, lost) = if *gain > 0 {
            ("the peer has", balance.peer_deposited, *gain)
        } else {
            ("this node has", balance.deposited, gain.saturating_neg())
        };
        if lost > there.signed() {
            let there = assets.write(info.chain_id, balance.asset, there);
            return Err(Failure::usage(format!("{who} put in {there}, and can lose no more"))
                .hint("name an end within what both have put in: --we-gain, --we-lose or --even"));
        }
    }
    Ok(())
}

/// What a verdict comes to where more would be lost by it than is put in.
fn clipped(verdict: &Outcome, info: &ChannelInfo) -> Result<Outcome, Failure> {
    let ours = gains(verdict, info.side)?;
    let clip = |(gain, balance): (&i128, &Balance)| {
        let gain = (*gain).clamp(-balance.deposited.signed(), balance.peer_deposited.signed());
        by_participant(gain, info.side)
    };
    Ok(ours.iter().zip(&info.balances).map(clip).collect())
}

impl WantedArgs {
    fn is_named(&self) -> bool {
        self.accept || self.even || !self.we_gain.is_empty() || !self.we_lose.is_empty()
    }

    fn outcome(&self, info: &ChannelInfo, play: &AppInfo, assets: &Assets) -> Result<Outcome, Failure> {
        if self.accept {
            // The same command once more joins what is agreed.
            let agreed = play.verdict.as_ref().filter(|_| play.is_over);
            return play.offer.as_ref().or(agreed).cloned().ok_or_else(|| {
                Failure::usage("the peer offers no end").hint("`strait app show` tells when it does")
            });
        }
        if !self.is_named() && play.version == 0 {
            // Nobody has won anything yet.
            return Ok(vec![["0".into(), "0".into()]; info.balances.len()]);
        }
        if !self.is_named() {
            let verdict = play.verdict.as_ref().ok_or_else(|| {
                Failure::usage("the app gives no verdict here: play has not started, or this node does not have its code")
                    .hint("say what this node gains or loses, with --we-gain, --we-lose or --even")
            })?;
            return if play.is_over { Ok(verdict.clone()) } else { clipped(verdict, info) };
        }
        let mut gains = vec![0_i128; info.balances.len()];
        let named =
            self.we_gain.iter().map(|text| (text, 1)).chain(self.we_lose.iter().map(|text| (text, -1)));
        for (text, sign) in named {
            let read = assets.read(text, &Among::channel(info))?;
            let index = info.balances.iter().position(|balance| balance.asset == read.asset);
            let gain = index.and_then(|index| gains.get_mut(index)).filter(|gain| **gain == 0);
            let gain = gain.ok_or_else(|| Failure::usage(format!("'{text}': name each asset once")))?;
            *gain = read.amount.signed().saturating_mul(sign);
        }
        Ok(gains.into_iter().map(|gain| by_participant(gain, info.side)).collect())
    }
}

fn by_participant(own: i128, side: u8) -> [String; 2] {
    let (own, peers) = (own.to_string(), own.saturating_neg().to_string());
    if side == 0 { [own, peers] } else { [peers, own] }
}

/// What the proposal is held against.
#[derive(Debug, Default, PartialEq)]
struct Doubts {
    /// To be confirmed.
    asked: Option<String>,
    /// What that is, in a few words.
    what: &'static str,
    /// To be known.
    told: Option<String>,
}

impl Doubts {
    fn ask(what: &'static str, asked: String) -> Doubts {
        Doubts { asked: Some(asked), what, told: None }
    }

    fn tell(told: String) -> Doubts {
        Doubts { told: Some(told), ..Doubts::default() }
    }
}

const A_LOSS: &str = "an end by which this node loses";

fn doubts(
    wanted: &WantedArgs,
    outcome: &Outcome,
    info: &ChannelInfo,
    play: &AppInfo,
    assets: &Assets,
) -> Result<Doubts, Failure> {
    let ours = gains(outcome, info.side)?;
    if play.version == 0 {
        return Ok(Doubts::default());
    }
    let loses = ours.iter().any(|gain| *gain < 0);
    let Some(verdict) = &play.verdict else {
        let unknown = "what the app itself would give is not known here".to_owned();
        return Ok(if loses {
            Doubts::ask(A_LOSS, format!("this node loses by it, and {unknown}"))
        } else {
            Doubts::tell(unknown)
        });
    };
    let given = gains(&clipped(verdict, info)?, info.side)?;
    let as_it_stands = || format!("if nobody moves any more, the app gives: {}", told(verdict, info, assets));
    Ok(if ours.iter().zip(&given).any(|(ours, given)| ours < given) {
        let what = "an end by which this node gets less than the app gives it";
        Doubts::ask(what, format!("this node would get less than by the app: {}", as_it_stands()))
    } else if loses {
        let by = if wanted.is_named() { "by this end" } else { "by the app, as play stands," };
        let turn = if play.our_turn { "; it is this node's turn, and a move may change it" } else { "" };
        Doubts::ask(A_LOSS, format!("{by} this node loses{turn}"))
    } else if ours != given {
        Doubts::tell(format!("the peer would get less than by the app, and may refuse: {}", as_it_stands()))
    } else {
        Doubts::default()
    })
}

/// What this side gains, per asset.
fn gains(outcome: &Outcome, side: u8) -> Result<Vec<i128>, Failure> {
    let own = |pair: &[String; 2]| pair.get(usize::from(side)).and_then(|text| text.parse().ok());
    let gains: Option<Vec<i128>> = outcome.iter().map(own).collect();
    gains.ok_or_else(|| Failure::local("the node tells of gains that are no numbers"))
}

/// Who gains what, for people.
pub(crate) fn told(outcome: &[[String; 2]], info: &ChannelInfo, assets: &Assets) -> String {
    let own = usize::from(info.side.min(1));
    let of_asset = |(pair, balance): (&[String; 2], &strait_api::Balance)| {
        let gain = pair.get(own).and_then(|text| text.parse::<i128>().ok()).unwrap_or_default();
        let amount = Amount::new(gain.unsigned_abs()).unwrap_or(Amount::MAX);
        let amount = assets.write(info.chain_id, balance.asset, amount);
        match gain {
            0 => format!("nobody gains {}", assets.symbol(info.chain_id, balance.asset)),
            1.. => format!("this node gains {amount} from the peer"),
            _ => format!("the peer gains {amount} from this node"),
        }
    };
    outcome.iter().zip(&info.balances).map(of_asset).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;
    use crate::testing::{Fake, channel_info};
    use clap::Parser;
    use serde_json::Value;
    use strait_types::Address;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: FinishArgs,
    }

    fn args(words: &[&str]) -> FinishArgs {
        let id = channel_info(0xab).channel.to_string();
        Line::parse_from(["finish", &id].into_iter().chain(words.iter().copied())).args
    }

    /// The app gives this node 1,000 wei, and the peer offers 400.
    fn fake(side: u8, verdict: &Value) -> Fake {
        let info = channel_info(0xab);
        let offer = json!([if side == 0 { ["400", "-400"] } else { ["-400", "400"] }, ["0", "0"]]);
        let play = json!({"channel": info.channel, "app": Address::repeat_byte(7), "side": side, "version": 3, "stakes": [],
            "position": {"writer": 1, "deltas": [["0", "0"], ["0", "0"]], "data": "0x"}, "our_turn": false,
            "in_flight": false, "deadline": null, "offer": offer, "proposed": null, "verdict": verdict});
        Fake::new(false)
            .on("strait_channel_show", move |_| {
                let mut info = ChannelInfo { side, ..channel_info(0xab) };
                info.balances.iter_mut().for_each(|balance| balance.peer_deposited = balance.deposited);
                Ok(json!(info))
            })
            .on("strait_app_show", move |_| Ok(play.clone()))
            .on("strait_app_finish", |_| Ok(json!({"version": 4})))
    }

    async fn asked(fake: Fake, words: &[&str]) -> Value {
        let (context, seen) = fake.start();
        run(&context, args(words)).await.expect("agreed");
        seen.asked("strait_app_finish")[0]["outcome"].clone()
    }

    #[tokio::test]
    async fn the_end_is_what_people_write_from_their_own_side() {
        let won = json!([["1000", "-1000"], ["0", "0"]]);
        assert_eq!(asked(fake(0, &won), &[]).await, won, "as the app judges");
        assert_eq!(asked(fake(0, &won), &["--we-gain", "1000 wei"]).await, won);
        let lost = json!([["1000", "-1000"], ["0", "0"]]);
        assert_eq!(asked(fake(1, &lost), &["--we-lose", "1000 wei", "--yes"]).await, lost);
        let both = json!([["1", "-1"], ["-2500000", "2500000"]]);
        let words = ["--we-gain", "1 wei", "--we-lose", "2.5 USDC", "--yes"];
        assert_eq!(asked(fake(0, &won), &words).await, both);
        assert_eq!(asked(fake(0, &won), &["--accept", "--yes"]).await, json!([["400", "-400"], ["0", "0"]]));
    }

    #[tokio::test]
    async fn before_it_has_begun_a_game_ends_as_if_it_had_never_been() {
        let fake = fake(0, &json!(null)).on("strait_app_show", |_| {
            Ok(json!({"channel": channel_info(0xab).channel, "app": Address::repeat_byte(7), "side": 0, "version": 0,
                "stakes": [], "position": {"writer": 1, "deltas": [["0", "0"], ["0", "0"]], "data": "0x"},
                "our_turn": false, "in_flight": false, "deadline": null, "offer": null}))
        });
        assert_eq!(asked(fake, &[]).await, json!([["0", "0"], ["0", "0"]]));
    }

    #[tokio::test]
    async fn less_than_the_app_gives_is_asked_first() {
        let won = json!([["1000", "-1000"], ["0", "0"]]);
        for words in [&["--even"][..], &["--accept"], &["--we-lose", "1 wei"]] {
            let (context, seen) = fake(0, &won).start();
            let failure = run(&context, args(words)).await.expect_err("nobody to ask");
            assert_eq!(failure.exit(), Exit::Usage);
            assert!(
                !failure.to_string().contains("this node loses"),
                "it is less than it could have: {failure}"
            );
            assert!(seen.asked("strait_app_finish").is_empty(), "{words:?}");
        }
        // Without a word the app's verdict is no reason to give money away unasked.
        let (context, seen) = fake(0, &json!([["-5", "5"], ["0", "0"]])).start();
        run(&context, args(&[])).await.expect_err("nobody to ask");
        assert!(seen.asked("strait_app_finish").is_empty());
    }

    #[tokio::test]
    async fn to_give_up_all_is_asked_too_and_called_final() {
        // All that this node put in, as the app judges and beyond what it judges.
        let all = json!([["-1000000000000000000", "1000000000000000000"], ["-100000000", "100000000"]]);
        let words = ["--we-lose", "1 ether", "--we-lose", "100 USDC"];
        for verdict in [&all, &json!(null)] {
            let (context, seen) = fake(0, verdict).start();
            let failure = run(&context, args(&words)).await.expect_err("nobody to ask");
            assert!(failure.to_string().contains("by which this node loses"), "{failure}");
            assert!(seen.asked("strait_app_finish").is_empty());
        }
        let info = channel_info(0xab);
        let at_once = |outcome: &Value, over: Value| {
            let mut play = json!({"channel": info.channel, "app": Address::repeat_byte(7), "side": 0, "version": 3,
                "stakes": [], "position": {"writer": 1, "deltas": [], "data": "0x"}, "our_turn": false,
                "in_flight": false, "deadline": null, "offer": null});
            play.as_object_mut().expect("object").extend(over.as_object().expect("object").clone());
            let (outcome, play) = [outcome, &play].map(|value| value.to_string()).into();
            let outcome = serde_json::from_str(&outcome).expect("an outcome");
            super::at_once(&outcome, &info, &serde_json::from_str(&play).expect("a game")).expect("numbers")
        };
        let part = json!([["-1000000000000000000", "1000000000000000000"], ["0", "0"]]);
        assert!(at_once(&all, json!({})).expect("final").contains("gives up all"));
        assert_eq!(at_once(&part, json!({})), None);
        assert!(at_once(&part, json!({"offer": part})).expect("final").contains("the peer has offered"));
        let none = json!([["0", "0"], ["0", "0"]]);
        assert!(at_once(&none, json!({"version": 0})).expect("final").contains("put nothing in"));
    }

    #[tokio::test]
    async fn nobody_is_asked_for_more_than_is_put_in() {
        // One USDC more than the peer has.
        let beyond = json!([["1000", "-1000"], ["101000000", "-101000000"]]);
        let all = json!([["1000", "-1000"], ["100000000", "-100000000"]]);
        assert_eq!(asked(fake(0, &beyond), &[]).await, all, "what the chain would pay");
        let (context, seen) = fake(0, &beyond).start();
        let failure = run(&context, args(&["--we-gain", "101 USDC"])).await.expect_err("it can't be had");
        assert!(failure.render(false, false).contains("the peer has put in 100 USDC"));
        assert!(seen.asked("strait_app_finish").is_empty());
    }

    #[tokio::test]
    async fn what_is_agreed_is_joined_without_a_question() {
        let ended = fake(1, &json!(null)).on("strait_app_show", |_| {
            Ok(json!({"channel": channel_info(0xab).channel, "app": Address::repeat_byte(7), "side": 1, "version": 4,
                "stakes": [], "position": {"writer": 1, "deltas": [["5", "-5"], ["0", "0"]], "data": "0x"},
                "our_turn": false, "is_over": true, "in_flight": false, "deadline": null, "offer": null,
                "verdict": [["5", "-5"], ["0", "0"]]}))
        });
        assert_eq!(asked(ended, &["--accept"]).await, json!([["5", "-5"], ["0", "0"]]));
    }

    #[test]
    fn what_differs_from_the_app_is_told() {
        let info = channel_info(0xab);
        let assets = Assets::new(&crate::testing::node_info());
        let outcome = vec![["1".to_owned(), "-1".to_owned()], ["0".to_owned(), "0".to_owned()]];
        assert_eq!(
            told(&outcome, &info, &assets),
            "this node gains 0.000000000000000001 ETH from the peer; nobody gains USDC"
        );
    }
}
