//! The play, act by act.

use super::accounts::Identity;
use super::party::{Party, settings};
use super::progress::Progress;
use super::receipt::{self, Figures, Receipt};
use super::stream::{self, Streamed};
use super::world::World;
use super::{DemoArgs, DemoError, cheat};
use sha2::{Digest, Sha256};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use strait_node::NewChannel;
use strait_protocol::{ChannelView, Command, SignedPosition};
use strait_types::{
    Address, Amount, AssetIndex, B256, ChannelId, ChannelParams, Participant, Side, U256, keccak256,
};

const GWEI: u64 = 1_000_000_000;
const ETHER: u64 = 1_000_000_000 * GWEI;
const NATIVE: AssetIndex = AssetIndex(0);
const ONE_BY_ONE: u64 = 1_000;
const PRICE: u64 = 1_000 * GWEI;
const REFUND: u64 = 100 * GWEI;
const DEPOSIT: u64 = 10 * ETHER;
const TOP_UP: u64 = 2 * ETHER;
const LOCKED: u64 = ETHER / 4;
const WITHDRAWN: u64 = ETHER / 2_000;
const CHALLENGE_SECONDS: u32 = 24 * 3_600;
/// Longest time for any single act but the stream, in seconds.
const PATIENCE_SECONDS: u64 = 120;

/// The stage.
struct Play<'a> {
    args: &'a DemoArgs,
    progress: &'a Progress,
    world: World,
    customer: Party,
    store: Party,
    params: ChannelParams,
    channel: ChannelId,
    receipt: Receipt,
}

async fn in_time<T, E: Into<DemoError>>(
    what: &'static str,
    act: impl Future<Output = Result<T, E>>,
) -> Result<T, DemoError> {
    within(PATIENCE_SECONDS, what, act).await
}

async fn within<T, E: Into<DemoError>>(
    seconds: u64,
    what: &'static str,
    act: impl Future<Output = Result<T, E>>,
) -> Result<T, DemoError> {
    match tokio::time::timeout(Duration::from_secs(seconds), act).await {
        Ok(result) => result.map_err(Into::into),
        Err(_) => Err(DemoError::TimedOut(what, seconds)),
    }
}

/// Plays it all and returns the receipt.
pub(super) async fn play(args: &DemoArgs, progress: &Progress) -> Result<Receipt, DemoError> {
    let directory = tempfile::Builder::new().prefix("strait-demo").tempdir()?;
    let mut play = set_up(args, progress, directory.path()).await?;
    play.open().await?;
    play.pay_one_by_one().await?;
    play.withdraw().await?;
    let old = play.keep_old_state().await?;
    play.stream().await?;
    play.pay_against_hash().await?;
    play.compare_books().await?;
    play.cheat(&old).await?;
    play.settle().await?;
    let (transactions, gas) = play.world.transactions();
    play.receipt.figures.transactions = transactions;
    play.receipt.figures.gas = gas;
    play.receipt.figures.seconds = progress.elapsed().as_secs_f64();
    play.world.stop();
    play.store.node.shutdown().await;
    Ok(play.receipt)
}

async fn set_up<'a>(
    args: &'a DemoArgs,
    progress: &'a Progress,
    directory: &std::path::Path,
) -> Result<Play<'a>, DemoError> {
    let no_key = || DemoError::Unexpected("a demo key is out of range".into());
    let customer = Identity::new("customer").ok_or_else(no_key)?;
    let store = Identity::new("store").ok_or_else(no_key)?;
    let world = World::new(&[&customer, &store])?;
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let customer = Party::start(customer, directory.join("customer"), any_port, &world).await?;
    let store = Party::start(store, directory.join("store"), any_port, &world).await?;
    let address =
        store.node.address().ok_or_else(|| DemoError::Unexpected("the store does not listen".into()))?;
    customer.node.add_peer(address.clone());
    let new = NewChannel {
        peer: Participant { signer: store.identity.key.address(), payout: store.identity.payout },
        payout: customer.identity.payout,
        assets: vec![Address::ZERO],
        challenge_duration: CHALLENGE_SECONDS,
    };
    let channel = customer.node.open_new(new, settings()).await?;
    let params = customer.node.params(channel).await?;
    progress.step("chain and two nodes started", &format!("store at {address}"));
    Ok(Play { args, progress, world, customer, store, params, channel, receipt: Receipt::default() })
}

