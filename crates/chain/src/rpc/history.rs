//! The past of a channel that becomes known late. It may be long: what was read is kept, so that no call takes long and
//! the next one goes on from there.

use super::endpoint::Fault;
use super::endpoints::Endpoints;
use super::logs::{self, Filter};
use std::collections::HashMap;
use strait_engine::ports::{Block, BlockRef, ChainError};
use strait_types::{Address, ChannelId};

/// Most questions for logs in one call.
const QUESTIONS: usize = 32;
/// Most channels whose reading is kept; the caller has few at a time.
const KEPT: usize = 256;

/// What was read so far.
#[derive(Clone)]
struct Part {
    blocks: Vec<Block>,
    /// The block through which it is complete.
    through: BlockRef,
}

/// Histories that are being read.
pub(super) struct Histories {
    adjudicator: Address,
    deployed_at: u64,
    parts: HashMap<ChannelId, Part>,
}

impl Histories {
    pub(super) fn new(adjudicator: Address, deployed_at: u64) -> Histories {
        Histories { adjudicator, deployed_at, parts: HashMap::new() }
    }

    /// All events of a channel through a block.
    pub(super) fn events_of(
        &mut self,
        endpoints: &mut Endpoints,
        channel: ChannelId,
        through: BlockRef,
    ) -> Result<Vec<Block>, ChainError> {
        endpoints.first(|endpoints, index| self.read(endpoints, index, channel, through))
    }

    fn read(
        &mut self,
        endpoints: &mut Endpoints,
        index: usize,
        channel: ChannelId,
        through: BlockRef,
    ) -> Result<Vec<Block>, Fault> {
        require_canonical(endpoints, index, through)?;
        let filter = Filter { adjudicator: self.adjudicator, channel: Some(channel) };
        let part = match self.parts.get(&channel) {
            Some(part)
                if part.through.number <= through.number
                    && endpoints.is_canonical(index, part.through)? =>
            {
                Some(part.clone())
            }
            _ => None,
        };
        let mut next = part.as_ref().map_or(self.deployed_at, |part| part.through.number.saturating_add(1));
        let mut blocks = part.map_or_else(Vec::new, |part| part.blocks);
        for _ in 0..QUESTIONS {
            if next > through.number {
                // Only if it still is, the blocks read meanwhile are of its chain.
                require_canonical(endpoints, index, through)?;
                self.parts.remove(&channel);
                return Ok(blocks);
            }
            let (logs, end) = logs::fetch(endpoints, index, &filter, next, through.number)?;
            let headers = logs::headers_of(endpoints, index, &logs)?;
            logs::confirm_range(endpoints, index, &filter, next..=end, &logs)?;
            blocks.extend(logs::blocks(&headers, &logs, &filter)?);
            next = end.saturating_add(1);
        }
        self.keep(endpoints, index, channel, next.saturating_sub(1), blocks, through)
    }

    /// For the next call; this one gets no answer.
    fn keep(
        &mut self,
        endpoints: &mut Endpoints,
        index: usize,
        channel: ChannelId,
        end: u64,
        blocks: Vec<Block>,
        through: BlockRef,
    ) -> Result<Vec<Block>, Fault> {
        let header = endpoints.header(index, end)?.ok_or_else(|| Fault::nonsense("a block vanished"))?;
        require_canonical(endpoints, index, through)?;
        if self.parts.len() >= KEPT {
            self.parts.clear();
        }
        self.parts.insert(channel, Part { blocks, through: header.at() });
        Err(Fault::Unfinished(format!(
            "the channel's past is read through block {end} of {}; ask again for the rest",
            through.number
        )))
    }
}

fn require_canonical(endpoints: &mut Endpoints, index: usize, block: BlockRef) -> Result<(), Fault> {
    match endpoints.header(index, block.number)? {
        Some(header) if header.hash == block.hash => Ok(()),
        Some(_) => Err(Fault::NotCanonical(block)),
        None => Err(Fault::Behind(format!("it does not have block {}", block.number))),
    }
}
