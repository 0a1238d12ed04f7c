//! Every error of the node in the terms of the catalogue: the text is the error's own.

use super::Core;
use super::registry::Known;
use crate::NodeError;
use crate::transport::{PeerAddressError, TowerAddressError};
use strait_api::{ApiError, ErrorCode, Shortage};
use strait_engine::EngineError;
use strait_engine::ports::ChainError;
use strait_protocol::{CommandError, Refused, Rule};
use strait_types::{Address, Amount, U256};

/// What to do with a channel into which nobody has put anything.
pub(crate) const EMPTY_HINT: &str = "put something in to use it (`strait channel deposit`), or give it up (`strait channel close`), which needs neither the peer nor a transaction";

impl From<NodeError> for ApiError {
    fn from(error: NodeError) -> ApiError {
        let code = match &error {
            NodeError::Command(error) => return of_command(error),
            NodeError::Engine(error) => return of_engine(error),
            NodeError::UnknownChannel(_) => ErrorCode::UnknownChannel,
            NodeError::Store(_) => ErrorCode::StoreFailed,
            NodeError::Rng(_) => {
                return ApiError::new(ErrorCode::KeyUnavailable, error.to_string())
                    .hint("check that the process may read the system's randomness");
            }
            NodeError::Busy { .. } => ErrorCode::Busy,
            NodeError::Stopped(_) => ErrorCode::Stopping,
            NodeError::Mismatch => ErrorCode::Internal,
        };
        ApiError::new(code, error.to_string())
    }
}

impl From<PeerAddressError> for ApiError {
    fn from(error: PeerAddressError) -> ApiError {
        ApiError::new(ErrorCode::InvalidAddress, error.to_string())
    }
}

impl From<TowerAddressError> for ApiError {
    fn from(error: TowerAddressError) -> ApiError {
        ApiError::new(ErrorCode::InvalidAddress, error.to_string())
            .hint("write strait-tower://SIGNER@HOST:PORT, as the tower prints it when it starts")
    }
}

impl Core {
    /// The error of a command in a channel that moves an asset, with amounts as people write them.
    pub(crate) fn of_channel(&self, error: NodeError, known: &Known, asset: Address) -> ApiError {
        match error {
            // What is short need not be what was to be moved.
            NodeError::Command(CommandError::DepositDemanded { asset, demanded, deposited }) => {
                self.demanded(self.chain_id(known.chain), known.asset(asset), demanded, deposited)
            }
            error => self.of_money(error, known.chain, asset),
        }
    }

    /// The error of a command that moves an asset, with amounts as people write them.
    pub(crate) fn of_money(&self, error: NodeError, chain: usize, asset: Address) -> ApiError {
        let chain_id = self.chain_id(chain);
        let coin = |amount: &U256| u128::try_from(*amount).ok().and_then(Amount::new);
        match &error {
            NodeError::Command(CommandError::InsufficientBalance { available, wanted }) => {
                let shortage = Shortage { chain_id, asset, balance: *available, needed: *wanted };
                let message = format!("the balance is {}", self.written(&shortage));
                ApiError::new(ErrorCode::InsufficientBalance, message).shortage(shortage)
            }
            NodeError::Engine(EngineError::Chain(ChainError::NotEnoughGasMoney {
                account,
                balance,
                needed,
            })) => {
                let (Some(balance), Some(needed)) = (coin(balance), coin(needed)) else {
                    return error.into();
                };
                let shortage = Shortage { chain_id, asset: Address::ZERO, balance, needed };
                let message = format!("the gas account {account} holds {}", self.written(&shortage));
                ApiError::new(ErrorCode::NotEnoughGasMoney, message).shortage(shortage)
            }
            _ => error.into(),
        }
    }

    /// That the peer demands more than is deposited.
    fn demanded(&self, chain_id: u64, asset: Address, needed: Amount, balance: Amount) -> ApiError {
        let write = |amount| self.assets.write(chain_id, asset, amount);
        let message = format!(
            "the peer demands a deposit of {} before it takes or makes payments in this channel; {} are deposited and confirmed",
            write(needed),
            write(balance)
        );
        ApiError::new(ErrorCode::DepositTooSmall, message).shortage(Shortage {
            chain_id,
            asset,
            balance,
            needed,
        })
    }

    /// Such as `0.5 ETH, 2 ETH are needed`.
    pub(crate) fn written(&self, shortage: &Shortage) -> String {
        let Shortage { chain_id, asset, balance, needed } = shortage;
        let write = |amount| self.assets.write(*chain_id, *asset, amount);
        format!("{}, {} are needed", write(*balance), write(*needed))
    }
}

