//! A session: channels that live from opening to payout while a seed kills the nodes.

use crate::books::{self, Expected};
use crate::chain::{Blocks, Chain, Clock};
use crate::cheat;
use crate::party::Party;
use crate::payers::{Payers, Told};
use crate::tower::Tower;
use crate::wire::Wire;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use strait::{
    Address, Amount, Api, AssetAmount, ChannelId, ChannelInfo, ChannelMove, ChannelOpen, ChannelRef, Client,
    DepositResult, ErrorCode, Link, Nothing, Phase,
};
use strait_types::Side;

/// A kill comes within so many milliseconds of what it interrupts.
const MOMENTS: u64 = 400;
/// A killed node stays away for less than so many blocks.
const ABSENCE: u64 = 12;
/// What has not shown after so many blocks never will.
const SURELY_SEEN: u64 = 24;
const OPENING: u64 = 1_000_000_000_000_000_000;
const TOP_UP: u64 = 500_000_000_000_000_000;
const WITHDRAWAL: u64 = 100_000_000_000_000_000;

/// How a channel ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Close,
    Dispute,
    /// The first participant shows the chain the state before all payments.
    Cheat,
    /// The same while both nodes are off: the tower of the second one answers.
    Away,
}

/// What happened, for the record.
#[derive(Default, Serialize, Debug)]
pub(crate) struct Counts {
    pub(crate) kills: u64,
    pub(crate) tower_kills: u64,
    pub(crate) answers_by_the_tower: u64,
    pub(crate) reorgs: u64,
    pub(crate) channels: u64,
    pub(crate) closes: u64,
    pub(crate) disputes: u64,
    pub(crate) old_states_shown: u64,
    pub(crate) answers: u64,
    pub(crate) payments_acknowledged: u64,
    pub(crate) signatures_watched: u64,
    pub(crate) frames_watched: u64,
}

/// A channel that has ended, and what its payers were told.
struct Ended {
    channel: ChannelId,
    deposits: [u128; 2],
    told: Told,
}

/// Two parties on a chain.
pub(crate) struct Session {
    rng: ChaCha8Rng,
    pub(crate) chain: Chain,
    pub(crate) parties: [Arc<Party>; 2],
    pub(crate) tower: Tower,
    pub(crate) wire: Wire,
    store_address: String,
    left: u64,
    pub(crate) counts: Counts,
}

impl Session {
    pub(crate) async fn start(seed: u64, kills: u64) -> Session {
        let chain = Chain::start(seed);
        let url = format!("http://127.0.0.1:{}", chain.anvil.port);
        let party = |name, account| Arc::new(Party::new(name, account, &url, chain.adjudicator));
        let parties = [party("customer", 1), party("store", 2)];
        let tower = Tower::start(3, &url, chain.adjudicator, parties[1].key.address()).await;
        let wire = Wire::start().await;
        let store_address = format!("strait://{}@{}", parties[1].key.address(), wire.address);
        let rng = ChaCha8Rng::seed_from_u64(seed);
        let session = Session {
            rng,
            chain,
            parties,
            tower,
            wire,
            store_address,
            left: kills,
            counts: Counts::default(),
        };
        session.start_nodes(&[0, 1]).await;
        session.name_tower().await;
        session
    }

    /// Channels, one after the other, until all kills are done; then all that must hold.
    pub(crate) async fn run(mut self) -> Counts {
        let mut ended = Vec::new();
        for end in [End::Close, End::Dispute, End::Cheat, End::Away].into_iter().cycle() {
            if self.left == 0 {
                break;
            }
            ended.push(self.live(end).await);
        }
        self.check(&ended).await
    }

    pub(crate) async fn start_nodes(&self, victims: &[usize]) {
        for &victim in victims {
            let address = self.parties[victim].start().await;
            if victim == 1 {
                self.wire.set_target(Some(address));
            }
        }
    }

    fn dice(&mut self, sides: u64) -> u64 {
        self.rng.next_u64() % sides
    }

    fn one_of_two(&mut self) -> usize {
        usize::from(self.dice(2) == 1)
    }

