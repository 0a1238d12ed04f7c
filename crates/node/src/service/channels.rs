//! Looking at channels, and their commands.

use super::Core;
use super::convert::{asset_index, bad_cursor, channel_info, page_limit};
use super::error::EMPTY_HINT;
use super::keys::{Intention, Keyed, Other};
use super::registry::Known;
use crate::NodeError;
use crate::shell::{Calls, Node};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use strait_api::{
    Agreed, ApiError, AwaitedTower, Balance, ChannelInfo, ChannelList, ChannelMove, Channels, ErrorCode,
    Nothing, Phase, Submitted, UnderWay,
};
use strait_protocol::{Command, CommandError, Operation, Outcome};
use strait_types::{Address, Amount, AssetIndex, ChannelId, Version};

/// Channels that are looked at between two rounds of an engine.
pub(super) const CHUNK: usize = 256;
/// What the contract says of a call that comes when the channel is closed or settled.
pub(crate) const ENDED: &str = "ChannelEnded";
/// The end of the year 9999, Unix seconds.
const LATEST_DATE: u64 = 253_402_300_799;
/// How long a peer that was dialled for a command may take to be there.
const PEER_PATIENCE: Duration = Duration::from_secs(3);
/// How long the chain may take to say what the gas account holds, before an order is given without that.
const GAS_PATIENCE: Duration = Duration::from_secs(5);

impl Core {
    pub(crate) async fn show(&self, id: ChannelId) -> Result<ChannelInfo, ApiError> {
        let known = self.known(id).await?;
        let info = self.look(std::slice::from_ref(&known)).await?.pop();
        info.ok_or_else(|| ApiError::new(ErrorCode::UnknownChannel, format!("no channel {id} is known here")))
    }

    /// The channels as they are now, in the given order.
    pub(crate) async fn look(&self, channels: &[Arc<Known>]) -> Result<Vec<ChannelInfo>, ApiError> {
        let mut found = HashMap::new();
        for (index, chain) in self.nodes.iter().enumerate() {
            let wanted: Vec<_> = channels.iter().filter(|known| known.chain == index).cloned().collect();
            if wanted.is_empty() {
                continue;
            }
            let chain_id = chain.node.domain().chain_id();
            let infos = chain.node.query(move |engine| {
                let info = |known: &Arc<Known>| {
                    let channel = engine.channel(known.id)?;
                    let reason = engine.answer_to_offer(known.id).and_then(Result::err);
                    let declined = (reason, engine.awaits_approval(known.id));
                    let parent = channel.parent().and_then(|parent| engine.channel(parent));
                    let info = channel_info(known, chain_id, &channel, parent.as_deref(), declined);
                    Some((known.id, info))
                };
                wanted.iter().filter_map(info).collect::<Vec<_>>()
            });
            let mut infos = infos.await?;
            if infos.iter().any(|(_, info)| info.is_restoring) {
                let awaited = self.awaited_towers(chain).await?;
                let restoring = infos.iter_mut().filter(|(_, info)| info.is_restoring);
                restoring.for_each(|(_, info)| info.awaits_towers.clone_from(&awaited));
            }
            found.extend(infos);
        }
        let complete = |known: &Arc<Known>| {
            let mut info = found.remove(&known.id)?;
            known.unseen().complete(&mut info);
            Some(info)
        };
        Ok(channels.iter().filter_map(complete).collect())
    }

    pub(crate) async fn list(&self, request: ChannelList) -> Result<Channels, ApiError> {
        let limit = page_limit(request.limit, 100, 1_000)?;
        if let Some(chain_id) = request.chain_id {
            self.chain(Some(chain_id))?;
        }
        let mut before = match &request.cursor {
            Some(cursor) => Some(cursor.parse::<u64>().map_err(|_| bad_cursor(cursor))?),
            None => None,
        };
        let mut page = Vec::new();
        loop {
            let chunk = self.registry.before(before, CHUNK);
            let Some(last) = chunk.last().map(|known| known.number) else {
                return Ok(Channels { channels: page, next: None });
            };
            let is_wanted = |known: &Arc<Known>| {
                request.chain_id.is_none_or(|chain_id| self.chain_id(known.chain) == chain_id)
                    && request.peer.is_none_or(|peer| known.peer() == peer)
            };
            let wanted: Vec<_> = chunk.into_iter().filter(is_wanted).collect();
            let infos = self.look(&wanted).await?;
            let numbers: HashMap<_, _> = wanted.iter().map(|known| (known.id, known.number)).collect();
            for info in infos {
                if request.phase.is_some_and(|phase| info.phase != phase) {
                    continue;
                }
                let number = numbers.get(&info.channel).copied();
                page.push(info);
                if page.len() == limit {
                    let next = number.filter(|number| !self.registry.before(Some(*number), 1).is_empty());
                    return Ok(Channels { channels: page, next: next.map(|number| number.to_string()) });
                }
            }
            before = Some(last);
        }
    }

