//! Two services, each over a node of its own, on one embedded chain: what a client of the interface relies on.

mod life;
mod world;
