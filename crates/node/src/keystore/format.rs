//! Web3 Secret Storage, version 3.

use super::{KeystoreError, Secret, fill};
use aes::Aes128;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use strait_types::{Address, B256, keccak256};
use zeroize::Zeroizing;

const VERSION: u8 = 3;
const KEY_BYTES: usize = 32;
/// Four times what wallets use; more would only serve to exhaust the machine.
const MAX_SCRYPT_BYTES: u64 = 1 << 30;
const MAX_SCRYPT_WORK: u64 = 1 << 31;
const MAX_PBKDF2_ROUNDS: u32 = 10_000_000;

/// How much work an attacker has with each guess of the password, and the owner once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cost {
    /// What wallets use: 256 MiB and about a second.
    Wallet,
    /// Next to nothing: for keys that everybody knows, and for tests.
    Light,
}

/// A key file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeyFile {
    /// The key's address in hex without `0x`; some wallets leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(alias = "Crypto")]
    crypto: Crypto,
    id: String,
    version: u8,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Crypto {
    cipher: String,
    cipherparams: CipherParams,
    ciphertext: String,
    #[serde(flatten)]
    kdf: Kdf,
    mac: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct CipherParams {
    iv: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kdf", content = "kdfparams", rename_all = "lowercase")]
enum Kdf {
    Scrypt { dklen: usize, n: u64, r: u32, p: u32, salt: String },
    Pbkdf2 { dklen: usize, c: u32, prf: String, salt: String },
}

impl KeyFile {
    /// Encrypts a key.
    ///
    /// # Errors
    /// When the password is empty, or the system gives no random bytes.
    pub fn encrypt(secret: &Secret, password: &str, cost: Cost) -> Result<KeyFile, KeystoreError> {
        if password.is_empty() {
            return Err(KeystoreError::EmptyPassword);
        }
        let (mut salt, mut iv, mut id) = ([0; 32], [0; 16], [0; 16]);
        fill(&mut salt)?;
        fill(&mut iv)?;
        fill(&mut id)?;
        let n = match cost {
            Cost::Wallet => 1 << 18,
            Cost::Light => 1 << 10,
        };
        let kdf = Kdf::Scrypt { dklen: KEY_BYTES, n, r: 8, p: 1, salt: encode(&salt) };
        let derived = kdf.derive(password)?;
        let mut ciphertext = *secret.bytes();
        apply_cipher(&derived, &iv, &mut ciphertext);
        Ok(KeyFile {
            address: Some(encode(secret.address()?.as_slice())),
            crypto: Crypto {
                cipher: "aes-128-ctr".into(),
                cipherparams: CipherParams { iv: encode(&iv) },
                ciphertext: encode(&ciphertext),
                kdf,
                mac: encode(mac(&derived, &ciphertext).as_slice()),
            },
            id: uuid(id),
            version: VERSION,
        })
    }

    /// Reads a file's text.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(text: &str) -> Result<KeyFile, KeystoreError> {
        let file: KeyFile =
            serde_json::from_str(text).map_err(|error| KeystoreError::Malformed(error.to_string()))?;
        if file.version != VERSION {
            return Err(KeystoreError::Malformed(format!("it has version {}, not {VERSION}", file.version)));
        }
        Ok(file)
    }

    /// The file's text.
    ///
    /// # Errors
    /// Never in practice: it has nothing that JSON cannot hold.
    pub fn render(&self) -> Result<String, KeystoreError> {
        serde_json::to_string_pretty(self).map_err(|error| KeystoreError::Malformed(error.to_string()))
    }

    /// The address that the file names, if it does. Nothing proves it before the key is decrypted.
    pub fn address(&self) -> Option<Address> {
        let bytes: [u8; 20] = decode(self.address.as_deref()?, "the address").ok()?;
        Some(Address::from(bytes))
    }

    /// Decrypts the key.
    ///
    /// # Errors
    /// [`KeystoreError::WrongPassword`], or what is wrong with the file.
    pub fn decrypt(&self, password: &str) -> Result<Secret, KeystoreError> {
        let crypto = &self.crypto;
        if crypto.cipher != "aes-128-ctr" {
            return Err(KeystoreError::Malformed(format!("its cipher {} is not aes-128-ctr", crypto.cipher)));
        }
        let iv: [u8; 16] = decode(&crypto.cipherparams.iv, "the iv")?;
        let mut text = Zeroizing::new(decode::<KEY_BYTES>(&crypto.ciphertext, "the ciphertext")?);
        let expected: [u8; 32] = decode(&crypto.mac, "the mac")?;
        let derived = crypto.kdf.derive(password)?;
        if mac(&derived, text.as_slice()) != B256::from(expected) {
            return Err(KeystoreError::WrongPassword);
        }
        apply_cipher(&derived, &iv, &mut text);
        let secret = Secret::new(*text)?;
        let held = secret.address()?;
        match self.address() {
            Some(named) if named != held => Err(KeystoreError::OtherAddress { named, held }),
            _ => Ok(secret),
        }
    }
}

type Derived = Zeroizing<[u8; KEY_BYTES]>;

impl Kdf {
    fn derive(&self, password: &str) -> Result<Derived, KeystoreError> {
        let mut derived = Zeroizing::new([0; KEY_BYTES]);
        let malformed = |text: &str| KeystoreError::Malformed(text.into());
        match self {
            Kdf::Scrypt { dklen, n, r, p, salt } => {
                if *dklen != KEY_BYTES {
                    return Err(malformed("dklen is not 32"));
                }
                if !n.is_power_of_two() || *n < 2 {
                    return Err(malformed("scrypt's n is no power of two"));
                }
                let memory = n.saturating_mul(u64::from(*r)).saturating_mul(128);
                if memory > MAX_SCRYPT_BYTES || u64::from(*p).saturating_mul(u64::from(*r)) > 1 << 16 {
                    return Err(KeystoreError::TooCostly("more than 1 GiB of memory"));
                }
                if memory.saturating_mul(u64::from(*p)) > MAX_SCRYPT_WORK {
                    return Err(KeystoreError::TooCostly("minutes of work"));
                }
                let log_n = u8::try_from(n.trailing_zeros()).unwrap_or(u8::MAX);
                let params =
                    scrypt::Params::new(log_n, *r, *p).map_err(|_| malformed("scrypt's parameters"))?;
                let salt = decode_any(salt, "the salt")?;
                scrypt::scrypt(password.as_bytes(), &salt, &params, derived.as_mut_slice())
                    .map_err(|_| malformed("scrypt's parameters"))?;
            }
            Kdf::Pbkdf2 { dklen, c, prf, salt } => {
                if *dklen != KEY_BYTES || *c == 0 {
                    return Err(malformed("pbkdf2's parameters"));
                }
                if prf != "hmac-sha256" {
                    return Err(malformed("pbkdf2's prf is not hmac-sha256"));
                }
                if *c > MAX_PBKDF2_ROUNDS {
                    return Err(KeystoreError::TooCostly("more than 10,000,000 rounds"));
                }
                let salt = decode_any(salt, "the salt")?;
                pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), &salt, *c, derived.as_mut_slice());
            }
        }
        Ok(derived)
    }
}

