//! An invoice as text: `straitinvoice1` and Bech32m, whose checksum finds typing errors. Inside are the terms and the
//! payee's signature on them.

use super::{MAX_SECONDS, payee_of};
use bech32::{Bech32m, Checksum, Hrp};
use borsh::{BorshDeserialize, BorshSerialize};
use strait_api::{ApiError, ErrorCode, InvoiceTerms};
use strait_engine::ports::Signer;
use strait_types::{Address, Amount, B256, Signature, keccak256};

const PREFIX: &str = "straitinvoice";
/// What is signed begins with this: nothing else that the key signs does. 0x19 makes it no transaction, the letter no
/// EIP-712 or EIP-191 message of another kind.
const SIGNED: &[u8] = b"\x19Strait invoice, format 1:\n";
/// No invoice ends later, in Unix seconds: the end of the year 9999.
const LATEST_END: u64 = 253_402_300_799;
/// Longest text that is looked at.
const MAX_TEXT: usize = 4_096;

/// Bech32m for texts beyond its usual length; the checksum is the same.
enum LongBech32m {}

impl Checksum for LongBech32m {
    type MidstateRepr = <Bech32m as Checksum>::MidstateRepr;
    const CODE_LENGTH: usize = MAX_TEXT;
    const CHECKSUM_LENGTH: usize = Bech32m::CHECKSUM_LENGTH;
    const GENERATOR_SH: [u32; 5] = Bech32m::GENERATOR_SH;
    const TARGET_RESIDUE: u32 = Bech32m::TARGET_RESIDUE;
}

/// What is signed, in order.
#[derive(BorshSerialize, BorshDeserialize)]
struct Terms {
    id: [u8; 32],
    payee: String,
    chain_id: u64,
    adjudicator: [u8; 20],
    asset: [u8; 20],
    amount: Amount,
    description: String,
    created: u64,
    expires: u64,
}

pub(super) fn invalid(why: &str) -> ApiError {
    ApiError::new(ErrorCode::InvalidInvoice, format!("this is no valid invoice: {why}"))
}

fn digest(body: &[u8]) -> B256 {
    keccak256([SIGNED, body].concat())
}

pub(super) fn write(terms: &InvoiceTerms, signer: &dyn Signer) -> Result<String, ApiError> {
    let inner = Terms {
        id: terms.id.0,
        payee: terms.payee.clone(),
        chain_id: terms.chain_id,
        adjudicator: terms.adjudicator.into(),
        asset: terms.asset.into(),
        amount: terms.amount,
        description: terms.description.clone(),
        created: terms.created,
        expires: terms.expires,
    };
    // Writing to a Vec cannot fail.
    let body = borsh::to_vec(&inner).unwrap_or_default();
    let signature = signer
        .sign(digest(&body))
        .map_err(|error| ApiError::new(ErrorCode::KeyUnavailable, error.to_string()))?;
    let bytes = [&signature.0[..], &body].concat();
    let hrp = Hrp::parse(PREFIX).map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?;
    bech32::encode_lower::<LongBech32m>(hrp, &bytes).map_err(|error| {
        ApiError::new(ErrorCode::InvalidParams, format!("the invoice cannot be written: {error}"))
            .hint("shorten the description")
    })
}

/// Reads anybody's invoice and checks the signature. What it asks for may be past, or of another chain.
///
/// # Errors
/// `InvalidInvoice`, with what is wrong.
pub fn read(text: &str) -> Result<InvoiceTerms, ApiError> {
    let text = text.trim();
    if text.len() > MAX_TEXT {
        return Err(invalid("it is too long"));
    }
    let parsed = bech32::primitives::decode::CheckedHrpstring::new::<LongBech32m>(text)
        .map_err(|_| invalid("a character is wrong or missing"))?;
    if parsed.hrp().to_lowercase() != PREFIX {
        return Err(invalid("it does not start with straitinvoice1"));
    }
    let bytes: Vec<u8> = parsed.byte_iter().collect();
    let Some((signature, body)) = bytes.split_first_chunk::<64>() else {
        return Err(invalid("it is too short"));
    };
    let inner: Terms =
        borsh::from_slice(body).map_err(|_| invalid("it is of a format that this release cannot read"))?;
    let terms = InvoiceTerms {
        id: inner.id.into(),
        payee: inner.payee,
        chain_id: inner.chain_id,
        adjudicator: Address::from(inner.adjudicator),
        asset: Address::from(inner.asset),
        amount: inner.amount,
        description: inner.description,
        created: inner.created,
        expires: inner.expires,
    };
    let payee = payee_of(&terms)?;
    let signed = Signature(*signature).verify(digest(body), payee);
    signed.map_err(|_| invalid("it is not signed by its payee"))?;
    if terms.amount.is_zero() {
        return Err(invalid("it asks for nothing"));
    }
    // The payer remembers it until its end.
    let lasts = terms.expires.checked_sub(terms.created);
    if lasts.is_none_or(|seconds| seconds > MAX_SECONDS) || terms.expires > LATEST_END {
        return Err(invalid("it can be paid for longer than a year, or has ended before it was made"));
    }
    Ok(terms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use strait_types::SigningKey;

    fn terms(payee: &SigningKey) -> InvoiceTerms {
        InvoiceTerms {
            id: B256::repeat_byte(7),
            payee: format!("strait://{}@example.org:4040", payee.address()),
            chain_id: 1,
            adjudicator: Address::repeat_byte(1),
            asset: Address::ZERO,
            amount: Amount::from(5),
            description: "tea, 日本茶".repeat(20),
            created: 1_800_000_000,
            expires: 1_800_003_600,
        }
    }

    fn key(byte: u8) -> SigningKey {
        SigningKey::from_bytes([byte; 32]).expect("in range")
    }

    #[test]
    fn is_read_as_it_was_written_in_either_case() {
        let terms = terms(&key(1));
        let text = write(&terms, &key(1)).expect("written");
        assert!(text.starts_with("straitinvoice1"), "{text}");
        assert_eq!(read(&text), Ok(terms.clone()));
        assert_eq!(read(&format!(" {}\n", text.to_uppercase())), Ok(terms));
    }

    #[test]
    fn every_single_wrong_character_is_found() {
        let text = write(&terms(&key(1)), &key(1)).expect("written");
        for at in 0..text.len() {
            let mut wrong = text.clone().into_bytes();
            wrong[at] = if wrong[at] == b'q' { b'p' } else { b'q' };
            let wrong = String::from_utf8(wrong).expect("text");
            let error = read(&wrong).expect_err("wrong");
            assert_eq!(error.code, ErrorCode::InvalidInvoice, "at {at}");
        }
        for text in ["", "straitinvoice1", "lnbc1", &text[..text.len() - 1]] {
            assert_eq!(read(text).expect_err("no invoice").code, ErrorCode::InvalidInvoice);
        }
    }

    #[test]
    fn one_that_hardly_ends_is_refused() {
        for (created, expires) in [(0, u64::MAX), (u64::MAX - 5, u64::MAX), (5, 4), (0, MAX_SECONDS + 1)] {
            let terms = InvoiceTerms { created, expires, ..terms(&key(1)) };
            let error = read(&write(&terms, &key(1)).expect("written")).expect_err("endless");
            assert_eq!(error.code, ErrorCode::InvalidInvoice, "{created} {expires}");
        }
    }

    #[test]
    fn another_ones_signature_does_not_count() {
        let text = write(&terms(&key(1)), &key(2)).expect("written");
        let error = read(&text).expect_err("forged");
        assert!(error.message.contains("not signed by its payee"), "{error}");
    }
}
