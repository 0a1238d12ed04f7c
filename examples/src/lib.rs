//! Apps, each with its contract (`contracts/src/examples`), its state in Rust's types, and its rules in Rust that
//! are tested against the contract's bytecode: a game with hidden moves, one with a board, a sale without trust, and the
//! small one that `strait app new` begins with.

pub mod connect_four;
pub mod fair_exchange;
pub mod rock_paper_scissors;
mod stakes;
pub mod sticks;
