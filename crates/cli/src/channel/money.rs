//! `strait channel deposit` and `strait channel withdraw`.

use super::close::note_hindrance;
use super::wait::{Progress, Waiting, agree, decided};
use crate::amount::{Among, Read, balance};
use crate::context::Context;
use crate::failure::Failure;
use crate::follow::Follow;
use crate::text::short;
use clap::Args;
use strait_api::{ChannelInfo, ChannelMove, Phase};
use strait_types::{Amount, B256};

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait channel deposit 0x1a2b 0.5 ether\n  strait channel deposit 0x1a2b 100 USDC --wait"
)]
pub(super) struct DepositArgs {
    #[command(flatten)]
    movement: Movement,
    /// Waits until it counts.
    #[arg(long)]
    wait: bool,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait channel withdraw 0x1a2b 0.5 ether\n  strait channel withdraw 0x1a2b 100 USDC --wait\n\nThe peer must agree and be connected; `strait channel dispute` needs neither, and ends the channel."
)]
pub(super) struct WithdrawArgs {
    #[command(flatten)]
    movement: Movement,
    /// Waits until it is on chain.
    #[arg(long)]
    wait: bool,
}

#[derive(Args, Debug)]
struct Movement {
    /// Its id, or the first digits.
    channel: String,
    /// How much, such as 0.5 ether or 100 USDC.
    #[arg(required = true, num_args = 1..=4, value_name = "AMOUNT")]
    amount: Vec<String>,
    /// Makes a repetition move nothing more.
    #[arg(long)]
    key: Option<String>,
}

impl Movement {
    async fn read(self, context: &Context) -> Result<(ChannelInfo, Read, ChannelMove), Failure> {
        let info = context.channel(&self.channel).await?;
        let read = context.assets().await?.read(&self.amount.join(" "), &Among::channel(&info))?;
        let request = ChannelMove {
            channel: info.channel,
            asset: Some(read.asset),
            amount: read.amount,
            idempotency_key: self.key,
        };
        Ok((info, read, request))
    }
}

async fn begin<'a>(
    context: &'a Context,
    wait: bool,
    info: &ChannelInfo,
) -> Result<Option<Follow<'a>>, Failure> {
    let channel = Some(info.channel);
    Ok(if wait { Some(Follow::start(context, channel, None).await?) } else { None })
}

pub(super) async fn deposit(context: &Context, args: DepositArgs) -> Result<(), Failure> {
    let key = args.movement.key.clone();
    let done = put_in(context, args).await;
    done.map_err(|failure| failure.repeatable(key.as_deref()).undecided(key.as_deref()))
}

async fn put_in(context: &Context, args: DepositArgs) -> Result<(), Failure> {
    let (info, read, request) = args.movement.read(context).await?;
    let follow = begin(context, args.wait, &info).await?;
    let line = context.out.wait("sending the deposit");
    let ask = async || context.api.channel_deposit(request.clone()).await;
    let done = decided(context, info.channel, args.wait.then_some(&line), ask).await?;
    let is_awaited = follow.is_some();
    if let Some(follow) = follow {
        let mut waiting = Waiting { context, channel: info.channel, follow, line };
        waiting
            .until(|info, _| {
                let counted = balance(info, read.asset).map_or(Amount::ZERO, |balance| balance.deposited);
                match info.phase {
                    _ if counted >= done.total => Ok(Progress::Done),
                    Phase::Open | Phase::Disputed => {
                        Ok(Progress::Waits(format!("{} waiting for the confirmations", short(info.channel))))
                    }
                    Phase::Settled | Phase::Closed => Err(Failure::chain(
                        "the channel was closed before the deposit came in",
                    )
                    .hint("look the transaction up: the chain takes no deposit into a closed channel")),
                }
            })
            .await?;
    } else {
        drop(line);
    }
    let assets = context.assets().await?;
    context.out.result(&done, |_| {
        let amount = assets.write(info.chain_id, read.asset, read.amount);
        let end = if is_awaited { "counts" } else { "counts when it has its confirmations" };
        format!("{amount} is deposited and {end}\n{}", sent_as(done.transaction))
    })
}

/// The node tells no hash of what an earlier life of it has sent.
fn sent_as(transaction: B256) -> String {
    if transaction.is_zero() {
        return "an earlier request with this key has sent it; its transaction's hash was lost when the node ended".into();
    }
    format!("transaction {transaction}")
}

