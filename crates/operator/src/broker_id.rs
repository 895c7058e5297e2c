//! A broker id that is held: for brokers that share a directory and have no name of their own.
//!
//! Each broker id has a directory under one base. Who starts picks an id whose directory has data and no owner, so that identity
//! follows the data; without such a one the lowest new id. An owner has the lock of the directory's [`LOCK_FILE`] for as long
//! as the process lives, beyond `exec`: the descriptor is handed to the program that is started.
//!
//! ```text
//!   look at 1, 2, 3 ...            make 1, 2, 3 ...
//!     | data          | none left    | made, or there already
//!     v               v              v
//!   try its lock    (make)         try its lock --> held: this is the id
//!     | taken: next    ^             | taken: next
//! ```
//!
//! There is no moment between finding an id free and owning it: the lock that proves the one is the other.

mod fill;
mod ids;
mod lock;
mod search;

pub use fill::{Fill, FillError};
pub use ids::{Ids, InvalidIds};
pub use lock::{Held, LOCK_FILE};
pub use search::{PickError, Search, Taken, pick};
