//! What has to be done from time to time.

use super::Core;
use std::sync::Weak;
use std::time::Duration;

/// Time between two clearances.
const INTERVAL: Duration = Duration::from_secs(3_600);

/// Clears old keys and invoices, until the service is gone.
pub(crate) async fn chores(core: Weak<Core>) {
    while let Some(core) = core.upgrade() {
        core.forget_invoices();
        if let Err(error) = core.forget_keys().await {
            tracing::warn!(%error, "old idempotency keys are kept for now");
        }
        if let Err(error) = core.forget_pruned().await {
            tracing::warn!(%error, "pruned history is kept on disk for now");
        }
        drop(core);
        tokio::time::sleep(INTERVAL).await;
    }
}
