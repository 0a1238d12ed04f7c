//! The checkers. They stand outside the nodes: they see every commit, frame, signature, notice and block, and no
//! node knows of them.

pub(crate) mod book;
pub(crate) mod calls;
mod child;
pub(crate) mod durable;
pub(crate) mod game;
pub(crate) mod money;
pub(crate) mod paid;
pub(crate) mod signed;
pub(crate) mod step;
