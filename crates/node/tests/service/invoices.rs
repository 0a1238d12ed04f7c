//! Invoices: paid at most once by the payer, counted once by the payee.

use crate::world::{ETHER, Party, World, event, payment, soon};
use rusqlite::Connection;
use strait_api::{
    Api, ApiError, ErrorCode, Event, Invoice, InvoiceCreate, InvoiceIssue, InvoiceList, InvoicePay,
    InvoiceRef, InvoiceStatus, InvoiceText, Paid, Pay, PayItem, PayMany, PayResult,
};
use strait_node::service::Retention;
use strait_types::{Address, Amount, B256, ChannelId};

async fn make(party: &Party, amount: u64) -> Invoice {
    let request = InvoiceCreate {
        chain_id: None,
        asset: None,
        amount: Amount::from(amount),
        description: "a cup of tea".into(),
        expires_in: Some(600),
        idempotency_key: None,
    };
    party.service.invoice_create(request).await.expect("made").invoice
}

async fn pay(party: &Party, invoice: &Invoice) -> Result<Paid, ApiError> {
    let request = InvoicePay { text: invoice.text.clone(), channel: None };
    soon("the payment", party.service.invoice_pay(request)).await
}

async fn show(party: &Party, invoice: &Invoice) -> Invoice {
    party.service.invoice_show(InvoiceRef { id: invoice.terms.id }).await.expect("known")
}

fn towards(channel: ChannelId, amount: u64, id: B256) -> Pay {
    Pay { invoice: Some(id), ..payment(channel, amount, "by hand") }
}

