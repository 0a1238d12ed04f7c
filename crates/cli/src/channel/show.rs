//! `strait channel show`.

use super::list::{held, link, phase};
use crate::amount::Assets;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Output;
use crate::text::{duration, one_line, short, time};
use clap::Args;
use strait_api::{AwaitedTower, Balance, ChannelInfo, ChannelRef, Dispute, LockInfo, Phase, UnderWay};

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait channel show 0x1a2b\n  strait channel show 0x1a2b --json | jq .balances\n  strait channel show 0x1a2b --state > state.json"
)]
pub(super) struct ShowArgs {
    /// Its id, or the first digits.
    channel: String,
    /// Prints the best state with both signatures as JSON: what the chain would take.
    #[arg(long)]
    state: bool,
}

pub(super) async fn run(context: &Context, args: ShowArgs) -> Result<(), Failure> {
    let info = context.channel(&args.channel).await?;
    if args.state {
        let state = context.api.channel_state(ChannelRef { channel: info.channel }).await?;
        let text = serde_json::to_string_pretty(&state).map_err(Failure::local)?;
        return context.out.result(&state, |_| text);
    }
    let assets = context.assets().await?;
    context.out.result(&info, |out| text(&info, assets, out))
}

/// What an opening waits for whose peer decides by hand.
pub(super) const APPROVAL: &str = "the peer's operator is asked to approve this channel; when it is approved it is connected, without another offer";

fn state(info: &ChannelInfo) -> String {
    let phase = phase(info);
    if info.phase == Phase::Closed || info.phase == Phase::Open && info.declined.is_some() {
        return phase.to_owned();
    }
    format!("{phase}, {}{}", link(info), if info.can_pay { ", can pay" } else { "" })
}

/// All of a channel.
pub(super) fn text(info: &ChannelInfo, assets: &Assets, out: &Output) -> String {
    let mut pairs = vec![
        ("channel", info.channel.to_string()),
        ("chain", assets.chain_name(info.chain_id)),
        ("peer", info.peer.to_string()),
        ("state", state(info)),
        ("version", info.version.to_string()),
        ("payments", format!("{} made, {} received", info.payments_made, info.payments_received)),
        ("challenge period", duration(info.challenge_duration.into())),
        ("pays out to", info.payout.to_string()),
    ];
    pairs.extend(info.app.map(|app| ("plays", format!("{app}; strait app show {}", short(info.channel)))));
    pairs.extend(info.parent.map(|parent| ("opened in", parent.to_string())));
    let mut blocks = vec![out.pairs(&pairs), balances(info, assets, out)];
    let waits = info.awaits_parent.zip(info.parent).map(|(waits, parent)| crate::app::awaits(waits, parent));
    blocks.extend(waits);
    blocks.extend(declined(info));
    blocks.extend(demanded(info, assets));
    blocks.extend(ordered(info));
    blocks.extend(info.under_way.as_ref().map(under_way));
    blocks.extend(info.dispute.as_ref().map(dispute));
    blocks.extend(restoring(info));
    if !info.locks.is_empty() {
        let rows = info.locks.iter().map(|lock| lock_row(info, lock, assets));
        blocks.push(out.table(&["LOCK", "OF", "AMOUNT", "UNTIL", "HASH"], rows));
    }
    if !info.children.is_empty() {
        let rows = info.children.iter().map(|child| {
            let write = |amount| assets.write(info.chain_id, child.asset, amount);
            let [ours, theirs] =
                [child.gets, child.peer_gets].map(|gets| gets.map_or_else(String::new, write));
            let by_itself = child.leaves_at.map(time).unwrap_or_default();
            vec![short(child.channel), write(child.stake), write(child.peer_stake), ours, theirs, by_itself]
        });
        let header = ["CHILD", "OURS IN", "THEIRS IN", "OURS OUT", "THEIRS OUT", "TO THE CHAIN AFTER"];
        blocks.push(out.table(&header, rows));
    }
    blocks.join("\n\n")
}

