//! The watchtowers of the nodes.

use super::channels::CHUNK;
use super::database::{Database, DatabaseError};
use super::{ChainNode, Core};
use crate::TowerState;
use crate::transport::TowerAddress;
use std::path::Path;
use strait_api::{ApiError, AwaitedTower, ErrorCode, TowerInfo, TowerQuery, TowerRemoved, Towers};
use strait_engine::Engine;
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
        self.refuse_peer(address).await?;
        self.check_tower_move(address).await?;
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

    /// A peer can't be the tower that guards the channels with it, and its node is none.
    async fn refuse_peer(&self, address: &TowerAddress) -> Result<(), ApiError> {
        let signer = address.signer();
        let known = self.peers().await?.peers.into_iter().find(|peer| peer.signer == signer);
        let channels = known.as_ref().map_or(0, |peer| peer.channels);
        if known.is_none() && self.address_of(signer).is_none() {
            return Ok(());
        }
        let message = format!("{signer} is a peer of this node, with {channels} channels, and no tower");
        let hint = if channels > 0 {
            "a tower has a key of its own: write strait-tower://SIGNER@HOST:PORT, as the tower prints it when it starts".to_owned()
        } else {
            format!("if it is a tower that was added as a peer: `strait peer remove {signer}` first")
        };
        Err(ApiError::new(ErrorCode::InvalidAddress, message).hint(hint))
    }

    /// A known tower is looked for elsewhere only if it is there: a mistyped port must not leave the channels unguarded. One that
    /// restored channels wait for may be away: to remove it, so that it can be added, would end the wait for what it holds.
    async fn check_tower_move(&self, address: &TowerAddress) -> Result<(), ApiError> {
        let signer = address.signer();
        let mut failure = None;
        for chain in &self.nodes {
            let known = chain.node.tower_address(signer).filter(|known| known != address);
            let Some(known) = known else { continue };
            match chain.node.try_tower(address).await {
                Ok(()) => return Ok(()),
                Err(_) if self.is_awaited(chain, signer).await? => return Ok(()),
                Err(error) => failure = Some((known, error)),
            }
        }
        let Some((known, failure)) = failure else { return Ok(()) };
        let message = format!(
            "the tower {signer} is not reached at {address}, so that it is still used at {known}: {failure}"
        );
        Err(ApiError::new(ErrorCode::PeerOffline, message).hint(format!(
            "correct the address. If it has moved and is away: `strait tower remove {signer}`, then `strait tower add` with the new address"
        )))
    }

    /// Whether restored channels wait for a tower.
    async fn is_awaited(&self, chain: &ChainNode, signer: Address) -> Result<bool, ApiError> {
        let awaited = self.awaited_towers(chain).await?;
        if awaited.iter().all(|tower| tower.signer != signer) {
            return Ok(false);
        }
        for known in self.registry.all().chunks(CHUNK) {
            let ids: Vec<_> = known.iter().map(|known| known.id).collect();
            let restores = move |engine: &Engine| {
                ids.iter().any(|id| engine.channel(*id).is_some_and(|channel| channel.view().restoring))
            };
            if chain.node.query(restores).await? {
                return Ok(true);
            }
        }
        Ok(false)
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

    /// Those that have not told what they hold: restored channels wait for them.
    pub(super) async fn awaited_towers(&self, chain: &ChainNode) -> Result<Vec<AwaitedTower>, ApiError> {
        let silent = chain.node.towers().await?.into_iter().filter(|state| !state.view.has_told);
        Ok(silent.map(|state| AwaitedTower { signer: state.view.tower, problem: state.problem }).collect())
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
            has_told: view.has_told,
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
