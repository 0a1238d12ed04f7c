//! Following the chain by number and hash.

use super::Driver;
use super::scene::{Reader, Scene};
use strait_engine::ports::{BlockRef, Chain, ChainError};
use strait_types::abi::{AdjudicatorEvent, calls};
use strait_types::{Amount, AssetIndex, B256, ChannelId, Side};

fn deposited(channel: ChannelId, amount: u64) -> AdjudicatorEvent {
    AdjudicatorEvent::Deposited {
        channel,
        side: Side::Zero,
        asset: AssetIndex(0),
        amount: Amount::from(amount),
    }
}

/// Deposits with empty blocks between, two deposits in one block; every limit gives the same events.
pub fn sees_each_event_once_and_in_order<D: Driver>(driver: &mut D) {
    let mut scene = Scene::new(driver);
    let mut expected = Vec::new();
    for amount in 1..=4 {
        scene.deposit(Side::Zero, amount);
        scene.driver.mine();
        expected.push(deposited(scene.id(), amount));
    }
    for amount in 5..=6 {
        let request = scene.deposit_request(Side::Zero, amount);
        scene.chains[0].submit(&request).expect("sent");
        expected.push(deposited(scene.id(), amount));
    }
    scene.driver.mine();
    for limit in [1, 2, 3, 1_000] {
        let mut reader = Reader::default();
        reader.catch_up(&mut scene.chains[1], limit);
        assert_eq!(reader.events(), expected, "limit {limit}");
        reader.catch_up(&mut scene.chains[1], limit);
        assert_eq!(reader.events(), expected, "limit {limit}, asked again");
    }
}

/// Who knows nothing, or only what never was, gets everything.
pub fn starts_at_the_deployment_without_a_known_block<D: Driver>(driver: &mut D) {
    let mut scene = Scene::new(driver);
    scene.deposit(Side::Zero, 7);
    let nothing_known = scene.chains[0].follow(&[], 1_000).expect("the chain answers");
    let stranger = BlockRef { number: nothing_known.head.number, hash: B256::repeat_byte(0x5a) };
    let stranger_known = scene.chains[0].follow(&[stranger], 1_000).expect("the chain answers");
    assert_eq!(nothing_known.fork, None);
    assert_eq!(nothing_known, stranger_known);
    let events: Vec<_> = nothing_known.blocks.iter().flat_map(|block| &block.events).collect();
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].channel, &events[0].event), (Some(scene.id()), &deposited(scene.id(), 7)));
}

/// A block is replaced: the answer goes back to the last common one, and the removed event is gone.
pub fn names_the_fork_after_a_reorg<D: Driver>(driver: &mut D) {
    let mut scene = Scene::new(driver);
    let mut reader = Reader::default();
    scene.deposit(Side::Zero, 1);
    reader.catch_up(&mut scene.chains[0], 10);
    let common = reader.known()[0];
    scene.deposit(Side::Zero, 2);
    scene.driver.mine();
    reader.catch_up(&mut scene.chains[0], 10);
    assert_eq!(reader.events(), [deposited(scene.id(), 1), deposited(scene.id(), 2)]);
    let removed = reader.known()[0];

    scene.driver.reorg(2, false);
    let answer = reader.follow(&mut scene.chains[0], 10);
    assert_eq!(answer.fork, Some(common));
    assert_ne!(answer.head, removed);
    reader.catch_up(&mut scene.chains[0], 10);
    assert_eq!(reader.events(), [deposited(scene.id(), 1)]);
    assert_eq!(scene.funds().deposited[0], Amount::from(1));
}

/// The same transaction in another block is seen once, there.
pub fn sees_an_event_again_that_a_reorg_kept<D: Driver>(driver: &mut D) {
    let mut scene = Scene::new(driver);
    let mut reader = Reader::default();
    scene.driver.mine();
    reader.catch_up(&mut scene.chains[0], 10);
    scene.deposit(Side::Zero, 1);
    scene.deposit(Side::Zero, 2);
    reader.catch_up(&mut scene.chains[0], 10);
    let before = reader.known();
    scene.driver.reorg(2, true);
    reader.catch_up(&mut scene.chains[0], 10);
    assert_eq!(reader.events(), [deposited(scene.id(), 1), deposited(scene.id(), 2)]);
    assert_ne!(reader.known()[..2], before[..2], "the hashes are others");
    assert_eq!(reader.known()[2..], before[2..], "older blocks stay");
}

/// A large backlog comes in pieces, and nothing is skipped between them.
pub fn answers_within_the_limit<D: Driver>(driver: &mut D) {
    let mut scene = Scene::new(driver);
    for amount in 1..=5 {
        scene.deposit(Side::Zero, amount);
    }
    let mut reader = Reader::default();
    let first = reader.follow(&mut scene.chains[0], 2);
    assert!(first.blocks.last().is_some_and(|last| last.at.number < first.head.number), "more to fetch");
    reader.catch_up(&mut scene.chains[0], 2);
    assert_eq!(reader.events().len(), 5);
}

/// Empty blocks may be left out, the head may not; who knows the head learns nothing.
pub fn ends_with_the_head<D: Driver>(driver: &mut D) {
    let mut scene = Scene::new(driver);
    scene.deposit(Side::Zero, 1);
    for _ in 0..3 {
        scene.driver.advance(100);
        scene.driver.mine();
    }
    let mut reader = Reader::default();
    reader.catch_up(&mut scene.chains[0], 10);
    let answer = reader.follow(&mut scene.chains[0], 10);
    let last = reader.blocks.last().expect("a block");
    assert_eq!((last.at, last.time), (answer.head, answer.head_time));
    assert_eq!((answer.fork, answer.blocks.len()), (Some(answer.head), 0));
    assert!(last.events.is_empty());
}

/// For a channel that becomes known late: its own events, no later ones, and no answer for a removed block.
pub fn finds_a_channels_events_through_a_block<D: Driver>(driver: &mut D) {
    let mut scene = Scene::new(driver);
    scene.deposit(Side::Zero, 1);
    scene.params.nonce = 2;
    scene.deposit(Side::Zero, 2);
    scene.params.nonce = 1;
    scene.deposit(Side::Zero, 3);
    let through = scene.chains[0].follow(&[], 1_000).expect("the chain answers").head;
    scene.deposit(Side::Zero, 4);
    scene.adjudicate(Side::Zero, calls::register_preimage(B256::repeat_byte(3)));

    let id = scene.id();
    let blocks = scene.chains[1].events_of(id, through).expect("the chain answers");
    let events: Vec<_> =
        blocks.iter().flat_map(|block| &block.events).map(|event| event.event.clone()).collect();
    assert_eq!(events, [deposited(id, 1), deposited(id, 3)]);
    assert!(blocks.windows(2).all(|pair| pair[0].at.number < pair[1].at.number));

    scene.driver.reorg(4, true);
    assert_eq!(scene.chains[1].events_of(id, through), Err(ChainError::NotCanonical(through)));
}
