//! Opening channels.

use super::apps::start;
use super::channels::positive;
use super::keys::{Intention, Keyed};
use super::peers::Peer;
use super::{ChainNode, Core};
use crate::NodeError;
use crate::shell::Calls;
use crate::transport::{DialError, HandshakeError, PeerStatus};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use strait_api::{
    ApiError, AppOpen, AssetAmount, ChannelOpen, ChannelOpened, DepositResult, ErrorCode, Shortage,
};
use strait_engine::Engine;
use strait_protocol::AppStart;
use strait_types::{Address, Amount, AssetIndex, B256, ChannelId, ChannelParams, Participant, Side, U256};

/// How often, and how many times, a new peer's connection is looked for: ten seconds in all.
const CONNECTION_LOOK: Duration = Duration::from_millis(20);
const CONNECTION_LOOKS: u32 = 500;

impl Core {
    pub(crate) async fn open(self: &Arc<Core>, mut request: ChannelOpen) -> Result<ChannelOpened, ApiError> {
        if let Some(parent) = request.parent {
            return self.channel_open_within(parent, request).await;
        }
        if request.peer_deposit.is_some() {
            let message = "`peer_deposit` is for channels within a channel; here the peer deposits by itself";
            return Err(ApiError::new(ErrorCode::InvalidParams, message));
        }
        let (index, chain) = self.chain(request.chain_id)?;
        let peer = self.find_peer(&request.peer)?;
        let mut params = self.terms(chain, &peer, &request)?;
        let deposits = deposits(&params, &request.deposit)?;
        let keyed = match request.idempotency_key.take() {
            Some(key) => Some(Keyed::new(self, &key, "channel_open", &request, None)?),
            None => None,
        };
        // A repetition is answered while the peer is away, too.
        if let Some(keyed) = &keyed
            && let Some(opened) = self.result_of::<ChannelOpened>(keyed).await?
        {
            return Ok(ChannelOpened { was_opened_before: true, ..opened });
        }
        params.participants[1].payout = match request.peer_payout {
            Some(payout) => {
                self.check_identity(chain, &peer).await?;
                self.check_announced(chain, &peer, payout).await?;
                payout
            }
            None => self.announced_payout(chain, &peer).await?,
        };
        let Some(keyed) = keyed else {
            return self.open_now(index, &peer, params, &deposits, None).await;
        };
        let intention = Intention::Open { params: params.clone(), deposits: deposits.clone() };
        let act =
            move |core: Arc<Core>| async move { core.open_now(index, &peer, params, &deposits, None).await };
        self.open_once(keyed, intention, act).await
    }

    pub(crate) async fn app_open(self: &Arc<Core>, mut request: AppOpen) -> Result<ChannelOpened, ApiError> {
        if let Some(parent) = request.parent {
            return self.app_open_within(parent, request).await;
        }
        let (index, chain) = self.chain(request.chain_id)?;
        let peer = self.find_peer(&request.peer)?;
        let keyed = match request.idempotency_key.take() {
            Some(key) => Some(Keyed::new(self, &key, "app_open", &request, None)?),
            None => None,
        };
        if let Some(keyed) = &keyed
            && let Some(opened) = self.result_of::<ChannelOpened>(keyed).await?
        {
            return Ok(ChannelOpened { was_opened_before: true, ..opened });
        }
        let terms = ChannelOpen {
            chain_id: request.chain_id,
            peer_payout: request.peer_payout,
            challenge_duration: request.challenge_duration,
            assets: request.stake.iter().map(|stake| stake.asset).collect(),
            ..ChannelOpen::new(request.peer)
        };
        let mut params = self.terms(chain, &peer, &terms)?;
        params.app = request.app;
        let start = start(&params, &request.stake, &request.peer_stake, &request.start)?;
        let own: Vec<AssetAmount> =
            request.stake.into_iter().filter(|stake| !stake.amount.is_zero()).collect();
        let deposits = deposits(&params, &own)?;
        params.participants[1].payout = match request.peer_payout {
            Some(payout) => {
                self.check_identity(chain, &peer).await?;
                self.check_announced(chain, &peer, payout).await?;
                payout
            }
            None => self.announced_payout(chain, &peer).await?,
        };
        let intention = Intention::Open { params: params.clone(), deposits: deposits.clone() };
        let act = move |core: Arc<Core>| async move {
            core.open_now(index, &peer, params, &deposits, Some(start)).await
        };
        match keyed {
            Some(keyed) => self.open_once(keyed, intention, act).await,
            None => act(self.clone()).await,
        }
    }