    pub(crate) async fn deposit(self: &Arc<Core>, mut request: ChannelMove) -> Result<Submitted, ApiError> {
        let known = self.known(request.channel).await?;
        let asset = asset_index(&known, request.asset)?;
        positive(request.amount)?;
        let amount = request.amount;
        let Some(key) = request.idempotency_key.take() else {
            return self.deposit_now(&known, asset, amount, None).await;
        };
        let keyed = Keyed::new(self, &key, "channel_deposit", &request, Some(&known))?;
        let (before, head) = self.deposited_at_head(&known, asset).await?;
        let (others, at_ms) = (Vec::new(), self.clock.now_ms());
        let intention = Intention::Deposit { asset, amount, before, others, may_be_sent: false, at_ms };
        let key = keyed.name().to_owned();
        let act = move |core: Arc<Core>| async move {
            core.note_under_way(&known, asset, head, &key).await?;
            core.deposit_now(&known, asset, amount, Some(&key)).await
        };
        self.once(keyed, intention, act).await
    }

    async fn deposit_now(
        self: &Arc<Core>,
        known: &Arc<Known>,
        asset: AssetIndex,
        amount: Amount,
        key: Option<&str>,
    ) -> Result<Submitted, ApiError> {
        let info = self.show(known.id).await?;
        if info.phase == Phase::Disputed && info.version == 0 && !known.params.app.is_zero() {
            let message =
                format!("the game {} was given up before it began, and cannot begin any more", known.id);
            return Err(ApiError::new(ErrorCode::ChannelNotOpen, message)
                .hint("the chain gives both back what they have put in; open another one"));
        }
        // In a dispute nothing could be done with it until it comes back at the end.
        if info.is_closing || info.is_dispute_ordered || info.phase != Phase::Open {
            let message = format!("the channel {} takes no deposit", known.id);
            let error = ApiError::new(ErrorCode::ChannelNotOpen, message);
            return Err(explain(error, &info));
        }
        if info.awaits_approval {
            let message = format!("the channel {} waits for the approval of the peer's operator", known.id);
            let hint =
                "nothing was deposited; repeat it when `strait channel list` shows the channel as connected";
            return Err(ApiError::new(ErrorCode::PeerRefused, message).hint(hint));
        }
        if let Some(reason) = &info.declined {
            let message = format!("the peer declines the channel {}: {reason}", known.id);
            return Err(ApiError::new(ErrorCode::PeerRefused, message)
                .hint("open another one with the peer's terms; what is deposited here comes back only by `strait channel dispute`"));
        }
        self.check_account(known.chain, &[(known.asset(asset), amount)]).await?;
        self.hand_in(known, asset, amount, key).await
    }

    /// Hands a deposit to the chain, by the request with this key; it is told as arriving from now on.
    pub(crate) async fn hand_in(
        self: &Arc<Core>,
        known: &Arc<Known>,
        asset: AssetIndex,
        amount: Amount,
        key: Option<&str>,
    ) -> Result<Submitted, ApiError> {
        let shown = self.deposited(known, asset).await?;
        let (number, total) = known.unseen().add(asset, amount, shown);
        match self.node(known)?.deposit(known.id, asset, amount).await {
            Ok(transaction) => {
                known.unseen().sent_as(number, transaction);
                // It is made, whether that can be written down or not.
                if let Err(error) = self.note_other(known.id, asset, Other { transaction, amount }, key).await
                {
                    tracing::warn!(channel = %known.id, %error, "a deposit is not noted with the keys that wait");
                }
                self.watch_deposit(known.clone(), number, asset, amount);
                Ok(Submitted { transaction, total })
            }
            Err(error) => {
                known.unseen().remove(number);
                let error = self.of_money(error, known.chain, known.asset(asset));
                let is_ended = error.code == ErrorCode::TransactionReverts && error.message.contains(ENDED);
                Err(if is_ended {
                    let message = format!("the chain has closed the channel {} already", known.id);
                    ApiError::new(ErrorCode::ChannelNotOpen, message)
                } else {
                    error
                })
            }
        }
    }

