//! A second look at recent blocks. An endpoint whose index of logs lags behind its head says that a block has none, and
//! would be right a moment later; where it is the only one, nobody contradicts it.

use super::endpoint::Fault;
use super::endpoints::Endpoints;
use super::logs::{self, Filter};
use std::collections::BTreeMap;
use strait_engine::ports::{BlockRef, Followed};
use tracing::{debug, warn};

/// How often.
const EVERY_MS: u64 = 30_000;
/// At so many of the blocks that were followed last.
const BLOCKS: u64 = 256;

/// What the caller was given of recent blocks.
#[derive(Default)]
pub(super) struct SecondLook {
    /// First block that was given here, and the last.
    range: Option<(u64, u64)>,
    /// How many events a block had, where it had any.
    given: BTreeMap<u64, usize>,
    looked_ms: u64,
    /// A block of which the caller lacks events.
    lacking: Option<u64>,
}

impl SecondLook {
    /// Of what the caller knows, that which is right: the rest is followed anew.
    pub(super) fn certain<'a>(&self, known: &'a [BlockRef]) -> &'a [BlockRef] {
        let lacking = self.lacking.unwrap_or(u64::MAX);
        let doubtful = known.iter().take_while(|block| block.number >= lacking).count();
        known.get(doubtful..).unwrap_or_default()
    }

    /// Remembers an answer.
    pub(super) fn note(&mut self, followed: &Followed) {
        let first = followed.fork.map_or(0, |fork| fork.number.saturating_add(1));
        drop(self.given.split_off(&first));
        let Some(last) = followed.blocks.last() else { return };
        for block in followed.blocks.iter().filter(|block| !block.events.is_empty()) {
            self.given.insert(block.at.number, block.events.len());
        }
        let begun = self.range.map_or(first, |(begun, _)| begun.min(first));
        let begin = begun.max(last.at.number.saturating_sub(BLOCKS));
        self.range = Some((begin, last.at.number));
        self.given = self.given.split_off(&begin);
        self.lacking = self.lacking.filter(|lacking| *lacking < first);
    }

    /// Looks, if it is time. A failure is none of the caller's: the next look is soon.
    pub(super) fn look(&mut self, endpoints: &mut Endpoints, filter: &Filter) {
        let now = endpoints.now_ms();
        let Some((first, last)) = self.range.filter(|_| now.abs_diff(self.looked_ms) >= EVERY_MS) else {
            return;
        };
        self.looked_ms = now;
        match self.first_lack(endpoints, filter, first, last) {
            Ok(None) => {}
            Ok(Some(number)) => {
                warn!(
                    block = number,
                    "the chain endpoint had left out logs; the blocks since are read again"
                );
                self.lacking = Some(number);
            }
            Err(fault) => debug!(?fault, "no second look at recent blocks"),
        }
    }

    fn first_lack(
        &self,
        endpoints: &mut Endpoints,
        filter: &Filter,
        first: u64,
        last: u64,
    ) -> Result<Option<u64>, Fault> {
        let Ok((index, head)) = endpoints.best() else { return Ok(None) };
        let logs = logs::fetch_all(endpoints, index, filter, first, last.min(head.number()))?;
        let headers = logs::headers_of(endpoints, index, &logs)?;
        let blocks = logs::blocks(&headers, &logs, filter)?;
        let given = |number| self.given.get(&number).copied().unwrap_or_default();
        Ok(blocks
            .iter()
            .find(|block| block.events.len() > given(block.at.number))
            .map(|block| block.at.number))
    }
}
