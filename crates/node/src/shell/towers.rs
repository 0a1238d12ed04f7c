//! The connections with this node's towers: a network of their own, that only dials, so that nothing a tower sends is
//! ever taken for a peer's.

use super::engine_thread::Message;
use super::threads::{FRAME_BUDGET, FRAME_OVERHEAD};
use super::{Node, NodeError, mailbox};
use crate::transport::{DialError, Network, NetworkEvent, NetworkEvents, PeerStatus, TowerAddress};
use std::sync::{Arc, Mutex, PoisonError};
use strait_engine::{Input, TowerInput, TowerView};
use strait_types::{Address, ChannelId, Version};
use tokio::sync::Semaphore;

/// The towers that a node is told to use.
#[derive(Clone)]
pub(crate) struct OwnTowers {
    pub(super) network: Network,
    addresses: Arc<Mutex<Vec<TowerAddress>>>,
}

/// A tower as a node shows it.
#[derive(Clone, Debug)]
pub struct TowerState {
    /// Where it is.
    pub address: TowerAddress,
    /// What it holds.
    pub view: TowerView,
    /// Why it is not connected, when it is not.
    pub problem: Option<String>,
}

/// That a tower does not serve this node, and what to do.
pub(crate) fn not_served(signer: Address) -> String {
    format!("the tower does not serve this node's key; ask its operator to add {signer} to tower.clients")
}

impl OwnTowers {
    pub(super) fn new(network: Network, addresses: Vec<TowerAddress>) -> OwnTowers {
        addresses.iter().for_each(|tower| network.add_peer(tower.place().clone()));
        OwnTowers { network, addresses: Arc::new(Mutex::new(addresses)) }
    }

    fn all(&self) -> Vec<TowerAddress> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Vec<TowerAddress>)) -> Vec<Address> {
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut addresses);
        addresses.iter().map(TowerAddress::signer).collect()
    }
}

impl Node {
    /// Hands over to a tower from now on, until the node stops.
    pub fn add_tower(&self, address: TowerAddress) {
        let place = address.place().clone();
        let towers = self.towers.change(|addresses| {
            addresses.retain(|known| known.signer() != address.signer());
            addresses.push(address);
        });
        self.tell_towers(towers);
        self.towers.network.add_peer(place);
    }

    /// Where a tower of this node is.
    pub(crate) fn tower_address(&self, signer: Address) -> Option<TowerAddress> {
        self.towers.all().into_iter().find(|tower| tower.signer() == signer)
    }

    /// Tries once whether a tower is at an address, beside the one that is used.
    ///
    /// # Errors
    /// Why it is not reached there.
    pub(crate) async fn try_tower(&self, address: &TowerAddress) -> Result<(), DialError> {
        self.towers.network.try_peer(address.place()).await
    }

    /// Hands over to a tower no more. It guards what it holds until the channels are closed.
    pub fn remove_tower(&self, signer: Address) {
        let towers = self.towers.change(|addresses| addresses.retain(|known| known.signer() != signer));
        self.towers.network.remove_peer(signer);
        self.tell_towers(towers);
    }

    fn tell_towers(&self, towers: Vec<Address>) {
        // A node that has stopped hands over nothing.
        drop(self.engine.send(Input::Tower(TowerInput::Set { towers }).into()));
    }

    /// This node's towers, and what each holds.
    ///
    /// # Errors
    /// When the node has stopped.
    pub async fn towers(&self) -> Result<Vec<TowerState>, NodeError> {
        let views = self.query(strait_engine::Engine::towers).await?;
        let state = |address: TowerAddress| {
            let view = views.iter().find(|view| view.tower == address.signer())?.clone();
            let problem = match self.towers.network.status(address.signer()) {
                _ if view.is_turned_away => Some(not_served(self.signer)),
                Some(PeerStatus::Retrying(error)) => Some(error.to_string()),
                Some(PeerStatus::Connected) => None,
                Some(PeerStatus::Connecting) | None => Some("it is being connected to".to_owned()),
            };
            Some(TowerState { address, view, problem })
        };
        Ok(self.towers.all().into_iter().filter_map(state).collect())
    }

    /// Which version of a channel each tower has signed for.
    ///
    /// # Errors
    /// When the node has stopped.
    pub async fn guarded_by(&self, channel: ChannelId) -> Result<Vec<(Address, Option<Version>)>, NodeError> {
        self.query(move |engine| engine.guarded_by(channel)).await
    }
}

/// Passes on what the towers say.
pub(super) async fn forward(mut events: NetworkEvents, engine: mailbox::Sender<Message>) {
    let budget = Arc::new(Semaphore::new(FRAME_BUDGET));
    while let Some(event) = events.recv().await {
        let (input, size) = match event {
            NetworkEvent::Connected { peer, .. } => (TowerInput::Connected { tower: peer }, 0),
            NetworkEvent::Disconnected { peer, .. } => (TowerInput::Disconnected { tower: peer }, 0),
            NetworkEvent::Frame { peer, bytes } => {
                let size = bytes.len();
                (TowerInput::Frame { tower: peer, bytes: bytes.into() }, size)
            }
        };
        let size = u32::try_from((size + FRAME_OVERHEAD).min(FRAME_BUDGET)).unwrap_or(u32::MAX);
        let Ok(permit) = budget.clone().acquire_many_owned(size).await else { return };
        if engine.send(Message::Metered(Box::new(Input::Tower(input)), permit)).is_err() {
            return;
        }
    }
}
