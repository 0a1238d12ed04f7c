//! Towers that lie: they are of no use, and do no harm.

use crate::tower_world::{Watch, open_to_all};
use crate::world::World;
use std::collections::VecDeque;
use strait_engine::tower::{ClientFrame, Receipt, Refusal, TowerFrame};
use strait_engine::{HandoverConfig, Input, Notice, TowerEffect, TowerInput};
use strait_protocol::{Command, Guarded};
use strait_types::{ChannelId, Domain, Signature, Version};

struct Scene {
    world: World,
    watch: Watch,
    channel: ChannelId,
}

/// Node 1 hands over to a tower that the test plays.
fn scene() -> Scene {
    let mut world = World::new(2);
    let mut watch = Watch::new(&world, 0, open_to_all());
    world.connect(0, 1);
    let channel = world.channel(0, 1, 1, 1_000);
    world.guard(1, &mut [&mut watch]);
    Scene { world, watch, channel }
}

impl Scene {
    fn say(&mut self, frame: &TowerFrame) {
        self.say_bytes(frame.encode());
    }

    fn say_bytes(&mut self, bytes: Vec<u8>) {
        let tower = self.watch.signer();
        self.world.input(1, Input::Tower(TowerInput::Frame { tower, bytes })).expect("commits");
    }

    fn pay(&mut self) {
        let token = self.world.pay(0, self.channel, 10);
        self.world.settle();
        assert!(self.world.outcome(0, token).expect("at once").is_ok());
        self.world.pass(200);
    }

    /// What the node has sent to the tower.
    fn heard(&mut self) -> Vec<ClientFrame> {
        let effects: VecDeque<_> = std::mem::take(&mut self.world.to_towers);
        let frame = |(_, effect)| match effect {
            TowerEffect::Send { frame, .. } => Some(ClientFrame::decode(&frame).expect("a frame")),
            TowerEffect::Disconnect { .. } => None,
        };
        effects.into_iter().filter_map(frame).collect()
    }

    fn kept(&mut self) -> Guarded {
        let frames = self.heard();
        let kept = frames.into_iter().find_map(|frame| match frame {
            ClientFrame::Keep(guarded) => Some(*guarded),
            _ => None,
        });
        kept.expect("it hands over")
    }

    fn receipt(&self, guarded: &Guarded) -> Receipt {
        let engine = &self.world.nodes[1].engine;
        let (domain, client): (&Domain, _) = (engine.domain(), engine.signer());
        Receipt::sign(domain, &self.watch.key, client, guarded, 1_800_000_000).expect("signs")
    }

    fn faults(&self) -> usize {
        let fault = |notice: &&Notice| matches!(notice, Notice::TowerFault { .. });
        self.world.nodes[1].notices.iter().filter(fault).count()
    }

    fn acknowledged(&self) -> Option<u64> {
        self.world.acknowledged(1, self.channel)[0]
    }

    fn connect_again(&mut self) {
        let tower = self.watch.signer();
        self.world.input(1, Input::Tower(TowerInput::Disconnected { tower })).expect("commits");
        self.world.input(1, Input::Tower(TowerInput::Connected { tower })).expect("commits");
        self.heard();
    }
}

#[test]
fn only_what_a_tower_signs_for_counts_as_held() {
    let mut scene = scene();
    scene.pay();
    let guarded = scene.kept();
    let good = scene.receipt(&guarded);
    let forged = Receipt { signature: Signature([7; 64]), ..good };
    scene.say(&TowerFrame::Kept(forged));
    assert_eq!((scene.acknowledged(), scene.faults()), (None, 1));
    // A true word on something else says nothing about this.
    let other = Guarded { preimages: vec![good.digest], ..guarded };
    let other = scene.receipt(&other);
    scene.say(&TowerFrame::Kept(other));
    assert_eq!(scene.acknowledged(), None);
    scene.say(&TowerFrame::Kept(good));
    assert_eq!(scene.acknowledged(), Some(1));
    scene.pay();
}

#[test]
fn garbage_ends_the_connection_with_the_tower_and_disturbs_no_payment() {
    let mut scene = scene();
    for bytes in [vec![], vec![1, 2, 3], b"T\x02\xff\xff\xff\xff".to_vec(), vec![b'T'; 5 << 20]] {
        scene.say_bytes(bytes);
        let hung_up = scene.world.to_towers.iter().any(|(_, effect)| {
            matches!(effect, TowerEffect::Disconnect { tower, .. } if *tower == scene.watch.signer())
        });
        assert!(hung_up);
        scene.heard();
        scene.pay();
    }
    assert_eq!(scene.faults(), 4);
}

