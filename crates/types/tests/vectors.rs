//! `vectors/*.json`, which an independent library made and the contract's bytecode confirms.

use alloy_sol_types::{SolStruct, SolValue, sol};
use serde_json::Value;
use std::fmt::Debug;
use std::str::FromStr;
use strait_types::abi::child::{Challenger, Child, Shown};
use strait_types::abi::{Record, app, calls};
use strait_types::{
    Address, Allocation, Amount, AssetIndex, B256, Bytes, ChannelId, ChannelParams, ChildTerms, Domain, Lock,
    LockKind, Participant, Side, Signature, SigningKey, State, Version, child_terms_hash, keccak256,
    locks_hash, record_fingerprint,
};

sol! {
    struct SolLock {
        uint16 kind; uint16 assetIndex; uint128 amount0; uint128 amount1; bytes32 reference; uint64 expiry; bool flip;
    }
}

mod reference {
    alloy_sol_types::sol! {
        struct ChildTerms {
            bytes32 parent0; uint64 version0; bytes32 parent1; uint64 version1; address hub; uint64 end;
            uint128 amount0; uint128 amount1;
        }
    }
}

fn vectors(file: &str) -> Vec<Value> {
    let path = format!("{}/../../vectors/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let list: Vec<Value> = serde_json::from_str(&text).expect("an array of objects");
    assert!(!list.is_empty(), "{path} has no vectors");
    list
}

fn read<T: FromStr<Err: Debug>>(object: &Value, field: &str) -> T {
    let text = object[field].as_str().unwrap_or_else(|| panic!("no text '{field}' in {object}"));
    text.parse().unwrap_or_else(|error| panic!("'{field}' is {text}: {error:?}"))
}

fn flag(object: &Value, field: &str) -> bool {
    object[field].as_bool().unwrap_or_else(|| panic!("no boolean '{field}' in {object}"))
}

fn list<'v>(object: &'v Value, field: &str) -> &'v [Value] {
    object[field].as_array().unwrap_or_else(|| panic!("no list '{field}' in {object}"))
}

fn domain(vector: &Value) -> Domain {
    Domain::new(read(vector, "chainId"), read(vector, "adjudicator"))
}

fn params(vector: &Value) -> ChannelParams {
    let params = &vector["params"];
    let participant =
        |signer, payout| Participant { signer: read(params, signer), payout: read(params, payout) };
    let asset = |asset: &Value| asset.as_str().expect("a text").parse::<Address>().expect("an address");
    ChannelParams {
        participants: [participant("signer0", "payout0"), participant("signer1", "payout1")],
        challenge_duration: read(params, "challengeDuration"),
        nonce: read(params, "nonce"),
        app: read(params, "app"),
        child: read(params, "child"),
        assets: list(params, "assets").iter().map(asset).collect(),
    }
}

fn state(vector: &Value) -> State {
    let state = &vector["state"];
    let allocation = |allocation: &Value| Allocation {
        delta: [read(allocation, "delta0"), read(allocation, "delta1")],
        withdrawn: [read(allocation, "withdrawn0"), read(allocation, "withdrawn1")],
    };
    State {
        channel: ChannelId(read(vector, "channelId")),
        version: Version(read(state, "version")),
        writer: Side::from_index(read(state, "writer")).expect("0 or 1"),
        is_final: flag(state, "isFinal"),
        valid_until: read(state, "validUntil"),
        allocations: list(state, "allocations").iter().map(allocation).collect(),
        locks_hash: read(state, "locksHash"),
        history: read(state, "history"),
        app_data: read::<Bytes>(state, "appData").to_vec(),
    }
}

fn signature(vector: &Value, field: &str) -> Signature {
    let (r, vs): (B256, B256) = (read(&vector[field], "r"), read(&vector[field], "vs"));
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(r.as_slice());
    bytes[32..].copy_from_slice(vs.as_slice());
    Signature(bytes)
}

/// The keys that signed all vectors.
fn keys() -> [SigningKey; 2] {
    let first = &vectors("states")[0];
    ["privateKey0", "privateKey1"]
        .map(|field| SigningKey::from_bytes(read::<B256>(first, field).0).expect("a private key"))
}

fn assert_signed(vector: &Value, digest: B256, fields: [&str; 2]) {
    for (key, field) in keys().iter().zip(fields) {
        let expected = signature(vector, field);
        assert_eq!(key.sign(digest), expected, "{field} of {}", vector["name"]);
        assert_eq!(expected.verify(digest, key.address()), Ok(()));
    }
}

#[test]
fn channel_ids() {
    for vector in vectors("channels") {
        let params = params(&vector);
        assert_eq!(params.check(), Ok(()), "{}", vector["name"]);
        assert_eq!(params.terms_hash(), read::<B256>(&vector, "termsHash"), "{}", vector["name"]);
        assert_eq!(params.more_assets_hash(), read::<B256>(&vector, "moreAssets"), "{}", vector["name"]);
        let id = params.id(read(&vector, "chainId"), read(&vector, "adjudicator"));
        assert_eq!(id, ChannelId(read(&vector, "channelId")), "{}", vector["name"]);
    }
}

