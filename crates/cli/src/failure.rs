//! Why a command failed, what to do next, and the exit code for scripts.

use clap::error::ErrorKind as ClapKind;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::fmt;
use std::process::ExitCode;
use strait_api::{ApiError, ErrorCode, ErrorKind, Exceeded, Shortage};

/// The process's exit code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    /// Anything else.
    Failed = 1,
    /// The command line, or what it names, is wrong.
    Usage = 2,
    /// No node answers.
    Unreachable = 3,
    /// The token does not allow it.
    NotAllowed = 4,
    /// The peer is away, refuses, or broke a rule.
    Peer = 5,
    /// The chain or the way to it.
    Chain = 6,
    /// The money does not suffice, or cannot be paid to this.
    Money = 7,
    /// A proof does not hold.
    NotProven = 8,
    /// Ended by Ctrl-C before the end.
    Interrupted = 130,
}

impl Exit {
    /// All of them with what they mean, for the documentation.
    pub(crate) const TABLE: &[(u8, &str)] = &[
        (0, "all is done"),
        (Exit::Failed as u8, "failed; the message says why"),
        (Exit::Usage as u8, "wrong use: an option, an amount, or a name that is not known"),
        (Exit::Unreachable as u8, "no node answers at the address"),
        (Exit::NotAllowed as u8, "the token is missing, over, or does not allow this"),
        (Exit::Peer as u8, "the peer is offline, refuses, or broke a rule"),
        (Exit::Chain as u8, "the chain, or the way to it, does not play along"),
        (Exit::Money as u8, "not enough money in the channel, or an invoice that cannot be paid"),
        (Exit::NotProven as u8, "a bill that does not prove itself"),
        (
            Exit::Interrupted as u8,
            "ended by Ctrl-C; what was begun goes on in the node, and it is said when nothing was",
        ),
    ];

    fn of(code: ErrorCode) -> Exit {
        match code {
            ErrorCode::Unauthorized
            | ErrorCode::TokenExpired
            | ErrorCode::Forbidden
            | ErrorCode::SpendLimit => Exit::NotAllowed,
            ErrorCode::PeerOffline
            | ErrorCode::PeerRefused
            | ErrorCode::PeerFault
            | ErrorCode::AwaitingDeposit => Exit::Peer,
            ErrorCode::ChainUnreachable
            | ErrorCode::TransactionReverts
            | ErrorCode::NotEnoughGasMoney
            | ErrorCode::ChainNonsense
            | ErrorCode::ChainStale
            | ErrorCode::NotIncluded => Exit::Chain,
            ErrorCode::NodeUnreachable => Exit::Unreachable,
            ErrorCode::InsufficientBalance
            | ErrorCode::DepositTooSmall
            | ErrorCode::NoRoute
            | ErrorCode::InvoiceNotPayable => Exit::Money,
            ErrorCode::InvalidParams
            | ErrorCode::UnknownChain
            | ErrorCode::UnknownChannel
            | ErrorCode::UnknownPeer
            | ErrorCode::UnknownAsset
            | ErrorCode::UnknownInvoice
            | ErrorCode::UnknownToken
            | ErrorCode::UnknownProposal
            | ErrorCode::UnknownLock
            | ErrorCode::InvalidAmount
            | ErrorCode::InvalidInvoice
            | ErrorCode::InvalidAddress => Exit::Usage,
            _ => Exit::Failed,
        }
    }
}

/// A failed command.
#[derive(Debug)]
pub(crate) struct Failure {
    code: String,
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    exit: Exit,
    shortage: Option<Box<Shortage>>,
    exceeded: Option<Box<Exceeded>>,
    is_quiet: bool,
    is_unread: bool,
}

impl Failure {
    fn new(code: &str, kind: ErrorKind, message: impl fmt::Display, exit: Exit) -> Failure {
        let (code, message) = (code.to_owned(), message.to_string());
        Failure {
            code,
            kind,
            message,
            hint: None,
            exit,
            shortage: None,
            exceeded: None,
            is_quiet: false,
            is_unread: false,
        }
    }

    /// The command line is wrong.
    pub(crate) fn usage(message: impl fmt::Display) -> Failure {
        Failure::new("usage", ErrorKind::Caller, message, Exit::Usage)
    }

    /// This machine: files, terminal, directories.
    pub(crate) fn local(message: impl fmt::Display) -> Failure {
        Failure::new("local", ErrorKind::Environment, message, Exit::Failed)
    }

    /// The chain, or the way to it.
    pub(crate) fn chain(message: impl fmt::Display) -> Failure {
        Failure::new("chain", ErrorKind::Environment, message, Exit::Chain)
    }

    /// The peer does not agree.
    pub(crate) fn peer(message: impl fmt::Display) -> Failure {
        Failure::new("peer_refused", ErrorKind::Peer, message, Exit::Peer)
    }

