//! `strait pay`.

mod file;

use crate::amount::Among;
use crate::context::Context;
use crate::failure::Failure;
use crate::text::{parse_reference, short};
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;
use strait_api::{ChannelInfo, ErrorCode, InvoicePay, InvoiceText, Paid, Pay};
use strait_engine::ports::Rng;
use strait_node::SystemRng;
use strait_types::B256;

/// How every invoice begins.
pub(crate) const INVOICE: &str = "straitinvoice1";

/// Whether a text is that of an invoice; in capitals, as QR codes have it, too.
pub(crate) fn is_invoice_text(text: &str) -> bool {
    text.get(..INVOICE.len()).is_some_and(|start| start == INVOICE || start == INVOICE.to_ascii_uppercase())
}

/// How often a payment whose answer is lost is asked for, and how long it is waited between.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_secs(1);

/// Options of `strait pay`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait pay 0x1a2b 0.05 ether --memo coffee\n  strait pay 0x1a2b 12.50 USDC --key order-17\n  strait pay straitinvoice1...\n  strait pay 0x1a2b --file wages.csv --key wages-2026-11\n\nA file has the columns amount, memo and invoice (only amount is needed), or one JSON object with these names per line; invoice is the invoice's text, straitinvoice1..., or its id:\n  amount,memo\n  0.5 ether,\"rent, November\"\n  12.50 USDC,tea"
)]
pub(crate) struct PayArgs {
    /// The channel's id, or the first digits; or an invoice.
    #[arg(value_name = "CHANNEL|INVOICE")]
    to: String,
    /// How much, such as 0.05 ether or 12.50 USDC.
    #[arg(num_args = 0..=4, value_name = "AMOUNT", conflicts_with = "file")]
    amount: Vec<String>,
    /// Text on the bill that both sign, at most 512 bytes.
    #[arg(long, conflicts_with = "file")]
    memo: Option<String>,
    /// The payee's reference, 32 bytes in hex.
    #[arg(long, value_parser = parse_reference, value_name = "HEX", conflicts_with = "file")]
    reference: Option<B256>,
    /// Makes a repetition pay nothing more, also across a crash [default: a random one, which is shown when it is needed: when
    /// the answer is lost, and always with --file].
    #[arg(long)]
    key: Option<String>,
    /// Pays all lines of a file, CSV or JSON; - is standard input.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Over which channel an invoice is paid [default: one with the payee that holds enough].
    #[arg(long, value_name = "CHANNEL", conflicts_with = "file")]
    over: Option<String>,
}

/// Pays.
///
/// # Errors
/// What the node says; for a file, when a line was not paid.
pub(crate) async fn run(context: &Context, mut args: PayArgs) -> Result<(), Failure> {
    // As QR codes have it.
    if args.to.starts_with(&INVOICE.to_ascii_uppercase()) {
        args.to.make_ascii_lowercase();
    }
    if args.to.starts_with(INVOICE) {
        return invoice(context, args).await;
    }
    if args.over.is_some() {
        return Err(Failure::usage("--over is for invoices").hint("write: strait pay CHANNEL AMOUNT"));
    }
    let channel = context.channel(&args.to).await?;
    if let Some(path) = &args.file {
        return file::run(context, &channel, path, args.key).await;
    }
    single(context, &channel, args).await
}

async fn single(context: &Context, channel: &ChannelInfo, args: PayArgs) -> Result<(), Failure> {
    if args.amount.is_empty() {
        return Err(Failure::usage("how much is to be paid?")
            .hint(format!("write for example: strait pay {} 0.05 ether", args.to)));
    }
    let assets = context.assets().await?;
    let read = assets.read(&args.amount.join(" "), &Among::channel(channel))?;
    let request = Pay {
        channel: channel.channel,
        asset: Some(read.asset),
        amount: read.amount,
        invoice: args.reference,
        memo: args.memo.unwrap_or_default(),
        idempotency_key: Some(match args.key {
            Some(key) => key,
            None => random_key()?,
        }),
    };
    let paid = pay_once(context, &request).await?;
    context.out.result(&paid, |_| done(&assets.write(channel.chain_id, read.asset, read.amount), &paid))
}

