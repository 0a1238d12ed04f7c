//! All that a version does, and the hash that binds it.

use crate::operation::{MAX_OPERATIONS, Operation, Payment};
use crate::rule::Rule;
use borsh::{BorshDeserialize, BorshSerialize};
use std::io::{self, Read, Write};
use std::ops::Deref;
use std::sync::Arc;
use strait_types::{B256, Side, keccak256};

/// What a version does, in order. It is encoded once, and shared by all that need it: the history's hash, the journal,
/// the frame, the version in flight.
#[derive(Clone, Debug)]
pub struct Operations(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    list: Vec<Operation>,
    /// `borsh(Vec<Operation>)`.
    encoded: Vec<u8>,
}

impl Operations {
    /// The operations as a list; copied only where others hold them too.
    pub fn into_vec(self) -> Vec<Operation> {
        Arc::try_unwrap(self.0).map_or_else(|shared| shared.list.clone(), |parts| parts.list)
    }

    /// Bytes of their encoding.
    pub(crate) fn encoded_len(&self) -> usize {
        self.0.encoded.len()
    }

    /// The rolling hash after a version that does this; see [`history_hash`].
    pub(crate) fn history_hash(&self, history: B256, writer: Side, first_payment: u64) -> B256 {
        hash_encoded(history, writer, first_payment, &self.0.encoded)
    }
}

impl From<Vec<Operation>> for Operations {
    fn from(list: Vec<Operation>) -> Operations {
        let encoded = encode(&list);
        Operations(Arc::new(Parts { list, encoded }))
    }
}

impl<const N: usize> From<[Operation; N]> for Operations {
    fn from(list: [Operation; N]) -> Operations {
        Vec::from(list).into()
    }
}

impl FromIterator<Operation> for Operations {
    fn from_iter<I: IntoIterator<Item = Operation>>(operations: I) -> Operations {
        operations.into_iter().collect::<Vec<_>>().into()
    }
}

impl Deref for Operations {
    type Target = [Operation];

    fn deref(&self) -> &[Operation] {
        &self.0.list
    }
}

impl<'a> IntoIterator for &'a Operations {
    type Item = &'a Operation;
    type IntoIter = std::slice::Iter<'a, Operation>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl PartialEq for Operations {
    fn eq(&self, other: &Operations) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.list == other.0.list
    }
}

impl Eq for Operations {}

impl BorshSerialize for Operations {
    fn serialize<W: Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(&self.0.encoded)
    }
}

impl BorshDeserialize for Operations {
    /// Reads no more operations than a version may have: in memory they are many times as large as on the wire.
    fn deserialize_reader<R: Read>(reader: &mut R) -> io::Result<Operations> {
        let count = u32::deserialize_reader(reader)?;
        let count = usize::try_from(count).ok().filter(|count| *count <= MAX_OPERATIONS);
        let too_many = || io::Error::new(io::ErrorKind::InvalidData, Rule::TooManyOperations.to_string());
        let operations = (0..count.ok_or_else(too_many)?).map(|_| Operation::deserialize_reader(reader));
        Ok(operations.collect::<io::Result<Vec<_>>>()?.into())
    }
}

/// The payments of a version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Payments(Operations);

impl Payments {
    /// Those among its operations.
    pub fn among(operations: Operations) -> Payments {
        Payments(operations)
    }

    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = &Payment> {
        self.0.iter().filter_map(|operation| match operation {
            Operation::Pay(payment) => Some(payment),
            _ => None,
        })
    }
}

/// The rolling hash after a version:
/// `keccak256(history ‖ borsh(writer: u8, first_payment: u64, operations: Vec<Operation>))`, where
/// `first_payment` is how many payments the writer had made before.
pub fn history_hash(history: B256, writer: Side, first_payment: u64, operations: &[Operation]) -> B256 {
    hash_encoded(history, writer, first_payment, &encode(operations))
}

fn hash_encoded(history: B256, writer: Side, first_payment: u64, encoded: &[u8]) -> B256 {
    let mut bytes = Vec::with_capacity(encoded.len().saturating_add(64));
    bytes.extend_from_slice(history.as_slice());
    bytes.push(writer as u8);
    bytes.extend_from_slice(&first_payment.to_le_bytes());
    bytes.extend_from_slice(encoded);
    keccak256(&bytes)
}

fn encode(operations: &[Operation]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(operations.len().saturating_mul(40).saturating_add(4));
    // Writing to a Vec cannot fail.
    let _infallible = operations.serialize(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use strait_types::{Amount, AssetIndex};

    fn pay(memo: &[u8]) -> Operation {
        let (asset, amount) = (AssetIndex(0), Amount::from(7));
        Operation::Pay(Payment { asset, amount, invoice: None, memo: memo.to_vec() })
    }

    #[test]
    fn are_encoded_as_a_list_is() {
        let list = vec![pay(b"one"), pay(b""), Operation::HandOver];
        let operations = Operations::from(list.clone());
        let bytes = borsh::to_vec(&operations).expect("to memory");
        assert_eq!(bytes, borsh::to_vec(&list).expect("to memory"));
        assert_eq!(borsh::from_slice::<Operations>(&bytes).expect("just written"), operations);
        let hash = operations.history_hash(B256::repeat_byte(3), Side::One, 9);
        assert_eq!(hash, history_hash(B256::repeat_byte(3), Side::One, 9, &list));
    }

    #[test]
    fn a_shared_list_stays_whole_when_it_is_taken() {
        let operations = Operations::from([pay(b"one")]);
        let shared = operations.clone();
        assert_eq!(operations.into_vec(), [pay(b"one")]);
        assert_eq!(shared.into_vec(), [pay(b"one")]);
    }
}
