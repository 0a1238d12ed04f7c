//! A child over a hub, when the nodes are done: the hub against its two clients, or the two against the hub. Nodes have no
//! virtual channels, so the three are players of this module, with keys of their own and the real contract; what is honest
//! does what `docs/protocol.md` asks of it, what is not does whatever the contract lets it. The chain loses transactions
//! and reorgs as for nodes.

mod court;
mod deal;
mod players;

use crate::check::money;
use crate::dice::Dice;
use crate::failure::{Broken, Property};
use crate::world::World;
use court::Court;
use deal::{A, B, Deal, HUB};
use strait_chain::dev::Reinclude;
use strait_types::U256;
use strait_types::abi::views::Phase;

/// Who cheats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum HubRole {
    /// The hub withholds what it owes to sign, and challenges with old states.
    HubAgainstTwo,
    /// The two sign whatever helps them.
    TwoAgainstHub,
}

impl HubRole {
    /// In one of ten seeds. From dice of its own, so that it changes no other seed.
    pub(crate) fn of(seed: u64) -> Option<HubRole> {
        let dice = &mut Dice::new(seed, 9);
        dice.chance(100).then(|| dice.pick(&[HubRole::HubAgainstTwo, HubRole::TwoAgainstHub]))
    }

    fn name(self) -> &'static str {
        match self {
            HubRole::HubAgainstTwo => "hub against two",
            HubRole::TwoAgainstHub => "two against hub",
        }
    }

    fn is_honest(self, player: usize) -> bool {
        (player == HUB) == (self == HubRole::TwoAgainstHub)
    }
}

/// Parts of a period that pass from one block to the next, at least and at most.
const STEPS: std::ops::RangeInclusive<u64> = 12..=40;
/// Of 1,000 transactions: lost or late, so that they are sent again.
const LOST: u64 = 250;
/// Of 1,000 blocks: what came before it is replaced.
const REORGS: u64 = 100;
/// Steps beyond the periods that a way out may take.
const SLACK: u64 = 3;

impl World {
    /// Plays it from the first deposit to the last payout.
    pub(crate) fn play_over_hub(&mut self) -> Result<(), Broken> {
        let Some(role) = self.plan.hub else { return Ok(()) };
        self.report.count("role", role.name());
        let mut dice = Dice::new(self.plan.channels[0].params.nonce, 10);
        let now = self.chain.with(|chain| chain.now());
        let deal = Deal::make(role, &mut dice, &self.domain, now);
        self.note(format_args!("{}: {deal:?}", role.name()));
        let court = Court::new(&self.chain, &deal);
        for i in [0, 1] {
            court.fund(&deal, i);
        }
        self.chain.with(|chain| {
            chain.mine();
            chain.mine_empty(4);
        });
        let latest = deal.end + (4 + SLACK) * u64::from(deal.period);
        while !court.is_over(&deal)? {
            let now = self.chain.with(|chain| chain.now());
            Property::NoHostage
                .check(now <= latest, || format!("{}: nobody gets out: {deal:?}", role.name()))?;
            self.step_over_hub(role, &deal, &court, &mut dice)?;
        }
        self.check_hub(role, &deal, &court)
    }

    fn step_over_hub(
        &mut self,
        role: HubRole,
        deal: &Deal,
        court: &Court,
        dice: &mut Dice,
    ) -> Result<(), Broken> {
        let step = u64::from(deal.period) / dice.within(&STEPS);
        let now = self.chain.with(|chain| {
            chain.advance(step);
            chain.now()
        });
        let docket = court.docket(deal)?;
        for player in [A, B, HUB] {
            let calls = if role.is_honest(player) {
                players::honest(deal, &docket, player, now)
            } else {
                players::hostile(deal, &docket, player, now, dice)
            };
            for (name, data) in calls {
                if court.send(deal, player, data) {
                    self.note(format_args!("over the hub: {} calls {name}", deal::NAMES[player]));
                    self.report
                        .count(if role.is_honest(player) { "hub, honest" } else { "hub, hostile" }, name);
                }
            }
        }
        self.chain.with(|chain| {
            let waiting: Vec<_> = chain.pending().iter().map(|transaction| transaction.hash).collect();
            let kept: Vec<_> = waiting.iter().copied().filter(|_| !dice.chance(LOST)).collect();
            chain.mine_only(&kept);
            let left: Vec<_> = chain.pending().iter().map(|transaction| transaction.hash).collect();
            left.into_iter().for_each(|transaction| chain.forget(transaction));
        });
        if dice.chance(REORGS) {
            let (depth, way) = (dice.within(&(1..=2)) as usize, dice.below(3));
            let way = [Reinclude::Same, Reinclude::Later, Reinclude::Never].into_iter().nth(way as usize);
            // The deposits have blocks enough on top.
            self.chain.with(|chain| chain.reorg(depth, &way.unwrap_or(Reinclude::Same))).map_err(
                |error| Property::NoHostage.broken(format!("the chain can't be reorganised: {error}")),
            )?;
            self.report.count("fault", "reorg over a hub");
        }
        self.check_hub_conservation(deal)
    }

    /// Property 1, with the channels of the hub.
    fn check_hub_conservation(&mut self, deal: &Deal) -> Result<(), Broken> {
        let mut channels = self.channels.clone();
        channels
            .extend(deal.parents.iter().map(|parent| (parent.id, deal.plan(parent, &self.plan.channels[0]))));
        self.chain.with(|chain| money::conservation(chain, &channels))
    }

    /// Properties 2 and 6.
    fn check_hub(&mut self, role: HubRole, deal: &Deal, court: &Court) -> Result<(), Broken> {
        for parent in &deal.parents {
            let status = self.chain.with(|chain| money::status(chain, parent.id))?;
            Property::NoHostage.check(status.phase == Phase::Closed, || "a parent is open".into())?;
        }
        for player in [A, B, HUB].into_iter().filter(|player| role.is_honest(*player)) {
            let (due, paid) = (deal.due(player), court.paid(deal, player));
            let property = if player == HUB { Property::NeutralHub } else { Property::Safety };
            property.check(paid >= U256::from(due), || {
                format!("{}: {} is due {due} and was paid {paid}: {deal:?}", role.name(), deal::NAMES[player])
            })?;
        }
        self.report.count("check", "hub's final account");
        Ok(())
    }
}
