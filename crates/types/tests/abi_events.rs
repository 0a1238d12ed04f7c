//! Logs of the adjudicator become typed events; logs that it cannot have written are errors, never panics.

use alloy_sol_types::{SolEvent, SolValue, sol};
use proptest::prelude::*;
use strait_types::abi::{AbiError, AdjudicatorEvent, decode_event};
use strait_types::{
    Address, Allocation, Amount, AssetIndex, B256, ChannelId, Lock, Side, State, U256, Version, keccak256,
};

sol! {
    struct SolAllocation { int128 delta0; int128 delta1; uint128 withdrawn0; uint128 withdrawn1; }
    struct SolState {
        uint64 version; uint8 writer; bool isFinal; uint64 validUntil; SolAllocation[] allocations;
        bytes32 locksHash; bytes32 history; bytes appData;
    }
    event Deposited(bytes32 indexed channelId, uint256 participant, uint256 assetIndex, uint256 amount);
    event Credited(address indexed payout, address indexed asset, uint256 amount);
}

const CHALLENGED: &str = "Challenged(bytes32,uint256,uint256,uint256,\
(uint64,uint8,bool,uint64,(int128,int128,uint128,uint128)[],bytes32,bytes32,bytes))";
const UNLOCKED: &str = "Unlocked(bytes32,uint256[2][],(uint8,uint8,uint128,uint128,bytes32,uint64,bool)[])";

fn channel() -> ChannelId {
    ChannelId(keccak256("channel"))
}

fn solidity_state(writer: u8) -> SolState {
    SolState {
        version: 9,
        writer,
        isFinal: false,
        validUntil: 5,
        allocations: vec![SolAllocation { delta0: -7, delta1: 3, withdrawn0: 4, withdrawn1: 0 }],
        locksHash: B256::repeat_byte(1),
        history: B256::repeat_byte(2),
        appData: vec![1, 2].into(),
    }
}

fn challenged(writer: u8, dispute: U256) -> Result<Option<AdjudicatorEvent>, AbiError> {
    let topics = [keccak256(CHALLENGED), channel().0];
    let data =
        (U256::from(1), dispute, U256::from(1_800_000_000u64), solidity_state(writer)).abi_encode_params();
    decode_event(&topics, &data)
}

#[test]
fn a_deposit_is_typed() {
    let log = Deposited {
        channelId: channel().0,
        participant: U256::ONE,
        assetIndex: U256::from(2),
        amount: U256::from(77),
    };
    let decoded =
        decode_event(log.encode_topics_array::<2>().map(|topic| topic.0).as_slice(), &log.encode_data());
    let expected = AdjudicatorEvent::Deposited {
        channel: channel(),
        side: Side::One,
        asset: AssetIndex(2),
        amount: Amount::from(77),
    };
    assert_eq!(decoded, Ok(Some(expected)));
}

#[test]
fn a_state_in_an_event_knows_its_channel() {
    let Ok(Some(AdjudicatorEvent::Challenged { state, challenger, dispute, deadline, .. })) =
        challenged(1, U256::from(3))
    else {
        panic!("decodes");
    };
    assert_eq!((challenger, dispute, deadline), (Side::One, 3, 1_800_000_000));
    let expected = State {
        version: Version(9),
        writer: Side::One,
        valid_until: 5,
        allocations: vec![Allocation { delta: [-7, 3], withdrawn: [4, 0] }],
        locks_hash: B256::repeat_byte(1),
        history: B256::repeat_byte(2),
        app_data: vec![1, 2],
        ..State::zero(channel(), 1)
    };
    assert_eq!(state, expected);
}

#[test]
fn remaining_locks_are_typed() {
    let lock = (0u16, 1u16, 5u128, 0u128, B256::repeat_byte(8), 1_700_000_000u64, false);
    let paid = vec![[U256::from(1), U256::from(2)]];
    let topics = [keccak256(UNLOCKED), channel().0];
    let decode = |lock| decode_event(&topics, &(paid.clone(), vec![lock]).abi_encode_params());
    let expected = AdjudicatorEvent::Unlocked {
        channel: channel(),
        paid: vec![[1, 2]],
        locks: vec![Lock::hash(
            Side::Zero,
            AssetIndex(1),
            Amount::from(5),
            B256::repeat_byte(8),
            1_700_000_000,
        )],
    };
    assert_eq!(decode(lock), Ok(Some(expected)));
    assert!(decode((2u16, 1u16, 5u128, 0u128, B256::ZERO, 0u64, false)).is_err(), "no such kind of lock");
    let huge = decode((0u16, 1u16, u128::MAX, 0u128, B256::ZERO, 0u64, false));
    assert_eq!(huge, Ok(None), "strangers can sign what no channel holds, and stop nobody by it");
}