fn of_command(error: &CommandError) -> ApiError {
    let code = match error {
        CommandError::ZeroAmount => ErrorCode::InvalidAmount,
        CommandError::InsufficientBalance { .. } => ErrorCode::InsufficientBalance,
        CommandError::PeerOffline => ErrorCode::PeerOffline,
        CommandError::NotOpen => ErrorCode::ChannelNotOpen,
        CommandError::Restoring => ErrorCode::ChannelRestoring,
        CommandError::NothingDeposited => {
            return ApiError::new(ErrorCode::AwaitingDeposit, error.to_string()).hint(EMPTY_HINT);
        }
        CommandError::AwaitingDeposit => ErrorCode::AwaitingDeposit,
        CommandError::DepositDemanded { .. } => ErrorCode::DepositTooSmall,
        CommandError::Rule(rule) => return of_rule(*rule, error.to_string()),
        // The peer has not yet seen that our withdrawal or its own is over.
        CommandError::PeerRefused(Rule::ExecutionPending) => ErrorCode::ChannelBusy,
        CommandError::PeerRefused(Rule::InvoiceOver) => ErrorCode::InvoiceNotPayable,
        CommandError::PeerRefused(_) => ErrorCode::PeerRefused,
        CommandError::Busy => ErrorCode::ChannelBusy,
        CommandError::Halted | CommandError::ChainUnread => ErrorCode::ChainStale,
        CommandError::Signer(_) => ErrorCode::KeyUnavailable,
        CommandError::App(Refused::Unfit(_) | Refused::Unsupported) => ErrorCode::PolicyRefused,
        CommandError::App(Refused::Illegal | Refused::NoAnswer(_)) => {
            return ApiError::new(ErrorCode::InvalidParams, error.to_string())
                .hint("nothing was sent; look at the app's rules and at the position (`strait app show`), then move otherwise");
        }
        CommandError::NotYourTurn => {
            return ApiError::new(ErrorCode::ChannelBusy, error.to_string())
                .hint("wait for the peer's move (`strait app watch`); `strait app claim` lets the chain's clock run against it");
        }
        CommandError::YourTurn => {
            return ApiError::new(ErrorCode::ChannelBusy, error.to_string())
                .hint("move (`strait app move`), or agree on an end (`strait app finish`); `strait channel dispute` leaves the game as it stands");
        }
        CommandError::MoveInFlight | CommandError::AwaitingChain => {
            return ApiError::new(ErrorCode::ChannelBusy, error.to_string())
                .hint("`strait app show` tells when the last move is decided; then move again");
        }
        CommandError::NotStarted => {
            return ApiError::new(ErrorCode::AwaitingDeposit, error.to_string())
                .hint("`strait app show` tells whose stake is missing; `strait app finish --even` gives up, and needs the peer's word if it has put in its own");
        }
        CommandError::AppOver => {
            return ApiError::new(ErrorCode::ChannelNotOpen, error.to_string())
                .hint("`strait app show` tells how it ended");
        }
        CommandError::EndReplaced => {
            return ApiError::new(ErrorCode::ChannelBusy, error.to_string())
                .hint("`strait app show` tells what is proposed or agreed now");
        }
        CommandError::EndOvertaken => {
            return ApiError::new(ErrorCode::ChannelBusy, error.to_string())
                .hint("`strait app show` tells how play stands; propose an end again if it still fits");
        }
        CommandError::EndAgreed => {
            return ApiError::new(ErrorCode::ChannelBusy, error.to_string())
                .hint("`strait app watch` tells how it ends; then repeat");
        }
        CommandError::ChildrenOpen(_) => {
            return ApiError::new(ErrorCode::ChannelBusy, error.to_string())
                .hint("finish the games in it (`strait app finish`) and close the channels in it first; `strait channel show` lists them");
        }
    };
    ApiError::new(code, error.to_string())
}