    /// Opens once for a key, and tells whether an earlier request had done it.
    pub(super) async fn open_once<F>(
        self: &Arc<Core>,
        keyed: Keyed,
        intention: Intention,
        act: impl FnOnce(Arc<Core>) -> F + Send + 'static,
    ) -> Result<ChannelOpened, ApiError>
    where
        F: Future<Output = Result<ChannelOpened, ApiError>> + Send,
    {
        let (opened, was_opened_before) = self.once_told(keyed, intention, act).await?;
        Ok(ChannelOpened { was_opened_before, ..opened })
    }

    async fn open_now(
        self: &Arc<Core>,
        index: usize,
        peer: &Peer,
        params: ChannelParams,
        deposits: &[(AssetIndex, Amount)],
        start: Option<AppStart>,
    ) -> Result<ChannelOpened, ApiError> {
        let missing = || ApiError::new(ErrorCode::UnknownChain, "the chain is not configured");
        let chain = self.nodes.get(index).ok_or_else(missing)?;
        let assets = params.assets.clone();
        let asset_of = |index: AssetIndex| assets.get(index.index()).copied().unwrap_or_default();
        let wanted: Vec<_> = deposits.iter().map(|(index, amount)| (asset_of(*index), *amount)).collect();
        self.check_account(index, &wanted).await?;
        if let Peer::At(address) = peer {
            self.keep_peer(address).await?;
        }
        let id = match start {
            None => chain.node.open(params.clone(), chain.settings.clone()).await?,
            Some(start) => {
                let id = chain.node.open_app(params.clone(), start, chain.settings.clone()).await?;
                self.await_player(chain, id).await?;
                id
            }
        };
        let refusal = self.refusal(chain, id, &params, deposits).await?;
        let known = self.registry.add(index, id, params, Side::Zero, None);
        let mut results = Vec::with_capacity(deposits.len());
        for (asset, amount) in deposits {
            if let Some(refusal) = &refusal {
                results.push(refusal.clone());
                continue;
            }
            results.push(match self.hand_in(&known, *asset, *amount, None).await {
                Ok(sent) => DepositResult::Submitted { transaction: sent.transaction },
                Err(ApiError { code, message, hint, .. }) => DepositResult::Failed { code, message, hint },
            });
        }
        Ok(ChannelOpened { channel: self.show(id).await?, deposits: results, was_opened_before: false })
    }

