//! Writes anew what tests compare with: the plain YAML and the definitions under `deploy/`, and the snapshots of manifests.

use crate::workspace::run_with;

/// Where tests look for the word to write.
const VARIABLE: &str = "KLAMM_SNAPSHOTS";

/// Runs the tests that have snapshots, told to write them. What changed is for `git diff` to show.
pub fn run() -> Result<(), String> {
    // insta has a word of its own.
    let settings = [(VARIABLE, "write".to_owned()), ("INSTA_UPDATE", "always".to_owned())];
    run_with("cargo", &["test", "-p", "klamm-operator", "--lib", "--test", "deploy"], &settings)
}
