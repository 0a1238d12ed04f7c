//! The rules of apps, as the protocol asks for them. Whatever runs them (an EVM, native code) is passed in.

use std::fmt::Debug;
use std::sync::Arc;
use strait_types::{Address, State};

/// The rules of one app, ready to be asked: what `IApp` is on chain. Pure: the same arguments give the same answer, on
/// every machine and after every restart, and the answer is the one that the adjudicator would get. An answer that took
/// more than half of the gas that the adjudicator gives counts as [`Refused::NoAnswer`].
///
/// Both states are well formed: as many allocations as the channel has assets, deltas that add up to zero, no locks,
/// nothing withdrawn, app data within [`strait_types::MAX_APP_DATA`]; `next` is the version after `state`, not final, with
/// the hash of `state` as its history. The caller checks that, and that a move's verdict is sound.
pub trait Rules: Send + Sync + Debug {
    /// Whether `state.writer` may move from `state` to `next`.
    ///
    /// # Errors
    /// [`Refused::Illegal`] when the app says no, [`Refused::NoAnswer`] when it says nothing that counts.
    fn check_move(&self, state: &State, next: &State) -> Result<(), Refused>;

    /// What participant 0 and 1 gain or lose, per asset, if `state` is the last word. Of each asset both together give
    /// zero.
    ///
    /// # Errors
    /// [`Refused::NoAnswer`] when there is no sound verdict, so that the state's own deltas would count on chain.
    fn verdict(&self, state: &State) -> Result<Vec<[i128; 2]>, Refused>;
}

/// Makes [`Rules`] of an app's runtime code.
pub trait RulesProvider: Send + Sync + Debug {
    /// Checks the code once, and returns the rules that it stands for. Asked at every install and after every start.
    ///
    /// # Errors
    /// [`Refused::Unfit`] when the adjudicator would not give `app` to this code, or when the code could behave
    /// differently here and on chain; [`Refused::Unsupported`] when this provider runs no such code.
    fn load(&self, adjudicator: Address, app: Address, runtime: &[u8]) -> Result<Arc<dyn Rules>, Refused>;
}

/// Why an app or a move is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The code is not to be run: another app's, or one that reads more than its arguments. In words, with what to do.
    #[error("the app is not taken: {0}")]
    Unfit(String),
    /// No rules can be run here.
    #[error("this node runs no apps; start one that does")]
    Unsupported,
    /// The app does not allow the move.
    #[error("the app does not allow this move")]
    Illegal,
    /// The app failed, took too long, or said what nobody understands. In words.
    #[error("the app gives no answer that counts: {0}")]
    NoAnswer(String),
}

/// Runs no apps: every channel with an app is refused.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRules;

impl RulesProvider for NoRules {
    fn load(&self, _: Address, _: Address, _: &[u8]) -> Result<Arc<dyn Rules>, Refused> {
        Err(Refused::Unsupported)
    }
}
