//! The watchtowers of the nodes.

use super::{ChainNode, Core};
use crate::TowerState;
use strait_api::{ApiError, TowerInfo, TowerQuery, Towers};

impl Core {
    pub(crate) async fn towers(&self, query: TowerQuery) -> Result<Towers, ApiError> {
        let mut towers = Vec::new();
        for chain in &self.nodes {
            let versions = match query.channel {
                Some(channel) => chain.node.guarded_by(channel).await?,
                None => Vec::new(),
            };
            for state in chain.node.towers().await? {
                let version = versions.iter().find(|(tower, _)| *tower == state.view.tower);
                let version = version.and_then(|(_, version)| *version).map(|version| version.0);
                towers.push(TowerInfo { version, ..self.tower_info(chain, state) });
            }
        }
        Ok(Towers { towers })
    }

    fn tower_info(&self, chain: &ChainNode, state: TowerState) -> TowerInfo {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let TowerState { address, view, problem } = state;
        let now_ms = self.clock.now_ms();
        TowerInfo {
            address: address.to_string(),
            signer: view.tower,
            chain_id: chain.node.domain().chain_id(),
            is_connected: view.connected,
            held: count(view.held),
            behind: count(view.behind),
            behind_for: view.behind_since_ms.map(|since| now_ms.saturating_sub(since) / 1_000),
            refused: count(view.refused.len()),
            refusal: view.refused.into_iter().next().map(|(_, reason)| reason),
            last_receipt: view.last_receipt,
            problem,
            version: None,
        }
    }
}
