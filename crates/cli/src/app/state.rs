//! How play stands, for people.

use super::finish::told;
use crate::amount::Assets;
use crate::text::{short, time};
use strait_api::{AppInfo, AwaitsParent, Balance, ChannelInfo, Phase};
use strait_app::Fields;
use strait_types::{Amount, ChannelId};

/// What is known of a game, line by line.
pub(super) fn pairs(
    info: &AppInfo,
    channel: &ChannelInfo,
    assets: &Assets,
    fields: &Fields,
) -> Vec<(&'static str, String)> {
    let gains = |outcome: &Vec<[String; 2]>| told(outcome, channel, assets);
    let mut pairs = vec![
        ("channel", info.channel.to_string()),
        ("app", info.app.to_string()),
        ("we are", format!("participant {}", info.side)),
        ("version", info.version.to_string()),
        ("stakes", stakes(info, channel, assets)),
        ("turn", turn(info, channel, assets)),
        ("data", fields.show(&info.position.data)),
    ];
    if is_paid(channel) {
        pairs.push(("outcome", gains(&outcome(info, channel))));
        return pairs;
    }
    if channel.is_closing {
        pairs.extend(info.verdict.as_ref().map(|verdict| ("outcome", gains(verdict))));
        return pairs;
    }
    pairs.push(("so far", gains(&info.position.deltas)));
    let mover = if info.position.writer == info.side { "if we do not move" } else { "if it does not move" };
    let judged = |verdict| format!("{}{}", gains(verdict), beyond(verdict, info, channel, assets));
    pairs.extend(info.verdict.as_ref().map(|verdict| (mover, judged(verdict))));
    pairs.extend(
        info.claims_at.map(|at| ("claimed by itself", format!("{}, if the peer has not moved", time(at)))),
    );
    let id = short(info.channel);
    let accepts = |offer| format!("{}; `strait app finish {id} --accept` takes it", gains(offer));
    let stands = |proposed| {
        format!("{}; it stands until the peer agrees, another is proposed or a move is made", gains(proposed))
    };
    pairs.extend(info.offer.as_ref().map(|offer| ("the peer offers", accepts(offer))));
    pairs.extend(info.proposed.as_ref().map(|proposed| ("we propose", stands(proposed))));
    pairs
}

fn is_paid(channel: &ChannelInfo) -> bool {
    matches!(channel.phase, Phase::Closed | Phase::Settled)
}

/// What participants 0 and 1 have gained in a game that is paid: what each got, less what it had put in.
pub(crate) fn outcome(info: &AppInfo, channel: &ChannelInfo) -> Vec<[String; 2]> {
    let of = |(stakes, balance): (&[Amount; 2], &Balance)| {
        let parts = if info.side == 0 { [balance.own, balance.peer] } else { [balance.peer, balance.own] };
        [0, 1].map(|i| parts[i].signed().saturating_sub(stakes[i].signed()).to_string())
    };
    info.stakes.iter().zip(&channel.balances).map(of).collect()
}

/// Whose turn it is, and how it is taken.
fn turn(info: &AppInfo, channel: &ChannelInfo, assets: &Assets) -> String {
    let id = short(info.channel);
    if let Some(waits) =
        channel.awaits_parent.zip(channel.parent).map(|(waits, parent)| awaits(waits, parent))
    {
        return format!("nobody's: the game is over; {waits}");
    }
    if is_paid(channel) {
        return "nobody's: the game is over, and both have got their part".into();
    }
    if channel.is_closing {
        let next = if channel.parent.is_some() { "goes back into its channel" } else { "goes to the chain" };
        return format!("nobody's: both have signed the end, which {next}");
    }
    if info.version == 0 {
        return not_started(info, channel, assets);
    }
    if info.in_flight {
        return "our move awaits the peer or the chain".into();
    }
    let until = info.deadline.map(|deadline| {
        let shown =
            channel.dispute.as_ref().map(|dispute| dispute.deadline).filter(|shown| *shown < deadline);
        let from = shown.map(|shown| format!(", brought to the chain from {} on", time(shown)));
        format!("{}, until {} of chain time, or the app judges", from.unwrap_or_default(), time(deadline))
    });
    let until = until.unwrap_or_default();
    // Before the chain no other end is agreed.
    let takes_end = channel.phase == Phase::Open && !channel.is_dispute_ordered;
    match (info.our_turn, takes_end) {
        (true, true) => {
            format!("ours{until}: strait app move {id} DATA, or strait app finish {id} when all is played")
        }
        (true, false) => format!("ours{until}: strait app move {id} DATA"),
        (false, true) => format!("the peer's{until}; when all is played: strait app finish {id}"),
        (false, false) => format!("the peer's{until}"),
    }
}