    /// A bill that proves nothing.
    pub(crate) fn not_proven(message: impl fmt::Display) -> Failure {
        Failure::new("not_proven", ErrorKind::Peer, message, Exit::NotProven)
    }

    /// The user was asked, and said no.
    pub(crate) fn declined(message: impl fmt::Display) -> Failure {
        Failure::new("not_confirmed", ErrorKind::Caller, message, Exit::Failed)
    }

    /// Ctrl-C.
    pub(crate) fn interrupted(message: impl fmt::Display) -> Failure {
        Failure::new("interrupted", ErrorKind::Caller, message, Exit::Interrupted)
    }

    /// Has told what happened already; only the exit code is left to give.
    pub(crate) fn told(mut self) -> Failure {
        self.is_quiet = true;
        self
    }

    /// Nobody reads any more: `strait history ... | head` is no mistake.
    pub(crate) fn unread() -> Failure {
        let is_unread = true;
        Failure { is_unread, ..Failure::local("nobody reads the output any more") }.told()
    }

    /// Whether the reader has seen enough.
    pub(crate) fn is_unread(&self) -> bool {
        self.is_unread
    }

    /// Whether the token was not taken, or is over.
    pub(crate) fn is_of_token(&self) -> bool {
        [ErrorCode::Unauthorized, ErrorCode::TokenExpired].iter().any(|code| code.name() == self.code)
    }

    /// The limit of a token that would be exceeded.
    pub(crate) fn exceeded(&self) -> Option<&Exceeded> {
        self.exceeded.as_deref()
    }

    /// The same in other words.
    pub(crate) fn in_words(self, message: String) -> Failure {
        Failure { message, ..self }
    }

    /// Of an order whose answer is lost, or after which the node is gone: how it is repeated without being done twice.
    pub(crate) fn repeatable(self, key: Option<&str>) -> Failure {
        let of = |codes: &[ErrorCode]| codes.iter().any(|code| code.name() == self.code);
        let is_lost = of(&[
            ErrorCode::NoAnswer,
            ErrorCode::IdempotencyPending,
            ErrorCode::Stopping,
            ErrorCode::StoreFailed,
            ErrorCode::Internal,
        ]);
        let hint = match key {
            Some(key) if is_lost || of(&[ErrorCode::NodeUnreachable]) => {
                format!("it may have been done: repeat it with --key {key}, which does it once")
            }
            None if is_lost => {
                "it may have been done: look with `strait channel list` before you repeat it; with --key a repetition does it once".into()
            }
            _ => return self,
        };
        self.hint(hint)
    }

    /// Of a deposit with a key of which it is not known yet what it has done: that can be waited for.
    pub(crate) fn undecided(self, key: Option<&str>) -> Failure {
        match key.filter(|_| self.code == ErrorCode::IdempotencyPending.name()) {
            Some(key) => self.hint(format!(
                "repeat it with --key {key} --wait, which waits until that is known and does it once"
            )),
            None => self,
        }
    }

    /// The next step.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// The exit code.
    #[cfg(test)]
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// Tells it on standard error, and gives the exit code.
    pub(crate) fn report(&self, json: bool) -> ExitCode {
        if self.is_unread {
            return ExitCode::SUCCESS;
        }
        if !self.is_quiet {
            crate::output::tell(&self.render(json, console::colors_enabled_stderr()));
        }
        ExitCode::from(self.exit as u8)
    }

