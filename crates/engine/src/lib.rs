//! Drives many channels. Pure: what it needs of the world comes through the [`ports`].

pub mod ports;
