//! `strait app commit` and `reveal`: hidden moves by a hash, with a secret that is not lost before it is shown.

use super::fields;
use crate::failure::Failure;
use crate::output::Output;
use crate::text::now;
use clap::Args;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use strait_app::Fields;
use strait_engine::ports::Rng as _;
use strait_node::SystemRng;
use strait_types::{B256, Bytes, keccak256};

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait app commit --fields \"uint8 hand, bytes32 salt\" --data '[2]'\n  strait app commit --fields \"bytes32 key\"\n  strait app commit --fields \"uint8 hand, bytes32 salt\" --data '[2]' --json | jq -r .commitment\n\nPrints keccak256(abi.encode(..)) of the values. A last field of type bytes32 that is left out is 32 random bytes: without them a few guesses would tell what is hidden. The values are kept in the home directory before the hash is shown, since who cannot reveal them stalls; `strait app reveal` shows them."
)]
pub(super) struct CommitArgs {
    /// Types and names of what is hidden.
    #[arg(long, value_parser = fields)]
    fields: Fields,
    /// The values in JSON; a last bytes32 may be left out.
    #[arg(long, default_value = "[]", value_name = "DATA")]
    data: String,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait app reveal 0x1a2b\n  strait app reveal 0x1a2b --json | jq -c .values"
)]
pub(super) struct RevealArgs {
    /// What `strait app commit` printed, or the first digits; absent: lists what there is, hidden.
    commitment: Option<String>,
}

fn directory(home: &Path) -> PathBuf {
    home.join("apps").join("commitments")
}

pub(super) fn commit(home: &Path, args: &CommitArgs, out: &Output) -> Result<(), Failure> {
    let mut values: Vec<Value> = serde_json::from_str(&args.data)
        .map_err(|error| Failure::usage(format!("`{}` is no list in JSON: {error}", args.data)))?;
    if args.fields.ends_with_word() && values.len().saturating_add(1) == args.fields.len() {
        values.push(json!(random()?));
    }
    let data = args.fields.encode(&Value::from(values.clone()).to_string()).map_err(Failure::usage)?;
    if !args.fields.ends_with_word() {
        let text = "there is no random last field (bytes32 salt): whoever can guess the values learns them from the hash";
        out.note(text);
    }
    let commitment = keccak256(&data);
    let path = directory(home).join(format!("{commitment}.json"));
    let hidden = json!({
        "commitment": commitment,
        "values": values,
        "data": Bytes::from(data.clone()),
        "fields": args.fields.named(&data),
        "made_at": now(),
    });
    keep(&path, &hidden)?;
    out.result(&hidden, |out| {
        out.pairs(&[
            ("commitment", commitment.to_string()),
            ("hides", args.fields.show(&data)),
            ("kept in", path.display().to_string()),
        ])
    })?;
    out.note(&format!("later: strait app reveal {}", crate::text::short(commitment)));
    Ok(())
}

pub(super) fn random() -> Result<B256, Failure> {
    let mut bytes = B256::ZERO;
    SystemRng.fill(&mut bytes.0).map_err(Failure::local)?;
    Ok(bytes)
}

/// The same values once more are the same commitment.
fn keep(path: &Path, hidden: &Value) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::local(format!("{} cannot be written: {error}", path.display()))
            .hint("nothing was shown to anybody; make room or choose another --home")
    };
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let mut file = private(path).map_err(failed)?;
    file.write_all(hidden.to_string().as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}

