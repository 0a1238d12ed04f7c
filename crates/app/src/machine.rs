//! The EVM that runs an app: revm's interpreter alone, since an app that was scanned reaches for nothing else. What
//! an answer costs is then counted from the first instruction of the app on, as in the adjudicator's `staticcall`.

use revm_bytecode::Bytecode;
use revm_interpreter::context_interface::DummyHost;
use revm_interpreter::instructions::gas_table_spec;
use revm_interpreter::interpreter::{EthInterpreter, ExtBytecode};
use revm_interpreter::primitives::hardfork::SpecId;
use revm_interpreter::{
    CallInput, GasTable, InputsImpl, InstructionResult, InstructionTable, Interpreter, InterpreterAction,
    SharedMemory, instruction_table,
};
use std::cell::RefCell;
use strait_types::Bytes;

/// For which the adjudicator is compiled, too.
const SPEC: SpecId = SpecId::CANCUN;

/// How a run ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Run {
    pub(crate) end: End,
    /// Gas used.
    pub(crate) gas: u64,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Returned(Bytes),
    Reverted(Bytes),
    OutOfGas,
    /// No such instruction, an empty stack, a wrong jump.
    Halted(InstructionResult),
}

struct Machine {
    instructions: InstructionTable<EthInterpreter, DummyHost>,
    gas: GasTable,
    host: DummyHost,
    interpreter: Interpreter,
}

thread_local! {
    /// One for all apps of a thread: a new one takes longer than most answers.
    static MACHINE: RefCell<Machine> = RefCell::new(Machine::new());
}

/// Asks the code, with this much gas.
pub(crate) fn run(code: &Bytecode, question: Bytes, gas: u64) -> Run {
    MACHINE.with_borrow_mut(|machine| machine.run(code, question, gas))
}

impl Machine {
    fn new() -> Machine {
        Machine {
            instructions: instruction_table(),
            gas: gas_table_spec(SPEC),
            host: DummyHost::new(SPEC),
            interpreter: Interpreter::default(),
        }
    }

    fn run(&mut self, code: &Bytecode, question: Bytes, gas: u64) -> Run {
        let input = InputsImpl { input: CallInput::Bytes(question), ..InputsImpl::default() };
        let code = ExtBytecode::new(code.clone());
        self.interpreter.clear(SharedMemory::new(), code, input, true, SPEC, gas, 0);
        let action = self.interpreter.run_plain(&self.instructions, &self.gas, &mut self.host);
        let InterpreterAction::Return(result) = action else {
            // Only calls and creation suspend, and no scanned code has them.
            return Run { end: End::Halted(InstructionResult::NotActivated), gas };
        };
        let end = match result.result {
            InstructionResult::Return | InstructionResult::Stop => End::Returned(result.output),
            InstructionResult::Revert => End::Reverted(result.output),
            InstructionResult::OutOfGas
            | InstructionResult::MemoryOOG
            | InstructionResult::InvalidOperandOOG => End::OutOfGas,
            other => End::Halted(other),
        };
        let used = if matches!(end, End::Returned(_) | End::Reverted(_)) {
            result.gas.total_gas_spent()
        } else {
            gas
        };
        Run { end, gas: used }
    }
}