    /// Does the work while nodes are killed and started again.
    async fn during<T>(&mut self, kills: u64, work: impl Future<Output = T>) -> T {
        let killing = async {
            for _ in 0..kills {
                self.kill().await;
            }
        };
        tokio::join!(work, killing).0
    }

    /// Kills one node or both at a moment of the seed's choice.
    async fn kill(&mut self) {
        if self.left == 0 {
            return;
        }
        let moment = Duration::from_millis(self.dice(MOMENTS));
        let victims = if self.dice(5) == 0 && self.left > 1 { vec![0, 1] } else { vec![self.one_of_two()] };
        let absence = self.dice(ABSENCE);
        let takes_tower = self.dice(4) == 0;
        tokio::time::sleep(moment).await;
        for &victim in &victims {
            if victim == 1 {
                self.wire.set_target(None);
            }
            self.parties[victim].kill();
            self.left -= 1;
            self.counts.kills += 1;
        }
        if takes_tower {
            self.tower.kill();
            self.counts.tower_kills += 1;
        }
        for _ in 0..absence {
            self.chain.blocks.next().await;
        }
        self.start_nodes(&victims).await;
        if takes_tower {
            self.tower.restart().await;
            self.name_tower().await;
        }
    }

    /// The life of one channel.
    async fn live(&mut self, end: End) -> Ended {
        let channel = self.open().await;
        let payers = Payers::start(&self.parties, channel, &self.chain.blocks);
        self.during(1, std::future::ready(())).await;
        let depositor = self.one_of_two();
        self.deposit(channel, depositor).await;
        let mut deposits = [u128::from(OPENING), 0];
        deposits[depositor] += u128::from(TOP_UP);
        // What is recorded by a withdrawal the old state would be below.
        if !matches!(end, End::Cheat | End::Away) {
            self.withdraw(channel, depositor).await;
        }
        let told = payers.stop().await;
        self.agree(channel).await;
        match end {
            End::Close => self.close(channel).await,
            End::Dispute => self.dispute(channel).await,
            End::Cheat => self.cheat(channel).await,
            End::Away => self.away(channel).await,
        }
        self.counts.channels += 1;
        self.counts.payments_acknowledged += u64::try_from(told.paid.len()).expect("few");
        Ended { channel, deposits, told }
    }

    async fn open(&mut self) -> ChannelId {
        let (parties, blocks) = (self.parties.clone(), self.chain.blocks.clone());
        let key = format!("open {}", self.counts.channels);
        let deposit = AssetAmount { asset: Address::ZERO, amount: Amount::from(OPENING) };
        let request = ChannelOpen {
            deposit: vec![deposit],
            idempotency_key: Some(key),
            ..ChannelOpen::new(self.store_address.clone())
        };
        let work = async {
            let opened = parties[0]
                .until(&blocks, "the opening", async |api| api.channel_open(request.clone()).await.ok());
            let opened = opened.await;
            let channel = opened.channel.channel;
            // A repetition after a crash finds the channel, and does not know what became of the deposit.
            if !matches!(opened.deposits.as_slice(), [DepositResult::Submitted { .. }]) {
                surely_seen(&parties[0], &blocks).await;
                fund(&parties[0], &blocks, channel, OPENING).await;
            }
            for party in &parties {
                let is_open = async |api: Client| {
                    let info = show(&api, channel).await?;
                    let balance = info.balances.first()?;
                    let counted = balance.deposited.checked_add(balance.peer_deposited)?;
                    (info.link == Link::Up && counted == Amount::from(OPENING)).then_some(())
                };
                party.until(&blocks, "the open channel", is_open).await;
            }
            channel
        };
        self.during(1, work).await
    }

    async fn deposit(&mut self, channel: ChannelId, depositor: usize) {
        let (party, blocks) = (self.parties[depositor].clone(), self.chain.blocks.clone());
        let before = if depositor == 0 { OPENING } else { 0 };
        let work = async {
            fund(&party, &blocks, channel, before + TOP_UP).await;
            let counts = async |api: Client| {
                let info = show(&api, channel).await?;
                (info.balances[0].deposited == Amount::from(before + TOP_UP)).then_some(())
            };
            party.until(&blocks, "the deposit", counts).await;
        };
        self.during(1, work).await;
    }