pub(super) async fn withdraw(context: &Context, args: WithdrawArgs) -> Result<(), Failure> {
    let key = args.movement.key.clone();
    take_out(context, args).await.map_err(|failure| failure.repeatable(key.as_deref()))
}

async fn take_out(context: &Context, args: WithdrawArgs) -> Result<(), Failure> {
    let (info, read, request) = args.movement.read(context).await?;
    let follow = begin(context, args.wait, &info).await?;
    let line = context.out.wait("asking the peer");
    let ask = async || context.api.channel_withdraw(request.clone()).await;
    let agreed = agree(context, info.channel, args.wait.then_some(&line), ask).await?;
    note_hindrance(context, &agreed).await?;
    let is_awaited = follow.is_some();
    if let Some(follow) = follow {
        let mut waiting = Waiting { context, channel: info.channel, follow, line };
        waiting.until(|info, _| Ok(executed(info, agreed.version))).await?;
    } else {
        drop(line);
    }
    let assets = context.assets().await?;
    context.out.result(&agreed, |_| {
        let amount = assets.write(info.chain_id, read.asset, read.amount);
        let end = match (is_awaited, &agreed.chain_away) {
            (true, _) => "was paid to",
            (false, None) => "is agreed and on its way to",
            (false, Some(_)) => "is agreed and, when the chain can be reached, goes to",
        };
        format!("{amount} {end} {} (version {})", info.payout, agreed.version)
    })
}

