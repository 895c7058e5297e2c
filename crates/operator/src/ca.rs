//! Certificates: two authorities for each cluster, and what they issue.
//!
//! ```text
//!   Secrets, what nodes have loaded, policy, now --> renew --> Secrets to write, phases, messages, when to look again
//!   a user's Secret, the clients' Signer ---> renew_user --> the user's Secret
//!   the internal Signer ----------------> Signer::operator --> the operator's own certificate, for memory only
//! ```
//!
//! The *internal* authority vouches for nodes and the operator: whoever has its certificate may do everything. The *clients'*
//! authority vouches for users, and is trusted on client listeners besides. How one authority takes another's place without
//! a broken connection is drawn in `advance.rs`.
//!
//! Pure: PEM in, PEM out; the clock is an argument, keys come from a trait. Nothing is remembered but what stands in the Secrets.

mod advance;
mod authority;
mod certificate;
mod error;
mod given;
mod key;
mod leaf;
mod message;
mod names;
mod node;
mod policy;
mod renew;
mod secret;
mod succession;
mod time;
mod user;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod verify;
#[cfg(test)]
mod world;

pub use advance::{Phase, Waits};
pub use authority::{Authority, Role};
pub use certificate::{Certificate, Name};
pub use error::CaError;
pub use given::Source;
pub use key::{Keys, PrivateKey, SystemKeys};
pub use leaf::{Leaf, Request, Signer, Why};
pub use message::{MISSING, Message, Severity};
pub use names::{NodeAddress, Subject};
pub use node::{Lent, Loaded, NodeCertificate, NodeState, fingerprint};
pub use policy::{Expiry, InvalidPolicy, Lifetime, Policy};
pub use renew::{
    Asked, AuthorityStatus, Decision, Existing, Wanted, What, Write, renew, users_signer,
};
pub use secret::{Secret, annotation, key as data_key};
pub use time::date;
pub use user::{UserDecision, UserRequest, renew_user};
