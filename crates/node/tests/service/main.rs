//! Services over nodes of their own, on one embedded chain: what a client of the interface relies on.

mod apps;
mod away;
mod backup;
mod endings;
mod events;
mod games;
mod gas_money;
mod invoices;
mod keyed_deposits;
mod keys;
mod life;
mod log;
mod misuse;
mod pruning;
mod towers;
mod world;
