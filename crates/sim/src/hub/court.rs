//! The contract, as the three see it.

use super::deal::{DEPOSIT, Deal, HUB, Pair, Signed};
use crate::check::money;
use crate::failure::{Broken, Property};
use strait_chain::{DevAccount, SharedChain};
use strait_engine::ports::{Chain, TxRequest};
use strait_protocol::{ChainDelta, ChainView, Facts};
use strait_types::abi::child::{Challenger, Child, Shown};
use strait_types::abi::views::Phase;
use strait_types::abi::{Record, calls};
use strait_types::{Bytes, Side, State, U256};

/// What the chain shows of the three channels.
pub(super) struct Docket {
    pub(super) parents: [Facts; 2],
    pub(super) child: Facts,
}

/// The way to the chain.
pub(super) struct Court {
    chain: SharedChain,
    accounts: [DevAccount; 3],
}

impl Court {
    pub(super) fn new(chain: &SharedChain, deal: &Deal) -> Court {
        let accounts = deal.keys.each_ref().map(|key| {
            chain.with(|chain| chain.fund(key.address(), U256::from(u128::MAX)));
            chain.account(key.address())
        });
        Court { chain: chain.clone(), accounts }
    }

    /// Both members of a parent deposit.
    pub(super) fn fund(&self, deal: &Deal, parent: usize) {
        let pair = &deal.parents[parent];
        for side in Side::BOTH {
            let request = TxRequest {
                to: deal.domain.adjudicator(),
                value: U256::from(DEPOSIT.unsigned_abs()),
                data: calls::deposit(&pair.params, side),
            };
            let from = deal.keys[pair.members[side.index()]].address();
            self.chain.with(|chain| chain.submit_from(from, &request)).expect("who has plenty may deposit");
        }
    }

    /// Whether the chain takes a call of a player.
    pub(super) fn send(&self, deal: &Deal, player: usize, data: Bytes) -> bool {
        let request = TxRequest { to: deal.domain.adjudicator(), value: U256::ZERO, data };
        self.chain.with(|chain| chain.submit_from(deal.keys[player].address(), &request)).is_ok()
    }

    pub(super) fn docket(&self, deal: &Deal) -> Result<Docket, Broken> {
        let [zero, one] = &deal.parents;
        Ok(Docket {
            parents: [self.facts(zero, ChainView::new(1))?, self.facts(one, ChainView::new(1))?],
            child: self.facts(&deal.child, ChainView::of_child(deal.terms.amounts))?,
        })
    }

    fn facts(&self, pair: &Pair, mut view: ChainView) -> Result<Facts, Broken> {
        let head = self.chain.with(|chain| chain.head().at);
        let blocks = self.accounts[HUB].clone().events_of(pair.id, head);
        let blocks = blocks.map_err(|error| {
            Property::Conservation.broken(format!("the events are not to be had: {error}"))
        })?;
        for block in blocks {
            for event in block.events {
                view.apply(&ChainDelta::Event {
                    block: block.at.number,
                    time: block.time,
                    event: event.event,
                });
            }
        }
        Ok(view.head().clone())
    }

    /// Whether both parents have paid all.
    pub(super) fn is_over(&self, deal: &Deal) -> Result<bool, Broken> {
        for parent in &deal.parents {
            if self.chain.with(|chain| money::status(chain, parent.id))?.phase != Phase::Closed {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What a player was paid.
    pub(super) fn paid(&self, deal: &Deal, player: usize) -> U256 {
        let payouts = deal.parents.iter().filter_map(|parent| {
            let side = parent.side_of(player)?;
            Some(parent.params.participant(side).payout)
        });
        payouts.map(|payout| self.chain.with(|chain| chain.balance(payout))).sum()
    }
}

impl Deal {
    fn as_child<'a>(&'a self, pair: &'a Pair) -> Option<Child<'a>> {
        (pair.id == self.child.id).then_some(Child { params: &pair.params, terms: &self.terms })
    }

    fn shown<'a>(&'a self, signed: &'a Signed, previous: Option<Record>) -> Shown<'a> {
        let activation = self.activation.as_ref().filter(|_| signed.both.is_some());
        Shown { state: &signed.state, signatures: signed.both.as_ref(), activation, previous }
    }

    pub(super) fn challenge(
        &self,
        pair: &Pair,
        signed: &Signed,
        facts: &Facts,
        player: usize,
    ) -> Option<Bytes> {
        let digest = self.domain.challenge_digest(pair.id, facts.dispute, signed.state.hash());
        let signature = self.keys[player].sign(digest);
        let previous = facts.record();
        let side = pair.side_of(player)?;
        Some(match self.as_child(pair) {
            Some(child) => {
                child.challenge(self.shown(signed, previous), Challenger::Participant(side, Some(&signature)))
            }
            None => calls::challenge(
                &pair.params,
                &signed.state,
                signed.both.as_ref(),
                previous,
                side,
                Some(&signature),
            ),
        })
    }

    /// The hub brings the child to an end, at what is recorded.
    pub(super) fn challenge_as_hub(&self, facts: &Facts) -> Bytes {
        let zero = State::zero(self.child.id, 1);
        let state = facts.recorded.as_deref().unwrap_or(&zero);
        let shown = Shown { state, signatures: None, activation: None, previous: facts.record() };
        Child { params: &self.child.params, terms: &self.terms }.challenge(shown, Challenger::Hub(None))
    }

    pub(super) fn respond(&self, pair: &Pair, signed: &Signed, facts: &Facts) -> Option<Bytes> {
        let previous = facts.record();
        let both = signed.both.as_ref()?;
        Some(match self.as_child(pair) {
            Some(child) => child.respond(self.shown(signed, previous)),
            None => calls::respond(&pair.params, &signed.state, both, previous),
        })
    }

    pub(super) fn settle(&self, pair: &Pair, facts: &Facts) -> Option<Bytes> {
        let state = facts.recorded.as_deref()?;
        Some(match self.as_child(pair) {
            Some(child) => child.settle(state),
            None => calls::settle(&pair.params, state),
        })
    }

    /// Records the end that the hub has signed, too.
    pub(super) fn close_child(&self) -> Option<Bytes> {
        let (signed, hub) = self.last.as_ref()?;
        let child = Child { params: &self.child.params, terms: &self.terms };
        Some(child.close(&signed.state, signed.both.as_ref()?, Some(hub)))
    }

    pub(super) fn unlock(&self, pair: &Pair, facts: &Facts) -> Option<Bytes> {
        let recorded = facts.recorded.as_deref()?;
        let signed = pair.states.iter().find(|signed| signed.state == *recorded)?;
        Some(calls::unlock(&pair.params, &signed.locks))
    }
}