    /// Why nothing is put in: a connected peer does not take the channel, or demands more than is to be put in. Such money comes
    /// back only by a dispute, or does nothing. Where nobody answers the opener has given the payout itself, and knows what it does.
    async fn refusal(
        &self,
        chain: &ChainNode,
        id: ChannelId,
        params: &ChannelParams,
        deposits: &[(AssetIndex, Amount)],
    ) -> Result<Option<DepositResult>, ApiError> {
        let peer = params.participant(Side::One).signer;
        let mut looks = tokio::time::interval(CONNECTION_LOOK);
        for _ in 0..CONNECTION_LOOKS {
            let is_connected = chain.node.payout_of(peer).is_some();
            if deposits.is_empty() || !is_connected {
                return Ok(None);
            }
            let look = move |engine: &Engine| {
                let demanded = engine.channel(id).map(|channel| channel.demanded());
                let answer = engine.answer_to_offer(id)?;
                Some((answer, engine.awaits_approval(id), demanded.unwrap_or_default()))
            };
            match chain.node.query(look).await? {
                Some((Ok(()), _, demanded)) => {
                    return Ok(self.shortfall(chain, id, params, (deposits, &demanded)));
                }
                Some((Err(reason), awaits_approval, _)) => {
                    let message = if awaits_approval {
                        "the channel waits for the approval of the peer's operator, so that nothing was put in".into()
                    } else {
                        format!("the peer does not take the channel, so that nothing was put in: {reason}")
                    };
                    return Ok(Some(DepositResult::Failed {
                        code: ErrorCode::PeerRefused,
                        message,
                        hint: format!(
                            "once `strait channel list` shows it as connected: strait channel deposit {id} AMOUNT"
                        ),
                    }));
                }
                None => {
                    looks.tick().await;
                }
            }
        }
        Ok(None)
    }

    /// The peer's demands that the deposits do not meet.
    fn shortfall(
        &self,
        chain: &ChainNode,
        id: ChannelId,
        params: &ChannelParams,
        (deposits, demanded): (&[(AssetIndex, Amount)], &[Amount]),
    ) -> Option<DepositResult> {
        let chain_id = chain.node.domain().chain_id();
        let write = |asset: Address, amount| self.assets.write(chain_id, asset, amount);
        let given = |index: usize| {
            let given = deposits.iter().find(|(asset, _)| asset.index() == index);
            given.map_or(Amount::ZERO, |(_, amount)| *amount)
        };
        let of_each = params.assets.iter().copied().zip(demanded.iter().copied()).enumerate();
        let wanted: Vec<_> = of_each.filter(|(_, (_, demanded))| !demanded.is_zero()).collect();
        if wanted.iter().all(|(index, (_, demanded))| given(*index) >= *demanded) {
            return None;
        }
        let asked: Vec<_> = wanted.iter().map(|(_, (asset, amount))| write(*asset, *amount)).collect();
        let offered: Vec<_> = wanted.iter().map(|(index, (asset, _))| write(*asset, given(*index))).collect();
        let enough = params.assets.iter().copied().enumerate().map(|(index, asset)| {
            let demanded = demanded.get(index).copied().unwrap_or_default();
            (asset, demanded.max(given(index)))
        });
        let commands: Vec<_> = enough
            .filter(|(_, amount)| !amount.is_zero())
            .map(|(asset, amount)| format!("strait channel deposit {id} \"{}\"", write(asset, amount)))
            .collect();
        Some(DepositResult::Failed {
            code: ErrorCode::DepositTooSmall,
            message: format!(
                "the peer demands a deposit of {} before it takes or makes payments, and {} {} offered; nothing was put in of any asset",
                asked.join(" and "),
                offered.join(" and "),
                if offered.len() == 1 { "is" } else { "are" },
            ),
            hint: commands.join(" && "),
        })
    }

    /// Waits until the peer has taken a game. A stake that is put in before comes back only by a dispute.
    async fn await_player(&self, chain: &ChainNode, id: ChannelId) -> Result<(), ApiError> {
        let mut looks = tokio::time::interval(CONNECTION_LOOK);
        for _ in 0..CONNECTION_LOOKS {
            match chain.node.query(move |engine| engine.answer_to_offer(id)).await? {
                Some(Ok(())) => return Ok(()),
                Some(Err(reason)) => {
                    let message = format!("the peer does not take the game: {reason}");
                    return Err(ApiError::new(ErrorCode::PeerRefused, message)
                        .hint(format!("nothing was put in; its operator installs the app, lists it under `policy.apps`, or approves the game. Once `strait channel list` shows it as connected: strait channel deposit {id} AMOUNT")));
                }
                None => {
                    looks.tick().await;
                }
            }
        }
        let message = "the peer has not taken the game, so that nothing was put in";
        Err(ApiError::new(ErrorCode::PeerOffline, message).hint(format!(
            "when `strait channel list` shows it as connected, put the stake in: strait channel deposit {id} AMOUNT"
        )))
    }

