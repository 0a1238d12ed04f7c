//! What a node shows of its account, its chain and its peers.

use super::chain_thread::Task;
use super::{Node, NodeError};
use crate::transport::{DialError, PeerAddress, PeerStatus};
use std::time::{Duration, Instant};
use strait_chain::costs;
use strait_chain::plan::missing_approvals;
use strait_engine::ports::{Account, BlockRef, Chain, ChainError, Receipt, TxHash, TxRequest};
use strait_engine::{Allowance, Engine, EngineError};
use strait_types::abi::{calls, views};
use strait_types::{Address, Amount, Asset, AssetIndex, ChannelId, ChannelParams, U256};
use tokio::sync::oneshot;

/// For how long the account is shown as it was.
const RECENT: Duration = Duration::from_secs(1);

/// How long the chain may say nothing, beside the time between two looks at it.
const SILENCE: Duration = Duration::from_secs(30);

/// Calls that a user's order comes to.
pub(crate) enum Calls {
    /// By asset, and how much of it.
    Deposits(Vec<(Address, Amount)>),
    /// From the challenge to the settlement.
    Dispute,
    /// By agreement.
    Close,
    /// By agreement.
    Withdraw,
}

/// Gas of the calls that deposits take, and the wei that they move.
fn gas_of(chain: &mut dyn Chain, deposits: &[(Address, Amount)]) -> Result<(Vec<u64>, U256), ChainError> {
    let (mut gas, mut value) = (Vec::new(), U256::ZERO);
    for (asset, amount) in deposits {
        let amount = U256::from(amount.units());
        match Asset::from(*asset) {
            Asset::Native => {
                value = value.saturating_add(amount);
                gas.push(costs::DEPOSIT);
            }
            Asset::Token(token) => {
                let wanted = Allowance { token, spender: chain.adjudicator(), amount };
                let approvals = missing_approvals(chain, &wanted)?;
                gas.extend(approvals.iter().map(|_| costs::APPROVE));
                gas.push(costs::DEPOSIT_TOKEN);
            }
        }
    }
    Ok((gas, value))
}

