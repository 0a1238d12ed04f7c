//! What a caller orders of a node: channels to open, deposits, commands.

use super::engine_thread::Message;
use super::shared::Asked;
use super::waiters::Answer;
use super::{NewChannel, Node, NodeError};
use std::sync::PoisonError;
use strait_engine::ports::TxHash;
use strait_engine::{Input, Proposal};
use strait_protocol::{Command, Outcome, Payment, Settings, Token};
use strait_types::{Address, Amount, AssetIndex, B256, ChannelId, ChannelParams, Participant};

/// What a command takes in memory beside its memo, in bytes.
const COMMAND_BYTES: usize = 256;

impl Node {
    pub(super) fn ask(&self, input: impl FnOnce(Token) -> Input) -> Asked {
        let (token, receiver) = self.shared.waiters.add(COMMAND_BYTES, false).map_err(Box::new)?;
        self.hand_in(token, input(token).into());
        Ok(receiver)
    }

    pub(super) fn ask_channel(&self, channel: ChannelId, command: Command) -> Asked {
        let memo = match &command {
            Command::Pay(payment) => payment.memo.len(),
            _ => 0,
        };
        // An order to leave is never too much.
        let urgent = command == Command::ForceClose;
        let bytes = COMMAND_BYTES.saturating_add(memo);
        let (token, receiver) = self.shared.waiters.add(bytes, urgent).map_err(Box::new)?;
        self.hand_in(token, Message::Command { token, channel, command });
        Ok(receiver)
    }

    fn hand_in(&self, token: Token, message: Message) {
        if self.engine.send(message).is_err() || self.shared.is_dead() {
            self.shared.waiters.abandon(token);
        }
    }

    /// Terms of a new channel, with a fresh nonce.
    pub(super) fn new_params(&self, new: NewChannel, app: Address) -> Result<ChannelParams, NodeError> {
        let mut nonce = [0; 8];
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).fill(&mut nonce)?;
        let mut assets = new.assets;
        assets.sort_unstable();
        let own = Participant { signer: self.signer, payout: new.payout };
        Ok(ChannelParams {
            participants: [own, new.peer],
            challenge_duration: new.challenge_duration,
            nonce: u64::from_be_bytes(nonce),
            app,
            child: B256::ZERO,
            assets,
        })
    }

    /// Opens a channel with a fresh nonce; see [`Node::open`].
    ///
    /// # Errors
    /// When the terms are invalid or against the policy, or the system gives no randomness.
    pub async fn open_new(&self, new: NewChannel, settings: Settings) -> Result<ChannelId, NodeError> {
        let params = self.new_params(new, Address::ZERO)?;
        self.open(params, settings).await
    }

    /// Makes a channel known; the peer learns of it with the next connection. It needs no deposit yet.
    ///
    /// # Errors
    /// When the parameters are invalid, against the policy, or already known.
    pub async fn open(&self, params: ChannelParams, settings: Settings) -> Result<ChannelId, NodeError> {
        let receiver = self.ask(|token| Input::Open { token, params, settings });
        match self.shared.answer(receiver).await? {
            Answer::Opened(channel) => Ok(channel),
            _ => Err(NodeError::Mismatch),
        }
    }

    /// Takes a channel that a peer offers and that waits for approval; see [`Node::proposals`]. One within a payment
    /// channel the peer may then open once; for that the payment channel's id is given back, else the channel's own.
    ///
    /// # Errors
    /// When no such channel waits, or it is against the policy by now.
    pub async fn approve(&self, channel: ChannelId) -> Result<ChannelId, NodeError> {
        let receiver = self.ask(|token| Input::Approve { token, channel });
        match self.shared.answer(receiver).await? {
            Answer::Opened(channel) => Ok(channel),
            _ => Err(NodeError::Mismatch),
        }
    }

    /// Does not take a channel that a peer offers. The peer is told for which reason (cut at 256 bytes; empty: just that), and
    /// the operator is not asked again.
    ///
    /// # Errors
    /// When no such channel waits.
    pub async fn reject(&self, channel: ChannelId, reason: String) -> Result<(), NodeError> {
        let receiver = self.ask(|token| Input::Reject { token, channel, reason });
        match self.shared.answer(receiver).await? {
            Answer::Decided => Ok(()),
            _ => Err(NodeError::Mismatch),
        }
    }

    /// Takes back what was approved and not used up, or rejected: the peer's next offer is asked about anew.
    ///
    /// # Errors
    /// When nothing is decided of it.
    pub async fn reconsider(&self, channel: ChannelId) -> Result<(), NodeError> {
        let receiver = self.ask(|token| Input::Reconsider { token, channel });
        match self.shared.answer(receiver).await? {
            Answer::Decided => Ok(()),
            _ => Err(NodeError::Mismatch),
        }
    }

    /// What was decided of offers and is not used up, with the reason of a rejection.
    ///
    /// # Errors
    /// When the node has stopped.
    pub async fn decisions(&self) -> Result<Vec<(ChannelId, Option<String>)>, NodeError> {
        self.query(|engine| engine.decisions().map(|(id, reason)| (id, reason.map(str::to_owned))).collect())
            .await
    }

    /// Channels that peers offer and that wait for approval, by id.
    ///
    /// # Errors
    /// When the node has stopped.
    pub async fn proposals(&self) -> Result<Vec<(ChannelId, Proposal)>, NodeError> {
        self.query(|engine| engine.proposals().map(|(id, proposal)| (id, proposal.clone())).collect()).await
    }

    /// Deposits from the node's account; the amount counts after its confirmations.
    ///
    /// # Errors
    /// When the channel is unknown or closed, or the chain does not take the transaction.
    pub async fn deposit(
        &self,
        channel: ChannelId,
        asset: AssetIndex,
        amount: Amount,
    ) -> Result<TxHash, NodeError> {
        let receiver = self.ask(|token| Input::Deposit { token, channel, asset, amount });
        match self.shared.answer(receiver).await? {
            Answer::Submitted(transaction) => Ok(transaction),
            _ => Err(NodeError::Mismatch),
        }
    }

    /// Gives a channel a command now; the future tells how it ended. Commands of one caller keep their order.
    pub fn command(
        &self,
        channel: ChannelId,
        command: Command,
    ) -> impl Future<Output = Result<Outcome, NodeError>> + Send + use<> {
        let receiver = self.ask_channel(channel, command);
        let shared = self.shared.clone();
        // Awaited in place: thousands of these wait at once, and are moved.
        async move {
            let receiver = receiver.map_err(|error| *error)?;
            match shared.told(receiver.await)? {
                Answer::Done(outcome) => Ok(outcome),
                _ => Err(NodeError::Mismatch),
            }
        }
    }

    /// Pays the peer; the future ends when the peer has countersigned.
    pub fn pay(
        &self,
        channel: ChannelId,
        payment: Payment,
    ) -> impl Future<Output = Result<Outcome, NodeError>> + Send + use<> {
        self.command(channel, Command::Pay(payment))
    }
}
