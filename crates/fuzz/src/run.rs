//! Runs targets on inputs, and finds new inputs.

use crate::{Corpus, Coverage, Features, Numbers, Target};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// Most inputs of a target that are damaged further.
const MOST_KEPT: usize = 140;
/// As many where the program counts its regions, which tell more inputs apart.
const MOST_KEPT_BY_COVERAGE: usize = 2_000;
/// Most attempts to make a finding shorter.
const REDUCTIONS: usize = 400;

/// What an input has brought about.
#[derive(Clone, Debug)]
pub struct Failed(pub String);

/// An input that found a fault, made as short as could be in some attempts.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Of the target.
    pub target: &'static str,
    /// The input.
    pub input: Vec<u8>,
    /// What happened.
    pub what: String,
}

/// Runs one input.
///
/// # Errors
/// When it breaks a property, or panics.
pub fn attempt(target: &Target, input: &[u8]) -> Result<Features, Failed> {
    let mut features = Features::default();
    match catch_unwind(AssertUnwindSafe(|| (target.run)(input, &mut features))) {
        Ok(Ok(())) => Ok(features),
        Ok(Err(what)) => Err(Failed(what)),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("of an unknown kind");
            Err(Failed(format!("a panic: {text}")))
        }
    }
}

/// A shorter input that fails, too.
pub fn reduce(target: &Target, input: &[u8]) -> Vec<u8> {
    let mut best = input.to_vec();
    let mut piece = best.len() / 2;
    let mut left = REDUCTIONS;
    while piece > 0 && left > 0 {
        let mut at = 0;
        while at < best.len() && left > 0 {
            left -= 1;
            let mut shorter = best.clone();
            shorter.drain(at..(at + piece).min(best.len()));
            if attempt(target, &shorter).is_err() {
                best = shorter;
            } else {
                at += piece;
            }
        }
        piece /= 2;
    }
    best
}

/// A search in one target.
pub struct Campaign {
    target: Target,
    numbers: Numbers,
    pool: Vec<Vec<u8>>,
    seen: Features,
    runs: u64,
    coverage: Option<Coverage>,
}

impl Campaign {
    /// Begins with the target's corpus and `seeds`; what shows nothing new is left out. With `coverage` the regions that
    /// a run passes are among what it shows.
    ///
    /// # Errors
    /// When one of them breaks something.
    pub fn new(
        target: Target,
        seeds: Vec<Vec<u8>>,
        seed: u64,
        coverage: Option<Coverage>,
    ) -> Result<Campaign, Box<Finding>> {
        let (numbers, seen) = (Numbers(seed), Features::default());
        let mut campaign = Campaign { target, numbers, pool: Vec::new(), seen, runs: 0, coverage };
        for input in Corpus::of(target.name).inputs().into_iter().chain(seeds) {
            match campaign.attempt(&input) {
                Ok(features) if campaign.seen.learn(&features) => campaign.pool.push(input),
                Ok(_) => {}
                Err(_) => return Err(Box::new(campaign.finding(&input))),
            }
        }
        if campaign.pool.is_empty() {
            campaign.pool.push(vec![0]);
        }
        Ok(campaign)
    }

    /// Tries damaged inputs for some time, or until something breaks.
    ///
    /// # Errors
    /// The first finding.
    pub fn search(&mut self, time: Duration) -> Result<(), Box<Finding>> {
        let end = Instant::now() + time;
        let most = if self.coverage.is_some() { MOST_KEPT_BY_COVERAGE } else { MOST_KEPT };
        while Instant::now() < end {
            self.runs += 1;
            let sample = self.numbers.below(self.pool.len());
            let other = self.numbers.below(self.pool.len());
            let mut input = self.numbers.damaged(&self.pool[sample], &self.pool[other]);
            input.truncate(self.target.longest);
            match self.attempt(&input) {
                Ok(features) if self.seen.learn(&features) && self.pool.len() < most => {
                    self.pool.push(input);
                }
                Ok(_) => {}
                Err(_) => return Err(Box::new(self.finding(&input))),
            }
        }
        Ok(())
    }

    fn attempt(&mut self, input: &[u8]) -> Result<Features, Failed> {
        let unread = |error: std::io::Error| Failed(format!("the counters can't be read: {error}"));
        let Some(coverage) = &mut self.coverage else { return attempt(&self.target, input) };
        coverage.begin().map_err(unread)?;
        let mut features = attempt(&self.target, input)?;
        coverage.end(&mut features).map_err(unread)?;
        Ok(features)
    }

    fn finding(&self, input: &[u8]) -> Finding {
        let input = reduce(&self.target, input);
        let what = attempt(&self.target, &input).err().map_or_else(|| "it does not recur".into(), |f| f.0);
        Finding { target: self.target.name, input, what }
    }

    /// Inputs tried by searching.
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// Features seen so far.
    pub fn features(&self) -> usize {
        self.seen.count()
    }

    /// Inputs that showed something new.
    pub fn pool(&self) -> &[Vec<u8>] {
        &self.pool
    }

    /// The inputs that between them show most: what shows nothing that shorter ones don't is left out, and of the others
    /// those that add least, beyond `most`.
    pub fn best(&mut self, most: usize) -> Vec<Vec<u8>> {
        let mut inputs = self.pool.clone();
        inputs.sort_by_key(Vec::len);
        let mut seen = Features::default();
        let mut best = Vec::new();
        for input in inputs {
            let Ok(features) = self.attempt(&input) else { continue };
            let gain = seen.unseen(&features);
            if seen.learn(&features) {
                best.push((gain, input));
            }
        }
        best.sort_by_key(|(gain, _)| std::cmp::Reverse(*gain));
        best.into_iter().take(most).map(|(_, input)| input).collect()
    }
}