    async fn withdraw(&mut self, channel: ChannelId, side: usize) {
        let (party, blocks) = (self.parties[side].clone(), self.chain.blocks.clone());
        let request = ChannelMove {
            channel,
            asset: None,
            amount: Amount::from(WITHDRAWAL),
            idempotency_key: Some(format!("withdraw {channel}")),
        };
        let work = async {
            party
                .until(&blocks, "the agreement", async |api| api.channel_withdraw(request.clone()).await.ok())
                .await;
            let is_out = async |api: Client| {
                let info = show(&api, channel).await?;
                (info.balances[0].withdrawn == Amount::from(WITHDRAWAL)).then_some(())
            };
            party.until(&blocks, "the withdrawal", is_out).await;
        };
        self.during(1, work).await;
    }

    /// Waits until both sides are connected and hold the same.
    async fn agree(&self, channel: ChannelId) {
        let (other, blocks) = (&self.parties[1], &self.chain.blocks);
        let same = async |api: Client| {
            let ours = show(&api, channel).await?;
            let theirs = show(&other.api().await, channel).await?;
            let is_same = (ours.version, ours.history) == (theirs.version, theirs.history);
            (is_same && [ours.link, theirs.link] == [Link::Up; 2]).then_some(())
        };
        self.parties[0].until(blocks, "agreement", same).await;
    }

    async fn close(&mut self, channel: ChannelId) {
        let closer = self.one_of_two();
        let parties = self.parties.clone();
        let blocks = self.chain.blocks.clone();
        let work = async {
            let closed = async |api: Client| {
                if show(&api, channel).await?.phase == Phase::Closed {
                    return Some(());
                }
                // What stands in the way passes; what is agreed already is no matter.
                api.channel_close(ChannelRef { channel }).await.ok().map(|_| ()).and(None)
            };
            parties[closer].until(&blocks, "the close", closed).await;
        };
        self.during(2, work).await;
        until_closed(&self.parties, &self.chain.blocks, &self.chain.clock(), channel).await;
        self.counts.closes += 1;
    }

    async fn dispute(&mut self, channel: ChannelId) {
        let challenger = self.one_of_two();
        let parties = self.parties.clone();
        let blocks = self.chain.blocks.clone();
        let work = async {
            let disputed = async |api: Client| {
                if show(&api, channel).await?.phase == Phase::Disputed {
                    return Some(());
                }
                api.channel_dispute(ChannelRef { channel }).await.ok().and(None)
            };
            parties[challenger].until(&blocks, "the dispute", disputed).await;
        };
        self.during(1, work).await;
        self.settle(channel).await;
        self.counts.disputes += 1;
    }

    /// The first participant shows the chain the state before all payments; the second one answers.
    async fn cheat(&mut self, channel: ChannelId) {
        let customer = self.parties[0].clone();
        let challenge = cheat::challenge(&customer, self.chain.adjudicator, channel).await;
        let (anvil, blocks) = (self.chain.anvil.clone(), self.chain.blocks.clone());
        let disputed = async |api: Client| {
            if show(&api, channel).await?.phase == Phase::Disputed {
                return Some(());
            }
            cheat::send(&anvil, &challenge);
            None
        };
        self.during(1, customer.until(&blocks, "the challenge", &disputed)).await;
        // A reorg may have taken it back since, and no node sends this one again.
        self.chain.set_calm(true);
        self.followed().await;
        customer.until(&blocks, "the challenge", &disputed).await;
        self.settle(channel).await;
        self.counts.old_states_shown += 1;
    }

    /// The period passes when the best state is on chain.
    pub(crate) async fn settle(&mut self, channel: ChannelId) {
        // A period in which the chain takes every answer back proves nothing.
        self.chain.set_calm(true);
        self.followed().await;
        for party in &self.parties {
            let is_answered = async |api: Client| {
                let info = show(&api, channel).await?;
                (info.dispute?.recorded == info.version).then_some(())
            };
            party.until(&self.chain.blocks, "the answer", is_answered).await;
        }
        self.followed().await;
        self.chain.set_calm(false);
        let (parties, blocks, clock) = (self.parties.clone(), self.chain.blocks.clone(), self.chain.clock());
        self.during(1, until_closed(&parties, &blocks, &clock, channel)).await;
    }

