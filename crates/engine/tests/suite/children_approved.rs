//! What a peer would open in a payment channel, put before the operator.

use crate::apps::STAKE;
use crate::children::game;
use crate::world::{World, policy, recover_with};
use strait_engine::ports::Store;
use strait_engine::{Input, Notice, Policy};
use strait_protocol::{Command, NewChild, Outcome, Token};
use strait_types::{Amount, ChannelId, Version};

impl World {
    /// The operator of node 1 says everything itself.
    fn careful_parent() -> (World, ChannelId) {
        let (mut world, parent) = World::parent();
        world.start_again(false);
        (world, parent)
    }

    /// Node 1 starts again from what is durable, as after a restore if wanted.
    fn start_again(&mut self, restored: bool) {
        self.disconnect(0, 1);
        let usual = policy(self.nodes[1].engine.domain().adjudicator());
        let careful = Policy {
            manual_approval: true,
            stakes: std::collections::BTreeMap::new(),
            starts: strait_engine::Starts::default(),
            ..usual
        };
        let node = &mut self.nodes[1];
        node.disk.crash(usize::MAX);
        node.store = node.disk.open().expect("opens");
        node.engine = recover_with(&node.key, &node.port, &node.store, careful, restored);
        self.follow();
        self.connect(0, 1);
        self.settle();
    }

    fn refused(&mut self, parent: ChannelId, new: &NewChild) -> String {
        let token = self.open_child(0, parent, new.clone());
        self.outcome(0, token).expect("ended").expect_err("refused")
    }

    fn waiting(&self) -> Vec<ChannelId> {
        self.nodes[1].engine.proposals().map(|(id, _)| id).collect()
    }

    fn decide(&mut self, decision: impl FnOnce(Token) -> Input) -> Token {
        let token = self.token();
        self.input(1, decision(token)).expect("commits");
        self.settle();
        token
    }
}

#[test]
fn a_game_in_a_channel_waits_for_the_operator_who_sees_all_of_it() {
    let (mut world, parent) = World::careful_parent();
    let new = game(&world, 5);
    for _ in 0..2 {
        assert!(world.refused(parent, &new).contains("is asked to approve it"));
    }
    let [id] = world.waiting()[..] else { panic!("asked once: {:?}", world.waiting()) };
    let told = |notice: &&Notice| matches!(notice, Notice::Proposed { channel, .. } if *channel == id);
    assert_eq!(world.nodes[1].notices.iter().filter(told).count(), 1);
    let (_, proposal) = world.nodes[1].engine.proposals().next().expect("it waits");
    let start = proposal.start.as_ref().expect("a game");
    assert_eq!((&start.first, start.stakes[0]), (&new.app.as_ref().expect("a game").1, new.stakes));
    assert_eq!(proposal.child.as_ref().expect("within").terms.parent0, parent);

    let token = world.decide(|token| Input::Approve { token, channel: id });
    assert!(world.nodes[1].notices.contains(&Notice::Approved { token, channel: parent }));
    assert_eq!(world.waiting(), []);
    let child = world.child(0, parent, new.clone());
    assert_eq!(world.app(1, child).state.version, Version(1), "play begins");
    // Approved was one game, and this one: the same once more, or another, is asked about again.
    assert!(world.refused(parent, &new).contains("is asked to approve it"));
    let greedy = NewChild { stakes: [new.stakes[0], Amount::from(101)], ..new };
    assert!(world.refused(parent, &greedy).contains("is asked to approve it"));
    assert_eq!(world.waiting().len(), 2);
}

#[test]
fn a_game_that_is_rejected_is_not_asked_about_again() {
    let (mut world, parent) = World::careful_parent();
    let new = game(&world, 5);
    world.refused(parent, &new);
    let id = world.waiting()[0];
    let reason = "not today".to_owned();
    world.decide(|token| Input::Reject { token, channel: id, reason });
    let refused = world.refused(parent, &new);
    assert!(refused.contains("puts in unasked"), "{refused}");
    assert_eq!(world.waiting(), []);
}

#[test]
fn what_the_operator_said_can_be_taken_back_until_it_is_used_up() {
    let (mut world, parent) = World::careful_parent();
    let new = game(&world, 5);
    world.refused(parent, &new);
    let id = world.waiting()[0];
    world.decide(|token| Input::Reject { token, channel: id, reason: String::new() });
    assert!(world.refused(parent, &new).contains("puts in unasked"));
    let said = |world: &World| world.nodes[1].engine.decisions().map(|(id, _)| id).collect::<Vec<_>>();
    for is_first in [true, false] {
        assert_eq!(said(&world), [id]);
        let token = world.decide(|token| Input::Reconsider { token, channel: id });
        assert!(world.nodes[1].notices.contains(&Notice::Reconsidered { token, channel: id }));
        assert_eq!(said(&world), []);
        assert!(world.refused(parent, &new).contains("is asked to approve it"), "it is asked about anew");
        if is_first {
            world.decide(|token| Input::Approve { token, channel: id });
        }
    }
    let token = world.decide(|token| Input::Reconsider { token, channel: id });
    let error = world.outcome(1, token).expect("answered").expect_err("nothing is decided");
    assert!(error.contains("nothing is decided"), "{error}");
}

#[test]
fn an_approval_is_used_up_by_the_agreement_and_not_by_a_lost_answer() {
    let (mut world, parent) = World::careful_parent();
    let new = game(&world, 5);
    world.refused(parent, &new);
    let id = world.waiting()[0];
    world.decide(|token| Input::Approve { token, channel: id });
    let token = world.command(0, parent, Command::OpenChild(Box::new(new)));
    // The proposal arrives, the answer is lost.
    assert!(world.deliver_one());
    world.wire.clear();
    world.pass(10_000);
    world.settle();
    assert!(
        matches!(world.outcome(0, token), Some(Ok(Outcome::ChildOpened { .. }))),
        "{:?}",
        world.outcome(0, token)
    );
}

#[test]
fn what_the_operator_has_said_holds_after_a_restart() {
    let (mut world, parent) = World::careful_parent();
    let [wanted, unwanted] =
        [game(&world, 5), NewChild { stakes: [2 * STAKE; 2].map(Amount::from), ..game(&world, 5) }];
    world.refused(parent, &wanted);
    let id = world.waiting()[0];
    world.start_again(false);
    assert_eq!(world.waiting(), [], "the peer comes again with what was not decided");
    world.refused(parent, &wanted);
    assert_eq!(world.waiting(), [id]);
    world.decide(|token| Input::Approve { token, channel: id });
    world.refused(parent, &unwanted);
    let other = world.waiting()[0];
    world.decide(|token| Input::Reject { token, channel: other, reason: String::new() });

    world.start_again(false);
    assert!(world.refused(parent, &unwanted).contains("puts in unasked"));
    world.child(0, parent, wanted.clone());
    // The approval is used up, and that holds, too.
    world.start_again(false);
    assert!(world.refused(parent, &wanted).contains("is asked to approve it"));
}

#[test]
fn an_approval_in_a_backup_may_have_been_used_since_and_counts_no_more() {
    let (mut world, parent) = World::careful_parent();
    let new = game(&world, 5);
    world.refused(parent, &new);
    let id = world.waiting()[0];
    world.decide(|token| Input::Approve { token, channel: id });
    let decided = |world: &World| world.nodes[1].store.meta("decisions").expect("reads").expect("is there");
    let before = decided(&world);
    world.start_again(true);
    assert_eq!(decided(&world).len(), before.len() - 32, "without the id");
}
