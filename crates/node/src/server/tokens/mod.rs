//! Who may do what: tokens with scopes, spend limits and an end, in a file of their own.
//!
//! Of a secret only its SHA-256 hash is kept. A secret has 256 random bits, so a fast hash suffices, and whoever looks
//! hashes up learns nothing from the time that it takes.

mod database;
mod spending;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use spending::Spend;

use crate::server::lock;
use rusqlite::Connection;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use strait_api::{ApiError, ErrorCode, Scope, SpendLimits, TokenCreate, TokenInfo, TokenSecret};
use strait_engine::ports::{Clock, Rng};
use tokio_util::sync::CancellationToken;
use writer::Writer;

/// What every secret starts with, so that scanners for leaked secrets find it.
const PREFIX: &str = "strait_";

const MAX_NAME_BYTES: usize = 64;

/// The file of tokens cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tokens in {} cannot be used: {reason}", path.display())]
pub struct TokensError {
    /// Which file.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

/// A token that was shown and found valid.
#[derive(Debug)]
pub struct Token {
    info: TokenInfo,
    ended: CancellationToken,
}

impl Token {
    /// What it is.
    pub fn info(&self) -> &TokenInfo {
        &self.info
    }

    /// Whether it allows what asks for `needed`.
    pub fn allows(&self, needed: Scope) -> bool {
        self.info.scopes.iter().any(|scope| scope.allows(needed))
    }

    /// Whether its spending is counted.
    pub(crate) fn is_limited(&self) -> bool {
        self.info.limits != SpendLimits::default()
    }

    /// Ends when the token is revoked or its time is over.
    pub(crate) fn ended(&self) -> &CancellationToken {
        &self.ended
    }
}

/// The tokens of a node, durable; cheap to clone. Several processes may have the same file open.
#[derive(Clone)]
pub struct Tokens(Arc<Inner>);

struct Inner {
    /// For what changes the file.
    writer: Writer,
    known: Mutex<Known>,
    /// Tokens and idempotency keys of payments under way.
    under_way: Mutex<HashSet<(String, String)>>,
    clock: Arc<dyn Clock + Send + Sync>,
    rng: Mutex<Box<dyn Rng>>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens")
    }
}

/// What the file holds, in memory.
struct Known {
    /// A connection of its own tells, without reading, that another connection has written.
    db: Connection,
    data_version: i64,
    change_number: i64,
    by_hash: HashMap<Vec<u8>, Arc<Token>>,
}

impl Known {
    fn open(path: &Path) -> Result<Known, TokensError> {
        let db = database::open(path)?;
        let mut known = Known { db, data_version: -1, change_number: -1, by_hash: HashMap::new() };
        known.refresh().map_err(|error| TokensError { path: path.to_owned(), reason: error.to_string() })?;
        Ok(known)
    }

    fn refresh(&mut self) -> rusqlite::Result<()> {
        // Kept, since it is asked at every call.
        let mut statement = self.db.prepare_cached("PRAGMA data_version")?;
        let data_version = statement.query_row([], |row| row.get(0))?;
        drop(statement);
        if data_version == self.data_version {
            return Ok(());
        }
        let change_number = database::change_number(&self.db)?;
        if change_number != self.change_number {
            let mut before = std::mem::take(&mut self.by_hash);
            for database::Kept { info, hash } in database::all(&self.db)? {
                let token = before
                    .remove(&hash)
                    .unwrap_or_else(|| Arc::new(Token { info, ended: CancellationToken::new() }));
                self.by_hash.insert(hash, token);
            }
            for revoked in before.into_values() {
                revoked.ended.cancel();
            }
        }
        (self.data_version, self.change_number) = (data_version, change_number);
        Ok(())
    }
}

impl Tokens {
    /// Opens the file, and makes it (readable by its owner alone) if there is none. `clock` says when tokens end and
    /// days begin; `rng` makes the secrets.
    ///
    /// # Errors
    /// When the file cannot be made or read, or is of another program or a newer release.
    pub fn open(
        path: impl AsRef<Path>,
        clock: Arc<dyn Clock + Send + Sync>,
        rng: Box<dyn Rng>,
    ) -> Result<Tokens, TokensError> {
        let path = path.as_ref();
        let (writer, known) = (Writer::new(database::open(path)?), Mutex::new(Known::open(path)?));
        Ok(Tokens(Arc::new(Inner {
            writer,
            known,
            under_way: Mutex::new(HashSet::new()),
            clock,
            rng: Mutex::new(rng),
        })))
    }

    fn now(&self) -> u64 {
        self.0.clock.now_ms() / 1000
    }

    /// Makes a token. Its secret is in the answer and nowhere else. Blocks while the disk syncs.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidParams`], or [`ErrorCode::StoreFailed`].
    pub fn create(&self, request: &TokenCreate) -> Result<TokenSecret, ApiError> {
        check(request)?;
        let created = self.now();
        let expires = match request.expires_in {
            Some(seconds) => Some(
                created.checked_add(seconds).filter(|end| i64::try_from(*end).is_ok()).ok_or_else(|| {
                    ApiError::new(
                        ErrorCode::InvalidParams,
                        "`expires_in` is too far away; leave it out for never",
                    )
                })?,
            ),
            None => None,
        };
        let mut random = [0; 40];
        lock(&self.0.rng)
            .fill(&mut random)
            .map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?;
        let (id, secret) = random.split_at(8);
        let secret = format!("{PREFIX}{}", hex(secret));
        let scopes: BTreeSet<_> = request.scopes.iter().map(|scope| rank(*scope)).collect();
        let info = TokenInfo {
            id: hex(id),
            name: request.name.clone(),
            scopes: ALL_SCOPES.into_iter().filter(|scope| scopes.contains(&rank(*scope))).collect(),
            limits: request.limits.clone(),
            created,
            expires,
        };
        let kept = database::Kept { info: info.clone(), hash: hash(&secret) };
        database::insert(&mut self.0.writer.connection(), &kept).map_err(|error| database::failed(&error))?;
        self.refresh()?;
        Ok(TokenSecret { info, secret })
    }

