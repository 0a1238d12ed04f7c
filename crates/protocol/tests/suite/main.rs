//! The two-party protocol from outside: two channels, a link that fails, a chain that reorganises, peers that lie.

mod adjudicator;
mod chain;
mod checks;
mod payments;
mod random;
mod signer;
mod world;
