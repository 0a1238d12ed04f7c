use super::*;

fn limited(per_channel: u64, per_day: u64) -> TokenCreate {
    limited_on(1, per_channel, per_day)
}

fn limited_on(chain_id: u64, per_channel: u64, per_day: u64) -> TokenCreate {
    let limit = |amount| vec![SpendLimit { chain_id, asset: Address::ZERO, amount: Amount::from(amount) }];
    TokenCreate {
        name: "till".into(),
        scopes: vec![Scope::Pay],
        limits: SpendLimits { per_channel: limit(per_channel), per_day: limit(per_day) },
        expires_in: None,
    }
}

impl World {
    fn paid(&self) -> u128 {
        lock(&self.fake.paid).values().sum()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_two_payers_at_once_spend_the_limit_and_no_more() {
    let world = Arc::new(World::new().await);
    let token = world.make(&limited(1000, 100));
    let payers: Vec<_> = (0..32)
        .map(|_| {
            let (world, token) = (world.clone(), token.clone());
            tokio::spawn(async move {
                let mut socket = world.connect(&token).await;
                let mut paid = 0;
                for _ in 0..10 {
                    let params = json!({ "channel": channel(), "amount": "1" });
                    let answer = socket.ask("strait_pay", params).await;
                    match answer.get("result") {
                        Some(_) => paid += 1,
                        None => assert_eq!(failed(&answer), ErrorCode::SpendLimit),
                    }
                }
                paid
            })
        })
        .collect();
    let mut paid = 0;
    for payer in payers {
        paid += payer.await.expect("a payer");
    }
    assert_eq!((paid, world.paid()), (100, 100));
}

#[tokio::test]
async fn only_what_was_certainly_not_paid_may_be_spent_again() {
    let world = World::new().await;
    let token = world.make(&limited(100, 1000));
    let pay = json!({ "channel": channel(), "amount": "60" });
    *lock(&world.fake.fails_with) = Some(ErrorCode::PeerOffline);
    assert_eq!(failed(&world.call(&token, "strait_pay", pay.clone()).await), ErrorCode::PeerOffline);
    *lock(&world.fake.fails_with) = Some(ErrorCode::Stopping);
    assert_eq!(failed(&world.call(&token, "strait_pay", pay.clone()).await), ErrorCode::Stopping);
    *lock(&world.fake.fails_with) = None;
    let answer = world.call(&token, "strait_pay", pay).await;
    assert_eq!(failed(&answer), ErrorCode::SpendLimit, "a node that stopped may have paid");
    let rest = json!({ "channel": channel(), "amount": "40" });
    assert!(world.call(&token, "strait_pay", rest).await["result"].is_object());
}

#[tokio::test]
async fn a_repetition_spends_once() {
    let world = World::new().await;
    let token = world.make(&limited(100, 1000));
    let pay = json!({ "channel": channel(), "amount": "60", "idempotency_key": "order 7" });
    for _ in 0..3 {
        assert!(world.call(&token, "strait_pay", pay.clone()).await["result"].is_object());
    }
    assert_eq!(world.paid(), 60);
    let other = json!({ "channel": channel(), "amount": "61", "idempotency_key": "order 7" });
    let answer = world.call(&token, "strait_pay", other).await;
    assert_eq!(failed(&answer), ErrorCode::IdempotencyConflict);
    let rest = json!({ "channel": channel(), "amount": "41", "idempotency_key": "order 8" });
    assert_eq!(failed(&world.call(&token, "strait_pay", rest).await), ErrorCode::SpendLimit);
}

#[tokio::test]
async fn every_way_to_pay_counts() {
    let world = World::new().await;
    let token = world.make(&limited(100, 1000));
    let lock_add = json!({ "channel": channel(), "amount": "10", "hash": B256::ZERO, "expiry": 9 });
    assert!(world.call(&token, "strait_lock_add", lock_add).await["result"].is_object());
    let items = json!([{ "amount": "20" }, { "amount": "30", "memo": "fails" }, { "amount": "5" }]);
    let many = json!({ "channel": channel(), "payments": items });
    assert!(world.call(&token, "strait_pay_many", many).await["result"].is_object());
    let invoice = json!({ "text": "straitinvoice1", "channel": channel() });
    for _ in 0..2 {
        assert!(world.call(&token, "strait_invoice_pay", invoice.clone()).await["result"].is_object());
    }
    assert_eq!(world.paid(), 10 + 25 + 40);
    let pay = |amount: &str| json!({ "channel": channel(), "amount": amount });
    assert_eq!(failed(&world.call(&token, "strait_pay", pay("26")).await), ErrorCode::SpendLimit);
    assert!(world.call(&token, "strait_pay", pay("25")).await["result"].is_object());
    let anywhere = json!({ "text": "straitinvoice1" });
    let answer = world.call(&token, "strait_invoice_pay", anywhere).await;
    assert_eq!(failed(&answer), ErrorCode::InvalidParams, "the limit is per channel");
    let enormous = json!([{ "amount": Amount::MAX }, { "amount": Amount::MAX }]);
    let many = json!({ "channel": channel(), "payments": enormous });
    assert_eq!(failed(&world.call(&token, "strait_pay_many", many).await), ErrorCode::InvalidAmount);
}

#[tokio::test]
async fn a_limit_of_one_chain_lets_nobody_spend_on_another() {
    let world = World::new().await;
    let token = world.make(&limited_on(10, 100, 1000));
    let one = json!({ "channel": channel(), "amount": "1" });
    let many = json!({ "channel": channel(), "payments": [{ "amount": "1", "asset": Address::ZERO }] });
    let lock_add = json!({ "channel": channel(), "amount": "1", "hash": B256::ZERO, "expiry": 9 });
    let invoice = json!({ "text": "straitinvoice1", "channel": channel() });
    for (method, params) in [
        ("strait_pay", one),
        ("strait_pay_many", many),
        ("strait_lock_add", lock_add),
        ("strait_invoice_pay", invoice),
    ] {
        assert_eq!(failed(&world.call(&token, method, params).await), ErrorCode::Forbidden, "{method}");
    }
    assert_eq!(world.paid(), 0);
}

#[tokio::test]
async fn no_limit_is_no_limit() {
    let world = World::new().await;
    for scope in [Scope::Pay, Scope::Admin] {
        let pay = json!({ "channel": channel(), "amount": "1000000" });
        assert!(world.call(&world.token(scope), "strait_pay", pay).await["result"].is_object());
    }
}
