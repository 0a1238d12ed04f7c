//! The peers that this node dials and opens channels with.

use super::registry::Known;
use super::{ChainNode, Core, DatabaseError};
use crate::transport::{PeerAddress, PeerStatus};
use rusqlite::OptionalExtension;
use std::collections::BTreeMap;
use strait_api::{ApiError, ErrorCode, PeerInfo, Peers, Phase};
use strait_types::Address;

/// Whom a channel is opened with.
pub(super) enum Peer {
    At(PeerAddress),
    Known(Address),
}

impl Peer {
    pub(super) fn signer(&self) -> Address {
        match self {
            Peer::At(address) => address.signer(),
            Peer::Known(signer) => *signer,
        }
    }
}

impl Core {
    pub(super) fn find_peer(&self, text: &str) -> Result<Peer, ApiError> {
        if text.trim().starts_with("strait:") {
            return Ok(Peer::At(text.parse()?));
        }
        let bad = || {
            let message = format!("'{text}' is neither an address of a peer nor a signer");
            ApiError::new(ErrorCode::InvalidAddress, message)
        };
        let signer: Address = text.trim().parse().map_err(|_| bad())?;
        let is_known = self.nodes.iter().any(|chain| chain.node.peer_status(signer).is_some())
            || self.registry.all().iter().any(|known| known.peer() == signer);
        if !is_known {
            let message = format!("this node does not know where the peer {signer} is");
            return Err(ApiError::new(ErrorCode::UnknownPeer, message));
        }
        Ok(Peer::Known(signer))
    }

    /// Dials a peer from now on, also after a restart.
    pub(crate) async fn keep_peer(&self, address: &PeerAddress) -> Result<(), ApiError> {
        if address.signer() == self.signer.address() {
            let message = format!("{address} is this node itself");
            return Err(ApiError::new(ErrorCode::InvalidAddress, message));
        }
        self.refuse_tower(address.signer())?;
        self.check_move(address).await?;
        let (signer, text) = (address.signer(), address.to_string());
        let stored = self.database.write(move |db| {
            db.prepare_cached(
                "INSERT INTO peer VALUES (?1, ?2) ON CONFLICT (signer) DO UPDATE SET address = excluded.address",
            )?
            .execute((signer.as_slice(), text))
        });
        stored.await?;
        self.nodes.iter().for_each(|chain| chain.node.add_peer(address.clone()));
        Ok(())
    }

    /// A tower has no channels with anybody, and takes no link of a peer.
    fn refuse_tower(&self, signer: Address) -> Result<(), ApiError> {
        if self.nodes.iter().all(|chain| chain.node.tower_address(signer).is_none()) {
            return Ok(());
        }
        let message = format!("{signer} is a tower of this node, no peer");
        Err(ApiError::new(ErrorCode::InvalidAddress, message).hint(
            "`strait tower list` shows the towers; a peer's node prints its address with `strait info`",
        ))
    }

    /// A known peer is dialled elsewhere only if it is there: a mistyped port must not cut its channels off at its next restart.
    pub(super) async fn check_move(&self, address: &PeerAddress) -> Result<(), ApiError> {
        let signer = address.signer();
        let Some(known) = self.address_of(signer).filter(|known| known != address) else { return Ok(()) };
        let mut failure = None;
        for chain in &self.nodes {
            match chain.node.try_peer(address).await {
                Ok(()) => return Ok(()),
                Err(error) => failure = Some(error),
            }
        }
        let Some(failure) = failure else { return Ok(()) };
        let message = format!(
            "the peer {signer} is not reached at {address}, so that it is still dialled at {known}: {failure}"
        );
        Err(ApiError::new(ErrorCode::PeerOffline, message).hint(format!(
            "correct the address, or name the peer by {signer} alone. If it has moved and is away: `strait peer remove {signer}`, then `strait peer add` with the new address"
        )))
    }

    /// Where a peer is dialled.
    pub(super) fn address_of(&self, signer: Address) -> Option<PeerAddress> {
        self.nodes.iter().find_map(|chain| chain.node.address_of(signer))
    }

    /// Says of a peer that is away where it is looked for, and why it is not found.
    pub(super) fn away(&self, known: &Known, error: ApiError) -> ApiError {
        let peer = known.peer();
        let Some(address) = self.address_of(peer) else {
            let message = format!("{}; this node does not know where it is, and waits for it", error.message);
            return ApiError { message, ..error }
                .hint("`strait peer add strait://SIGNER@HOST:PORT` names the address; its operator finds it with `strait info`");
        };
        let status = self.node(known).ok().and_then(|node| node.peer_status(peer));
        let failure = match status {
            Some(PeerStatus::Retrying(failure)) => format!(": {failure}"),
            _ => String::new(),
        };
        let message = format!("{}; it is dialled at {address}{failure}", error.message);
        ApiError { message, ..error }
            .hint("correct the address with `strait peer add` if it is another; repeat when the peer is back, or dispute if it never is")
    }

