//! One controller for each custom resource: dereference, validate (pure), build (pure), apply, orphans, status.

pub mod cluster;
