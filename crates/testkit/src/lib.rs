//! Real processes and peers for tests.
#![deny(missing_docs)]
