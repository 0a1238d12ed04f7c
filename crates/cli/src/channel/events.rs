//! Events for people.

use crate::amount::Assets;
use crate::app::told;
use crate::text::{duration, now, one_line, short, time};
use strait_api::{ChannelInfo, Event, EventRecord, InvoiceIssue, Phase, ReceivedPayment};
use strait_app::Fields;
use strait_types::{Amount, ChannelId};

/// The channel of an event, and what its app's data are called.
pub(crate) struct Place<'a> {
    pub(crate) channel: &'a ChannelInfo,
    pub(crate) fields: &'a Fields,
}

/// Whether an event says more to those who know its channel.
pub(super) fn needs_place(event: &Event) -> bool {
    matches!(
        event,
        Event::AppMoved { .. }
            | Event::AppFinishOffered { .. }
            | Event::AppFinished { .. }
            | Event::AppEnded { .. }
            | Event::LockOffered { .. }
    )
}

/// One event on one line. Without its place data and gains are shown as they are.
pub(crate) fn line(record: &EventRecord, assets: &Assets, place: Option<&Place<'_>>) -> String {
    let channel = record.channel.map_or_else(|| "-".to_owned(), short);
    format!("{}  {channel:<10}  {}", time(record.at_ms / 1_000), text(record, assets, place))
}

/// A payment of this node, as a line beside events.
pub(super) fn paid(channel: ChannelId, number: u64, amount: &str, memo: &str) -> String {
    let memo = if memo.is_empty() { String::new() } else { format!(": {}", one_line(memo)) };
    format!("{}  {:<10}  paid {amount}, payment {number}{memo}", time(now()), short(channel))
}

fn text(record: &EventRecord, assets: &Assets, place: Option<&Place<'_>>) -> String {
    let amount = |asset, amount| assets.write(record.chain_id, asset, amount);
    match &record.event {
        Event::Opened { peer } => format!("opened with {peer}"),
        Event::Proposed { peer } => format!(
            "proposed by {peer}: `strait channel proposals` shows it, `strait channel approve` takes it"
        ),
        Event::Declined { reason } => format!(
            "the peer declines it: {}; it is offered again, and `strait channel dispute` takes a deposit back",
            one_line(reason)
        ),
        Event::Ready => "ready: both are connected and hold the same state".into(),
        Event::PeerConnected { peer } => format!("connected with {peer}"),
        Event::PeerDisconnected { peer } => format!("no connection with {peer}; it is dialled again"),
        Event::Received { first, payments, .. } => received(*first, payments, amount),
        Event::InvoicePaid { id, payment } => {
            format!("invoice {} is paid, payment {}", short(id), payment.number)
        }
        Event::InvoiceMispaid { id, payment, issue, .. } => {
            let (number, id, why) = (payment.number, short(id), why_unpaid(*issue));
            format!("payment {number} for invoice {id} is received and does not pay it: {why}")
        }
        Event::LockOffered { number, amount: units, expiry, .. } => {
            // The lock's asset is not told; most channels have one.
            let locked = match place.map(|place| &place.channel.balances[..]) {
                Some([balance]) => amount(balance.asset, *units),
                _ => format!("{units} of the smallest unit"),
            };
            format!("the peer locked {locked} for us until {}, lock {number}", time(*expiry))
        }
        Event::LockSettled { number, .. } => format!("lock {number} was paid"),
        Event::LockCancelled { number } => format!("lock {number} went back"),
        Event::Deposited { is_ours, asset, amount: units } => {
            format!("{} deposited {}", who(*is_ours), amount(*asset, *units))
        }
        Event::Withdrawn { version } => format!("the withdrawal of version {version} is on chain"),
        Event::Challenged { version, is_ours, deadline } => {
            format!(
                "{} brought version {version} to the chain; the period ends at {}",
                who(*is_ours),
                time(*deadline)
            )
        }
        Event::Responded { version } => format!("version {version} was shown in answer"),
        Event::AppMoved { .. }
        | Event::AppMoveRefused { .. }
        | Event::AppForced { .. }
        | Event::AppFinishOffered { .. }
        | Event::AppFinished { .. }
        | Event::AppEnded { .. } => of_game(&record.event, assets, place),
        Event::ChildClosed { child, asset, own, peer } => {
            returned(*child, [*own, *peer], |units| amount(*asset, units))
        }
        Event::DeadlineInDanger { deadline, left, our_move } => danger(*deadline, *left, *our_move),
        Event::PhaseChanged { phase: Phase::Closed } => {
            "is closed: what it came to is paid, or lies in the channel that it was opened in".into()
        }
        Event::PhaseChanged { phase } => format!("is {} on chain", phase_name(*phase)),
        Event::Reorganised => "the chain took events back".into(),
        Event::Rebased { version } => format!("both signed again after the restore, version {version}"),
        Event::PeerFault { rule } => {
            format!("the peer broke a rule, nothing was accepted: {}", one_line(rule))
        }
        Event::Alarm { message } => format!("ALARM: {}", one_line(message)),
    }
}