    pub(crate) fn render(&self, json: bool, colours: bool) -> String {
        if json {
            let Failure { code, kind, message, hint, shortage, exceeded, .. } = self;
            let hint = hint.as_deref().unwrap_or(match self.exit {
                Exit::Usage => "the command's --help says how it is used",
                _ => "put right what the message names, then repeat",
            });
            let mut error = json!({"code": code, "kind": kind, "message": message, "hint": hint});
            if let Some(shortage) = shortage {
                error["shortage"] = json!(shortage);
            }
            if let Some(exceeded) = exceeded {
                error["exceeded"] = json!(exceeded);
            }
            return json!({ "error": error }).to_string();
        }
        let head = console::style("error:").red().bold().force_styling(colours);
        let message = crate::text::printable(&self.message);
        match &self.hint {
            None => format!("{head} {message}"),
            Some(hint) => {
                let next = console::style("hint:").cyan().bold().force_styling(colours);
                format!("{head} {message}\n{next} {}", crate::text::printable(hint))
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Failure {
        let failure =
            Failure::new(error.code.name(), error.code.kind(), &error.message, Exit::of(error.code));
        Failure { shortage: error.shortage, exceeded: error.exceeded, ..failure.hint(error.hint) }
    }
}

/// What clap says: help and version are no errors, the rest is told as `--json` asks.
pub(crate) fn usage_error(error: &clap::Error) -> ExitCode {
    let is_help = matches!(error.kind(), ClapKind::DisplayHelp | ClapKind::DisplayVersion);
    let json = std::env::args_os().any(|argument| argument == "--json");
    let text = error.render().to_string();
    let text = text.trim_start_matches("error: ");
    let (message, rest) = text.split_once("\n\n").unwrap_or((text, ""));
    let of_amount = amount_hint(message);
    let words: Vec<_> = std::env::args_os().collect();
    if let Some(value) = json.then(|| help_value(error.kind(), &words)).flatten() {
        let told = crate::output::Output::new(true).result(&value, |_| String::new());
        return told.map_or_else(|failure| failure.report(true), |()| ExitCode::SUCCESS);
    }
    if is_help || (!json && of_amount.is_none()) {
        // Nothing can be told when the streams are gone.
        let _gone = error.print();
        return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8));
    }
    let hint = rest.lines().find_map(|line| line.trim().strip_prefix("tip: "));
    Failure::usage(message.trim()).hint(of_amount.or(hint).unwrap_or("see --help")).report(json)
}

/// For programs: the version, and the exit codes. The rest of the help is for people, and stays text.
fn help_value(kind: ClapKind, words: &[OsString]) -> Option<Value> {
    match kind {
        ClapKind::DisplayVersion => Some(json!({ "version": env!("CARGO_PKG_VERSION") })),
        ClapKind::DisplayHelp if words.iter().any(|word| word == "exit-codes") => {
            Some(Value::Object(crate::exit_codes::table()))
        }
        _ => None,
    }
}

/// What helps against the slips that amounts invite, for which the parser's own tips are of no use.
fn amount_hint(message: &str) -> Option<&'static str> {
    let word = message.strip_prefix("unexpected argument '")?.split('\'').next()?;
    let after_sign = word.strip_prefix('-').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    if after_sign.is_some() {
        return Some("amounts are positive; the command says who pays");
    }
    let is_unit = word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_unit.then_some("see --help; an amount as the value of an option needs quotes: --deposit \"100 USDC\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_node_keeps_its_hint_and_has_an_exit_code() {
        let failure = Failure::from(ApiError::new(ErrorCode::PeerOffline, "no connection with 0x1234"));
        assert_eq!(failure.exit(), Exit::Peer);
        let told = failure.render(false, false);
        assert!(
            told.starts_with("error: no connection with 0x1234\nhint: the node dials by itself"),
            "{told}"
        );
        let json: serde_json::Value = serde_json::from_str(&failure.render(true, true)).expect("JSON");
        assert_eq!(json["error"]["code"], "peer_offline");
        assert_eq!(json["error"]["kind"], "environment");
        assert!(json["error"]["hint"].as_str().is_some_and(|hint| !hint.is_empty()));
        let json: serde_json::Value =
            serde_json::from_str(&Failure::local("the disk is full").render(true, false)).expect("JSON");
        assert!(json["error"]["hint"].as_str().is_some_and(|hint| !hint.is_empty()));
    }

    #[test]
    fn what_may_have_been_done_says_how_to_repeat_it() {
        let of = |code, key| {
            let failure = Failure::from(ApiError::new(code, "cut off")).repeatable(key);
            failure.render(false, false)
        };
        for code in [ErrorCode::NoAnswer, ErrorCode::NodeUnreachable, ErrorCode::Stopping] {
            assert!(of(code, Some("rent")).contains("repeat it with --key rent"), "{code:?}");
        }
        assert!(of(ErrorCode::NoAnswer, None).contains("before you repeat it"));
        for (code, key) in
            [(ErrorCode::InsufficientBalance, Some("rent")), (ErrorCode::NodeUnreachable, None)]
        {
            assert!(!of(code, key).contains("may have been done"), "{code:?}");
        }
    }

    #[test]
    fn slips_with_amounts_have_hints_of_their_own() {
        let hint = |message| amount_hint(message).unwrap_or_default();
        assert!(hint("unexpected argument 'USDC' found").contains("quotes"));
        assert!(hint("unexpected argument '-1' found").contains("positive"));
        assert_eq!(hint("unexpected argument '--depositt' found"), "");
    }

    #[test]
    fn colours_only_when_asked_for() {
        let failure = Failure::usage("no");
        assert!(failure.render(false, true).contains("\u{1b}["));
        assert!(!failure.render(false, false).contains('\u{1b}'));
    }

    #[test]
    fn what_a_peer_says_cannot_steer_the_terminal() {
        let failure = Failure::peer("no\u{1b}[2J thanks");
        assert!(!failure.render(false, false).contains('\u{1b}'));
    }

    #[test]
    fn the_table_names_every_code_once() {
        let mut codes: Vec<_> = Exit::TABLE.iter().map(|(code, _)| *code).collect();
        codes.dedup();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 130]);
    }
}