/// Asks again with the same key when the answer is lost; where it stays so, the failure names the key.
async fn pay_once(context: &Context, request: &Pay) -> Result<Paid, Failure> {
    let key = request.idempotency_key.clone().unwrap_or_default();
    let mut tries = 1;
    loop {
        match context.api.pay(request.clone()).await {
            Err(error) if is_lost(error.code) && tries < TRIES => {
                tries += 1;
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) if is_lost(error.code) => {
                let hint = format!("it may have been paid: repeat it with --key {key}, which pays once");
                return Err(Failure::from(error.hint(hint)));
            }
            // A repetition may find nobody, while the first try found somebody.
            Err(error) if tries > 1 => {
                let hint = format!("{}; it may have been paid: repeat it with --key {key}", error.hint);
                return Err(Failure::from(error.hint(hint)));
            }
            // What an earlier try of this very call has paid was not paid before it.
            Ok(paid) if tries > 1 => return Ok(Paid { was_paid_before: false, ..paid }),
            done => return Ok(done?),
        }
    }
}

/// Whether nothing is known of what became of the request.
fn is_lost(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NoAnswer
            | ErrorCode::IdempotencyPending
            | ErrorCode::Stopping
            | ErrorCode::StoreFailed
            | ErrorCode::Internal
    )
}

/// 16 bytes in hex.
fn random_key() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    SystemRng.fill(&mut bytes).map_err(Failure::local)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

async fn invoice(context: &Context, args: PayArgs) -> Result<(), Failure> {
    let extra = [
        ("an amount", !args.amount.is_empty()),
        ("--memo", args.memo.is_some()),
        ("--reference", args.reference.is_some()),
        ("--key", args.key.is_some()),
        ("--file", args.file.is_some()),
    ];
    if let Some((name, _)) = extra.iter().find(|(_, is_given)| *is_given) {
        return Err(Failure::usage(format!("an invoice is paid without {name}"))
            .hint("it says how much and what for, and is paid at most once: strait pay straitinvoice1..."));
    }
    let channel = match &args.over {
        Some(text) => Some(context.channel(text).await?.channel),
        None => None,
    };
    let terms = context.api.invoice_read(InvoiceText { text: args.to.clone() }).await?;
    let paid = context.api.invoice_pay(InvoicePay { text: args.to, channel }).await?;
    let assets = context.assets().await?;
    context.out.result(&paid, |_| done(&assets.write(terms.chain_id, terms.asset, terms.amount), &paid))
}