#[cfg(unix)]
fn private(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options().write(true).create(true).truncate(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn private(path: &Path) -> std::io::Result<File> {
    File::create(path)
}

pub(super) fn reveal(home: &Path, args: &RevealArgs, out: &Output) -> Result<(), Failure> {
    let directory = directory(home);
    let found = fs::read_dir(&directory).into_iter().flatten().filter_map(|entry| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        Some(name.strip_suffix(".json")?.to_owned())
    });
    let Some(commitment) = &args.commitment else {
        let mut all: Vec<String> = found.collect();
        all.sort();
        return out.result(&json!({ "commitments": all }), |_| match &all[..] {
            [] => "no commitments; `strait app commit` makes one".into(),
            all => all.join("\n"),
        });
    };
    let id = crate::context::pick("commitment", commitment, found, String::clone)?;
    let path = directory.join(format!("{id}.json"));
    let unread = |error: String| Failure::local(format!("{} cannot be read: {error}", path.display()));
    let text = fs::read_to_string(&path).map_err(|error| unread(error.to_string()))?;
    let hidden: Value = serde_json::from_str(&text).map_err(|error| unread(error.to_string()))?;
    out.result(&hidden, |out| {
        let values = hidden["values"].to_string();
        let data = hidden["data"].as_str().unwrap_or_default().to_owned();
        out.pairs(&[("commitment", id.clone()), ("values", values), ("data", data)])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::sync::{Arc, Mutex};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: CommitArgs,
    }

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no panic").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn printed(act: impl FnOnce(&Output) -> Result<(), Failure>) -> Value {
        let sink = Sink::default();
        act(&Output::to(Box::new(sink.clone()), Box::new(Sink::default()), true, None)).expect("works");
        let bytes = sink.0.lock().expect("no panic").clone();
        serde_json::from_slice(&bytes).expect("JSON")
    }

    fn args(words: &[&str]) -> CommitArgs {
        Line::parse_from(["commit"].into_iter().chain(words.iter().copied())).args
    }

    #[test]
    fn what_is_hidden_is_random_kept_and_shown_again() {
        let home = tempfile::tempdir().expect("a directory");
        let hand = args(&["--fields", "uint8 hand, bytes32 salt", "--data", "[2]"]);
        let [one, other] = [(), ()].map(|()| printed(|out| commit(home.path(), &hand, out)));
        assert_ne!(one["commitment"], other["commitment"], "the salt is another");
        let data: Bytes = serde_json::from_value(one["data"].clone()).expect("hexadecimal");
        assert_eq!((data.len(), data[31]), (64, 2));
        assert_eq!(one["commitment"], json!(keccak256(&data)));
        let commitment = one["commitment"].as_str().expect("text")[..14].to_owned();
        let shown = printed(|out| reveal(home.path(), &RevealArgs { commitment: Some(commitment) }, out));
        let all = printed(|out| reveal(home.path(), &RevealArgs { commitment: None }, out));
        assert!(all["commitments"].as_array().is_some_and(|all| all.contains(&shown["commitment"])));
        assert_eq!(shown, one);
        let none = RevealArgs { commitment: Some("0x00000000".into()) };
        reveal(home.path(), &none, &Output::new(true)).expect_err("there is none");
    }

    /// As docs/apps.md shows it.
    #[test]
    fn a_round_of_hidden_moves_is_played_with_what_it_prints() {
        let home = tempfile::tempdir().expect("a directory");
        let hand = args(&["--fields", "uint8 hand, bytes32 salt", "--data", "[2]"]);
        let hidden = printed(|out| commit(home.path(), &hand, out));
        let (commitment, salt) = (&hidden["commitment"], &hidden["values"][1]);
        let none = json!(B256::ZERO);
        let fields = [
            "uint128 stake",
            "uint8 total",
            "uint8 played",
            "uint8 wins0",
            "uint8 wins1",
            "uint8 phase",
            "bytes32 commitment",
            "uint8 answer",
            "uint8 hand",
            "bytes32 salt",
        ];
        let script = json!({
            "data": fields,
            "stakes": [[1000, 1000]],
            "start": {"writer": 0, "data": [1000, 3, 0, 0, 0, 0, none, 0, 0, none]},
            "moves": [
                {"data": [1000, 3, 0, 0, 0, 1, commitment, 0, 0, none]},
                {"data": [1000, 3, 0, 0, 0, 2, commitment, 1, 0, none]},
                {"data": [1000, 3, 1, 1, 0, 0, none, 0, 2, salt], "writer": 0},
            ],
        });
        let artifact = include_str!("../../../../contracts/artifacts/RockPaperScissors.json");
        let code = strait_app::AppCode::from_artifact(artifact).expect("fit");
        let steps = strait_app::Script::read(&script.to_string()).expect("a script").run(code);
        let refused: Vec<_> = steps.iter().filter_map(|step| step.outcome.clone().err()).collect();
        assert_eq!((steps.len(), refused), (4, Vec::new()));
    }

    #[test]
    fn only_a_last_word_may_be_left_out() {
        let home = tempfile::tempdir().expect("a directory");
        let key = printed(|out| commit(home.path(), &args(&["--fields", "bytes32 key"]), out));
        assert_eq!(key["values"][0], key["data"]);
        for words in [
            &["--fields", "uint8 hand, uint256 salt", "--data", "[2]"][..],
            &["--fields", "uint8 hand, bytes32 salt", "--data", "[]"],
        ] {
            commit(home.path(), &args(words), &Output::new(true)).expect_err("a value is missing");
        }
    }
}
