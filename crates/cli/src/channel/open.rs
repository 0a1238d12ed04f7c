//! `strait channel open`.

use super::show;
use super::wait::{Progress, Waiting};
use crate::amount::{Among, Assets, balance};
use crate::context::Context;
use crate::failure::Failure;
use crate::follow::Follow;
use crate::text;
use clap::Args;
use strait_api::{
    ApiError, AssetAmount, ChannelInfo, ChannelOpen, ChannelOpened, DepositResult, ErrorCode, Event, Link,
};
use strait_types::{Address, Amount};

/// Said when nobody could ask the peer's node where it wants to be paid out.
const UNSEEN_PEER: &str = "the peer is not connected: whether it takes a channel that pays it out there is known when it is; if it does not, `strait channel show` says so, and `strait channel dispute` takes the deposit back";

/// Where the key was used.
const BEFORE: &str = "was opened already with this key; nothing was opened or deposited now";

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait channel open strait://0x5151..5151@store.example:4040 --deposit \"1 ether\" --wait\n  strait channel open 0x5151 --deposit \"1 ether\" --deposit \"100 USDC\"\n  strait channel open 0x5151 --asset USDC --challenge 48h --chain mainnet\n  strait channel open --in 0x1a2b --deposit \"0.1 ether\" --peer-deposit \"0.05 ether\""
)]
pub(super) struct OpenArgs {
    /// `strait://SIGNER@HOST:PORT` as the peer's `strait info` shows it; or the signer, when the node knows the peer.
    #[arg(required_unless_present = "parent", conflicts_with = "parent")]
    peer: Option<String>,
    /// A payment channel to open it in, by its id or the first digits: without a transaction; `channel close` brings it back.
    #[arg(
        long = "in",
        value_name = "CHANNEL",
        conflicts_with_all = ["chain", "assets", "peer_payout"],
        requires = "deposit"
    )]
    parent: Option<String>,
    /// With --in: what the peer puts in, of the same asset, if its `policy.stakes` allows that.
    #[arg(long, value_name = "AMOUNT", requires = "parent")]
    peer_deposit: Option<String>,
    /// What to put in at once, such as "1 ether"; once per asset.
    #[arg(long, value_name = "AMOUNT")]
    deposit: Vec<String>,
    /// An asset of the channel besides those of the deposits, by symbol or address; may stand several times.
    #[arg(long = "asset", value_name = "ASSET")]
    assets: Vec<String>,
    /// On which chain, by name or number; needed when the node has several.
    #[arg(long)]
    chain: Option<String>,
    /// Time to answer a challenge, such as 24h [default: as the node is configured].
    #[arg(long, value_parser = text::parse_challenge, value_name = "TIME")]
    challenge: Option<u32>,
    /// Where the peer is paid out [default: the address that its node announces]; its node takes no channel that pays it elsewhere.
    #[arg(long, value_parser = text::parse_address, value_name = "ADDRESS")]
    peer_payout: Option<Address>,
    /// Makes a repetition open no second channel.
    #[arg(long)]
    key: Option<String>,
    /// Waits until every deposit counts and it can be paid over; without a deposit, until the peer has taken it.
    #[arg(long)]
    wait: bool,
}

pub(super) async fn run(context: &Context, args: OpenArgs) -> Result<(), Failure> {
    let key = args.key.clone();
    open(context, args).await.map_err(|failure| failure.repeatable(key.as_deref()))
}

