//! However a node stops, its callers are told, its threads end, and its peers see it go. What a user asked of the
//! chain never holds up what guards money.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use strait_engine::ports::{
    Account, Block, BlockRef, Chain, ChainError, Event, Followed, HandedIn, Receipt, TxHash, TxRequest,
    Wanted,
};
use strait_node::transport::{Limits, Listen};
use strait_node::{Capacity, NewChannel, Node, NodeConfig, NodeError, SystemRng};
use strait_protocol::{ChannelView, Command, NoRules, Settings};
use strait_store::{Fault, MemoryDisk};
use strait_types::abi::AdjudicatorEvent;
use strait_types::{
    Address, Amount, AssetIndex, B256, Bytes, ChannelId, Participant, Side, SigningKey, U256, keccak256,
};

const ADJUDICATOR: Address = Address::repeat_byte(0xad);
const TOKEN: Address = Address::repeat_byte(0x70);
const FIRST: BlockRef = BlockRef { number: 7, hash: B256::repeat_byte(7) };
/// Nothing here takes long; a caller that is never told would wait for ever.
const PATIENCE: Duration = Duration::from_secs(30);

fn block(number: u64) -> BlockRef {
    BlockRef { number, hash: keccak256(number.to_be_bytes()) }
}

/// A chain that takes every transaction and includes none.
#[derive(Clone, Default)]
struct Stuck {
    sent: Arc<Mutex<Vec<TxRequest>>>,
    /// It has a new block at every look.
    mines: Arc<AtomicBool>,
    panics: Arc<AtomicBool>,
}

impl Stuck {
    fn sent_to(&self, to: Address) -> usize {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.iter().filter(|request| request.to == to).count()
    }
}

impl Chain for Stuck {
    fn chain_id(&self) -> u64 {
        1
    }

    fn adjudicator(&self) -> Address {
        ADJUDICATOR
    }

    fn follow(&mut self, known: &[BlockRef], _: usize) -> Result<Followed, ChainError> {
        assert!(!self.panics.load(Ordering::Relaxed), "a bug in the backend");
        let fork = known.first().copied();
        let head = match fork {
            None => FIRST,
            Some(last) if self.mines.load(Ordering::Relaxed) => block(last.number + 1),
            Some(last) => last,
        };
        let block = Block { at: head, time: 1, events: Vec::new() };
        let blocks = if fork == Some(head) { Vec::new() } else { vec![block] };
        Ok(Followed { fork, blocks, head, head_time: 1 })
    }

    fn events_of(&mut self, channel: ChannelId, through: BlockRef) -> Result<Vec<Block>, ChainError> {
        assert!(through.number >= FIRST.number);
        let event = AdjudicatorEvent::Deposited {
            channel,
            side: Side::Zero,
            asset: AssetIndex(0),
            amount: Amount::from(5),
        };
        let event = Event { channel: Some(channel), transaction: B256::ZERO, event };
        Ok(vec![Block { at: FIRST, time: 1, events: vec![event] }])
    }

    fn submit(&mut self, request: &TxRequest) -> Result<TxHash, ChainError> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        Ok(keccak256(&request.data))
    }

    fn receipt(&mut self, _: TxHash) -> Result<Option<Receipt>, ChainError> {
        Ok(None)
    }

    fn under_way(&mut self, _: Wanted<'_>, _: u64) -> Result<Vec<HandedIn>, ChainError> {
        Ok(Vec::new())
    }

    fn account(&mut self) -> Result<Account, ChainError> {
        Ok(Account { address: Address::ZERO, balance: U256::ZERO })
    }

    fn needed_for(&mut self, _: &[u64], _: bool) -> Result<U256, ChainError> {
        Ok(U256::ZERO)
    }

    fn call(&mut self, _: Address, _: Bytes) -> Result<Bytes, ChainError> {
        Ok(B256::ZERO.0.into())
    }

    fn has_code(&mut self, _: Address) -> Result<bool, ChainError> {
        Ok(false)
    }
}

fn key(index: u8) -> SigningKey {
    SigningKey::from_bytes([index; 32]).expect("in range")
}

async fn start(index: u8, chain: &Stuck, disk: &MemoryDisk) -> Node {
    start_with(index, chain, disk, Capacity::default()).await
}

async fn start_with(index: u8, chain: &Stuck, disk: &MemoryDisk, capacity: Capacity) -> Node {
    let config = NodeConfig {
        signer: Arc::new(key(index)),
        listen: Listen::At("127.0.0.1:0".parse().expect("an address")),
        payout: Address::repeat_byte(index),
        allow_plain_remote: false,
        limits: Limits {
            min_backoff: Duration::from_millis(5),
            max_backoff: Duration::from_millis(50),
            ..Limits::default()
        },
        policy: Default::default(),
        settings: Settings::default(),
        poll: Duration::from_millis(5),
        alarms: Default::default(),
        capacity,
        restored: false,
        rng: Box::new(SystemRng),
        rules: Arc::new(NoRules),
        towers: Vec::new(),
    };
    let store = Box::new(disk.open().expect("opens"));
    Node::start(config, Box::new(chain.clone()), store).await.expect("starts")
}

async fn open(node: &Node) -> ChannelId {
    let new = NewChannel {
        peer: Participant { signer: key(9).address(), payout: Address::repeat_byte(9) },
        payout: Address::repeat_byte(8),
        assets: vec![TOKEN],
        challenge_duration: 24 * 3_600,
    };
    node.open_new(new, Settings::default()).await.expect("opens")
}

async fn soon<T>(what: &str, act: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, act).await.unwrap_or_else(|_| panic!("{what} never ended"))
}

