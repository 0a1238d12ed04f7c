//! Whether the node can take value now.

use crate::Node;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use strait_api::{Api, ChannelList, Nothing};
use tokio::sync::Mutex;

/// Anybody may ask, so the answer is found at most so often.
const LIFE: Duration = Duration::from_secs(1);

/// A store that takes longer hangs.
const STORE_PATIENCE: Duration = Duration::from_secs(5);

/// How often it is tried whether the disk takes anything. The stores write when there is something to write, and a failure stops
/// their node; this is for the time before.
const WRITE_EVERY: Duration = Duration::from_secs(15);

/// What stands in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Missing {
    /// `chain`, `store` or `node`.
    pub(super) part: &'static str,
    /// With the next step.
    pub(super) details: String,
}

pub(super) struct Readiness {
    api: Arc<dyn Api>,
    nodes: Vec<Node>,
    directories: Vec<PathBuf>,
    found: Mutex<Option<(Instant, Vec<Missing>)>>,
    written: Mutex<Option<(Instant, Vec<Missing>)>>,
}

impl Readiness {
    pub(super) fn new(api: Arc<dyn Api>, nodes: Vec<Node>, directories: Vec<PathBuf>) -> Readiness {
        Readiness { api, nodes, directories, found: Mutex::default(), written: Mutex::default() }
    }

    /// What stands in the way, as of at most a second ago.
    pub(super) async fn missing(&self) -> Vec<Missing> {
        let mut found = self.found.lock().await;
        if let Some((at, missing)) = found.as_ref()
            && at.elapsed() < LIFE
        {
            return missing.clone();
        }
        let missing = self.look().await;
        *found = Some((Instant::now(), missing.clone()));
        missing
    }

    async fn look(&self) -> Vec<Missing> {
        let one = ChannelList { limit: Some(1), ..ChannelList::default() };
        let (node, channels) = (self.api.node_info(Nothing {}).await, self.api.channel_list(one).await);
        let failed = channels.err().into_iter().chain(node.as_ref().err().cloned());
        let failed =
            failed.map(|error| Missing { part: "node", details: format!("{error}: {}", error.hint) });
        let chains = node.iter().flat_map(|node| &node.chains).filter_map(|chain| {
            let name = &chain.name;
            let details = match (&chain.problem, chain.is_fresh) {
                (Some(problem), _) => format!("chain {name}: {problem}"),
                (None, false) => format!("chain {name}: its newest block is too old; check its endpoint"),
                (None, true) => return None,
            };
            Some(Missing { part: "chain", details })
        });
        failed.chain(chains).chain(self.stores().await).chain(self.disk().await).collect()
    }

    /// Whether the directories of the stores take something new, as of some seconds ago.
    async fn disk(&self) -> Vec<Missing> {
        let mut written = self.written.lock().await;
        if let Some((at, missing)) = written.as_ref()
            && at.elapsed() < WRITE_EVERY
        {
            return missing.clone();
        }
        let directories = self.directories.clone();
        let tried = tokio::task::spawn_blocking(move || {
            let failed = |directory: &PathBuf| Some((directory.clone(), write(directory).err()?));
            directories.iter().filter_map(failed).collect::<Vec<_>>()
        });
        let missing: Vec<_> = match tokio::time::timeout(STORE_PATIENCE, tried).await {
            Ok(failed) => failed
                .unwrap_or_default()
                .into_iter()
                .map(|(directory, error)| {
                    format!("{} cannot be written to: {error}; make room on the disk", directory.display())
                })
                .collect(),
            Err(_) => {
                vec![format!("the disk has taken nothing for {} seconds; check it", STORE_PATIENCE.as_secs())]
            }
        };
        let missing: Vec<_> = missing.into_iter().map(|details| Missing { part: "store", details }).collect();
        *written = Some((Instant::now(), missing.clone()));
        missing
    }

    /// A store that cannot be written to stops its node; one that hangs is seen here.
    async fn stores(&self) -> Vec<Missing> {
        let mut missing = Vec::new();
        for node in &self.nodes {
            let details = match tokio::time::timeout(STORE_PATIENCE, node.ask_store()).await {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!(
                    "the store of chain {} has not answered for {} seconds; check the disk",
                    node.domain().chain_id(),
                    STORE_PATIENCE.as_secs()
                ),
            };
            missing.push(Missing { part: "store", details });
        }
        missing
    }
}

/// Brings a little to the disk and takes it away again.
fn write(directory: &Path) -> std::io::Result<()> {
    let path = directory.join(".write-test");
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(&[0x5a; 4_096])?;
        file.sync_all()
    });
    // What could not be written needs no removal; what stays is overwritten the next time.
    let removed = std::fs::remove_file(&path);
    written.and(removed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use serde_json::json;
    use serde_json::value::{RawValue, to_raw_value};
    use std::sync::atomic::{AtomicU64, Ordering};
    use strait_api::{ApiError, Call, ErrorCode, Remote};

    /// Fails every other time that it is asked.
    #[derive(Default)]
    struct Flapping(AtomicU64);

    #[async_trait]
    impl Call for Flapping {
        async fn call(&self, method: &'static str, _: Box<RawValue>) -> Result<Box<RawValue>, ApiError> {
            let answer = match method {
                "strait_node_info" => {
                    json!({"version": "", "signer": strait_types::Address::ZERO, "addresses": [], "uptime": 1,
                        "chains": [], "assets": []})
                }
                _ if self.0.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) => {
                    return Err(ApiError::new(ErrorCode::Stopping, "the node is stopping"));
                }
                _ => json!({"channels": [], "next": null}),
            };
            Ok(to_raw_value(&answer).expect("JSON"))
        }
    }

    #[tokio::test]
    async fn it_changes_its_word_once_a_second_at_most_however_many_ask() {
        let readiness = Readiness::new(Arc::new(Remote(Flapping::default())), Vec::new(), Vec::new());
        let first = readiness.missing().await;
        assert_eq!((first.len(), first[0].part), (1, "node"));
        for _ in 0..1_000 {
            // All of this takes less than a second, or the answer was found anew.
            let found = readiness.found.lock().await.as_ref().map(|(at, _)| *at).expect("found");
            let missing = readiness.missing().await;
            assert!(missing == first || found.elapsed() >= LIFE, "{missing:?}");
            if missing != first {
                return;
            }
        }
        let before = Instant::now().checked_sub(LIFE).expect("the machine runs for longer");
        *readiness.found.lock().await = Some((before, first));
        assert_eq!(readiness.missing().await, [], "it is ready again by itself");
    }
}
