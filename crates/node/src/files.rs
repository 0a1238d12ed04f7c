//! Files that are nobody else's business.

use std::fs::OpenOptions;
use std::path::Path;

/// Makes a file that only its owner reads, unless it is there. SQLite gives the files beside a database the same mode.
pub(crate) fn make_private(path: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}
