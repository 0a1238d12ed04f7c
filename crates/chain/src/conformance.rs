//! What every backend of the engine's `Chain` port must do, as tests that a backend runs by
//! [`crate::chain_conformance!`]. The backend brings a [`Driver`]: what the tests do to the chain beside the port.

pub mod following;
pub mod lifecycle;
pub mod scene;
pub mod sending;
pub mod tokens;

use strait_engine::ports::Chain;
use strait_types::{Address, Bytes, SigningKey, U256};

/// Moves a chain of the backend under test: a fresh one for each test, mined by hand, with the adjudicator deployed,
/// gas that costs something, and no other users.
pub trait Driver {
    /// The port under test.
    type Chain: Chain;

    /// The port of an account that sends with this key.
    fn account(&mut self, key: &SigningKey) -> Self::Chain;

    /// Gives wei to an account.
    fn fund(&mut self, account: Address, wei: U256);

    /// What an account holds, in wei.
    fn balance(&mut self, account: Address) -> U256;

    /// Makes one block of all that was submitted.
    fn mine(&mut self);

    /// Lets chain time pass for the blocks to come; may make a block.
    fn advance(&mut self, seconds: u64);

    /// Replaces the last `depth` blocks by as many others with other hashes, with the same transactions at the same
    /// heights, or with none of them at all.
    fn reorg(&mut self, depth: usize, keep_transactions: bool);

    /// An ERC-20 token that anyone can mint.
    fn token(&self) -> Address;

    /// Deploys a contract without constructor arguments, in a block of its own.
    fn deploy(&mut self, init_code: Bytes) -> Address;
}

/// Makes a `#[test]` of every case: `chain_conformance!(|| MyDriver::new())`.
#[macro_export]
macro_rules! chain_conformance {
    ($new_driver:expr) => {
        $crate::chain_conformance!(@cases $new_driver, following:
            sees_each_event_once_and_in_order
            starts_at_the_deployment_without_a_known_block
            names_the_fork_after_a_reorg
            sees_an_event_again_that_a_reorg_kept
            answers_within_the_limit
            ends_with_the_head
            finds_a_channels_events_through_a_block
        );
        $crate::chain_conformance!(@cases $new_driver, sending:
            has_a_receipt_while_the_transaction_is_in_the_chain
            sends_nothing_that_would_revert
            sends_nothing_that_cannot_be_paid
            counts_the_value_as_needed_money
            keeps_accounts_apart
            reads_contracts_at_the_head
            finds_code_at_the_head
            knows_what_is_under_way
            says_what_an_account_must_hold
        );
        $crate::chain_conformance!(@cases $new_driver, tokens:
            approves_what_a_deposit_pulls_and_no_more
            uses_an_allowance_that_stands
            takes_an_allowance_back_before_it_is_changed
            approves_again_when_what_stands_is_promised
            tells_a_token_from_what_is_none
        );
        $crate::chain_conformance!(@cases $new_driver, lifecycle:
            computes_the_contracts_channel_id
            opens_and_closes_by_agreement
            settles_a_dispute_by_the_highest_version
            refunds_at_version_zero
            resumes_after_a_dispute
            withdraws_while_the_channel_lives
            pays_a_hash_lock_by_its_preimage
            returns_an_expired_hash_lock
            moves_tokens_and_coins_in_one_channel
            deposits_for_many_at_once
            follows_past_amounts_that_only_strangers_use
        );
    };
    (@cases $new_driver:expr, $module:ident: $($case:ident)*) => {
        mod $module {
            $(
                #[test]
                fn $case() {
                    use super::*;
                    $crate::conformance::$module::$case(&mut $new_driver());
                }
            )*
        }
    };
}
