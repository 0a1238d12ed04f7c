//! Key files of other wallets open, ours open again, and nothing else does.

use super::*;
use std::os::unix::fs::PermissionsExt;

/// The test vectors of the Web3 Secret Storage definition.
const PBKDF2: &str = r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"6087dab2f9fdbbfaddc31a909735c1e6"},"ciphertext":"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46","kdf":"pbkdf2","kdfparams":{"c":262144,"dklen":32,"prf":"hmac-sha256","salt":"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},"mac":"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"},"id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}"#;
const SCRYPT: &str = r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"83dbcc02d8ccb40e466191a123791e0e"},"ciphertext":"d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c","kdf":"scrypt","kdfparams":{"dklen":32,"n":262144,"p":8,"r":1,"salt":"ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19"},"mac":"2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097"},"id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}"#;
const SECRET: &str = "0x7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";
const PASSWORD: &str = "testpassword";

#[test]
fn files_of_other_wallets_open() {
    for text in [PBKDF2, SCRYPT] {
        let file = KeyFile::parse(text).expect("a key file");
        let secret = file.decrypt(PASSWORD).expect("the password is right");
        assert_eq!(secret.to_hex().as_str(), SECRET);
        assert!(matches!(file.decrypt("testpassworD"), Err(KeystoreError::WrongPassword)));
    }
}

fn light() -> (Secret, KeyFile) {
    let secret = Secret::random().expect("random");
    let file = KeyFile::encrypt(&secret, "correct horse", Cost::Light).expect("encrypted");
    (secret, file)
}

#[test]
fn what_is_encrypted_is_decrypted_by_its_password_alone() {
    let (secret, file) = light();
    let read = KeyFile::parse(&file.render().expect("JSON")).expect("a key file");
    assert_eq!(read.decrypt("correct horse").expect("right").to_hex(), secret.to_hex());
    assert_eq!(read.address(), secret.address().ok());
    for wrong in ["", "correct horse ", "Correct horse"] {
        assert!(matches!(read.decrypt(wrong), Err(KeystoreError::WrongPassword)), "{wrong:?}");
    }
    assert!(matches!(KeyFile::encrypt(&secret, "", Cost::Light), Err(KeystoreError::EmptyPassword)));
}

#[test]
fn two_files_of_one_key_have_nothing_in_common() {
    let (secret, first) = light();
    let second = KeyFile::encrypt(&secret, "correct horse", Cost::Light).expect("encrypted");
    let value = |file: &KeyFile| serde_json::to_value(file).expect("JSON");
    let (first, second) = (value(&first), value(&second));
    for field in ["ciphertext", "mac"] {
        assert_ne!(first["crypto"][field], second["crypto"][field]);
    }
    assert_ne!(first["id"], second["id"]);
    let id = first["id"].as_str().expect("a text");
    assert_eq!((id.len(), id.chars().nth(14)), (36, Some('4')));
}

/// The file with one value replaced.
fn tampered(path: &str, value: serde_json::Value) -> Result<Secret, KeystoreError> {
    let (_, file) = light();
    let mut json = serde_json::to_value(file).expect("JSON");
    *json.pointer_mut(path).expect("there") = value;
    KeyFile::parse(&json.to_string())?.decrypt("correct horse")
}

#[test]
fn a_tampered_file_is_refused_without_harm() {
    use serde_json::json;
    let huge = tampered("/crypto/kdfparams/n", json!(1u64 << 40));
    assert!(matches!(huge, Err(KeystoreError::TooCostly(_))));
    assert!(matches!(tampered("/crypto/kdfparams/r", json!(u32::MAX)), Err(KeystoreError::TooCostly(_))));
    assert!(matches!(tampered("/crypto/kdfparams/p", json!(u32::MAX)), Err(KeystoreError::TooCostly(_))));
    let other = tampered("/address", json!("00".repeat(20)));
    assert!(matches!(other, Err(KeystoreError::OtherAddress { .. })));
    for (path, value) in [
        ("/version", json!(1)),
        ("/crypto/cipher", json!("aes-256-gcm")),
        ("/crypto/kdfparams/n", json!(1000)),
        ("/crypto/kdfparams/n", json!(0)),
        ("/crypto/kdfparams/r", json!(0)),
        ("/crypto/kdfparams/dklen", json!(16)),
        ("/crypto/cipherparams/iv", json!("00")),
        ("/crypto/ciphertext", json!("zz")),
    ] {
        assert!(matches!(tampered(path, value), Err(KeystoreError::Malformed(_))), "{path}");
    }
    let flipped = tampered("/crypto/ciphertext", json!("00".repeat(32)));
    assert!(matches!(flipped, Err(KeystoreError::WrongPassword)));
    assert!(matches!(KeyFile::parse("{}"), Err(KeystoreError::Malformed(_))));
}

#[test]
fn a_file_is_for_its_owner_alone_and_never_overwritten() {
    let home = tempfile::tempdir().expect("a directory");
    let path = home.path().join("keys").join("node.json");
    let (secret, file) = light();
    save(&path, &file).expect("saved");
    let mode = |path: &std::path::Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&home.path().join("keys"))), (0o600, 0o700));
    assert!(matches!(save(&path, &light().1), Err(KeystoreError::Exists(_))));
    assert_eq!(read_address(&path).ok(), secret.address().ok());
    assert_eq!(list(&home.path().join("keys")).expect("readable"), ["node"]);
    assert!(list(&home.path().join("none")).expect("no directory, no keys").is_empty());
    assert!(matches!(load(&home.path().join("none.json")), Err(KeystoreError::Missing(_))));
}

#[test]
fn private_keys_are_read_from_hex() {
    assert_eq!(Secret::from_hex(SECRET).expect("a key").to_hex().as_str(), SECRET);
    assert!(Secret::from_hex(&SECRET[2..]).is_ok());
    for wrong in ["", "0x12", &"0".repeat(64), &"f".repeat(64), &"g".repeat(64)] {
        assert!(matches!(Secret::from_hex(wrong), Err(KeystoreError::NoKey(_))), "{wrong}");
    }
    let secret = Secret::from_hex(SECRET).expect("a key");
    assert!(!format!("{secret:?}").contains("7a28"));
}