/// As a repetition tells it.
fn before(paid: Paid) -> Paid {
    Paid { was_paid_before: true, ..paid }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invoice_is_paid_once_however_often_it_is_asked_for() {
    let world = World::new();
    let (alice, bob, channel) = world.pair().await;
    let mut news = bob.listen(None).await;
    let invoice = make(&bob, 500).await;
    let read = alice.service.invoice_read(InvoiceText { text: invoice.text.clone() }).await;
    assert_eq!(read, Ok(invoice.terms.clone()));
    // As QR codes have it.
    let read = alice.service.invoice_read(InvoiceText { text: invoice.text.to_uppercase() }).await;
    assert_eq!(read, Ok(invoice.terms.clone()));

    let paid = pay(&alice, &invoice).await.expect("paid");
    assert_eq!(paid.channel, channel);
    let record = event(&mut news, "the invoice", |event| matches!(event, Event::InvoicePaid { .. })).await;
    let Event::InvoicePaid { id, payment } = record.event else { panic!("{record:?}") };
    assert_eq!((id, payment.channel, payment.number), (invoice.terms.id, channel, paid.number));
    let now = show(&bob, &invoice).await;
    assert_eq!(
        (now.status, now.payment, now.received),
        (InvoiceStatus::Paid, Some(payment), Amount::from(500))
    );
    assert_eq!(pay(&alice, &invoice).await, Ok(before(paid)));

    // A crash before the result was stored changes nothing.
    soon("the kill", alice.service.kill()).await;
    let db = Connection::open(world.path("service-1.db")).expect("opens");
    assert_eq!(db.execute("UPDATE idempotency SET result = NULL, done_ms = NULL", ()).expect("changes"), 1);
    drop(db);
    let alice = world.start(1).await;
    alice.until(channel, |info| info.can_pay).await;
    assert_eq!(pay(&alice, &invoice).await, Ok(before(paid)));
    assert_eq!(bob.show(channel).await.expect("known").payments_received, 1);
    let list = bob.service.invoice_list(InvoiceList::default()).await.expect("a list");
    assert_eq!(list.invoices, [now]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_whole_amount_in_time_pays_and_the_rest_is_surfaced() {
    let world = World::new();
    let (alice, bob, channel) = world.pair().await;
    let mut news = bob.listen(None).await;
    let [invoice, late] = [make(&bob, 100).await, make(&bob, 100).await];
    let id = invoice.terms.id;
    let mut step = async |amount: u64, id: B256| {
        soon("a payment", alice.service.pay(towards(channel, amount, id))).await.expect("paid");
        let about = |event: &Event| matches!(event, Event::InvoicePaid { .. } | Event::InvoiceMispaid { .. });
        match event(&mut news, "the invoice's event", about).await.event {
            Event::InvoiceMispaid { issue, received, amount: given, .. } => {
                assert_eq!(given, Amount::from(amount));
                Some((issue, received))
            }
            _ => None,
        }
    };
    assert_eq!(step(60, id).await, Some((InvoiceIssue::Partial, Amount::from(60))));
    assert_eq!(step(40, id).await, None);
    bob.clock.advance(601);
    assert_eq!(step(100, late.terms.id).await, Some((InvoiceIssue::Expired, Amount::from(100))));
    let (paid, late_now) = tokio::join!(show(&bob, &invoice), show(&bob, &late));
    assert_eq!((paid.status, paid.payments), (InvoiceStatus::Paid, 2));
    assert_eq!(late_now.status, InvoiceStatus::Expired);
    // The payer's own clock still allows it; the payee says what came of it.
    alice.clock.advance(601);
    let error = pay(&alice, &late).await.expect_err("its time is over");
    assert_eq!(error.code, ErrorCode::InvoiceNotPayable);
    let error = bob.service.invoice_cancel(InvoiceRef { id }).await.expect_err("it is paid");
    assert_eq!(error.code, ErrorCode::InvoiceNotPayable);
}

/// Nothing is taken for an invoice that is over, whoever pays and however; the payer is told, and what goes with it is paid.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_paid_or_taken_back_is_not_paid_again() {
    let world = World::new();
    let (alice, bob, channel) = world.pair().await;
    let [cancelled, paid] = [make(&bob, 100).await, make(&bob, 100).await];
    let taken_back =
        bob.service.invoice_cancel(InvoiceRef { id: cancelled.terms.id }).await.expect("taken back");
    assert_eq!(taken_back.status, InvoiceStatus::Cancelled);
    let mut news = bob.listen(None).await;
    pay(&alice, &paid).await.expect("paid");
    event(&mut news, "the payment", |event| matches!(event, Event::InvoicePaid { .. })).await;

    let refused = |error: ApiError| {
        assert_eq!(error.code, ErrorCode::InvoiceNotPayable, "{error}");
        assert!(error.message.contains("taken back"), "{error}");
    };
    refused(pay(&alice, &cancelled).await.expect_err("taken back"));
    refused(
        soon("an answer", alice.service.pay(towards(channel, 5, cancelled.terms.id))).await.expect_err("so"),
    );
    refused(
        soon("an answer", alice.service.pay(towards(channel, 5, paid.terms.id))).await.expect_err("paid"),
    );
    let item = |amount: u64, invoice| PayItem {
        asset: None,
        amount: Amount::from(amount),
        invoice,
        memo: String::new(),
    };
    let payments = vec![item(1, None), item(2, Some(cancelled.terms.id)), item(3, None)];
    let request = PayMany { channel, payments, idempotency_key: None };
    let done = soon("the answers", alice.service.pay_many(request)).await.expect("told");
    let made: Vec<bool> =
        done.results.iter().map(|result| matches!(result, PayResult::Paid { .. })).collect();
    assert_eq!(made, [true, false, true]);

    // Nor after a restart, and nobody is said to have broken a rule.
    soon("the end", bob.service.shutdown()).await;
    let bob = world.start(2).await;
    alice.node().add_peer(bob.node().address().expect("it listens"));
    alice.until(channel, |info| info.can_pay).await;
    refused(pay(&alice, &cancelled).await.expect_err("taken back"));
    assert_eq!(show(&bob, &cancelled).await.received, Amount::ZERO);
    let info = bob.show(channel).await.expect("known");
    assert_eq!((info.balances[0].own, info.payments_received), (Amount::from(104), 3));
    for party in [&alice, &bob] {
        let events = party.all_events().await;
        assert!(!events.iter().any(|record| matches!(record.event, Event::PeerFault { .. })), "{events:?}");
    }
}

/// Of payments that come at once only those count that are needed: the payer of the next one is told that it is paid.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_right_behind_the_completing_one_is_refused() {
    let world = World::new();
    let (alice, bob, channel) = world.pair().await;
    let [parts, twice] = [make(&bob, 100).await, make(&bob, 100).await];
    let item = |amount: u64, invoice| PayItem {
        asset: None,
        amount: Amount::from(amount),
        invoice,
        memo: String::new(),
    };
    let id = Some(parts.terms.id);
    let mut news = bob.listen(None).await;
    let payments = vec![item(60, id), item(40, id), item(100, id), item(7, None), item(1, id)];
    let request = PayMany { channel, payments, idempotency_key: None };
    let done = soon("the answers", alice.service.pay_many(request)).await.expect("told");
    let code = |result: &PayResult| match result {
        PayResult::Paid { .. } => None,
        PayResult::Failed { code, .. } => Some(*code),
    };
    let over = Some(ErrorCode::InvoiceNotPayable);
    assert_eq!(done.results.iter().map(code).collect::<Vec<_>>(), [None, None, over, None, over]);

    let pay = || alice.service.pay(towards(channel, 100, twice.terms.id));
    let answers = soon("the payments", async { tokio::join!(pay(), pay(), pay()) }).await;
    let answers = [answers.0, answers.1, answers.2].map(|answer| answer.err().map(|error| error.code));
    assert_eq!(answers.iter().filter(|code| code.is_none()).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|code| **code == over).count(), 2, "{answers:?}");
    bob.until(channel, |info| info.balances[0].own == Amount::from(207)).await;
    for _ in 0..2 {
        event(&mut news, "the invoices", |event| matches!(event, Event::InvoicePaid { .. })).await;
    }
    for invoice in [&parts, &twice] {
        let now = show(&bob, invoice).await;
        assert_eq!((now.status, now.received), (InvoiceStatus::Paid, Amount::from(100)));
    }
    let events = bob.all_events().await;
    let issue = |event: &Event| match event {
        Event::InvoiceMispaid { issue, .. } => Some(*issue),
        _ => None,
    };
    let issues: Vec<_> = events.iter().filter_map(|record| issue(&record.event)).collect();
    assert_eq!(issues, [InvoiceIssue::Partial], "and nothing is told as paid twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_way_to_the_payee_it_says_what_is_missing() {
    let world = World::new();
    let (alice, bob, channel) = world.pair().await;
    let carol = world.start(3).await;
    let error = pay(&alice, &make(&carol, 5).await).await.expect_err("no channel");
    assert_eq!(error.code, ErrorCode::NoRoute);
    assert!(error.message.contains(&carol.node().signer().to_string()), "{error}");
    let error = pay(&alice, &make(&bob, 11 * ETHER).await).await.expect_err("too much");
    assert_eq!(error.code, ErrorCode::NoRoute);
    assert!(error.message.contains("1 ETH are missing"), "{error}");
    let error = pay(&bob, &make(&bob, 5).await).await.expect_err("its own");
    assert!(error.hint.contains("whoever is to pay"), "{error:?}");
    assert_eq!(error.code, ErrorCode::InvoiceNotPayable);
    let with_bob = InvoicePay { text: make(&carol, 5).await.text, channel: Some(channel) };
    let error = alice.service.invoice_pay(with_bob).await.expect_err("another peer");
    assert_eq!(error.code, ErrorCode::NoRoute);
    let error = alice.service.invoice_show(InvoiceRef { id: B256::ZERO }).await.expect_err("unknown");
    assert_eq!(error.code, ErrorCode::UnknownInvoice);
    let nothing = InvoiceCreate {
        chain_id: None,
        asset: Some(Address::ZERO),
        amount: Amount::ZERO,
        description: String::new(),
        expires_in: None,
        idempotency_key: None,
    };
    let error = alice.service.invoice_create(nothing).await.expect_err("of nothing");
    assert_eq!(error.code, ErrorCode::InvalidAmount);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invoice_with_a_key_is_made_once() {
    let world = World::new();
    let bob = world.start(2).await;
    let request = InvoiceCreate {
        chain_id: Some(31_337),
        asset: None,
        amount: Amount::from(5),
        description: "tea".into(),
        expires_in: None,
        idempotency_key: Some("order 7".into()),
    };
    let first = bob.service.invoice_create(request.clone()).await.expect("made");
    assert!(!first.was_made_before);
    let again = bob.service.invoice_create(request).await.expect("made once");
    assert_eq!(again, strait_api::InvoiceMade { was_made_before: true, ..first });
}

fn change(world: &World, party: u8, sql: &str) {
    let db = Connection::open(world.path(format!("service-{party}.db"))).expect("opens");
    db.execute_batch(sql).expect("changes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_being_paid_is_waited_for_even_when_nothing_is_left_and_its_time_is_over() {
    let world = World::new();
    let (alice, bob, _) = world.pair().await;
    let invoice = make(&bob, 10 * ETHER).await;
    let paid = pay(&alice, &invoice).await.expect("paid");
    // As if its result could not have been written.
    change(&world, 1, "UPDATE idempotency SET result = NULL, done_ms = NULL");
    alice.clock.advance(601);
    assert_eq!(pay(&alice, &invoice).await, Ok(before(paid)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_invoices_with_one_id_neither_counts_for_the_other() {
    let world = World::new();
    let alice = world.start(1).await;
    world.draw_the_same();
    let (bob, carol) = (world.start(2).await, world.start(3).await);
    let (with_bob, with_carol) = (alice.open(&bob, ETHER).await, alice.open(&carol, ETHER).await);
    let (first, second) = (make(&bob, 5).await, make(&carol, 5).await);
    assert_eq!(first.terms.id, second.terms.id);
    assert_eq!(pay(&alice, &first).await.expect("paid").channel, with_bob);
    assert_eq!(pay(&alice, &second).await.expect("paid").channel, with_carol);
    // A payee that uses an id again asks for something that is not paid.
    change(&world, 2, "DELETE FROM invoice");
    let again = make(&bob, 6).await;
    assert_eq!(again.terms.id, first.terms.id);
    let error = pay(&alice, &again).await.expect_err("another invoice");
    assert_eq!(error.code, ErrorCode::IdempotencyConflict);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_by_status_finds_the_few_among_many() {
    let world = World::new();
    let bob = world.start(2).await;
    let oldest = make(&bob, 1).await;
    for _ in 0..300 {
        let id = make(&bob, 1).await.terms.id;
        bob.service.invoice_cancel(InvoiceRef { id }).await.expect("taken back");
    }
    let request = InvoiceList { status: Some(InvoiceStatus::Open), limit: Some(1), ..InvoiceList::default() };
    let page = bob.service.invoice_list(request.clone()).await.expect("a list");
    assert_eq!(page.invoices, [oldest]);
    let rest = InvoiceList { cursor: page.next, ..request.clone() };
    assert_eq!(bob.service.invoice_list(rest).await.expect("a list").invoices, []);
    let beyond = InvoiceList { cursor: Some(u64::MAX.to_string()), ..request };
    let error = bob.service.invoice_list(beyond).await.expect_err("no cursor");
    assert_eq!(error.code, ErrorCode::InvalidParams);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invoice_that_was_paid_in_time_is_paid_although_it_is_told_after_its_end() {
    let world = World::new();
    let (alice, bob, channel) = world.pair().await;
    let invoice = make(&bob, 500).await;
    soon("the crash", bob.service.kill()).await;
    // The node alone, as if the crash had come between the payment and its event.
    let node = world.node(2).await;
    alice.node().add_peer(node.address().expect("it listens"));
    let is_up = |view: &strait_protocol::ChannelView| view.link == "up";
    soon("the connection", alice.node().wait_until(channel, is_up)).await.expect("it runs");
    pay(&alice, &invoice).await.expect("paid");
    // As if it had all been an hour ago, and the invoice had ended half an hour later.
    let db = Connection::open(world.path("service-2.db")).expect("opens");
    db.execute_batch(
        "UPDATE event SET at_ms = at_ms - 3600000;
         UPDATE invoice SET terms = json_set(terms, '$.expires', (terms ->> '$.created') - 1800)",
    )
    .expect("changes");
    drop(db);
    let bob = world.serve(2, node, Retention::default()).await;
    assert_eq!(show(&bob, &invoice).await.status, InvoiceStatus::Paid);
}