    /// Where the peer's node says that it is paid out, once it is connected.
    async fn announced_payout(&self, chain: &ChainNode, peer: &Peer) -> Result<Address, ApiError> {
        let is_new = chain.node.peer_status(peer.signer()).is_none();
        if let Peer::At(address) = peer {
            self.keep_peer(address).await?;
        }
        let answer = self.await_payout(chain, peer).await;
        // One that nothing came of is not dialled for ever.
        if let (Err(_), Peer::At(address), true) = (&answer, peer, is_new) {
            self.forget_peer(address.signer()).await?;
        }
        answer
    }

    async fn await_payout(&self, chain: &ChainNode, peer: &Peer) -> Result<Address, ApiError> {
        let signer = peer.signer();
        let mut looks = tokio::time::interval(CONNECTION_LOOK);
        let mut reason = String::new();
        for _ in 0..CONNECTION_LOOKS {
            if let Some(payout) = chain.node.payout_of(signer) {
                self.note_payout(chain, signer).await;
                return Ok(payout);
            }
            if let Some(PeerStatus::Retrying(failure)) = chain.node.peer_status(signer) {
                refuse_another(&failure)?;
                reason = format!(": {failure}");
            }
            looks.tick().await;
        }
        let message =
            format!("the peer {signer} is not connected and cannot say where it is paid out{reason}");
        Err(ApiError::new(ErrorCode::PeerOffline, message).hint(
            "check its address with its operator, and repeat when it is connected; a deposit into a channel with a peer that never answers comes back only by a dispute",
        ))
    }

    /// Looks, before money is put in, that nobody else answers at the peer's address.
    async fn check_identity(&self, chain: &ChainNode, peer: &Peer) -> Result<(), ApiError> {
        let Peer::At(address) = peer else { return Ok(()) };
        let signer = address.signer();
        let is_new = chain.node.peer_status(signer).is_none();
        self.check_move(address).await?;
        chain.node.add_peer(address.clone());
        let mut looks = tokio::time::interval(CONNECTION_LOOK);
        for _ in 0..CONNECTION_LOOKS {
            match chain.node.peer_status(signer) {
                Some(PeerStatus::Retrying(failure)) => {
                    let refused = refuse_another(&failure);
                    if refused.is_err() && is_new {
                        chain.node.remove_peer(signer);
                    }
                    return refused;
                }
                Some(PeerStatus::Connecting) => {}
                Some(PeerStatus::Connected) | None => return Ok(()),
            }
            looks.tick().await;
        }
        Ok(())
    }

    fn terms(
        &self,
        chain: &ChainNode,
        peer: &Peer,
        request: &ChannelOpen,
    ) -> Result<ChannelParams, ApiError> {
        let mut assets = request.assets.clone();
        if assets.is_empty() {
            assets = request.deposit.iter().map(|part| part.asset).collect();
        }
        if assets.is_empty() {
            assets.push(Address::ZERO);
        }
        let distinct: BTreeSet<_> = assets.iter().copied().collect();
        if distinct.len() != assets.len() {
            return Err(ApiError::new(ErrorCode::InvalidParams, "an asset is named twice; name each once"));
        }
        let signer = peer.signer();
        if signer == self.signer.address() {
            let message = "the peer is this node itself; a channel is between two";
            return Err(ApiError::new(ErrorCode::InvalidAddress, message));
        }
        Ok(ChannelParams {
            participants: [
                Participant { signer: self.signer.address(), payout: chain.payout },
                Participant { signer, payout: signer },
            ],
            challenge_duration: request.challenge_duration.unwrap_or(chain.challenge_duration),
            nonce: u64::from_be_bytes(self.random()?),
            app: Address::ZERO,
            child: B256::ZERO,
            assets: distinct.into_iter().collect(),
        })
    }

