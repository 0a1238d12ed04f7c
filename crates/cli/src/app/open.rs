//! `strait app install`, `list` and `open`.

use super::fields;
use super::names;
use super::play::side;
use crate::amount::{Among, Assets};
use crate::context::Context;
use crate::failure::Failure;
use crate::text::{self, short};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use strait_api::{AppInstall, AppOpen, AppPosition, AssetAmount, Nothing, ReadAmount};
use strait_app::{AppCode, EvmRules, Fields};
use strait_protocol::{AppMove, Rule, start_id};
use strait_types::{Address, Amount, B256, Bytes, ChannelId, Side, State, Version};

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait app install artifact.json\n  strait app install artifact.json --fields \"uint128 stake, uint8 sticks\"\n  strait app install artifact.json --chain mainnet --json | jq -r .app\n\nIt can be played once `policy.apps` of the configuration lists its address."
)]
pub(super) struct InstallArgs {
    /// What the compiler wrote: JSON with `abi` and `deployedBytecode`.
    artifact: PathBuf,
    /// Types and names of the app data's fields, which `show`, `move` and others need not be told then.
    #[arg(long, default_value = "", hide_default_value = true)]
    fields: String,
    /// On which chain, by name or number; needed when the node has several.
    #[arg(long)]
    chain: Option<String>,
}

pub(super) async fn install(context: &Context, args: &InstallArgs) -> Result<(), Failure> {
    let artifact = super::read(&args.artifact)?;
    let code = super::code_of(&artifact, &args.artifact)?;
    super::warn_of(&code, &context.out);
    Fields::read(&args.fields).map_err(Failure::usage)?;
    let runtime = code.runtime().clone();
    let chain = context.assets().await?.chain(args.chain.as_deref())?;
    let installed = context.api.app_install(AppInstall { chain_id: Some(chain), runtime }).await?;
    let title = names::title_of(&artifact, &args.artifact);
    names::keep(context, installed.app, &artifact, &title, &args.fields);
    context.out.result(&installed, |_| installed.app.to_string())
}

pub(super) async fn list(context: &Context) -> Result<(), Failure> {
    let listed = context.api.app_list(Nothing {}).await?;
    context.out.result(&listed, |out| {
        if listed.apps.is_empty() {
            return "no apps; `strait app install` gives the node one".into();
        }
        let row = |app: &strait_api::InstalledApp| {
            let taken = if app.is_taken { "yes" } else { "no: add it to policy.apps" };
            vec![
                app.chain_id.to_string(),
                app.app.to_string(),
                names::description(context, app.app),
                taken.to_owned(),
            ]
        };
        out.table(&["CHAIN", "APP", "NAME", "PLAYED"], listed.apps.iter().map(row))
    })
}

/// What a game begins with.
#[derive(Args, Debug)]
struct GameArgs {
    /// The app's address.
    #[arg(long, value_parser = crate::text::parse_address)]
    app: Address,
    /// What this node puts in, and can lose at most.
    #[arg(long, value_name = "AMOUNT")]
    stake: String,
    /// What the peer puts in, of the same asset [default: the same].
    #[arg(long, value_name = "AMOUNT")]
    peer_stake: Option<String>,
    /// The app data at the start: values in JSON, or hexadecimal.
    #[arg(long, value_name = "DATA")]
    data: String,
    /// Types and names of the app data's fields.
    #[arg(long, default_value = "", value_parser = fields, hide_default_value = true)]
    fields: Fields,
    /// Who moves first: 0 is whoever opens, 1 the peer.
    #[arg(long, default_value = "0", value_parser = side)]
    writer: u8,
}

impl GameArgs {
    fn stakes(&self, assets: &Assets, among: &Among) -> Result<(ReadAmount, ReadAmount), Failure> {
        let own = assets.read_any(&self.stake, among)?;
        let peers = assets.read_any(self.peer_stake.as_ref().unwrap_or(&self.stake), among)?;
        if own.asset != peers.asset {
            return Err(Failure::usage("both stakes are of one asset"));
        }
        if own.amount.is_zero() && peers.amount.is_zero() {
            return Err(Failure::usage("one of the two has to put something in"));
        }
        Ok((own, peers))
    }

