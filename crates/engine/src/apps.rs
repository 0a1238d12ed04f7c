//! Apps that this node can play: their code, their rules, and whether the chain has them.

use crate::engine::Engine;
use crate::input::{Effect, EngineError, Notice};
use crate::ports::{Store, StoreError};
use std::collections::BTreeMap;
use std::sync::Arc;
use strait_protocol::{AppStart, NoRules, Refused, Rules, RulesProvider, Token};
use strait_types::abi::app::app_address;
use strait_types::{Address, ChannelId, ChannelParams};

/// Names of what is durable: the list of apps, the code of one, and where the chain got which.
const LIST_KEY: &str = "apps";
const DEPLOYED_KEY: &str = "apps-deployed";

fn code_key(app: Address) -> String {
    format!("app-{app}")
}

#[derive(Debug)]
pub(crate) struct App {
    pub(crate) runtime: Vec<u8>,
    /// None: nobody here runs this code, so that nothing is played.
    pub(crate) rules: Option<Arc<dyn Rules>>,
}

/// The apps of a node.
#[derive(Debug)]
pub(crate) struct Apps {
    provider: Arc<dyn RulesProvider>,
    pub(crate) installed: BTreeMap<Address, App>,
    /// Apps that have code on chain, with the height at which they got it.
    pub(crate) deployed: BTreeMap<Address, u64>,
}

impl Default for Apps {
    fn default() -> Self {
        Apps { provider: Arc::new(NoRules), installed: BTreeMap::new(), deployed: BTreeMap::new() }
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
        let deployed = store.meta(DEPLOYED_KEY)?.unwrap_or_default();
        for entry in deployed.chunks_exact(28) {
            let (app, height) = entry.split_at(20);
            let height = height.try_into().map(u64::from_be_bytes).unwrap_or_default();
            apps.deployed.insert(Address::from_slice(app), height);
        }
        Ok(apps)
    }

    fn deployed_bytes(&self) -> Vec<u8> {
        let entry = |(app, height): (&Address, &u64)| [app.as_slice(), &height.to_be_bytes()].concat();
        self.deployed.iter().flat_map(entry).collect()
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

    /// Judges the start of a channel with an app.
    pub(crate) fn admit_start(
        &self,
        id: ChannelId,
        params: &ChannelParams,
        start: &AppStart,
    ) -> Result<(), EngineError> {
        let app = self.apps.installed.get(&params.app).ok_or(EngineError::UnknownApp(params.app))?;
        let rules = app.rules.as_ref().ok_or(EngineError::Rules(Refused::Unsupported))?;
        start.check(params).map_err(EngineError::Rule)?;
        let state = start.state(id, params).map_err(EngineError::Rule)?;
        rules.verdict(&state)?;
        Ok(())
    }

    pub(crate) fn on_deployed(&mut self, app: Address, height: u64) {
        self.apps.deployed.entry(app).or_insert(height);
        self.batch.set_meta(DEPLOYED_KEY, self.apps.deployed_bytes());
        let played = self.channels.iter().filter(|(_, entry)| entry.channel.params().app == app);
        self.touched.extend(played.map(|(id, _)| *id));
    }

    pub(crate) fn forget_deployed_above(&mut self, to: u64) {
        let before = self.apps.deployed.len();
        self.apps.deployed.retain(|_, height| *height <= to);
        if self.apps.deployed.len() != before {
            self.batch.set_meta(DEPLOYED_KEY, self.apps.deployed_bytes());
        }
    }
}
