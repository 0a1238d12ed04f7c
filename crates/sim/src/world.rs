//! The world of a run: nodes, connections, one chain, and time.

use crate::check::calls::Calls;
use crate::check::signed::Signed;
use crate::dice::Dice;
use crate::failure::{Broken, Property};
use crate::liar::Liar;
use crate::mutation::Mutation;
use crate::network::Link;
use crate::node::Node;
use crate::plan::{ChannelPlan, GamePlan, Places, Plan};
use crate::queue::{Event, Queue};
use crate::report::Report;
use crate::towers::Watch;
use crate::trace::Trace;
use crate::weather::Sent;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use strait_chain::SharedChain;
use strait_engine::ports::TxHash;
use strait_protocol::Token;
use strait_types::{B256, ChannelId, Domain, Side, State};

/// More than any run needs: a loop that does not end is a fault, too.
const MOST_EVENTS: u64 = 400_000;

/// All of a run.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) mutation: Option<Mutation>,
    pub(crate) domain: Domain,
    pub(crate) now: u64,
    /// When it began, so that the trace counts from zero.
    began: u64,
    pub(crate) queue: Queue,
    pub(crate) nodes: Vec<Node>,
    pub(crate) links: Vec<Link>,
    pub(crate) towers: Vec<Watch>,
    pub(crate) channels: BTreeMap<ChannelId, ChannelPlan>,
    pub(crate) chain: SharedChain,
    /// Faults have stopped; a dishonest node goes on.
    pub(crate) calm: bool,
    /// Time goes in large steps.
    pub(crate) coarse: bool,
    /// Preimages of the hashes that locks were made with.
    pub(crate) preimages: BTreeMap<B256, B256>,
    /// Channels that a user, a dispute or an agreement has set on their way to the end.
    pub(crate) ending: BTreeSet<ChannelId>,
    pub(crate) operations_left: u64,
    pub(crate) children_left: u64,
    /// What is to be played in the children that users asked for, by nonce; nothing in those for payments.
    pub(crate) offered: BTreeMap<u64, Option<GamePlan>>,
    pub(crate) block_ms: u64,
    pub(crate) calls: Calls,
    /// The ends of games that users have asked for, by command.
    pub(crate) wishes: BTreeMap<Token, Vec<[i128; 2]>>,
    pub(crate) signed: Signed,
    /// The last state that the contract has recorded of each channel.
    pub(crate) recorded: BTreeMap<ChannelId, B256>,
    /// Those that the contract has closed by a final state.
    pub(crate) closed: BTreeSet<ChannelId>,
    /// The same of each game, as the canonical chain has it.
    pub(crate) last_states: BTreeMap<ChannelId, State>,
    /// There is a channel with a game, or may be.
    pub(crate) plays: bool,
    /// Transactions that were sent while fees were lower or higher: what each asks for and offers.
    pub(crate) sent: BTreeMap<TxHash, Sent>,
    /// Fees are high.
    pub(crate) is_congested: bool,
    /// Transactions of each honest node in each dispute, to see that it needs but one.
    pub(crate) answers: BTreeMap<(ChannelId, u16), u64>,
    pub(crate) report: Report,
    pub(crate) trace: Trace,
    pub(crate) weather: Dice,
    pub(crate) users: Dice,
    pub(crate) lies: Dice,
    /// Of players who would end a game.
    pub(crate) ends: Dice,
    /// They propose ends while a game goes on.
    pub(crate) bargains: bool,
    events: u64,
}