/// That time runs out on chain.
fn danger(deadline: u64, left: u64, our_move: bool) -> String {
    let until = time(deadline);
    if our_move {
        let left = duration(left);
        return format!(
            "this node's turn, before the chain: `strait app move` until {until} ({left} left), or the app judges"
        );
    }
    format!("DANGER: no answer on chain yet, {left} s are left until {until}")
}

/// What happens in a game.
fn of_game(event: &Event, assets: &Assets, place: Option<&Place<'_>>) -> String {
    let gains = |outcome: &[[String; 2]]| match place {
        Some(place) => told(outcome, place.channel, assets),
        None => gains(outcome),
    };
    match event {
        Event::AppMoved { version, is_ours, our_turn, position } => {
            let turn = if *our_turn { "this node" } else { "the peer" };
            let data = place.map_or_else(|| position.data.to_string(), |of| of.fields.show(&position.data));
            let is_even = position.deltas.iter().flatten().all(|delta| delta == "0");
            let so_far =
                if is_even { String::new() } else { format!("; so far {}", gains(&position.deltas)) };
            format!("{} moved, version {version}: {data}{so_far}; next is {turn}", who(*is_ours))
        }
        Event::AppMoveRefused { version, rule } => {
            format!(
                "the peer refused our move, version {version}, which goes to the chain: {}",
                one_line(rule)
            )
        }
        Event::AppForced { version, deadline } => {
            format!(
                "the chain recorded the move of version {version}; the next one until {}",
                time(*deadline)
            )
        }
        Event::AppFinishOffered { version, outcome } => {
            format!("the peer would end play at version {version}: {}", gains(outcome))
        }
        Event::AppFinished { version, outcome } => {
            format!("play ends in version {version}: {}", gains(outcome))
        }
        Event::AppEnded { outcome } => format!("the game has ended: {}", gains(outcome)),
        _ => String::new(),
    }
}

/// What a game or channel within this one has given back to this node and the peer.
fn returned(child: ChannelId, [own, peer]: [Amount; 2], write: impl Fn(Amount) -> String) -> String {
    let all = own.checked_add(peer).unwrap_or(Amount::MAX);
    format!("{} of {} is in this channel now, {} of it the peer's", write(all), short(child), write(peer))
}

fn why_unpaid(issue: InvoiceIssue) -> &'static str {
    match issue {
        InvoiceIssue::Partial => "more is needed",
        InvoiceIssue::OtherAsset => "it is in another asset",
        InvoiceIssue::PaidAlready => "it was paid before",
        InvoiceIssue::Expired => "its time was over",
        InvoiceIssue::Cancelled => "it was taken back",
    }
}

/// One of the two.
pub(crate) fn who(is_ours: bool) -> &'static str {
    if is_ours { "this node" } else { "the peer" }
}

/// What both gain, per asset.
fn gains(outcome: &[[String; 2]]) -> String {
    let pairs: Vec<_> =
        outcome.iter().map(|[zero, one]| format!("{}, {}", one_line(zero), one_line(one))).collect();
    pairs.join("; ")
}

fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Open => "open",
        Phase::Disputed => "disputed",
        Phase::Settled => "settled",
        Phase::Closed => "closed",
    }
}

