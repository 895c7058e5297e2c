//! Whole clusters from one seed: brokers, replicas, a quorum, an environment that breaks them, a user that edits the spec, and the
//! operator, which may be killed between any two steps and goes on with what it stored.
//!
//! ```text
//!   random ---> scenario ---> world <--- faults, edits
//!                               |  ^
//!                     observed  v  |  actions, each checked against what is true, not what was seen
//!                            operator (step)
//! ```
//!
//! `KLAMM_SEEDS=100000 cargo test -p klamm-operator-core simulator` runs more of them; `KLAMM_SEED=17` one, and tells what happened.

mod act;
mod environment;
mod invariants;
mod kafka;
mod mutants;
mod observe;
mod operator;
mod pods;
mod raft;
mod random;
mod run;
mod scenario;
mod tests;
mod world;