fn balances(info: &ChannelInfo, assets: &Assets, out: &Output) -> String {
    let is_leaving = info.balances.iter().any(|of| !of.leaving.is_zero() || !of.peer_leaving.is_zero());
    let mut header = vec!["", "BALANCE", "DEPOSITED", "ARRIVING", "WITHDRAWN"];
    header.extend(is_leaving.then_some("LEAVING"));
    let mut rows = Vec::new();
    for balance in &info.balances {
        let Balance { own, peer, deposited, peer_deposited, arriving, peer_arriving, .. } = *balance;
        let Balance { withdrawn, peer_withdrawn, leaving, peer_leaving, .. } = *balance;
        let write = |amount| assets.write(info.chain_id, balance.asset, amount);
        let sides = [
            ("ours", own, [deposited, arriving, withdrawn, leaving]),
            ("theirs", peer, [peer_deposited, peer_arriving, peer_withdrawn, peer_leaving]),
        ];
        for (name, free, others) in sides {
            let mut row = vec![name.to_owned(), held(info, write(free))];
            row.extend(others.map(write));
            row.truncate(header.len());
            rows.push(row);
        }
        let in_locks = balance.locked.checked_sub(balance.in_children).unwrap_or(balance.locked);
        for (name, amount) in [("in locks", in_locks), ("in children", balance.in_children)] {
            if !amount.is_zero() {
                let mut row = vec![name.to_owned(), write(amount)];
                row.resize(header.len(), String::new());
                rows.push(row);
            }
        }
    }
    out.table(&header, rows)
}

/// That the peer does not take it, and the way out.
fn declined(info: &ChannelInfo) -> Option<String> {
    let reason = one_line(info.declined.as_ref()?);
    let is_empty = super::is_empty(info);
    let way_out = if is_empty {
        format!("nobody has put anything in: `strait channel close {}` gives it up", short(info.channel))
    } else {
        format!(
            "`strait channel dispute {}` takes a deposit back after the challenge period",
            short(info.channel)
        )
    };
    Some(match info.awaits_approval {
        true if is_empty => APPROVAL.into(),
        // That its operator is asked is the peer's word alone.
        true => format!("{APPROVAL}; if that never comes, {way_out}"),
        false => {
            format!("the peer declines this channel: {reason}\nit is offered again by itself; {way_out}")
        }
    })
}

/// That the peer wants more in it, and what it takes, of every asset.
fn demanded(info: &ChannelInfo, assets: &Assets) -> Option<String> {
    let write = |asset, amount| assets.write(info.chain_id, asset, amount);
    let short_of: Vec<&Balance> =
        info.balances.iter().filter(|balance| !balance.demanded.is_zero()).collect();
    if short_of.is_empty() {
        return None;
    }
    let demanded: Vec<_> = short_of.iter().map(|balance| write(balance.asset, balance.demanded)).collect();
    let missing = |balance: &&Balance| {
        let missing = balance.demanded.checked_sub(balance.deposited).unwrap_or_default();
        let missing = missing.checked_sub(balance.arriving).filter(|missing| !missing.is_zero())?;
        let missing = write(balance.asset, missing);
        Some(format!("`strait channel deposit {} \"{missing}\"`", short(info.channel)))
    };
    let commands: Vec<_> = short_of.iter().filter_map(missing).collect();
    let next = match &commands[..] {
        [] => "what is missing is on its way".into(),
        [one] => format!("{one} puts in what is missing"),
        all => format!("{} put in what is missing", all.join(" and ")),
    };
    let demanded = demanded.join(" and ");
    Some(format!("the peer demands a deposit of {demanded} before it takes or makes payments: {next}"))
}

/// That a dispute was ordered which the chain does not show.
fn ordered(info: &ChannelInfo) -> Option<String> {
    let text = "a dispute was ordered by this node and is on its way to the chain; nothing is paid or deposited any more";
    info.is_dispute_ordered.then(|| text.into())
}

/// What both agreed to and the chain has not done.
fn under_way(under_way: &UnderWay) -> String {
    let what = if under_way.is_close { "the close" } else { "a withdrawal" };
    let version = under_way.version;
    if under_way.is_on_chain {
        return format!("{what} (version {version}) is on chain and waits for its confirmations");
    }
    let [first, then] = if under_way.is_ours { ["this node", "the peer"] } else { ["the peer", "this node"] };
    format!(
        "{what} (version {version}) is agreed and goes to the chain until {}: {first} makes the call, {then} when half of the time has passed; whoever makes it needs gas (`strait doctor`)",
        time(under_way.until)
    )
}

