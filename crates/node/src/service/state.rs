//! A channel's best state, as a wallet would be asked to sign it, and as the proof of its history ends in it.

use super::Core;
use super::convert::page_limit;
use super::history::{Scan, read_cursor};
use serde_json::{Value, json};
use strait_api::{ApiError, ErrorCode, HistoryProof, HistoryQuery, SignedState};
use strait_types::{Allocation, Bytes, ChannelId, ChannelParams, Domain, State};

/// Most records in one page of a proof.
const MAX_RECORDS: usize = 10_000;
/// Bytes of records after which a page ends.
const PAGE_BYTES: usize = 4 << 20;
/// Records that are read at once.
const RECORDS: usize = 64;

impl Core {
    pub(crate) async fn state(&self, id: ChannelId) -> Result<SignedState, ApiError> {
        let known = self.known(id).await?;
        let node = self.node(&known)?;
        let domain = node.domain();
        let latest = node.latest(id).await?;
        let (state, signatures) = match latest {
            Some(latest) => {
                let signatures = latest.signatures.map(|signature| Bytes::copy_from_slice(&signature.0));
                (latest.position.state, signatures)
            }
            None => (State::zero(id, known.params.assets.len()), [Bytes::new(), Bytes::new()]),
        };
        Ok(SignedState {
            params: params_json(&known.params),
            typed_data: typed_data(domain, &state),
            digest: domain.state_digest(state.hash()),
            signatures,
        })
    }

    pub(crate) async fn history_proof(&self, query: &HistoryQuery) -> Result<HistoryProof, ApiError> {
        let known = self.known(query.channel).await?;
        let limit = page_limit(query.limit, 1_000, MAX_RECORDS)?;
        let node = self.node(&known)?;
        let _kept = self.pruning.reading().await;
        let start = self.history_start(known.id).await?;
        // The state first: what is agreed meanwhile makes the records longer, so that they always lead to it.
        let latest = serde_json::to_value(self.state(known.id).await?)
            .map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?;
        let mut scan = Scan::new(node, &known, read_cursor(query.cursor.as_deref(), &start)?);
        let (mut records, mut bytes, mut is_last): (Vec<Bytes>, _, _) = (Vec::new(), 0_usize, false);
        while !is_last && records.len() < limit && bytes < PAGE_BYTES {
            let piece = scan.read_some(RECORDS.min(limit - records.len())).await?;
            is_last = piece.is_last;
            for record in piece.records {
                bytes = bytes.saturating_add(record.len());
                records.push(record.into());
            }
        }
        Ok(HistoryProof {
            chain_id: node.domain().chain_id(),
            adjudicator: node.domain().adjudicator(),
            params: params_json(&known.params),
            side: known.side as u8,
            start: start.position(),
            records,
            latest,
            next: (!is_last).then(|| scan.here().to_cursor()),
        })
    }
}

/// A channel's terms, as the contract takes them.
pub fn params_json(params: &ChannelParams) -> Value {
    let [zero, one] = &params.participants;
    json!({
        "signer0": zero.signer,
        "payout0": zero.payout,
        "signer1": one.signer,
        "payout1": one.payout,
        "challengeDuration": params.challenge_duration,
        "nonce": params.nonce.to_string(),
        "app": params.app,
        "child": params.child,
        "assets": params.assets,
    })
}

