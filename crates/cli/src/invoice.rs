//! `strait invoice` and `strait request`.

use crate::amount::{Among, Assets};
use crate::context::{Context, pick};
use crate::failure::Failure;
use crate::follow::Follow;
use crate::output::Output;
use crate::pay::is_invoice_text;
use crate::text::{one_line, parse_invoice_time, short, time};
use clap::{Args, Subcommand, ValueEnum};
use std::pin::pin;
use strait_api::{
    ApiError, ErrorCode, Event, Invoice, InvoiceCreate, InvoiceList, InvoiceMade, InvoiceRef, InvoiceStatus,
    InvoiceTerms, InvoiceText, Invoices,
};
use strait_types::B256;

/// Options of `strait invoice`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait invoice create 12.50 USDC --for \"order 17\"\n  strait invoice list --status open\n  strait invoice wait 0x9c2e && echo paid\n  strait invoice read straitinvoice1..."
)]
pub(crate) struct InvoiceArgs {
    #[command(subcommand)]
    command: InvoiceCommand,
}

#[derive(Subcommand, Debug)]
enum InvoiceCommand {
    /// Makes an invoice: a text for the payer.
    Create(CreateArgs),
    /// Lists the invoices of this node, newest first.
    #[command(after_help = "Examples:\n  strait invoice list\n  strait invoice list --status paid --json")]
    List {
        /// Only in this state.
        #[arg(long, value_enum)]
        status: Option<StatusName>,
    },
    /// Shows one of this node's invoices.
    #[command(after_help = "Example:\n  strait invoice show 0x9c2e")]
    Show(Which),
    /// Takes an unpaid invoice back: nobody can pay it any more.
    #[command(after_help = "Example:\n  strait invoice cancel 0x9c2e")]
    Cancel(Which),
    /// Waits until an invoice is paid; fails when it expires or is cancelled.
    #[command(after_help = "Example:\n  strait invoice wait 0x9c2e && ./ship-order 17")]
    Wait(Which),
    /// Reads anybody's invoice and checks its signature.
    #[command(after_help = "Example:\n  strait invoice read straitinvoice1...")]
    Read {
        /// `straitinvoice1...`.
        text: String,
    },
}

#[derive(Args, Debug)]
struct Which {
    /// Its id, or the first digits, at least 4; or its text, straitinvoice1...
    invoice: String,
}

