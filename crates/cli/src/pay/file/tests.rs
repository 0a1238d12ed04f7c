use super::super::tests::{args, id};
use crate::failure::Exit;
use crate::pay::run;
use crate::testing::{Fake, channel_info};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use strait_api::{ApiError, ChannelInfo, ErrorCode};
use strait_types::Address;

/// Over 5 wei on mainnet, of the signer below.
const INVOICE: &str = "straitinvoice1zk336kpmca8w3xvgpsd36n0cj80kwxwv82vvmnugvkk8fcyk23hm239kdc5l093qefez3sl5paakgdzgz56xrnfdv5q7ep6gg9v5lrs8qurswpc8qurswpc8qurswpc8qurswpc8qurswpc8qurswpc8qazqqqqqwd68yctfwsaz7tes0qckzd35xfnrq3fnvvekz334xs652d6pvdpygvecvgcrwv34x9prxwfexqunzdzxx9qx27rpd4cxcefwdaexww35xq6rqqgqqqqqqqqqqqqszqgpqyqszqgpqyqszqgpqyqszqgpqyqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqzsqqqqqqqqqqqqqqqqqqqqqqqqxqqqqp6x2cgq6fykkqqqqqqppczfdvqqqqqqfnmzkc";
const PAYEE: &str = "0x1a642f0E3c3aF545E7AcBD38b07251B3990914F1";
const INVOICE_ID: &str = "0x0707070707070707070707070707070707070707070707070707070707070707";

/// A node with a channel with that payee.
fn with_payee(json: bool) -> Fake {
    let peer: Address = PAYEE.parse().expect("an address");
    let info = ChannelInfo { peer, ..channel_info(0xab) };
    Fake::new(json)
        .on("strait_channel_show", move |_| Ok(serde_json::to_value(&info).expect("JSON")))
        .on("strait_pay_many", |asked| Ok(pays(&asked)))
}

fn pays(asked: &Value) -> Value {
    let payments = asked["payments"].as_array().expect("payments");
    let result = |payment: &Value| match payment["memo"].as_str() {
        Some("too much") => {
            json!({"failed": {"code": "insufficient_balance", "message": "poor", "hint": "pay less"}})
        }
        _ => json!({"paid": {"number": 0, "version": 1}}),
    };
    json!({"results": payments.iter().map(result).collect::<Vec<_>>()})
}

fn file(text: &str) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("payments");
    fs::write(&path, text).expect("written");
    let path = path.to_str().expect("a path").to_owned();
    (directory, path)
}

#[tokio::test]
async fn every_line_has_its_own_result() {
    let csv = "amount,memo\n0.5 ether,\"rent, November\"\n100 ether,too much\n12.50 USDC,\n";
    let jsonl = "{\"amount\":\"0.5 ether\",\"memo\":\"rent, November\"}\n\n{\"amount\":\"100 ether\",\"memo\":\"too much\"}\n{\"amount\":\"12.50 USDC\"}\n";
    for (text, lines) in [(csv, [2, 3, 4]), (jsonl, [1, 3, 4])] {
        let (_directory, path) = file(text);
        let (context, seen) = Fake::new(true).on("strait_pay_many", |asked| Ok(pays(&asked))).start();
        let failure =
            run(&context, args(&[&id(), "--file", &path, "--key", "k"])).await.expect_err("one failed");
        assert_eq!(failure.exit(), Exit::Failed);
        let asked = &seen.asked("strait_pay_many")[0];
        let amounts: Vec<_> =
            asked["payments"].as_array().expect("payments").iter().map(|p| &p["amount"]).collect();
        assert_eq!(amounts, ["500000000000000000", "100000000000000000000", "12500000"]);
        assert_eq!(
            (&asked["idempotency_key"], &asked["payments"][0]["memo"]),
            (&json!("k/0"), &json!("rent, November"))
        );
        let report: Value = serde_json::from_str(&seen.text()).expect("one value");
        assert_eq!((&report["paid"], &report["failed"]), (&json!(2), &json!(1)));
        let places: Vec<_> =
            report["lines"].as_array().expect("lines").iter().map(|l| l["line"].as_u64()).collect();
        assert_eq!(places, lines.map(Some));
        assert_eq!(report["lines"][1]["failed"]["code"], "insufficient_balance");
    }
}

