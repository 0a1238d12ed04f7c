//! Channels within channels: users open them while they pay, play and pay in them, and close them back.

use crate::failure::Broken;
use crate::games::Game;
use crate::plan::{ChannelPlan, GamePlan};
use crate::world::World;
use strait_engine::Input;
use strait_protocol::{ChannelView, ChildOpening, Command, NewChild};
use strait_types::{Amount, AssetIndex, ChannelId};

/// Of 1,000 operations in a run with children: opens one.
const OPENINGS: u64 = 40;
/// Of 1,000 operations in a child for payments: its agreed end.
const ENDINGS: u64 = 60;

impl World {
    /// Whether a user opens a child now, instead of whatever it does else.
    pub(crate) fn opens_child(&mut self, channel: ChannelId) -> bool {
        let is_parent = self.channels.get(&channel).is_some_and(|plan| plan.terms.is_none());
        self.children_left > 0 && is_parent && self.users.chance(OPENINGS)
    }

    pub(crate) fn open_child(&mut self, node: usize, parent: ChannelId) -> Result<(), Broken> {
        let Some(view) = self.view(node, parent) else { return Ok(()) };
        let asset = self.users.index(view.balances.len());
        let most = |units: i128| u64::try_from(units.max(0) / 4).unwrap_or(u64::MAX).min(1_000_000);
        let (own, peers) = (most(view.balances[asset].own), most(view.balances[asset].peer));
        // Who plays can't be away, and towers are there for that.
        let games = if self.towers.is_empty() { 700 } else { 150 };
        let game = self.users.chance(games).then(|| self.some_game(own.min(peers).max(1)));
        let stakes = match game {
            Some(plan) => [plan.stake; 2],
            None => [self.users.within(&(0..=own)), self.users.within(&(0..=peers))],
        };
        let nonce = self.users.below(u64::MAX);
        self.offered.insert(nonce, game);
        let adjudicator = self.domain.adjudicator();
        let app = game.map(|GamePlan { game, stake, size }| {
            (game.code().address(adjudicator), game.start(stake, size).first)
        });
        let new = NewChild {
            asset: AssetIndex(asset as u8),
            stakes: stakes.map(Amount::from),
            challenge_duration: self.users.pick(&[3_600, 3_600, 7_200]),
            nonce,
            app,
        };
        self.report.count("operation", "open child");
        self.command(node, parent, "open child", Command::OpenChild(Box::new(new)))
    }

    fn some_game(&mut self, most: u64) -> GamePlan {
        let kinds = [(6, Game::Sticks), (3, Game::RockPaperScissors), (1, Game::ConnectFour)];
        let game = self.users.weighted(&kinds);
        let size = if game == Game::Sticks { self.users.pick(&[3, 4, 5]) } else { 1 };
        GamePlan { game, stake: self.users.within(&(1..=most)), size }
    }

    /// A journal has a child: from now on it is a channel like the others.
    pub(crate) fn learn_of_child(&mut self, id: ChannelId, opening: &ChildOpening) {
        let Some(parent) = self.channels.get(&opening.terms.parent0) else { return };
        let [zero, one] = parent.nodes;
        let is_first = parent.params.participants[0].signer == opening.params.participants[0].signer;
        let plan = ChannelPlan {
            nodes: if is_first { [zero, one] } else { [one, zero] },
            params: opening.params.clone(),
            deposits: [Vec::new(), Vec::new()],
            both_open: false,
            game: self.offered.get(&opening.params.nonce).copied().flatten(),
            terms: Some(opening.terms.clone()),
        };
        if self.channels.contains_key(&id) {
            return;
        }
        self.report.count("child", plan.game.map_or("payments", |plan| plan.game.name()));
        self.channels.insert(id, plan);
        self.children_left = self.children_left.saturating_sub(1);
    }

    pub(crate) fn parent_of(&self, channel: ChannelId) -> Option<ChannelId> {
        Some(self.channels.get(&channel)?.terms.as_ref()?.parent0)
    }

    /// Whether a channel, or the one that it is in, is on its way to the end.
    pub(crate) fn is_ending(&self, channel: ChannelId) -> bool {
        self.ending.contains(&channel) || self.parent_of(channel).is_some_and(|id| self.ending.contains(&id))
    }

    /// What users do in a child for payments.
    pub(crate) fn operate_in_child(
        &mut self,
        node: usize,
        child: ChannelId,
        view: &ChannelView,
    ) -> Result<(), Broken> {
        if self.users.chance(ENDINGS) {
            self.report.count("operation", "close child");
            return self.command(node, child, "close child", Command::Close);
        }
        if self.users.chance(20) {
            return self.misuse(node, child, AssetIndex(0));
        }
        if self.users.chance(10) {
            // Refused: its funds are one lock of its parent's.
            let amount = Amount::from(1);
            let asset = AssetIndex(0);
            let token = self.begin(node, child, "deposit into a child", false);
            return self.take(node, Input::Deposit { token, channel: child, asset, amount });
        }
        let own = view.balances[0].own.max(0).unsigned_abs();
        let most = u64::try_from(own / 4).unwrap_or(u64::MAX).max(1);
        let amount = self.users.within(&(1..=most));
        self.report.count("operation", "pay in a child");
        self.pay(node, child, AssetIndex(0), amount.into())
    }
}