/// What a restore waits for, and until when.
fn restoring(info: &ChannelInfo) -> Option<String> {
    let leave = "if the peer never signs, `strait channel dispute` takes the money out";
    let is_empty = super::is_empty(info);
    match (info.is_restoring, info.is_peer_restoring, info.restoring_until) {
        (true, ..) | (_, true, _) if is_empty => Some(
            "restored from a backup: nobody has deposited anything, so that nothing is lost and nothing waits; once a deposit is in, both sign again before the first payment".into(),
        ),
        (true, ..) if !info.awaits_towers.is_empty() => {
            Some(format!("restored from a backup: payments wait {}; {leave}", awaited(&info.awaits_towers)))
        }
        (true, _, Some(until)) => Some(format!(
            "restored from a backup: payments go on when the chain is past {} and the peer has signed; {leave}",
            time(until)
        )),
        (true, _, None) => Some(format!(
            "restored from a backup: payments go on about two hours of chain time after the start, when the peer has signed; {leave}"
        )),
        (false, true, _) => Some(format!(
            "the peer was restored from a backup: payments go on when both have signed again, about two hours of chain time after its start; {leave}"
        )),
        (false, false, _) => None,
    }
}

/// The towers that a restored channel waits for, and what to do about each.
pub(crate) fn awaited(towers: &[AwaitedTower]) -> String {
    let one = |tower: &AwaitedTower| {
        let AwaitedTower { signer, problem } = tower;
        let why = problem.as_deref().map_or_else(String::new, |problem| format!(" ({problem})"));
        format!(
            "for the tower {signer} to tell what it holds, which may be newer than the backup{why}; if it is gone for good: `strait tower remove {signer}`"
        )
    };
    towers.iter().map(one).collect::<Vec<_>>().join("; and ")
}

fn dispute(dispute: &Dispute) -> String {
    let who = if dispute.is_ours { "brought by this node" } else { "brought by the peer" };
    let answer =
        if dispute.is_answered { "the chain holds our best state" } else { "our answer is on its way" };
    format!(
        "dispute: {who}, version {} is recorded, {answer}; the period ends at {} of chain time",
        dispute.recorded,
        time(dispute.deadline)
    )
}