#[test]
fn impossible_values_are_errors() {
    let impossible = |field| Err(AbiError::Impossible { what: "Challenged event", field });
    assert_eq!(challenged(0, U256::from(1) << 16), impossible("dispute"));
    assert_eq!(challenged(2, U256::ZERO), impossible("writer"));
}

#[test]
fn a_hub_is_the_third_challenger() {
    let topics = [keccak256(CHALLENGED), channel().0];
    let data = |challenger: u8| {
        (U256::from(challenger), U256::ZERO, U256::from(1_800_000_000u64), solidity_state(0))
            .abi_encode_params()
    };
    let Ok(Some(event)) = decode_event(&topics, &data(2)) else { panic!("decodes") };
    assert!(matches!(event, AdjudicatorEvent::HubChallenged { deadline: 1_800_000_000, .. }));
    assert!(event.record().is_some());
    assert!(decode_event(&topics, &data(3)).is_err());
}

#[test]
fn a_forced_move_is_the_record() {
    const PROGRESSED: &str = "Progressed(bytes32,uint256,uint256,\
(uint64,uint8,bool,uint64,(int128,int128,uint128,uint128)[],bytes32,bytes32,bytes))";
    let topics = [keccak256(PROGRESSED), channel().0];
    let data = (U256::from(2), U256::from(1_800_000_000u64), solidity_state(1)).abi_encode_params();
    let Ok(Some(event)) = decode_event(&topics, &data) else { panic!("decodes") };
    let AdjudicatorEvent::Progressed { dispute: 2, deadline: 1_800_000_000, state, .. } = &event else {
        panic!("{event:?}");
    };
    assert_eq!((state.writer, state.version), (Side::One, Version(9)));
    assert_eq!(event.record().map(|record| record.state_hash), Some(state.hash()));
    assert_eq!(event.channel(), Some(channel()));
}

#[test]
fn an_outcome_is_typed() {
    let topics = [keccak256("Finalised(bytes32,uint256,uint256)"), channel().0];
    let outcome = [Amount::from(4), Amount::from(6)];
    let decoded = decode_event(&topics, &(U256::from(4), U256::from(6)).abi_encode_params());
    assert_eq!(decoded, Ok(Some(AdjudicatorEvent::Finalised { channel: channel(), outcome })));
    let app = Address::repeat_byte(7);
    let topics = [keccak256("AppDeployed(address)"), app.into_word()];
    assert_eq!(decode_event(&topics, &[]), Ok(Some(AdjudicatorEvent::AppDeployed { app })));
}

#[test]
fn other_logs_are_none() {
    assert_eq!(decode_event(&[], &[]), Ok(None));
    assert_eq!(decode_event(&[keccak256("Transfer(address,address,uint256)")], &[1]), Ok(None));
}

#[test]
fn credits_name_no_channel() {
    let log = Credited { payout: Address::repeat_byte(1), asset: Address::ZERO, amount: U256::MAX };
    let event =
        decode_event(log.encode_topics_array::<3>().map(|topic| topic.0).as_slice(), &log.encode_data());
    assert_eq!(event.map(|event| event.and_then(|event| event.channel())), Ok(None));
}

proptest! {
    #[test]
    fn cut_or_changed_data_never_panics(at in 0usize..800, byte: u8, cut in 0usize..800) {
        let data = (U256::from(1), U256::ZERO, U256::ONE, solidity_state(1)).abi_encode_params();
        let mut changed = data.clone();
        if let Some(target) = changed.get_mut(at) {
            *target = byte;
        }
        let topics = [keccak256(CHALLENGED), channel().0];
        decode_event(&topics, &changed).ok();
        prop_assert!(decode_event(&topics, &data[..cut.min(data.len() - 32)]).is_err());
    }
}
