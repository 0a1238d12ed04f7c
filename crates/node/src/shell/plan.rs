//! A user's transactions, sent one after the other without making anyone wait.

use std::collections::VecDeque;
use strait_engine::ports::{Chain, ChainError, TxHash, TxRequest};
use strait_engine::{Submission, SubmissionKey};

/// Blocks after which a transaction that is in none of them is given up.
pub(crate) const PATIENCE_BLOCKS: u64 = 64;

/// Steps of which each waits for the one before to be in a block.
pub(crate) struct Plan {
    key: SubmissionKey,
    steps: VecDeque<TxRequest>,
    /// The last transaction, and the head when it was sent.
    sent: Option<(TxHash, u64)>,
}

impl Plan {
    pub(crate) fn new(submission: Submission) -> Plan {
        Plan { key: submission.key, steps: submission.steps.into(), sent: None }
    }

    pub(crate) fn key(&self) -> SubmissionKey {
        self.key
    }

    /// Does what can be done now. `None`: it waits for a block. The answer comes with the last step's submission.
    pub(crate) fn advance(&mut self, chain: &mut dyn Chain, head: u64) -> Option<Result<TxHash, ChainError>> {
        loop {
            if let Some((transaction, at_block)) = self.sent {
                match chain.receipt(transaction) {
                    Ok(Some(receipt)) if receipt.success => {}
                    Ok(Some(_)) => {
                        let reason = format!("transaction {transaction} was included and had no effect");
                        return Some(Err(ChainError::Reverts { reason }));
                    }
                    _ if head >= at_block.saturating_add(PATIENCE_BLOCKS) => {
                        return Some(Err(ChainError::NotIncluded(transaction)));
                    }
                    // An endpoint that is away is asked again.
                    _ => return None,
                }
            }
            let Some(step) = self.steps.pop_front() else {
                return Some(Ok(self.sent.map_or(TxHash::ZERO, |(transaction, _)| transaction)));
            };
            match chain.submit(&step) {
                Ok(transaction) if self.steps.is_empty() => return Some(Ok(transaction)),
                Ok(transaction) => self.sent = Some((transaction, head)),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