fn lock_row(info: &ChannelInfo, lock: &LockInfo, assets: &Assets) -> Vec<String> {
    vec![
        lock.number.to_string(),
        if lock.is_ours { "ours" } else { "theirs" }.into(),
        assets.write(info.chain_id, lock.asset, lock.amount),
        time(lock.expiry),
        lock.hash.to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fake, MAINNET, channel_info};
    use serde_json::json;
    use strait_api::Link;
    use strait_types::{Address, Amount, B256};

    #[tokio::test]
    async fn locks_and_disputes_are_shown() {
        let mut info = channel_info(0xab);
        info.dispute =
            Some(Dispute { recorded: 4, deadline: 1_700_000_000, is_ours: false, is_answered: false });
        info.locks = vec![LockInfo {
            number: 3,
            is_ours: true,
            asset: Address::ZERO,
            amount: Amount::from(5_000_000_000),
            hash: B256::repeat_byte(7),
            expiry: 1_700_000_000,
        }];
        let (context, seen) = Fake::new(false)
            .on("strait_channel_list", move |_| Ok(json!({"channels": [info], "next": null})))
            .start();
        run(&context, ShowArgs { channel: "0xabab".into(), state: false }).await.expect("shown");
        let text = seen.text();
        let amount = context.assets().await.expect("assets").write(
            MAINNET,
            Address::ZERO,
            Amount::from(5_000_000_000),
        );
        assert!(!text.contains("restored") && !text.contains("plays"), "{text}");
        let game = ChannelInfo { app: Some(Address::repeat_byte(7)), ..channel_info(0xab) };
        let shown = super::text(&game, context.assets().await.expect("assets"), &context.out);
        assert!(shown.contains("strait app show 0xabababab"), "{shown}");
        let mut info = channel_info(0xab);
        (info.is_restoring, info.restoring_until) = (true, Some(1_700_000_000));
        assert!(
            super::text(&info, context.assets().await.expect("assets"), &context.out)
                .contains("2023-11-14T22:13:20Z")
        );
        let problem = Some("the tower does not serve this node's key".to_owned());
        info.awaits_towers = vec![AwaitedTower { signer: Address::repeat_byte(0x15), problem }];
        let waits = super::text(&info, context.assets().await.expect("assets"), &context.out);
        for part in ["for the tower 0x1515", "does not serve this node's key", "strait tower remove 0x1515"] {
            assert!(waits.contains(part), "{part} is missing in {waits}");
        }
        (info.version, info.balances) = (0, info.balances.split_off(1));
        info.balances[0].deposited = Amount::ZERO;
        let empty = super::text(&info, context.assets().await.expect("assets"), &context.out);
        assert!(empty.contains("nobody has deposited anything"), "{empty}");
        for part in ["brought by the peer", "version 4", "2023-11-14T22:13:20Z", amount.as_str(), "0x0707"] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }

    #[tokio::test]
    async fn what_is_under_way_or_declined_says_what_comes_next() {
        let context = Fake::new(false).context();
        let assets = context.assets().await.expect("assets");
        let mut info = channel_info(0xab);
        let before = super::text(&info, assets, &context.out);
        assert!(!before.contains("LEAVING") && !before.contains("agreed"), "{before}");
        info.balances[1].leaving = Amount::from(20_000_000);
        let under_way = UnderWay {
            version: 9,
            is_close: false,
            is_ours: false,
            is_on_chain: false,
            until: 1_700_000_000,
        };
        info.under_way = Some(under_way);
        let text = super::text(&info, assets, &context.out);
        for part in [
            "LEAVING",
            "20 USDC",
            "a withdrawal (version 9)",
            "2023-11-14T22:13:20Z",
            "the peer makes the call",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        info.under_way = Some(UnderWay { is_on_chain: true, ..under_way });
        assert!(super::text(&info, assets, &context.out).contains("waits for its confirmations"));

        let declined = ChannelInfo { declined: Some("closed on Sundays".into()), ..channel_info(0xab) };
        let text = super::text(&declined, assets, &context.out);
        for part in ["declined", "closed on Sundays", "strait channel dispute 0xabababab"] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        let waiting = ChannelInfo { awaits_approval: true, link: Link::Down, ..declined };
        let text = super::text(&waiting, assets, &context.out);
        assert!(text.contains("waits for approval") && text.contains("operator is asked"), "{text}");
        for part in ["offline", "declines"] {
            assert!(!text.contains(part), "{part} is of a fault: {text}");
        }
        assert!(text.contains("never comes, `strait channel dispute 0xabababab`"), "it holds money: {text}");
        let mut empty = ChannelInfo { version: 0, ..waiting };
        empty.balances.iter_mut().for_each(|balance| balance.deposited = Amount::ZERO);
        let text = super::text(&empty, assets, &context.out);
        assert!(text.contains("operator is asked") && !text.contains("dispute"), "{text}");
        let ordered = ChannelInfo { is_dispute_ordered: true, can_pay: false, ..channel_info(0xab) };
        let text = super::text(&ordered, assets, &context.out);
        assert!(text.contains("leaving, ") && text.contains("a dispute was ordered"), "{text}");
        let mut short_of = ChannelInfo { can_pay: false, ..channel_info(0xab) };
        short_of.balances[1].demanded = Amount::from(250_000_000);
        let text = super::text(&short_of, assets, &context.out);
        for part in ["demands a deposit of 250 USDC", "strait channel deposit 0xabababab \"150 USDC\""] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        short_of.balances[0].demanded = Amount::from(5_000_000_000_000_000_000);
        let text = super::text(&short_of, assets, &context.out);
        for part in ["deposit of 5 ETH and 250 USDC", "\"150 USDC\"` put in what is missing"] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        let closed = ChannelInfo { phase: Phase::Closed, ..channel_info(0xab) };
        let text = super::text(&closed, assets, &context.out);
        assert!(!text.contains("connected"), "nothing is said to the peer any more: {text}");
    }
}
