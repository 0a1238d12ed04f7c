//! What lies on the disk, and a fault of the disk, or somebody with an editor, has changed.

use crate::Features;
use std::fs;
use std::path::Path;
use strait_engine::ports::{Batch, Kind, Store};
use strait_node::keystore::KeyFile;
use strait_protocol::{Channel, Record, Settings};
use strait_store::SqliteStore;
use strait_types::{Address, B256, ChannelParams, Participant, Side};

const NOTHING: [&[u8]; 0] = [];

pub(super) fn record(bytes: &[u8], features: &mut Features) -> Result<(), String> {
    let read = Record::decode(bytes);
    features.outcome("record", &read);
    let Ok(record) = read else { return Ok(()) };
    features.note("is", format!("{record:?}").split([' ', '(']).next().unwrap_or_default());
    let again = borsh::to_vec(&record).map_err(|error| error.to_string())?;
    if again == bytes { Ok(()) } else { Err("a record is written as other bytes".into()) }
}

pub(super) fn snapshot(bytes: &[u8], features: &mut Features) -> Result<(), String> {
    let read = Channel::recover(Some(bytes), NOTHING);
    features.outcome("snapshot", &read);
    let Ok(channel) = read else { return Ok(()) };
    let again = Channel::recover(Some(&channel.snapshot()), NOTHING).map_err(|error| error.to_string())?;
    if again.snapshot() != channel.snapshot() {
        return Err("a snapshot is read as another channel".into());
    }
    // What was damaged on disk may be nonsense, and is shown all the same.
    features.note("phase", channel.view().phase);
    let _ = (channel.next_tick(), channel.needs_attention(), channel.lock_hashes());
    Ok(())
}

/// Records that are cut out of the bytes, the first of them sound.
pub(super) fn journal(bytes: &[u8], features: &mut Features) -> Result<(), String> {
    let (_, opened) = begun();
    let records = std::iter::once(opened.as_slice()).chain(bytes.chunks(1 + bytes.len() / 3));
    let read = Channel::recover(None, records);
    features.outcome("journal", &read);
    // A record that is whole, and out of place.
    let read = Channel::recover(None, [opened.as_slice(), bytes]);
    features.outcome("journal of one", &read);
    read.map_or(Ok(()), |channel| {
        features.note("phase", channel.view().phase);
        Ok(())
    })
}

/// A snapshot, and the record that a journal begins with.
pub(super) fn begun() -> (Vec<u8>, Vec<u8>) {
    let (channel, record) = open();
    (channel.snapshot(), borsh::to_vec(&record).unwrap_or_default())
}

fn open() -> (Channel, Record) {
    let participant =
        |byte| Participant { signer: Address::repeat_byte(byte), payout: Address::repeat_byte(byte) };
    let params = ChannelParams {
        participants: [participant(1), participant(2)],
        challenge_duration: 3_600,
        nonce: 1,
        app: Address::ZERO,
        child: B256::ZERO,
        assets: vec![Address::ZERO],
    };
    let id = params.id(1, Address::repeat_byte(9));
    Channel::open(id, params, Side::Zero, Settings::default())
}

/// Files of a data directory one after the other, each after its name's number and its length.
pub(super) fn databases() -> Vec<Vec<u8>> {
    let made = || -> Result<Vec<u8>, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let directory = tempfile::tempdir().map_err(|error| text(&error))?;
        let path = directory.path().join("data");
        let mut store = SqliteStore::open(&path).map_err(|error| text(&error))?;
        let (channel, record) = open();
        let record = borsh::to_vec(&record).map_err(|error| text(&error))?;
        for number in 0..3u8 {
            let mut batch = Batch::default();
            batch.record(channel.id(), Kind::History, record.clone());
            batch.set_meta("key", vec![number]);
            store.commit(&batch).map_err(|error| text(&error))?;
        }
        drop(store);
        read_files(&path).map_err(|error| text(&error))
    };
    made().into_iter().collect()
}

fn read_files(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut names: Vec<_> = fs::read_dir(path)?.filter_map(Result::ok).map(|entry| entry.path()).collect();
    names.sort();
    let mut all = Vec::new();
    for file in names {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let content = fs::read(&file)?;
        all.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        all.extend(name.bytes());
        all.extend(u32::try_from(content.len()).unwrap_or(u32::MAX).to_le_bytes());
        all.extend(content);
    }
    Ok(all)
}

/// Takes a file off the front.
fn next_file<'a>(bytes: &mut &'a [u8]) -> Option<(String, &'a [u8])> {
    let (length, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*length))?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (content, rest) = rest.split_at(rest.len().min(u32::from_le_bytes(*length) as usize));
    *bytes = rest;
    Some((String::from_utf8(name.to_vec()).ok()?, content))
}

/// A data directory, or a backup of one.
pub(super) fn database(mut bytes: &[u8], features: &mut Features) -> Result<(), String> {
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let path = directory.path().join("data");
    fs::create_dir(&path).map_err(|error| error.to_string())?;
    while let Some((name, content)) = next_file(&mut bytes) {
        if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-')
            && name != ".."
        {
            let _ = fs::write(path.join(name), content);
        }
    }
    match SqliteStore::open(&path) {
        Err(error) => features.note("refused", error.to_string().replace(&*path.to_string_lossy(), "")),
        Ok(store) => {
            let mut channels = 0;
            let read = store.recover(&mut |_| channels += 1);
            features.note("read", if read.is_ok() { "all" } else { "in part" });
            features.note("channels", if channels > 0 { "some" } else { "none" });
        }
    }
    Ok(())
}

pub(super) fn keystore(bytes: &[u8], features: &mut Features) -> Result<(), String> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(()) };
    let read = KeyFile::parse(text);
    features.outcome("keystore", &read);
    let Ok(file) = read else { return Ok(()) };
    let _ = file.address();
    let again = file.render().map_err(|error| error.to_string())?;
    KeyFile::parse(&again).map(drop).map_err(|error| format!("what it wrote it does not read: {error}"))?;
    // Small work only: the bounds on large work have a test of their own.
    let is_quick =
        !text.contains("\"n\"") || ["\"n\":2,", "\"n\":1,", "\"n\":0,"].iter().any(|n| text.contains(n));
    if is_quick && !text.contains("\"c\"") {
        features.outcome("decrypted", &file.decrypt("password"));
    }
    Ok(())
}

pub(super) const KEYSTORES: &[&str] = &[
    r#"{"version":3,"id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","address":"008aeeda4d805471df9b2a5b0f38a0c3bcba786b","crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"83dbcc02d8ccb40e466191a123791e0e"},"ciphertext":"d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c","kdf":"scrypt","kdfparams":{"dklen":32,"n":2,"r":1,"p":8,"salt":"ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19"},"mac":"2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097"}}"#,
    r#"{"version":3,"id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"6087dab2f9fdbbfaddc31a909735c1e6"},"ciphertext":"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46","kdf":"pbkdf2","kdfparams":{"c":262144,"dklen":32,"prf":"hmac-sha256","salt":"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},"mac":"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"}}"#,
];
