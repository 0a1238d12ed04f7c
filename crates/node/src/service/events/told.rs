//! What clients were told of each channel, written together with the events that told it: so that after a crash what is
//! missing is told, and nothing twice.

use crate::service::history::Mark;
use borsh::{BorshDeserialize, BorshSerialize};
use rusqlite::Connection;
use strait_protocol::{ChainNews, Facts, Phase};
use strait_types::{Amount, B256, ChannelId, Side, Version};

/// What clients were told of a channel.
#[derive(Clone, PartialEq, Eq, Debug, Default, BorshSerialize, BorshDeserialize)]
pub(crate) struct Told {
    /// How many of the peer's payments.
    pub(crate) received: u64,
    /// How many locks, of both sides: those of the peer with a smaller number were told.
    pub(crate) locks: u64,
    /// Its phase, as [`phase_number`] has it.
    pub(crate) phase: u8,
    /// Cumulative deposits per asset, of participant 0 and 1.
    pub(crate) deposits: Vec<[Amount; 2]>,
    /// Highest version that was withdrawn by.
    pub(crate) withdrawn: Version,
    /// The peer's highest version that the history held when it was last read through.
    pub(crate) read_through: Version,
    /// The last move or end of an app, by its version, and its hash: the chain may have recorded another of that version.
    pub(crate) played: (Version, B256),
    /// Highest version that a move on chain has made.
    pub(crate) forced: Version,
}

/// The version that the last move on chain has made.
pub(crate) fn forced_version(facts: &Facts) -> Version {
    match (&facts.phase, &facts.recorded) {
        (Phase::Disputed { moves: 1.., .. }, Some(recorded)) => recorded.version,
        _ => Version::ZERO,
    }
}

/// The number of a disputed channel's phase.
pub(crate) const DISPUTED: u8 = 1;

pub(crate) fn phase_number(phase: &Phase) -> u8 {
    match phase {
        Phase::Open => 0,
        Phase::Disputed { .. } => DISPUTED,
        Phase::Settled(_) => 2,
        Phase::Closed => 3,
    }
}

impl Told {
    /// Takes a deposit that was told in.
    pub(crate) fn deposited(&mut self, asset: usize, side: Side, amount: Amount) {
        if self.deposits.len() <= asset {
            self.deposits.resize(asset.saturating_add(1), [Amount::ZERO; 2]);
        }
        if let Some(pair) = self.deposits.get_mut(asset) {
            let slot = &mut pair[side.index()];
            *slot = slot.checked_add(amount).unwrap_or(Amount::MAX);
        }
    }

    /// Deposits that the chain shows and that were not told.
    pub(crate) fn missing_deposits(&self, facts: &Facts) -> Vec<ChainNews> {
        let mut missing = Vec::new();
        for (index, now) in facts.deposits.iter().enumerate() {
            let told = self.deposits.get(index).copied().unwrap_or([Amount::ZERO; 2]);
            for side in Side::BOTH {
                let amount = now[side.index()].checked_sub(told[side.index()]).filter(|more| !more.is_zero());
                let asset = u8::try_from(index).ok().map(strait_types::AssetIndex);
                if let (Some(amount), Some(asset)) = (amount, asset) {
                    missing.push(ChainNews::Deposited { side, asset, amount });
                }
            }
        }
        missing
    }
}

/// A row of the table of channels.
#[derive(Clone, Debug)]
pub(crate) struct ToldRow {
    pub(crate) number: u64,
    pub(crate) channel: ChannelId,
    pub(crate) told: Told,
    pub(crate) mark: Mark,
}

impl ToldRow {
    pub(crate) fn write(&self, db: &Connection) -> rusqlite::Result<()> {
        // Writing to a Vec cannot fail.
        let told = borsh::to_vec(&self.told).unwrap_or_default();
        let mark = borsh::to_vec(&self.mark).unwrap_or_default();
        db.prepare_cached(
            "INSERT INTO channel VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO UPDATE SET told = excluded.told, mark = excluded.mark",
        )?
        .execute((self.number, self.channel.0.as_slice(), told, mark))?;
        Ok(())
    }

    pub(crate) fn read_all(db: &Connection) -> rusqlite::Result<Vec<ToldRow>> {
        let mut statement = db.prepare("SELECT number, id, told, mark FROM channel ORDER BY number")?;
        let rows = statement.query_map((), |row| {
            let blob = |index| row.get_ref(index)?.as_blob().map_err(rusqlite::Error::from);
            let id = <[u8; 32]>::try_from(blob(1)?).unwrap_or_default();
            Ok(ToldRow {
                number: row.get(0)?,
                channel: ChannelId(id.into()),
                told: decode(blob(2)?)?,
                mark: decode(blob(3)?)?,
            })
        })?;
        rows.collect()
    }
}

fn decode<T: BorshDeserialize>(bytes: &[u8]) -> rusqlite::Result<T> {
    borsh::from_slice(bytes).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, Box::new(error))
    })
}
