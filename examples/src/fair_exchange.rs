//! A key for its price: `contracts/src/examples/FairExchange.sol`. The store delivers what it sells encrypted, and is paid
//! exactly when it reveals the key.

use strait_app::{AppCode, CodeError, NativeRules, Position};
use strait_types::{B256, Side, keccak256};

alloy_sol_types::sol! {
    /// Terms and state of a sale.
    #[derive(Debug, PartialEq, Eq)]
    struct Exchange {
        uint8 seller;
        uint128 price;
        bytes32 keyHash;
        bytes32 key;
    }
}

/// The contract's code, as committed.
///
/// # Errors
/// Never; a test reads it.
pub fn code() -> Result<AppCode, CodeError> {
    AppCode::from_artifact(include_str!("../../contracts/artifacts/FairExchange.json"))
}

/// The start of a sale for `price` of the first asset: the seller is to reveal the key with this hash.
pub fn start(seller: Side, price: u128, key_hash: B256, deltas: Vec<[i128; 2]>) -> Position<Exchange> {
    let data = Exchange { seller: seller as u8, price, keyHash: key_hash, key: B256::ZERO };
    Position { writer: seller, deltas, data }
}

/// What both agree on before the sale: the buyer has checked that what it received was encrypted with a key of this hash
/// as far as that can be checked.
pub fn key_hash(key: B256) -> B256 {
    keccak256(key)
}

/// Encrypts goods with a key that is used for nothing else, and decrypts them again: the keystream is the hashes of
/// key and block number.
pub fn crypt(key: B256, goods: &[u8]) -> Vec<u8> {
    let block = |number: u64| keccak256([key.as_slice(), &number.to_be_bytes()].concat());
    let blocks = (0..).zip(goods.chunks(32));
    blocks
        .flat_map(|(number, part)| part.iter().zip(block(number)).map(|(a, b)| a ^ b).collect::<Vec<_>>())
        .collect()
}

/// The seller shows the key and takes the price.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reveal(pub B256);

/// Why a key can't be revealed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Illegal {
    /// The seller reveals.
    #[error("only the seller reveals the key")]
    NotTheSeller,
    /// The sale is done.
    #[error("the key is revealed already")]
    Done,
    /// Another key than agreed.
    #[error("this is not the key that was agreed on")]
    WrongKey,
    /// A balance that can't be counted.
    #[error("the price is too high to be counted")]
    TooDear,
}

/// The rules.
#[derive(Clone, Copy, Debug)]
pub struct FairExchange;

impl NativeRules for FairExchange {
    type Data = Exchange;
    type Move = Reveal;
    type Illegal = Illegal;

    fn play(&self, before: &Position<Exchange>, chosen: &Reveal) -> Result<Position<Exchange>, Illegal> {
        let mut after = before.clone();
        if !before.data.key.is_zero() {
            return Err(Illegal::Done);
        }
        let seller = usize::from(before.data.seller);
        if before.writer.index() != seller {
            return Err(Illegal::NotTheSeller);
        }
        if chosen.0.is_zero() || key_hash(chosen.0) != before.data.keyHash {
            return Err(Illegal::WrongKey);
        }
        let [gains, pays] = [before.writer.index(), before.writer.other().index()];
        let first = after.deltas.first_mut().ok_or(Illegal::TooDear)?;
        let price = i128::try_from(before.data.price).map_err(|_| Illegal::TooDear)?;
        first[gains] = first[gains].checked_add(price).ok_or(Illegal::TooDear)?;
        first[pays] = first[pays].checked_sub(price).ok_or(Illegal::TooDear)?;
        after.data.key = chosen.0;
        after.writer = before.writer.other();
        Ok(after)
    }

    fn chosen(&self, _: &Position<Exchange>, next: &Position<Exchange>) -> Option<Reveal> {
        Some(Reveal(next.data.key))
    }

    /// What the state says: the price is paid in it, or not.
    fn verdict(&self, position: &Position<Exchange>) -> Option<Vec<[i128; 2]>> {
        Some(position.deltas.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goods_are_readable_with_the_key_only() {
        let key = B256::repeat_byte(7);
        let goods: Vec<u8> = (0..100).collect();
        let delivered = crypt(key, &goods);
        assert_ne!(delivered, goods);
        assert_ne!(delivered[..32], delivered[32..64], "blocks differ");
        assert_eq!(crypt(key, &delivered), goods);
        assert_ne!(crypt(B256::repeat_byte(8), &delivered), goods);
    }

    #[test]
    fn the_price_is_paid_for_the_right_key_only() {
        let key = B256::repeat_byte(7);
        let sale = start(Side::One, 30, key_hash(key), vec![[-10, 10]]);
        let paid = FairExchange.play(&sale, &Reveal(key)).expect("the key");
        assert_eq!((paid.deltas.clone(), paid.data.key), (vec![[-40, 40]], key));
        assert_eq!(FairExchange.play(&paid, &Reveal(key)), Err(Illegal::Done));
        assert_eq!(FairExchange.play(&sale, &Reveal(B256::repeat_byte(8))), Err(Illegal::WrongKey));
        let buyers = Position { writer: Side::Zero, ..sale };
        assert_eq!(FairExchange.play(&buyers, &Reveal(key)), Err(Illegal::NotTheSeller));
    }
}