    /// This node's deposits as of the chain's head, and that head's number.
    async fn deposited_at_head(&self, known: &Known, asset: AssetIndex) -> Result<(Amount, u64), ApiError> {
        let id = known.id;
        let looked = self
            .node(known)?
            .query(move |engine| (engine.channel(id).map(|channel| channel.facts().clone()), engine.head()));
        let (facts, head) = looked.await?;
        let pair = facts.as_ref().and_then(|facts| facts.deposits.get(asset.index()));
        let deposited = pair.map_or(Amount::ZERO, |pair| pair[known.side.index()]);
        Ok((deposited, head.map_or(0, |(head, _)| head.number)))
    }

    /// This node's deposits, as of the chain's head.
    async fn deposited(&self, known: &Known, asset: AssetIndex) -> Result<Amount, ApiError> {
        let facts = self.node(known)?.facts(known.id).await?;
        Ok(facts.deposits.get(asset.index()).map_or(Amount::ZERO, |pair| pair[known.side.index()]))
    }

    pub(crate) async fn withdraw(self: &Arc<Core>, mut request: ChannelMove) -> Result<Agreed, ApiError> {
        let known = self.known(request.channel).await?;
        let asset = asset_index(&known, request.asset)?;
        positive(request.amount)?;
        let amount = request.amount;
        let command = Command::Withdraw { asset, amount };
        let Some(key) = request.idempotency_key.take() else { return self.agree(&known, command).await };
        let keyed = Keyed::new(self, &key, "channel_withdraw", &request, Some(&known))?;
        let wanted = Operation::Withdraw { side: known.side, asset, amount, valid_until: 0 };
        let intention = self.intention(&known, vec![wanted], false).await?;
        self.once(keyed, intention, |core| async move { core.agree(&known, command).await }).await
    }

    pub(crate) async fn close(&self, id: ChannelId) -> Result<Agreed, ApiError> {
        let known = self.known(id).await?;
        self.check_none_on_its_way(&known).await?;
        self.agree(&known, Command::Close).await
    }

    pub(crate) async fn agree(&self, known: &Known, command: Command) -> Result<Agreed, ApiError> {
        let asset = match command {
            Command::Withdraw { asset, .. } => known.asset(asset),
            _ => Address::ZERO,
        };
        let calls = match command {
            Command::Withdraw { .. } => Some(Calls::Withdraw),
            // The end of a child goes into its parent.
            Command::Close if known.params.child.is_zero() => Some(Calls::Close),
            _ => None,
        };
        let hindrance = match calls {
            Some(calls) => self.hindrance(known, calls).await?,
            None => None,
        };
        let agreed = self.with_peer(known, |node| node.command(known.id, command.clone())).await;
        let agreed = match agreed.map_err(|error| self.of_channel(error, known, asset)) {
            Ok(agreed) => agreed,
            // A payment is not what was asked for.
            Err(error) if error.code == ErrorCode::InsufficientBalance => {
                return Err(error.hint(
                    "withdraw less; what is in locks, or on its way in, can be taken out when it is free",
                ));
            }
            Err(error) => return Err(self.explained(known, error).await),
        };
        match agreed {
            Outcome::Agreed { version } => {
                // Where nothing was signed nothing goes to the chain.
                let hindrance = hindrance.filter(|_| version > Version::ZERO);
                let chain_away = hindrance.as_ref().filter(|error| is_away(error));
                let chain_away = chain_away.map(|error| error.message.clone());
                let gas_shortage = hindrance.and_then(|error| error.shortage).map(|shortage| *shortage);
                Ok(Agreed { version: version.0, gas_shortage, chain_away })
            }
            _ => Err(crate::NodeError::Mismatch.into()),
        }
    }

    /// Carries out what needs the peer. One that is away is dialled at once and waited for, for a moment.
    pub(crate) async fn with_peer<'a, T, F>(
        &'a self,
        known: &Known,
        act: impl Fn(&'a Node) -> F,
    ) -> Result<T, NodeError>
    where
        F: Future<Output = Result<T, NodeError>>,
    {
        let node = self.node(known).map_err(|_| NodeError::UnknownChannel(known.id))?;
        let done = act(node).await;
        let is_away = matches!(done, Err(NodeError::Command(CommandError::PeerOffline)));
        // Who is not dialled from here comes by itself.
        if !is_away || node.peer_status(known.peer()).is_none() {
            return done;
        }
        let dialled = node.dial_now(known.peer());
        let back =
            async { dialled.await && node.wait_until(known.id, |view| view.link == "up").await.is_ok() };
        match tokio::time::timeout(PEER_PATIENCE, back).await {
            Ok(true) => act(node).await,
            _ => done,
        }
    }