impl World {
    pub(crate) fn new(seed: u64, mutation: Option<Mutation>) -> World {
        let chain = crate::genesis::chain();
        let places = Places { adjudicator: chain.adjudicator(), token: chain.token() };
        let plan = Plan::new(seed, places, mutation);
        let domain = Domain::new(chain.config().chain_id, chain.adjudicator());
        let began = chain.now() * 1_000;
        let chain = SharedChain::new(chain);
        let node = |number: usize| {
            let account = chain.account(crate::genesis::key(number).address());
            let liar = plan.liar.filter(|(liar, _)| *liar == number).map(|(_, role)| Liar::new(role));
            Node::new(number, plan.settings[number].clone(), account, liar)
        };
        let nodes = (0..plan.nodes).map(node).collect();
        let mut ends = Dice::new(seed, 11);
        let id = |channel: &ChannelPlan| channel.params.id(domain.chain_id(), domain.adjudicator());
        World {
            channels: plan.channels.iter().map(|channel| (id(channel), channel.clone())).collect(),
            links: Link::between(&plan),
            towers: Watch::all(plan.towers, &chain),
            nodes,
            mutation,
            now: began,
            began,
            queue: Queue::default(),
            chain,
            calm: false,
            coarse: false,
            preimages: BTreeMap::new(),
            ending: BTreeSet::new(),
            operations_left: plan.operations,
            children_left: plan.children,
            offered: BTreeMap::new(),
            block_ms: plan.chain.block_ms,
            calls: Calls::default(),
            wishes: BTreeMap::new(),
            signed: Signed::default(),
            recorded: BTreeMap::new(),
            closed: BTreeSet::new(),
            last_states: BTreeMap::new(),
            plays: plan.children > 0 || plan.channels.iter().any(|channel| channel.game.is_some()),
            sent: BTreeMap::new(),
            is_congested: false,
            answers: BTreeMap::new(),
            report: Report::default(),
            trace: Trace::default(),
            weather: Dice::new(seed, 1),
            users: Dice::new(seed, 2),
            lies: Dice::new(seed, 3),
            bargains: crate::ends::bargain(&mut ends),
            ends,
            events: 0,
            plan,
            domain,
        }
    }

    pub(crate) fn into_parts(self) -> (Report, Trace) {
        (self.report, self.trace)
    }

    pub(crate) fn note(&mut self, text: impl Display) {
        self.trace.note(self.now - self.began, text);
    }

    pub(crate) fn name(&self, node: usize) -> &'static str {
        crate::genesis::NAMES[node]
    }

    pub(crate) fn after(&mut self, delay_ms: u64, event: Event) {
        self.queue.at(self.now + delay_ms, event);
    }

    /// Which participant of a channel a node is.
    pub(crate) fn side(&self, channel: ChannelId, node: usize) -> Option<Side> {
        let index = self.channels.get(&channel)?.nodes.iter().position(|of| *of == node)?;
        Side::from_index(index)
    }

    /// Whether both participants keep to the protocol.
    pub(crate) fn is_honest_channel(&self, channel: ChannelId) -> bool {
        self.channels
            .get(&channel)
            .is_some_and(|plan| plan.nodes.iter().all(|node| self.plan.is_honest(*node)))
    }

    /// Lets everything happen up to a moment.
    pub(crate) fn run_until(&mut self, until: u64) -> Result<(), Broken> {
        while let Some((time, event)) = self.queue.next(until) {
            self.now = time;
            self.events += 1;
            Property::Progress.check(self.events < MOST_EVENTS, || "the nodes never come to rest".into())?;
            self.happen(event)?;
        }
        self.now = until;
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Result<(), Broken> {
        match event {
            Event::Arrive { link, session, to, frame } => self.arrive(link, session, to, frame),
            Event::Connect { link } => self.connect(link),
            Event::Break { link } => self.break_link(link),
            Event::Take { node, life, input } if self.lives(node, life) => self.take_from_world(node, input),
            Event::Round { node, life } if self.lives(node, life) => self.round(node),
            Event::Commit { node, life } if self.lives(node, life) => self.commit(node),
            Event::Tick { node, life } if self.lives(node, life) => self.tick(node),
            Event::Follow { node, life } if self.lives(node, life) => self.follow(node),
            Event::Submit { node, life, submission, step } if self.lives(node, life) => {
                self.submit(node, submission, step);
                Ok(())
            }
            Event::Await { node, life, submission, step, transaction, patience }
                if self.lives(node, life) =>
            {
                self.await_receipt(node, submission, step, transaction, patience);
                Ok(())
            }
            Event::Start { node } => self.start_node(node),
            Event::Part { link } => self.part(link),
            Event::Heal { link } => {
                self.heal(link);
                Ok(())
            }
            Event::Stall { node } => {
                self.stall(node);
                Ok(())
            }
            Event::Congest => {
                self.congest();
                Ok(())
            }
            Event::Relax => {
                self.relax();
                Ok(())
            }
            Event::Mine => self.mine(),
            Event::Operate => self.operate(),
            Event::Play => self.play(),
            Event::Scheme => self.scheme(),
            Event::Tower { tower, life, what } => self.happen_at_tower(tower, life, what),
            _ => Ok(()),
        }
    }

    fn lives(&self, node: usize, life: u64) -> bool {
        self.nodes[node].life == life && self.nodes[node].process.is_some()
    }
}