/// A rule that this node found broken by its own user's command.
fn of_rule(rule: Rule, message: String) -> ApiError {
    let with_hint = |code, hint: &str| ApiError::new(code, message.clone()).hint(hint);
    let code = match rule {
        Rule::UnknownAsset => ErrorCode::UnknownAsset,
        Rule::ZeroAmount | Rule::Overflow => ErrorCode::InvalidAmount,
        Rule::Overdraw => ErrorCode::InsufficientBalance,
        Rule::UnknownLock => ErrorCode::UnknownLock,
        Rule::NotOpen | Rule::Closing => ErrorCode::ChannelNotOpen,
        Rule::ExecutionPending | Rule::ChildNotOver => ErrorCode::ChannelBusy,
        Rule::UnknownApp
        | Rule::ChildPeriod
        | Rule::StakeTooHigh
        | Rule::UnknownStart
        | Rule::AwaitsApproval => ErrorCode::PolicyRefused,
        Rule::ChildTerms | Rule::WrongOutcome => ErrorCode::InvalidParams,
        Rule::Restoring => ErrorCode::ChannelRestoring,
        Rule::DepositTooSmall => ErrorCode::AwaitingDeposit,
        Rule::HoldTimeout => ErrorCode::ChainStale,
        Rule::MemoTooLong => return with_hint(ErrorCode::InvalidParams, "shorten the text to 512 bytes"),
        Rule::LockCount => {
            return with_hint(
                ErrorCode::ChannelBusy,
                "wait until pending locks are settled or cancelled, and games and channels in it are finished; or use another channel",
            );
        }
        Rule::Unsupported => {
            return with_hint(
                ErrorCode::InvalidParams,
                "a channel with an app is played (`strait app move`, `finish`, `claim`), one without is paid over; `strait channel dispute` leaves either",
            );
        }
        Rule::LockKind | Rule::LockContributor | Rule::ValidUntil => {
            return with_hint(ErrorCode::InvalidParams, "lock a positive amount against a sha256 hash");
        }
        Rule::LockExpiry => {
            return with_hint(ErrorCode::InvalidParams, "choose an expiry further away, but within a week");
        }
        Rule::UnevenMove | Rule::AppDataTooLong | Rule::IllegalMove | Rule::StakeTooLow => {
            return with_hint(ErrorCode::InvalidParams, "look at the app's rules and the channel's state");
        }
        Rule::Finished => ErrorCode::ChannelNotOpen,
        Rule::WrongPreimage => {
            return with_hint(ErrorCode::InvalidParams, "give the 32 bytes whose sha256 is the lock's hash");
        }
        Rule::TooLate => {
            return with_hint(
                ErrorCode::ChannelBusy,
                "nothing to do: the node registers the secret on chain",
            );
        }
        Rule::NotExpired => {
            return with_hint(
                ErrorCode::InvalidParams,
                "wait for the expiry, or ask the peer to cancel the lock",
            );
        }
        Rule::LocksPending => ErrorCode::LocksPending,
        // The node itself makes these right, or the peer.
        Rule::BadSignature
        | Rule::UnknownBase
        | Rule::NotWriter
        | Rule::StaleVersion
        | Rule::VersionJump
        | Rule::NotAgreed
        | Rule::OperationOrder
        | Rule::Equivocation
        | Rule::TooManyOperations
        | Rule::WrongStart
        | Rule::InvoiceOver
        | Rule::Unexpected => ErrorCode::Internal,
    };
    ApiError::new(code, message)
}

fn of_engine(error: &EngineError) -> ApiError {
    let code = match error {
        EngineError::UnknownChannel(_) => ErrorCode::UnknownChannel,
        EngineError::NotProposed(_) | EngineError::NotDecided(_) => ErrorCode::UnknownProposal,
        EngineError::Declined(_) => {
            return ApiError::new(ErrorCode::PeerRefused, error.to_string())
                .hint("ask the peer's operator, or open another one with its terms; `strait channel dispute` takes a deposit back");
        }
        EngineError::AlreadyOpen(_) => ErrorCode::ChannelExists,
        EngineError::NotOurs
        | EngineError::NoChannels
        | EngineError::NotParticipant(_)
        | EngineError::Policy(_) => ErrorCode::PolicyRefused,
        EngineError::Rule(rule) => return of_rule(*rule, error.to_string()),
        EngineError::UnknownApp(_) | EngineError::Rules(_) => ErrorCode::PolicyRefused,
        EngineError::Start | EngineError::ChildDeposit => ErrorCode::InvalidParams,
        EngineError::ZeroAmount => ErrorCode::InvalidAmount,
        EngineError::Closed | EngineError::Leaving => ErrorCode::ChannelNotOpen,
        EngineError::Chain(error) => return of_chain(error),
    };
    ApiError::new(code, error.to_string())
}

