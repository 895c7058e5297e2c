//! The messenger's program.

fn main() {}
