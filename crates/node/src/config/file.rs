//! The file, with the line of each value.

use super::error::{ConfigError, Problem};
use super::layers::Source;
use figment::value::{Dict, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A parsed file.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) values: Dict,
    /// By key, `assets[1].symbol` for those in lists: the line, counted from 1.
    pub(super) lines: BTreeMap<String, usize>,
}

impl File {
    pub(super) fn parse(path: &Path, text: &str) -> Result<File, ConfigError> {
        let table = DeTable::parse(text).map_err(|error| {
            let line = error.span().map(|span| line_at(text, span.start));
            let source = Source::File { path: path.to_owned(), line };
            let text = format!("this is not TOML: {}", error.message().replace('\n', ", "));
            ConfigError::Problems(vec![Problem { key: String::new(), source, text }])
        })?;
        let mut reader = Reader { text, lines: BTreeMap::new() };
        let values = reader.table(table.get_ref(), "");
        Ok(File { path: path.to_owned(), values, lines: reader.lines })
    }
}

struct Reader<'a> {
    text: &'a str,
    lines: BTreeMap<String, usize>,
}

impl Reader<'_> {
    fn table(&mut self, table: &DeTable<'_>, prefix: &str) -> Dict {
        let mut values = Dict::new();
        for (key, value) in table {
            let path = if prefix.is_empty() {
                key.get_ref().to_string()
            } else {
                format!("{prefix}.{}", key.get_ref())
            };
            self.lines.insert(path.clone(), line_at(self.text, key.span().start));
            values.insert(key.get_ref().to_string(), self.value(value, &path));
        }
        values
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>, path: &str) -> Value {
        match value.get_ref() {
            DeValue::String(text) => Value::from(text.as_ref()),
            DeValue::Integer(number) => {
                let digits = number.as_str();
                // One that does not fit stays a text, which is then reported as no number.
                match (
                    u64::from_str_radix(digits, number.radix()),
                    i64::from_str_radix(digits, number.radix()),
                ) {
                    (Ok(number), _) => Value::from(number),
                    (_, Ok(number)) => Value::from(number),
                    _ => Value::from(digits),
                }
            }
            DeValue::Float(number) => {
                number.as_str().parse::<f64>().map_or_else(|_| Value::from(number.as_str()), Value::from)
            }
            DeValue::Boolean(truth) => Value::from(*truth),
            DeValue::Datetime(time) => Value::from(time.to_string()),
            DeValue::Array(items) => {
                let mut values = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    self.lines.insert(path.clone(), line_at(self.text, item.span().start));
                    values.push(self.value(item, &path));
                }
                Value::from(values)
            }
            DeValue::Table(table) => Value::from(self.table(table, path)),
        }
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or_default();
    before.iter().filter(|byte| **byte == b'\n').count().saturating_add(1)
}
