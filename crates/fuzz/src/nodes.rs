//! Two whole nodes whose fate bytes decide: who does what, which frame arrives, is lost, repeated or altered, when a
//! process dies, what the chain does and how much time passes.
//!
//! Then, whatever the bytes were, both are up and connected, and the channel is taken to its end. What must hold:
//! no key signs two states of one version; nobody ends with less than what it was told allows; what the contract holds is what
//! the channel owns; the channel ends in bounded time; and, when no frame was altered, both agree, and each can pay.

mod checks;
mod end;
mod ledger;
mod life;
mod steps;
mod world;

use crate::{Features, Numbers};
use world::World;

/// A property that does not hold.
#[derive(Clone, Debug)]
pub struct Broken(pub String);

/// Lets bytes decide.
///
/// # Errors
/// When a property breaks.
pub fn drive(bytes: &[u8], features: &mut Features) -> Result<(), Broken> {
    let mut world = World::new(features)?;
    world.obey(bytes)?;
    world.end(bytes.len())
}

/// A step of the first node, and one of the second, as a byte.
const fn a(kind: u8) -> u8 {
    kind << 1
}

const fn b(kind: u8) -> u8 {
    kind << 1 | 1
}

const PAY: u8 = 0;
const TALK: u8 = 7;
const MINE: u8 = 17;
const FOLLOW: u8 = 19;
const CALL: u8 = 21;
const LOCK: u8 = 25;
const RESOLVE: u8 = 26;
const MONEY: u8 = 27;
const COPY: u8 = 29;
const CHALLENGE: u8 = 30;
const FINISH: u8 = 31;
const SEEN: &[u8] = &[a(MINE), a(FOLLOW), b(FOLLOW), a(TALK)];

/// What random bytes seldom begin with.
const SCENES: &[&[&[u8]]] = &[
    &[&[a(LOCK), 1, 9, 255, a(TALK), b(RESOLVE), 0, 0, a(TALK)]],
    &[&[a(LOCK), 1, 9, 255, a(TALK), b(RESOLVE), 0, 2, a(TALK)], SEEN],
    &[&[a(LOCK), 1, 9, 255, a(TALK), b(RESOLVE), 0, 3], SEEN, &[b(RESOLVE), 0, 0, a(TALK)]],
    &[&[a(PAY), 9, a(TALK), a(MONEY), 1, 9, a(TALK), a(CALL), b(CALL)], SEEN, SEEN, SEEN],
    &[&[a(COPY), 0, a(PAY), 9, a(TALK), a(COPY), 1, a(14), a(TALK)], SEEN],
    &[&[b(COPY), 0, a(PAY), 9, a(TALK), b(COPY), 1, a(14), a(TALK)], SEEN],
    &[
        &[a(PAY), 9, a(TALK), a(CHALLENGE), 0, a(PAY), 9, a(TALK), a(CHALLENGE), 1],
        SEEN,
        &[a(CALL), b(CALL)],
        SEEN,
    ],
    &[
        &[b(PAY), 9, a(TALK), b(CHALLENGE), 0, a(PAY), 9, a(TALK), b(CHALLENGE), 1],
        SEEN,
        &[a(CALL), b(CALL)],
        SEEN,
    ],
    &[&[a(PAY), 9, a(TALK), a(FINISH), 1, a(TALK), a(CALL), b(CALL)], SEEN, SEEN],
    &[&[a(PAY), 9, a(TALK), b(FINISH), 17, b(CALL)], SEEN, &[a(CALL)], SEEN, SEEN],
];

/// What the search begins with: long programs of random bytes, and a few that get somewhere.
pub fn programs() -> Vec<Vec<u8>> {
    let mut numbers = Numbers(5);
    let mut all: Vec<Vec<u8>> = (0..24).map(|size| numbers.bytes(16 + size * 24)).collect();
    all.push(Vec::new());
    all.extend(SCENES.iter().map(|scene| scene.concat()));
    all
}
