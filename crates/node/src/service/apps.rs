//! Channels with an app.

use super::Core;
use strait_api::{
    Agreed, ApiError, AppFinish, AppInfo, AppInstall, AppMove, AppMoved, AppPosition, AssetAmount, ErrorCode,
    InstalledApp, InstalledApps, Nothing,
};
use strait_protocol::{self as protocol, AppStart, Command, Outcome};
use strait_types::{Amount, ChannelId, ChannelParams, Side};

impl Core {
    pub(crate) async fn app_install(&self, request: AppInstall) -> Result<InstalledApp, ApiError> {
        let (_, chain) = self.chain(request.chain_id)?;
        let app = chain.node.install_app(request.runtime.to_vec()).await?;
        Ok(InstalledApp { chain_id: chain.node.domain().chain_id(), app })
    }

    pub(crate) async fn app_list(&self) -> Result<InstalledApps, ApiError> {
        let mut apps = Vec::new();
        for chain in &self.nodes {
            let chain_id = chain.node.domain().chain_id();
            let installed = chain.node.apps().await?;
            apps.extend(installed.into_iter().map(|app| InstalledApp { chain_id, app }));
        }
        apps.sort_unstable_by_key(|installed| (installed.chain_id, installed.app));
        Ok(InstalledApps { apps })
    }

    pub(crate) async fn app_show(&self, id: ChannelId) -> Result<AppInfo, ApiError> {
        let known = self.known(id).await?;
        let view = self.node(&known)?.app(id).await?.ok_or_else(|| {
            ApiError::new(
                ErrorCode::InvalidParams,
                format!("the channel {id} has no app; it is one for payments"),
            )
        })?;
        let deltas: Vec<[i128; 2]> = view.state.allocations.iter().map(|of| of.delta).collect();
        Ok(AppInfo {
            channel: id,
            app: view.app,
            side: known.side as u8,
            version: view.state.version.0,
            position: AppPosition {
                writer: view.state.writer as u8,
                deltas: texts(&deltas),
                data: view.state.app_data.into(),
            },
            our_turn: view.our_turn,
            in_flight: view.in_flight,
            deadline: view.deadline,
            offer: view.offer.map(|offer| texts(&offer.outcome)),
        })
    }

    pub(crate) async fn app_move(&self, request: &AppMove) -> Result<AppMoved, ApiError> {
        let known = self.known(request.channel).await?;
        let next = position(&request.next)?;
        match self.node(&known)?.play(known.id, next).await? {
            Outcome::Moved { version } => Ok(AppMoved { version: version.0 }),
            _ => Err(crate::NodeError::Mismatch.into()),
        }
    }

    pub(crate) async fn app_finish(&self, request: &AppFinish) -> Result<Agreed, ApiError> {
        let known = self.known(request.channel).await?;
        let outcome = deltas(&request.outcome)?;
        self.agree(&known, Command::Finish { outcome }).await
    }

    pub(crate) async fn app_claim(&self, id: ChannelId) -> Result<Nothing, ApiError> {
        let known = self.known(id).await?;
        self.node(&known)?.dispute(known.id).await?;
        Ok(Nothing {})
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

fn position(given: &AppPosition) -> Result<protocol::AppMove, ApiError> {
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

fn texts(deltas: &[[i128; 2]]) -> Vec<[String; 2]> {
    deltas.iter().map(|pair| pair.map(|delta| delta.to_string())).collect()
}
