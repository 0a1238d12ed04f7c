//! Which regions of our code a run passes, by the compiler's own counters.
//!
//! A program that is built with `-Cinstrument-coverage` can keep its counters in a file that it maps into its memory, and
//! so reads its own as it would read another's. `cargo xtask campaign fuzz --coverage` builds and starts it so.

use crate::Features;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::{env, io, process};

/// Where the counters' files lie: each process has its own, named by its number.
const DIRECTORY: &str = "STRAIT_FUZZ_COVERAGE";
/// What a raw profile of this layout begins with: `0xff`, "lprofr", `0x81`, and its version.
const MAGIC: u64 = 0xff6c_7072_6f66_7281;
const VERSION: u64 = 10;
/// Bytes of the header.
const HEADER: u64 = 128;
/// Bytes of what is noted of a function.
const FUNCTION: u64 = 64;

/// The counters of this process.
#[derive(Debug)]
pub struct Coverage {
    file: File,
    start: u64,
    before: Vec<u8>,
    after: Vec<u8>,
}

impl Coverage {
    /// Those of this process; `None` when it was not built or started to have any.
    ///
    /// # Errors
    /// When it should have some, and they are not to be read.
    pub fn of_this_process() -> io::Result<Option<Coverage>> {
        let Some(directory) = env::var_os(DIRECTORY) else { return Ok(None) };
        let file = File::open(PathBuf::from(directory).join(format!("{}.profraw", process::id())))?;
        let word = |number: u64| {
            let mut bytes = [0; 8];
            file.read_exact_at(&mut bytes, number * 8).map(|()| u64::from_le_bytes(bytes))
        };
        if (word(0)?, word(1)? & 0xff_ffff) != (MAGIC, VERSION) {
            return Err(io::Error::other(
                "counters of another layout; this compiler's is to be learned first",
            ));
        }
        let (names, functions, padding, counters) = (word(2)?, word(3)?, word(4)?, word(5)?);
        let start = HEADER + names + functions * FUNCTION + padding;
        let zero = vec![0; usize::try_from(counters * 8).map_err(io::Error::other)?];
        Ok(Some(Coverage { file, start, before: zero.clone(), after: zero }))
    }

    /// How many regions are counted.
    pub fn regions(&self) -> usize {
        self.before.len() / 8
    }

    /// A run begins.
    ///
    /// # Errors
    /// Those of reading the file.
    pub fn begin(&mut self) -> io::Result<()> {
        self.file.read_exact_at(&mut self.before, self.start)
    }

    /// Notes what was passed since, and about how often.
    ///
    /// # Errors
    /// Those of reading the file.
    pub fn end(&mut self, features: &mut Features) -> io::Result<()> {
        self.file.read_exact_at(&mut self.after, self.start)?;
        let pairs = self.before.chunks_exact(8).zip(self.after.chunks_exact(8));
        for (region, (before, after)) in pairs.enumerate().filter(|(_, (before, after))| before != after) {
            let count = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).unwrap_or_default();
            features.note_region(region, count(after).wrapping_sub(count(before)));
        }
        Ok(())
    }
}