#[test]
fn states_and_their_signatures() {
    for vector in vectors("states") {
        let (state, params) = (state(&vector), params(&vector));
        let id = params.id(read(&vector, "chainId"), read(&vector, "adjudicator"));
        assert_eq!(id, state.channel, "{}", vector["name"]);
        let signers = keys().map(|key| key.address());
        assert_eq!(params.participants.map(|participant| participant.signer), signers);
        let hash = state.hash();
        assert_eq!(hash, read::<B256>(&vector, "stateHash"), "{}", vector["name"]);
        let digest = domain(&vector).state_digest(hash);
        assert_eq!(digest, read::<B256>(&vector, "digest"), "{}", vector["name"]);
        assert_signed(&vector, digest, ["sig0", "sig1"]);
    }
}

#[test]
fn the_zero_state_is_that_of_the_contract() {
    let vector =
        vectors("states").into_iter().find(|vector| vector["name"] == "zero state").expect("is there");
    assert_eq!(
        State::zero(ChannelId(read(&vector, "channelId")), 1).hash(),
        read::<B256>(&vector, "stateHash")
    );
}

#[test]
fn records_challenges_and_resumes() {
    for vector in vectors("disputes") {
        let (channel, dispute) = (ChannelId(read(&vector, "channelId")), read(&vector, "dispute"));
        let state_hash = read(&vector, "stateHash");
        let fingerprint = record_fingerprint(channel, Version(read(&vector, "version")), dispute, state_hash);
        assert_eq!(fingerprint.as_slice(), &read::<Bytes>(&vector, "fingerprint")[..], "{}", vector["name"]);
        let challenge = domain(&vector).challenge_digest(channel, dispute, state_hash);
        assert_eq!(challenge, read::<B256>(&vector, "challengeDigest"), "{}", vector["name"]);
        assert_signed(&vector, challenge, ["challengeSig0", "challengeSig1"]);
        let resume = domain(&vector).resume_digest(channel, dispute);
        assert_eq!(resume, read::<B256>(&vector, "resumeDigest"), "{}", vector["name"]);
        assert_signed(&vector, resume, ["resumeSig0", "resumeSig1"]);
    }
}

/// The vectors go to the end of the contract's range, which an `Amount` does not. Where that is so, the vector confirms
/// the reference encoding here, and that is compared with ours at the largest amount that there is.
fn largest(units: u128) -> Amount {
    Amount::new(units).unwrap_or(Amount::MAX)
}

fn reference_locks_hash(locks: &[SolLock]) -> B256 {
    if locks.is_empty() { B256::ZERO } else { keccak256(locks.to_vec().abi_encode()) }
}

#[test]
fn lock_lists() {
    for vector in vectors("locks") {
        let lock = |lock: &Value| SolLock {
            kind: read(lock, "kind"),
            assetIndex: read(lock, "assetIndex"),
            amount0: read(lock, "amount0"),
            amount1: read(lock, "amount1"),
            reference: read(lock, "ref"),
            expiry: read(lock, "expiry"),
            flip: flag(lock, "flip"),
        };
        let mut reference: Vec<SolLock> = list(&vector, "locks").iter().map(lock).collect();
        let expected: B256 = read(&vector, "locksHash");
        assert_eq!(reference_locks_hash(&reference), expected, "{}", vector["name"]);
        for lock in &mut reference {
            lock.amount0 = largest(lock.amount0).units();
            lock.amount1 = largest(lock.amount1).units();
        }
        let ours = |lock: &SolLock| Lock {
            kind: if lock.kind == 0 { LockKind::Hash } else { LockKind::Channel },
            asset: AssetIndex(u8::try_from(lock.assetIndex).expect("one byte")),
            amounts: [largest(lock.amount0), largest(lock.amount1)],
            reference: lock.reference,
            expiry: lock.expiry,
            flip: lock.flip,
        };
        let ours: Vec<Lock> = reference.iter().map(ours).collect();
        assert_eq!(locks_hash(ours.iter()), reference_locks_hash(&reference), "{}", vector["name"]);
    }
}

#[test]
fn constants_of_the_contract() {
    let ours = [
        app::APP_GAS,
        app::MAX_APP_CODE as u64,
        u64::from(app::MAX_FORCED_MOVES),
        strait_types::MAX_APP_DATA as u64,
        strait_types::abi::child::PERIODS_AFTER_END,
    ];
    let contracts: Vec<u64> = vectors("constants").iter().map(|vector| read(vector, "value")).collect();
    assert_eq!(contracts, ours);
}

