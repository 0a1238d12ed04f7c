//! Replays what is kept, and searches on for a bounded time: some seconds here, as long as you like by
//! `cargo xtask campaign fuzz --minutes N`.

use serde_json::json;
use std::time::{Duration, Instant};
use strait_fuzz::{Campaign, Corpus, Coverage, Target, attempt, hex, samples, targets};

/// For which `STRAIT_FUZZ_SECONDS` stands when it is not set.
const SECONDS: u64 = 12;

fn seconds() -> u64 {
    std::env::var("STRAIT_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SECONDS)
}

/// Half of the time goes to the two nodes, the rest to the decoders in equal parts.
fn share(target: &Target, total: Duration, decoders: u32) -> Duration {
    if target.name == "nodes" { total / 2 } else { total / 2 / decoders }
}

#[test]
fn what_once_found_a_fault_finds_none() {
    for target in targets() {
        for input in Corpus::of(target.name).regressions() {
            let result = attempt(&target, &input);
            assert!(result.is_ok(), "{} breaks again by {}: {result:?}", target.name, hex(&input));
        }
    }
}

#[test]
fn bytes_that_nobody_chose_break_no_decoder_and_no_two_nodes() {
    let total = Duration::from_secs(seconds());
    let seed = std::env::var("STRAIT_FUZZ_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let all = targets();
    let decoders = u32::try_from(all.len() - 1).expect("few");
    let only = std::env::var("STRAIT_FUZZ_TARGET").ok();
    let mut results = Vec::new();
    let mut findings = Vec::new();
    let coverage = || Coverage::of_this_process().expect("the counters are read");
    let regions = coverage().map(|counters| counters.regions());
    for target in all.into_iter().filter(|target| only.as_deref().is_none_or(|only| only == target.name)) {
        let corpus = Corpus::of(target.name);
        let start = Instant::now();
        let searched = Campaign::new(target, samples(target.name), seed, coverage()).map(|mut campaign| {
            let left = share(&target, total, decoders).saturating_sub(start.elapsed());
            let result = campaign.search(left);
            (campaign, result.err())
        });
        let (campaign, finding) =
            searched.map_or_else(|finding| (None, Some(finding)), |(c, f)| (Some(c), f));
        if let Some(finding) = finding {
            println!("{}: {}\n  {}", finding.target, finding.what, hex(&finding.input));
            findings.push(finding);
        }
        let Some(mut campaign) = campaign else { continue };
        results.push(json!({
            "target": target.name, "inputs": campaign.runs(), "features": campaign.features(),
            "kept": campaign.pool().len(),
        }));
        if std::env::var_os("STRAIT_FUZZ_KEEP").is_some() {
            corpus.keep(&campaign.best(Corpus::MOST)).expect("the corpus is written");
        }
    }
    let found: Vec<_> = findings
        .iter()
        .map(|one| json!({ "target": one.target, "what": one.what, "input": hex(&one.input) }))
        .collect();
    let result = json!({ "seed": seed, "counted_regions": regions, "targets": results, "findings": found });
    println!("{result:#}");
    if let Some(path) = std::env::var_os("STRAIT_PROOF_RESULT") {
        std::fs::write(path, result.to_string()).expect("the result is written");
    }
    assert!(findings.is_empty(), "add each input to crates/fuzz/regressions/TARGET.hex when it is mended");
}

#[test]
fn what_is_kept_leads_two_nodes_down_every_path() {
    let nodes = targets().pop().expect("the nodes");
    let mut seen = strait_fuzz::Features::default();
    for input in Corpus::of(nodes.name).inputs().into_iter().chain(samples(nodes.name)) {
        seen.learn(&attempt(&nodes, &input).expect("breaks nothing"));
    }
    let events = ["Received", "LockOffered", "LockSettled", "LockCancelled", "Refused", "Rebased"];
    let frames = ["Update", "Acknowledge", "Refuse", "RequestPen", "Propose", "Answer", "Rebase", "Latest"];
    let steps = [("restore", "done"), ("challenge", "sent"), ("reorg", "done")];
    for (kind, text) in
        events.map(|e| ("event", e)).into_iter().chain(frames.map(|f| ("sends", f))).chain(steps)
    {
        assert!(seen.has(kind, text), "no input that is kept shows: {kind} {text}");
    }
}
