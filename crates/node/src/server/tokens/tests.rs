use super::spending::{Amounts, Spend};
use super::*;
use crate::shell::SystemRng;
use std::sync::atomic::{AtomicU64, Ordering};
use strait_api::SpendLimit;
use strait_types::{Address, Amount, B256, ChannelId};

const DAY: u64 = 86_400;

#[derive(Default)]
struct Hand(AtomicU64);

impl Clock for Hand {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

struct Place {
    directory: tempfile::TempDir,
    clock: Arc<Hand>,
}

impl Place {
    fn new() -> Place {
        let place = Place { directory: tempfile::tempdir().expect("a directory"), clock: Arc::default() };
        place.set(1000 * DAY);
        place
    }

    fn set(&self, seconds: u64) {
        self.clock.0.store(seconds * 1000, Ordering::Relaxed);
    }

    fn open(&self) -> Tokens {
        let path = self.directory.path().join("tokens.db");
        Tokens::open(path, self.clock.clone(), Box::new(SystemRng)).expect("tokens")
    }
}

fn wish(scopes: &[Scope]) -> TokenCreate {
    TokenCreate {
        name: "till 3".into(),
        scopes: scopes.to_vec(),
        limits: SpendLimits::default(),
        expires_in: None,
    }
}

fn asset(number: u8) -> Address {
    Address::repeat_byte(number)
}

fn channel(number: u8) -> ChannelId {
    ChannelId(B256::repeat_byte(number))
}

fn limit(number: u8, amount: u64) -> SpendLimit {
    SpendLimit { chain_id: 1, asset: asset(number), amount: Amount::from(amount) }
}

fn amounts(number: u8, amount: u64) -> Amounts {
    Amounts::from([(asset(number), Amount::from(amount))])
}

fn spend(over: u8, amount: u64) -> Spend {
    Spend {
        chain: 1,
        channel: Some(channel(over)),
        amounts: amounts(1, amount),
        key: None,
        request: Vec::new(),
    }
}

fn keyed(over: u8, amount: u64, key: &str) -> Spend {
    Spend { key: Some(key.into()), request: amount.to_be_bytes().to_vec(), ..spend(over, amount) }
}

fn payer(tokens: &Tokens, per_channel: &[SpendLimit], per_day: &[SpendLimit]) -> Arc<Token> {
    let limits = SpendLimits { per_channel: per_channel.to_vec(), per_day: per_day.to_vec() };
    let made = tokens.create(&TokenCreate { limits, ..wish(&[Scope::Pay]) }).expect("a token");
    tokens.authenticate(&made.secret).expect("valid")
}

fn code<T>(result: Result<T, ApiError>) -> ErrorCode {
    result.err().expect("a refusal").code
}

#[test]
fn a_token_lives_on_after_a_restart_and_its_secret_is_nowhere_on_disk() {
    let place = Place::new();
    let made = place.open().create(&wish(&[Scope::Receive, Scope::Read])).expect("a token");
    assert_eq!(made.info.scopes, [Scope::Read, Scope::Receive]);
    let tokens = place.open();
    let token = tokens.authenticate(&made.secret).expect("valid");
    assert_eq!(token.info(), &made.info);
    assert_eq!(tokens.list().expect("a list"), [made.info]);
    let random = made.secret.strip_prefix(PREFIX).expect("the prefix").as_bytes().to_vec();
    assert_eq!(random.len(), 64, "256 bits");
    for file in std::fs::read_dir(place.directory.path()).expect("files") {
        let content = std::fs::read(file.expect("a file").path()).expect("content");
        assert!(!content.windows(random.len()).any(|part| part == random));
    }
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_the_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    let _tokens = place.open();
    for file in std::fs::read_dir(place.directory.path()).expect("files") {
        let mode = file.expect("a file").metadata().expect("metadata").permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
}

#[test]
fn what_another_process_makes_and_revokes_counts_here_at_once() {
    let place = Place::new();
    let (here, there) = (place.open(), place.open());
    let made = there.create(&wish(&[Scope::Read])).expect("a token");
    let token = here.authenticate(&made.secret).expect("valid here too");
    there.revoke(&made.info.id).expect("revoked");
    assert_eq!(code(here.authenticate(&made.secret)), ErrorCode::Unauthorized);
    assert!(token.ended().is_cancelled(), "connections learn of it");
    assert_eq!(code(here.check(&token)), ErrorCode::Unauthorized);
    assert_eq!(code(here.revoke(&made.info.id)), ErrorCode::UnknownToken);
}

#[test]
fn a_token_ends_when_its_time_is_over() {
    let place = Place::new();
    let tokens = place.open();
    let wish = TokenCreate { expires_in: Some(60), ..wish(&[Scope::Read]) };
    let made = tokens.create(&wish).expect("a token");
    place.set(1000 * DAY + 59);
    let token = tokens.authenticate(&made.secret).expect("still valid");
    tokens.sweep().expect("swept");
    assert!(!token.ended().is_cancelled());
    place.set(1000 * DAY + 60);
    assert_eq!(code(tokens.authenticate(&made.secret)), ErrorCode::TokenExpired);
    assert_eq!(code(tokens.check(&token)), ErrorCode::TokenExpired);
    tokens.sweep().expect("swept");
    assert!(token.ended().is_cancelled());
}

#[test]
fn a_token_that_makes_no_sense_is_not_made() {
    let place = Place::new();
    let tokens = place.open();
    let limits = |list: &[SpendLimit]| SpendLimits { per_day: list.to_vec(), ..SpendLimits::default() };
    let bad = [
        TokenCreate { name: String::new(), ..wish(&[Scope::Read]) },
        TokenCreate { name: "x".repeat(65), ..wish(&[Scope::Read]) },
        TokenCreate { name: "a\nb".into(), ..wish(&[Scope::Read]) },
        wish(&[]),
        TokenCreate { expires_in: Some(0), ..wish(&[Scope::Read]) },
        TokenCreate { expires_in: Some(u64::MAX), ..wish(&[Scope::Read]) },
        TokenCreate { limits: limits(&[limit(1, 5)]), ..wish(&[Scope::Read]) },
        TokenCreate { limits: limits(&[limit(1, 5)]), ..wish(&[Scope::Pay, Scope::Admin]) },
        TokenCreate { limits: limits(&[limit(1, 5), limit(1, 6)]), ..wish(&[Scope::Pay]) },
    ];
    for wish in bad {
        assert_eq!(code(tokens.create(&wish)), ErrorCode::InvalidParams, "{wish:?}");
    }
    assert_eq!(tokens.list().expect("a list"), []);
}

#[test]
fn spending_stops_at_the_limit_of_a_channel_and_of_a_day() {
    let place = Place::new();
    let tokens = place.open();
    let token = payer(&tokens, &[limit(1, 100)], &[limit(1, 150)]);
    drop(tokens.reserve(&token, spend(1, 100)).expect("the whole limit of channel 1"));
    assert_eq!(code(tokens.reserve(&token, spend(1, 1))), ErrorCode::SpendLimit);
    drop(tokens.reserve(&token, spend(2, 50)).expect("the rest of the day"));
    assert_eq!(code(tokens.reserve(&token, spend(2, 1))), ErrorCode::SpendLimit);
    place.set(1001 * DAY);
    assert_eq!(code(tokens.reserve(&token, spend(1, 1))), ErrorCode::SpendLimit, "for the token's life");
    drop(tokens.reserve(&token, spend(2, 50)).expect("a new day"));
    let other = Spend { amounts: amounts(2, 1), ..spend(3, 0) };
    assert_eq!(code(tokens.reserve(&token, other)), ErrorCode::Forbidden, "an asset that no limit names");
    let anywhere = Spend { channel: None, ..spend(0, 1) };
    assert_eq!(code(tokens.reserve(&token, anywhere)), ErrorCode::InvalidParams);
    let daily = payer(&tokens, &[], &[limit(1, 10)]);
    drop(tokens.reserve(&daily, Spend { channel: None, ..spend(0, 10) }).expect("no limit per channel"));
    let enormous = Spend { amounts: Amounts::from([(asset(1), Amount::MAX)]), ..spend(0, 0) };
    assert_eq!(code(tokens.reserve(&daily, enormous)), ErrorCode::SpendLimit);
}

#[test]
fn what_is_spent_on_one_chain_counts_on_no_other() {
    let place = Place::new();
    let tokens = place.open();
    let token = payer(&tokens, &[], &[limit(1, 100), SpendLimit { chain_id: 2, ..limit(1, 5) }]);
    let elsewhere = |amount| Spend { chain: 2, ..spend(2, amount) };
    drop(tokens.reserve(&token, spend(1, 100)).expect("the whole limit of chain 1"));
    let failed = tokens.reserve(&token, elsewhere(5)).expect("the whole limit of chain 2");
    assert_eq!(code(tokens.reserve(&token, elsewhere(1))), ErrorCode::SpendLimit);
    failed.release(&amounts(1, 5), true).expect("released");
    assert_eq!(
        code(tokens.reserve(&token, spend(1, 1))),
        ErrorCode::SpendLimit,
        "given back on its own chain"
    );
    drop(tokens.reserve(&token, elsewhere(5)).expect("free again"));
    let nowhere = Spend { chain: 3, ..spend(3, 1) };
    assert_eq!(code(tokens.reserve(&token, nowhere)), ErrorCode::Forbidden);
}

#[test]
fn what_is_reserved_counts_after_a_crash_and_what_failed_is_free_again() {
    let place = Place::new();
    let tokens = place.open();
    let token = payer(&tokens, &[limit(1, 100)], &[limit(1, 100)]);
    let failed = tokens.reserve(&token, spend(1, 60)).expect("reserved");
    place.set(1000 * DAY + DAY - 1);
    failed.release(&amounts(1, 60), true).expect("released");
    // The process ends before it learns how this one ended.
    std::mem::forget(tokens.reserve(&token, spend(1, 70)).expect("reserved"));
    let tokens = place.open();
    assert_eq!(code(tokens.reserve(&token, spend(1, 31))), ErrorCode::SpendLimit);
    drop(tokens.reserve(&token, spend(1, 30)).expect("the rest"));
}

#[test]
fn a_payment_that_fails_after_midnight_is_given_back_to_its_own_day() {
    let place = Place::new();
    let tokens = place.open();
    let token = payer(&tokens, &[], &[limit(1, 100)]);
    place.set(1000 * DAY + DAY - 1);
    let late = tokens.reserve(&token, spend(1, 100)).expect("reserved");
    place.set(1001 * DAY);
    drop(tokens.reserve(&token, spend(1, 100)).expect("a new day"));
    late.release(&amounts(1, 100), true).expect("released");
    assert_eq!(code(tokens.reserve(&token, spend(1, 1))), ErrorCode::SpendLimit);
}

#[test]
fn a_repetition_counts_once_for_as_long_as_the_node_pays_once() {
    let place = Place::new();
    let tokens = place.open();
    let token = payer(&tokens, &[limit(1, 100)], &[]);
    let first = tokens.reserve(&token, keyed(1, 60, "a")).expect("reserved");
    assert_eq!(code(tokens.reserve(&token, keyed(1, 60, "a"))), ErrorCode::IdempotencyPending);
    drop(first);
    let again = place.open().reserve(&token, keyed(1, 60, "a")).expect("counts nothing");
    assert_eq!(code(tokens.reserve(&token, keyed(1, 61, "a"))), ErrorCode::IdempotencyConflict);
    again.release(&amounts(1, 60), true).expect("gives nothing back, as the first may have been paid");
    assert_eq!(code(tokens.reserve(&token, spend(1, 41))), ErrorCode::SpendLimit);
    place.set(1007 * DAY);
    assert_eq!(code(tokens.reserve(&token, keyed(1, 60, "a"))), ErrorCode::SpendLimit, "would be paid again");
}

#[test]
fn a_keyed_payment_that_failed_is_counted_when_it_is_repeated() {
    let place = Place::new();
    let tokens = place.open();
    let token = payer(&tokens, &[limit(1, 100)], &[]);
    let failed = tokens.reserve(&token, keyed(1, 60, "a")).expect("reserved");
    failed.release(&amounts(1, 60), true).expect("released");
    drop(failed);
    drop(tokens.reserve(&token, keyed(1, 60, "a")).expect("counted"));
    assert_eq!(code(tokens.reserve(&token, spend(1, 41))), ErrorCode::SpendLimit);
}

#[test]
fn a_file_of_another_program_or_release_is_refused_and_left_alone() {
    let place = Place::new();
    let path = place.directory.path().join("other.db");
    let open = || Tokens::open(&path, place.clock.clone(), Box::new(SystemRng)).err();
    std::fs::write(&path, "no database at all, but a text that is long enough").expect("written");
    assert!(open().is_some());
    std::fs::remove_file(&path).expect("removed");
    let other = Connection::open(&path).expect("a database");
    other.pragma_update(None, "application_id", 7).expect("marked");
    other.execute_batch("CREATE TABLE theirs (a)").expect("a table");
    drop(other);
    assert!(open().expect("refused").reason.contains("another program"));
}

#[test]
fn what_comes_while_the_disk_syncs_goes_to_it_together_and_fails_alone() {
    let tokens = Place::new().open();
    let token = payer(&tokens, &[], &[limit(1, 100)]);
    std::thread::scope(|scope| {
        let disk = tokens.0.writer.connection();
        let payers: Vec<_> = [60, 60, 30, 10]
            .map(|amount| {
                let (tokens, token) = (tokens.clone(), token.clone());
                scope.spawn(move || tokens.reserve(&token, spend(1, amount)).map(drop))
            })
            .into();
        while tokens.0.writer.count_waiting() < payers.len() {
            std::thread::yield_now();
        }
        drop(disk);
        let ends: Vec<_> = payers.into_iter().map(|payer| payer.join().expect("no panic")).collect();
        assert_eq!(ends.iter().filter(|end| end.is_ok()).count(), 3, "{ends:?}");
        let refused = ends.into_iter().find_map(Result::err).expect("one is too much");
        let exceeded = refused.exceeded.expect("the amounts");
        assert_eq!(
            (exceeded.limit, exceeded.asked, exceeded.is_daily),
            (Amount::from(100), Amount::from(60), true)
        );
    });
    assert_eq!(code(tokens.reserve(&token, spend(1, 1))), ErrorCode::SpendLimit);
}