async fn open(context: &Context, args: OpenArgs) -> Result<(), Failure> {
    let wait = args.wait;
    let request = request(context, args).await?;
    let deposit = request.deposit.clone();
    let (has_deposit, has_own_payout) = (!deposit.is_empty(), request.peer_payout.is_some());
    // From before the call on, so that no event is missed.
    let follow = if wait { Some(Follow::start(context, None, None).await?) } else { None };
    let line = context.out.wait("opening");
    let mut opened = context.api.channel_open(request).await?;
    if has_own_payout && opened.channel.link == Link::Down {
        context.out.note(UNSEEN_PEER);
    }
    let mut failed: Option<Failure> = opened.deposits.iter().find_map(not_made).map(Failure::from);
    let is_funded = has_deposit && failed.is_none();
    if let (Some(follow), None) = (follow, &failed) {
        let mut waiting = Waiting { context, channel: opened.channel.channel, follow, line };
        match waiting.until(|info, event| can_pay(info, event, &deposit)).await {
            Ok(info) => opened.channel = info,
            Err(failure) => failed = Some(failure),
        }
    } else {
        drop(line);
    }
    let assets = context.assets().await?;
    let tells_demand = |deposit: &DepositResult| {
        matches!(deposit, DepositResult::Failed { code: ErrorCode::DepositTooSmall, .. })
    };
    let shows_demand = !opened.deposits.iter().any(tells_demand);
    print(context, assets, &opened, (is_funded, shows_demand))?;
    // The channel is there, but not as it was asked for.
    failed.map_or(Ok(()), Err)
}

fn not_made(deposit: &DepositResult) -> Option<ApiError> {
    match deposit {
        DepositResult::Submitted { .. } => None,
        DepositResult::Failed { code, message, hint } => {
            let message = match code {
                // These say so themselves.
                ErrorCode::PeerRefused | ErrorCode::DepositTooSmall => message.clone(),
                _ => format!("the channel is open, and the deposit was not made: {message}"),
            };
            Some(ApiError::new(*code, message).hint(hint.clone()))
        }
    }
}

fn print(
    context: &Context,
    assets: &Assets,
    opened: &ChannelOpened,
    (has_deposit, shows_demand): (bool, bool),
) -> Result<(), Failure> {
    let info = &opened.channel;
    let mut shown = info.clone();
    if !shows_demand {
        // The error tells it, with what was to be put in.
        shown.balances.iter_mut().for_each(|balance| balance.demanded = Amount::ZERO);
    }
    context.out.result(opened, |out| show::text(&shown, assets, out))?;
    if opened.was_opened_before {
        context.out.note(BEFORE);
    }
    context.out.note(&next(info, has_deposit));
    Ok(())
}

/// What is to be done or waited for until it can be paid over.
fn next(info: &ChannelInfo, has_deposit: bool) -> String {
    let demands = info.balances.iter().any(|balance| !balance.demanded.is_zero());
    let id = text::short(info.channel);
    match (info.can_pay, has_deposit) {
        (_, false) if demands => "it can be paid over once what the peer demands is deposited".to_owned(),
        _ if info.awaits_approval => format!(
            "when `strait channel list` shows it as connected, put money in: strait channel deposit {id} AMOUNT"
        ),
        _ if info.declined.is_some() => "the peer does not take it".to_owned(),
        (true, _) => format!("it can be paid over: strait pay {id} AMOUNT"),
        (false, true) => {
            "it can be paid over when the deposit has its confirmations and the peer is connected".to_owned()
        }
        (false, false) => format!("put money in: strait channel deposit {id} AMOUNT"),
    }
}

