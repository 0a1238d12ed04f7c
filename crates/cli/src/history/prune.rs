//! `strait history prune`.

use crate::context::Context;
use crate::failure::Failure;
use crate::output;
use crate::text::short;
use clap::{ArgGroup, Args};
use strait_api::{HistoryPrune, HistoryPruned};

#[derive(Args, Debug)]
#[command(
    group = ArgGroup::new("what").required(true).args(["keep", "before"]),
    after_help = "Examples:\n  strait history prune 0x1a2b --keep 10000\n  strait history export 0x1a2b --proof until-81000.json && strait history prune 0x1a2b --before 81000 --yes\n\nVersions are those that `strait history` shows; one may hold many payments. They carry no time, so none can be named by its date. The channel itself loses nothing: balances, disputes and keys of `--key` need none of it. A bill that is exported later begins where the history begins, and proves what is left; export what you may have to prove before."
)]
pub(super) struct PruneArgs {
    /// The channel's id, or the first digits.
    channel: String,
    /// Keeps the newest so many versions; 0 keeps none.
    #[arg(long, value_name = "VERSIONS")]
    keep: Option<u64>,
    /// Forgets what was agreed before this version.
    #[arg(long, value_name = "VERSION")]
    before: Option<u64>,
    /// Does not ask first.
    #[arg(long, short)]
    yes: bool,
}

pub(super) async fn run(context: &Context, args: PruneArgs) -> Result<(), Failure> {
    let info = context.channel(&args.channel).await?;
    let (channel, name) = (info.channel, short(info.channel));
    let kept = |keep: u64| info.version.saturating_add(1).saturating_sub(keep);
    let before = args.before.or(args.keep.map(kept)).unwrap_or_default();
    if !args.yes {
        let question = format!(
            "The bill of {name} will begin with version {before}. What was agreed before is forgotten for good and can be proved\nonly by bills that were exported (`strait history export`).\nForget it? [y/N] "
        );
        output::confirm(&question, "forgetting")?;
    }
    let line = context.out.wait("forgetting");
    let pruned = context.api.history_prune(HistoryPrune { channel, before }).await?;
    drop(line);
    context.out.result(&pruned, |_| told(&name, before, &pruned))
}

fn told(name: &str, wanted: u64, pruned: &HistoryPruned) -> String {
    let HistoryPruned { through, before } = *pruned;
    let mut text = if through > before {
        format!("{name}: what was agreed up to version {through} is forgotten")
    } else if before > 0 {
        format!("{name}: nothing more is forgotten; the history begins after version {before}")
    } else {
        format!("{name}: nothing is forgotten")
    };
    if through > before && wanted > through.saturating_add(1) {
        text.push_str(
            "; what follows is kept as long as requests with a key that are not decided may need it",
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fake, channel_info};
    use serde_json::json;

    fn args(keep: Option<u64>, before: Option<u64>, yes: bool) -> PruneArgs {
        PruneArgs { channel: channel_info(0xab).channel.to_string(), keep, before, yes }
    }

    #[tokio::test]
    async fn it_keeps_the_newest_versions_or_forgets_before_one() {
        let version = channel_info(0xab).version;
        for (args, wanted) in [
            (args(Some(0), None, true), version + 1),
            (args(Some(1), None, true), version),
            (args(Some(u64::MAX), None, true), 0),
            (args(None, Some(17), true), 17),
        ] {
            let fake = Fake::new(false).on("strait_history_prune", |asked| {
                let through = asked["before"].as_u64().unwrap_or_default().saturating_sub(1);
                Ok(json!({"through": through, "before": 0}))
            });
            let (context, seen) = fake.start();
            run(&context, args).await.expect("pruned");
            assert_eq!(seen.asked("strait_history_prune")[0]["before"], wanted);
            assert!(seen.text().contains("forgotten"), "{}", seen.text());
        }
    }

    #[tokio::test]
    async fn it_asks_first() {
        let (context, seen) = Fake::new(false).start();
        let failure = run(&context, args(Some(1), None, false)).await.expect_err("there is no terminal");
        assert!(failure.to_string().contains("confirmed"), "{failure}");
        assert!(seen.asked("strait_history_prune").is_empty());
    }

    #[test]
    fn it_says_what_is_forgotten() {
        let told = |wanted, through, before| told("0xab", wanted, &HistoryPruned { through, before });
        assert_eq!(told(5, 4, 0), "0xab: what was agreed up to version 4 is forgotten");
        assert!(told(9, 4, 0).contains("kept"));
        assert_eq!(told(5, 0, 0), "0xab: nothing is forgotten");
        assert!(told(5, 7, 7).contains("begins after version 7"));
    }
}
