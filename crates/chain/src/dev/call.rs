//! Calls without a transaction, as JSON-RPC offers them: nobody pays for gas, and the sender may be anyone.

use super::DevChain;
use super::execution::{Sender, execute};
use super::world::View;
use revm::bytecode::Bytecode;
use revm::context::result::{ExecutionResult, InvalidTransaction};
use revm::context::transaction::AccessList;
use revm::context::{BlockEnv, TxEnv};
use revm::database::CacheDB;
use revm::primitives::TxKind;
use std::collections::BTreeMap;
use strait_types::{Address, Bytes, U256};

/// The block in which a call believes itself to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Within {
    /// The latest one, after its transactions.
    Head,
    /// The one to come, at the chain's present time.
    Next,
}

/// A call.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Call {
    /// Who calls.
    pub from: Address,
    /// Whom; none runs `input` as init code.
    pub to: Option<Address>,
    /// In wei; the caller must have it.
    pub value: U256,
    /// Calldata.
    pub input: Bytes,
    /// Most gas; no more than a transaction may use.
    pub gas_limit: Option<u64>,
    /// Accounts and slots that are paid for in advance (EIP-2930).
    pub access_list: AccessList,
    /// What is different, for this call, from what the accounts are.
    pub overrides: BTreeMap<Address, Override>,
}

/// What an account is taken to be during a call; what is not said stays as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Override {
    /// In wei.
    pub balance: Option<U256>,
    /// Number of its transactions.
    pub nonce: Option<u64>,
    /// Its code.
    pub code: Option<Bytes>,
    /// All of its storage.
    pub storage: Option<BTreeMap<U256, U256>>,
    /// Some slots of its storage.
    pub slots: BTreeMap<U256, U256>,
}

/// Why a call has no result.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CallError {
    /// The contract refused.
    #[error("execution reverted")]
    Reverted(Bytes),
    /// The machine stopped: too little gas, or no such instruction.
    #[error("{0}")]
    Halted(String),
    /// It cannot begin.
    #[error("{0}")]
    Invalid(String),
    /// Not even the most gas suffices.
    #[error("gas required exceeds allowance ({0})")]
    ExceedsAllowance(u64),
}

impl DevChain {
    /// Runs a call on the accounts as they are.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn call(&self, call: &Call, within: Within) -> Result<Bytes, CallError> {
        match self.run(call, within, self.call_gas(call))? {
            ExecutionResult::Success { output, .. } => Ok(output.into_data()),
            ExecutionResult::Revert { output, .. } => Err(CallError::Reverted(output)),
            ExecutionResult::Halt { reason, .. } => Err(halted(&reason)),
        }
    }

    /// About the least gas limit with which the call succeeds in the block to come: at most 1.5 % too much.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn estimate_gas(&self, call: &Call) -> Result<u64, CallError> {
        let most = self.call_gas(call);
        let spent = match self.run(call, Within::Next, most)? {
            ExecutionResult::Success { gas, .. } => gas.total_gas_spent().max(gas.tx_gas_used()),
            ExecutionResult::Revert { output, .. } => return Err(CallError::Reverted(output)),
            ExecutionResult::Halt { reason, .. } => {
                let out_of_gas =
                    matches!(halted(&reason), CallError::Halted(text) if text.starts_with("out of gas"));
                return Err(if out_of_gas { CallError::ExceedsAllowance(most) } else { halted(&reason) });
            }
        };
        let succeeds =
            |limit| matches!(self.run(call, Within::Next, limit), Ok(result) if result.is_success());
        if succeeds(spent) {
            return Ok(spent);
        }
        let (mut too_little, mut enough) = (spent, most);
        while enough - too_little > enough / 64 {
            // Near what was spent first: what a call keeps back for its own calls is a 64th at each depth.
            let middle = (too_little + (enough - too_little) / 2).min(too_little.saturating_mul(2));
            if succeeds(middle) { enough = middle } else { too_little = middle }
        }
        Ok(enough)
    }

    fn call_gas(&self, call: &Call) -> u64 {
        call.gas_limit.unwrap_or(u64::MAX).min(self.gas_cap())
    }

    fn run(&self, call: &Call, within: Within, gas_limit: u64) -> Result<ExecutionResult, CallError> {
        let next = self.block_environment(self.now);
        let block = match within {
            Within::Next => next,
            Within::Head => BlockEnv {
                number: U256::from(self.head().at.number),
                timestamp: U256::from(self.head().time()),
                ..next
            },
        };
        let hash_of = |number: u64| self.block(number).map(|block| block.at.hash);
        let mut overlay = CacheDB::new(View { world: &self.world, hash_of: &hash_of });
        for (address, changes) in &call.overrides {
            apply(&mut overlay, *address, changes)?;
        }
        let Ok(caller) = overlay.load_account(call.from);
        let tx = TxEnv {
            nonce: caller.info.nonce,
            tx_type: u8::from(!call.access_list.is_empty()),
            caller: call.from,
            kind: call.to.map_or(TxKind::Create, TxKind::Call),
            value: call.value,
            data: call.input.clone(),
            chain_id: Some(self.config.chain_id),
            access_list: call.access_list.clone(),
            gas_limit,
            ..TxEnv::default()
        };
        let block = BlockEnv { basefee: 0, ..block };
        let outcome = execute(&mut overlay, self.config.chain_id, block, tx, Sender::Anyone);
        outcome.map(|outcome| outcome.result).map_err(|invalid| match invalid {
            InvalidTransaction::LackOfFundForMaxFee { fee, balance } => CallError::Invalid(format!(
                "insufficient funds for gas * price + value: balance {balance}, tx cost {fee}"
            )),
            InvalidTransaction::CallGasCostMoreThanGasLimit { initial_gas: want, .. }
            | InvalidTransaction::GasFloorMoreThanGasLimit { gas_floor: want, .. } => {
                CallError::Invalid(format!("intrinsic gas too low: gas {gas_limit}, minimum needed {want}"))
            }
            other => CallError::Invalid(other.to_string()),
        })
    }
}

fn apply(overlay: &mut CacheDB<View<'_>>, address: Address, changes: &Override) -> Result<(), CallError> {
    let Ok(account) = overlay.load_account(address);
    let mut info = account.info.clone();
    info.balance = changes.balance.unwrap_or(info.balance);
    info.nonce = changes.nonce.unwrap_or(info.nonce);
    if let Some(code) = &changes.code {
        let code = Bytecode::new_raw_checked(code.clone());
        let code = code.map_err(|error| CallError::Invalid(format!("the code of {address}: {error}")))?;
        info.code_hash = code.hash_slow();
        info.code = Some(code);
    }
    overlay.insert_account_info(address, info);
    if let Some(storage) = &changes.storage {
        let Ok(()) = overlay.replace_account_storage(address, storage.clone().into_iter().collect());
    }
    for (key, value) in &changes.slots {
        let Ok(()) = overlay.insert_account_storage(address, *key, *value);
    }
    Ok(())
}

fn halted(reason: &revm::context::result::HaltReason) -> CallError {
    use revm::context::result::HaltReason;
    CallError::Halted(match reason {
        HaltReason::OutOfGas(_) => "out of gas".to_owned(),
        HaltReason::OpcodeNotFound | HaltReason::InvalidFEOpcode => "invalid opcode".to_owned(),
        other => other.to_string(),
    })
}
