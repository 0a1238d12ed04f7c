//! The end that a user asks for while a command waits.

use tokio::signal::unix::{SignalKind, signal};

/// Until Ctrl-C, or SIGTERM of a script or a service manager.
pub(crate) async fn asked() {
    let interrupted = tokio::signal::ctrl_c();
    let Ok(mut terminated) = signal(SignalKind::terminate()) else {
        drop(interrupted.await);
        return;
    };
    tokio::select! {
        _ = interrupted => {}
        _ = terminated.recv() => {}
    }
}
