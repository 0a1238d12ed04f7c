//! One side's records, replayed from the start with every signature checked.

use std::collections::VecDeque;
use strait_protocol::{Bill, BillLine, Position, Record, SignedPosition, Update};
use strait_types::{Address, B256, ChannelId, ChannelParams, Domain, Side, Signature, Version, locks_hash};

/// What the records lead to so far.
pub(super) struct Replay {
    id: ChannelId,
    side: Side,
    signers: [Address; 2],
    domain: Domain,
    confirmed: Position,
    pending: VecDeque<Position>,
    bill: Bill,
    gaps: Vec<(Version, Version)>,
}

impl Replay {
    /// From version 0 on.
    pub(super) fn new(domain: Domain, params: &ChannelParams, side: Side) -> Replay {
        let id = params.id(domain.chain_id(), domain.adjudicator());
        let signers = params.participants.map(|participant| participant.signer);
        let confirmed = Position::zero(id, params.assets.len());
        Replay {
            id,
            side,
            signers,
            domain,
            confirmed,
            pending: VecDeque::new(),
            bill: Bill::new(side),
            gaps: Vec::new(),
        }
    }

    /// The best state that both signed.
    pub(super) fn confirmed(&self) -> &Position {
        &self.confirmed
    }

    /// Versions between which a restore from a backup left the items out; both signed the end of each.
    pub(super) fn gaps(&self) -> &[(Version, Version)] {
        &self.gaps
    }

    /// Takes the next record; gives what became agreed by it.
    pub(super) fn read(&mut self, record: Record) -> Result<Vec<BillLine>, String> {
        match &record {
            Record::Wrote(update) => {
                let position = self.step(update, self.side)?;
                self.pending.push_back(position);
            }
            Record::Accepted(update) => {
                self.confirmed = self.step(update, self.side.other())?;
                self.pending.clear();
            }
            Record::Confirmed { version, signature } => self.confirm(*version, signature)?,
            Record::RolledBack => self.pending.clear(),
            Record::Adopted(latest) => self.adopt(latest)?,
            Record::Rebased { version, signature } => self.rebase(*version, signature)?,
            Record::Forced(state) => {
                return Err(format!(
                    "version {} was recorded by the chain, and is proved by its events alone",
                    state.version
                ));
            }
            _ => return Err("is of a kind that no bill holds".into()),
        }
        Ok(self.bill.read(record))
    }

    fn head(&self) -> &Position {
        self.pending.back().unwrap_or(&self.confirmed)
    }

    fn step(&self, update: &Update, writer: Side) -> Result<Position, String> {
        let base = self.head();
        if base.state.version != update.base || base.state.hash() != update.base_hash {
            return Err(format!(
                "version {} does not build on version {}: something is missing, changed or out of order",
                update.version, base.state.version
            ));
        }
        if update.author(base.state.writer) != writer {
            return Err(format!("version {} is by a side that did not hold the pen", update.version));
        }
        let next = base
            .next(update.version, &update.operations, &mut |_, _| Ok(()))
            .map_err(|violation| format!("version {} breaks a rule: {}", update.version, violation.rule))?;
        self.check(&next, writer, &update.signature)?;
        Ok(next)
    }

    fn check(&self, position: &Position, signer: Side, signature: &Signature) -> Result<(), String> {
        let digest = self.domain.state_digest(position.state.hash());
        let signer = self.signers[signer.index()];
        signature
            .verify(digest, signer)
            .map_err(|error| format!("version {}: {error}", position.state.version))
    }

    fn confirm(&mut self, version: Version, signature: &Signature) -> Result<(), String> {
        let index = self.pending.iter().position(|position| position.state.version == version);
        let Some(index) = index else {
            return Err(format!("version {version} is confirmed and was never written"));
        };
        let Some(position) = self.pending.drain(..=index).next_back() else { return Ok(()) };
        self.check(&position, self.side.other(), signature)?;
        self.confirmed = position;
        Ok(())
    }

    fn adopt(&mut self, latest: &SignedPosition) -> Result<(), String> {
        let position = &latest.position;
        let list = locks_hash(position.locks.iter().map(|entry| &entry.lock));
        let is_later = position.state.version > self.confirmed.state.version;
        if position.state.channel != self.id || position.state.locks_hash != list || !is_later {
            return Err(format!("version {} does not belong here", position.state.version));
        }
        for side in Side::BOTH {
            self.check(position, side, &latest.signatures[side.index()])?;
        }
        self.gaps.push((self.confirmed.state.version, position.state.version));
        self.confirmed = position.clone();
        self.pending.clear();
        Ok(())
    }

    fn rebase(&mut self, version: Version, signature: &Signature) -> Result<(), String> {
        let now = self.confirmed.state.version;
        if version < now {
            return Err(format!("version {version} is below version {now}"));
        }
        let position =
            if version == now { self.confirmed.clone() } else { self.confirmed.rebased(version, false) };
        self.check(&position, self.side.other(), signature)?;
        self.confirmed = position;
        self.pending.clear();
        Ok(())
    }

    /// Whether this is the state with a digest.
    pub(super) fn is_at(&self, digest: B256) -> bool {
        self.domain.state_digest(self.confirmed.state.hash()) == digest
    }

    /// Whether both have signed the state so far.
    pub(super) fn check_signatures(&self, signatures: [&[u8]; 2]) -> Result<(), String> {
        let version = self.confirmed.state.version;
        if version == Version::ZERO {
            return if signatures.iter().all(|bytes| bytes.is_empty()) {
                Ok(())
            } else {
                Err("version 0 has signatures".into())
            };
        }
        for side in Side::BOTH {
            let bytes = <[u8; 64]>::try_from(signatures[side.index()])
                .map_err(|_| format!("the signature of participant {} has not 64 bytes", side.index()))?;
            self.check(&self.confirmed, side, &Signature(bytes))?;
        }
        Ok(())
    }
}
