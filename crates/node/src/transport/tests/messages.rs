//! The handshake's bytes: golden vectors, and that no bytes panic.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use strait_types::{B256, Signature};

/// What `vectors/transport.json` must hold; other implementations are tested with that file.
fn vectors() -> Value {
    let hello = |byte: u8, nonce: u8| {
        HandshakeMessage::Hello(Hello::new(
            &domain(),
            address(byte),
            Address::repeat_byte(nonce),
            B256::repeat_byte(nonce),
        ))
        .encode()
    };
    let (initiator, acceptor) = (hello(1, 0x11), hello(2, 0x22));
    let binding = B256::repeat_byte(0x33);
    let proof = |byte: u8, role| {
        let digest = proof_digest(role, &initiator, &acceptor, binding);
        let message = HandshakeMessage::Proof(key(byte).sign(digest)).encode();
        json!({ "digest": digest, "message": hex(&message) })
    };
    let rejections = [
        Rejection::NoCommonVersion(WireRange { oldest: 2, newest: 3 }),
        Rejection::OtherDomain { chain_id: 1, adjudicator: Address::repeat_byte(0xad) },
        Rejection::WrongIdentity { expected: address(3) },
        Rejection::OwnIdentity,
        Rejection::BadProof,
        Rejection::Malformed,
        Rejection::AlreadyConnected,
        Rejection::Busy,
        Rejection::NoKey,
        Rejection::ShuttingDown,
        Rejection::NeedsTls,
        Rejection::NoTower,
        Rejection::NoNode,
    ];
    json!({
        "initiator": { "privateKey": B256::repeat_byte(1), "signer": address(1).to_string(), "nonce": B256::repeat_byte(0x11) },
        "acceptor": { "privateKey": B256::repeat_byte(2), "signer": address(2).to_string(), "nonce": B256::repeat_byte(0x22) },
        "chainId": domain().chain_id(),
        "adjudicator": domain().adjudicator().to_string(),
        "initiatorPayout": Address::repeat_byte(0x11),
        "acceptorPayout": Address::repeat_byte(0x22),
        "binding": binding,
        "initiatorHello": hex(&initiator),
        "acceptorHello": hex(&acceptor),
        "initiatorProof": proof(1, Role::Initiator),
        "acceptorProof": proof(2, Role::Acceptor),
        "rejections": rejections.map(|rejection| {
            json!({ "reason": format!("{rejection:?}"), "message": hex(&HandshakeMessage::Reject(rejection).encode()) })
        }),
    })
}

fn hex(bytes: &[u8]) -> String {
    strait_types::Bytes::copy_from_slice(bytes).to_string()
}

#[test]
fn bytes_equal_the_golden_vectors() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/transport.json");
    let golden: Value =
        serde_json::from_str(&std::fs::read_to_string(path).expect("the vectors exist")).expect("JSON");
    let ours = vectors();
    assert_eq!(ours, golden, "the handshake's format changed; as it stands it would be\n{ours:#}");
}

#[test]
fn role_both_hellos_and_binding_are_in_the_digest() {
    let digest = proof_digest(Role::Initiator, b"a", b"b", B256::ZERO);
    for other in [
        proof_digest(Role::Acceptor, b"a", b"b", B256::ZERO),
        proof_digest(Role::Initiator, b"b", b"a", B256::ZERO),
        proof_digest(Role::Initiator, b"a", b"c", B256::ZERO),
        proof_digest(Role::Initiator, b"c", b"b", B256::ZERO),
        proof_digest(Role::Initiator, b"a", b"b", B256::repeat_byte(1)),
    ] {
        assert_ne!(digest, other);
    }
}

#[test]
fn ranges_meet_at_the_newest_common_version() {
    let range = |oldest, newest| WireRange { oldest, newest };
    assert_eq!(range(1, 3).common(range(2, 9)), Some(3));
    assert_eq!(range(2, 2).common(range(1, 2)), Some(2));
    assert_eq!(range(1, 2).common(range(3, 4)), None);
    assert_eq!(range(9, 1).common(range(1, 9)), None);
}

#[test]
fn what_is_no_message_is_told_apart() {
    let good = HandshakeMessage::Reject(Rejection::Busy).encode();
    assert_eq!(HandshakeMessage::decode(b"GET / HTTP/1.1"), Err(MessageError::NotStrait));
    let mut other = good.clone();
    other[4] = 9;
    assert_eq!(HandshakeMessage::decode(&other), Err(MessageError::OtherVersion(9)));
    let mut trailing = good;
    trailing.push(0);
    assert!(matches!(HandshakeMessage::decode(&trailing), Err(MessageError::Malformed(_))));
}

proptest! {
    #[test]
    fn decoding_never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..600), header: bool) {
        if header {
            bytes.splice(0..0, *b"STRT\x01");
        }
        if let Ok(message) = HandshakeMessage::decode(&bytes) {
            prop_assert_eq!(message.encode(), bytes);
        }
    }

    #[test]
    fn hellos_and_proofs_survive_the_wire(
        wire: (u8, u8), features: u64, nonce: [u8; 32], signer: [u8; 20], chain_id: u64, proof in any::<[[u8; 32]; 2]>(),
    ) {
        let hello = HandshakeMessage::Hello(Hello {
            wire: WireRange { oldest: wire.0, newest: wire.1 },
            features,
            signer: signer.into(),
            nonce: nonce.into(),
            chain_id,
            adjudicator: signer.into(),
            payout: signer.into(),
        });
        let mut signature = Signature([0; 64]);
        signature.0.copy_from_slice(proof.as_flattened());
        for message in [hello, HandshakeMessage::Proof(signature)] {
            prop_assert_eq!(HandshakeMessage::decode(&message.encode()), Ok(message));
        }
    }
}