#[tokio::test]
async fn a_mistake_in_the_last_line_pays_nothing() {
    for last in ["1 DAI,", "zero,x", "1 ether,a,b,c"] {
        let (_directory, path) = file(&format!("amount,memo\n1 wei,fine\n{last}\n"));
        let (context, seen) = Fake::new(false).on("strait_pay_many", |asked| Ok(pays(&asked))).start();
        let failure = run(&context, args(&[&id(), "--file", &path])).await.expect_err("a mistake");
        assert!(
            failure.to_string().contains("line 3") && failure.to_string().contains("nothing was paid"),
            "{failure}"
        );
        assert!(seen.asked("strait_pay_many").is_empty());
    }
}

#[tokio::test]
async fn after_a_failed_call_nothing_is_claimed_and_a_repetition_pays_the_rest() {
    let rows: String = (0..2_500).map(|_| "1 wei\n").collect();
    let (_directory, path) = file(&format!("amount\n{rows}"));
    let fake = Fake::new(true).on("strait_pay_many", |asked| match asked["idempotency_key"].as_str() {
        Some("k/0") => Ok(pays(&asked)),
        _ => Err(ApiError::new(ErrorCode::NoAnswer, "gone")),
    });
    let (context, seen) = fake.start();
    run(&context, args(&[&id(), "--file", &path, "--key", "k"])).await.expect_err("a part");
    let report: Value = serde_json::from_str(&seen.text()).expect("one value");
    let counts = ["paid", "failed", "unknown", "not_sent"].map(|name| report[name].as_u64());
    assert_eq!(counts, [1_000, 0, 1_000, 500].map(Some));
    assert_eq!(report["lines"][1_000]["unknown"]["code"], "no_answer");
    for (line, end) in [(1_000, "unknown"), (2_000, "not_sent")] {
        let hint = report["lines"][line][end]["hint"].as_str().expect("a hint");
        assert!(hint.contains("same file") && hint.contains("--key k"), "{hint}");
    }
    assert_eq!(report["lines"][0]["paid"]["version"], 1);
}

#[tokio::test]
async fn without_a_key_there_is_one_that_is_told() {
    let (_directory, path) = file("amount\n1 wei\n");
    let mut keys = Vec::new();
    for _ in 0..2 {
        let (context, seen) = Fake::new(true).on("strait_pay_many", |asked| Ok(pays(&asked))).start();
        run(&context, args(&[&id(), "--file", &path])).await.expect("paid");
        let report: Value = serde_json::from_str(&seen.text()).expect("one value");
        let key = report["key"].as_str().expect("a key").to_owned();
        assert_eq!(seen.asked("strait_pay_many")[0]["idempotency_key"], format!("{key}/0"));
        keys.push(key);
    }
    assert_ne!(keys[0], keys[1]);
}

#[tokio::test]
async fn lines_that_were_paid_already_are_told_apart() {
    let (_directory, path) = file("amount,memo\n1 wei,tea\n2 wei,too much\n");
    for json in [false, true] {
        let again = |asked: Value| {
            let mut done = pays(&asked);
            done["was_paid_before"] = json!(true);
            Ok(done)
        };
        let (context, seen) = Fake::new(json).on("strait_pay_many", again).start();
        run(&context, args(&[&id(), "--file", &path, "--key", "k"])).await.expect_err("one is not paid");
        let text = seen.text();
        if json {
            let report: Value = serde_json::from_str(&text).expect("one value");
            assert_eq!((&report["paid"], &report["paid_before"]), (&json!(1), &json!(1)));
            assert_eq!(report["lines"][0]["was_paid_before"], true);
            assert_eq!(report["lines"][1]["was_paid_before"], false);
        } else {
            assert!(text.contains("was paid already, payment 0"), "{text}");
            assert!(text.contains("0 paid over") && text.contains("1 were paid already"), "{text}");
        }
    }
}

