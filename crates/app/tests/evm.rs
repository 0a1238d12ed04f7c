//! Rules by bytecode: what they answer, and that the chain answers the same.

use strait_app::{AppCode, EvmApps, EvmRules, GAS_LIMIT, Question, Refusal};
use strait_chain::dev::{Call, DevChain, DevChainConfig, Within};
use strait_engine::ports::TxRequest;
use strait_protocol::{Refused, RulesProvider as _};
use strait_types::abi::app;
use strait_types::{Address, B256, ChannelId, State, U256, Version};

const ALICE: Address = Address::repeat_byte(0xa1);

/// Hand-written code, by its bytes.
fn rules(code: &[u8]) -> EvmRules {
    EvmRules::new(AppCode::new(code.to_vec()).expect("nothing forbidden"))
}

fn states() -> [State; 2] {
    let state = State { version: Version(1), ..State::zero(ChannelId(B256::ZERO), 1) };
    let next = State { version: Version(2), history: state.hash(), ..state.clone() };
    [state, next]
}

/// Allows every move and lets nobody lose, as in contracts/script/lib.mjs.
fn permissive() -> Vec<u8> {
    let [state, _] = states();
    let selector = &app::verdict(&state)[..4];
    let head = [0x5f, 0x35, 0x60, 0xe0, 0x1c, 0x63];
    let rest = [
        0x14, 0x60, 0x16, 0x57, 0x60, 0x01, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3, 0x5b, 0x60, 0x20, 0x5f, 0x52,
        0x60, 0x01, 0x60, 0x20, 0x52, 0x60, 0x80, 0x5f, 0xf3,
    ];
    [&head[..], selector, &rest].concat()
}

#[test]
fn a_move_needs_a_yes_and_a_verdict() {
    let [state, next] = states();
    let rules = rules(&permissive());
    assert_eq!(rules.check_move(&state, &next), Ok(()));
    assert_eq!(rules.verdict(&next), Ok(vec![[0, 0]]));
    // Always `true`: a move that nobody could judge.
    let lenient = self::rules(&[0x60, 1, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3]);
    assert_eq!(lenient.valid_transition(&state, &next), Ok(()));
    let unsound = lenient.check_move(&state, &next).expect_err("no verdict");
    assert!(
        unsound.to_string().starts_with("verdict returned 32 bytes, which the adjudicator does not take")
    );
}

#[test]
fn what_an_app_may_do_badly_is_told_apart() {
    let [state, next] = states();
    let refusal = |code: &[u8]| rules(code).valid_transition(&state, &next).expect_err("refused");
    let question = Question::Move;
    assert_eq!(refusal(&[0x60, 0x20, 0x5f, 0xf3]), Refusal::NotAllowed);
    let unsound = |code: &[u8], length: &str| {
        let Refusal::Unsound { question: asked, answer, .. } = refusal(code) else { panic!("not unsound") };
        assert_eq!((asked, answer.as_str()), (question, length));
    };
    unsound(&[0x00], "0 bytes");
    unsound(&[0x60, 0x40, 0x5f, 0xf3], "64 bytes");
    let no_reason = "no reason given".to_owned();
    assert_eq!(refusal(&[0x5f, 0x5f, 0xfd]), Refusal::Reverted { question, reason: no_reason });
    assert_eq!(refusal(&[0x5b, 0x5f, 0x56]), Refusal::OutOfGas { question }, "an endless loop");
    assert_eq!(refusal(&[0x63, 1, 0, 0, 0, 0x5f, 0xf3]), Refusal::OutOfGas { question }, "16 MiB");
    assert!(matches!(refusal(&[0x50]), Refusal::Halted { .. }), "nothing to pop");
    assert!(matches!(refusal(&[0xfe]), Refusal::Halted { .. }));
    // 256 KiB of zeros, as a revert and as an answer.
    assert!(
        matches!(refusal(&[0x62, 4, 0, 0, 0x5f, 0xfd]), Refusal::Reverted { reason, .. } if reason.len() < 4_000)
    );
    unsound(&[0x62, 4, 0, 0, 0x5f, 0xf3], "262144 bytes");
}

#[test]
fn one_answer_leaves_nothing_for_the_next() {
    let [state, next] = states();
    // Returns whether memory was touched before: MSIZE, then touches it.
    let curious = rules(&[0x59, 0x60, 0x80, 0x52, 0x60, 0x20, 0x60, 0x80, 0xf3]);
    for _ in 0..3 {
        assert_eq!(curious.valid_transition(&state, &next), Err(Refusal::NotAllowed));
        assert!(rules(&[0x5b, 0x5f, 0x56]).verdict(&state).is_err());
    }
}

