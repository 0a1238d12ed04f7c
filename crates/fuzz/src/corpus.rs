//! Inputs that are kept, one a line in hexadecimal digits: `corpus/TARGET.hex` holds those that showed something new,
//! `regressions/TARGET.hex` those that once found a fault.

use std::fmt::Write;
use std::path::PathBuf;
use std::{fs, io};

/// Longest input that is kept, in bytes.
const LONGEST: usize = 1_500;

/// Lowercase digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Bytes of digits, with or without `0x`; `None` if they are none.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let byte = |at: usize| digits.get(at..at + 2).and_then(|byte| u8::from_str_radix(byte, 16).ok());
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// The files of one target.
#[derive(Clone, Debug)]
pub struct Corpus {
    target: &'static str,
}

impl Corpus {
    /// Of a target, in this crate's directory.
    pub fn of(target: &'static str) -> Corpus {
        Corpus { target }
    }

    fn path(&self, kind: &str) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(kind).join(format!("{}.hex", self.target))
    }

    fn read(&self, kind: &str) -> Vec<Vec<u8>> {
        let text = fs::read_to_string(self.path(kind)).unwrap_or_default();
        text.lines().filter(|line| !line.starts_with('#')).filter_map(unhex).collect()
    }

    /// Inputs that showed something new.
    pub fn inputs(&self) -> Vec<Vec<u8>> {
        self.read("corpus")
    }

    /// Inputs that found a fault.
    pub fn regressions(&self) -> Vec<Vec<u8>> {
        self.read("regressions")
    }

    /// Most inputs of a target that are kept: the tests replay them all.
    pub const MOST: usize = 64;

    /// Replaces the inputs, the short ones first; long ones are left out, and those beyond [`Corpus::MOST`].
    ///
    /// # Errors
    /// Those of writing the file.
    pub fn keep(&self, inputs: &[Vec<u8>]) -> io::Result<()> {
        let mut short: Vec<_> = inputs.iter().filter(|input| input.len() <= LONGEST).collect();
        short.sort_by_key(|input| input.len());
        let text: String = short.into_iter().take(Corpus::MOST).map(|input| hex(input) + "\n").collect();
        fs::write(self.path("corpus"), text)
    }
}