async fn request(context: &Context, args: OpenArgs) -> Result<ChannelOpen, Failure> {
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
    let peer_deposit = args.peer_deposit.as_ref().map(|text| assets.read(text, &among)).transpose()?;
    let mut deposit: Vec<AssetAmount> = Vec::new();
    for text in &args.deposit {
        let read = assets.read(text, &among)?;
        if deposit.iter().any(|earlier| earlier.asset == read.asset) {
            return Err(Failure::usage(format!("two deposits of {}", assets.symbol(chain, read.asset)))
                .hint("give each asset once, with the sum"));
        }
        deposit.push(AssetAmount { asset: read.asset, amount: read.amount });
    }
    let mut all: Vec<Address> = Vec::new();
    for text in &args.assets {
        all.push(match text.parse() {
            Ok(address) => address,
            Err(_) => assets.asset(text, &among)?,
        });
    }
    if let (Some(peers), [own]) = (&peer_deposit, &deposit[..])
        && peers.asset != own.asset
    {
        return Err(Failure::usage("both deposits are of one asset"));
    }
    if !all.is_empty() {
        all.extend(deposit.iter().map(|deposit| deposit.asset));
        all.sort_unstable();
        all.dedup();
    }
    Ok(ChannelOpen {
        chain_id: Some(chain),
        peer: match &args.peer {
            Some(peer) => context.peer(peer).await?,
            None => String::new(),
        },
        parent: parent.map(|parent| parent.channel),
        peer_deposit: peer_deposit.map(|read| read.amount),
        peer_payout: args.peer_payout,
        assets: all,
        challenge_duration: args.challenge,
        deposit,
        idempotency_key: args.key,
    })
}

