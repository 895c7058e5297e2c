//! Accept loop, limits and drain for every server.
#![deny(missing_docs)]