    /// The tokens, oldest first, also expired ones.
    ///
    /// # Errors
    /// [`ErrorCode::StoreFailed`].
    pub fn list(&self) -> Result<Vec<TokenInfo>, ApiError> {
        let kept = database::all(&lock(&self.0.known).db).map_err(|error| database::failed(&error))?;
        Ok(kept.into_iter().map(|kept| kept.info).collect())
    }

    /// Ends a token at once: no call is taken with it any more, and its subscriptions end. Blocks while the disk syncs.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownToken`], or [`ErrorCode::StoreFailed`].
    pub fn revoke(&self, id: &str) -> Result<(), ApiError> {
        let found = database::remove(&mut self.0.writer.connection(), id)
            .map_err(|error| database::failed(&error))?;
        self.refresh()?;
        if found { Ok(()) } else { Err(ApiError::new(ErrorCode::UnknownToken, format!("no token '{id}'"))) }
    }

    /// The token of a secret.
    ///
    /// # Errors
    /// [`ErrorCode::Unauthorized`], [`ErrorCode::TokenExpired`], or [`ErrorCode::StoreFailed`].
    pub fn authenticate(&self, secret: &str) -> Result<Arc<Token>, ApiError> {
        self.refresh()?;
        let token = lock(&self.0.known).by_hash.get(&hash(secret)).cloned();
        let token = token
            .ok_or_else(|| ApiError::new(ErrorCode::Unauthorized, "this token is not one of this node"))?;
        self.check(&token)?;
        Ok(token)
    }

    /// Whether a token that was valid still is.
    ///
    /// # Errors
    /// [`ErrorCode::TokenExpired`], or [`ErrorCode::Unauthorized`] when it was revoked.
    pub fn check(&self, token: &Token) -> Result<(), ApiError> {
        if token.info.expires.is_some_and(|end| end <= self.now()) {
            let message = format!("the time of the token '{}' is over", token.info.name);
            return Err(ApiError::new(ErrorCode::TokenExpired, message));
        }
        if token.ended.is_cancelled() {
            let message = format!("the token '{}' was revoked", token.info.name);
            return Err(ApiError::new(ErrorCode::Unauthorized, message));
        }
        Ok(())
    }

    /// Learns what other processes did, and ends what is over. To be called from time to time.
    ///
    /// # Errors
    /// [`ErrorCode::StoreFailed`].
    pub(crate) fn sweep(&self) -> Result<(), ApiError> {
        self.refresh()?;
        let now = self.now();
        let known = lock(&self.0.known);
        for token in known.by_hash.values().filter(|token| token.info.expires.is_some_and(|end| end <= now)) {
            token.ended.cancel();
        }
        Ok(())
    }

    fn refresh(&self) -> Result<(), ApiError> {
        lock(&self.0.known).refresh().map_err(|error| database::failed(&error))
    }
}

const ALL_SCOPES: [Scope; 4] = [Scope::Read, Scope::Receive, Scope::Pay, Scope::Admin];

fn rank(scope: Scope) -> Option<usize> {
    ALL_SCOPES.iter().position(|other| *other == scope)
}

fn check(request: &TokenCreate) -> Result<(), ApiError> {
    let refuse = |message: &str| Err(ApiError::new(ErrorCode::InvalidParams, message));
    let limits = &request.limits;
    if request.name.is_empty() || request.name.len() > MAX_NAME_BYTES {
        return refuse("`name` must have 1 to 64 bytes");
    }
    if request.name.chars().any(char::is_control) {
        return refuse("`name` must be one line of text");
    }
    if request.scopes.is_empty() {
        return refuse("`scopes` must name at least one of read, receive, pay, admin");
    }
    if request.expires_in == Some(0) {
        return refuse("`expires_in` must be positive; leave it out for never");
    }
    if *limits != SpendLimits::default() {
        if request.scopes.contains(&Scope::Admin) {
            return refuse("limits cannot hold an admin, who can make tokens; use the scope pay");
        }
        if !request.scopes.contains(&Scope::Pay) {
            return refuse("limits need the scope pay");
        }
    }
    for list in [&limits.per_channel, &limits.per_day] {
        let assets: HashSet<_> = list.iter().map(|limit| (limit.chain_id, limit.asset)).collect();
        if assets.len() != list.len() {
            return refuse("each list of limits may name an asset of a chain once");
        }
    }
    Ok(())
}

fn hash(secret: &str) -> Vec<u8> {
    Sha256::digest(secret.as_bytes()).to_vec()
}

fn hex(bytes: &[u8]) -> String {
    strait_types::Bytes::copy_from_slice(bytes).to_string().trim_start_matches("0x").to_owned()
}