#[test]
fn a_tower_that_holds_less_than_it_signed_for_is_found_out_and_gets_it_again() {
    let mut scene = scene();
    scene.pay();
    let old = scene.kept();
    let old = scene.receipt(&old);
    scene.say(&TowerFrame::Kept(old.clone()));
    scene.pay();
    let new = scene.kept();
    let new = scene.receipt(&new);
    scene.say(&TowerFrame::Kept(new));
    assert_eq!(scene.acknowledged(), Some(2));
    for receipts in [vec![old], Vec::new()] {
        let before = scene.faults();
        scene.connect_again();
        scene.say(&TowerFrame::Held { receipts, more: false });
        scene.world.pass(200);
        assert_eq!(scene.faults(), before, "the chain may tell why");
        scene.world.follow();
        assert_eq!(scene.faults(), before + 1);
        let again = scene.kept();
        assert_eq!(again.version(), Version(2));
        let again = scene.receipt(&again);
        scene.say(&TowerFrame::Kept(again));
        assert_eq!(scene.acknowledged(), Some(2));
    }
}

/// The node comes back and hears from the tower before it has read on in the chain.
#[test]
fn a_tower_that_has_forgotten_what_is_closed_is_not_blamed() {
    let mut scene = scene();
    scene.pay();
    let guarded = scene.kept();
    let receipt = scene.receipt(&guarded);
    scene.say(&TowerFrame::Kept(receipt));
    let (token, channel) = (scene.world.token(), scene.channel);
    scene.world.input(0, Input::Command { token, channel, command: Command::Close }).expect("commits");
    scene.world.settle();
    scene.connect_again();
    scene.say(&TowerFrame::Held { receipts: Vec::new(), more: false });
    scene.world.pass(200);
    scene.world.follow();
    assert_eq!(scene.world.nodes[1].engine.view(channel).expect("known").phase, "closed");
    assert_eq!(scene.faults(), 0);
}

#[test]
fn an_old_state_or_anothers_that_is_handed_back_changes_nothing() {
    let mut scene = scene();
    scene.pay();
    let old = scene.kept();
    scene.pay();
    // It claims to hold more than there is.
    let mut high = old.clone();
    high.latest.position.state.version = Version(99);
    let claim = scene.receipt(&high);
    scene.connect_again();
    scene.say(&TowerFrame::Held { receipts: vec![claim], more: false });
    assert!(scene.heard().contains(&ClientFrame::Fetch { channel: scene.channel }));
    let before = scene.world.nodes[1].engine.view(scene.channel).expect("known");
    for guarded in [Some(old.clone()), Some(high), None] {
        let guarded = guarded.map(Box::new);
        scene.say(&TowerFrame::Back { channel: scene.channel, guarded });
    }
    assert_eq!(scene.world.nodes[1].engine.view(scene.channel).expect("known"), before);
    // What it was not asked for is not looked at.
    scene.say(&TowerFrame::Back { channel: scene.channel, guarded: Some(Box::new(old)) });
    scene.pay();
}

#[test]
fn a_list_without_order_or_end_is_not_followed() {
    let mut scene = scene();
    scene.pay();
    let guarded = scene.kept();
    let receipt = scene.receipt(&guarded);
    scene.connect_again();
    scene.say(&TowerFrame::Held { receipts: vec![receipt.clone(), receipt.clone()], more: true });
    scene.connect_again();
    scene.say(&TowerFrame::Held { receipts: Vec::new(), more: true });
    scene.connect_again();
    scene.say(&TowerFrame::Held { receipts: vec![receipt.clone()], more: true });
    scene.say(&TowerFrame::Held { receipts: vec![receipt], more: true });
    assert_eq!(scene.faults(), 3);
    scene.pay();
}

#[test]
fn a_list_of_made_up_channels_ends() {
    let mut scene = scene();
    scene.pay();
    let mut made_up = scene.kept();
    let config = HandoverConfig { most_forgotten: 30, ..HandoverConfig::default() };
    scene.world.nodes[1].engine.set_handovers(config);
    scene.connect_again();
    let mut receipts = Vec::new();
    for nonce in 100..140 {
        made_up.params.nonce = nonce;
        receipts.push(scene.receipt(&made_up));
    }
    receipts.sort_by_key(|receipt| receipt.channel);
    for (page, faults) in receipts.chunks(10).zip([0, 0, 0, 1]) {
        scene.say(&TowerFrame::Held { receipts: page.to_vec(), more: true });
        assert_eq!(scene.faults(), faults);
    }
    let is_hung_up = |(_, effect): &(usize, TowerEffect)| matches!(effect, TowerEffect::Disconnect { .. });
    assert!(scene.world.to_towers.iter().any(is_hung_up));
    scene.pay();
}