#[tokio::test]
async fn what_to_do_about_lines_that_are_not_paid_is_told() {
    let (_directory, path) = file("amount,memo\n1 wei,too much\n");
    let (context, seen) = Fake::new(false).on("strait_pay_many", |asked| Ok(pays(&asked))).start();
    run(&context, args(&[&id(), "--file", &path, "--key", "k"])).await.expect_err("poor");
    let text = seen.notes();
    assert!(text.contains("a new file, with a new key") && !text.contains("same file"), "{text}");
}

/// Answers as a node does: whatever has a key has one end for good, but a call of which nothing was made while the peer is away.
fn with_peer(is_there: Arc<AtomicBool>) -> impl Fn(Value) -> Result<Value, ApiError> + Send + Sync + 'static {
    let ended: Mutex<BTreeMap<String, (Value, Value)>> = Mutex::default();
    move |asked| {
        let key = asked["idempotency_key"].as_str().expect("a key").to_owned();
        let mut ended = ended.lock().expect("whole");
        if let Some((request, done)) = ended.get(&key) {
            assert_eq!(*request, asked, "a key is for one request");
            let mut done = done.clone();
            done["was_paid_before"] = json!(true);
            return Ok(done);
        }
        let payments = asked["payments"].as_array().expect("payments");
        let result = |payment: &Value| match payment["memo"].as_str() {
            Some("late") if !is_there.load(Ordering::Relaxed) => json!({"failed":
                {"code": "peer_offline", "message": "the peer is not connected", "hint": "dispute"}}),
            _ => json!({"paid": {"number": 0, "version": 1}}),
        };
        let results: Vec<_> = payments.iter().map(result).collect();
        if results.iter().all(|result| result["failed"]["code"] == "peer_offline") {
            return Err(ApiError::new(ErrorCode::PeerOffline, "the peer is not connected"));
        }
        let done = json!({ "results": results });
        ended.insert(key, (asked, done.clone()));
        Ok(done)
    }
}

#[tokio::test]
async fn while_the_peer_is_away_the_rest_is_not_sent_and_the_same_file_and_key_go_on() {
    // In the second chunk the peer goes, after its first line.
    let memo = |line: usize| if line > 1_000 { "late" } else { "early" };
    let rows: String = (0..2_500).map(|line| format!("1 wei,{}\n", memo(line))).collect();
    let (_directory, path) = file(&format!("amount,memo\n{rows}"));
    let is_there = Arc::new(AtomicBool::new(false));
    let (context, seen) = Fake::new(true).on("strait_pay_many", with_peer(is_there.clone())).start();
    let counts = |text: &str| {
        let report: Value = serde_json::from_str(text.lines().last().expect("a report")).expect("JSON");
        let names = ["paid", "paid_before", "failed", "unknown", "not_sent"];
        (names.map(|name| report[name].as_u64().expect("a number")), report)
    };
    for run_before in [0, 1_001, 1_001] {
        run(&context, args(&[&id(), "--file", &path, "--key", "k"])).await.expect_err("away");
        let (found, report) = counts(&seen.text());
        assert_eq!(found, [1_001, run_before, 0, 0, 1_499]);
        assert_eq!(report["peer_offline"], "the peer is not connected");
        let hint = report["lines"][2_000]["not_sent"]["hint"].as_str().expect("a hint");
        assert!(hint.contains("same file") && hint.contains("--key k"), "{hint}");
    }
    is_there.store(true, Ordering::Relaxed);
    run(&context, args(&[&id(), "--file", &path, "--key", "k"])).await.expect("the rest is paid");
    assert_eq!(counts(&seen.text()).0, [2_500, 1_001, 0, 0, 0]);
    run(&context, args(&[&id(), "--file", &path, "--key", "k"])).await.expect("paid");
    assert_eq!(counts(&seen.text()).0, [2_500, 2_500, 0, 0, 0]);
}