    fn start(&self, context: &Context) -> Result<AppMove, Failure> {
        let fields = names::fields(context, Some(self.app), &self.fields);
        let data = fields.encode(&self.data).map_err(Failure::usage)?;
        let writer = if self.writer == 0 { Side::Zero } else { Side::One };
        Ok(AppMove { writer, deltas: vec![[0, 0]], data })
    }
}

#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  strait app start --app 0xff56.. --stake \"0.1 ether\" --fields \"uint128 stake, uint8 sticks\" --data '[100000000000000000, 21]'\n\nA node that is to play such a game when a peer opens it in a payment channel lists this under `policy.starts`, beside `policy.apps` and `policy.stakes`. List only what you would sit down to: the stake in the data must be the one that is put in, and nobody must have won already."
)]
pub(super) struct StartArgs {
    #[command(flatten)]
    game: GameArgs,
    /// On which chain, by name or number; needed when the node has several.
    #[arg(long)]
    chain: Option<String>,
}

pub(super) async fn start(context: &Context, args: &StartArgs) -> Result<(), Failure> {
    let assets = context.assets().await?;
    let chain = assets.chain(args.chain.as_deref())?;
    let (own, peers) = args.game.stakes(assets, &Among::chain(Some(chain)))?;
    let (stakes, first) = ([own.amount, peers.amount], args.game.start(context)?);
    match names::code(context, args.game.app) {
        Some(code) => judge(code, stakes, &first)?,
        None => context.out.note("whether a node plays this start is not known: `strait app install ARTIFACT` with this home tells the app's code",
        ),
    }
    let start = start_id(args.game.app, stakes, &first);
    context.out.result(&json!({ "start": start }), |_| start.to_string())
}

/// By the rule by which a node opens a game: the app has a verdict, which nobody loses more by than the stake.
fn judge(code: AppCode, stakes: [Amount; 2], first: &AppMove) -> Result<(), Failure> {
    let zero = State::zero(ChannelId(B256::ZERO), 1);
    let state = State {
        version: Version(1),
        writer: first.writer,
        history: zero.hash(),
        app_data: first.data.clone(),
        ..zero
    };
    let refused = |why: String| {
        Failure::usage(format!("no node plays this start: {why}"))
            .hint("look at --stake, --peer-stake and --data")
    };
    let verdict = EvmRules::new(code).verdict(&state).map_err(|refusal| refused(refusal.to_string()))?;
    let covers = |deltas: &[i128; 2]| (0..2).all(|i| stakes[i].signed().saturating_add(deltas[i]) >= 0);
    if verdict.iter().all(covers) { Ok(()) } else { Err(refused(Rule::StakeTooLow.to_string())) }
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait app open 0x5151 --app 0xff56.. --stake \"1 ether\" --fields \"uint128 stake, uint8 sticks\" --data '[1000, 21]'\n  strait app open strait://0x5151..5151@store.example:4040 --app 0xff56.. --stake \"1 ether\" --peer-stake \"2 ether\" --data 0x00..\n  strait app open --in 0x1a2b --app 0xff56.. --stake \"0.1 ether\" --fields \"uint128 stake, uint8 sticks\" --data '[1000, 21]'\n\nBoth must have installed the app. Play starts when the peer has put its stake in: strait channel deposit CHANNEL AMOUNT. With --in the stakes are locked in the payment channel, if the peer's `policy.stakes` and `policy.starts` allow that; no transaction is made, and play starts at once."
)]
pub(super) struct OpenArgs {
    /// `strait://SIGNER@HOST:PORT` as the peer's `strait info` shows it; or the signer, when the node knows the peer.
    #[arg(required_unless_present = "parent", conflicts_with = "parent")]
    peer: Option<String>,
    /// A payment channel to play in, by its id or the first digits: without a transaction, payments go on beside.
    #[arg(long = "in", value_name = "CHANNEL", conflicts_with = "chain")]
    parent: Option<String>,
    #[command(flatten)]
    game: GameArgs,
    /// On which chain, by name or number; needed when the node has several.
    #[arg(long)]
    chain: Option<String>,
    /// Time to answer a challenge, and to make a forced move, such as 24h [default: as the node is configured].
    #[arg(long, value_parser = text::parse_challenge, value_name = "TIME")]
    challenge: Option<u32>,
    /// Makes a repetition open no second channel.
    #[arg(long)]
    key: Option<String>,
}

