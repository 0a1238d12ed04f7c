//! Channels with an app.

use super::Core;
use super::channels::holds_nothing;
use super::keys::Keyed;
use super::registry::Known;
use crate::NodeError;
use std::sync::Arc;
use strait_api::{
    Agreed, ApiError, AppFinish, AppInfo, AppInstall, AppMove, AppMoved, AppPosition, AssetAmount, ErrorCode,
    InstalledApp, InstalledApps, Nothing, Phase,
};
use strait_protocol::{self as protocol, AppStart, Command, Operation, Outcome};
use strait_types::{Amount, AssetIndex, ChannelId, ChannelParams, Side};

impl Core {
    pub(crate) async fn app_install(&self, request: AppInstall) -> Result<InstalledApp, ApiError> {
        let (_, chain) = self.chain(request.chain_id)?;
        let app = chain.node.install_app(request.runtime.to_vec()).await?;
        let is_taken = chain.node.query(move |engine| engine.takes_app(app)).await?;
        Ok(InstalledApp { chain_id: chain.node.domain().chain_id(), app, is_taken })
    }

    pub(crate) async fn app_list(&self) -> Result<InstalledApps, ApiError> {
        let mut apps = Vec::new();
        for chain in &self.nodes {
            let chain_id = chain.node.domain().chain_id();
            let installed = chain.node.query(move |engine| {
                let app = |app| InstalledApp { chain_id, app, is_taken: engine.takes_app(app) };
                engine.apps().map(app).collect::<Vec<_>>()
            });
            apps.extend(installed.await?);
        }
        apps.sort_unstable_by_key(|installed| (installed.chain_id, installed.app));
        Ok(InstalledApps { apps })
    }

    pub(crate) async fn app_show(&self, id: ChannelId) -> Result<AppInfo, ApiError> {
        let known = self.known(id).await?;
        let node = self.node(&known)?;
        let view = node.app(id).await?.ok_or_else(|| {
            ApiError::new(
                ErrorCode::InvalidParams,
                format!("the channel {id} has no app; it is one for payments"),
            )
            .hint("`strait channel show` shows it; `strait app open --in` opens a game in it")
        })?;
        let start = self.node(&known)?.query(move |engine| engine.channel(id)?.app_start().cloned()).await?;
        let AppStart { stakes, first } = start.ok_or(NodeError::Mismatch)?;
        let last = match view.state.version.0 {
            0 => first,
            _ => protocol::AppMove {
                writer: view.state.writer,
                deltas: view.state.allocations.iter().map(|of| of.delta).collect(),
                data: view.state.app_data,
            },
        };
        let is_over = view.state.is_final || self.show(id).await?.phase == Phase::Closed;
        Ok(AppInfo {
            channel: id,
            app: view.app,
            side: known.side as u8,
            version: view.state.version.0,
            stakes,
            position: shown(last),
            is_over,
            our_turn: view.our_turn,
            in_flight: view.in_flight,
            deadline: view.deadline,
            claims_at: view.claims_at,
            offer: view.offer.map(|offer| texts(&offer.outcome)),
            proposed: view.proposed.map(|outcome| texts(&outcome)),
            verdict: node.verdict(id).await?.map(|outcome| texts(&outcome)),
        })
    }

    pub(crate) async fn app_move(self: &Arc<Core>, mut request: AppMove) -> Result<AppMoved, ApiError> {
        let known = self.known(request.channel).await?;
        let next = position(&request.next)?;
        let accept_less = request.accept_less;
        let Some(key) = request.idempotency_key.take() else {
            return self.move_now(&known, next, accept_less).await;
        };
        let keyed = Keyed::new(self, &key, "app_move", &request, Some(&known))?;
        let intention = self.intention(&known, vec![Operation::Move(next.clone())], false).await?;
        self.once(keyed, intention, move |core| async move { core.move_now(&known, next, accept_less).await })
            .await
    }

