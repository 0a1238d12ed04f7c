//! A call that takes long because the chain stands still says so: the node and its peer take nothing of value before a new block.

use async_trait::async_trait;
use serde_json::value::RawValue;
use std::pin::pin;
use std::time::Duration;
use strait_api::{ApiError, Call, ChainInfo, NodeInfo};
use tokio::time::timeout;

/// Longer than a call takes while the chain goes on.
const PATIENCE: Duration = Duration::from_secs(3);
/// What tells how the chains stand.
const INFO: &str = "strait_node_info";

/// Makes the calls of another one, and says why one of them may take long.
pub(crate) struct Slow<C, S> {
    pub(crate) calls: C,
    pub(crate) say: S,
}

#[async_trait]
impl<C: Call, S: Fn(&str) + Send + Sync> Call for Slow<C, S> {
    async fn call(&self, method: &'static str, params: Box<RawValue>) -> Result<Box<RawValue>, ApiError> {
        let mut call = pin!(self.calls.call(method, params));
        if let Ok(answered) = timeout(PATIENCE, &mut call).await {
            return answered;
        }
        tokio::select! {
            answered = &mut call => return answered,
            why = self.why(), if method != INFO => why.iter().for_each(|why| (self.say)(why)),
        }
        call.await
    }
}

impl<C: Call, S> Slow<C, S> {
    /// The chains that have a problem; a node that does not tell has none.
    async fn why(&self) -> Vec<String> {
        let Ok(nothing) = RawValue::from_string("{}".to_owned()) else { return Vec::new() };
        let Ok(info) = self.calls.call(INFO, nothing).await else { return Vec::new() };
        let Ok(info) = serde_json::from_str::<NodeInfo>(info.get()) else { return Vec::new() };
        info.chains.iter().filter_map(of_chain).collect()
    }
}

fn of_chain(chain: &ChainInfo) -> Option<String> {
    let problem = chain.problem.as_ref()?;
    Some(format!("still waiting; the chain {}: {problem}", chain.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::node_info;
    use serde_json::json;
    use serde_json::value::to_raw_value;
    use std::sync::{Arc, Mutex};

    /// Answers after so many seconds, and tells of its chain what a test says.
    struct After(u64, Option<String>);

    #[async_trait]
    impl Call for After {
        async fn call(&self, method: &'static str, _: Box<RawValue>) -> Result<Box<RawValue>, ApiError> {
            if method == INFO {
                let mut info = node_info();
                info.chains[0].problem.clone_from(&self.1);
                return Ok(to_raw_value(&info).expect("JSON"));
            }
            tokio::time::sleep(Duration::from_secs(self.0)).await;
            Ok(to_raw_value(&json!({"done": true})).expect("JSON"))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_chain_that_stands_still_is_told_once() {
        let old = || Some("the newest block is 900 seconds old".to_owned());
        for (seconds, problem, expected) in [(100, old(), 1), (100, None, 0), (1, old(), 0)] {
            let told = Arc::new(Mutex::new(Vec::new()));
            let say = |text: &str| told.lock().expect("no panic").push(text.to_owned());
            let slow = Slow { calls: After(seconds, problem), say };
            let nothing = to_raw_value(&json!({})).expect("JSON");
            let answer = slow.call("strait_pay", nothing).await.expect("answered");
            assert_eq!(answer.get(), "{\"done\":true}");
            let told = told.lock().expect("no panic");
            assert_eq!(told.len(), expected, "{told:?}");
            assert!(told.iter().all(|text| text.contains("mainnet") && text.contains("900 seconds old")));
        }
    }
}
