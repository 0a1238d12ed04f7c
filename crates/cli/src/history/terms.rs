//! A channel's terms as the contract takes them.

use serde::Deserialize;
use serde_json::Value;
use strait_node::service::params_json;
use strait_types::{Address, B256, ChannelParams, Participant};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Terms {
    signer0: Address,
    payout0: Address,
    signer1: Address,
    payout1: Address,
    challenge_duration: u32,
    nonce: String,
    app: Address,
    child: B256,
    assets: Vec<Address>,
}

/// Reads them.
///
/// # Errors
/// When they are none, or written in another way than the node does.
pub(super) fn read(value: &Value) -> Result<ChannelParams, String> {
    let terms: Terms = serde_json::from_value(value.clone()).map_err(|error| format!("params: {error}"))?;
    let params = ChannelParams {
        participants: [
            Participant { signer: terms.signer0, payout: terms.payout0 },
            Participant { signer: terms.signer1, payout: terms.payout1 },
        ],
        challenge_duration: terms.challenge_duration,
        nonce: terms.nonce.parse().map_err(|error| format!("params: nonce: {error}"))?,
        app: terms.app,
        child: terms.child,
        assets: terms.assets,
    };
    params.check().map_err(|error| format!("params: {error}"))?;
    if params_json(&params) == *value { Ok(params) } else { Err("params: are written otherwise".into()) }
}