    /// Says of an error what the channel's own state tells: until when it waits, or how it ended.
    pub(crate) async fn explained(&self, known: &Known, error: ApiError) -> ApiError {
        if error.code == ErrorCode::PeerOffline {
            return self.away(known, error);
        }
        let codes = [ErrorCode::ChannelRestoring, ErrorCode::ChannelNotOpen, ErrorCode::ChannelBusy];
        if !codes.contains(&error.code) {
            return error;
        }
        // What cannot be looked at is told as it is.
        let Ok(info) = self.show(known.id).await else { return error };
        explain(error, &info)
    }

    pub(crate) async fn dispute(&self, id: ChannelId) -> Result<Nothing, ApiError> {
        let known = self.known(id).await?;
        refuse_needless(&self.show(id).await?, &known)?;
        if let Some(short) = self.hindrance(&known, Calls::Dispute).await?.filter(|error| !is_away(error)) {
            return Err(short);
        }
        self.node(&known)?.command(known.id, Command::ForceClose).await?;
        Ok(Nothing {})
    }

    /// Why calls certainly cannot be made now: the account is too poor, or the chain is away. That is no reason to keep anyone
    /// from leaving.
    async fn hindrance(&self, known: &Known, calls: Calls) -> Result<Option<ApiError>, ApiError> {
        let looked = tokio::time::timeout(GAS_PATIENCE, self.node(known)?.check_gas_money(calls)).await;
        let Ok(Err(error)) = looked else { return Ok(None) };
        let error = self.of_money(error, known.chain, Address::ZERO);
        Ok((is_away(&error) || error.code == ErrorCode::NotEnoughGasMoney).then_some(error))
    }
}

fn is_away(error: &ApiError) -> bool {
    error.code == ErrorCode::ChainUnreachable
}

/// Refuses to go to the chain with a channel whose end is on its way there. A game in dispute may go on; to leave it is an order
/// of its own.
fn refuse_needless(info: &ChannelInfo, known: &Known) -> Result<(), ApiError> {
    let refusal = |message: String| ApiError::new(ErrorCode::ChannelNotOpen, message);
    let id = known.id;
    // A game that is empty is given up by this order, without a transaction.
    if known.params.app.is_zero() && is_empty(info) {
        let message = format!(
            "nobody has deposited anything in the channel {id}: a dispute would take nothing out, and cost gas"
        );
        return Err(ApiError::new(ErrorCode::AwaitingDeposit, message).hint(EMPTY_HINT));
    }
    match (info.phase, &info.dispute, &info.under_way) {
        (Phase::Open, _, Some(end)) if end.is_close => {
            Err(explain(refusal(String::new()), info).hint(format!(
                "wait for it; if the chain has not taken it by {} of its time, the channel can be disputed",
                date(end.until)
            )))
        }
        (Phase::Disputed, Some(dispute), _) if known.params.app.is_zero() => {
            let best = if dispute.is_answered {
                "and holds this node's best state"
            } else {
                "and this node's better state is on its way"
            };
            Err(refusal(format!("the channel {id} is in dispute on the chain already {best}")).hint(format!(
                "there is nothing to do: it is paid after {} of chain time; `strait channel dispute --wait` waits for that",
                date(dispute.deadline)
            )))
        }
        (Phase::Settled | Phase::Closed, ..) => Err(explain(refusal(String::new()), info)),
        _ => Ok(()),
    }
}

pub(super) fn holds_nothing(info: &ChannelInfo) -> bool {
    info.balances.iter().all(|of| of.deposited.is_zero() && of.peer_deposited.is_zero())
}

/// Whether nobody has put anything in. What an opened child holds lies in its parent.
fn is_empty(info: &ChannelInfo) -> bool {
    let is_zero = |balance: &Balance| {
        let Balance { deposited, peer_deposited, arriving, peer_arriving, .. } = balance;
        [deposited, peer_deposited, arriving, peer_arriving].iter().all(|amount| amount.is_zero())
    };
    let is_untouched = info.phase == Phase::Open && info.version == 0 && info.parent.is_none();
    is_untouched && info.balances.iter().all(is_zero)
}

