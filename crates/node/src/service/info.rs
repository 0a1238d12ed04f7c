//! What the node says of itself, and the channels that wait for its operator.

use super::apps::shown;
use super::{ChainNode, Core};
use std::time::Duration;
use strait_api::{
    ApiError, ChainInfo, ChannelInfo, DecidedProposal, NodeInfo, Nothing, Proposal, Proposals, ProposedGame,
};
use strait_protocol::start_id;
use strait_types::{ChannelId, Side};

impl Core {
    pub(crate) async fn node_info(&self) -> Result<NodeInfo, ApiError> {
        let mut chains = Vec::with_capacity(self.nodes.len());
        for chain in &self.nodes {
            chains.push(self.chain_info(chain).await?);
        }
        let addresses = if self.addresses.is_empty() {
            self.nodes
                .iter()
                .filter_map(|chain| chain.node.address())
                .map(|address| address.to_string())
                .collect()
        } else {
            self.addresses.iter().map(ToString::to_string).collect()
        };
        Ok(NodeInfo {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            signer: self.signer.address(),
            addresses,
            uptime: self.clock.now_ms().saturating_sub(self.started_ms) / 1_000,
            chains,
            assets: self.assets.all().to_vec(),
        })
    }

    async fn chain_info(&self, chain: &ChainNode) -> Result<ChainInfo, ApiError> {
        let node = &chain.node;
        let (head, halt) = node.query(|engine| (engine.head(), engine.halt_view())).await?;
        let head_time = head.map_or(0, |(_, time)| time);
        let age = self.now().saturating_sub(head_time);
        let is_fresh = age <= u64::from(chain.challenge_duration) / 4;
        let account = node.recent_account().await;
        let problem = match &account {
            Err(error) => Some(error.to_string()),
            Ok(_) if let Some(halt) = halt => Some(format!(
                "the chain's history changed deeper than can be undone; the events of {} channels are read anew, and nothing is paid until they are there; check the endpoint if it lasts",
                halt.waiting
            )),
            Ok(_) if head.is_none() => Some("no block was seen yet; wait a moment".to_owned()),
            Ok(_) if !is_fresh => Some(format!(
                "the newest block is {age} seconds old, too old to take value; check the endpoint and the clock"
            )),
            Ok(_) if node.silence() > Duration::ZERO => Some(format!(
                "the chain has said nothing that can be used for {} seconds; check the endpoint, the log says why",
                node.silence().as_secs()
            )),
            Ok(_) if age > node.stale_after() => Some(format!(
                "the newest block is {age} seconds old: the endpoint stands still, or this machine's clock is wrong; a dispute would not be seen"
            )),
            Ok(account) if account.balance.is_zero() => Some(format!(
                "the account {} holds nothing for gas; send it some, else nothing can be deposited or defended",
                account.address
            )),
            Ok(_) => None,
        };
        let account = account.ok();
        Ok(ChainInfo {
            name: chain.name.clone(),
            chain_id: node.domain().chain_id(),
            adjudicator: node.domain().adjudicator(),
            account: account.map_or(chain.account, |account| account.address),
            account_balance: account.map(|account| account.balance),
            payout: chain.payout,
            head: head.map_or(0, |(block, _)| block.number),
            head_time,
            is_fresh,
            halted_since: halt.map(|halt| halt.since_ms / 1_000),
            problem,
            confirmations: Some(chain.settings.confirmations),
        })
    }

    pub(crate) async fn proposals(&self) -> Result<Proposals, ApiError> {
        let mut proposals = Vec::new();
        for chain in &self.nodes {
            let chain_id = chain.node.domain().chain_id();
            for (channel, waiting) in chain.node.proposals().await? {
                proposals.push((waiting.since_ms, self.proposal(chain_id, channel, waiting)));
            }
        }
        proposals.sort_by_key(|(since, _)| *since);
        let proposals = proposals.into_iter().map(|(_, proposal)| proposal).collect();
        Ok(Proposals { proposals, decided: self.decisions().await? })
    }

    fn proposal(&self, chain_id: u64, channel: ChannelId, waiting: strait_engine::Proposal) -> Proposal {
        let strait_engine::Proposal { peer, params, start, child, .. } = waiting;
        let side = params.side_of(self.signer.address()).unwrap_or(Side::One);
        let amounts = match (&start, &child) {
            (Some(start), _) => start.stakes.clone(),
            (None, Some(child)) => vec![child.terms.amounts],
            (None, None) => Vec::new(),
        };
        let stakes =
            amounts.into_iter().map(|pair| [pair[side.index()], pair[side.other().index()]]).collect();
        let game = start.map(|start| ProposedGame {
            app: params.app,
            side: side as u8,
            start_id: start_id(params.app, start.stakes.first().copied().unwrap_or_default(), &start.first),
            start: shown(start.first),
        });
        Proposal {
            channel,
            chain_id,
            peer,
            assets: params.assets,
            challenge_duration: params.challenge_duration,
            parent: child.map(|child| child.terms.parent0),
            stakes,
            game,
        }
    }

    /// The chain on which a channel waits for approval; else the last, which says that it does not.
    async fn proposed_on(&self, id: ChannelId) -> Result<Option<&ChainNode>, ApiError> {
        let mut found = self.nodes.last();
        for chain in &self.nodes {
            if chain.node.proposals().await?.iter().any(|(channel, _)| *channel == id) {
                found = Some(chain);
            }
        }
        Ok(found)
    }

    pub(crate) async fn approve(&self, id: ChannelId) -> Result<ChannelInfo, ApiError> {
        // What is opened within a channel is opened when the peer comes again.
        let opened = match self.proposed_on(id).await? {
            Some(chain) => chain.node.approve(id).await?,
            None => id,
        };
        self.show(opened).await
    }

    pub(crate) async fn reject(&self, id: ChannelId, reason: String) -> Result<Nothing, ApiError> {
        if let Some(chain) = self.proposed_on(id).await? {
            chain.node.reject(id, reason).await?;
        }
        Ok(Nothing {})
    }

    pub(crate) async fn reconsider(&self, id: ChannelId) -> Result<Nothing, ApiError> {
        let mut last = self.nodes.last();
        for chain in &self.nodes {
            if chain.node.decisions().await?.iter().any(|(decided, _)| *decided == id) {
                last = Some(chain);
            }
        }
        if let Some(chain) = last {
            chain.node.reconsider(id).await?;
        }
        Ok(Nothing {})
    }

    async fn decisions(&self) -> Result<Vec<DecidedProposal>, ApiError> {
        let mut decided = Vec::new();
        for chain in &self.nodes {
            let chain_id = chain.node.domain().chain_id();
            let decisions = chain.node.decisions().await?.into_iter();
            decided.extend(decisions.map(|(channel, rejection)| DecidedProposal {
                channel,
                chain_id,
                rejection,
            }));
        }
        Ok(decided)
    }
}