    /// Whether what the app would give this node after a move is there, when play and the app's rules allow the move. Once the
    /// chain's clock runs, not to move costs more.
    async fn check_covered(&self, known: &Known, next: protocol::AppMove) -> Result<(), ApiError> {
        let id = known.id;
        let after = self.node(known)?.query(move |engine| {
            let view = engine.view(id).filter(|view| view.phase == "open")?;
            Some((engine.verdict_after(id, &next)?, engine.verdict(id), view.balances))
        });
        let Some((after, now, balances)) = after.await? else { return Ok(()) };
        let after = after.map_err(|error| of_move(error.into()))?;
        for (index, (deltas, balance)) in after.iter().zip(&balances).enumerate() {
            let (gain, there) = (deltas[known.side as usize], balance.deposited[1]);
            let Some(gain) = u128::try_from(gain).ok().and_then(Amount::new).filter(|gain| *gain > there)
            else {
                continue;
            };
            let chain_id = self.chain_id(known.chain);
            let write = |amount| self.assets.write(chain_id, balance.asset, amount);
            let now = now.as_ref().and_then(|now| now.get(index)).map(|deltas| deltas[known.side as usize]);
            // No more is ever lost or gained than is put in.
            let now = now.map(|gain| gain.clamp(-balance.deposited[0].signed(), there.signed()));
            return Err(ApiError::new(
                ErrorCode::AwaitingDeposit,
                format!(
                    "after this move the app gives this node {}, and the peer has put in {}: no more than that is ever paid",
                    write(gain),
                    write(there)
                ),
            )
            .hint(uncovered_hint(now, there, write)));
        }
        Ok(())
    }

    async fn move_now(
        &self,
        known: &Known,
        next: protocol::AppMove,
        accept_less: bool,
    ) -> Result<AppMoved, ApiError> {
        if !accept_less {
            self.check_covered(known, next.clone()).await?;
        }
        let moved = self.with_peer(known, |node| node.play(known.id, next.clone())).await;
        match moved.map_err(of_move)? {
            Outcome::Moved { version } => Ok(AppMoved { version: version.0 }),
            _ => Err(NodeError::Mismatch.into()),
        }
    }

    pub(crate) async fn app_finish(self: &Arc<Core>, mut request: AppFinish) -> Result<Agreed, ApiError> {
        let known = self.known(request.channel).await?;
        let outcome = deltas(&request.outcome)?;
        self.check_none_on_its_way(&known).await?;
        let act = move |core: Arc<Core>, known: Arc<Known>, outcome| async move {
            core.agree(&known, Command::Finish { outcome }).await
        };
        let Some(key) = request.idempotency_key.take() else {
            return act(self.clone(), known, outcome).await;
        };
        let keyed = Keyed::new(self, &key, "app_finish", &request, Some(&known))?;
        let wanted = Operation::Finish { outcome: outcome.clone(), valid_until: 0 };
        let intention = self.intention(&known, vec![wanted], false).await?;
        self.once(keyed, intention, move |core| act(core, known, outcome)).await
    }

    /// An empty channel is not given up while this node's own deposit is on its way into it: that would come back by another
    /// close, or out of a game by a dispute alone.
    pub(super) async fn check_none_on_its_way(&self, known: &Known) -> Result<(), ApiError> {
        let info = self.show(known.id).await?;
        let is_used = known.params.app.is_zero() && !holds_nothing(&info);
        if info.version > 0 || is_used {
            return Ok(());
        }
        for (index, asset) in (0_u8..).zip(known.assets.iter()) {
            let amount = known.unseen().sum(AssetIndex(index));
            if !amount.is_zero() {
                let amount = self.assets.write(self.chain_id(known.chain), *asset, amount);
                let message = format!(
                    "this node's deposit of {amount} is on its way, and the chain does not show it yet"
                );
                return Err(ApiError::new(ErrorCode::AwaitingDeposit, message)
                    .hint("repeat it in some seconds: a block shows it soon, or it fails"));
            }
        }
        Ok(())
    }

    pub(crate) async fn app_claim(&self, id: ChannelId) -> Result<Nothing, ApiError> {
        let known = self.known(id).await?;
        self.node(&known)?.dispute(known.id).await?;
        Ok(Nothing {})
    }
}