fn executed(info: &ChannelInfo, version: u64) -> Progress {
    if info.withdrawn_version >= version || info.phase == Phase::Closed {
        return Progress::Done;
    }
    Progress::Waits(format!("{} agreed; waiting for the chain", short(info.channel)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;
    use crate::testing::{Fake, USDC, channel_info};
    use clap::Parser;
    use serde_json::json;
    use std::sync::atomic::{AtomicU64, Ordering};
    use strait_api::{ApiError, ErrorCode};

    #[derive(Parser)]
    struct Withdraw {
        #[command(flatten)]
        args: WithdrawArgs,
    }

    #[derive(Parser)]
    struct Deposit {
        #[command(flatten)]
        args: DepositArgs,
    }

    fn id() -> String {
        channel_info(0xab).channel.to_string()
    }

    #[tokio::test]
    async fn a_deposit_names_the_asset_and_the_smallest_unit() {
        let fake = Fake::new(true)
            .on("strait_channel_deposit", |_| Ok(json!({"transaction": B256::repeat_byte(2), "total": "0"})));
        let (context, seen) = fake.start();
        let args = Deposit::parse_from(["deposit", &id(), "12.50", "USDC", "--key", "k"]).args;
        deposit(&context, args).await.expect("deposited");
        let asked = &seen.asked("strait_channel_deposit")[0];
        assert_eq!((&asked["asset"], &asked["amount"]), (&json!(USDC), &json!("12500000")));
        assert_eq!(asked["idempotency_key"], "k");
        assert!(seen.text().starts_with("{\"transaction\":\"0x0202"), "{}", seen.text());
    }

    #[tokio::test]
    async fn a_hash_that_is_lost_is_not_written_as_zeros() {
        let answer = json!({"transaction": B256::ZERO, "total": "0"});
        let fake = Fake::new(false).on("strait_channel_deposit", move |_| Ok(answer.clone()));
        let (context, seen) = fake.start();
        let args = Deposit::parse_from(["deposit", &id(), "1", "USDC", "--key", "k"]).args;
        deposit(&context, args).await.expect("deposited before");
        let text = seen.text();
        assert!(text.contains("hash was lost") && !text.contains("0x0000"), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_withdrawal_waits_for_its_own_version() {
        let looks = AtomicU64::new(0);
        let (context, seen) = Fake::new(false)
            .on("strait_channel_withdraw", |_| Ok(json!({"version": 9})))
            .on("strait_channel_show", move |_| {
                let withdrawn_version = if looks.fetch_add(1, Ordering::Relaxed) < 4 { 5 } else { 9 };
                Ok(json!(ChannelInfo { withdrawn_version, ..channel_info(0xab) }))
            })
            .tells([])
            .start();
        let args = Withdraw::parse_from(["withdraw", &id(), "0.5 ether", "--wait"]).args;
        withdraw(&context, args).await.expect("withdrawn");
        assert!(seen.text().contains("0.5 ETH was paid to"), "{}", seen.text());
        assert!(seen.asked("strait_channel_show").len() >= 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_withdrawal_waits_for_one_that_is_under_way_if_it_waits_at_all() {
        for (is_awaited, asks) in [(true, 3), (false, 1)] {
            let asked = AtomicU64::new(0);
            let (context, seen) = Fake::new(false)
                .on("strait_channel_withdraw", move |_| match asked.fetch_add(1, Ordering::Relaxed) {
                    0 | 1 => Err(ApiError::new(ErrorCode::ChannelBusy, "a withdrawal is agreed")),
                    _ => Ok(json!({"version": 9})),
                })
                .on("strait_channel_show", |_| {
                    Ok(json!(ChannelInfo { withdrawn_version: 9, ..channel_info(0xab) }))
                })
                .tells([])
                .start();
            let mut words = vec!["withdraw".to_owned(), id(), "0.5 ether".to_owned()];
            words.extend(is_awaited.then(|| "--wait".to_owned()));
            let done = withdraw(&context, Withdraw::parse_from(words).args).await;
            assert_eq!((done.is_ok(), seen.asked("strait_channel_withdraw").len()), (is_awaited, asks));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_waits_until_an_undecided_key_is_decided() {
        for (is_awaited, asks) in [(true, 4), (false, 1)] {
            let asked = AtomicU64::new(0);
            let (context, seen) = Fake::new(false)
                .on("strait_channel_deposit", move |_| match asked.fetch_add(1, Ordering::Relaxed) {
                    0..3 => Err(ApiError::new(ErrorCode::IdempotencyPending, "not known until noon")),
                    _ => Ok(json!({"transaction": B256::repeat_byte(2), "total": "0"})),
                })
                .tells([])
                .start();
            let mut words = vec!["deposit".to_owned(), id(), "1 wei".to_owned(), "--key=k".to_owned()];
            words.extend(is_awaited.then(|| "--wait".to_owned()));
            let done = deposit(&context, Deposit::parse_from(words).args).await;
            let asked = seen.asked("strait_channel_deposit");
            assert_eq!((done.is_ok(), asked.len()), (is_awaited, asks));
            assert!(asked.iter().all(|asked| asked["idempotency_key"] == "k"), "{asked:?}");
            if let Err(failure) = done {
                let text = failure.render(false, false);
                assert!(text.contains("until noon") && text.contains("--key k --wait"), "{text}");
            }
        }
    }

    #[tokio::test]
    async fn a_chain_that_is_away_is_not_said_to_be_on_its_way() {
        let (context, seen) = Fake::new(false)
            .on("strait_channel_withdraw", |_| Ok(json!({"version": 9, "chain_away": "no endpoint answers"})))
            .start();
        let args = Withdraw::parse_from(["withdraw", &id(), "0.5 ether"]).args;
        withdraw(&context, args).await.expect("agreed");
        assert!(seen.text().contains("when the chain can be reached"), "{}", seen.text());
    }

    #[tokio::test(start_paused = true)]
    async fn a_repetition_of_what_is_done_waits_for_nothing() {
        let mut info = channel_info(0xab);
        info.withdrawn_version = 9;
        let (context, seen) = Fake::new(false)
            .on("strait_channel_show", move |_| Ok(json!(info)))
            .on("strait_channel_withdraw", |_| Ok(json!({"version": 9})))
            .on("strait_channel_deposit", |_| {
                Ok(json!({"transaction": B256::repeat_byte(2), "total": "1000000000000000000"}))
            })
            .tells([])
            .tells([])
            .start();
        let args = Withdraw::parse_from(["withdraw", &id(), "0.5 ether", "--wait", "--key", "k"]).args;
        withdraw(&context, args).await.expect("withdrawn before");
        let args = Deposit::parse_from(["deposit", &id(), "0.5 ether", "--wait", "--key", "k"]).args;
        deposit(&context, args).await.expect("deposited before");
        assert!(seen.text().contains("0.5 ETH is deposited and counts"), "{}", seen.text());
    }

    #[tokio::test]
    async fn a_peer_that_is_away_is_told_with_its_own_exit_code() {
        let fake = Fake::new(false).on("strait_channel_withdraw", |_| {
            Err(ApiError::new(ErrorCode::PeerOffline, "no connection with the peer"))
        });
        let args = Withdraw::parse_from(["withdraw", &id(), "1", "wei"]).args;
        let failure = withdraw(&fake.context(), args).await.expect_err("offline");
        assert_eq!(failure.exit(), Exit::Peer);
    }
}
