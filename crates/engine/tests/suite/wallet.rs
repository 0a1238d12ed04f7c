//! A peer that is no Strait node: a script that writes its messages itself and signs with viem's `signTypedData`.

use crate::world::World;
use serde_json::Value;
use strait_engine::Input;
use strait_protocol::{Body, Frame};
use strait_types::{B256, Bytes, Version};

fn vector() -> Value {
    let vectors: Value =
        serde_json::from_str(include_str!("../../../../vectors/payments.json")).expect("JSON");
    vectors[0].clone()
}

fn read<T: std::str::FromStr<Err: std::fmt::Debug>>(vector: &Value, name: &str) -> T {
    vector[name].as_str().expect(name).parse().expect(name)
}

#[test]
fn a_node_takes_a_payment_that_viem_has_signed_as_typed_data() {
    let vector = vector();
    let mut world = World::new(2);
    world.connect(0, 1);
    let channel = world.channel(0, 1, 1, 1_000);
    assert_eq!(channel.0, read::<B256>(&vector, "channelId"));
    let frame: Bytes = read(&vector, "frame");
    let peer = world.signer(0);
    let mut forged = frame.to_vec();
    *forged.last_mut().expect("a signature") ^= 1;
    world.input(1, Input::Frame { peer, bytes: forged }).expect("commits");
    assert_eq!(world.own(1, channel), 0, "another signature pays nothing");
    world.wire.clear();

    world.input(1, Input::Frame { peer, bytes: frame.to_vec() }).expect("commits");
    assert_eq!(world.own(1, channel), i128::from(read::<u32>(&vector, "amount")));
    let answers: Vec<_> =
        world.wire.iter().map(|(.., bytes)| Frame::decode(bytes).expect("a frame")).collect();
    let countersigned = answers.iter().find_map(|frame| match frame {
        Frame::Channel { body: Body::Acknowledge { version, signature }, .. } => Some((*version, *signature)),
        _ => None,
    });
    let (version, signature) = countersigned.expect("the node has signed it, too");
    assert_eq!(version, Version(1));
    signature.verify(read(&vector, "digest"), world.signer(1)).expect("the same state");
}
