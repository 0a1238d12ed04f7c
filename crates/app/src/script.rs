//! A play written down by hand, to try a contract before there is a client: JSON with the app data's types, the start,
//! and the moves.

use crate::code::AppCode;
use crate::data::AppData;
use crate::evm::EvmRules;
use crate::play::{Play, StepError};
use crate::position::Position;
use crate::words::{self, Field};
use serde_json::Value;
use strait_types::{B256, ChannelId, Side, State};

/// App data as they are.
struct Raw(Vec<u8>);

impl AppData for Raw {
    fn encode(&self) -> Vec<u8> {
        self.0.clone()
    }

    fn decode(bytes: &[u8]) -> Option<Raw> {
        Some(Raw(bytes.to_vec()))
    }
}

/// Why a script can't be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{place}: {what}")]
pub struct ScriptError {
    place: String,
    what: String,
}

/// A script:
///
/// ```json
/// { "data": ["uint128 stake", "uint8 sticks"],
///   "stakes": [[100, 100]],
///   "start": { "writer": 0, "deltas": [[0, 0]], "data": [100, 5] },
///   "moves": [{ "data": [100, 3] }, { "data": [100, 0], "writer": 0 }] }
/// ```
///
/// `data` are the structure's fields, of types that fill one word: numbers (large ones as text), `bool`, `address`,
/// `bytes32` and shorter; or all of it as one hexadecimal text. A move without `writer` hands over to the other; one
/// without `deltas` leaves them as they are. `stakes`, what participants 0 and 1 put in of each asset, may be left out; with them
/// it is told when more is won than is there.
pub struct Script {
    fields: Vec<Field>,
    stakes: Option<Vec<[i128; 2]>>,
    start: Position<Raw>,
    moves: Vec<Value>,
}

/// What became of one line of a script.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// The state that the step leads to, or would have led to; none if it can't be read or has no version.
    pub state: Option<State>,
    /// Its app data, field by field, for people.
    pub data: String,
    /// The same by name, each value as a text; none when the data do not fit the fields.
    pub fields: Option<Value>,
    /// What each side gains or loses, per asset, if nobody moves any more; or why the step is not taken.
    pub outcome: Result<Vec<[i128; 2]>, String>,
    /// Gas of `validTransition` and `verdict`; the start is only judged.
    pub gas: [u64; 2],
    /// Whether somebody would lose more than the stake, by the script's stakes: the chain pays no more than is there.
    pub is_beyond_stakes: bool,
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// Where it is wrong; the moves are read when they are played.
    pub fn read(json: &str) -> Result<Script, ScriptError> {
        let error = |place: &str, what: String| ScriptError { place: place.to_owned(), what };
        let script: Value = serde_json::from_str(json).map_err(|wrong| error("script", wrong.to_string()))?;
        let fields =
            script["data"].as_array().into_iter().flatten().map(|field| Field::read(field.as_str()?));
        let fields = fields.collect::<Option<Vec<Field>>>();
        let what =
            "a list of `type name`, types of one word each (uint8, int128, bool, address, bytes32, ...)";
        let fields = fields.ok_or_else(|| error("data", what.to_owned()))?;
        let nowhere = Position { writer: Side::One, deltas: vec![[0, 0]], data: Raw(Vec::new()) };
        let start = position(&script["start"], &fields, &nowhere).map_err(|what| error("start", what))?;
        let moves = script["moves"].as_array().cloned();
        let stakes = match &script["stakes"] {
            Value::Null => None,
            given => Some(deltas(given).ok_or_else(|| {
                error("stakes", "a list of pairs of whole numbers, one pair per asset".to_owned())
            })?),
        };
        Ok(Script {
            fields,
            stakes,
            start,
            moves: moves.ok_or_else(|| error("moves", "a list of moves".to_owned()))?,
        })
    }

    /// Plays the script by the code: the start, then its moves. After a refused move the play stands where it stood.
    pub fn run(&self, code: AppCode) -> Vec<Step> {
        let rules = EvmRules::new(code);
        let channel = ChannelId(B256::ZERO);
        let first = self.start.first_state(channel);
        let mut play = match Play::begin(&rules, channel, &self.start) {
            Ok(play) => play,
            Err(refused) => return vec![self.step(Some(first), Err(refused.to_string()), [0, 0])],
        };
        let gas = [0, rules.gas(&first, &first)[1]];
        let start = self.step(Some(first), play.verdict().map_err(|refused| refused.to_string()), gas);
        if start.is_beyond_stakes {
            // As a node refuses to open it.
            let refused = "the app would give more than what is put in, if nobody moves any more".to_owned();
            return vec![Step { outcome: Err(refused), ..start }];
        }
        let mut steps = vec![start];
        for chosen in &self.moves {
            steps.push(self.play(&rules, &mut play, chosen));
        }
        steps
    }

    fn play(&self, rules: &EvmRules, play: &mut Play<'_>, chosen: &Value) -> Step {
        let before = play.state().clone();
        let Some(stands) = play.position::<Raw>() else { return self.step(None, Err(String::new()), [0, 0]) };
        let next = match position(chosen, &self.fields, &stands) {
            Ok(next) => next,
            Err(what) => return self.step(None, Err(format!("the move can't be read: {what}")), [0, 0]),
        };
        let state = next.next_state(&before);
        let gas = state.as_ref().map_or([0, 0], |state| rules.gas(&before, state));
        let taken = play.step(&next).map(|_| ());
        let outcome = taken.and_then(|()| play.verdict().map_err(StepError::from));
        self.step(state, outcome.map_err(|refused| refused.to_string()), gas)
    }

    fn step(&self, state: Option<State>, outcome: Result<Vec<[i128; 2]>, String>, gas: [u64; 2]) -> Step {
        let data = state.as_ref().map(|state| words::show(&self.fields, &state.app_data));
        let fields = state.as_ref().and_then(|state| words::named(&self.fields, &state.app_data));
        let is_beyond_stakes = outcome.as_ref().is_ok_and(|outcome| self.is_beyond_stakes(outcome));
        Step { state, data: data.unwrap_or_default(), fields, outcome, gas, is_beyond_stakes }
    }

    fn is_beyond_stakes(&self, outcome: &[[i128; 2]]) -> bool {
        let mut pairs = self.stakes.iter().flatten().zip(outcome);
        pairs.any(|(stakes, gains)| (0..2).any(|i| stakes[i].saturating_add(gains[i]) < 0))
    }
}