/// The same for both directions.
fn apply_cipher(derived: &Derived, iv: &[u8; 16], text: &mut [u8; KEY_BYTES]) {
    let mut key = Zeroizing::new([0; 16]);
    key.iter_mut().zip(derived.iter()).for_each(|(to, from)| *to = *from);
    Ctr128BE::<Aes128>::new((&*key).into(), iv.into()).apply_keystream(text);
}

fn mac(derived: &Derived, ciphertext: &[u8]) -> B256 {
    let mut preimage = Zeroizing::new(Vec::with_capacity(48));
    preimage.extend(derived.iter().skip(16));
    preimage.extend_from_slice(ciphertext);
    keccak256(preimage.as_slice())
}

fn encode(bytes: &[u8]) -> String {
    alloy_primitives::hex::encode(bytes)
}

fn decode_any(text: &str, what: &str) -> Result<Vec<u8>, KeystoreError> {
    alloy_primitives::hex::decode(text).map_err(|_| KeystoreError::Malformed(format!("{what} is not hex")))
}

fn decode<const N: usize>(text: &str, what: &str) -> Result<[u8; N], KeystoreError> {
    let bytes = decode_any(text, what)?;
    bytes.try_into().map_err(|_| KeystoreError::Malformed(format!("{what} has not {N} bytes")))
}

/// Version 4, random.
fn uuid(bytes: [u8; 16]) -> String {
    let number = u128::from_be_bytes(bytes);
    let number = (number & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{number:032x}");
    let mut text = String::with_capacity(36);
    for (index, digit) in hex.chars().enumerate() {
        if matches!(index, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    text
}
