//! Both nodes are off, and somebody shows the chain an old state: the tower answers.

use crate::cheat;
use crate::session::{Session, show};
use std::time::Duration;
use strait::{Api, ChannelId, Client, TowerAdd, TowerQuery};
use strait_engine::ports::Chain as _;
use strait_types::abi::views::{self, ChannelStatus};

/// Seconds of the challenge period of these channels.
const PERIOD: u64 = 24 * 3_600;
/// Between two looks at the chain.
const LOOK: Duration = Duration::from_millis(40);

impl Session {
    /// The store hears where its tower is.
    pub(crate) async fn name_tower(&self) {
        let address = self.tower.address.clone();
        let add = async |api: Client| api.tower_add(TowerAdd { address: address.clone() }).await.ok();
        self.parties[1].until(&self.chain.blocks, "the tower's name", add).await;
    }

    /// Until the tower has signed for the newest state.
    async fn guarded(&self, channel: ChannelId) {
        let is_guarded = async |api: Client| {
            let version = show(&api, channel).await?.version;
            let towers = api.tower_list(TowerQuery { channel: Some(channel) }).await.ok()?.towers;
            (towers.first()?.version == Some(version)).then_some(())
        };
        self.parties[1].until(&self.chain.blocks, "the tower's receipt", is_guarded).await;
    }

    /// The first participant shows the chain the state before all payments while both nodes are off for the whole
    /// answer, and the tower dies in between.
    pub(crate) async fn away(&mut self, channel: ChannelId) {
        self.name_tower().await;
        self.guarded(channel).await;
        let challenge = cheat::challenge(&self.parties[0], self.chain.adjudicator, channel).await;
        // What reorgs do to answers is seen where nodes answer.
        self.chain.set_calm(true);
        self.wire.set_target(None);
        self.parties.iter().for_each(|party| party.kill());
        cheat::send(&self.chain.anvil, &challenge);
        let challenged = self.status_when(channel, |status| status.deadline.is_some()).await;
        self.tower.kill();
        self.chain.blocks.next().await;
        self.tower.restart().await;
        let deadline = challenged.deadline.expect("waited for");
        // From three sixteenths on every tower has answered.
        self.chain.clock().pass(deadline - PERIOD * 13 / 16);
        self.status_when(channel, |status| status.fingerprint != challenged.fingerprint).await;
        let now = self.chain.clock().now();
        assert!(now < deadline - PERIOD * 3 / 4, "the answer came in the first quarter");
        self.counts.answers_by_the_tower += 1;
        self.counts.tower_kills += 1;
        self.start_nodes(&[0, 1]).await;
        self.name_tower().await;
        self.settle(channel).await;
    }

    /// The channel on chain, as soon as it is as wanted.
    async fn status_when(
        &self,
        channel: ChannelId,
        is_wanted: impl Fn(&ChannelStatus) -> bool,
    ) -> ChannelStatus {
        let looking = async {
            loop {
                let (mut port, adjudicator) = (self.chain.port(), self.chain.adjudicator);
                let look = move || port.call(adjudicator, views::channel(channel)).expect("answers");
                let answer = tokio::task::spawn_blocking(look).await.expect("looks");
                let status = views::read_channel(&answer).expect("an answer");
                if is_wanted(&status) {
                    return status;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::select! {
            status = looking => status,
            () = self.chain.blocks.patience() => panic!("the tower does not answer for {channel}"),
        }
    }
}
