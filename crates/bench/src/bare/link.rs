//! What the two send each other: as many bytes as the product's frames, and only what is needed in them.

use crate::chain;
use anyhow::{Context as _, Result};
use std::io::Read;
use strait_types::{Address, B256, ChannelId, Domain, Signature, SigningKey, State, Version, keccak256};

/// Bytes of an update beside its payments, with the frame's own header.
const UPDATE: usize = 165;
/// Bytes of an acknowledgement, likewise.
pub(super) const ACKNOWLEDGEMENT: usize = 120;
/// Bytes of a payment with a memo of 8 bytes.
pub(super) const PAYMENT: usize = 31;

/// A party's key and what it needs to check the other's.
pub(super) struct Keys {
    own: SigningKey,
    peer: Address,
    domain: Domain,
}

impl Keys {
    pub(super) fn new(own: u64, peer: u64) -> Keys {
        Keys { own: chain::key(own), peer: chain::key(peer).address(), domain: chain::domain() }
    }

    pub(super) fn sign(&self, digest: B256) -> Signature {
        self.own.sign(digest)
    }

    pub(super) fn check(&self, digest: B256, signature: &Signature) -> Result<()> {
        signature.verify(digest, self.peer).context("the other party signed something else")
    }

    /// What is signed of a version.
    pub(super) fn digest(&self, state: &State) -> B256 {
        self.domain.state_digest(state.hash())
    }
}

/// The state of a channel by its number.
pub(super) fn state(channel: u32) -> State {
    State::zero(ChannelId(B256::left_padding_from(&channel.to_be_bytes())), 1)
}

/// The state after some operations.
pub(super) fn advance(state: &mut State, operations: &[u8], payments: usize) {
    let mut hashed = Vec::with_capacity(operations.len() + 45);
    hashed.extend_from_slice(state.history.as_slice());
    hashed.extend_from_slice(&[0; 13]);
    hashed.extend_from_slice(operations);
    state.history = keccak256(&hashed);
    state.version = Version(state.version.0 + 1);
    for allocation in &mut state.allocations {
        allocation.delta[0] -= payments as i128;
        allocation.delta[1] += payments as i128;
    }
}

/// Either message: a header with channel, version, signature and the operations' length, and these.
pub(super) struct Frame {
    pub(super) channel: u32,
    pub(super) version: u64,
    pub(super) signature: Signature,
    pub(super) operations: Vec<u8>,
}

impl Frame {
    pub(super) fn append_to(&self, bytes: &mut Vec<u8>) {
        let size = if self.operations.is_empty() { ACKNOWLEDGEMENT } else { UPDATE };
        let start = bytes.len();
        bytes.extend_from_slice(&self.channel.to_le_bytes());
        bytes.extend_from_slice(&self.version.to_le_bytes());
        bytes.extend_from_slice(&(self.operations.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&self.signature.0);
        bytes.resize(start + size, 0);
        bytes.extend_from_slice(&self.operations);
    }
}

/// Frames out of a stream, as many at a time as have come.
pub(super) struct Frames<R> {
    stream: R,
    bytes: Vec<u8>,
    used: usize,
    filled: usize,
}

impl<R: Read> Frames<R> {
    pub(super) fn new(stream: R) -> Frames<R> {
        Frames { stream, bytes: vec![0; 1 << 20], used: 0, filled: 0 }
    }

    /// Waits for more bytes. `None`: the stream has ended.
    pub(super) fn wait(&mut self) -> Option<usize> {
        self.bytes.copy_within(self.used..self.filled, 0);
        self.filled -= self.used;
        self.used = 0;
        if self.filled == self.bytes.len() {
            self.bytes.resize(self.filled * 2, 0);
        }
        let count = self.stream.read(&mut self.bytes[self.filled..]).ok().filter(|count| *count > 0)?;
        self.filled += count;
        Some(count)
    }

    /// The next frame that is there as a whole.
    pub(super) fn next(&mut self) -> Option<Frame> {
        let bytes = self.bytes.get(self.used..self.filled)?;
        let length = u32::from_le_bytes(bytes.get(12..16)?.try_into().ok()?) as usize;
        let header = if length == 0 { ACKNOWLEDGEMENT } else { UPDATE };
        let operations = bytes.get(header..header + length)?.to_vec();
        self.used += header + length;
        Some(Frame {
            channel: u32::from_le_bytes(bytes[..4].try_into().ok()?),
            version: u64::from_le_bytes(bytes[4..12].try_into().ok()?),
            signature: Signature(bytes[16..80].try_into().ok()?),
            operations,
        })
    }
}
