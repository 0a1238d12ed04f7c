//! The customer turns dishonest: it shows the chain an old state, in which it still owns what it has paid.

use super::DemoError;
use super::accounts::Identity;
use super::world::World;
use strait_engine::ports::{Chain, TxRequest};
use strait_protocol::SignedPosition;
use strait_types::abi::calls;
use strait_types::{ChannelParams, Domain, Side, U256};

/// Challenges with a state that both once signed.
pub(super) fn challenge_with(
    old: &SignedPosition,
    params: &ChannelParams,
    cheat: &Identity,
    previous: Option<strait_types::abi::Record>,
    domain: &Domain,
    world: &World,
) -> Result<(), DemoError> {
    let state = &old.position.state;
    let digest = domain.challenge_digest(state.channel, 0, state.hash());
    let data = calls::challenge(
        params,
        state,
        Some(&old.signatures),
        previous,
        Side::Zero,
        Some(&cheat.key.sign(digest)),
    );
    let request = TxRequest { to: domain.adjudicator(), value: U256::ZERO, data };
    world.chain.account(cheat.account).submit(&request)?;
    Ok(())
}
