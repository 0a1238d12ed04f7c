//! What is wrong with a configuration, and where.

use super::layers::Source;
use std::fmt;
use std::path::PathBuf;

/// A configuration that cannot be used; the user's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file that was named is not there.
    #[error("the configuration file {0} does not exist; give the right path, or create it by `strait init`")]
    Missing(PathBuf),
    /// The file cannot be read.
    #[error("the configuration file {path} cannot be read: {reason}; check its owner and permissions")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        reason: String,
    },
    /// The home directory cannot be found out.
    #[error("the home directory is not known, since HOME is not set; give it by --home or STRAIT_HOME")]
    NoHome,
    /// Values that are wrong.
    #[error("{}", list(.0))]
    Problems(Vec<Problem>),
}

/// One wrong value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Such as `node.listen`.
    pub key: String,
    /// Where it was set.
    pub source: Source,
    /// What is wrong with it and how to put it right.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Default => {}
            source => write!(f, "{source}: ")?,
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}", self.text)
    }
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}
