//! One side's history records, replayed: where they lead, and whether each follows from the one before.

use crate::message::{SignedPosition, Update};
use crate::position::Position;
use crate::record::Record;
use crate::rule::Rule;
use std::collections::VecDeque;
use strait_types::{ChannelParams, Side, Signature, SignatureError, Version, locks_hash};

/// A record that does not follow from those before.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReplayError {
    /// A version builds on another one than the last.
    #[error(
        "version {version} does not build on version {base}: something is missing, changed or out of order"
    )]
    Order {
        /// Which.
        version: Version,
        /// What it would have to build on.
        base: Version,
    },
    /// A version is by the wrong side.
    #[error("version {0} is by a side that did not hold the pen")]
    Pen(Version),
    /// A version breaks a rule of the protocol.
    #[error("version {version} breaks a rule: {rule}")]
    Rule {
        /// Which.
        version: Version,
        /// The rule.
        rule: Rule,
    },
    /// A signature is wrong.
    #[error("version {version}: {error}")]
    Signature {
        /// Of which version.
        version: Version,
        /// What is wrong with it.
        error: SignatureError,
    },
    /// The peer's answer to what was never written.
    #[error("version {0} is confirmed and was never written")]
    Unwritten(Version),
    /// A state that was taken over after a restore is none of this channel, or not later.
    #[error("version {0} does not belong here")]
    Foreign(Version),
    /// A rebase that goes back.
    #[error("version {version} is below version {now}")]
    Backwards {
        /// Of the rebase.
        version: Version,
        /// What both had signed.
        now: Version,
    },
    /// What the chain recorded without both signatures.
    #[error("version {0} was recorded by the chain, and is proved by its events alone")]
    Forced(Version),
    /// A record that history does not hold.
    #[error("is of a kind that no bill holds")]
    Kind,
}

/// Tells whether a side has signed a position.
pub type Check<'a> = &'a mut dyn FnMut(&Position, Side, &Signature) -> Result<(), SignatureError>;

/// What records lead to so far.
#[derive(Clone, Debug)]
pub struct Replay {
    side: Side,
    has_app: bool,
    /// Where it began.
    start: Version,
    confirmed: Position,
    pending: VecDeque<Position>,
    gaps: Vec<(Version, Version)>,
}

impl Replay {
    /// The records of participant `side`, from an agreed position on: [`Position::zero`], or where a pruned history
    /// begins.
    pub fn new(params: &ChannelParams, side: Side, start: Position) -> Replay {
        Replay {
            side,
            has_app: !params.app.is_zero(),
            start: start.state.version,
            confirmed: start,
            pending: VecDeque::new(),
            gaps: Vec::new(),
        }
    }

    /// The best state that both signed.
    pub fn confirmed(&self) -> &Position {
        &self.confirmed
    }

    /// Versions between which a restore from a backup left the items out; both signed the end of each.
    pub fn gaps(&self) -> &[(Version, Version)] {
        &self.gaps
    }

    /// Takes the next record; `check` judges each signature in it.
    ///
    /// # Errors
    /// Why it does not follow from those before. Nothing can be read after that.
    pub fn read(&mut self, record: &Record, check: Check<'_>) -> Result<(), ReplayError> {
        match record {
            Record::Wrote(update) => {
                let position = self.step(update, self.side, check)?;
                self.pending.push_back(position);
            }
            Record::Accepted(update) => {
                self.confirmed = self.step(update, self.side.other(), check)?;
                self.pending.clear();
            }
            Record::Confirmed { version, signature } => self.confirm(*version, signature, check)?,
            Record::RolledBack => self.pending.clear(),
            Record::Adopted(latest) => self.adopt(latest, check)?,
            Record::Rebased { version, signature } => self.rebase(*version, signature, check)?,
            Record::Forced(state) => return Err(ReplayError::Forced(state.version)),
            _ => return Err(ReplayError::Kind),
        }
        Ok(())
    }

    fn head(&self) -> &Position {
        self.pending.back().unwrap_or(&self.confirmed)
    }

    fn step(&self, update: &Update, writer: Side, check: Check<'_>) -> Result<Position, ReplayError> {
        let (base, version) = (self.head(), update.version);
        if base.state.version != update.base || base.state.hash() != update.base_hash {
            return Err(ReplayError::Order { version, base: base.state.version });
        }
        if update.author(base.state.writer) != writer {
            return Err(ReplayError::Pen(version));
        }
        let next = base
            .next(version, &update.operations, &mut |_, _| Ok(()))
            .map_err(|violation| ReplayError::Rule { version, rule: violation.rule })?;
        signed(&next, writer, &update.signature, check)?;
        Ok(next)
    }

    fn confirm(
        &mut self,
        version: Version,
        signature: &Signature,
        check: Check<'_>,
    ) -> Result<(), ReplayError> {
        let Some(index) = self.pending.iter().position(|position| position.state.version == version) else {
            // Where history begins the next versions may have been in flight already, and the answers to those before
            // stand between them.
            let is_before = version > Version::ZERO && version <= self.start;
            return if is_before { Ok(()) } else { Err(ReplayError::Unwritten(version)) };
        };
        let Some(position) = self.pending.drain(..=index).next_back() else { return Ok(()) };
        signed(&position, self.side.other(), signature, check)?;
        self.confirmed = position;
        Ok(())
    }

    fn adopt(&mut self, latest: &SignedPosition, check: Check<'_>) -> Result<(), ReplayError> {
        let (position, now) = (&latest.position, &self.confirmed.state);
        let list = locks_hash(position.locks.iter().map(|entry| &entry.lock));
        let is_later = position.state.version > now.version;
        if position.state.channel != now.channel || position.state.locks_hash != list || !is_later {
            return Err(ReplayError::Foreign(position.state.version));
        }
        for side in Side::BOTH {
            signed(position, side, &latest.signatures[side.index()], check)?;
        }
        self.gaps.push((now.version, position.state.version));
        self.confirmed = position.clone();
        self.pending.clear();
        Ok(())
    }

    fn rebase(
        &mut self,
        version: Version,
        signature: &Signature,
        check: Check<'_>,
    ) -> Result<(), ReplayError> {
        let now = self.confirmed.state.version;
        if version < now {
            return Err(ReplayError::Backwards { version, now });
        }
        let position = if version == now {
            self.confirmed.clone()
        } else {
            self.confirmed.rebased(version, self.has_app)
        };
        signed(&position, self.side.other(), signature, check)?;
        self.confirmed = position;
        self.pending.clear();
        Ok(())
    }
}

fn signed(
    position: &Position,
    side: Side,
    signature: &Signature,
    check: Check<'_>,
) -> Result<(), ReplayError> {
    check(position, side, signature)
        .map_err(|error| ReplayError::Signature { version: position.state.version, error })
}