/// Options of `strait invoice create` and `strait request`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait request 0.05 ether --for coffee\n  strait invoice create 12.50 USDC --for \"order 17\" --expires-in 24h\n  strait request 5 USDC --json | jq -r .text"
)]
pub(crate) struct CreateArgs {
    /// How much, such as 0.05 ether or 12.50 USDC.
    #[arg(required = true, num_args = 1..=4, value_name = "AMOUNT")]
    amount: Vec<String>,
    /// What it is for; the payer reads it.
    #[arg(long = "for", value_name = "TEXT", default_value = "")]
    description: String,
    /// How long it can be paid, at most 365d [default: 1h].
    #[arg(long, value_parser = parse_invoice_time, value_name = "TIME")]
    expires_in: Option<u64>,
    /// On which chain, by name or number; needed when the node has several.
    #[arg(long)]
    chain: Option<String>,
    /// Makes a repetition make no second one.
    #[arg(long)]
    key: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum StatusName {
    Open,
    Paid,
    Expired,
    Cancelled,
}

impl From<StatusName> for InvoiceStatus {
    fn from(name: StatusName) -> InvoiceStatus {
        match name {
            StatusName::Open => InvoiceStatus::Open,
            StatusName::Paid => InvoiceStatus::Paid,
            StatusName::Expired => InvoiceStatus::Expired,
            StatusName::Cancelled => InvoiceStatus::Cancelled,
        }
    }
}

/// Runs `strait invoice`.
///
/// # Errors
/// What the node says.
pub(crate) async fn run(context: &Context, args: InvoiceArgs) -> Result<(), Failure> {
    match args.command {
        InvoiceCommand::Create(args) => create(context, args).await,
        InvoiceCommand::List { status } => list(context, status).await,
        InvoiceCommand::Show(which) => {
            let found = find(context, &which.invoice).await?;
            print(context, &found).await
        }
        InvoiceCommand::Cancel(which) => {
            let id = find(context, &which.invoice).await?.terms.id;
            let cancelled = context.api.invoice_cancel(InvoiceRef { id }).await?;
            print(context, &cancelled).await
        }
        InvoiceCommand::Wait(which) => wait(context, &which.invoice).await,
        InvoiceCommand::Read { text } => {
            let terms = context.api.invoice_read(InvoiceText { text }).await?;
            let assets = context.assets().await?;
            context.out.result(&terms, |out| out.pairs(&terms_pairs(&terms, assets)))
        }
    }
}

/// Makes an invoice.
///
/// # Errors
/// What the node says.
pub(crate) async fn create(context: &Context, args: CreateArgs) -> Result<(), Failure> {
    let assets = context.assets().await?;
    let chain = assets.chain(args.chain.as_deref())?;
    let read = assets.read(&args.amount.join(" "), &Among::chain(Some(chain)))?;
    let request = InvoiceCreate {
        chain_id: Some(chain),
        asset: Some(read.asset),
        amount: read.amount,
        description: args.description,
        expires_in: args.expires_in,
        idempotency_key: args.key,
    };
    let key = request.idempotency_key.clone();
    let made = context.api.invoice_create(request).await;
    let made = made.map_err(|error| Failure::from(error).repeatable(key.as_deref()))?;
    context.out.note(&about(&made, assets));
    // Alone on standard output, so that `$(strait request ...)` is the invoice.
    context.out.result(&made, |_| made.invoice.text.clone())
}

/// What it asks for, and what is next.
fn about(made: &InvoiceMade, assets: &Assets) -> String {
    let terms = &made.invoice.terms;
    let (id, until) = (short(terms.id), time(terms.expires));
    let amount = assets.write(terms.chain_id, terms.asset, terms.amount);
    let before = if made.was_made_before {
        format!("\nit was made already with this key, and may have been paid since: strait invoice show {id}")
    } else {
        String::new()
    };
    format!(
        "invoice {id} over {amount}, to be paid until {until}{before}\nthe payer runs: strait pay straitinvoice1...\nawait it with: strait invoice wait {id}"
    )
}

async fn all(context: &Context, status: Option<InvoiceStatus>) -> Result<Vec<Invoice>, Failure> {
    let mut query = InvoiceList { status, cursor: None, limit: Some(1_000) };
    let mut invoices = Vec::new();
    loop {
        let page = context.api.invoice_list(query.clone()).await?;
        invoices.extend(page.invoices);
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return Ok(invoices),
        }
    }
}

async fn find(context: &Context, text: &str) -> Result<Invoice, Failure> {
    if is_invoice_text(text) {
        let id = context.api.invoice_read(InvoiceText { text: text.to_owned() }).await?.id;
        return Ok(context.api.invoice_show(InvoiceRef { id }).await?);
    }
    if let Ok(id) = text.parse::<B256>() {
        return Ok(context.api.invoice_show(InvoiceRef { id }).await?);
    }
    pick("invoice", text, all(context, None).await?, |invoice| invoice.terms.id.to_string())
}

async fn list(context: &Context, status: Option<StatusName>) -> Result<(), Failure> {
    let found = Invoices { invoices: all(context, status.map(InvoiceStatus::from)).await?, next: None };
    let assets = context.assets().await?;
    context.out.result(&found, |out| {
        if found.invoices.is_empty() {
            return "no invoices; `strait request` makes one".into();
        }
        let rows = found.invoices.iter().map(|invoice| {
            let terms = &invoice.terms;
            vec![
                short(terms.id),
                match (invoice.status, invoice.received.is_zero()) {
                    (InvoiceStatus::Paid, _) | (_, true) => status_name(invoice.status).to_owned(),
                    (status, false) => {
                        let received = assets.write(terms.chain_id, terms.asset, invoice.received);
                        format!("{}, {received} came", status_name(status))
                    }
                },
                assets.write(terms.chain_id, terms.asset, terms.amount),
                time(terms.expires),
                one_line(&terms.description),
            ]
        });
        out.table(&["INVOICE", "STATUS", "AMOUNT", "EXPIRES", "FOR"], rows)
    })
}