#[test]
fn gas_is_counted_from_the_apps_first_instruction_to_half_of_the_adjudicators() {
    let [state, next] = states();
    assert_eq!(GAS_LIMIT, 500_000);
    // PUSH0 PUSH0 RETURN: 2 each, and nothing for no memory.
    assert_eq!(rules(&[0x5f, 0x5f, 0xf3]).gas(&state, &next), [4, 4]);
    // PUSH3 n, then DUP1 ISZERO PUSH1 JUMPI, PUSH1 1 SWAP1 SUB, PUSH1 JUMP: 44 gas a turn.
    let turns = |n: u32| {
        let [_, a, b, c] = n.to_be_bytes();
        let count =
            [0x62, a, b, c, 0x5b, 0x80, 0x15, 0x60, 18, 0x57, 0x60, 1, 0x90, 0x03, 0x60, 4, 0x56, 0x00];
        [&count[..], &[0x5b, 0x60, 1, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3]].concat()
    };
    let [short, long] = [1, 101].map(|n| rules(&turns(n)).gas(&state, &next)[0]);
    assert_eq!((long - short) % 100, 0);
    let each = (long - short) / 100;
    let most = (GAS_LIMIT - short) / each;
    assert_eq!(rules(&turns(most as u32)).valid_transition(&state, &next), Ok(()));
    let question = Question::Move;
    assert_eq!(
        rules(&turns(most as u32 + 2)).valid_transition(&state, &next),
        Err(Refusal::OutOfGas { question })
    );
}

/// The three example apps, deployed by the adjudicator at the address that was computed, and asked there.
#[test]
fn the_chain_answers_the_same() {
    let mut chain = DevChain::new(DevChainConfig::default()).expect("deploys");
    chain.fund(ALICE, U256::from(u64::MAX));
    let data = |words: &[u8]| words.iter().flat_map(|byte| B256::with_last_byte(*byte)).collect::<Vec<u8>>();
    let [state, next] = states();
    let mut moves = Vec::new();
    for (artifact, from, to) in [
        (include_str!("../../../contracts/artifacts/ConnectFour.json"), data(&[9, 0, 0]), data(&[9, 1, 0])),
        (include_str!("../../../contracts/artifacts/RockPaperScissors.json"), data(&[9; 10]), data(&[9, 1])),
        (
            include_str!("../../../contracts/artifacts/FairExchange.json"),
            data(&[0, 9, 7, 0]),
            data(&[0, 9, 7, 7]),
        ),
    ] {
        let code = AppCode::from_artifact(artifact).expect("fit");
        let app = code.address(chain.adjudicator());
        let request =
            TxRequest { to: chain.adjudicator(), value: U256::ZERO, data: app::deploy_app(code.runtime()) };
        chain.submit_from(ALICE, &request).expect("sent");
        assert_eq!(chain.code(app).as_ref(), Some(code.runtime()));
        let rules = EvmRules::new(code);
        let state = State { app_data: from, ..state.clone() };
        let next =
            State { writer: state.writer.other(), app_data: to, history: state.hash(), ..next.clone() };
        let ask =
            |input| chain.call(&Call { from: ALICE, to: Some(app), input, ..Call::default() }, Within::Head);
        let answer = ask(app::valid_transition(&state, &next));
        let allowed = answer.as_ref().is_ok_and(|answer| app::read_valid_transition(answer));
        assert_eq!(rules.valid_transition(&state, &next).is_ok(), allowed, "{answer:?}");
        for of in [&state, &next] {
            let verdict = ask(app::verdict(of)).ok().and_then(|answer| app::read_verdict(&answer, 1));
            assert_eq!(rules.verdict(of).ok(), verdict);
        }
        moves.push(allowed);
    }
    assert_eq!(moves, [true, false, false]);
}

#[test]
fn a_node_gets_rules_for_the_channels_own_code_only() {
    let adjudicator = Address::repeat_byte(0xad);
    let code = permissive();
    let app = app::app_address(adjudicator, &code);
    let [state, next] = states();
    let rules = EvmApps.load(adjudicator, app, &code).expect("its own code");
    assert_eq!(rules.check_move(&state, &next), Ok(()));
    assert_eq!(rules.verdict(&next), Ok(vec![[0, 0]]));
    let unfit = |adjudicator, code: &[u8]| match EvmApps.load(adjudicator, app, code) {
        Err(Refused::Unfit(why)) => why,
        other => panic!("{other:?}"),
    };
    assert!(unfit(adjudicator, &[0x00]).contains("ask your peer for the right code"));
    assert!(unfit(Address::ZERO, &code).contains("ask your peer for the right code"));
    assert!(unfit(adjudicator, &[0x42]).contains("TIMESTAMP (0x42) at byte 0"));
    let app = app::app_address(adjudicator, &[0x00]);
    let silent = EvmApps.load(adjudicator, app, &[0x00]).expect("its own code");
    assert!(matches!(silent.check_move(&state, &next), Err(Refused::NoAnswer(_))));
}