    /// Until both nodes have followed blocks that were made since.
    async fn followed(&self) {
        for party in &self.parties {
            surely_seen(party, &self.chain.blocks).await;
        }
    }

    async fn check(mut self, ended: &[Ended]) -> Counts {
        self.chain.set_calm(true);
        // Should the last reorg have taken a payout back, it is made again.
        self.followed().await;
        let [customer, store] = [self.parties[0].api().await, self.parties[1].api().await];
        let mut expected: Vec<Expected> = Vec::new();
        for Ended { channel, deposits, told } in ended {
            until_closed(&self.parties, &self.chain.blocks, &self.chain.clock(), *channel).await;
            expected.push(books::check([&customer, &store], *channel, *deposits, told).await);
        }
        self.counts.reorgs = self.chain.stop_mining();
        let mut port = self.chain.port();
        let checking =
            tokio::task::spawn_blocking(move || (books::check_chain(&mut port, &expected), expected));
        let (answers, checked) = checking.await.expect("the chain holds what it must");
        self.counts.answers = answers;
        let anvil = &self.chain.anvil;
        for side in Side::BOTH {
            let paid: u128 = checked.iter().map(|expected| expected.payouts[side.index()]).sum();
            let payout = self.parties[side.index()].payout;
            assert_eq!(anvil.balance(payout), strait::U256::from(paid), "{side:?} is paid out");
        }
        assert!(anvil.balance(self.chain.adjudicator).is_zero(), "nothing is left in the contract");
        (self.counts.signatures_watched, self.counts.frames_watched) = self.wire.check();
        self.counts
    }
}

pub(crate) async fn show(api: &Client, channel: ChannelId) -> Option<ChannelInfo> {
    api.channel_show(ChannelRef { channel }).await.ok()
}

/// Deposits until a party has put in so much in all, as a careful user does: again only when the node knows that nothing
/// was sent, or when it would have been seen.
async fn fund(party: &Party, blocks: &Blocks, channel: ChannelId, total: u64) {
    let total = Amount::from(total);
    let mut attempt = 0;
    loop {
        let missing = async |api: Client| {
            let balance = show(&api, channel).await?.balances[0].clone();
            total.checked_sub(balance.deposited)?.checked_sub(balance.arriving)
        };
        let amount = party.until(blocks, "the balance", missing).await;
        if amount.is_zero() {
            return;
        }
        attempt += 1;
        let key = format!("deposit {channel} {total} {attempt}");
        let request = ChannelMove { channel, asset: None, amount, idempotency_key: Some(key) };
        match party.api().await.channel_deposit(request).await {
            Ok(_) => return,
            Err(error) if error.code == ErrorCode::ChannelNotOpen => panic!("{error}"),
            Err(_) => {}
        }
        surely_seen(party, blocks).await;
    }
}

/// Until a node has followed so many blocks that what it sent before has shown, or never will: at each it sends again what is
/// in none.
async fn surely_seen(party: &Party, blocks: &Blocks) {
    let head = async |api: Client| Some(api.node_info(Nothing {}).await.ok()?.chains.first()?.head);
    let first = party.until(blocks, "its head", head).await;
    let is_seen = async |api: Client| head(api).await.filter(|head| *head >= first + SURELY_SEEN);
    party.until(blocks, "later blocks", is_seen).await;
}

/// Until both know that it is paid out. A reorg may take the end of a dispute's period back, with the payout.
async fn until_closed(parties: &[Arc<Party>; 2], blocks: &Blocks, clock: &Clock, channel: ChannelId) {
    for party in parties {
        let is_closed = async |api: Client| {
            let info = show(&api, channel).await?;
            if let Some(dispute) = &info.dispute {
                clock.pass(dispute.deadline);
            }
            (info.phase == Phase::Closed).then_some(())
        };
        party.until(blocks, "the end", is_closed).await;
    }
}
