//! Apps: what a peer brings as a state of a game, and what an operator installs as code.

use crate::Features;
use std::sync::LazyLock;
use strait_app::{AppCode, EvmRules, Fields, native};
use strait_examples::connect_four::{self, ConnectFour};
use strait_examples::fair_exchange::{self, FairExchange};
use strait_examples::rock_paper_scissors::{self, RockPaperScissors};
use strait_examples::sticks::{self, Sticks};
use strait_types::{Allocation, B256, ChannelId, Side, State, Version};

type Rules = (&'static str, EvmRules, fn(&State) -> Option<Vec<[i128; 2]>>);

static RULES: LazyLock<Vec<Rules>> = LazyLock::new(|| {
    let all = [
        ("sticks", sticks::code(), (|state| native::verdict(&Sticks, state)) as fn(&State) -> _),
        ("connect four", connect_four::code(), |state| native::verdict(&ConnectFour, state)),
        ("rock", rock_paper_scissors::code(), |state| native::verdict(&RockPaperScissors, state)),
        ("exchange", fair_exchange::code(), |state| native::verdict(&FairExchange, state)),
    ];
    all.into_iter().filter_map(|(name, code, rules)| Some((name, EvmRules::new(code.ok()?), rules))).collect()
});

/// A state from bytes: which app, writer, version, two numbers, then the app's data.
fn state(bytes: &[u8]) -> (usize, State) {
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
    let gain = i128::from(byte(3).cast_signed());
    let state = State {
        channel: ChannelId(B256::repeat_byte(1)),
        version: Version(u64::from(byte(2)) + 1),
        writer: if byte(1) & 1 == 0 { Side::Zero } else { Side::One },
        is_final: byte(1) & 2 == 2,
        valid_until: 0,
        allocations: vec![Allocation { delta: [gain, -gain], withdrawn: [0, 0] }],
        locks_hash: B256::ZERO,
        history: B256::ZERO,
        app_data: bytes.get(4..).unwrap_or_default().to_vec(),
    };
    (usize::from(byte(0)), state)
}

/// The bytecode and the rules in Rust give the same verdict on any state, and a move to itself is judged without a fault.
pub(super) fn app(bytes: &[u8], features: &mut Features) -> Result<(), String> {
    let (which, state) = state(bytes);
    let Some((name, evm, rules)) = RULES.get(which % RULES.len().max(1)) else {
        return Err("the examples' code is refused".into());
    };
    let verdict = evm.verdict(&state);
    features.outcome(name, &verdict);
    if verdict.as_ref().ok() != rules(&state).as_ref() {
        return Err(format!("{name}: the bytecode says {verdict:?}, the rules {:?}", rules(&state)));
    }
    let next = State { version: Version(state.version.0 + 1), writer: state.writer.other(), ..state.clone() };
    features.outcome("move", &evm.check_move(&state, &next));
    Ok(())
}

pub(super) fn code(bytes: &[u8], features: &mut Features) -> Result<(), String> {
    let read = AppCode::new(bytes.to_vec());
    features.outcome("code", &read);
    let Ok(code) = read else { return Ok(()) };
    let (_, state) = state(bytes);
    features.outcome("verdict", &EvmRules::new(code).verdict(&state));
    Ok(())
}

pub(super) fn fields(bytes: &[u8], features: &mut Features) -> Result<(), String> {
    let (line, data) = bytes.split_at(bytes.iter().position(|byte| *byte == b'|').unwrap_or(bytes.len()));
    let Ok(line) = std::str::from_utf8(line) else { return Ok(()) };
    let read = Fields::read(line);
    features.outcome("fields", &read);
    let Ok(fields) = read else { return Ok(()) };
    let data = data.get(1..).unwrap_or_default();
    features.note("shown", fields.show(data).len().min(9));
    if let Ok(values) = std::str::from_utf8(data) {
        features.outcome("encoded", &fields.encode(values));
    }
    Ok(())
}

pub(super) const FIELDS: &[&str] = &[
    "uint8 sticks, bytes32 hash|3, 0x00",
    "uint128 a, address b, bool c|1 2 3",
    "bytes data, uint8[] moves|0x01, [1,2]",
];

pub(super) fn samples(target: &str) -> Vec<Vec<u8>> {
    if target == "code" {
        return RULES.iter().map(|(_, rules, _)| rules.code().runtime().to_vec()).collect();
    }
    let sizes = [0usize, 1, 20, 32, 64, 75, 96, 128];
    let blank = |which: u8| sizes.map(|size| [&[which, 0, 1, 0][..], &vec![0; size]].concat());
    let games: Vec<Vec<u8>> = super::vectors().into_iter().filter(|piece| piece.len() < 300).collect();
    let played = |which: u8| games.iter().map(move |piece| [&[which, 0, 3, 0][..], piece].concat());
    (0..4u8).flat_map(|which| blank(which).into_iter().chain(played(which)).collect::<Vec<_>>()).collect()
}
