//! `strait channel`.

mod close;
pub(crate) mod events;
mod list;
mod money;
mod open;
mod proposals;
mod show;
mod wait;
mod watch;

pub(crate) use show::awaited;

use crate::context::Context;
use crate::failure::Failure;
use clap::{Args, Subcommand};
use strait_api::{Balance, ChannelInfo};

/// Options of `strait channel`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait channel open strait://0x5151..5151@store.example:4040 --deposit \"1 ether\" --wait\n  strait channel list\n  strait channel show 0x1a2b\n  strait channel withdraw 0x1a2b 0.5 ether --wait\n  strait channel close 0x1a2b --wait\n\nA channel is named by its id or by the id's first hex digits, at least 4."
)]
pub(crate) struct ChannelArgs {
    #[command(subcommand)]
    command: ChannelCommand,
}

#[derive(Subcommand, Debug)]
enum ChannelCommand {
    /// Opens a channel with a peer, and deposits if asked to.
    Open(open::OpenArgs),
    /// Lists the channels, newest first.
    List(list::ListArgs),
    /// Shows one channel with its balances, locks and dispute.
    Show(show::ShowArgs),
    /// Puts more money of this node's account into a channel.
    Deposit(money::DepositArgs),
    /// Takes money out to the payout address while the channel lives on.
    Withdraw(money::WithdrawArgs),
    /// Closes with the peer's agreement: one transaction pays both.
    Close(close::CloseArgs),
    /// Takes the money out without the peer, over the chain, after the challenge period.
    Dispute(close::DisputeArgs),
    /// Tells what happens, until Ctrl-C.
    Watch(watch::WatchArgs),
    /// Lists the channels that peers propose and that wait for your approval.
    Proposals(proposals::ListArgs),
    /// Takes a proposed channel.
    Approve(proposals::ApproveArgs),
    /// Refuses a proposed channel.
    Reject(proposals::RejectArgs),
    /// Takes back what was rejected, or approved and not opened since: the peer's next offer is asked about anew.
    Reconsider(proposals::ReconsiderArgs),
}

/// Runs it.
///
/// # Errors
/// What the node says.
pub(crate) async fn run(context: &Context, args: ChannelArgs) -> Result<(), Failure> {
    match args.command {
        ChannelCommand::Open(args) => open::run(context, args).await,
        ChannelCommand::List(args) => list::run(context, args).await,
        ChannelCommand::Show(args) => show::run(context, args).await,
        ChannelCommand::Deposit(args) => money::deposit(context, args).await,
        ChannelCommand::Withdraw(args) => money::withdraw(context, args).await,
        ChannelCommand::Close(args) => close::close(context, args).await,
        ChannelCommand::Dispute(args) => close::dispute(context, args).await,
        ChannelCommand::Watch(args) => watch::run(context, args).await,
        ChannelCommand::Proposals(args) => proposals::list(context, args).await,
        ChannelCommand::Approve(args) => proposals::approve(context, args).await,
        ChannelCommand::Reject(args) => proposals::reject(context, args).await,
        ChannelCommand::Reconsider(args) => proposals::reconsider(context, args).await,
    }
}

/// Whether nobody has put anything in: there is nothing in it to wait for, or to lose.
pub(crate) fn is_empty(info: &ChannelInfo) -> bool {
    let is_zero = |balance: &Balance| {
        let Balance { deposited, peer_deposited, arriving, peer_arriving, .. } = *balance;
        [deposited, peer_deposited, arriving, peer_arriving].iter().all(|amount| amount.is_zero())
    };
    info.version == 0 && info.parent.is_none() && info.balances.iter().all(is_zero)
}