fn done(amount: &str, paid: &Paid) -> String {
    let Paid { channel, number, version, was_paid_before } = paid;
    let place = format!("over {}, payment {number} in version {version}", short(channel));
    if *was_paid_before {
        format!("was paid already, nothing was paid now: {amount} {place}")
    } else {
        format!("paid {amount} {place}; both have signed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;
    use crate::testing::{Fake, MAINNET, USDC, channel_info};
    use clap::Parser;
    use serde_json::{Value, json};
    use std::sync::atomic::{AtomicU64, Ordering};
    use strait_api::{ApiError, ErrorCode};
    use strait_types::Address;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: PayArgs,
    }

    pub(super) fn args(words: &[&str]) -> PayArgs {
        Line::parse_from(["pay"].iter().chain(words)).args
    }

    fn paid() -> Value {
        json!({"channel": channel_info(0xab).channel, "number": 4, "version": 9})
    }

    pub(super) fn id() -> String {
        channel_info(0xab).channel.to_string()
    }

    #[tokio::test]
    async fn an_amount_may_be_several_words_and_is_exact() {
        for words in [vec!["0.05", "ether"], vec!["0.05 ether"], vec!["0.05eth"], vec!["50000000", "gwei"]] {
            let (context, seen) = Fake::new(false).on("strait_pay", |_| Ok(paid())).start();
            let id = id();
            let all: Vec<_> =
                [id.as_str()].into_iter().chain(words).chain(["--memo", "tea", "--key", "k"]).collect();
            run(&context, args(&all)).await.expect("paid");
            let expected = json!({"channel": id, "asset": Address::ZERO, "amount": "50000000000000000",
                "invoice": null, "memo": "tea", "idempotency_key": "k"});
            assert_eq!(seen.asked("strait_pay"), [expected]);
            assert!(seen.text().starts_with("paid 0.05 ETH over 0xabababab, payment 4 in version 9"));
        }
    }

    #[tokio::test]
    async fn a_mistake_in_the_amount_pays_nothing() {
        for words in [vec!["0.05"], vec![], vec!["1", "DAI"], vec!["0", "ether"]] {
            let (context, seen) = Fake::new(false).on("strait_pay", |_| Ok(paid())).start();
            let id = id();
            let all: Vec<_> = [id.as_str()].into_iter().chain(words).collect();
            let failure = run(&context, args(&all)).await.expect_err("a mistake");
            assert_eq!(failure.exit(), Exit::Usage);
            assert!(seen.asked("strait_pay").is_empty());
        }
    }

    #[tokio::test]
    async fn too_little_money_has_its_own_exit_code() {
        let fake = Fake::new(false)
            .on("strait_pay", |_| Err(ApiError::new(ErrorCode::InsufficientBalance, "only 1 wei is free")));
        let id = id();
        let failure = run(&fake.context(), args(&[&id, "1 ether"])).await.expect_err("poor");
        assert_eq!(failure.exit(), Exit::Money);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_answer_is_asked_for_again_with_the_same_key() {
        let asked = AtomicU64::new(0);
        let (context, seen) = Fake::new(false)
            .on("strait_pay", move |_| match asked.fetch_add(1, Ordering::Relaxed) {
                0 => Err(ApiError::new(ErrorCode::NoAnswer, "cut off")),
                1 => Err(ApiError::new(ErrorCode::IdempotencyPending, "under way")),
                _ => Ok(paid()),
            })
            .start();
        run(&context, args(&[&id(), "1 wei"])).await.expect("paid");
        let keys: Vec<_> =
            seen.asked("strait_pay").iter().map(|asked| asked["idempotency_key"].clone()).collect();
        assert_eq!(keys.len(), 3);
        assert!(keys[0].as_str().is_some_and(|key| key.len() == 32), "{keys:?}");
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");

        let fake = Fake::new(false).on("strait_pay", |_| Err(ApiError::new(ErrorCode::NoAnswer, "cut off")));
        let (context, seen) = fake.start();
        let failure = run(&context, args(&[&id(), "1 wei"])).await.expect_err("lost for good");
        let key = seen.asked("strait_pay")[0]["idempotency_key"].as_str().expect("a key").to_owned();
        assert!(format!("{failure:?}").contains(&format!("--key {key}")), "{failure:?}");
    }

    #[tokio::test]
    async fn an_invoice_is_paid_as_it_is() {
        let terms = json!({"id": B256::ZERO, "payee": "0x51", "chain_id": MAINNET, "adjudicator": Address::ZERO,
            "asset": USDC, "amount": "1500000", "description": "", "created": 0, "expires": 1});
        let fake = Fake::new(false)
            .on("strait_invoice_read", move |_| Ok(terms.clone()))
            .on("strait_invoice_pay", |_| Ok(paid()));
        let (context, seen) = fake.start();
        run(&context, args(&["STRAITINVOICE1ABC"])).await.expect("paid");
        assert_eq!(seen.asked("strait_invoice_pay"), [json!({"text": "straitinvoice1abc", "channel": null})]);
        assert!(seen.text().contains("paid 1.5 USDC"), "{}", seen.text());
        let failure =
            run(&context, args(&["straitinvoice1abc", "1 ether"])).await.expect_err("an amount too many");
        assert_eq!(failure.exit(), Exit::Usage);
    }

    #[tokio::test]
    async fn what_was_paid_before_is_not_told_as_a_payment() {
        let before = |_| {
            let mut paid = paid();
            paid["was_paid_before"] = json!(true);
            Ok(paid)
        };
        let (context, seen) = Fake::new(false).on("strait_pay", before).start();
        run(&context, args(&[&id(), "1 ether", "--key", "k"])).await.expect("paid");
        assert!(seen.text().starts_with("was paid already, nothing was paid now: 1 ETH"), "{}", seen.text());
    }
}
