//! Two parties in processes of their own, and what one measurement of them gives.

use crate::latency::Histogram;
use crate::process::Process;
use crate::scenario::Scenario;
use crate::talk::{Order, Ran, Role, Said, Setup, Usage};
use anyhow::{Result, bail};
use std::path::Path;

/// How everything is measured.
pub(super) struct Plan<'a> {
    /// Where the parties keep their data.
    pub(super) directory: &'a Path,
    /// Milliseconds that are not measured.
    pub(super) warm_up: u64,
    /// Milliseconds that are.
    pub(super) millis: u64,
}

/// What one measurement gives.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub(super) payments: u64,
    pub(super) per_second: f64,
    pub(super) latency: Histogram,
    /// Of both parties, in the measured time.
    pub(super) used: Usage,
}

struct Party(Process);

impl Party {
    fn start(executable: &Path, setup: &Setup) -> Result<Party> {
        Ok(Party(Process::start(executable, "--party", setup)?))
    }

    fn hear(&mut self) -> Result<Said> {
        self.0.hear()
    }

    fn hear_ready(&mut self) -> Result<()> {
        match self.hear()? {
            Said::Ready => Ok(()),
            other => bail!("a party said {other:?} too early"),
        }
    }

    fn hear_ran(&mut self) -> Result<Ran> {
        match self.hear()? {
            Said::Ran(ran) => Ok(ran),
            other => bail!("a party said {other:?} instead of what it paid"),
        }
    }

    fn usage(&mut self) -> Result<Usage> {
        self.0.order(&Order::Usage)?;
        match self.hear()? {
            Said::Usage(usage) => Ok(usage),
            other => bail!("a party said {other:?} instead of what it used"),
        }
    }
}

impl Plan<'_> {
    /// Starts two parties, lets them pay, and ends them.
    pub(super) fn measure(&self, executable: &Path, scenario: &Scenario, bare: bool) -> Result<Measured> {
        std::fs::create_dir_all(self.directory)?;
        let directory = tempfile::tempdir_in(self.directory)?;
        // Two ways without product code are two pairs: there is no pen that would join them.
        let pairs = if bare && scenario.duplex { 2 } else { 1 };
        let mut parties = Vec::new();
        for pair in 0..pairs {
            let start = |role, peer| {
                let directory = directory.path().join(format!("{pair}-{role:?}"));
                let scenario = scenario.name.to_owned();
                Party::start(executable, &Setup { scenario, bare, role, directory, peer, aloud: false })
            };
            let mut payee = start(Role::Payee, None)?;
            let Said::Listening(address) = payee.hear()? else { bail!("the payee does not listen") };
            let mut payer = start(Role::Payer, Some(address))?;
            payer.hear_ready()?;
            payee.hear_ready()?;
            // Whoever pays comes first.
            parties.splice(pair..pair, [payer]);
            parties.push(payee);
        }
        let payers = if scenario.duplex { 2 } else { 1 };
        run(&mut parties[..payers], self.warm_up)?;
        let before = total(&mut parties)?;
        let ran = run(&mut parties[..payers], self.millis)?;
        let after = total(&mut parties)?;
        Ok(Measured::new(&ran, before, after))
    }
}

fn run(payers: &mut [Party], millis: u64) -> Result<Vec<Ran>> {
    for payer in &mut *payers {
        payer.0.order(&Order::Run { millis })?;
    }
    payers.iter_mut().map(Party::hear_ran).collect()
}

/// Sums, and of memory the most.
fn total(parties: &mut [Party]) -> Result<Usage> {
    let mut total = Usage::default();
    for party in parties {
        let used = party.usage()?;
        total.cpu_us += used.cpu_us;
        total.syncs += used.syncs;
        total.signatures += used.signatures;
        total.disk_bytes += used.disk_bytes;
        total.wire_bytes += used.wire_bytes;
        total.peak_rss_kib = total.peak_rss_kib.max(used.peak_rss_kib);
    }
    Ok(total)
}

impl Measured {
    fn new(ran: &[Ran], before: Usage, after: Usage) -> Measured {
        let mut latency = Histogram::default();
        ran.iter().for_each(|ran| latency.merge(&ran.latency));
        let payments = ran.iter().map(|ran| ran.payments).sum();
        let seconds = ran.iter().map(|ran| ran.seconds).fold(f64::MIN_POSITIVE, f64::max);
        let used = Usage {
            cpu_us: after.cpu_us - before.cpu_us,
            syncs: after.syncs - before.syncs,
            signatures: after.signatures - before.signatures,
            disk_bytes: after.disk_bytes - before.disk_bytes,
            wire_bytes: after.wire_bytes - before.wire_bytes,
            peak_rss_kib: after.peak_rss_kib,
        };
        Measured { payments, per_second: payments as f64 / seconds, latency, used }
    }

    /// An amount that was used, by payment.
    pub(super) fn each(&self, used: u64) -> f64 {
        used as f64 / self.payments.max(1) as f64
    }
}
