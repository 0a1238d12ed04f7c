//! Apps that this node can play: their code, their rules, and whether the chain has the code when a call needs it.

use crate::engine::Engine;
use crate::input::{Effect, EngineError, Notice};
use crate::ports::{BlockRef, Store, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use strait_protocol::{AppMove, AppStart, CommandError, NoRules, Refused, Rule, Rules, RulesProvider, Token};
use strait_types::abi::app::app_address;
use strait_types::{Address, Amount, ChannelId, ChannelParams, Version};

/// Name in the store of the list of apps; the code of each has a name of its own.
const LIST_KEY: &str = "apps";

fn code_key(app: Address) -> String {
    format!("app-{app}")
}

#[derive(Debug)]
pub(crate) struct App {
    pub(crate) runtime: Vec<u8>,
    /// None: nobody here runs this code, so that nothing is played.
    pub(crate) rules: Option<Arc<dyn Rules>>,
}

/// What the chain told of an app's code.
#[derive(Clone, Copy, Debug)]
struct Found {
    is_there: bool,
    /// Height of the newest block here, when it was asked.
    asked_at: u64,
    /// It stays like that as long as there is no reorg.
    is_sure: bool,
}

/// The apps of a node.
#[derive(Debug)]
pub(crate) struct Apps {
    provider: Arc<dyn RulesProvider>,
    pub(crate) installed: BTreeMap<Address, App>,
    /// What is known of apps that a call needs on chain. Not durable: the chain knows it better.
    found: BTreeMap<Address, Found>,
    /// Apps that the chain was asked for since the last block, and has not answered.
    asked: BTreeSet<Address>,
}

impl Default for Apps {
    fn default() -> Self {
        Apps {
            provider: Arc::new(NoRules),
            installed: BTreeMap::new(),
            found: BTreeMap::new(),
            asked: BTreeSet::new(),
        }
    }
}

impl Apps {
    /// Reads what is durable. The rules come with [`Engine::set_rules`].
    pub(crate) fn recover(store: &dyn Store) -> Result<Apps, StoreError> {
        let mut apps = Apps::default();
        let list = store.meta(LIST_KEY)?.unwrap_or_default();
        for bytes in list.chunks_exact(20) {
            let app = Address::from_slice(bytes);
            let runtime = store.meta(&code_key(app))?.unwrap_or_default();
            apps.installed.insert(app, App { runtime, rules: None });
        }
        Ok(apps)
    }

    /// Judges the start of a channel with an app.
    pub(crate) fn judge_start(
        &self,
        id: ChannelId,
        params: &ChannelParams,
        start: &AppStart,
    ) -> Result<(), EngineError> {
        let app = self.installed.get(&params.app).ok_or(EngineError::UnknownApp(params.app))?;
        let rules = app.rules.as_ref().ok_or(EngineError::Rules(Refused::Unsupported))?;
        start.check(params).map_err(EngineError::Rule)?;
        let state = start.state(id, params).map_err(EngineError::Rule)?;
        let verdict = rules.verdict(&state)?;
        // The chain pays what is there: who wins would get less than the rules say, and be told so by nobody.
        let covers = |(stakes, deltas): (&[Amount; 2], &[i128; 2])| {
            (0..2).all(|i| stakes[i].signed().checked_add(deltas[i]).is_some_and(|left| left >= 0))
        };
        if start.stakes.iter().zip(&verdict).all(covers) {
            Ok(())
        } else {
            Err(EngineError::Rule(Rule::StakeTooLow))
        }
    }

    /// Whether the chain has an app's code, if it has told.
    pub(crate) fn is_deployed(&self, app: Address) -> Option<bool> {
        self.found.get(&app).map(|found| found.is_there)
    }
}

impl Engine {
    /// Gives the engine what runs apps; before the first input. Returns the installed apps that it does not run any
    /// more: in their channels nothing is played, though what both signed is still defended.
    pub fn set_rules(&mut self, provider: Arc<dyn RulesProvider>) -> Vec<(Address, Refused)> {
        let adjudicator = self.domain.adjudicator();
        let mut refused = Vec::new();
        for (address, app) in &mut self.apps.installed {
            match provider.load(adjudicator, *address, &app.runtime) {
                Ok(rules) => app.rules = Some(rules),
                Err(error) => refused.push((*address, error)),
            }
        }
        self.apps.provider = provider;
        refused
    }

    /// Apps whose code is held here, by address.
    pub fn apps(&self) -> impl Iterator<Item = Address> + '_ {
        self.apps.installed.keys().copied()
    }

    /// Whether the operator lets an app be played.
    pub fn takes_app(&self, app: Address) -> bool {
        self.policy.apps.contains(&app)
    }

    /// What an app's participants 0 and 1 get, per asset, if its newest state is the last word: what the app says, or the
    /// state itself where the app says nothing that counts. `None` before the start, and where no rules can be asked.
    pub fn verdict(&self, channel: ChannelId) -> Option<Vec<[i128; 2]>> {
        let channel = &self.channels.get(&channel)?.channel;
        let state = channel.app_view()?.state;
        if state.version == Version::ZERO {
            return None;
        }
        let own = || state.allocations.iter().map(|allocation| allocation.delta).collect();
        // Both have agreed on the end.
        if state.is_final {
            return Some(own());
        }
        let rules = self.apps.installed.get(&channel.params().app)?.rules.as_ref()?;
        Some(rules.verdict(&state).unwrap_or_else(|_| own()))
    }

    /// What the app would give participants 0 and 1, per asset, if a move of this node were the last one, or why there is no
    /// such move. `None` where no rules can be asked.
    pub fn verdict_after(
        &self,
        channel: ChannelId,
        next: &AppMove,
    ) -> Option<Result<Vec<[i128; 2]>, CommandError>> {
        let channel = &self.channels.get(&channel)?.channel;
        let rules = self.apps.installed.get(&channel.params().app)?.rules.as_ref()?;
        Some(channel.verdict_after(rules.as_ref(), next))
    }

    pub(crate) fn install(&mut self, token: Token, runtime: Vec<u8>) {
        let adjudicator = self.domain.adjudicator();
        let address = app_address(adjudicator, &runtime);
        match self.apps.provider.load(adjudicator, address, &runtime) {
            Ok(rules) => {
                self.batch.set_meta(code_key(address), runtime.clone());
                self.apps.installed.insert(address, App { runtime, rules: Some(rules) });
                let list = self.apps.installed.keys().flat_map(|app| app.0.0).collect();
                self.batch.set_meta(LIST_KEY, list);
                self.effects.push(Effect::Notify(Notice::Installed { token, app: address }));
            }
            Err(error) => self.fail(token, error.into()),
        }
    }

    /// Asks the chain for the code of a channel's app, when a call needs it: once if it is there, else with each block.
    pub(crate) fn find_code(&mut self, now_ms: u64, id: ChannelId) {
        let Some(entry) = self.channels.get(&id) else { return };
        let app = entry.channel.params().app;
        let head = self.head_number();
        let is_known = self.apps.found.get(&app).is_some_and(|found| found.is_sure || found.asked_at >= head);
        if app.is_zero() || is_known || !entry.channel.asks_app(&self.context(now_ms, &entry)) {
            return;
        }
        if self.apps.asked.insert(app) {
            self.effects.push(Effect::FindCode { app });
        }
    }

    pub(crate) fn on_code(&mut self, app: Address, through: BlockRef, is_there: bool) {
        self.apps.asked.remove(&app);
        // What was said of blocks that are gone is asked again.
        if self.cursor.contains(through) {
            let found = Found { is_there, asked_at: self.head_number(), is_sure: is_there };
            self.apps.found.insert(app, found);
        }
        self.touch_players(app);
    }

    /// The event that not every deployment makes: none does, if the code is there.
    pub(crate) fn on_deployed(&mut self, app: Address) {
        if let Some(found) = self.apps.found.get_mut(&app) {
            *found = Found { is_there: true, asked_at: found.asked_at, is_sure: true };
            self.touch_players(app);
        }
    }

    /// A call failed, of which the code may be the reason: the endpoint may have told of a block that is gone now.
    pub(crate) fn doubt_code(&mut self, id: ChannelId) {
        let Some(entry) = self.channels.get(&id) else { return };
        if let Some(found) = self.apps.found.get_mut(&entry.channel.params().app) {
            found.is_sure = false;
        }
    }

    /// After a reorg the chain is asked anew.
    pub(crate) fn forget_code(&mut self) {
        self.apps.found.clear();
    }

    /// A question without an answer is asked again with the next block.
    pub(crate) fn ask_for_code_again(&mut self) {
        self.apps.asked.clear();
    }

    fn touch_players(&mut self, app: Address) {
        let players = self.channels.live().filter(|(_, entry)| entry.channel.params().app == app);
        self.touched.extend(players.map(|(id, _)| *id));
    }
}