impl Node {
    /// Asks the chain between two looks at it.
    async fn ask_chain<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut dyn Chain) -> Result<T, ChainError> + Send + 'static,
    ) -> Result<T, NodeError> {
        let permit = self.questions.chain.clone().acquire_owned().await.map_err(|_| self.shared.stopped())?;
        let (sender, receiver) = oneshot::channel();
        let question = Box::new(move |chain: &mut dyn Chain| {
            drop(sender.send(question(chain)));
            drop(permit);
        });
        self.chain.send(Task::Ask(question)).map_err(|_| self.shared.stopped())?;
        let mut dead = self.shared.dead.subscribe();
        tokio::select! {
            answer = receiver => {
                let answer = answer.map_err(|_| self.shared.stopped())?;
                answer.map_err(|error| NodeError::Engine(EngineError::Chain(error)))
            }
            _ = dead.wait_for(|dead| *dead) => Err(self.shared.stopped()),
        }
    }

    /// The account that pays gas and deposits, with its balance in wei.
    ///
    /// # Errors
    /// When the chain does not answer, or the node has stopped.
    pub async fn account(&self) -> Result<Account, NodeError> {
        self.ask_chain(|chain| chain.account()).await
    }

    /// The same, a second old at most: however many ask, the chain is asked once a second.
    ///
    /// # Errors
    /// When the chain does not answer, or the node has stopped.
    pub(crate) async fn recent_account(&self) -> Result<Account, NodeError> {
        let mut recent = self.questions.account.lock().await;
        if let Some((asked, account)) = *recent
            && asked.elapsed() < RECENT
        {
            return Ok(account);
        }
        let account = self.account().await?;
        *recent = Some((Instant::now(), account));
        Ok(account)
    }

    /// Stops the node for a reason that its callers are told.
    pub(crate) fn fail(&self, reason: String) {
        self.shared.fail(reason);
    }

    /// Whether a deposit of exactly this amount was handed in and may take effect above the block `through`; also when an earlier
    /// process handed it in.
    ///
    /// # Errors
    /// When the channel is unknown, the chain does not answer, or the node has stopped: nothing can be said then.
    pub(crate) async fn is_deposit_under_way(
        &self,
        channel: ChannelId,
        asset: AssetIndex,
        amount: Amount,
        through: u64,
    ) -> Result<bool, NodeError> {
        let plan = self.query(move |engine| engine.plan_deposit(channel, asset, amount)).await?;
        let deposit = match plan {
            Ok((_, deposit)) => deposit,
            // What comes too late has no effect.
            Err(EngineError::Closed) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let is_it = move |request: &TxRequest| *request == deposit;
        self.ask_chain(move |chain| Ok(!chain.under_way(&is_it, through)?.is_empty())).await
    }

    /// The deposits of an asset that were handed in and may take effect above the block `through`, also by an earlier process.
    ///
    /// # Errors
    /// When the channel is unknown, the chain does not answer, or the node has stopped: nothing can be said then.
    pub(crate) async fn deposits_under_way(
        &self,
        channel: ChannelId,
        asset: AssetIndex,
        through: u64,
    ) -> Result<Vec<(TxHash, Amount)>, NodeError> {
        let terms = move |engine: &Engine| {
            engine.channel(channel).map(|channel| (channel.params().clone(), channel.side()))
        };
        let (params, side) = self.query(terms).await?.ok_or(NodeError::UnknownChannel(channel))?;
        self.ask_chain(move |chain| {
            let adjudicator = chain.adjudicator();
            let amount = |TxRequest { to, value, data }: &TxRequest| {
                (*to == adjudicator).then(|| calls::deposited(&params, asset, side, (*value, data))).flatten()
            };
            let under_way = chain.under_way(&|request| amount(request).is_some(), through)?;
            let sent = under_way.iter().map(|sent| Some((sent.transaction, amount(&sent.request)?)));
            Ok(sent.flatten().collect())
        })
        .await
    }

    /// The receipt of a transaction, while it is in the canonical chain.
    ///
    /// # Errors
    /// When the transaction never comes into a block, the chain does not answer, or the node has stopped.
    pub(crate) async fn receipt(&self, transaction: TxHash) -> Result<Option<Receipt>, NodeError> {
        self.ask_chain(move |chain| chain.receipt(transaction)).await
    }

    /// For how long the chain has said nothing, if that is longer than it should be; else nothing.
    pub(crate) fn silence(&self) -> Duration {
        let age = self.shared.figures.sync_age().unwrap_or_default();
        if age > self.poll.saturating_add(SILENCE) { age } else { Duration::ZERO }
    }

    /// Seconds since the newest block's timestamp after which something is wrong.
    pub(crate) fn stale_after(&self) -> u64 {
        self.stale_after
    }

    /// What an address holds of a token, in its smallest unit.
    ///
    /// # Errors
    /// When the address is no token, the chain does not answer, or the node has stopped.
    pub async fn token_balance(&self, token: Address, holder: Address) -> Result<U256, NodeError> {
        self.ask_chain(move |chain| {
            let answer = chain.call(token, views::balance_of(holder))?;
            views::read_balance_of(&answer).map_err(|_| ChainError::Reverts {
                reason: format!("{token} is no ERC-20 token on this chain"),
            })
        })
        .await
    }

    /// Whether the account can pay for calls, before any of them is made.
    ///
    /// # Errors
    /// [`ChainError::NotEnoughGasMoney`] with the amounts when it cannot; when the chain does not answer, or the node has stopped.
    pub(crate) async fn check_gas_money(&self, calls: Calls) -> Result<(), NodeError> {
        self.ask_chain(move |chain| {
            let (gas, value, is_urgent) = match calls {
                Calls::Deposits(deposits) => {
                    let (gas, value) = gas_of(chain, &deposits)?;
                    (gas, value, false)
                }
                Calls::Dispute => (costs::DISPUTE.to_vec(), U256::ZERO, true),
                Calls::Close => (costs::CLOSE.to_vec(), U256::ZERO, false),
                Calls::Withdraw => (costs::WITHDRAW.to_vec(), U256::ZERO, false),
            };
            let needed = chain.needed_for(&gas, is_urgent)?.saturating_add(value);
            match chain.account()? {
                Account { address: account, balance } if balance < needed => {
                    Err(ChainError::NotEnoughGasMoney { account, balance, needed })
                }
                _ => Ok(()),
            }
        })
        .await
    }

    /// The terms of all channels, by id.
    ///
    /// # Errors
    /// When the node has stopped.
    pub async fn all_params(&self) -> Result<Vec<(ChannelId, ChannelParams)>, NodeError> {
        let terms = |engine: &Engine, id| Some((id, engine.channel(id)?.params().clone()));
        self.query(move |engine| engine.channel_ids().filter_map(|id| terms(engine, id)).collect()).await
    }

    /// The newest block that was processed, and its time in Unix seconds; `None` before the first.
    ///
    /// # Errors
    /// When the node has stopped.
    pub async fn head(&self) -> Result<Option<(BlockRef, u64)>, NodeError> {
        self.query(|engine| engine.head()).await
    }

    /// How it stands with a peer; `None`: not connected, and not told to connect.
    pub fn peer_status(&self, peer: Address) -> Option<PeerStatus> {
        self.network.status(peer)
    }

    /// Where a peer that was added is dialled.
    pub fn address_of(&self, peer: Address) -> Option<PeerAddress> {
        self.network.address_of(peer)
    }

    /// Tries once whether a peer is at an address, beside the one that is kept.
    ///
    /// # Errors
    /// Why it is not reached there.
    pub async fn try_peer(&self, address: &PeerAddress) -> Result<(), DialError> {
        self.network.try_peer(address).await
    }

    /// Ends the connection with a peer. One that was added is dialled again, ever more rarely if this repeats.
    pub(crate) fn disconnect(&self, peer: Address) {
        self.network.disconnect(peer);
    }

    /// Ends the connection with a peer and no longer dials it; its channels stay.
    pub fn remove_peer(&self, peer: Address) {
        self.network.remove_peer(peer);
    }

    /// Whether the node has stopped, by itself or because it was told to.
    pub fn has_stopped(&self) -> bool {
        self.shared.is_dead()
    }
}