async fn print(context: &Context, invoice: &Invoice) -> Result<(), Failure> {
    let assets = context.assets().await?;
    context.out.result(invoice, |out| text(invoice, assets, out))
}

fn text(invoice: &Invoice, assets: &Assets, out: &Output) -> String {
    let mut pairs = terms_pairs(&invoice.terms, assets);
    pairs.push(("status", status_name(invoice.status).into()));
    if let Some(payment) = &invoice.payment {
        let paid = format!("{}, payment {} of {}", time(payment.at), payment.number, short(payment.channel));
        pairs.push(("paid", paid));
    }
    if !invoice.received.is_zero() {
        let received = assets.write(invoice.terms.chain_id, invoice.terms.asset, invoice.received);
        pairs.push(("received", format!("{received} in {} payment(s)", invoice.payments)));
    }
    format!("{}\n\n{}", out.pairs(&pairs), invoice.text)
}

fn terms_pairs(terms: &InvoiceTerms, assets: &Assets) -> Vec<(&'static str, String)> {
    vec![
        ("invoice", terms.id.to_string()),
        ("amount", assets.write(terms.chain_id, terms.asset, terms.amount)),
        ("for", one_line(&terms.description)),
        ("payee", terms.payee.clone()),
        ("chain", assets.chain_name(terms.chain_id)),
        ("created", time(terms.created)),
        ("expires", time(terms.expires)),
    ]
}

fn status_name(status: InvoiceStatus) -> &'static str {
    match status {
        InvoiceStatus::Open => "open",
        InvoiceStatus::Paid => "paid",
        InvoiceStatus::Expired => "expired",
        InvoiceStatus::Cancelled => "cancelled",
    }
}

