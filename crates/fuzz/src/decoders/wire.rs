//! What peers, towers and the chain send.

use crate::Features;
use strait_engine::tower::{ClientFrame, TowerFrame};
use strait_node::transport::HandshakeMessage;
use strait_protocol::{Body, Frame};
use strait_types::abi::{decode_event, decode_revert, views};
use strait_types::{Address, B256, Domain, keccak256};

fn same(again: &[u8], bytes: &[u8]) -> Result<(), String> {
    if again == bytes { Ok(()) } else { Err("what was read is written as other bytes".into()) }
}

pub(super) fn frame(bytes: &[u8], features: &mut Features) -> Result<(), String> {
    let read = Frame::decode(bytes);
    features.outcome("frame", &read);
    let Ok(frame) = read else { return Ok(()) };
    let kind = format!("{frame:?}");
    features.note("frame is", kind.split([' ', '(']).next().unwrap_or_default());
    if let Frame::Channel { body, .. } = &frame {
        features.note("body is", format!("{body:?}").split([' ', '(']).next().unwrap_or_default());
        if let Body::Update(update) = body {
            update.operations.iter().for_each(|operation| {
                features
                    .note("operation", format!("{operation:?}").split([' ', '(']).next().unwrap_or_default());
            });
        }
    }
    same(&frame.encode(), bytes)
}

pub(super) fn handshake(bytes: &[u8], features: &mut Features) -> Result<(), String> {
    let read = HandshakeMessage::decode(bytes);
    features.outcome("handshake", &read);
    read.map_or(Ok(()), |message| {
        features.note("is", format!("{message:?}").split([' ', '(']).next().unwrap_or_default());
        same(&message.encode(), bytes)
    })
}

pub(super) fn tower(bytes: &[u8], features: &mut Features) -> Result<(), String> {
    let domain = Domain::new(1, Address::repeat_byte(9));
    let read = ClientFrame::decode(bytes);
    features.outcome("client", &read);
    if let Ok(frame) = read {
        if let ClientFrame::Keep(guarded) = &frame {
            let checked = guarded.check(&domain, Address::repeat_byte(1));
            features.outcome("guarded", &checked);
        }
        same(&frame.encode(), bytes)?;
    }
    let read = TowerFrame::decode(bytes);
    features.outcome("tower", &read);
    let Ok(frame) = read else { return Ok(()) };
    if let TowerFrame::Kept(receipt) = &frame {
        let verified = receipt.verify(&domain, Address::repeat_byte(1), Address::repeat_byte(2));
        features.outcome("receipt", &verified);
    }
    same(&frame.encode(), bytes)
}

/// Topics, then data.
pub(super) fn log(bytes: &[u8], features: &mut Features) -> Result<(), String> {
    let (topics, data) = bytes.split_at(bytes.len().min(64) / 32 * 32);
    let mut topics: Vec<B256> = topics.chunks_exact(32).map(B256::from_slice).collect();
    features.outcome("log", &decode_event(&topics, data));
    // As one of the adjudicator's: the first byte says which.
    let which = EVENTS[usize::from(bytes.first().copied().unwrap_or(0)) % EVENTS.len()];
    topics.insert(0, keccak256(which));
    let read = decode_event(&topics, data);
    features.outcome(which, &read);
    Ok(())
}

const EVENTS: &[&str] = &[
    "Deposited(bytes32,uint256,uint256,uint256)",
    "Resumed(bytes32,uint256)",
    "Closed(bytes32,uint256[2][])",
    "Settled(bytes32,uint256[2][],uint256[],bytes32)",
    "Unlocked(bytes32,uint256[2][],(uint8,uint8,uint128,uint128,bytes32,uint64,bool)[])",
    "PreimageRegistered(bytes32,bytes32)",
    "Credited(address,address,uint256)",
];

pub(super) fn answer(bytes: &[u8], features: &mut Features) -> Result<(), String> {
    features.outcome("channel", &views::read_channel(bytes));
    features.outcome("funds", &views::read_funds(bytes));
    features.outcome("credits", &views::read_credits(bytes));
    features.outcome("registered", &views::read_registered_at(bytes));
    features.outcome("balance", &views::read_balance_of(bytes));
    features.note("revert", decode_revert(bytes).len().min(64));
    Ok(())
}
