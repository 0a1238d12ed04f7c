//! What users do.

use crate::check::calls::{Call, Progress, memo_of};
use crate::failure::Broken;
use crate::mutation::Mutation;
use crate::queue::Event;
use crate::world::World;
use sha2::{Digest, Sha256};
use strait_engine::Input;
use strait_engine::ports::TxRequest;
use strait_protocol::{ChannelView, Command, Payment, Token};
use strait_types::abi::calls;
use strait_types::{Amount, AssetIndex, B256, ChannelId, U256};

/// Kinds of operations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Pay,
    PayTooMuch,
    Misuse,
    AddLock,
    SettleLock,
    CancelLock,
    Withdraw,
    Deposit,
    Close,
    ForceClose,
    Checkpoint,
}

const KINDS: [(u64, Kind); 11] = [
    (640, Kind::Pay),
    (30, Kind::PayTooMuch),
    (20, Kind::Misuse),
    (90, Kind::AddLock),
    (70, Kind::SettleLock),
    (30, Kind::CancelLock),
    (25, Kind::Withdraw),
    (45, Kind::Deposit),
    (1, Kind::Close),
    (1, Kind::ForceClose),
    (30, Kind::Checkpoint),
];

/// The hash of a lock's preimage.
pub(crate) fn sha256(preimage: B256) -> B256 {
    B256::from_slice(&Sha256::digest(preimage.0))
}

impl World {
    /// One operation of some user, then time for the next.
    pub(crate) fn operate(&mut self) -> Result<(), Broken> {
        let pause = self.plan.pause.clone();
        if let Some(left) = self.operations_left.checked_sub(1) {
            self.operations_left = left;
            let wait = self.users.within(&pause);
            self.after(wait, Event::Operate);
        }
        let payments = self.channels.iter().filter(|(_, plan)| plan.game.is_none());
        let ids: Vec<ChannelId> = payments.map(|(id, _)| *id).collect();
        let channel = self.users.pick(&ids);
        let node = self.users.pick(&self.channels[&channel].nodes);
        if self.opens_child(channel) {
            return self.open_child(node, channel);
        }
        let kind = self.users.weighted(&KINDS);
        let kind = if self.tempts_turncoat(channel) { Kind::Withdraw } else { kind };
        let checked = self.users.index(self.nodes.len());
        if self.users.chance(60) {
            self.compare_with_disk(checked)?;
        }
        self.back_up(node);
        if self.mutation == Some(Mutation::LeakyAdjudicator) && self.users.chance(20) {
            self.leak();
        }
        let view = self.nodes[node].process.as_ref().and_then(|process| process.engine.view(channel));
        match view {
            Some(view) if self.parent_of(channel).is_some() => self.operate_in_child(node, channel, &view),
            Some(view) => self.operate_on(node, channel, kind, &view),
            None => Ok(()),
        }
    }

    fn operate_on(
        &mut self,
        node: usize,
        channel: ChannelId,
        kind: Kind,
        view: &ChannelView,
    ) -> Result<(), Broken> {
        self.report.count("operation", name_of(kind));
        let assets = view.balances.len();
        let asset = AssetIndex(self.users.index(assets) as u8);
        let own = view.balances[asset.index()].own.max(0).unsigned_abs();
        match kind {
            Kind::Pay => {
                let most = u64::try_from(own / 8).unwrap_or(u64::MAX).max(1);
                let amount = self.users.within(&(1..=most));
                self.pay(node, channel, asset, amount.into())
            }
            Kind::PayTooMuch => {
                let amount =
                    Amount::new(own + 1 + u128::from(self.users.below(1_000))).unwrap_or(Amount::MAX);
                self.pay(node, channel, asset, amount)
            }
            Kind::Misuse => self.misuse(node, channel, asset),
            Kind::AddLock => self.add_lock(node, channel, asset, own),
            Kind::SettleLock => self.settle_lock(node, channel, view),
            Kind::CancelLock => {
                let Some(lock) = view.locks.get(self.users.index(view.locks.len())) else { return Ok(()) };
                self.command(node, channel, "cancel lock", Command::CancelLock { number: lock.number })
            }
            Kind::Withdraw => {
                let most = u64::try_from(own / 2).unwrap_or(u64::MAX).max(1);
                let amount = self.users.within(&(1..=most)).into();
                self.command(node, channel, "withdraw", Command::Withdraw { asset, amount })
            }
            Kind::Deposit => {
                let amount = self.users.within(&(1..=100_000));
                self.deposit(node, channel, asset, amount)
            }
            Kind::Close => self.command(node, channel, "close", Command::Close),
            Kind::ForceClose => self.force_close(node, channel),
            Kind::Checkpoint => {
                if let Some(process) = &mut self.nodes[node].process {
                    process.engine.checkpoint();
                }
                self.round(node)
            }
        }
    }

    pub(crate) fn pay(
        &mut self,
        node: usize,
        channel: ChannelId,
        asset: AssetIndex,
        amount: Amount,
    ) -> Result<(), Broken> {
        let token = self.begin(node, channel, "pay", true);
        let payment = Payment { asset, amount, invoice: None, memo: memo_of(token) };
        let command = Command::Pay(payment);
        if self.mutation == Some(Mutation::PaysTwice) && self.users.chance(100) {
            self.take(node, Input::Command { token, channel, command: command.clone() })?;
        }
        self.take(node, Input::Command { token, channel, command })
    }