fn position(of: &Value, fields: &[Field], before: &Position<Raw>) -> Result<Position<Raw>, String> {
    let writer = match &of["writer"] {
        Value::Null => before.writer.other(),
        side => side
            .as_u64()
            .and_then(|index| Side::from_index(usize::try_from(index).ok()?))
            .ok_or("`writer` is 0 or 1")?,
    };
    let deltas = match &of["deltas"] {
        Value::Null => before.deltas.clone(),
        given => deltas(given).ok_or("`deltas` is a list of pairs of whole numbers, one pair per asset")?,
    };
    Ok(Position { writer, deltas, data: Raw(words::encode(fields, &of["data"])?) })
}

fn deltas(given: &Value) -> Option<Vec<[i128; 2]>> {
    let number = |value: &Value| match value {
        Value::String(text) => text.parse().ok(),
        number => number.as_i64().map(i128::from),
    };
    let pair = |pair: &Value| {
        let pair = pair.as_array().filter(|pair| pair.len() == 2)?;
        Some([number(pair.first()?)?, number(pair.get(1)?)?])
    };
    given.as_array()?.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STICKS: &str = include_str!("../../../contracts/artifacts/Sticks.json");

    fn run(script: &str) -> Vec<Step> {
        Script::read(script).expect("a script").run(AppCode::from_artifact(STICKS).expect("fit"))
    }

    #[test]
    fn a_script_is_played_and_what_is_refused_says_why() {
        let steps = run(r#"{
            "data": ["uint128 stake", "uint8 sticks"],
            "start": { "data": ["100", 5] },
            "moves": [{ "data": [100, 3] }, { "data": [100, 3] }, { "data": "0x01" }, { "data": [100] },
                      { "data": [100, 0], "deltas": [["5", -6]] }, { "data": [100, 0], "writer": 1 }]
        }"#);
        let told: Vec<_> = steps.iter().map(|step| (step.data.as_str(), step.outcome.clone())).collect();
        assert_eq!(told[0], ("stake 100, sticks 5", Ok(vec![[-100, 100]])));
        assert_eq!(told[1], ("stake 100, sticks 3", Ok(vec![[100, -100]])));
        assert_eq!(steps[1].fields, Some(serde_json::json!({"stake": "100", "sticks": "3"})));
        assert_eq!(steps[3].fields, None, "one byte is no such data");
        let refused = |index: usize| told[index].1.clone().expect_err("refused");
        assert_eq!(refused(2), "validTransition reverted: TakeOneToThree(3, 3)");
        assert_eq!(refused(3), "validTransition reverted: no reason given");
        assert_eq!(refused(4), "the move can't be read: `data` has 1 values, and there are 2 fields");
        assert!(refused(5).contains("add up to zero"));
        assert_eq!(refused(6), "validTransition reverted: NothingElseMayChange");
        assert!(steps[1].gas.iter().all(|gas| (1_000..10_000).contains(gas)), "{:?}", steps[1].gas);
    }

    #[test]
    fn more_than_is_put_in_is_told() {
        let beyond = |stakes: &str| {
            let script = format!(
                r#"{{ "data": ["uint128 stake", "uint8 sticks"], {stakes} "start": {{ "data": [100, 5] }}, "moves": [] }}"#
            );
            let step = run(&script).remove(0);
            assert_eq!(step.outcome.is_err(), step.is_beyond_stakes, "no node plays such a start");
            step.is_beyond_stakes
        };
        assert!(beyond(r#""stakes": [[99, 100]],"#), "participant 0 would lose 100");
        assert!(!beyond(r#""stakes": [[100, 0]],"#) && !beyond(""));
    }

    #[test]
    fn a_start_that_nobody_could_judge_is_none() {
        let steps = run(r#"{ "data": [], "start": { "data": "0x" }, "moves": [{ "data": "0x" }] }"#);
        assert_eq!(steps.len(), 1);
        assert!(steps[0].outcome.clone().expect_err("refused").starts_with("verdict reverted"));
    }

    #[test]
    fn what_is_wrong_in_a_script_is_named() {
        let wrong = |script: &str| Script::read(script).err().map(|error| error.place).expect("wrong");
        assert_eq!(wrong("{"), "script");
        assert_eq!(wrong(r#"{ "data": ["string s"] }"#), "data");
        assert_eq!(wrong(r#"{ "data": ["uint8 n"], "start": { "data": [256] } }"#), "start");
        assert_eq!(wrong(r#"{ "data": ["uint8 n"], "start": { "data": [1], "writer": 2 } }"#), "start");
        assert_eq!(wrong(r#"{ "data": ["uint8 n"], "start": { "data": [1] } }"#), "moves");
        assert_eq!(
            wrong(r#"{ "data": ["uint8 n"], "start": { "data": [1] }, "moves": [], "stakes": [1] }"#),
            "stakes"
        );
    }
}
