//! Channels with an app: what a caller can do with them.

use super::waiters::Answer;
use super::{NewChannel, Node, NodeError};
use strait_engine::Input;
use strait_protocol::{AppMove, AppStart, AppView, Command, NewChild, Outcome, Settings};
use strait_types::{Address, ChannelId, ChannelParams};

impl Node {
    /// Installs an app by its runtime code; it can be played in channels from now on, if the policy lists it. The code is
    /// kept, so that the chain can be given it in a dispute. Returns its address.
    ///
    /// # Errors
    /// When the code is not fit to be run, with the reason.
    pub async fn install_app(&self, runtime: Vec<u8>) -> Result<Address, NodeError> {
        let receiver = self.ask(|token| Input::InstallApp { token, runtime });
        match self.shared.answer(receiver).await? {
            Answer::Installed(app) => Ok(app),
            _ => Err(NodeError::Mismatch),
        }
    }

    /// Apps that are installed, by address.
    ///
    /// # Errors
    /// When the node has stopped.
    pub async fn apps(&self) -> Result<Vec<Address>, NodeError> {
        self.query(|engine| engine.apps().collect()).await
    }

    /// Opens a channel with an app and a fresh nonce; see [`Node::open_app`].
    ///
    /// # Errors
    /// When the terms are invalid or against the policy, or the app is not installed.
    pub async fn open_new_app(
        &self,
        new: NewChannel,
        app: Address,
        start: AppStart,
        settings: Settings,
    ) -> Result<ChannelId, NodeError> {
        let params = self.new_params(new, app)?;
        self.open_app(params, start, settings).await
    }

    /// Makes a channel with an app known; the peer learns of it with the next connection. Its start is signed by both, by
    /// itself, as soon as both have deposited their stakes ([`Node::deposit`]).
    ///
    /// # Errors
    /// When the terms are invalid, against the policy or already known, or the app is not installed.
    pub async fn open_app(
        &self,
        params: ChannelParams,
        start: AppStart,
        settings: Settings,
    ) -> Result<ChannelId, NodeError> {
        let receiver = self.ask(|token| Input::OpenApp { token, params, start, settings });
        match self.shared.answer(receiver).await? {
            Answer::Opened(channel) => Ok(channel),
            _ => Err(NodeError::Mismatch),
        }
    }

    /// Opens a child channel, with an app or for payments, in a payment channel, without a transaction. Ends when the
    /// peer has countersigned the lock that holds its funds; returns its id.
    ///
    /// # Errors
    /// When the peer's policy or ours does not take it, or the balances do not cover it; it costs nothing then.
    pub async fn open_child(&self, parent: ChannelId, new: NewChild) -> Result<ChannelId, NodeError> {
        match self.command(parent, Command::OpenChild(Box::new(new))).await? {
            Outcome::ChildOpened { child } => Ok(child),
            _ => Err(NodeError::Mismatch),
        }
    }

    /// Moves. The future ends when the peer has countersigned the move or the chain has recorded it; in a dispute it is
    /// made on chain.
    pub fn play(
        &self,
        channel: ChannelId,
        next: AppMove,
    ) -> impl Future<Output = Result<Outcome, NodeError>> + Send + use<> {
        self.command(channel, Command::Move(next))
    }

    /// Ends an app with the peer's agreement, which asks for the same outcome: what participant 0 and 1 gain or lose, per
    /// asset. It then is paid out on chain.
    pub fn finish(
        &self,
        channel: ChannelId,
        outcome: Vec<[i128; 2]>,
    ) -> impl Future<Output = Result<Outcome, NodeError>> + Send + use<> {
        self.command(channel, Command::Finish { outcome })
    }

    /// Makes a peer that stalls play on by the chain's clock. The channel lives on when it comes back;
    /// [`Command::ForceClose`] leaves for good.
    pub fn dispute(
        &self,
        channel: ChannelId,
    ) -> impl Future<Output = Result<Outcome, NodeError>> + Send + use<> {
        self.command(channel, Command::Dispute)
    }

    /// The app of a channel at a glance; `None` in a payment channel.
    ///
    /// # Errors
    /// When the channel is unknown, or the node has stopped.
    pub async fn app(&self, channel: ChannelId) -> Result<Option<AppView>, NodeError> {
        Ok(self.view(channel).await?.app)
    }

    /// What participant 0 and 1 of an app get, per asset, if nobody moves any more; `None` before the start, and where this
    /// node cannot run the app.
    ///
    /// # Errors
    /// When the node has stopped.
    pub async fn verdict(&self, channel: ChannelId) -> Result<Option<Vec<[i128; 2]>>, NodeError> {
        self.query(move |engine| engine.verdict(channel)).await
    }
}