async fn wait(context: &Context, text: &str) -> Result<(), Failure> {
    // From before the first look on, so that no payment is missed.
    let mut follow = Follow::start(context, None, None).await?;
    let mut invoice = find(context, text).await?;
    let id = invoice.terms.id;
    let line = context.out.wait(&format!("waiting for invoice {} to be paid", short(id)));
    let mut stopped = pin!(crate::stop::asked());
    while invoice.status == InvoiceStatus::Open {
        let left = invoice.terms.expires.saturating_sub(crate::text::now()).saturating_add(1);
        let over = tokio::time::sleep(std::time::Duration::from_secs(left));
        tokio::select! {
            event = follow.next() => {
                if !matches!(event?.event, Event::InvoicePaid { id: paid, .. } if paid == id) {
                    continue;
                }
            }
            () = over => {}
            () = &mut stopped => {
                return Err(Failure::interrupted("not awaited any more; it can still be paid")
                    .hint(format!("`strait invoice show {}` tells where it stands", short(id))));
            }
        }
        invoice = context.api.invoice_show(InvoiceRef { id }).await?;
    }
    drop(line);
    if invoice.status != InvoiceStatus::Paid {
        let what = format!("invoice {} is {} and was not paid", short(id), status_name(invoice.status));
        return Err(ApiError::new(ErrorCode::InvoiceNotPayable, what).hint("make a new one").into());
    }
    print(context, &invoice).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;
    use crate::testing::{Fake, MAINNET, USDC, channel_info};
    use clap::Parser;
    use serde_json::{Value, json};
    use std::sync::atomic::{AtomicBool, Ordering};
    use strait_types::Address;

    fn invoice(status: &str) -> Value {
        let payment = json!({"channel": channel_info(0xab).channel, "number": 4, "at": 1_700_000_000});
        json!({
            "terms": {
                "id": B256::repeat_byte(0x9c), "payee": "0x5151", "chain_id": MAINNET,
                "adjudicator": Address::repeat_byte(0xad), "asset": USDC, "amount": "12500000",
                "description": "order 17", "created": 1, "expires": 253_402_300_000_u64,
            },
            "text": "straitinvoice1abc", "status": status,
            "payment": if status == "paid" { payment } else { Value::Null }, "received": "0", "payments": 0,
        })
    }

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: CreateArgs,
    }

    #[tokio::test]
    async fn a_request_is_exact_and_prints_the_invoice_alone() {
        let (context, seen) = Fake::new(false).on("strait_invoice_create", |_| Ok(invoice("open"))).start();
        let words =
            ["request", "12.50", "USDC", "--for", "order 17", "--expires-in", "24h", "--chain", "mainnet"];
        create(&context, Line::parse_from(words).args).await.expect("made");
        let asked = &seen.asked("strait_invoice_create")[0];
        assert_eq!((&asked["amount"], &asked["asset"]), (&json!("12500000"), &json!(USDC)));
        assert_eq!((&asked["expires_in"], &asked["description"]), (&json!(86_400), &json!("order 17")));
        assert_eq!(seen.text(), "straitinvoice1abc\n");
    }

    #[tokio::test]
    async fn a_repeated_request_is_told_as_such() {
        let context = Fake::new(false).context();
        let assets = context.assets().await.expect("told");
        for was_made_before in [false, true] {
            let mut made = invoice("open");
            made["was_made_before"] = json!(was_made_before);
            let made = serde_json::from_value(made).expect("an invoice");
            assert_eq!(about(&made, assets).contains("made already with this key"), was_made_before);
        }
    }

    fn paid(id: B256) -> Result<Value, ApiError> {
        let payment = invoice("paid")["payment"].clone();
        Ok(json!({"cursor": "c", "at_ms": 0, "chain_id": MAINNET, "channel": null, "event": "invoice_paid",
            "id": id, "payment": payment}))
    }

    #[tokio::test]
    async fn an_invoice_is_found_by_its_text_and_shows_what_came_after_its_end() {
        let mut cancelled = invoice("cancelled");
        (cancelled["received"], cancelled["payments"]) = (json!("5000000"), json!(1));
        let terms = cancelled["terms"].clone();
        let fake = Fake::new(false)
            .on("strait_invoice_read", move |_| Ok(terms.clone()))
            .on("strait_invoice_show", move |_| Ok(cancelled.clone()));
        let (context, seen) = fake.start();
        let found = find(&context, "straitinvoice1abc").await.expect("by its text");
        assert_eq!(find(&context, "STRAITINVOICE1ABC").await.expect("as in a QR code"), found);
        print(&context, &found).await.expect("shown");
        assert!(seen.text().contains("5 USDC in 1 payment"), "{}", seen.text());
    }

    #[tokio::test]
    async fn a_wait_ends_with_its_own_payment() {
        let looked = AtomicBool::new(false);
        let fake = Fake::new(true)
            .on("strait_invoice_show", move |_| {
                Ok(invoice(if looked.swap(true, Ordering::Relaxed) { "paid" } else { "open" }))
            })
            .tells([paid(B256::repeat_byte(0x11)), paid(B256::repeat_byte(0x9c))]);
        let (context, seen) = fake.start();
        wait(&context, &B256::repeat_byte(0x9c).to_string()).await.expect("paid");
        assert_eq!(seen.asked("strait_invoice_show").len(), 2);
        let printed: Invoice = serde_json::from_str(&seen.text()).expect("one value");
        assert_eq!(printed.status, InvoiceStatus::Paid);
    }

    #[tokio::test]
    async fn an_invoice_that_can_not_be_paid_any_more_fails_the_wait() {
        let fake = Fake::new(false)
            .on("strait_invoice_list", |_| Ok(json!({"invoices": [invoice("cancelled")], "next": null})))
            .tells([]);
        let failure = wait(&fake.context(), "0x9c9c").await.expect_err("cancelled");
        assert_eq!(failure.exit(), Exit::Money);
    }
}
