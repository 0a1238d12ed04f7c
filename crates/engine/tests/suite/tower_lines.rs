//! Channels within channels within channels, as no contract has them, made up to wear a tower out.

use crate::tower_world::{Watch, open_to_all};
use crate::world::World;
use strait_engine::Input;
use strait_engine::tower::{ClientFrame, Quotas, TowerConfig};
use strait_protocol::{Guarded, GuardedChild, Position, SignedPosition, Signer as _};
use strait_types::{
    Address, Amount, B256, ChannelId, ChannelParams, ChildTerms, Side, Version, child_terms_hash,
};

/// More than a thread's stack would take if each were forgotten within the one before.
const LINE: u64 = 3_000;

/// What two keys of one liar sign of a channel of which no chain has heard.
fn made_up(world: &World, params: ChannelParams, child: Option<GuardedChild>, version: u64) -> Guarded {
    let domain = *world.nodes[0].engine.domain();
    let id = params.id(domain.chain_id(), domain.adjudicator());
    let mut position = Position::zero(id, 1);
    position.state.version = Version(version);
    let digest = domain.state_digest(position.state.hash());
    let signatures = [0, 1].map(|node| world.nodes[node].key.sign(digest).expect("signs"));
    let latest = SignedPosition { position, signatures };
    Guarded { params, child, latest, preimages: Vec::new(), next: None }
}

fn within(world: &World, parent: ChannelId, version0: u64) -> Guarded {
    let terms = ChildTerms {
        parent0: parent,
        version0,
        parent1: ChannelId(B256::ZERO),
        version1: 0,
        hub: Address::ZERO,
        end: 0,
        amounts: [Amount::from(1), Amount::from(1)],
    };
    let params = ChannelParams { child: child_terms_hash(&terms), ..world.params(0, 1, 1) };
    made_up(world, params, Some(GuardedChild { terms, first: None }), 1)
}

fn keep(watch: &mut Watch, world: &World, guarded: &Guarded) {
    let bytes = ClientFrame::Keep(Box::new(guarded.clone())).encode();
    watch.input(world.now, Input::Frame { peer: world.signer(0), bytes });
}

#[test]
fn a_long_line_of_channels_within_channels_is_forgotten_without_harm() {
    let world = World::new(2);
    let quotas = Quotas { channels: u32::MAX, bytes: u64::MAX, ..open_to_all().quotas };
    let mut watch = Watch::new(&world, 0, TowerConfig { quotas, ..open_to_all() });
    watch.input(world.now, Input::Connected { peer: world.signer(0) });
    let domain = *world.nodes[0].engine.domain();
    let first = made_up(&world, world.params(0, 1, 0), None, 1);
    keep(&mut watch, &world, &first);
    let mut parent = first.channel(&domain);
    for _ in 0..LINE {
        let child = within(&world, parent, 100);
        assert_eq!(child.check(&domain, world.signer(0)), Ok(Side::Zero));
        keep(&mut watch, &world, &child);
        parent = child.channel(&domain);
    }
    assert_eq!(watch.tower.status().channels as u64, LINE + 1);
    keep(&mut watch, &world, &made_up(&world, first.params.clone(), None, 200));
    watch.follow(world.now);
    assert_eq!(watch.tower.status().channels, 1, "what was opened before version 200 is over");
}