/// Lets the chain's thread take what waits, until a condition holds.
async fn until(what: &str, holds: impl Fn() -> bool) {
    soon(what, async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_deposit_that_waits_for_its_approval_holds_up_neither_a_challenge_nor_the_shutdown() {
    let chain = Stuck::default();
    let node = start(1, &chain, &MemoryDisk::new()).await;
    let channel = open(&node).await;
    let deposit = tokio::spawn({
        let node = node.clone();
        async move { node.deposit(channel, AssetIndex(0), Amount::from(5)).await }
    });
    until("the approval", || chain.sent_to(TOKEN) == 1).await;
    soon("the order", node.command(channel, Command::ForceClose)).await.expect("taken");
    until("the challenge", || chain.sent_to(ADJUDICATOR) == 1).await;
    soon("the shutdown", node.shutdown()).await;
    let answer = soon("the deposit", deposit).await.expect("no panic");
    assert!(matches!(answer, Err(NodeError::Stopped(_))), "{answer:?}");
}

#[tokio::test]
async fn whoever_waits_is_told_when_the_node_is_killed() {
    let chain = Stuck::default();
    let node = start(1, &chain, &MemoryDisk::new()).await;
    let channel = open(&node).await;
    let mut news = node.subscribe();
    let waiting = tokio::spawn({
        let node = node.clone();
        async move { node.wait_until(channel, |view| view.phase == "closed").await }
    });
    tokio::task::yield_now().await;
    let (one, other) = (node.clone(), node.clone());
    soon("both kills", async { tokio::join!(one.kill(), other.kill()) }).await;
    let answer = soon("waiting", waiting).await.expect("no panic");
    assert!(matches!(answer, Err(NodeError::Stopped(_))), "{answer:?}");
    soon("the news", async { while news.recv().await.is_some() {} }).await;
    assert!(soon("late news", node.subscribe().recv()).await.is_none());
    let late = soon("a late command", node.command(channel, Command::Close)).await;
    assert!(matches!(late, Err(NodeError::Stopped(_))), "{late:?}");
}

#[tokio::test]
async fn a_panic_in_a_thread_stops_the_node_and_names_it() {
    let chain = Stuck::default();
    let node = start(1, &chain, &MemoryDisk::new()).await;
    let channel = open(&node).await;
    let deposit = node.deposit(channel, AssetIndex(0), Amount::from(5));
    let waiting = node.wait_until(channel, |view| view.phase == "closed");
    chain.panics.store(true, Ordering::Relaxed);
    let (deposit, waiting) = soon("the answers", async { tokio::join!(deposit, waiting) }).await;
    for error in [deposit.expect_err("stopped"), waiting.expect_err("stopped")] {
        assert!(error.to_string().contains("strait-chain panicked"), "{error}");
    }
}

#[tokio::test]
async fn a_node_whose_disk_is_full_tells_its_callers_and_hangs_up() {
    let (chain, disk) = (Stuck::default(), MemoryDisk::new());
    let node = start(1, &chain, &disk).await;
    let peer = start(9, &chain, &MemoryDisk::new()).await;
    peer.add_peer(node.address().expect("it listens"));
    let channel = open(&node).await;
    let up = |view: &ChannelView| view.link == "up";
    soon("the connection", peer.wait_until(channel, up)).await.expect("up");
    disk.fail_commit(disk.commits(), Fault::DiskFull);
    let error = soon("the answer", node.command(channel, Command::ForceClose)).await.expect_err("disk full");
    assert!(error.to_string().contains("free some space"), "{error}");
    soon("the hanging up", peer.wait_until(channel, |view| view.link == "down")).await.expect("down");
    let late = soon("a late question", node.history(channel, None, 1)).await;
    assert!(late.is_err_and(|error| error.to_string().contains("free some space")));
    soon("the shutdowns", async { tokio::join!(node.shutdown(), peer.shutdown()) }).await;
}

#[tokio::test]
async fn the_past_of_many_channels_is_fetched_although_a_block_comes_with_every_look() {
    let chain = Stuck::default();
    chain.mines.store(true, Ordering::Relaxed);
    let node = start(1, &chain, &MemoryDisk::new()).await;
    for _ in 0..20 {
        open(&node).await;
    }
    let funded = |view: &ChannelView| view.balances[0].deposited[0] == Amount::from(5);
    for view in node.channels().await.expect("it runs") {
        soon("the fetching", node.wait_until(view.id, funded)).await.expect("it runs");
    }
    node.shutdown().await;
}

#[tokio::test]
async fn a_caller_beyond_the_capacity_is_told_at_once_and_the_others_go_on() {
    let chain = Stuck::default();
    let capacity = Capacity { commands: 3, ..Capacity::default() };
    let node = start_with(1, &chain, &MemoryDisk::new(), capacity).await;
    let channel = open(&node).await;
    let deposit = || {
        let node = node.clone();
        tokio::spawn(async move { node.deposit(channel, AssetIndex(0), Amount::from(5)).await })
    };
    let waiting = [deposit(), deposit(), deposit()];
    until("the approval", || chain.sent_to(TOKEN) == 1).await;
    let error = soon("the answer", node.command(channel, Command::Close)).await.expect_err("too many wait");
    assert!(matches!(error, NodeError::Busy { commands: 3, .. }), "{error}");
    assert!(error.to_string().contains("when some have ended"));
    soon("a question", node.view(channel)).await.expect("questions are answered");
    soon("the way out", node.command(channel, Command::ForceClose)).await.expect("it is always open");
    soon("the shutdown", node.shutdown()).await;
    for deposit in waiting {
        let answer = soon("a deposit", deposit).await.expect("no panic");
        assert!(matches!(answer, Err(NodeError::Stopped(_))), "{answer:?}");
    }
}
