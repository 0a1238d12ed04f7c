//! A user's call with the approval that it needs, sent one after the other without making anyone wait.

use std::collections::VecDeque;
use strait_engine::ports::{Chain, ChainError, TxHash, TxRequest};
use strait_engine::{Allowance, Submission, SubmissionKey};
use strait_types::abi::views;

/// Blocks after which a transaction that is in none of them is given up.
pub const PATIENCE_BLOCKS: u64 = 64;

/// Steps of which each waits for the one before to be in a block. What is approved already, by an earlier life of the node
/// say, is used.
pub struct Plan {
    key: SubmissionKey,
    /// To be looked at before the first step.
    allowance: Option<Allowance>,
    /// What stood was enough, unless a call that waits for its block spends it.
    trusted: Option<Allowance>,
    steps: VecDeque<TxRequest>,
    /// The last transaction, and the head when it was sent.
    sent: Option<(TxHash, u64)>,
}

impl Plan {
    /// Nothing is asked or sent yet.
    pub fn new(submission: Submission) -> Plan {
        let Submission { key, allowance, call } = submission;
        Plan { key, allowance, trusted: None, steps: [call].into(), sent: None }
    }

    /// Whose it is.
    pub fn key(&self) -> SubmissionKey {
        self.key
    }

    /// Does what can be done now, at the head of this number. `None`: it waits for a block. The answer comes with the last
    /// step's submission; after it the plan is over.
    pub fn advance(&mut self, chain: &mut dyn Chain, head: u64) -> Option<Result<TxHash, ChainError>> {
        if let Some(allowance) = self.allowance.take()
            && let Err(error) = self.look(chain, allowance)
        {
            return Some(Err(error));
        }
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
            match (chain.submit(&step), self.trusted.take()) {
                (Ok(transaction), _) if self.steps.is_empty() => return Some(Ok(transaction)),
                (Ok(transaction), _) => self.sent = Some((transaction, head)),
                (Err(ChainError::Reverts { .. }), Some(allowance)) => {
                    self.steps.push_front(step);
                    match approvals(chain, &allowance) {
                        Ok(approvals) => self.put_before(approvals),
                        Err(error) => return Some(Err(error)),
                    }
                }
                (Err(error), _) => return Some(Err(error)),
            }
        }
    }

    fn look(&mut self, chain: &mut dyn Chain, allowance: Allowance) -> Result<(), ChainError> {
        let approvals = missing_approvals(chain, &allowance)?;
        self.trusted = approvals.is_empty().then_some(allowance);
        self.put_before(approvals);
        Ok(())
    }

    fn put_before(&mut self, approvals: Vec<TxRequest>) {
        approvals.into_iter().rev().for_each(|approval| self.steps.push_front(approval));
    }
}

/// What must be sent before a call that pulls tokens: nothing while enough is approved.
///
/// # Errors
/// When the chain does not answer, or there is no token.
pub fn missing_approvals(chain: &mut dyn Chain, wanted: &Allowance) -> Result<Vec<TxRequest>, ChainError> {
    let owner = chain.account()?.address;
    let answer = chain.call(wanted.token, views::allowance(owner, wanted.spender))?;
    let standing = views::read_allowance(&answer).map_err(|_| ChainError::Reverts {
        reason: format!("{} is no ERC-20 token on this chain", wanted.token),
    })?;
    match standing {
        enough if enough >= wanted.amount => Ok(Vec::new()),
        nothing if nothing.is_zero() => Ok(vec![wanted.approve()]),
        _ => approvals(chain, wanted),
    }
}

/// Tokens like USDT refuse to change what is approved, unless to nothing.
fn approvals(chain: &mut dyn Chain, wanted: &Allowance) -> Result<Vec<TxRequest>, ChainError> {
    let approve = wanted.approve();
    match chain.call(approve.to, approve.data.clone()) {
        Ok(_) => Ok(vec![approve]),
        Err(ChainError::Reverts { .. }) => Ok(vec![wanted.revoke(), approve]),
        Err(error) => Err(error),
    }
}
