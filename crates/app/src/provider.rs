//! The rules as the protocol asks for them.

use crate::code::AppCode;
use crate::evm::{EvmRules, Refusal};
use crate::native::{self, NativeRules};
use std::fmt::Debug;
use std::sync::Arc;
use strait_protocol::{Refused, Rules, RulesProvider};
use strait_types::{Address, State};

/// Runs apps by their bytecode, whatever they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct EvmApps;

impl RulesProvider for EvmApps {
    fn load(&self, adjudicator: Address, app: Address, runtime: &[u8]) -> Result<Arc<dyn Rules>, Refused> {
        let unfit = |error: crate::CodeError| Refused::Unfit(error.to_string());
        let code = AppCode::new(runtime.to_vec()).map_err(unfit)?;
        code.require(app, adjudicator).map_err(unfit)?;
        Ok(Arc::new(EvmRules::new(code)))
    }
}

impl Rules for EvmRules {
    fn check_move(&self, state: &State, next: &State) -> Result<(), Refused> {
        self.valid_transition(state, next).map_err(refused)
    }

    fn verdict(&self, state: &State) -> Result<Vec<[i128; 2]>, Refused> {
        EvmRules::verdict(self, state).map_err(refused)
    }
}

fn refused(refusal: Refusal) -> Refused {
    match refusal {
        Refusal::NotAllowed => Refused::Illegal,
        other => Refused::NoAnswer(other.to_string()),
    }
}

/// Rust rules in the place of bytecode. Only as good as the test that compares them with it
/// ([`crate::assert_same_verdicts`]): where they differ, the chain decides otherwise than the node.
#[derive(Clone, Copy, Debug)]
pub struct Native<R>(pub R);

impl<R: NativeRules + Debug + Send + Sync> Rules for Native<R> {
    fn check_move(&self, state: &State, next: &State) -> Result<(), Refused> {
        if native::allows(&self.0, state, next) { Ok(()) } else { Err(Refused::Illegal) }
    }

    fn verdict(&self, state: &State) -> Result<Vec<[i128; 2]>, Refused> {
        native::verdict(&self.0, state)
            .ok_or_else(|| Refused::NoAnswer("the rules have no verdict".to_owned()))
    }
}
