//! What an app's developer needs: the rules of a channel by their bytecode in an embedded EVM ([`EvmRules`]), the app's
//! data in types of one's own ([`AppData`], [`Position`]), rules in Rust beside the bytecode ([`NativeRules`]) with the test
//! that both agree ([`assert_same_verdicts`]), both sides of a play on one machine ([`Play`]),
//! and plays that are written down by hand ([`Script`]).

mod code;
mod data;
mod differential;
mod evm;
mod interface;
mod machine;
pub mod native;
mod play;
mod position;
mod provider;
mod reason;
mod scan;
mod script;
mod unsound;
mod words;

pub use code::{AppCode, CodeError};
pub use data::AppData;
pub use differential::{Compared, Dice, assert_same_verdicts};
pub use evm::{EvmRules, GAS_LIMIT, Question, Refusal};
pub use native::NativeRules;
pub use play::{Play, StepError};
pub use position::Position;
pub use provider::{EvmApps, Native};
pub use reason::Reasons;
pub use scan::{Forbidden, scan};
pub use script::{Script, ScriptError, Step};
pub use words::Fields;