fn of_chain(error: &ChainError) -> ApiError {
    let code = match error {
        ChainError::Unreachable(_) => ErrorCode::ChainUnreachable,
        ChainError::Reverts { .. } => ErrorCode::TransactionReverts,
        ChainError::NotEnoughGasMoney { .. } => ErrorCode::NotEnoughGasMoney,
        ChainError::NotIncluded(_) => ErrorCode::NotIncluded,
        ChainError::NotCanonical(_) | ChainError::Nonsense(_) => ErrorCode::ChainNonsense,
        ChainError::Journal(_) => ErrorCode::StoreFailed,
    };
    ApiError::new(code, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use strait_api::ErrorKind;
    use strait_engine::PolicyError;
    use strait_engine::ports::{RngError, StoreError};
    use strait_protocol::SignerError;
    use strait_types::{B256, ChannelId};

    const ID: ChannelId = ChannelId(B256::ZERO);

    fn commands() -> Vec<(CommandError, ErrorCode)> {
        vec![
            (CommandError::ZeroAmount, ErrorCode::InvalidAmount),
            (
                CommandError::InsufficientBalance { available: Amount::ZERO, wanted: Amount::MAX },
                ErrorCode::InsufficientBalance,
            ),
            (CommandError::PeerOffline, ErrorCode::PeerOffline),
            (CommandError::NotOpen, ErrorCode::ChannelNotOpen),
            (CommandError::Restoring, ErrorCode::ChannelRestoring),
            (CommandError::NothingDeposited, ErrorCode::AwaitingDeposit),
            (CommandError::AwaitingDeposit, ErrorCode::AwaitingDeposit),
            (
                CommandError::DepositDemanded {
                    asset: strait_types::AssetIndex(0),
                    demanded: Amount::from(2_u64),
                    deposited: Amount::from(1_u64),
                },
                ErrorCode::DepositTooSmall,
            ),
            (CommandError::Rule(Rule::LockExpiry), ErrorCode::InvalidParams),
            (CommandError::Rule(Rule::Overflow), ErrorCode::InvalidAmount),
            (CommandError::Rule(Rule::LocksPending), ErrorCode::LocksPending),
            (CommandError::PeerRefused(Rule::ExecutionPending), ErrorCode::ChannelBusy),
            (CommandError::PeerRefused(Rule::HoldTimeout), ErrorCode::PeerRefused),
            (CommandError::PeerRefused(Rule::InvoiceOver), ErrorCode::InvoiceNotPayable),
            (CommandError::Busy, ErrorCode::ChannelBusy),
            (CommandError::Signer(SignerError("away".into())), ErrorCode::KeyUnavailable),
        ]
    }

    fn engine() -> Vec<(EngineError, ErrorCode)> {
        let chain = |error, code| (EngineError::Chain(error), code);
        vec![
            (EngineError::UnknownChannel(ID), ErrorCode::UnknownChannel),
            (EngineError::NotProposed(ID), ErrorCode::UnknownProposal),
            (EngineError::Declined("no".into()), ErrorCode::PeerRefused),
            (EngineError::AlreadyOpen(ID), ErrorCode::ChannelExists),
            (EngineError::NotOurs, ErrorCode::PolicyRefused),
            (EngineError::NotParticipant(Address::ZERO), ErrorCode::PolicyRefused),
            (EngineError::Policy(PolicyError::TooMany(1)), ErrorCode::PolicyRefused),
            (EngineError::Rule(Rule::UnknownAsset), ErrorCode::UnknownAsset),
            (EngineError::ZeroAmount, ErrorCode::InvalidAmount),
            (EngineError::Closed, ErrorCode::ChannelNotOpen),
            (EngineError::Leaving, ErrorCode::ChannelNotOpen),
            chain(ChainError::Unreachable("x".into()), ErrorCode::ChainUnreachable),
            chain(ChainError::Reverts { reason: "x".into() }, ErrorCode::TransactionReverts),
            chain(
                ChainError::NotEnoughGasMoney {
                    account: Address::ZERO,
                    balance: U256::ZERO,
                    needed: U256::ONE,
                },
                ErrorCode::NotEnoughGasMoney,
            ),
            chain(ChainError::NotIncluded(B256::ZERO), ErrorCode::NotIncluded),
            chain(ChainError::Nonsense("x".into()), ErrorCode::ChainNonsense),
            chain(ChainError::Journal("x".into()), ErrorCode::StoreFailed),
        ]
    }

    #[test]
    fn every_error_has_its_code_and_its_own_words_and_only_bugs_are_internal() {
        let mut cases: Vec<(NodeError, ErrorCode)> = vec![
            (NodeError::UnknownChannel(ID), ErrorCode::UnknownChannel),
            (NodeError::Store(StoreError::DiskFull { path: "x".into() }), ErrorCode::StoreFailed),
            (NodeError::Busy { commands: 1, bytes: 1 }, ErrorCode::Busy),
            (NodeError::Rng(RngError("x".into())), ErrorCode::KeyUnavailable),
            (NodeError::Stopped("x".into()), ErrorCode::Stopping),
        ];
        cases.extend(commands().into_iter().map(|(error, code)| (error.into(), code)));
        cases.extend(engine().into_iter().map(|(error, code)| (error.into(), code)));
        for (error, code) in cases {
            let text = error.to_string();
            let mapped = ApiError::from(error);
            assert_eq!((mapped.code, mapped.message.as_str()), (code, text.as_str()));
            assert_ne!(mapped.code.kind(), ErrorKind::Bug, "{mapped}");
            assert!(!mapped.hint.is_empty());
        }
        assert_eq!(ApiError::from(NodeError::Mismatch).code, ErrorCode::Internal);
    }
}
