//! The engine as users, peers, chains and disks meet it: engines over memory stores and one development chain.

mod abuse;
mod alarms;
mod apps;
mod apps_chain;
mod apps_crashing;
mod apps_disputed;
mod apps_ending;
mod apps_hostile;
mod apps_stalling;
mod bad_input;
mod children;
mod children_approved;
mod children_chain;
mod children_crashing;
mod children_disputed;
mod connecting;
mod footprint;
mod policy;
mod registry;
mod reorg;
mod tower;
mod tower_children;
mod tower_lies;
mod tower_quotas;
mod tower_world;
mod world;