    pub(crate) fn misuse(
        &mut self,
        node: usize,
        channel: ChannelId,
        asset: AssetIndex,
    ) -> Result<(), Broken> {
        let preimage = B256::new(self.users.word());
        let nonsense = [
            Command::Withdraw { asset, amount: Amount::ZERO },
            Command::Withdraw { asset: AssetIndex(7), amount: 1.into() },
            Command::AddLock { asset, amount: 1.into(), hash: preimage, expiry: 1 },
            Command::AddLock { asset, amount: 1.into(), hash: preimage, expiry: u64::MAX },
            Command::AddLock {
                asset: AssetIndex(7),
                amount: 1.into(),
                hash: preimage,
                expiry: self.now / 1_000 + 3_000,
            },
            Command::SettleLock { number: u64::MAX, preimage },
            Command::CancelLock { number: u64::MAX },
            Command::Pay(Payment { asset, amount: Amount::ZERO, invoice: None, memo: Vec::new() }),
            Command::Pay(Payment { asset: AssetIndex(9), amount: 1.into(), invoice: None, memo: Vec::new() }),
            Command::Pay(Payment { asset, amount: Amount::MAX, invoice: None, memo: vec![0; 513] }),
        ];
        let command = nonsense[self.users.index(nonsense.len())].clone();
        self.command(node, channel, "misuse", command)
    }

    fn add_lock(
        &mut self,
        node: usize,
        channel: ChannelId,
        asset: AssetIndex,
        own: u128,
    ) -> Result<(), Broken> {
        let preimage = B256::new(self.users.word());
        let hash = sha256(preimage);
        self.preimages.insert(hash, preimage);
        if self.users.chance(50) {
            self.register_beforehand(node, preimage);
        }
        let (margin, horizon) = {
            let settings = &self.plan.settings[node];
            (settings.lock_margin, settings.lock_horizon)
        };
        let near = margin + 120..=margin + 400;
        let far = margin + 400..=horizon - 100;
        let life = if self.users.chance(500) { self.users.within(&near) } else { self.users.within(&far) };
        let most = u64::try_from(own / 10).unwrap_or(u64::MAX).max(1);
        let amount = self.users.within(&(1..=most)).into();
        let expiry = self.now / 1_000 + life;
        self.command(node, channel, "add lock", Command::AddLock { asset, amount, hash, expiry })
    }

    /// Whoever knows a preimage may register it before there is a lock, and nobody is told of that again.
    fn register_beforehand(&mut self, node: usize, preimage: B256) {
        let adjudicator = self.chain.with(|chain| chain.adjudicator());
        let request =
            TxRequest { to: adjudicator, value: U256::ZERO, data: calls::register_preimage(preimage) };
        if self.send_transaction(node, &request).is_ok() {
            self.report.count("operation", "register beforehand");
        }
    }

    fn settle_lock(&mut self, node: usize, channel: ChannelId, view: &ChannelView) -> Result<(), Broken> {
        let theirs: Vec<_> = view.locks.iter().filter(|lock| !lock.ours).collect();
        if theirs.is_empty() {
            return Ok(());
        }
        let lock = theirs[self.users.index(theirs.len())];
        let right = self.preimages.get(&lock.lock.reference).copied();
        let wrong = self.users.chance(50);
        let preimage = right.filter(|_| !wrong).unwrap_or(B256::ZERO);
        self.command(node, channel, "settle lock", Command::SettleLock { number: lock.number, preimage })
    }

    pub(crate) fn force_close(&mut self, node: usize, channel: ChannelId) -> Result<(), Broken> {
        self.ending.insert(channel);
        self.command(node, channel, "force close", Command::ForceClose)
    }

    pub(crate) fn command(
        &mut self,
        node: usize,
        channel: ChannelId,
        name: &'static str,
        command: Command,
    ) -> Result<(), Broken> {
        if matches!(command, Command::Close) {
            self.ending.insert(channel);
        }
        let token = self.begin(node, channel, name, false);
        self.note(format_args!("{} {token}: {command:?}", self.name(node)));
        self.take(node, Input::Command { token, channel, command })
    }

    pub(crate) fn deposit(
        &mut self,
        node: usize,
        channel: ChannelId,
        asset: AssetIndex,
        amount: u64,
    ) -> Result<(), Broken> {
        let token = self.begin(node, channel, "deposit", false);
        self.note(format_args!("{} {token}: deposits {amount}", self.name(node)));
        self.take(node, Input::Deposit { token, channel, asset, amount: amount.into() })
    }

    pub(crate) fn begin(
        &mut self,
        node: usize,
        channel: ChannelId,
        name: &'static str,
        is_payment: bool,
    ) -> Token {
        let progress = if self.nodes[node].process.is_some() { Progress::Open } else { Progress::Lost };
        self.calls.begin(Call { node, channel, name, is_payment, progress })
    }
}

fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Pay => "pay",
        Kind::PayTooMuch => "pay more than is there",
        Kind::Misuse => "misuse",
        Kind::AddLock => "add lock",
        Kind::SettleLock => "settle lock",
        Kind::CancelLock => "cancel lock",
        Kind::Withdraw => "withdraw",
        Kind::Deposit => "top up",
        Kind::Close => "close",
        Kind::ForceClose => "force close",
        Kind::Checkpoint => "snapshot",
    }
}
