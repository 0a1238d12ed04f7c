//! Makes versions of what waits, writes them, sends them, and ends what is acknowledged.

use super::link::{Frame, Frames, Keys, PAYMENT, advance, state};
use super::log::{Job, Log};
use crate::latency::Histogram;
use crate::scenario::Scenario;
use crate::talk::Ran;
use crate::usage::Counters;
use anyhow::{Context as _, Result};
use std::collections::{BTreeSet, VecDeque};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};
use std::time::Instant;
use strait_types::{B256, State};

/// Where an acknowledged payment's news goes.
pub(super) type Reply = Arc<dyn Fn() + Send + Sync>;

struct Waiting {
    start: Instant,
    reply: Option<Reply>,
}

struct Version {
    number: u64,
    digest: B256,
    payments: Vec<Waiting>,
}

struct Channel {
    state: State,
    queue: VecDeque<Waiting>,
    in_flight: VecDeque<Version>,
}

/// What wakes the payer.
pub(super) enum News {
    /// Acknowledgements came.
    Acknowledged(Vec<Frame>),
    /// They are on disk: channel and version.
    Durable(Vec<(u32, u64)>),
    /// Somebody wants to pay so many; the reply is given after each.
    Wanted(usize, Reply),
    /// Nobody will want to pay any more.
    Enough,
}

/// The payer's own thread is the caller's.
pub(super) struct Payer {
    keys: Keys,
    channels: Vec<Channel>,
    next: usize,
    in_flight: usize,
    limit: usize,
    batch: usize,
    window: usize,
    jobs: SyncSender<Job<(u32, u64)>>,
    pub(super) news: Sender<News>,
    coming: Receiver<News>,
    counters: Arc<Counters>,
}

impl Payer {
    pub(super) fn start(
        socket: TcpStream,
        log: Log,
        counters: Arc<Counters>,
        scenario: &Scenario,
    ) -> Result<Payer> {
        let (news, coming) = channel();
        let durable = news.clone();
        let jobs = log.start(socket.try_clone()?, move |done| drop(durable.send(News::Durable(done))));
        let acknowledged = news.clone();
        let counted = counters.clone();
        std::thread::spawn(move || {
            let mut frames = Frames::new(socket);
            while let Some(count) = frames.wait() {
                counted.wire_bytes.fetch_add(count as u64, Ordering::Relaxed);
                let all = std::iter::from_fn(|| frames.next()).collect();
                if acknowledged.send(News::Acknowledged(all)).is_err() {
                    return;
                }
            }
        });
        let open =
            |number| Channel { state: state(number), queue: VecDeque::new(), in_flight: VecDeque::new() };
        let settings = scenario.settings();
        Ok(Payer {
            keys: Keys::new(0, 1),
            channels: (0..u32::try_from(scenario.channels)?).map(open).collect(),
            next: 0,
            in_flight: 0,
            limit: scenario.in_flight,
            batch: settings.batch,
            window: settings.window,
            jobs,
            news,
            coming,
            counters,
        })
    }

    /// Pays over all channels in turn.
    pub(super) fn stream(&mut self, until: Instant) -> Result<Ran> {
        self.pay(Some(until))
    }

    /// Pays what is wanted, until it is said to be enough.
    pub(super) fn serve(&mut self) -> Result<Ran> {
        self.pay(None)
    }

    fn pay(&mut self, until: Option<Instant>) -> Result<Ran> {
        let began = Instant::now();
        let mut ran = Ran { payments: 0, seconds: 0.0, latency: Histogram::default() };
        let mut enough = false;
        let mut touched = BTreeSet::new();
        loop {
            let now = Instant::now();
            while until.is_some_and(|until| now < until) && self.in_flight < self.limit {
                touched.insert(self.enqueue(now, None));
            }
            let mut job = Job::default();
            self.write(&mut touched, &mut job)?;
            if !job.record.is_empty() {
                self.jobs.send(job).ok().context("the log has stopped")?;
            }
            if self.in_flight == 0 && (enough || until.is_some_and(|until| Instant::now() >= until)) {
                break;
            }
            let first = self.coming.recv()?;
            let mut confirmed = Job::default();
            for news in std::iter::once(first).chain(self.coming.try_iter().collect::<Vec<_>>()) {
                match news {
                    News::Acknowledged(frames) => self.confirm(&frames, &mut confirmed)?,
                    News::Durable(versions) => self.end(&versions, &mut touched, &mut ran),
                    News::Wanted(count, reply) => {
                        let now = Instant::now();
                        touched.extend((0..count).map(|_| self.enqueue(now, Some(reply.clone()))));
                    }
                    News::Enough => enough = true,
                }
            }
            if !confirmed.record.is_empty() {
                self.jobs.send(confirmed).ok().context("the log has stopped")?;
            }
        }
        ran.seconds = began.elapsed().as_secs_f64();
        Ok(ran)
    }

    fn enqueue(&mut self, start: Instant, reply: Option<Reply>) -> usize {
        let channel = self.next;
        self.next = (channel + 1) % self.channels.len();
        self.channels[channel].queue.push_back(Waiting { start, reply });
        self.in_flight += 1;
        channel
    }

    fn write(&mut self, touched: &mut BTreeSet<usize>, job: &mut Job<(u32, u64)>) -> Result<()> {
        for number in std::mem::take(touched) {
            let channel = &mut self.channels[number];
            while !channel.queue.is_empty() && channel.in_flight.len() < self.window {
                let count = channel.queue.len().min(self.batch);
                let payments: Vec<_> = channel.queue.drain(..count).collect();
                let mut operations = Vec::with_capacity(count * PAYMENT);
                for _ in 0..count {
                    let start = operations.len();
                    operations.resize(start + PAYMENT, b'm');
                    operations[start + 2] = 1;
                }
                advance(&mut channel.state, &operations, count);
                let digest = self.keys.digest(&channel.state);
                let signature = self.keys.sign(digest);
                self.counters.signatures.fetch_add(1, Ordering::Relaxed);
                let version = channel.state.version.0;
                let frame = Frame { channel: u32::try_from(number)?, version, signature, operations };
                frame.append_to(&mut job.record);
                frame.append_to(&mut job.frames);
                channel.in_flight.push_back(Version { number: version, digest, payments });
            }
        }
        Ok(())
    }

    fn confirm(&mut self, frames: &[Frame], job: &mut Job<(u32, u64)>) -> Result<()> {
        for frame in frames {
            let channel = &self.channels[frame.channel as usize];
            let version = channel.in_flight.iter().find(|version| version.number == frame.version);
            let version = version.context("an acknowledgement of nothing")?;
            self.keys.check(version.digest, &frame.signature)?;
            frame.append_to(&mut job.record);
            job.done.push((frame.channel, frame.version));
        }
        Ok(())
    }

    fn end(&mut self, versions: &[(u32, u64)], touched: &mut BTreeSet<usize>, ran: &mut Ran) {
        for (number, through) in versions {
            let channel = &mut self.channels[*number as usize];
            while let Some(version) = channel.in_flight.pop_front_if(|version| version.number <= *through) {
                self.in_flight -= version.payments.len();
                ran.payments += version.payments.len() as u64;
                for payment in version.payments {
                    ran.latency.add(payment.start.elapsed());
                    if let Some(reply) = payment.reply {
                        reply();
                    }
                }
            }
            if !channel.queue.is_empty() {
                touched.insert(*number as usize);
            }
        }
    }
}