fn can_pay(info: &ChannelInfo, event: Option<&Event>, deposit: &[AssetAmount]) -> Result<Progress, Failure> {
    let has_deposit = !deposit.is_empty();
    let declined = match event {
        Some(Event::Declined { reason }) => Some(reason),
        _ => info.declined.as_ref(),
    };
    if info.awaits_approval {
        return Err(Failure::peer(show::APPROVAL)
            .hint("nothing need be done; `strait channel watch` tells when it is approved"));
    }
    if let Some(reason) = declined {
        return Err(Failure::peer(format!("the peer does not take the channel: {reason}")).hint(
            "ask its operator, or open with other terms; `strait channel dispute` takes a deposit back",
        ));
    }
    // Within a channel nothing has to come from the chain.
    let is_counted = |part: &AssetAmount| {
        balance(info, part.asset).is_some_and(|balance| balance.deposited >= part.amount)
    };
    let is_counted = info.parent.is_some() || deposit.iter().all(is_counted);
    let is_ready = if has_deposit { info.can_pay && is_counted } else { info.link == Link::Up };
    if is_ready {
        return Ok(Progress::Done);
    }
    let arriving = info.balances.iter().any(|balance| !balance.arriving.is_zero());
    let what = match (!is_counted, arriving, info.link) {
        (true, false, _) => "waiting for the deposit to be in a block",
        (true, true, _) => "waiting for the deposit's confirmations",
        (false, _, Link::Down) => "waiting for a connection with the peer",
        (false, _, _) => "comparing with the peer",
    };
    Ok(Progress::Waits(format!("{} {what}", text::short(info.channel))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;
    use crate::testing::{Fake, MAINNET, USDC, channel_info};
    use clap::Parser;
    use serde_json::{Value, json};
    use std::sync::atomic::{AtomicU32, Ordering};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        open: OpenArgs,
    }

    fn args(words: &[&str]) -> OpenArgs {
        Line::parse_from(["open"].iter().chain(words)).open
    }

    fn not_yet() -> Value {
        let mut info = channel_info(0xab);
        info.can_pay = false;
        serde_json::to_value(info).expect("JSON")
    }

    #[allow(clippy::needless_pass_by_value)] // as `json!` makes it
    fn opened(deposit: Value) -> Value {
        json!({"channel": not_yet(), "deposits": [deposit]})
    }

    fn submitted() -> Value {
        opened(json!({"submitted": {"transaction": strait_types::B256::repeat_byte(3)}}))
    }

    #[allow(clippy::needless_pass_by_value)] // as `json!` makes it
    fn event(event: Value) -> Value {
        let mut record =
            json!({"cursor": "a", "at_ms": 0, "chain_id": MAINNET, "channel": channel_info(0xab).channel});
        record.as_object_mut().expect("object").extend(event.as_object().expect("object").clone());
        record
    }

    const PEER: &str = "strait://0x5151515151515151515151515151515151515151@127.0.0.1:4040";

    #[tokio::test]
    async fn what_was_opened_before_is_told_as_such() {
        for was_before in [false, true] {
            let answer = move |_| {
                let mut opened = submitted();
                opened["was_opened_before"] = json!(was_before);
                Ok(opened)
            };
            let (context, seen) = Fake::new(false).on("strait_channel_open", answer).start();
            run(&context, args(&[PEER, "--deposit", "1 ether", "--chain", "mainnet", "--key", "k"]))
                .await
                .expect("opened");
            assert_eq!(seen.notes().contains("was opened already"), was_before, "{}", seen.notes());
            assert!(seen.notes().contains("it can be paid over when"), "{}", seen.notes());
            let text = seen.text();
            assert!(
                !text.contains("already") && !text.contains("can be paid over when"),
                "the result alone: {text}"
            );
        }
    }

    #[tokio::test]
    async fn deposits_in_several_assets_are_exact() {
        let (context, seen) = Fake::new(true).on("strait_channel_open", |_| Ok(submitted())).start();
        let words = [
            PEER,
            "--deposit",
            "1 ether",
            "--deposit",
            "100 USDC",
            "--chain",
            "mainnet",
            "--challenge",
            "48h",
        ];
        run(&context, args(&words)).await.expect("opened");
        let asked = &seen.asked("strait_channel_open")[0];
        let expected = json!([{"asset": Address::ZERO, "amount": "1000000000000000000"}, {"asset": USDC, "amount": "100000000"}]);
        assert_eq!(asked["deposit"], expected);
        assert_eq!((&asked["challenge_duration"], &asked["chain_id"]), (&json!(172_800), &json!(MAINNET)));
        let printed: ChannelOpened = serde_json::from_str(&seen.text()).expect("one JSON value");
        assert_eq!(printed.channel.channel, channel_info(0xab).channel);
    }

    #[tokio::test(start_paused = true)]
    async fn waits_until_it_can_be_paid_over() {
        let looks = AtomicU32::new(0);
        let show = move |_| {
            let is_ready = looks.fetch_add(1, Ordering::Relaxed) >= 3;
            Ok(if is_ready { serde_json::to_value(channel_info(0xab)).expect("JSON") } else { not_yet() })
        };
        let fake =
            Fake::new(false).on("strait_channel_open", |_| Ok(submitted())).on("strait_channel_show", show);
        let (context, seen) = fake.tells([Ok(event(json!({"event": "ready"})))]).start();
        run(&context, args(&[PEER, "--deposit", "1 ether", "--chain", "1", "--wait"])).await.expect("ready");
        assert!(seen.notes().contains("it can be paid over: strait pay"), "{}", seen.notes());
    }

    #[tokio::test(start_paused = true)]
    async fn every_deposit_counts_before_the_wait_ends() {
        let looks = AtomicU32::new(0);
        let show = move |_| {
            let mut info = channel_info(0xab);
            // It can be paid over with the first alone.
            if looks.fetch_add(1, Ordering::Relaxed) < 3 {
                info.balances[1].deposited = Default::default();
                info.balances[1].arriving = 100_000_000_u64.into();
            }
            Ok(serde_json::to_value(info).expect("JSON"))
        };
        let fake = Fake::new(false)
            .on("strait_channel_open", |_| Ok(submitted()))
            .on("strait_channel_show", show)
            .tells([]);
        let (context, seen) = fake.start();
        let words = [PEER, "--deposit", "1 ether", "--deposit", "100 USDC", "--chain", "1", "--wait"];
        run(&context, args(&words)).await.expect("ready");
        assert!(seen.asked("strait_channel_show").len() >= 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_declines_ends_the_wait() {
        let fake = Fake::new(false)
            .on("strait_channel_open", |_| Ok(submitted()))
            .on("strait_channel_show", |_| Ok(not_yet()))
            .tells([Ok(event(json!({"event": "declined", "reason": "closed on Sundays"})))]);
        let words = [PEER, "--deposit", "1 ether", "--chain", "1", "--wait"];
        let (context, seen) = fake.start();
        let failure = run(&context, args(&words)).await.expect_err("declined");
        assert_eq!(failure.exit(), Exit::Peer);
        assert!(failure.to_string().contains("closed on Sundays"));
        let id = channel_info(0xab).channel.to_string();
        assert!(seen.text().contains(&id), "the channel with the deposit is named: {}", seen.text());
    }

    #[tokio::test]
    async fn a_deposit_that_was_not_made_is_an_error_with_the_channel_shown() {
        let poor =
            json!({"failed": {"code": "not_enough_gas_money", "message": "0 wei", "hint": "send it some"}});
        let (context, seen) =
            Fake::new(false).on("strait_channel_open", move |_| Ok(opened(poor.clone()))).start();
        let words = [PEER, "--deposit", "1 ether", "--chain", "1"];
        let failure = run(&context, args(&words)).await.expect_err("no money");
        assert_eq!(failure.exit(), Exit::Chain);
        assert!(failure.to_string().contains("the channel is open"), "{failure}");
        assert!(seen.text().contains(&channel_info(0xab).channel.to_string()));
    }

    #[tokio::test]
    async fn what_the_peer_demands_is_told_once() {
        let demand = json!({"failed": {"code": "deposit_too_small", "message": "the peer demands 2 ETH", "hint": "strait channel deposit 0xab \"2 ETH\""}});
        let mut channel = not_yet();
        channel["balances"][0]["demanded"] = json!("2000000000000000000");
        let answer = json!({"channel": channel, "deposits": [demand]});
        let (context, seen) = Fake::new(false).on("strait_channel_open", move |_| Ok(answer.clone())).start();
        let words = [PEER, "--deposit", "1 ether", "--chain", "1"];
        let failure = run(&context, args(&words)).await.expect_err("too little");
        assert_eq!(failure.to_string(), "the peer demands 2 ETH");
        let told = seen.text() + &seen.notes();
        assert!(!told.contains("strait channel deposit"), "{told}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_opening_that_awaits_approval_is_no_fault() {
        let mut channel = not_yet();
        channel["version"] = json!(0);
        let balances = channel["balances"].as_array_mut().expect("balances");
        balances.iter_mut().for_each(|balance| balance["deposited"] = json!("0"));
        channel["awaits_approval"] = json!(true);
        channel["declined"] = json!("ask again");
        channel["link"] = json!("down");
        let waits =
            json!({"failed": {"code": "peer_refused", "message": "it waits for approval", "hint": "later"}});
        let answers =
            [json!({"channel": channel, "deposits": [waits]}), json!({"channel": channel, "deposits": []})];
        for (answer, deposit) in answers.into_iter().zip([&["--deposit", "1 ether"][..], &[]]) {
            let shown = answer["channel"].clone();
            let fake = Fake::new(false).on("strait_channel_open", move |_| Ok(answer.clone()));
            let (context, seen) =
                fake.on("strait_channel_show", move |_| Ok(shown.clone())).tells([]).start();
            let words = [&[PEER, "--chain", "1", "--wait"], deposit].concat();
            let failure = run(&context, args(&words)).await.expect_err("not yet");
            let told = format!("{}{}{}", failure.render(false, false), seen.text(), seen.notes());
            assert!(told.contains("waits for approval"), "{told}");
            for part in ["offline", "dispute", "does not take", "declines"] {
                assert!(!told.contains(part), "{part} in {told}");
            }
        }
    }

    #[tokio::test]
    async fn one_asset_twice_is_a_mistake() {
        let words = [PEER, "--deposit", "1 ether", "--deposit", "5 wei", "--chain", "1"];
        let failure = run(&Fake::new(false).context(), args(&words)).await.expect_err("twice");
        assert_eq!(failure.exit(), Exit::Usage);
    }
}
