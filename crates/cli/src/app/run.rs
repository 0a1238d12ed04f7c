//! `strait app run`.

use crate::failure::Failure;
use crate::output::Output;
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;
use strait_app::{GAS_LIMIT, Script, Step};
use strait_types::Bytes;

/// Options of `strait app run`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait app run artifact.json play.json\n  strait app run artifact.json play.json --json | jq .steps[-1].fields\n\nA play, with the fields of the app data's structure in their order:\n  { \"data\": [\"uint128 stake\", \"uint8 sticks\"],\n    \"stakes\": [[100, 100]],\n    \"start\": { \"writer\": 0, \"deltas\": [[0, 0]], \"data\": [100, 5] },\n    \"moves\": [{ \"data\": [100, 3] }, { \"data\": [100, 0], \"writer\": 0 }] }\nA move without `writer` hands over to the other side; one without `deltas` moves no money. After a refused move the play stands where it stood. Exit code: 1 when a move was refused."
)]
pub(crate) struct RunArgs {
    /// What the compiler wrote: JSON with `abi` and `deployedBytecode`.
    artifact: PathBuf,
    /// The play: JSON.
    play: PathBuf,
}

/// Plays it.
///
/// # Errors
/// When a file is wrong, or a move is refused.
pub(crate) fn run(args: &RunArgs, out: &Output) -> Result<(), Failure> {
    let code = super::code(&args.artifact)?;
    let script = Script::read(&super::read(&args.play)?)
        .map_err(|error| Failure::usage(format!("{}: {error}", args.play.display())))?;
    let steps = script.run(code);
    let refused = steps.iter().filter(|step| step.outcome.is_err()).count();
    let all: Vec<Value> = steps.iter().map(value).collect();
    out.result(&json!({ "steps": all, "refused": refused }), |_| {
        let lines: Vec<String> = steps.iter().map(line).collect();
        lines.join("\n")
    })?;
    match refused {
        0 => Ok(()),
        _ => Err(Failure::local(format!("{refused} of {} steps refused", steps.len()))),
    }
}

fn value(step: &Step) -> Value {
    let state = step.state.as_ref();
    json!({
        "version": state.map(|state| state.version.0),
        "writer": state.map(|state| state.writer.index()),
        "data": state.map(|state| Bytes::from(state.app_data.clone())),
        "fields": step.fields,
        "gas": step.gas,
        "if_nobody_moves": step.outcome.as_ref().ok().map(|deltas| pairs(deltas)),
        "is_beyond_stakes": step.is_beyond_stakes,
        "refused": step.outcome.as_ref().err(),
    })
}

/// Texts, since programs lose the digits of large numbers.
fn pairs(deltas: &[[i128; 2]]) -> Vec<[String; 2]> {
    deltas.iter().map(|pair| pair.map(|delta| delta.to_string())).collect()
}

fn line(step: &Step) -> String {
    let Some(state) = &step.state else {
        return format!("refused: {}", step.outcome.as_ref().err().map_or("", String::as_str));
    };
    let head = format!("version {}: {}", state.version.0, step.data);
    match &step.outcome {
        Err(why) => format!("{head}\n  refused: {why}"),
        Ok(deltas) => {
            let [moving, judging] = step.gas;
            let shown: Vec<String> = deltas.iter().map(|[zero, one]| format!("{zero:+} {one:+}")).collect();
            let writer = state.writer.index();
            let beyond = if step.is_beyond_stakes {
                " (more than is put in: the chain pays what is there)"
            } else {
                ""
            };
            format!(
                "{head}\n  side {writer} is to move; if it does not: {}{beyond}\n  gas {moving} for the move, {judging} for the verdict, \
                 of {GAS_LIMIT}",
                shown.join(", ")
            )
        }
    }
}