#[tokio::test]
async fn the_advice_while_the_peer_is_away_is_to_repeat_the_same_file() {
    let (_directory, path) = file("amount,memo\n1 wei,late\n");
    let answer = with_peer(Arc::new(AtomicBool::new(false)));
    let (context, seen) = Fake::new(false).on("strait_pay_many", answer).start();
    run(&context, args(&[&id(), "--file", &path, "--key", "k"])).await.expect_err("away");
    assert!(seen.text().ends_with("1 not sent\n"), "{}", seen.text());
    let text = seen.notes();
    assert!(text.contains("the peer is not connected\nnext: when the peer is back"), "{text}");
    assert!(text.contains("repeat the same file with --key k"), "{text}");
}

#[tokio::test]
async fn a_line_names_an_invoice_by_its_text_or_its_id() {
    let capitals = INVOICE.to_ascii_uppercase();
    let csv =
        format!("amount,memo,invoice\n5 wei,,{INVOICE}\n1 wei,,{INVOICE_ID}\n5 wei,,{capitals}\n1 wei,,\n");
    let json = format!(
        "{{\"amount\":\"5 wei\",\"invoice\":\"{INVOICE}\"}}\n{{\"amount\":\"1 wei\",\"invoice\":\"{INVOICE_ID}\"}}\n{{\"amount\":\"5 wei\",\"invoice\":\"{capitals}\"}}\n{{\"amount\":\"1 wei\",\"invoice\":null}}\n"
    );
    for text in [csv, json] {
        let (_directory, path) = file(&text);
        let (context, seen) = with_payee(true).start();
        run(&context, args(&[&id(), "--file", &path, "--key", "k"])).await.expect("paid");
        let asked = &seen.asked("strait_pay_many")[0];
        let ids: Vec<_> = (0..4).map(|line| asked["payments"][line]["invoice"].clone()).collect();
        assert_eq!(ids, [json!(INVOICE_ID), json!(INVOICE_ID), json!(INVOICE_ID), Value::Null]);
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_line_is_said_in_plain_words() {
    let cut = &INVOICE[..100];
    let invoice = |text: &str| format!("amount,invoice\n1 wei,{text}\n");
    for (text, line, part) in [
        ("amunt,memo\n1 wei,tea\n".to_owned(), 1, "there is no column \"amunt\""),
        ("memo\ntea\n".into(), 1, "the column \"amount\" is missing"),
        ("amount,amount\n1 wei,1 wei\n".into(), 1, "twice"),
        ("amount,memo\n1 wei,a,b\n".into(), 2, "it has 3 columns, the first line 2"),
        ("{\"amount\":5}\n".into(), 1, "amount is to be text in quotes"),
        ("{\"amunt\":\"1 wei\"}\n".into(), 1, "there is no column \"amunt\""),
        ("{\"amount\":\"1 wei\"}\n{amount}\n".into(), 2, "it is no JSON object"),
        (invoice("0x12"), 2, "\"0x12\" is no invoice"),
        (invoice(cut), 2, "a character is wrong or missing"),
        (format!("amount,invoice\n1 USDC,{INVOICE}\n"), 2, "asks for another asset"),
        (
            format!("amount,invoice\n0.5 ether,{INVOICE}\n"),
            2,
            "the invoice asks for 0.000000000000000005 ETH, and the line pays 0.5 ETH",
        ),
    ] {
        let (_directory, path) = file(&text);
        let (context, seen) = with_payee(false).start();
        let failure = run(&context, args(&[&id(), "--file", &path])).await.expect_err("a mistake");
        let told = failure.render(false, false);
        assert!(told.contains(&format!("line {line}: ")) && told.contains(part), "{told}");
        for word in ["error: invalid", "deserialize", "record", "byte"] {
            assert!(!told.contains(word), "{told}");
        }
        assert!(seen.asked("strait_pay_many").is_empty());
    }
    let (_directory, path) = file(&invoice(INVOICE));
    let (context, _) = Fake::new(false).start();
    let failure = run(&context, args(&[&id(), "--file", &path])).await.expect_err("another payee");
    assert!(failure.to_string().contains("the channel's peer is 0x99999999"), "{failure}");
}