#[test]
fn a_late_list_that_was_asked_for_again_is_no_lie() {
    let mut scene = scene();
    scene.pay();
    let guarded = scene.kept();
    let receipt = scene.receipt(&guarded);
    scene.connect_again();
    scene.world.pass(16_000);
    assert_eq!(scene.heard(), [ClientFrame::List { after: None }], "asked again");
    for more in [true, true, false] {
        scene.say(&TowerFrame::Held { receipts: vec![receipt.clone()], more });
    }
    assert_eq!(scene.heard(), [ClientFrame::List { after: Some(scene.channel) }]);
    scene.say(&TowerFrame::Held { receipts: Vec::new(), more: false });
    scene.say(&TowerFrame::Held { receipts: vec![receipt], more: true });
    assert_eq!((scene.faults(), scene.acknowledged()), (0, Some(1)));
    scene.world.pass(60_000);
    assert!(scene.heard().is_empty(), "it has told all");
}

#[test]
fn a_tower_that_is_told_something_wrong_keeps_nothing() {
    let mut scene = scene();
    scene.pay();
    let good = scene.kept();
    let (now, client) = (scene.world.now, scene.world.signer(1));
    let mut wrong = Vec::new();
    let mut change = |change: &dyn Fn(&mut Guarded)| {
        let mut guarded = good.clone();
        change(&mut guarded);
        wrong.push(guarded);
    };
    change(&|guarded| guarded.latest.position.state.version = Version(7));
    change(&|guarded| guarded.latest.signatures.swap(0, 1));
    change(&|guarded| guarded.params.nonce += 1);
    change(&|guarded| guarded.params.challenge_duration = 1);
    change(&|guarded| guarded.preimages.push(good.digest()));
    change(&|guarded| guarded.latest.position.payments = [0; 2]);
    let counters = wrong.pop().expect("the last");
    for guarded in wrong {
        let bytes = ClientFrame::Keep(Box::new(guarded)).encode();
        let frames = scene.watch.input(now, Input::Frame { peer: client, bytes });
        let answer = TowerFrame::decode(&frames[0].1).expect("an answer");
        assert!(matches!(answer, TowerFrame::Refused { .. }), "{answer:?}");
    }
    assert_eq!(scene.watch.tower.status().channels, 0);
    // Counters are nobody's money; what both signed is guarded all the same.
    let bytes = ClientFrame::Keep(Box::new(counters)).encode();
    scene.watch.input(now, Input::Frame { peer: client, bytes });
    assert_eq!(scene.watch.tower.status().channels, 1);
    for bytes in [vec![], vec![1, 0, 0], b"T\x01".to_vec(), b"T\x02\x00".to_vec()] {
        let hung_up = scene.watch.disconnects.len();
        assert!(scene.watch.input(now, Input::Frame { peer: client, bytes }).is_empty());
        assert_eq!(scene.watch.disconnects.len(), hung_up + 1);
    }
}

#[test]
fn a_tower_that_turns_away_and_takes_it_back_by_turns_is_told_once_for_each_connection() {
    let mut scene = scene();
    let turned_away = |scene: &Scene| {
        let told = |notice: &&Notice| matches!(notice, Notice::TurnedAway { .. });
        scene.world.nodes[1].notices.iter().filter(told).count()
    };
    for connection in 1..=2 {
        for _ in 0..10 {
            scene.say(&TowerFrame::TurnedAway { reason: Refusal::NotAdmitted });
            scene.say(&TowerFrame::Held { receipts: Vec::new(), more: false });
        }
        assert_eq!(turned_away(&scene), 1, "in connection {connection}");
        let hung_up = |(_, effect): &(_, TowerEffect)| matches!(effect, TowerEffect::Disconnect { .. });
        assert!(scene.world.to_towers.iter().any(hung_up));
        scene.connect_again();
    }
    scene.say(&TowerFrame::Held { receipts: Vec::new(), more: false });
    scene.say(&TowerFrame::TurnedAway { reason: Refusal::NotAdmitted });
    assert_eq!(turned_away(&scene), 2, "it had served again");
}