    pub(crate) async fn forget_peer(&self, signer: Address) -> Result<(), ApiError> {
        let removed = self.database.write(move |db| {
            db.prepare_cached("DELETE FROM peer WHERE signer = ?1")?.execute([signer.as_slice()])
        });
        if removed.await? == 0 {
            let message = format!("the peer {signer} is not dialled by this node");
            return Err(
                ApiError::new(ErrorCode::UnknownPeer, message).hint("list the peers with `strait peer list`")
            );
        }
        self.nodes.iter().for_each(|chain| chain.node.remove_peer(signer));
        Ok(())
    }

    async fn stored_peers(&self) -> Result<Vec<String>, DatabaseError> {
        self.database
            .read(|db| db.prepare("SELECT address FROM peer")?.query_map((), |row| row.get(0))?.collect())
            .await
    }

    pub(crate) async fn dial_known_peers(&self) -> Result<(), DatabaseError> {
        for text in self.stored_peers().await? {
            match text.parse::<PeerAddress>() {
                Ok(address) => self.nodes.iter().for_each(|chain| chain.node.add_peer(address.clone())),
                Err(error) => tracing::warn!(%text, %error, "a stored peer is not dialled"),
            }
        }
        Ok(())
    }

    pub(crate) async fn peers(&self) -> Result<Peers, ApiError> {
        let mut peers: BTreeMap<Address, PeerInfo> = BTreeMap::new();
        let empty =
            |signer| PeerInfo { signer, address: None, connected_on: Vec::new(), channels: 0, problem: None };
        for text in self.stored_peers().await? {
            if let Ok(address) = text.parse::<PeerAddress>() {
                peers.entry(address.signer()).or_insert_with(|| empty(address.signer())).address = Some(text);
            }
        }
        for chunk in self.registry.all().chunks(1_024) {
            for info in self.look(chunk).await? {
                if info.phase != Phase::Closed {
                    peers.entry(info.peer).or_insert_with(|| empty(info.peer)).channels += 1;
                }
            }
        }
        for peer in peers.values_mut() {
            for chain in &self.nodes {
                match chain.node.peer_status(peer.signer) {
                    Some(PeerStatus::Connected) => peer.connected_on.push(chain.node.domain().chain_id()),
                    Some(PeerStatus::Retrying(error)) => peer.problem = Some(error.to_string()),
                    Some(PeerStatus::Connecting) | None => {}
                }
            }
        }
        Ok(Peers { peers: peers.into_values().collect() })
    }

    /// Remembers where a connected peer says that it is paid out: it may be away when the next channel is opened.
    pub(crate) async fn note_payout(&self, chain: &ChainNode, peer: Address) {
        let Some(payout) = chain.node.payout_of(peer) else { return };
        let chain_id = chain.node.domain().chain_id();
        let noted = self.database.write(move |db| {
            db.prepare_cached(
                "INSERT INTO payout VALUES (?1, ?2, ?3)
                 ON CONFLICT (chain, signer) DO UPDATE SET payout = excluded.payout WHERE payout != excluded.payout",
            )?
            .execute((chain_id, peer.as_slice(), payout.as_slice()))
        });
        if let Err(error) = noted.await {
            tracing::warn!(%peer, %error, "where the peer is paid out is not remembered");
        }
    }

    /// Refuses a payout that the peer's node would not take, before money is put in: by what it says, or said when it was here.
    pub(super) async fn check_announced(
        &self,
        chain: &ChainNode,
        peer: &Peer,
        payout: Address,
    ) -> Result<(), ApiError> {
        let signer = peer.signer();
        let now = chain.node.payout_of(signer);
        let (announced, says) = match now {
            Some(_) => (now, "says that it is paid out"),
            None => (
                self.noted_payout(chain, signer).await?,
                "said when it was last connected that it is paid out",
            ),
        };
        match announced {
            Some(announced) if announced != payout => {
                let message = format!(
                    "the peer's node {says} at {announced}, not at {payout}, and takes no channel that pays its part elsewhere"
                );
                Err(ApiError::new(ErrorCode::InvalidParams, message)
                    .hint("leave `peer_payout` out, and the peer is paid where it wants to be; if that has changed, repeat this when it is connected"))
            }
            _ => Ok(()),
        }
    }

    async fn noted_payout(&self, chain: &ChainNode, peer: Address) -> Result<Option<Address>, ApiError> {
        let chain_id = chain.node.domain().chain_id();
        let noted: Option<[u8; 20]> = self
            .database
            .read(move |db| {
                db.prepare_cached("SELECT payout FROM payout WHERE chain = ?1 AND signer = ?2")?
                    .query_row((chain_id, peer.as_slice()), |row| {
                        Ok(row.get_ref(0)?.as_blob()?.try_into().unwrap_or_default())
                    })
                    .optional()
            })
            .await?;
        Ok(noted.map(Address::from))
    }
}
