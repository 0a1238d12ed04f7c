//! The ports that a document's commands name.

use anyhow::{Result, bail};
use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;

/// Comments of this kind say which ports a document's commands listen on.
const PORTS: &str = "<!-- xtask: ports ";

/// Whether a document's ports are free.
///
/// # Errors
/// Names a port that is taken, and who holds it.
pub(super) fn check(document: &str) -> Result<()> {
    let listed = document.lines().filter_map(|line| line.strip_prefix(PORTS)?.strip_suffix("-->"));
    for port in listed.flat_map(str::split_whitespace) {
        let port: u16 = port.parse()?;
        if let Err(error) = TcpListener::bind(("127.0.0.1", port))
            && error.kind() == ErrorKind::AddrInUse
        {
            let holder = holder(port).unwrap_or_else(|| "a process of another user".to_owned());
            bail!("port {port}, which the commands listen on, is held by {holder}; end it, then repeat");
        }
    }
    Ok(())
}

/// The process that listens on a port, as far as this user may see it.
fn holder(port: u16) -> Option<String> {
    let sockets =
        ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    // Columns: number, local address, remote address, state (0A: listens), ..., the tenth is the socket's inode.
    let inode = sockets.iter().flat_map(|table| table.lines()).find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let is_it = columns.get(1)?.ends_with(&format!(":{port:04X}")) && columns.get(3) == Some(&"0A");
        is_it.then(|| columns.get(9).copied()).flatten()
    })?;
    let socket = format!("socket:[{inode}]");
    for process in fs::read_dir("/proc").ok()?.flatten() {
        // `self` is a process a second time.
        if process.file_name().to_string_lossy().parse::<u32>().is_err() {
            continue;
        }
        let Ok(files) = fs::read_dir(process.path().join("fd")) else { continue };
        let is_holder = files
            .flatten()
            .any(|file| fs::read_link(file.path()).is_ok_and(|target| target.to_str() == Some(&*socket)));
        if is_holder {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("process {} ({})", process.file_name().to_string_lossy(), name.trim()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_a_port_is_named() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = held.local_addr().unwrap().port();
        let error = check(&format!("Text\n\n<!-- xtask: ports {port} -->\n")).unwrap_err().to_string();
        assert!(
            error.contains(&port.to_string()) && error.contains(&std::process::id().to_string()),
            "{error}"
        );
        check("no ports").unwrap();
    }
}