/// That a child's end lies in its parent, and how it comes from there.
pub(crate) fn awaits(waits: AwaitsParent, parent: ChannelId) -> String {
    let parent = short(parent);
    let lies = format!("what the chain gave both lies in the channel {parent}");
    match (waits.phase, waits.leaves_at) {
        (Phase::Open, Some(at)) => format!(
            "{lies} until the peer signs it there; if it does not, the node goes to the chain with {parent} once the chain is past {} and the peer had a moment with this node (`hold_timeout`, 2 minutes by default); `strait channel dispute {parent}` does so at once",
            time(at)
        ),
        (Phase::Open, None) => {
            format!(
                "{lies} until the peer signs it there; if it never does, `strait channel dispute {parent}` takes it out"
            )
        }
        _ => format!("{lies}, which is before the chain: it is paid with that"),
    }
}

/// That a verdict is more than can be paid.
fn beyond(verdict: &[[String; 2]], info: &AppInfo, channel: &ChannelInfo, assets: &Assets) -> String {
    let of = |(pair, balance): (&[String; 2], &Balance)| {
        let there = |side: u8| if side == info.side { balance.deposited } else { balance.peer_deposited };
        let loss = |side: u8| pair.get(usize::from(side))?.parse::<i128>().ok()?.checked_neg();
        let lacks = |side: &u8| loss(*side).is_some_and(|loss| loss > there(*side).signed());
        let most = there([0, 1].into_iter().find(lacks)?);
        Some(format!(
            " (more than is put in: {} at most is paid)",
            assets.write(channel.chain_id, balance.asset, most)
        ))
    };
    verdict.iter().zip(&channel.balances).find_map(of).unwrap_or_default()
}

/// What is missing before play begins.
fn not_started(info: &AppInfo, channel: &ChannelInfo, assets: &Assets) -> String {
    if channel.phase == Phase::Disputed {
        return "nobody's: it was given up before it began, and the chain gives both back what they have put in"
            .into();
    }
    let id = short(info.channel);
    let mut missing = Vec::new();
    for (pair, balance) in info.stakes.iter().zip(&channel.balances) {
        let (ours, theirs) = if info.side == 0 { (pair[0], pair[1]) } else { (pair[1], pair[0]) };
        let lacks = |stake: Amount, counts: Amount, arriving: Amount| {
            let lacking = stake.checked_sub(counts).filter(|lacking| !lacking.is_zero())?;
            let written = assets.write(channel.chain_id, balance.asset, lacking);
            Some((written, arriving >= lacking))
        };
        missing.extend(lacks(ours, balance.deposited, balance.arriving).map(|(lacking, arrives)| {
            let how = if arrives {
                "it is on its way".to_owned()
            } else {
                format!("strait channel deposit {id} \"{lacking}\"")
            };
            format!("{lacking} of ours ({how})")
        }));
        missing.extend(lacks(theirs, balance.peer_deposited, balance.peer_arriving).map(
            |(lacking, arrives)| {
                format!("{lacking} of the peer's{}", if arrives { " (it is on its way)" } else { "" })
            },
        ));
    }
    if missing.is_empty() {
        return "not started: the two are about to sign the start".into();
    }
    format!("not started, for lack of {}; data is where it starts", missing.join(" and "))
}