fn explain(error: ApiError, info: &ChannelInfo) -> ApiError {
    let id = info.channel;
    match (error.code, info.phase) {
        (ErrorCode::ChannelRestoring, _) if !info.awaits_towers.is_empty() => awaiting(error, info),
        (ErrorCode::ChannelRestoring, _) => match info.restoring_until {
            Some(until) => {
                let message = format!(
                    "{}; payments go on after {} of chain time at the earliest",
                    error.message,
                    date(until)
                );
                ApiError { message, ..error }
            }
            None => error,
        },
        (ErrorCode::ChannelBusy, Phase::Open) => match &info.under_way {
            Some(under_way) => busy(error, id, under_way),
            None => error,
        },
        (ErrorCode::ChannelNotOpen, Phase::Open) if info.is_closing => ApiError {
            message: format!("the channel {id} is closing: the end is agreed and goes to the chain"),
            ..error
        },
        (ErrorCode::ChannelNotOpen, Phase::Open) if info.is_dispute_ordered => ApiError {
            message: format!("a dispute of the channel {id} was ordered, and is on its way to the chain"),
            ..error
        }
        .hint("`strait channel show` tells how it goes on; open another channel for what comes after"),
        (ErrorCode::ChannelNotOpen, Phase::Disputed) if info.app.is_some() => {
            ApiError { message: format!("the channel {id} is in dispute on the chain"), ..error }
                .hint("moves go on there, and no other end is agreed meanwhile; `strait app show` says whose turn it is, and until when")
        }
        (ErrorCode::ChannelNotOpen, Phase::Disputed) => {
            ApiError { message: format!("the channel {id} is in dispute on the chain"), ..error }
                .hint("`strait channel show` says until when; then it is paid, and another one can be opened")
        }
        (ErrorCode::ChannelNotOpen, Phase::Settled) => ApiError {
            message: format!("the channel {id} is settled on the chain; only locks are left in it"),
            ..error
        }
        .hint("open another one; the node resolves the locks"),
        (ErrorCode::ChannelNotOpen, Phase::Closed) if info.awaits_parent.is_some() => {
            let message = format!(
                "the channel {id} is closed: the chain has decided it, and what it gave lies in the channel that it was opened in"
            );
            ApiError { message, ..error }
                .hint("the peer signs it there, or the node goes to the chain with that channel, too; `strait channel show` tells when, `strait channel dispute` of that channel does it now")
        }
        (ErrorCode::ChannelNotOpen, Phase::Closed)
            if info.version == 0 && holds_nothing(info) =>
        {
            let what = if info.app.is_some() { "game" } else { "channel" };
            ApiError {
                message: format!("the {what} {id} was given up before anybody put anything in"),
                ..error
            }
            .hint("nothing is left to do; open another one to go on")
        }
        (ErrorCode::ChannelNotOpen, Phase::Closed) => {
            ApiError { message: format!("the channel {id} is closed, and both are paid"), ..error }
                .hint("nothing is left to do; open another one to go on")
        }
        _ => error,
    }
}

/// Names the towers that a restored channel waits for.
fn awaiting(error: ApiError, info: &ChannelInfo) -> ApiError {
    let name = |tower: &AwaitedTower| match &tower.problem {
        Some(problem) => format!("{} ({problem})", tower.signer),
        None => tower.signer.to_string(),
    };
    let names: Vec<_> = info.awaits_towers.iter().map(name).collect();
    let commands = info.awaits_towers.iter().map(|tower| format!("`strait tower remove {}`", tower.signer));
    let message = format!(
        "{}; this node waits for the tower {} to tell what it holds, which may be newer than the backup",
        error.message,
        names.join(", and for the tower ")
    );
    ApiError { message, ..error }.hint(format!(
        "see that the tower answers and serves this node; if it has moved: `strait tower add` with its new address; if it is gone for good: {}",
        commands.collect::<Vec<_>>().join(", ")
    ))
}

/// Says until when what is under way keeps others away.
fn busy(error: ApiError, id: ChannelId, under_way: &UnderWay) -> ApiError {
    let what = if under_way.is_close { "close" } else { "withdrawal" };
    let state = if under_way.is_on_chain { "lacks confirmations on the chain" } else { "goes to the chain" };
    ApiError { message: format!("a {what} of the channel {id} is agreed and {state}"), ..error }.hint(format!(
        "repeat it when that has ended, at the latest after {} of chain time; with --wait the command line waits for it",
        date(under_way.until)
    ))
}

/// A chain's time as people read it.
pub(crate) fn date(seconds: u64) -> String {
    let time = UNIX_EPOCH.checked_add(Duration::from_secs(seconds.min(LATEST_DATE))).unwrap_or(UNIX_EPOCH);
    humantime::format_rfc3339_seconds(time).to_string()
}

pub(crate) fn positive(amount: Amount) -> Result<(), ApiError> {
    if amount.is_zero() {
        return Err(ApiError::new(ErrorCode::InvalidAmount, "the amount is zero; give a positive amount"));
    }
    Ok(())
}
