//! The layers and what lies on top.

use super::error::{ConfigError, Problem};
use super::file::File;
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use std::fmt;
use std::path::{Path, PathBuf};

/// Prefix of environment variables; those that set a value have two underscores between section and key.
const PREFIX: &str = "STRAIT_";
const SEPARATOR: &str = "__";

/// What a configuration is read from.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// The home directory; relative paths in the configuration start there.
    pub home: PathBuf,
    /// The file, if another than `strait.toml` in the home directory; it must then exist.
    pub file: Option<PathBuf>,
    /// Environment variables; others than `STRAIT_SECTION__KEY` are not looked at.
    pub env: Vec<(String, String)>,
    /// What was given on the command line.
    pub flags: Vec<Flag>,
}

/// A value given on the command line.
#[derive(Clone, Debug)]
pub struct Flag {
    /// As the user wrote it, such as `--listen`.
    pub name: String,
    /// Such as `node.listen`.
    pub key: String,
    /// The value.
    pub value: String,
}

/// Where a value comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// Nobody set it.
    Default,
    /// The configuration file.
    File {
        /// Its path.
        path: PathBuf,
        /// Counted from 1.
        line: Option<usize>,
    },
    /// An environment variable.
    Env(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Default => write!(f, "default"),
            Source::File { path, line: Some(line) } => write!(f, "{}:{line}", path.display()),
            Source::File { path, line: None } => write!(f, "{}", path.display()),
            Source::Env(name) => write!(f, "environment {name}"),
            Source::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// The home directory when none is given: `.strait` in the user's own.
///
/// # Errors
/// When the user has none.
pub fn default_home(user_home: Option<PathBuf>) -> Result<PathBuf, ConfigError> {
    match user_home {
        Some(home) if !home.as_os_str().is_empty() => Ok(home.join(".strait")),
        _ => Err(ConfigError::NoHome),
    }
}

/// All layers, merged.
#[derive(Clone, Debug)]
pub(super) struct Stack {
    pub(super) figment: Figment,
    file: Option<File>,
}

/// One layer for figment: values with one origin.
struct Layer {
    values: Dict,
    metadata: Metadata,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        self.metadata.clone()
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.values.clone())]))
    }
}

impl Stack {
    pub(super) fn read(layers: &Layers) -> Result<Stack, ConfigError> {
        let file = read_file(layers)?;
        let mut figment = Figment::new();
        if let Some(file) = &file {
            let metadata = Metadata::from("file", file.path.as_path());
            figment = figment.merge(Layer { values: file.values.clone(), metadata });
        }
        let mut problems = Vec::new();
        for (name, value) in &layers.env {
            let Some(rest) = name.strip_prefix(PREFIX).filter(|rest| rest.contains(SEPARATOR)) else {
                continue;
            };
            let key = rest.to_lowercase().replace(SEPARATOR, ".");
            match single("environment", name, &key, value) {
                Some(layer) => figment = figment.merge(layer),
                None => problems.push(Problem {
                    key: String::new(),
                    source: Source::Env(name.clone()),
                    text: "this names no value; write it as STRAIT_NODE__LISTEN for node.listen".into(),
                }),
            }
        }
        for Flag { name, key, value } in &layers.flags {
            match single("flag", name, key, value) {
                Some(layer) => figment = figment.merge(layer),
                None => problems.push(Problem {
                    key: key.clone(),
                    source: Source::Flag(name.clone()),
                    text: "this names no value; write it as --set node.listen=127.0.0.1:4040".into(),
                }),
            }
        }
        if problems.is_empty() { Ok(Stack { figment, file }) } else { Err(ConfigError::Problems(problems)) }
    }

    /// Where the value of a key comes from; `assets[1].symbol` for one in a list.
    pub(super) fn source(&self, key: &str) -> Source {
        let outer = key.split('[').next().unwrap_or(key);
        let Some(metadata) = self.figment.find_metadata(outer) else { return Source::Default };
        let name = metadata.source.as_ref().and_then(|source| source.custom()).unwrap_or_default().to_owned();
        match metadata.name.as_ref() {
            "environment" => Source::Env(name),
            "flag" => Source::Flag(name),
            _ => self.in_file(key),
        }
    }

    /// The place of a key in the file, or of what is around it.
    pub(super) fn in_file(&self, key: &str) -> Source {
        let Some(file) = &self.file else { return Source::Default };
        let mut around = key;
        let line = loop {
            if let Some(line) = file.lines.get(around) {
                break Some(*line);
            }
            match around.rfind(['.', '[']) {
                Some(end) => around = around.get(..end).unwrap_or_default(),
                None => break None,
            }
        };
        Source::File { path: file.path.clone(), line }
    }
}

fn read_file(layers: &Layers) -> Result<Option<File>, ConfigError> {
    let path = layers.file.clone().unwrap_or_else(|| layers.home.join(super::CONFIG_FILE));
    match std::fs::read_to_string(&path) {
        Ok(text) => File::parse(&path, &text).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => match layers.file {
            Some(_) => Err(ConfigError::Missing(path)),
            None => Ok(None),
        },
        Err(error) => Err(ConfigError::Unreadable { path, reason: error.to_string() }),
    }
}

/// A layer of one value. `None`: the key has an empty part.
fn single(kind: &'static str, name: &str, key: &str, value: &str) -> Option<Layer> {
    let mut parts: Vec<&str> = key.split('.').collect();
    if parts.len() < 2 || parts.iter().any(|part| part.is_empty()) {
        return None;
    }
    let last = parts.pop()?;
    let mut values = Dict::from([(last.to_owned(), parse(value))]);
    for part in parts.into_iter().rev() {
        values = Dict::from([(part.to_owned(), Value::from(values))]);
    }
    let metadata = Metadata::named(kind).source(figment::Source::Custom(name.to_owned()));
    Some(Layer { values, metadata })
}

/// `true`, `3`, `[a, b]` and the like as what they look like; all else is text. Addresses are text.
fn parse(text: &str) -> Value {
    let trimmed = text.trim();
    if trimmed.starts_with("0x") {
        return Value::from(trimmed);
    }
    // Parsing as a value cannot fail: what is nothing else is a text.
    trimmed.parse().unwrap_or_else(|_| Value::from(trimmed))
}

/// A path in the configuration, seen from the home directory.
pub(super) fn from_home(home: &Path, path: &str) -> PathBuf {
    home.join(path)
}
