//! The watchtowers of the nodes.

use super::database::{Database, DatabaseError};
use super::{ChainNode, Core};
use crate::TowerState;
use crate::transport::TowerAddress;
use std::path::Path;
use strait_api::{ApiError, ErrorCode, TowerInfo, TowerQuery, TowerRemoved, Towers};
use strait_types::Address;

/// The towers that were added by the API and not removed. A node needs them before it starts: one whose data is old asks
/// each of its towers before it signs anything.
///
/// # Errors
/// When the database cannot be used. There may be none yet.
pub async fn stored_towers(database: &Path) -> Result<Vec<TowerAddress>, DatabaseError> {
    if !database.exists() {
        return Ok(Vec::new());
    }
    let database = Database::open(database)?;
    let read = database
        .read(|db| db.prepare("SELECT address FROM tower")?.query_map((), |row| row.get(0))?.collect())
        .await;
    database.close().await;
    let texts: Vec<String> = read?;
    let parsed = texts.into_iter().filter_map(|text| match text.parse() {
        Ok(address) => Some(address),
        Err(error) => {
            tracing::warn!(%text, %error, "a stored tower is not used");
            None
        }
    });
    Ok(parsed.collect())
}

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

    pub(crate) async fn use_tower(&self, address: &TowerAddress) -> Result<(), ApiError> {
        if address.signer() == self.signer.address() {
            let message = format!("{address} is this node's own key");
            return Err(ApiError::new(ErrorCode::InvalidAddress, message)
                .hint("run the tower with a key of its own: it must act while this node can't"));
        }
        let (signer, text) = (address.signer(), address.to_string());
        let stored = self.database.write(move |db| {
            db.prepare_cached(
                "INSERT INTO tower VALUES (?1, ?2) ON CONFLICT (signer) DO UPDATE SET address = excluded.address",
            )?
            .execute((signer.as_slice(), text))
        });
        stored.await?;
        self.nodes.iter().for_each(|chain| chain.node.add_tower(address.clone()));
        Ok(())
    }

    pub(crate) async fn leave_tower(&self, signer: Address) -> Result<TowerRemoved, ApiError> {
        let known = self.towers(TowerQuery::default()).await?.towers;
        if known.iter().all(|tower| tower.signer != signer) {
            let message = format!("{signer} is no tower of this node");
            return Err(ApiError::new(ErrorCode::UnknownPeer, message)
                .hint("list the towers with `strait tower list`"));
        }
        let removed = self.database.write(move |db| {
            db.prepare_cached("DELETE FROM tower WHERE signer = ?1")?.execute([signer.as_slice()])
        });
        let until_restart = removed.await? == 0;
        self.nodes.iter().for_each(|chain| chain.node.remove_tower(signer));
        Ok(TowerRemoved { until_restart })
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
