//! What events make of a channel's facts.

use strait_protocol::{ChainDelta, ChainView, Phase};
use strait_types::abi::AdjudicatorEvent;
use strait_types::{Amount, B256, ChannelId, State, Version};

#[test]
fn a_hub_that_challenges_begins_a_dispute_like_a_participant() {
    let child = ChannelId(B256::repeat_byte(7));
    let mut view = ChainView::of_child([Amount::from(5u64), Amount::from(6u64)]);
    let event = AdjudicatorEvent::HubChallenged {
        channel: child,
        dispute: 2,
        deadline: 900,
        state: State::zero(child, 1),
    };
    view.apply(&ChainDelta::Event { block: 1, time: 100, event });
    let facts = view.head();
    assert_eq!(facts.phase, Phase::Disputed { deadline: 900, challenger: None, moves: 0 });
    assert_eq!((facts.dispute, facts.record().map(|record| record.version)), (2, Some(Version::ZERO)));
    view.apply(&ChainDelta::Rollback { to: 0 });
    assert_eq!(view.head().phase, Phase::Open);
}