fn stakes(info: &AppInfo, channel: &ChannelInfo, assets: &Assets) -> String {
    let (ours, theirs) = (usize::from(info.side.min(1)), usize::from(1 - info.side.min(1)));
    let of = |(pair, balance): (&[Amount; 2], &Balance)| {
        let write = |amount| assets.write(channel.chain_id, balance.asset, amount);
        format!("ours {}, the peer's {}", write(pair[ours]), write(pair[theirs]))
    };
    info.stakes.iter().zip(&channel.balances).map(of).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{channel_info, node_info};
    use serde_json::{Value, json};
    use strait_types::Address;

    fn game(over: &Value) -> AppInfo {
        let mut info = json!({"channel": channel_info(0xab).channel, "app": Address::repeat_byte(7), "side": 0, "version": 3,
            "stakes": [["1000", "500"]], "position": {"writer": 0, "deltas": [["0", "0"]], "data": "0x"}, "our_turn": true,
            "in_flight": false, "deadline": null, "offer": null});
        info.as_object_mut().expect("object").extend(over.as_object().expect("object").clone());
        serde_json::from_value(info).expect("a game")
    }

    fn shown(over: &Value, change: impl FnOnce(&mut ChannelInfo)) -> String {
        let mut channel = channel_info(0xab);
        channel.balances.truncate(1);
        change(&mut channel);
        let assets = Assets::new(&node_info());
        let pairs = pairs(&game(over), &channel, &assets, &Fields::default());
        pairs.into_iter().map(|(name, text)| format!("{name}: {text}\n")).collect()
    }

    fn has(text: &str, parts: &[&str]) {
        for part in parts {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }

    #[test]
    fn whose_turn_it_is_and_how_it_is_taken() {
        has(&shown(&json!({}), |_| ()), &["turn: ours: strait app move 0xabababab DATA"]);
        let forced = shown(&json!({"deadline": 1_700_000_000}), |channel| channel.phase = Phase::Disputed);
        has(
            &forced,
            &["turn: ours, until 2023-11-14T22:13:20Z of chain time, or the app judges: strait app move"],
        );
        let shown_until = shown(&json!({"deadline": 1_700_003_600, "our_turn": false}), |channel| {
            let dispute =
                json!({"recorded": 3, "deadline": 1_700_000_000, "is_ours": true, "is_answered": true});
            channel.dispute = serde_json::from_value(dispute).expect("a dispute");
            channel.phase = Phase::Disputed;
        });
        assert!(!forced.contains("app finish") && !shown_until.contains("app finish"), "it would be refused");
        let when =
            "the peer's, brought to the chain from 2023-11-14T22:13:20Z on, until 2023-11-14T23:13:20Z";
        has(&shown_until, &[when]);
        has(
            &shown(&json!({"our_turn": false}), |_| ()),
            &["turn: the peer's; when all is played: strait app finish 0xabababab\n"],
        );
        let offers = json!({"offer": [["-10", "10"]], "proposed": [["10", "-10"]]});
        let text = shown(&offers, |_| ());
        has(
            &text,
            &["the peer gains 0.00000000000000001 ETH", "finish 0xabababab --accept", "it stands until"],
        );
    }

    #[test]
    fn before_it_begins_it_says_whose_stake_is_missing() {
        let text = shown(&json!({"version": 0}), |channel| {
            let balance = &mut channel.balances[0];
            (balance.deposited, balance.peer_arriving) = (Amount::from(400), Amount::from(500));
        });
        has(
            &text,
            &[
                "0.0000000000000006 ETH of ours (strait channel deposit 0xabababab \"0.0000000000000006 ETH\")",
                "0.0000000000000005 ETH of the peer's (it is on its way)",
            ],
        );
    }

    #[test]
    fn a_verdict_beyond_what_is_put_in_is_told() {
        let text = shown(&json!({"verdict": [["2000", "-2000"]]}), |channel| {
            channel.balances[0].peer_deposited = Amount::from(500);
        });
        has(&text, &["(more than is put in: 0.0000000000000005 ETH at most is paid)"]);
        let text = shown(&json!({"verdict": [["500", "-500"]]}), |channel| {
            channel.balances[0].peer_deposited = Amount::from(500);
        });
        assert!(!text.contains("more than is put in"), "{text}");
    }

    #[test]
    fn what_the_chain_decided_is_not_called_paid_while_it_lies_in_the_parent() {
        let decided = |leaves_at: Option<u64>, phase: Phase| {
            shown(&json!({"our_turn": false}), |channel| {
                channel.phase = Phase::Closed;
                channel.parent = Some(channel_info(0xcd).channel);
                channel.awaits_parent = Some(AwaitsParent { phase, leaves_at });
            })
        };
        let text = decided(Some(1_700_000_000), Phase::Open);
        has(
            &text,
            &[
                "once the chain is past 2023-11-14T22:13:20Z",
                "hold_timeout",
                "strait channel dispute 0xcdcdcdcd",
            ],
        );
        assert!(!text.contains("got their part"), "{text}");
        has(&decided(None, Phase::Open), &["if it never does, `strait channel dispute 0xcdcdcdcd`"]);
        has(&decided(None, Phase::Disputed), &["is before the chain"]);
    }

    #[test]
    fn after_its_end_it_says_what_came_of_it_and_nothing_of_turns() {
        let text = shown(&json!({"our_turn": false}), |channel| {
            channel.phase = Phase::Closed;
            let balance = &mut channel.balances[0];
            (balance.own, balance.peer) = (Amount::from(1_500), Amount::ZERO);
        });
        has(&text, &["the game is over", "outcome: this node gains 0.0000000000000005 ETH"]);
        assert!(!text.contains("if it does not move") && !text.contains("so far"), "{text}");
        let agreed = json!({"verdict": [["-1000", "1000"]]});
        let text = shown(&agreed, |channel| channel.is_closing = true);
        has(&text, &["both have signed the end, which goes to the chain", "outcome: the peer gains"]);
    }
}