/// EIP-712 typed data of a state, as `eth_signTypedData_v4` takes it. Numbers are decimal strings, since most of them
/// are beyond what JSON readers keep exactly.
pub fn typed_data(domain: &Domain, state: &State) -> Value {
    let field = |name: &str, kind: &str| json!({ "name": name, "type": kind });
    let allocation = |allocation: &Allocation| {
        json!({
            "delta0": allocation.delta[0].to_string(),
            "delta1": allocation.delta[1].to_string(),
            "withdrawn0": allocation.withdrawn[0].to_string(),
            "withdrawn1": allocation.withdrawn[1].to_string(),
        })
    };
    json!({
        "types": {
            "EIP712Domain": [
                field("name", "string"),
                field("version", "string"),
                field("chainId", "uint256"),
                field("verifyingContract", "address"),
            ],
            "State": [
                field("channelId", "bytes32"),
                field("version", "uint64"),
                field("writer", "uint8"),
                field("isFinal", "bool"),
                field("validUntil", "uint64"),
                field("allocations", "Allocation[]"),
                field("locksHash", "bytes32"),
                field("history", "bytes32"),
                field("appData", "bytes"),
            ],
            "Allocation": [
                field("delta0", "int128"),
                field("delta1", "int128"),
                field("withdrawn0", "uint128"),
                field("withdrawn1", "uint128"),
            ],
        },
        "primaryType": "State",
        "domain": {
            "name": "Strait",
            "version": "1",
            "chainId": domain.chain_id().to_string(),
            "verifyingContract": domain.adjudicator(),
        },
        "message": {
            "channelId": state.channel,
            "version": state.version.0.to_string(),
            "writer": state.writer as u8,
            "isFinal": state.is_final,
            "validUntil": state.valid_until.to_string(),
            "allocations": state.allocations.iter().map(allocation).collect::<Vec<_>>(),
            "locksHash": state.locks_hash,
            "history": state.history,
            "appData": Bytes::copy_from_slice(&state.app_data),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use strait_types::{Address, B256, Side, U256, Version, keccak256};

    /// `encodeType` of EIP-712, by the types that the JSON itself lists.
    fn type_text(types: &Value, name: &str) -> String {
        let fields = types[name].as_array().expect("fields");
        let field_text = |field: &Value| format!("{} {}", text(&field["type"]), text(&field["name"]));
        let own = format!("{name}({})", fields.iter().map(field_text).collect::<Vec<_>>().join(","));
        let nested = fields.iter().map(|field| base(text_of(&field["type"])).to_owned());
        let mut nested: Vec<_> = nested.filter(|name| types.get(name).is_some()).collect();
        nested.sort();
        nested.iter().fold(own, |all, name| all + &type_text(types, name))
    }

    fn text(value: &Value) -> String {
        text_of(value).to_owned()
    }

    fn text_of(value: &Value) -> &str {
        value.as_str().expect("text")
    }

    fn base(kind: &str) -> &str {
        kind.trim_end_matches("[]")
    }

    fn word(types: &Value, kind: &str, value: &Value) -> B256 {
        if kind.ends_with("[]") {
            let items = value.as_array().expect("a list").iter();
            return keccak256(items.flat_map(|item| word(types, base(kind), item).0).collect::<Vec<_>>());
        }
        match kind {
            "string" => keccak256(text(value)),
            "bytes" => keccak256(text(value).parse::<Bytes>().expect("hex")),
            "bytes32" => text(value).parse().expect("32 bytes"),
            "address" => text(value).parse::<Address>().expect("an address").into_word(),
            "bool" => U256::from(value.as_bool().expect("a bool")).into(),
            "int128" => {
                let number: i128 = text(value).parse().expect("a number");
                let mut word = [if number < 0 { 0xff } else { 0 }; 32];
                word[16..].copy_from_slice(&number.to_be_bytes());
                word.into()
            }
            kind if kind.starts_with("uint") => {
                let digits = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                digits.parse::<U256>().expect("a number").into()
            }
            name => struct_hash(types, name, value),
        }
    }

    fn struct_hash(types: &Value, name: &str, value: &Value) -> B256 {
        let mut words = keccak256(type_text(types, name)).to_vec();
        for field in types[name].as_array().expect("fields") {
            words.extend(word(types, text_of(&field["type"]), &value[text_of(&field["name"])]).0);
        }
        keccak256(words)
    }

    #[test]
    fn what_a_wallet_would_sign_is_the_digest() {
        let domain = Domain::new(10, Address::repeat_byte(9));
        let mut state = State::zero(ChannelId(keccak256("channel")), 2);
        state.version = Version(u64::MAX);
        state.writer = Side::One;
        state.is_final = true;
        state.valid_until = 1_800_000_000;
        state.allocations[0] = Allocation { delta: [i128::MIN, i128::MAX], withdrawn: [1, u128::MAX] };
        state.locks_hash = keccak256("locks");
        state.history = keccak256("history");
        state.app_data = vec![1, 2, 3];
        let data = typed_data(&domain, &state);
        let types = &data["types"];
        let separator = struct_hash(types, "EIP712Domain", &data["domain"]);
        assert_eq!(separator, domain.separator());
        let hash = struct_hash(types, text_of(&data["primaryType"]), &data["message"]);
        assert_eq!(hash, state.hash());
        let digest = keccak256([&[0x19, 0x01][..], separator.as_slice(), hash.as_slice()].concat());
        assert_eq!(digest, domain.state_digest(state.hash()));
    }
}
