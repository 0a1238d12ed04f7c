//! The two-party protocol from outside: two channels, a link that fails, a chain that reorganises, peers that lie.

mod adjudicator;
mod agreements;
mod chain;
mod checks;
mod children;
mod disputes;
mod hostile;
mod lies;
mod locks;
mod onchain;
mod payments;
mod random;
mod recovery;
mod restore;
mod signer;
mod wire;
mod world;