    /// The error of a deposit for which the account is too poor: it is not only gas that it lacks.
    fn of_deposit(&self, error: NodeError, chain: usize, account: Address, coins: Amount) -> ApiError {
        let error = self.of_money(error, chain, Address::ZERO);
        let Some(shortage) = error.shortage.as_ref().filter(|_| !coins.is_zero()) else { return error };
        let write = |amount| self.assets.write(shortage.chain_id, Address::ZERO, amount);
        let message = format!(
            "the account {account} holds {}, and {} are needed: {} for the deposit, the rest for gas and what is under way already",
            write(shortage.balance),
            write(shortage.needed),
            write(coins)
        );
        ApiError { message, ..error }.hint(format!("deposit less, or send native coin to {account}"))
    }

    /// Says before anything is sent when the account cannot pay for it.
    pub(crate) async fn check_account(
        &self,
        chain: usize,
        wanted: &[(Address, Amount)],
    ) -> Result<(), ApiError> {
        let index = chain;
        let Some(chain) = self.nodes.get(index).filter(|_| !wanted.is_empty()) else { return Ok(()) };
        let account = chain.node.account().await?;
        for (asset, amount) in wanted.iter().filter(|(asset, _)| !asset.is_zero()) {
            let balance = chain.node.token_balance(*asset, account.address).await?;
            if balance < U256::from(amount.units()) {
                // Less than an amount is an amount.
                let balance = u128::try_from(balance).ok().and_then(Amount::new).unwrap_or_default();
                let chain_id = self.chain_id(index);
                let shortage = Shortage { chain_id, asset: *asset, balance, needed: *amount };
                let message = format!("the account {} holds {}", account.address, self.written(&shortage));
                let missing = amount.checked_sub(balance).unwrap_or(*amount);
                let missing = self.assets.write(chain_id, *asset, missing);
                return Err(ApiError::new(ErrorCode::NotEnoughGasMoney, message)
                    .shortage(shortage)
                    .hint(format!("send {missing} to {}", account.address)));
            }
        }
        let affordable = chain.node.check_gas_money(Calls::Deposits(wanted.to_vec())).await;
        let coins = wanted.iter().filter(|(asset, _)| asset.is_zero()).map(|(_, amount)| *amount);
        let coins = coins.fold(Amount::ZERO, |sum, amount| sum.checked_add(amount).unwrap_or(Amount::MAX));
        affordable.map_err(|error| self.of_deposit(error, index, account.address, coins))
    }
}

/// Whoever answers at the address is another: nothing that is sent there reaches the peer.
fn refuse_another(failure: &DialError) -> Result<(), ApiError> {
    match failure {
        DialError::Handshake(error @ HandshakeError::WrongIdentity { .. }) => Err(ApiError::new(
            ErrorCode::InvalidAddress,
            format!("another node is at the peer's address: {error}"),
        )
        .hint("nothing was opened; ask the peer's operator for what its `strait info` shows now")),
        _ => Ok(()),
    }
}

/// The deposits by the channel's assets.
fn deposits(params: &ChannelParams, wanted: &[AssetAmount]) -> Result<Vec<(AssetIndex, Amount)>, ApiError> {
    let mut seen = BTreeSet::new();
    let mut deposits = Vec::new();
    for part in wanted {
        positive(part.amount)?;
        let index = params.assets.iter().position(|asset| *asset == part.asset);
        let Some(index) = index.and_then(|index| u8::try_from(index).ok()) else {
            let message = format!("the channel to open does not hold the asset {} of a deposit", part.asset);
            return Err(ApiError::new(ErrorCode::UnknownAsset, message));
        };
        if !seen.insert(part.asset) {
            let message = format!("the asset {} is deposited twice; name each once", part.asset);
            return Err(ApiError::new(ErrorCode::InvalidParams, message));
        }
        deposits.push((AssetIndex(index), part.amount));
    }
    Ok(deposits)
}