/// Single payments, or how many there are of each asset.
fn received(
    first: u64,
    payments: &[ReceivedPayment],
    amount: impl Fn(strait_types::Address, strait_types::Amount) -> String,
) -> String {
    if let [payment] = payments {
        let memo =
            if payment.memo.is_empty() { String::new() } else { format!(" \"{}\"", one_line(&payment.memo)) };
        return format!("received {}{memo}, payment {first}", amount(payment.asset, payment.amount));
    }
    let mut sums: Vec<(strait_types::Address, Option<strait_types::Amount>)> = Vec::new();
    for payment in payments {
        match sums.iter_mut().find(|(asset, _)| *asset == payment.asset) {
            Some((_, sum)) => *sum = sum.and_then(|sum| sum.checked_add(payment.amount)),
            None => sums.push((payment.asset, Some(payment.amount))),
        }
    }
    let sums: Vec<_> = sums
        .into_iter()
        .map(|(asset, sum)| {
            sum.map_or_else(|| "more than can be added up".to_owned(), |sum| amount(asset, sum))
        })
        .collect();
    format!("received {} in {} payments from {first} on", sums.join(" and "), payments.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MAINNET, USDC, channel_info, node_info};
    use serde_json::{Value, json};

    #[allow(clippy::needless_pass_by_value)] // as `json!` makes it
    fn told(event: Value) -> String {
        let mut record = json!({"cursor": "a", "at_ms": 1_700_000_000_999_u64, "chain_id": MAINNET,
            "channel": channel_info(0xab).channel});
        record.as_object_mut().expect("object").extend(event.as_object().expect("object").clone());
        line(&serde_json::from_value(record).expect("an event"), &Assets::new(&node_info()), None)
    }

    #[test]
    fn a_game_is_told_with_the_names_of_its_data_and_in_its_asset() {
        let mut channel = channel_info(0xab);
        channel.balances.truncate(1);
        let fields = Fields::read("uint128 stake, uint8 sticks").expect("fields");
        let place = Place { channel: &channel, fields: &fields };
        let told = |event: Value| {
            let mut record =
                json!({"cursor": "a", "at_ms": 0, "chain_id": MAINNET, "channel": channel.channel});
            record.as_object_mut().expect("object").extend(event.as_object().expect("object").clone());
            let record = serde_json::from_value(record).expect("an event");
            line(&record, &Assets::new(&node_info()), Some(&place))
        };
        let deltas = json!([["500000000000000000", "-500000000000000000"]]);
        let data = format!("0x{:064x}{:064x}", 1_000, 3);
        let position = json!({"writer": 0, "deltas": deltas, "data": data});
        let moved = told(
            json!({"event": "app_moved", "version": 2, "is_ours": false, "our_turn": true, "position": position}),
        );
        assert!(
            moved.ends_with("the peer moved, version 2: stake 1000, sticks 3; so far this node gains 0.5 ETH from the peer; next is this node"),
            "{moved}"
        );
        let ended = told(json!({"event": "app_ended", "outcome": deltas}));
        assert!(ended.ends_with("the game has ended: this node gains 0.5 ETH from the peer"), "{ended}");
        let hash = strait_types::B256::ZERO;
        let locked = told(
            json!({"event": "lock_offered", "number": 1, "amount": "1000000000000000", "hash": hash, "expiry": 0}),
        );
        assert!(locked.contains("the peer locked 0.001 ETH for us"), "{locked}");
    }

    #[test]
    fn payments_are_told_singly_or_summed_up() {
        let pay = |amount: &str, memo: &str| json!({"asset": USDC, "amount": amount, "invoice": null, "memo": memo});
        let one = told(
            json!({"event": "received", "version": 3, "first": 7, "payments": [pay("1500000", "tea\u{1b}[2J")]}),
        );
        assert_eq!(one, "2023-11-14T22:13:20Z  0xabababab  received 1.5 USDC \"tea\\u{1b}[2J\", payment 7");
        let many = told(
            json!({"event": "received", "version": 3, "first": 7, "payments": [pay("1", ""), pay("2", "")]}),
        );
        assert!(many.ends_with("received 0.000003 USDC in 2 payments from 7 on"), "{many}");
    }

    #[test]
    fn what_a_peer_says_stays_on_its_line() {
        let text = told(json!({"event": "declined", "reason": "a\nb"}));
        assert_eq!(text.lines().count(), 1);
    }
}
