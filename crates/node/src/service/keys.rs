//! Requests that are carried out once, however often they come, also across a crash.
//!
//! The key and what is intended are durable before anything is handed to the engine; the result is durable before the
//! caller is told. What a crash leaves without a result is decided by the channel's own durable history when the
//! service starts, before it takes anything new. The engine knows no keys, so the history is compared by content: what
//! the key's request wanted, among this node's operations that were written after the key was. Two payments of
//! identical content (asset, amount, invoice, memo) are interchangeable: nothing that either party holds tells them
//! apart, so whichever of two requests is credited with which of two payments, the sums are the same. It is enough,
//! therefore, to count: each payment in the history is credited to one request at most, the keys that have a result
//! keep theirs, and what is left over is credited to the undecided ones in the order in which they came. A key is
//! thereby never paid twice. Where identical payments *without* a key were under way at the crash too, their caller
//! asked for no memory, and one of them may be credited to the key.
//!
//! Keys are the node's, not a token's: who repeats a request with the token that replaced a lost one must not pay twice. So
//! keys should be random; the same one for another request is refused, whoever made it.

mod decide;
mod deposits;
mod table;

pub(crate) use deposits::Other;
pub(crate) use table::{Decided, Intention, undecided};

use super::registry::Known;
use super::{Core, DatabaseError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use strait_api::{ApiError, ErrorCode, InvoiceTerms};
use strait_protocol::Operation;
use strait_types::{Address, B256, ChannelId, keccak256};
use table::{Begun, Row};
use tokio::sync::watch;

/// Longest key, in bytes.
const MAX_KEY: usize = 128;
/// How long a key is kept.
pub(crate) const KEPT_MS: u64 = 7 * 24 * 3_600 * 1_000;
/// How long a repetition waits for the first request.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a request ended.
type Ended = Result<Told, ApiError>;
type Waiting = watch::Receiver<Option<Ended>>;

/// The result of a request.
#[derive(Clone)]
struct Told {
    /// As JSON.
    result: String,
    /// It is that of an earlier request.
    is_repetition: bool,
}

impl Told {
    fn earlier(result: String) -> Told {
        Told { result, is_repetition: true }
    }
}

/// Requests with a key that are being carried out.
#[derive(Default)]
pub(crate) struct Running(Mutex<HashMap<String, Run>>);

#[derive(Clone)]
struct Run {
    request: B256,
    channel: Option<ChannelId>,
    waiting: Waiting,
}

impl Running {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Run>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether requests of a channel run beside the one with a key.
    fn has_others(&self, channel: ChannelId, but: Option<&str>) -> bool {
        self.lock().iter().any(|(key, run)| run.channel == Some(channel) && Some(key.as_str()) != but)
    }
}

/// A request with its key.
#[derive(Clone)]
pub(crate) struct Keyed {
    key: String,
    request: B256,
    channel: Option<ChannelId>,
    /// When the key is forgotten, Unix milliseconds.
    until_ms: u64,
}

impl Keyed {
    /// For a key that a client gave.
    pub(crate) fn new(
        core: &Core,
        key: &str,
        method: &str,
        request: &impl Serialize,
        channel: Option<&Known>,
    ) -> Result<Keyed, ApiError> {
        if key.is_empty() || key.len() > MAX_KEY {
            let message = format!("the idempotency key has {} bytes; give 1 to {MAX_KEY}", key.len());
            return Err(ApiError::new(ErrorCode::InvalidParams, message).hint("use a random UUID, say"));
        }
        let content = serde_json::to_vec(&(method, request))
            .map_err(|error| ApiError::new(ErrorCode::InvalidParams, error.to_string()))?;
        Ok(Keyed {
            key: format!("client:{key}"),
            request: keccak256(content),
            channel: channel.map(|known| known.id),
            until_ms: core.clock.now_ms().saturating_add(KEPT_MS),
        })
    }

    /// For the payment of an invoice, which is its own key until the invoice cannot be paid any more. Two payees may choose one id,
    /// and a payee may use an id again: what the payee signed tells them apart.
    pub(crate) fn invoice(core: &Core, terms: &InvoiceTerms, payee: Address) -> Result<Keyed, ApiError> {
        let content = serde_json::to_vec(terms)
            .map_err(|error| ApiError::new(ErrorCode::InvalidInvoice, error.to_string()))?;
        let expires_ms = terms.expires.saturating_mul(1_000).max(core.clock.now_ms());
        Ok(Keyed {
            key: format!("invoice:{payee}:{}", terms.id),
            request: keccak256(content),
            channel: None,
            until_ms: expires_ms.saturating_add(KEPT_MS),
        })
    }

    /// As it is kept.
    pub(crate) fn name(&self) -> &str {
        &self.key
    }

    /// The same over a channel.
    pub(crate) fn over(self, channel: &Known) -> Keyed {
        Keyed { channel: Some(channel.id), ..self }
    }
}

impl Core {
    /// Carries a request out once. `act` is run to its end even when the caller gives up.
    pub(crate) async fn once<R, F>(
        self: &Arc<Core>,
        keyed: Keyed,
        intention: Intention,
        act: impl FnOnce(Arc<Core>) -> F + Send + 'static,
    ) -> Result<R, ApiError>
    where
        R: Serialize + DeserializeOwned + Send,
        F: Future<Output = Result<R, ApiError>> + Send,
    {
        self.once_told(keyed, intention, act).await.map(|(result, _)| result)
    }

    /// The same; tells whether the result is that of an earlier request.
    pub(crate) async fn once_told<R, F>(
        self: &Arc<Core>,
        keyed: Keyed,
        intention: Intention,
        act: impl FnOnce(Arc<Core>) -> F + Send + 'static,
    ) -> Result<(R, bool), ApiError>
    where
        R: Serialize + DeserializeOwned + Send,
        F: Future<Output = Result<R, ApiError>> + Send,
    {
        let (sender, mut waiting) = watch::channel(None);
        let is_first = {
            let mut running = self.running.lock();
            match running.get(&keyed.key) {
                Some(run) if run.request != keyed.request => return Err(conflict()),
                Some(run) => {
                    waiting = run.waiting.clone();
                    false
                }
                None => {
                    let Keyed { request, channel, .. } = keyed;
                    running.insert(keyed.key.clone(), Run { request, channel, waiting: waiting.clone() });
                    true
                }
            }
        };
        if is_first {
            let core = self.clone();
            tokio::spawn(async move {
                let key = keyed.key.clone();
                let ended = core.carry_out(keyed, intention, act).await;
                // First, so that who repeats it after the answer is not given that answer again.
                core.running.lock().remove(&key);
                sender.send_replace(Some(ended));
            });
        }
        let ended = tokio::time::timeout(PATIENCE, waiting.wait_for(Option::is_some)).await;
        match ended {
            Ok(Ok(ended)) => match ended.clone() {
                Some(ended) => {
                    let Told { result, is_repetition } = ended?;
                    Ok((read_result(&result)?, is_repetition || !is_first))
                }
                None => Err(pending()),
            },
            // The task was dropped with the runtime, or it takes long.
            Ok(Err(_)) | Err(_) => Err(pending()),
        }
    }

    /// The channel of an earlier request with the key, whatever became of that; `None`: there was none.
    pub(crate) async fn earlier_channel(&self, keyed: &Keyed) -> Result<Option<ChannelId>, ApiError> {
        let running = self.running.lock().get(&keyed.key).and_then(|run| run.channel);
        if running.is_some() {
            return Ok(running);
        }
        let key = keyed.key.clone();
        let found = self.database.read(move |db| table::find(db, &key)).await?;
        Ok(found.and_then(|found| found.undecided.channel))
    }

    /// The result of an earlier request with the key, if it has one.
    pub(crate) async fn result_of<R: DeserializeOwned>(&self, keyed: &Keyed) -> Result<Option<R>, ApiError> {
        let key = keyed.key.clone();
        match self.database.read(move |db| table::find(db, &key)).await? {
            Some(found) if found.request != keyed.request => Err(conflict()),
            Some(found) => found.result.map(|result| read_result(&result)).transpose(),
            None => Ok(None),
        }
    }

    async fn carry_out<R, F>(
        self: &Arc<Core>,
        keyed: Keyed,
        intention: Intention,
        act: impl FnOnce(Arc<Core>) -> F + Send,
    ) -> Ended
    where
        R: Serialize + Send,
        F: Future<Output = Result<R, ApiError>> + Send,
    {
        let mut begun = self.begin(&keyed, &intention).await?;
        if let Begun::Undecided(row) = begun {
            let open = deposits::pending(&row).unwrap_or_else(pending);
            match self.decide_late(row).await? {
                Decided::Done(result) => return Ok(Told::earlier(result)),
                Decided::Unknown => return Err(open),
                Decided::NotMade => begun = self.begin(&keyed, &intention).await?,
            }
        }
        match begun {
            Begun::New => {}
            Begun::Done(result) => return Ok(Told::earlier(result)),
            Begun::Conflict => return Err(conflict()),
            Begun::Undecided(_) => return Err(pending()),
        }
        match act(self.clone()).await {
            Ok(result) => {
                let result = serde_json::to_string(&result)
                    .map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?;
                let (stored, now_ms) = (result.clone(), self.clock.now_ms());
                self.database.write(move |db| table::finish(db, &keyed.key, &stored, now_ms)).await?;
                Ok(Told { result, is_repetition: false })
            }
            // It may have happened all the same; the next look at the history tells.
            Err(error) if is_uncertain(error.code) => Err(error),
            Err(error) => {
                self.database.write(move |db| table::remove(db, &keyed.key)).await?;
                Err(error)
            }
        }
    }

    async fn begin(&self, keyed: &Keyed, intention: &Intention) -> Result<Begun, ApiError> {
        let note = serde_json::to_string(intention)
            .map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?;
        let (keyed, now_ms) = (keyed.clone(), self.clock.now_ms());
        let row = Row {
            key: keyed.key,
            request: keyed.request,
            at_ms: now_ms,
            until_ms: keyed.until_ms,
            channel: keyed.channel,
            note,
        };
        Ok(self.database.write(move |db| table::begin(db, row)).await?)
    }

    /// What operations in a channel are to be looked for after a crash.
    pub(crate) async fn intention(
        &self,
        known: &Known,
        operations: Vec<Operation>,
        many: bool,
    ) -> Result<Intention, ApiError> {
        // Before the look at the channel, so that it lies before all that the look does not show.
        let mark = known.mark();
        let view = self.node(known)?.view(known.id).await?;
        let (payments, version) = (view.payments[0], view.version);
        Ok(Intention::Operations { operations, many, mark, payments, version })
    }

    /// Forgets keys whose time is over.
    pub(crate) async fn forget_keys(&self) -> Result<(), DatabaseError> {
        let now_ms = self.clock.now_ms();
        self.database.write(move |db| table::forget(db, now_ms)).await
    }
}

/// Whether nothing can be said about what has moved. A chain that is away is asked before anything is sent: who hears of that has
/// sent nothing, and may repeat it.
fn is_uncertain(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::Stopping | ErrorCode::Internal | ErrorCode::StoreFailed | ErrorCode::IdempotencyPending
    )
}

fn read_result<R: DeserializeOwned>(result: &str) -> Result<R, ApiError> {
    serde_json::from_str(result).map_err(|error| {
        let message = format!("the stored result of the key cannot be read: {error}");
        ApiError::new(ErrorCode::IdempotencyConflict, message)
    })
}

fn conflict() -> ApiError {
    ApiError::new(ErrorCode::IdempotencyConflict, "the idempotency key was used for another request")
}

fn pending() -> ApiError {
    ApiError::new(ErrorCode::IdempotencyPending, "the first request with this idempotency key has not ended")
}