#[test]
fn addresses_of_apps() {
    for vector in vectors("apps") {
        let runtime: Bytes = read(&vector, "runtime");
        let address = app::app_address(read(&vector, "adjudicator"), &runtime);
        assert_eq!(address, read::<Address>(&vector, "app"), "{}", vector["name"]);
    }
}

/// A state at another place of a vector than `state`.
fn state_at(vector: &Value, field: &str) -> State {
    let mut moved = vector.clone();
    moved["state"] = vector[field].clone();
    state(&moved)
}

#[test]
fn forced_moves() {
    for vector in vectors("moves") {
        let (params, state, next) = (params(&vector), state(&vector), state_at(&vector, "next"));
        assert_eq!(
            app::app_address(read(&vector, "adjudicator"), &read::<Bytes>(&vector, "runtime")),
            params.app
        );
        assert_eq!(next.history, state.hash(), "what a move's history is");
        assert_eq!(next.hash(), read::<B256>(&vector, "nextHash"));
        let mover = signature(&vector, "mover");
        assert_eq!(keys()[0].sign(domain(&vector).state_digest(next.hash())), mover);
        let call = |field| read::<Bytes>(&vector, field);
        assert_eq!(app::valid_transition(&state, &next), call("validTransition"));
        assert_eq!(app::verdict(&state), call("verdict"));
        assert_eq!(app::progress(&params, &state, &next, &mover), call("progress"));
        assert_eq!(calls::settle(&params, &next), call("settle"));
    }
}

#[test]
fn disputes_of_children() {
    for vector in vectors("child_disputes") {
        let (params, state, last) = (params(&vector), state(&vector), state_at(&vector, "final"));
        let terms = child_terms(&vector["terms"]);
        assert_eq!(child_terms_hash(&terms), params.child);
        let (sign, call) = (|field| signature(&vector, field), |field| read::<Bytes>(&vector, field));
        let digest = domain(&vector).activation_digest(state.channel);
        assert_eq!(digest, read::<B256>(&vector, "activationDigest"));
        let hub = SigningKey::from_bytes(read::<B256>(&vector, "hubKey").0).expect("a private key");
        assert_eq!(hub.address(), terms.hub);
        let activation = hub.sign(digest);
        assert_eq!(activation, sign("activation"));
        assert_eq!(hub.sign(domain(&vector).state_digest(last.hash())), sign("finalByHub"));

        let child = Child { params: &params, terms: &terms };
        let signatures = [sign("sig0"), sign("sig1")];
        let shown = Shown {
            state: &state,
            signatures: Some(&signatures),
            activation: Some(&activation),
            previous: None,
        };
        let challenge = sign("challenge");
        let challenger = Challenger::Participant(Side::Zero, Some(&challenge));
        assert_eq!(child.challenge(shown, challenger), call("challengeChild"));
        assert_eq!(child.respond(shown), call("respondChild"));
        let (resumes, by_hub) = ([sign("resume0"), sign("resume1")], sign("resumeByHub"));
        assert_eq!(child.resume(Record::of(&state), &resumes, Some(&by_hub)), call("resumeChild"));
        let finals = [sign("final0"), sign("final1")];
        assert_eq!(child.close(&last, &finals, Some(&sign("finalByHub"))), call("closeChild"));
        assert_eq!(child.progress_agreed(&state, &last, &finals), call("progressChild"));
        assert_eq!(child.settle(&state), call("settleChild"));
    }
}

fn child_terms(terms: &Value) -> ChildTerms {
    let amount = |field| Amount::new(read(terms, field)).expect("in range");
    ChildTerms {
        parent0: ChannelId(read(terms, "parent0")),
        version0: read(terms, "version0"),
        parent1: ChannelId(read(terms, "parent1")),
        version1: read(terms, "version1"),
        hub: read(terms, "hub"),
        end: read(terms, "end"),
        amounts: [amount("amount0"), amount("amount1")],
    }
}

#[test]
fn terms_of_children() {
    for vector in vectors("children") {
        let terms = &vector["terms"];
        let mut reference = reference::ChildTerms {
            parent0: read(terms, "parent0"),
            version0: read(terms, "version0"),
            parent1: read(terms, "parent1"),
            version1: read(terms, "version1"),
            hub: read(terms, "hub"),
            end: read(terms, "end"),
            amount0: read(terms, "amount0"),
            amount1: read(terms, "amount1"),
        };
        assert_eq!(reference.eip712_hash_struct(), read::<B256>(&vector, "child"), "{}", vector["name"]);
        let ours = ChildTerms {
            parent0: ChannelId(reference.parent0),
            version0: reference.version0,
            parent1: ChannelId(reference.parent1),
            version1: reference.version1,
            hub: reference.hub,
            end: reference.end,
            amounts: [largest(reference.amount0), largest(reference.amount1)],
        };
        [reference.amount0, reference.amount1] = ours.amounts.map(Amount::units);
        assert_eq!(child_terms_hash(&ours), reference.eip712_hash_struct(), "{}", vector["name"]);
    }
}