pub(super) async fn run(context: &Context, args: OpenArgs) -> Result<(), Failure> {
    let assets = context.assets().await?;
    let parent = match &args.parent {
        Some(parent) => Some(context.channel(parent).await?),
        None => None,
    };
    let chain = match &parent {
        Some(parent) => parent.chain_id,
        None => assets.chain(args.chain.as_deref())?,
    };
    let among = Among::chain(Some(chain));
    let (own, peers) = args.game.stakes(assets, &among)?;
    let start = args.game.start(context)?;
    let request = AppOpen {
        chain_id: Some(chain),
        peer: match &args.peer {
            Some(peer) => context.peer(peer).await?,
            None => String::new(),
        },
        parent: parent.map(|parent| parent.channel),
        peer_payout: None,
        challenge_duration: args.challenge,
        app: args.game.app,
        stake: vec![AssetAmount { asset: own.asset, amount: own.amount }],
        peer_stake: vec![peers.amount],
        start: AppPosition {
            writer: start.writer as u8,
            deltas: vec![["0".into(), "0".into()]],
            data: Bytes::from(start.data),
        },
        idempotency_key: args.key.clone(),
    };
    let opened =
        context.api.app_open(request).await.map_err(|error| names::named(context, args.game.app, error));
    let opened = opened.map_err(|failure| failure.repeatable(args.key.as_deref()))?;
    let channel = opened.channel.channel;
    context.out.result(&opened, |_| channel.to_string())?;
    let start = match opened.channel.parent {
        Some(_) => "play starts now",
        None => "play starts when the peer has deposited its stake",
    };
    context.out.note(&format!("{start}: strait app show {}", short(channel)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fake, channel_info};
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: OpenArgs,
    }

    #[test]
    fn a_start_that_no_node_plays_gets_no_name() {
        let artifact = include_str!("../../../../contracts/artifacts/Sticks.json");
        let judged = |stake: u64, sticks: &str| {
            let fields = Fields::read("uint128 stake, uint8 sticks").expect("fields");
            let data = fields.encode(&format!("[1000, {sticks}]")).expect("they fit");
            let first = AppMove { writer: Side::Zero, deltas: vec![[0, 0]], data };
            let code = AppCode::from_artifact(artifact).expect("fit");
            judge(code, [Amount::from(stake), Amount::from(1_000)], &first)
        };
        judged(1_000, "5").expect("a start");
        let refused = judged(1, "5").expect_err("1000 against a stake of 1").to_string();
        assert!(refused.contains("no node plays this start") && refused.contains("put in"), "{refused}");
    }

    /// `GAME=$(strait app open ..)` is the game.
    #[tokio::test]
    async fn a_game_that_is_opened_prints_its_channel_alone() {
        let opened = |_| Ok(json!({"channel": channel_info(0xab), "deposits": []}));
        let (context, seen) = Fake::new(false).on("strait_app_open", opened).start();
        let peer = "strait://0x5151515151515151515151515151515151515151@127.0.0.1:4040";
        let app = Address::repeat_byte(7).to_string();
        let words = ["open", peer, "--app", &app, "--stake", "1 ether", "--data", "0x00", "--chain", "1"];
        run(&context, Line::parse_from(words).args).await.expect("opened");
        assert_eq!(seen.text(), format!("{}\n", channel_info(0xab).channel));
    }
}
