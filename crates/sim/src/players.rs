//! Users who play, and those who would rather not.

use crate::failure::Broken;
use crate::games::Game;
use crate::plan::{GamePlan, Role};
use crate::queue::Event;
use crate::world::World;
use strait_engine::Input;
use strait_protocol::{AppMove, AppView, ChannelView, Command, Token};
use strait_types::{AssetIndex, B256, ChannelId, keccak256};

/// Of the installation of an app, which is no command of a channel.
pub(crate) const INSTALLATION: Token = Token::MAX;
/// Name of a command that the node must refuse.
pub(crate) const ILLEGAL: &str = "illegal move";
/// Milliseconds for which the nodes install their apps before anything else happens.
const INSTALLING: u64 = 100;

impl World {
    pub(crate) fn game_of(&self, channel: ChannelId) -> Option<GamePlan> {
        self.channels.get(&channel)?.game
    }

    /// Operators install the apps; before the faults begin.
    pub(crate) fn install_apps(&mut self) -> Result<(), Broken> {
        if !self.plays {
            return Ok(());
        }
        let was_calm = std::mem::replace(&mut self.calm, true);
        for node in 0..self.nodes.len() {
            // It may have died since its start.
            self.start_node(node)?;
            for game in Game::ALL {
                let runtime = game.code().runtime().to_vec();
                self.take(node, Input::InstallApp { token: INSTALLATION, runtime })?;
            }
        }
        self.run_until(self.now + INSTALLING)?;
        self.calm = was_calm;
        self.after(1, Event::Play);
        Ok(())
    }

    /// Everybody looks at the games, and perhaps moves.
    pub(crate) fn play(&mut self) -> Result<(), Broken> {
        let pace = if self.calm || self.coarse { self.block_ms } else { 4 * self.plan.pause.end() + 200 };
        let wait = self.users.within(&(pace / 2..=pace));
        self.after(wait, Event::Play);
        for (id, plan) in self.channels.clone() {
            let Some(game) = plan.game else { continue };
            for node in plan.nodes {
                if !self.is_silent(node) {
                    self.take_turn(node, id, game)?;
                }
            }
        }
        Ok(())
    }

    fn take_turn(&mut self, node: usize, id: ChannelId, plan: GamePlan) -> Result<(), Broken> {
        let Some(view) = self.view(node, id) else { return Ok(()) };
        let Some(app) = &view.app else { return Ok(()) };
        if app.state.version.0 == 0 {
            return self.come_to_play(node, id, plan, &view);
        }
        if app.in_flight || app.state.is_final || matches!(view.phase, "settled" | "closed") {
            return Ok(());
        }
        if plan.game.is_over(&app.state) {
            return self.finish(node, id, plan.game, app);
        }
        if self.talks_of_end(node, id, &view, app)? {
            return Ok(());
        }
        if !app.our_turn {
            return self.wait_for_peer(node, id, view.phase);
        }
        let liar = self.nodes[node].liar.as_ref().map(|liar| liar.role);
        if let Some(role) = liar
            && !self.plays_along(role, node, id, plan.game, app)?
        {
            return Ok(());
        }
        self.make_move(node, id, plan.game, app)
    }

    /// Before play has begun.
    fn come_to_play(
        &mut self,
        node: usize,
        id: ChannelId,
        plan: GamePlan,
        view: &ChannelView,
    ) -> Result<(), Broken> {
        let waits = self.calls.open().any(|(_, call)| call.node == node && call.channel == id);
        if waits || self.takes_stakes_back(node, id, view)? || self.parent_of(id).is_some() {
            return Ok(());
        }
        let has_staked =
            view.balances[0].deposited[0].units() + view.balances[0].arriving[0].units() >= plan.stake.into();
        if view.phase == "open" && !has_staked && self.users.chance(100) {
            return self.deposit(node, id, AssetIndex(0), plan.stake);
        }
        Ok(())
    }

    fn make_move(&mut self, node: usize, id: ChannelId, game: Game, app: &AppView) -> Result<(), Broken> {
        let moves = game.moves(&app.state, secret(id, node));
        let Some(chosen) = moves.get(self.users.index(moves.len())).cloned() else { return Ok(()) };
        if self.users.chance(40) {
            self.report.count("operation", ILLEGAL);
            return self.command(node, id, ILLEGAL, Command::Move(twisted(chosen)));
        }
        self.report.count("operation", "move");
        self.command(node, id, "move", Command::Move(chosen))
    }

    /// A user in a hurry has the peer moved by the chain's clock.
    fn wait_for_peer(&mut self, node: usize, id: ChannelId, phase: &str) -> Result<(), Broken> {
        if self.calm || self.coarse || phase != "open" || !self.users.chance(15) {
            return Ok(());
        }
        self.report.count("operation", "dispute");
        self.command(node, id, "dispute", Command::Dispute)
    }

    /// The game is over, and both say so.
    fn finish(&mut self, node: usize, id: ChannelId, game: Game, app: &AppView) -> Result<(), Broken> {
        let asked = self.calls.open().any(|(_, call)| call.node == node && call.channel == id);
        let Some(outcome) = game.verdict(&app.state).filter(|_| !asked && !self.ends_by_force(id)) else {
            return Ok(());
        };
        self.ask_for_end(node, id, "finish", outcome)
    }

    /// Whether a user has ordered to end a channel without the peer.
    pub(crate) fn ends_by_force(&self, id: ChannelId) -> bool {
        let Some(plan) = self.channels.get(&id) else { return false };
        let is_forced = |of: ChannelId| {
            plan.nodes.iter().any(|node| self.book(*node, of).is_some_and(|book| book.force_close))
        };
        is_forced(id) || self.parent_of(id).is_some_and(is_forced)
    }

    /// Whether a dishonest player moves now. Who cheats says something else instead, or besides.
    fn plays_along(
        &mut self,
        role: Role,
        node: usize,
        id: ChannelId,
        game: Game,
        app: &AppView,
    ) -> Result<bool, Broken> {
        match role {
            Role::Cheater if self.lies.chance(500) => {
                let moves = game.moves(&app.state, secret(id, node));
                if let Some(chosen) = moves.first() {
                    self.cheat(node, id, &app.state, &twisted(chosen.clone()));
                }
                Ok(self.lies.chance(300))
            }
            // At the last moment, or never.
            Role::Griefer => {
                let now = self.now / 1_000;
                let last = app.deadline.is_some_and(|at| now < at && at - now < 4 * self.block_ms / 1_000);
                let moves = last || self.lies.chance(if app.deadline.is_some() { 20 } else { 300 });
                if !moves {
                    self.report.count("lie", "move delayed");
                }
                Ok(moves)
            }
            _ => Ok(true),
        }
    }
}

/// From which a player's hidden hands follow.
fn secret(id: ChannelId, node: usize) -> B256 {
    keccak256([&id.0[..], &[node as u8]].concat())
}

/// A move that no game here allows: it takes a unit from the other.
fn twisted(mut chosen: AppMove) -> AppMove {
    for pair in chosen.deltas.iter_mut().take(1) {
        *pair = [pair[0] + 1, pair[1] - 1];
    }
    chosen
}
