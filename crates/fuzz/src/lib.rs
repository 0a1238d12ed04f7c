//! Bytes that nobody chose with care, for whatever reads bytes: decoders, and two whole nodes whose fate they decide.
//!
//! What a run shows from outside (which error, which event, which kind of frame) is noted as a *feature*, and inputs that
//! show a new one are kept and damaged further. A region of the program that is passed is one too, where it was built to
//! count them ([`Coverage`]). All randomness follows from a number. `docs/security.md` says how to go on for minutes or hours.

mod corpus;
mod coverage;
mod decoders;
mod features;
mod nodes;
mod numbers;
mod run;

pub use corpus::{Corpus, hex, unhex};
pub use coverage::Coverage;
pub use decoders::{DECODERS, samples};
pub use features::Features;
pub use nodes::{Broken, drive, programs};
pub use numbers::Numbers;
pub use run::{Campaign, Failed, Finding, attempt, reduce};

/// Something that reads bytes. A panic is a finding, and so is an error.
#[derive(Clone, Copy)]
pub struct Target {
    /// Also the name of its corpus.
    pub name: &'static str,
    /// Longest input that is of use, in bytes.
    pub longest: usize,
    /// Reads the bytes, and notes what came of it.
    pub run: fn(&[u8], &mut Features) -> Result<(), String>,
}

/// All targets, the two nodes last.
pub fn targets() -> Vec<Target> {
    let nodes = Target {
        name: "nodes",
        longest: 2_048,
        run: |bytes, features| drive(bytes, features).map_err(|broken| broken.0),
    };
    DECODERS.iter().copied().chain([nodes]).collect()
}
