//! What an operator must hear of in time: a chain that stands still, clocks that disagree, deadlines that come near.

use crate::engine::Engine;
use crate::input::{Effect, Notice};
use crate::ports::Followed;
use crate::status::BlockView;
use strait_protocol::Deadline;
use strait_types::ChannelId;

/// While a deadline runs, the time is looked at so often, in milliseconds.
const LOOK_MS: u64 = 60_000;

/// When the operator is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Alarms {
    /// Seconds by this node's clock since the newest block's timestamp, after which the view of the chain is stale. A few
    /// dozen blocks; a chain that makes blocks on demand needs more.
    pub stale_after: u64,
    /// Seconds that the newest block's timestamp may be ahead of this node's clock.
    pub clock_skew: u64,
}

impl Default for Alarms {
    fn default() -> Self {
        Alarms { stale_after: 300, clock_skew: 60 }
    }
}

/// What was told already.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    pub(crate) config: Alarms,
    /// The chain's head at its last answer.
    pub(crate) head: Option<BlockView>,
    /// When the first input came, milliseconds.
    started_ms: Option<u64>,
    stale: bool,
    skewed: bool,
    /// When the deadlines are looked at next, milliseconds.
    look_ms: Option<u64>,
}

impl Alarm {
    pub(crate) fn new(config: Alarms) -> Alarm {
        Alarm { config, ..Alarm::default() }
    }

    pub(crate) fn is_stale(&self) -> bool {
        self.stale
    }

    pub(crate) fn start(&mut self, now_ms: u64) {
        self.started_ms.get_or_insert(now_ms);
    }

    /// From when on the view is stale, milliseconds.
    fn stale_at(&self) -> Option<u64> {
        let newest = self.head.map(|head| head.time.saturating_mul(1_000));
        let after = self.config.stale_after.saturating_mul(1_000);
        newest.or(self.started_ms).map(|since| since.saturating_add(after))
    }

    /// When time alone makes for an alarm, milliseconds.
    pub(crate) fn due(&self) -> Option<u64> {
        let stale = self.stale_at().filter(|_| !self.stale);
        [stale, self.look_ms].into_iter().flatten().min()
    }

    /// The chain has told its head.
    pub(crate) fn note_head(&mut self, now_ms: u64, followed: &Followed) -> Vec<Notice> {
        let head =
            BlockView { number: followed.head.number, hash: followed.head.hash, time: followed.head_time };
        self.head = Some(head);
        let ahead = followed.head_time.saturating_sub(now_ms / 1_000);
        let skewed = ahead > self.config.clock_skew;
        let is_news = skewed && !std::mem::replace(&mut self.skewed, skewed);
        let skew = is_news.then_some(Notice::ClockSkew { seconds: ahead });
        self.skewed = skewed;
        skew.into_iter().chain(self.check_staleness(now_ms)).collect()
    }

    /// Whether the view of the chain became stale, or fresh again.
    pub(crate) fn check_staleness(&mut self, now_ms: u64) -> Option<Notice> {
        let stale = self.stale_at().is_some_and(|at| at <= now_ms);
        let head = self.head;
        let notice = if stale { Notice::ChainStale { head } } else { Notice::ChainFresh { head } };
        (std::mem::replace(&mut self.stale, stale) != stale).then_some(notice)
    }

    /// Whether deadlines run, which are looked at again in a while.
    pub(crate) fn look_again(&mut self, now_ms: u64, running: bool) {
        self.look_ms = running.then(|| now_ms.saturating_add(LOOK_MS));
    }
}

/// Deadlines that the operator was told of, with the quarters that were left then.
#[derive(Debug, Default)]
pub(crate) struct Told(Vec<(Deadline, u8)>);

impl Told {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is to be told of a channel's deadlines: each when less than three, two and one quarter of its time are left.
    pub(crate) fn news(&mut self, channel: ChannelId, now: u64, deadlines: &[Deadline]) -> Vec<Notice> {
        self.0.retain(|(told, _)| deadlines.contains(told));
        let mut notices = Vec::new();
        for deadline in deadlines {
            let quarters_left = quarters_left(deadline, now);
            let told = self.0.iter_mut().find(|(of, _)| of == deadline);
            // A user who is to move hears of it at once.
            let first = if deadline.call == "move" { 5 } else { 4 };
            let is_news = quarters_left < told.as_ref().map_or(first, |(_, quarters)| *quarters);
            if !is_news {
                continue;
            }
            match told {
                Some((_, told)) => *told = quarters_left,
                None => self.0.push((*deadline, quarters_left)),
            }
            let (call, deadline) = (deadline.call, deadline.at);
            notices.push(Notice::DeadlineInDanger { channel, call, deadline, quarters_left });
        }
        notices
    }
}

impl Engine {
    /// The chain has told its head.
    pub(crate) fn note_head(&mut self, now_ms: u64, followed: &Followed) {
        let notices = self.alarm.note_head(now_ms, followed);
        self.effects.extend(notices.into_iter().map(Effect::Notify));
    }

    /// Looks at what time alone brings about.
    pub(crate) fn raise_alarms(&mut self, now_ms: u64) {
        self.remind_of_halt(now_ms);
        if self.alarm.due().is_none_or(|due| due > now_ms) {
            return;
        }
        let staleness = self.alarm.check_staleness(now_ms);
        self.effects.extend(staleness.map(Effect::Notify));
        self.check_deadlines(now_ms);
    }

    /// Tells of each call that guards money when less than three, two and one quarter of its time are left and the
    /// chain does not show it.
    pub(crate) fn check_deadlines(&mut self, now_ms: u64) {
        let mut running = false;
        for id in self.watched.clone() {
            let Some(entry) = self.channels.get(&id) else { continue };
            let deadlines = entry.channel.deadlines(&self.context(now_ms, &entry));
            running |= !deadlines.is_empty();
            self.tell_deadlines(now_ms, id, &deadlines);
        }
        self.alarm.look_again(now_ms, running);
    }

    fn tell_deadlines(&mut self, now_ms: u64, id: ChannelId, deadlines: &[Deadline]) {
        let now = self.cursor.times(0).0.max(now_ms / 1_000);
        let Some(entry) = self.channels.get_mut(&id) else { return };
        self.effects.extend(entry.alarmed.news(id, now, deadlines).into_iter().map(Effect::Notify));
    }
}

/// How many quarters of the period are begun and not over: 4 at its start, 0 when it is over.
fn quarters_left(deadline: &Deadline, now: u64) -> u8 {
    let left = u128::from(deadline.at.saturating_sub(now));
    let quarters = (left * 4).div_ceil(u128::from(deadline.period.max(1)));
    u8::try_from(quarters.min(4)).unwrap_or(4)
}
