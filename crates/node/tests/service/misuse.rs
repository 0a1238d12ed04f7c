//! What cannot be, each with its code.

use crate::world::{World, event, key, many, payment, settings, soon};
use std::sync::Arc;
use strait_api::{
    Api, AssetAmount, BackupTo, ChannelList, ChannelMove, ChannelOpen, ChannelRef, ErrorCode, Event,
    HistoryQuery, LockAdd, LockRef, LockSettle, Nothing, Pay, PeerAdd, PeerRemove, ProposalReject, TokenRef,
};
use strait_node::NewChannel;
use strait_node::transport::{Limits, LinkKind, Listen, Network, NetworkConfig, NetworkEvent, PeerAddress};
use strait_protocol::{Body, Frame};
use strait_types::{Address, Amount, B256, ChannelId, Participant, Version};

fn code<T: std::fmt::Debug>(result: Result<T, strait_api::ApiError>) -> ErrorCode {
    let error = result.expect_err("cannot be");
    assert!(!error.message.is_empty() && !error.hint.is_empty(), "{error:?}");
    error.code
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payments_and_commands_that_cannot_be() {
    let world = World::new();
    let (alice, _bob, channel) = world.pair().await;
    let api = &alice.service;
    let unknown = ChannelId(B256::repeat_byte(9));
    assert_eq!(code(api.pay(payment(unknown, 1, "")).await), ErrorCode::UnknownChannel);
    assert_eq!(code(api.channel_show(ChannelRef { channel: unknown }).await), ErrorCode::UnknownChannel);
    assert_eq!(code(api.channel_close(ChannelRef { channel: unknown }).await), ErrorCode::UnknownChannel);
    assert_eq!(code(api.pay_many(many(unknown, [1], "")).await), ErrorCode::UnknownChannel);
    assert_eq!(code(api.pay(payment(channel, 0, "")).await), ErrorCode::InvalidAmount);
    let other_asset = Pay { asset: Some(Address::repeat_byte(1)), ..payment(channel, 1, "") };
    assert_eq!(code(api.pay(other_asset).await), ErrorCode::UnknownAsset);
    let too_much = Pay { amount: Amount::MAX, ..payment(channel, 1, "") };
    assert_eq!(code(soon("an answer", api.pay(too_much)).await), ErrorCode::InsufficientBalance);
    assert_eq!(code(api.pay(payment(channel, 1, &"m".repeat(513))).await), ErrorCode::InvalidParams);
    assert_eq!(code(api.pay_many(many(channel, [], "")).await), ErrorCode::InvalidParams);
    assert_eq!(code(api.pay_many(many(channel, vec![1; 10_001], "")).await), ErrorCode::TooLarge);
    let lock = LockAdd {
        channel,
        asset: None,
        amount: Amount::from(1),
        hash: B256::ZERO,
        expiry: 5,
        idempotency_key: None,
    };
    assert_eq!(code(api.lock_add(lock.clone()).await), ErrorCode::InvalidParams);
    assert_eq!(code(api.lock_add(LockAdd { amount: Amount::ZERO, ..lock }).await), ErrorCode::InvalidAmount);
    let settle = LockSettle { channel, number: 7, preimage: B256::ZERO };
    assert_eq!(code(api.lock_settle(settle).await), ErrorCode::UnknownLock);
    assert_eq!(code(api.lock_cancel(LockRef { channel, number: 7 }).await), ErrorCode::UnknownLock);
    let nothing = ChannelMove { channel, asset: None, amount: Amount::ZERO, idempotency_key: None };
    assert_eq!(code(api.channel_deposit(nothing.clone()).await), ErrorCode::InvalidAmount);
    assert_eq!(code(api.channel_withdraw(nothing).await), ErrorCode::InvalidAmount);
    let query = HistoryQuery { channel, cursor: Some("x".into()), limit: None };
    assert_eq!(code(api.history(query.clone()).await), ErrorCode::InvalidParams);
    assert_eq!(
        code(api.history(HistoryQuery { cursor: None, limit: Some(0), ..query }).await),
        ErrorCode::InvalidParams
    );
    let list = ChannelList { cursor: Some("x".into()), ..ChannelList::default() };
    assert_eq!(code(api.channel_list(list).await), ErrorCode::InvalidParams);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channels_and_peers_that_cannot_be() {
    let world = World::new();
    let (alice, bob) = (world.start(1).await, world.start(2).await);
    let api = &alice.service;
    let open = ChannelOpen::new(bob.address());
    let with = |change: &dyn Fn(&mut ChannelOpen)| {
        let mut request = open.clone();
        change(&mut request);
        api.channel_open(request)
    };
    let one = AssetAmount { asset: Address::ZERO, amount: Amount::from(1) };
    assert_eq!(code(with(&|open| open.chain_id = Some(5)).await), ErrorCode::UnknownChain);
    assert_eq!(code(with(&|open| open.peer = "bob".into()).await), ErrorCode::InvalidAddress);
    assert_eq!(code(with(&|open| open.peer = "strait://bob@x:1".into()).await), ErrorCode::InvalidAddress);
    assert_eq!(code(with(&|open| open.peer = alice.address()).await), ErrorCode::InvalidAddress);
    assert_eq!(
        code(with(&|open| open.peer = Address::repeat_byte(9).to_string()).await),
        ErrorCode::UnknownPeer
    );
    assert_eq!(code(with(&|open| open.assets = vec![Address::ZERO; 2]).await), ErrorCode::InvalidParams);
    assert_eq!(code(with(&|open| open.challenge_duration = Some(60)).await), ErrorCode::PolicyRefused);
    assert_eq!(
        code(with(&|open| open.deposit = vec![one.clone(), one.clone()]).await),
        ErrorCode::InvalidParams
    );
    // Another node answers there: said at once, and nobody is dialled for ever.
    let bobs = bob.address();
    let place = bobs.split('@').nth(1).expect("a place");
    let nobody = format!("strait://{}@{place}", Address::repeat_byte(9));
    for peer_payout in [None, Some(Address::repeat_byte(8))] {
        let refused = with(&|open| (open.peer, open.peer_payout) = (nobody.clone(), peer_payout)).await;
        let error = refused.expect_err("another");
        assert_eq!(error.code, ErrorCode::InvalidAddress);
        assert!(error.message.contains("another node"), "{error}");
    }
    let peers = api.peer_list(strait_api::Nothing {}).await.expect("listed").peers;
    assert!(peers.iter().all(|peer| peer.signer != Address::repeat_byte(9)), "{peers:?}");
    let nothing = AssetAmount { amount: Amount::ZERO, ..one.clone() };
    assert_eq!(code(with(&|open| open.deposit = vec![nothing.clone()]).await), ErrorCode::InvalidAmount);
    let other = vec![Address::repeat_byte(1)];
    let mismatched = with(&|open| (open.assets, open.deposit) = (other.clone(), vec![one.clone()])).await;
    assert_eq!(code(mismatched), ErrorCode::UnknownAsset);
    let many = (1..=5).map(Address::repeat_byte).collect::<Vec<_>>();
    assert_eq!(code(with(&|open| open.assets.clone_from(&many)).await), ErrorCode::PolicyRefused);
    assert!(api.channel_list(ChannelList::default()).await.expect("a list").channels.is_empty());

    assert_eq!(code(api.peer_add(PeerAdd { address: "x".into() }).await), ErrorCode::InvalidAddress);
    let stranger = PeerRemove { signer: Address::repeat_byte(9) };
    assert_eq!(code(api.peer_remove(stranger).await), ErrorCode::UnknownPeer);
    let channel = ChannelId(B256::repeat_byte(9));
    assert_eq!(code(api.proposal_approve(ChannelRef { channel }).await), ErrorCode::UnknownProposal);
    let reject = ProposalReject { channel, reason: String::new() };
    assert_eq!(code(api.proposal_reject(reject).await), ErrorCode::UnknownProposal);
    assert_eq!(code(api.token_list(Nothing {}).await), ErrorCode::UnknownMethod);
    assert_eq!(code(api.token_revoke(TokenRef { id: "x".into() }).await), ErrorCode::UnknownMethod);
    let relative = BackupTo { directory: "backup".into() };
    assert!(matches!(code(api.backup(relative).await), ErrorCode::InvalidParams));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_stays_known_over_a_restart_until_it_is_removed() {
    let world = World::new();
    let (alice, bob) = (world.start(1).await, world.start(2).await);
    alice.service.peer_add(PeerAdd { address: bob.address() }).await.expect("added");
    soon("the shutdown", alice.service.shutdown()).await;
    let alice = world.start(1).await;
    let peers = alice.service.peer_list(Nothing {}).await.expect("peers").peers;
    assert_eq!(peers.len(), 1);
    assert_eq!(peers[0].address, Some(bob.address()));
    // Dialled again by itself: a channel needs no address any more.
    let channel = alice.open(&bob, 5).await;
    let peers = alice.service.peer_list(Nothing {}).await.expect("peers").peers;
    assert_eq!((peers[0].channels, peers[0].connected_on.as_slice()), (1, &[31_337][..]));
    alice.service.peer_remove(PeerRemove { signer: bob.node().signer() }).await.expect("removed");
    let peers = alice.service.peer_list(Nothing {}).await.expect("peers").peers;
    assert_eq!(peers[0].address, None);
    assert!(alice.show(channel).await.is_ok());
}

/// Who opens a channel may name any payout for the peer, its own, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_pays_the_peers_part_to_the_payer_is_not_taken() {
    let world = World::new();
    let (alice, bob) = (world.start(1).await, world.start(2).await);
    alice.open(&bob, 1_000).await;
    let own = Address::repeat_byte(0xb1);
    let request = ChannelOpen { peer_payout: Some(own), ..ChannelOpen::new(bob.address()) };
    assert_eq!(code(alice.service.channel_open(request).await), ErrorCode::InvalidParams);
    // A node that asks nobody finds that the other does not take it.
    let mut news = alice.listen(None).await;
    let peer = Participant { signer: bob.node().signer(), payout: own };
    let new = NewChannel { peer, payout: own, assets: vec![Address::ZERO], challenge_duration: 24 * 3_600 };
    let channel = alice.node().open_new(new, settings()).await.expect("opened here");
    event(&mut news, "the refusal", |event| matches!(event, Event::Declined { .. })).await;
    assert!(bob.show(channel).await.is_err(), "it is not taken");
    assert!(alice.pay(channel, 1, "a car").await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_breaks_rules_all_the_time_is_disconnected() {
    let world = World::new();
    let (alice, bob, channel) = world.pair().await;
    bob.service.shutdown().await;
    let config = NetworkConfig {
        signer: Arc::new(key(2)),
        listen: Listen::Off,
        payout: Address::repeat_byte(0xb2),
        domain: *alice.node().domain(),
        allow_plain_remote: false,
        kind: LinkKind::Peer,
        limits: Limits::default(),
    };
    let (network, mut events) = Network::start(config).await.expect("starts");
    let address: PeerAddress = alice.address().parse().expect("an address");
    network.add_peer(address.clone());
    soon("the connection", async {
        while !matches!(events.recv().await, Some(NetworkEvent::Connected { .. })) {}
    })
    .await;
    let mut news = alice.listen(None).await;
    // Play is not ended where nothing is played.
    let body = Body::OfferFinish { version: Version::ZERO, outcome: Vec::new() };
    let wrong = Frame::Channel { channel, body }.encode();
    for _ in 0..100 {
        network.send(address.signer(), wrong.clone()).expect("it fits");
    }
    soon("the end of the connection", async {
        while !matches!(events.recv().await, Some(NetworkEvent::Disconnected { .. })) {}
    })
    .await;
    event(&mut news, "the fault", |event| matches!(event, Event::PeerFault { .. })).await;
    network.shutdown().await;
    // A hundred of them are one line in the log.
    let events = alice.all_events().await;
    let faults = events.iter().filter(|record| matches!(record.event, Event::PeerFault { .. })).count();
    assert_eq!(faults, 1, "{events:?}");
}