/// What to do instead of a move that brings less than the app gives: `now` is gained without it, `there` with it.
fn uncovered_hint(now: Option<i128>, there: Amount, write: impl Fn(Amount) -> String) -> String {
    let costs = match now {
        Some(now) if now < there.signed() => now,
        _ => return "nothing was sent; end the game instead (`strait app finish`) and open one with the stake that its data say, or accept less (`--accept-less`)".to_owned(),
    };
    let amount = write(Amount::new(costs.unsigned_abs()).unwrap_or(Amount::MAX));
    let without = match costs {
        0 => "not to move gives it nothing".to_owned(),
        1.. => format!("not to move gives it {amount}"),
        _ => format!("not to move costs it {amount}"),
    };
    format!(
        "nothing was sent; this move with `--accept-less` gives this node {}, {without}; open the next game with the stake that its data say",
        write(there)
    )
}

/// A game waits for nobody: the chain takes a move, too.
fn of_move(error: NodeError) -> ApiError {
    let error = ApiError::from(error);
    match error.code {
        ErrorCode::PeerOffline => error.hint(
            "repeat when the peer is back; if it never is, `strait app claim` takes the game to the chain, and after one challenge period `strait app move` moves there",
        ),
        _ => error,
    }
}

/// What both begin with, by the channel's assets.
pub(super) fn start(
    params: &ChannelParams,
    own: &[AssetAmount],
    peers: &[Amount],
    first: &AppPosition,
) -> Result<AppStart, ApiError> {
    if own.len() != peers.len() {
        return Err(ApiError::new(ErrorCode::InvalidParams, "give one `peer_stake` for each `stake`"));
    }
    let pair = |asset| {
        let (own, peers) = own.iter().zip(peers).find(|(own, _)| own.asset == asset)?;
        Some([own.amount, *peers])
    };
    let stakes: Option<Vec<[Amount; 2]>> = params.assets.iter().map(|asset| pair(*asset)).collect();
    let missing = || ApiError::new(ErrorCode::InvalidParams, "an app needs a stake, though it may be zero");
    Ok(AppStart { stakes: stakes.ok_or_else(missing)?, first: position(first)? })
}

pub(super) fn position(given: &AppPosition) -> Result<protocol::AppMove, ApiError> {
    let writer = Side::from_index(usize::from(given.writer))
        .ok_or_else(|| ApiError::new(ErrorCode::InvalidParams, "`writer` is 0 or 1"))?;
    Ok(protocol::AppMove { writer, deltas: deltas(&given.deltas)?, data: given.data.to_vec() })
}

fn deltas(given: &[[String; 2]]) -> Result<Vec<[i128; 2]>, ApiError> {
    let number = |text: &String| {
        text.parse::<i128>()
            .map_err(|_| ApiError::new(ErrorCode::InvalidAmount, format!("'{text}' is no whole number")))
    };
    given.iter().map(|[zero, one]| Ok([number(zero)?, number(one)?])).collect()
}

/// Where a move led, as clients see it.
pub(super) fn shown(step: protocol::AppMove) -> AppPosition {
    AppPosition { writer: step.writer as u8, deltas: texts(&step.deltas), data: step.data.into() }
}

pub(super) fn texts(deltas: &[[i128; 2]]) -> Vec<[String; 2]> {
    deltas.iter().map(|pair| pair.map(|delta| delta.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_would_lose_without_the_move_is_not_told_to_end_the_game() {
        let hint = |now| uncovered_hint(now, Amount::from(100_u64), |amount| format!("{amount} wei"));
        let loses = hint(Some(-100));
        assert!(
            loses.contains("`--accept-less` gives this node 100 wei, not to move costs it 100 wei"),
            "{loses}"
        );
        assert!(!loses.contains("finish"), "{loses}");
        assert!(hint(Some(0)).contains("not to move gives it nothing"));
        assert!(hint(Some(40)).contains("not to move gives it 40 wei"));
        assert!(hint(Some(100)).contains("strait app finish"), "it is the same without the move");
        assert!(hint(None).contains("--accept-less"));
    }
}