impl Play<'_> {
    fn figures(&mut self) -> &mut Figures {
        &mut self.receipt.figures
    }

    async fn open(&mut self) -> Result<(), DemoError> {
        let node = &self.customer.node;
        node.deposit(self.channel, NATIVE, Amount::from(DEPOSIT)).await?;
        let funded = |view: &ChannelView| view.link == "up" && view.balances[0].own == i128::from(DEPOSIT);
        in_time("the deposit", node.wait_until(self.channel, funded)).await?;
        let seen = |view: &ChannelView| view.link == "up" && view.balances[0].peer == i128::from(DEPOSIT);
        in_time("the store's view of the deposit", self.store.node.wait_until(self.channel, seen)).await?;
        self.figures().deposits = U256::from(DEPOSIT);
        let result = format!("customer deposited {} ETH, the store nothing", DEPOSIT / ETHER);
        self.progress.step("channel opened", &result);
        Ok(())
    }

    async fn pay_one_by_one(&mut self) -> Result<(), DemoError> {
        let paying = stream::one_by_one(&self.customer.node, self.channel, ONE_BY_ONE, Amount::from(PRICE));
        let mut latencies = in_time("paying one by one", paying).await?;
        latencies.sort_unstable();
        let micros = |per_mille: usize| {
            let index = latencies.len().saturating_sub(1) * per_mille / 1_000;
            latencies.get(index).map_or(0, |latency| u64::try_from(latency.as_micros()).unwrap_or(u64::MAX))
        };
        let (p50, p99) = (micros(500), micros(990));
        self.figures().latency_us_p50 = p50;
        self.figures().latency_us_p99 = p99;
        self.figures().paid += ONE_BY_ONE;
        let result = format!("p50 {:.2} ms, p99 {:.2} ms, durable on both sides", ms(p50), ms(p99));
        self.progress.step("1,000 payments one by one", &result);
        Ok(())
    }

    /// The store takes an amount out while the channel lives.
    async fn withdraw(&mut self) -> Result<(), DemoError> {
        let withdraw = Command::Withdraw { asset: NATIVE, amount: Amount::from(WITHDRAWN) };
        in_time("the agreement to withdraw", self.store.node.command(self.channel, withdraw)).await?;
        let payout = self.store.identity.payout;
        let world = &self.world;
        let paid = |_: &ChannelView| !world.balance(payout).is_zero();
        let view = in_time("the withdrawal", self.store.node.wait_until(self.channel, paid)).await?;
        let is_exact = world.balance(payout) == U256::from(WITHDRAWN);
        self.receipt.check("withdrawal_paid_while_open", is_exact && view.phase == "open");
        self.progress.step("store withdrew while open", &format!("{} ETH", ether(U256::from(WITHDRAWN))));
        Ok(())
    }

    /// The customer keeps a state in which most of its money is still its own.
    async fn keep_old_state(&mut self) -> Result<SignedPosition, DemoError> {
        let payment = stream::payment(Amount::from(PRICE), "after the withdrawal".into());
        in_time("a payment", self.customer.node.pay(self.channel, payment)).await?;
        self.figures().paid += 1;
        self.customer
            .node
            .latest(self.channel)
            .await?
            .ok_or_else(|| DemoError::Unexpected("the customer holds no countersigned state".into()))
    }

    /// Streams, while the store refunds, the customer tops up, and the customer's node is killed and started again.
    async fn stream(&mut self) -> Result<(), DemoError> {
        let count = self.args.payments;
        self.progress.begin(count);
        let started = Instant::now();
        let before_crash = self.stream_some(0..count, "the stream");
        let (first, refunds) = tokio::try_join!(before_crash, self.meanwhile(count))?;
        self.customer = self.customer.restart(&self.world).await?;
        let node = &self.customer.node;
        self.store.node.address().into_iter().for_each(|address| node.add_peer(address));
        let caught_up = |view: &ChannelView| view.link == "up" && view.in_flight == 0;
        in_time("the reconnection", node.wait_until(self.channel, caught_up)).await?;
        // The customer's own books tell which of the unanswered payments were made.
        let bill = receipt::read_bill(node, Side::Zero, self.channel).await?;
        let missing: Vec<u64> =
            first.unanswered.iter().copied().filter(|number| !bill.lists(*number)).collect();
        let recovered = (first.unanswered.len() - missing.len()) as u64;
        self.progress.begin(count);
        let late_refunds = self.refund("late refund", count);
        let (second, late) =
            tokio::try_join!(self.stream_some(missing, "the rest of the stream"), late_refunds)?;
        let elapsed = started.elapsed();
        let acknowledged = first.acknowledged + recovered + second.acknowledged;
        let is_complete = acknowledged == count && second.unanswered.is_empty();
        self.receipt.check("every_streamed_payment_acknowledged", is_complete);
        let figures = self.figures();
        figures.paid += acknowledged;
        figures.refunds += refunds + late;
        figures.deposits += U256::from(TOP_UP);
        figures.streamed = acknowledged;
        figures.stream_seconds = elapsed.as_secs_f64();
        let rate = figures.payments_per_second();
        let result = format!("{rate:.0}/s with {} refunds, a top-up and a crash", refunds + late);
        self.progress.step(&format!("{} payments streamed", receipt::group(acknowledged)), &result);
        Ok(())
    }

    async fn stream_some(
        &self,
        numbers: impl IntoIterator<Item = u64>,
        what: &'static str,
    ) -> Result<Streamed, DemoError> {
        let (node, price) = (self.customer.node.clone(), Amount::from(PRICE));
        let tick = || self.progress.advance();
        let streaming = stream::stream(&node, self.channel, numbers, price, "stream", tick);
        within(self.stream_seconds(), what, streaming).await
    }

    /// Longest time for the stream: a slow machine makes a thousand payments a second.
    fn stream_seconds(&self) -> u64 {
        PATIENCE_SECONDS + self.args.payments / 1_000
    }

    async fn refund(&self, label: &str, count: u64) -> Result<u64, DemoError> {
        let (node, amount) = (&self.store.node, Amount::from(REFUND));
        let refunds = (count / 200).max(10);
        let refunding = stream::stream(node, self.channel, 0..refunds, amount, label, || {});
        Ok(within(self.stream_seconds(), "the refunds", refunding).await?.acknowledged)
    }

    /// Refunds and a top-up; then, two fifths into the stream, the customer's node dies.
    async fn meanwhile(&self, count: u64) -> Result<u64, DemoError> {
        let customer = &self.customer.node;
        let topping_up = in_time("the top-up", customer.deposit(self.channel, NATIVE, Amount::from(TOP_UP)));
        let (refunds, _) = tokio::try_join!(self.refund("refund", count), topping_up)?;
        let far_enough = |view: &ChannelView| view.payments[0] >= count * 2 / 5;
        let streamed = customer.wait_until(self.channel, far_enough);
        within(self.stream_seconds(), "two fifths of the stream", streamed).await?;
        self.customer.kill().await;
        Ok(refunds)
    }

    /// The customer locks an amount; the store takes it by showing the preimage.
    async fn pay_against_hash(&mut self) -> Result<(), DemoError> {
        let preimage = keccak256("the goods");
        let hash = B256::from_slice(&Sha256::digest(preimage));
        let expiry = self.world.now() + 24 * 3_600;
        let lock = Command::AddLock { asset: NATIVE, amount: Amount::from(LOCKED), hash, expiry };
        in_time("the lock", self.customer.node.command(self.channel, lock)).await?;
        let offered = in_time(
            "the lock at the store",
            self.store.node.wait_until(self.channel, |view| !view.locks.is_empty()),
        )
        .await?;
        let number = offered.locks[0].number;
        let claim = Command::SettleLock { number, preimage };
        in_time("the claim", self.store.node.command(self.channel, claim)).await?;
        let settled = self.customer.node.wait_until(self.channel, |view| view.locks.is_empty());
        in_time("the lock's end at the customer", settled).await?;
        self.figures().locked += U256::from(LOCKED);
        self.progress.step("payment against a hash lock", "the preimage was the receipt");
        Ok(())
    }

    /// What each side owes by our own count.
    fn expected(&self) -> (U256, U256) {
        let figures = &self.receipt.figures;
        let paid = U256::from(figures.paid) * U256::from(PRICE) + figures.locked;
        let refunded = U256::from(figures.refunds) * U256::from(REFUND);
        (figures.deposits + refunded - paid, paid - refunded)
    }

    async fn compare_books(&mut self) -> Result<(), DemoError> {
        let quiet =
            |view: &ChannelView| view.in_flight == 0 && view.balances[0].arriving == [Amount::ZERO; 2];
        let ours =
            in_time("the last acknowledgement", self.customer.node.wait_until(self.channel, quiet)).await?;
        let theirs = in_time(
            "the last version",
            self.store.node.wait_until(self.channel, |view| quiet(view) && view.version == ours.version),
        )
        .await?;
        let figures = &self.receipt.figures;
        let counts = [figures.paid, figures.refunds];
        let is_counted = ours.payments == counts && theirs.payments == [counts[1], counts[0]];
        let (customer, store) = self.expected();
        let owned = |amount: i128| u128::try_from(amount).map(U256::from).unwrap_or_default();
        let is_owned = owned(ours.balances[0].own) == customer
            && owned(theirs.balances[0].own) + U256::from(WITHDRAWN) == store;
        self.receipt.check("same_version_and_history", ours.history == theirs.history);
        self.receipt.check("payments_counted_alike", is_counted);
        self.receipt.check("balances_add_up", is_owned);
        let bill = receipt::read_bill(&self.store.node, Side::One, self.channel).await?;
        self.receipt.check("bill_lists_each_payment_once", bill.lists_once(self.args.payments, counts[0]));
        self.progress
            .step("books compared", &format!("version {}, history {}", ours.version, short(ours.history)));
        Ok(())
    }

    async fn cheat(&mut self, old: &SignedPosition) -> Result<(), DemoError> {
        self.customer.kill().await;
        let recorded = self.store.node.facts(self.channel).await?.record();
        cheat::challenge_with(
            old,
            &self.params,
            &self.customer.identity,
            recorded,
            &self.world.domain,
            &self.world,
        )?;
        let version = self.store.node.view(self.channel).await?.version;
        let answers = self.store.node.wait_until(self.channel, |view| view.recorded == Some(version));
        let answered = in_time("the store's answer to the challenge", answers).await?;
        self.receipt.check("cheat_answered_by_itself", answered.phase == "disputed");
        let shown = old.position.state.version;
        self.progress
            .step("customer cheats, store answers", &format!("version {shown} shown, {version} answered"));
        Ok(())
    }

    async fn settle(&mut self) -> Result<(), DemoError> {
        self.world.travel(u64::from(CHALLENGE_SECONDS) + 60);
        let closed = self.store.node.wait_until(self.channel, |view| view.phase == "closed");
        in_time("the settlement", closed).await?;
        let (customer, store) = self.expected();
        let got = (
            self.world.balance(self.customer.identity.payout),
            self.world.balance(self.store.identity.payout),
        );
        self.receipt.check("customer_paid_exactly", got.0 == customer);
        self.receipt.check("store_paid_exactly", got.1 == store);
        let left = self.world.balance(self.world.domain.adjudicator());
        self.receipt.check("nothing_left_in_contract", left.is_zero());
        self.figures().customer_got = got.0;
        self.figures().store_got = got.1;
        self.progress.step("settled after the challenge period", "24 hours of chain time, skipped");
        Ok(())
    }
}

fn ms(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64() * 1_000.0
}

/// Wei as ether, exactly.
pub(super) fn ether(wei: U256) -> String {
    let amount = u128::try_from(wei).ok().and_then(Amount::new).unwrap_or(Amount::MAX);
    amount.format_decimal(18)
}

fn short(hash: B256) -> String {
    format!("{}..", &hash.to_string()[..10])
}
