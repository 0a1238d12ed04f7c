//! Durable before sent: each frame of an honest node against what its store has acknowledged.

use crate::check::book::Book;
use crate::check::signed::{RecordingSigner, Signed};
use crate::failure::{Broken, Property};
use strait_protocol::{Body, Rule};
use strait_types::{B256, ChannelId, Signature, Version};

/// Checks what a message rests on.
pub(crate) fn check(book: &Book, body: &Body) -> Result<(), Broken> {
    let rests = match body {
        Body::Update(update) => book.written.get(&update.version) == Some(update),
        Body::Acknowledge { version, .. } => was_confirmed(book, *version),
        // What descends from a refused version is refused with it.
        Body::Refuse(refusal) => {
            let descends = refusal.rule == Rule::UnknownBase && book.refused > Version::ZERO;
            (refusal.version <= book.refused || descends) && was_confirmed(book, refusal.confirmed)
        }
        Body::Sync(sync) => book.ever_confirmed.contains(&sync.confirmed_hash),
        Body::Latest(latest) => book.ever_confirmed.contains(&latest.position.state.hash()),
        Body::Answer { refused: None, .. } => !book.agreed.is_empty(),
        _ => true,
    };
    Property::DurableBeforeSent
        .check(rests, || format!("the store does not have what this rests on: {body:?}"))
}

fn was_confirmed(book: &Book, version: Version) -> bool {
    version == Version::ZERO
        || book
            .ever_confirmed
            .iter()
            .any(|hash| book.positions.get(hash).is_some_and(|position| position.state.version == version))
}

/// The signature of the sender in a message.
pub(crate) fn signature_in(book: &Book, body: &Body) -> Option<Signature> {
    match body {
        Body::Update(update) => Some(update.signature),
        Body::Acknowledge { signature, .. } | Body::Rebase { signature, .. } => Some(*signature),
        Body::Refuse(refusal) => refusal.signature,
        Body::Sync(sync) => sync.signature,
        Body::Latest(latest) => Some(latest.signatures[book.side.index()]),
        _ => None,
    }
}

/// What a signature that leaves a node binds it to.
pub(crate) fn bound_to(
    signed: &Signed,
    signer: &RecordingSigner,
    signature: &Signature,
) -> Result<(ChannelId, Version, B256), Broken> {
    let meaning = signer.digest(signature).and_then(|digest| signed.meaning(digest));
    meaning.ok_or_else(|| {
        Property::DurableBeforeSent.broken("a signature leaves on a state that no journal has")
    })
}

/// Whether a message may speak of a channel that is not durable, since nobody has paid anything into it.
pub(crate) fn binds_nothing(body: &Body) -> bool {
    match body {
        Body::Sync(sync) => sync.confirmed == Version::ZERO && sync.signature.is_none(),
        Body::Answer { refused, .. } => refused.is_some(),
        Body::RequestPen | Body::Fault { .. } => true,
        _ => false,
    }
}
