//! `--measure`: the operator as it is released, on simulated nodes behind a real control plane.

use super::arguments::Arguments;
use super::harness::Harness;
use crate::workspace;

/// The operator, and what plays the nodes. Neither has to be static: both run on this machine.
const PACKAGES: [&str; 2] = ["--package=klamm-operator", "--package=klamm-e2e-nodes"];

/// Of the control plane: the cluster of `e2e` may be up beside it.
const NAME: &str = "klamm-measure";

pub fn run(arguments: &Arguments) -> Result<(), String> {
    let harness = Harness::named(NAME);
    harness.run(&["check"])?;
    let _lock = harness.lock()?;
    workspace::run("cargo", &[&["build", "--release"], &PACKAGES[..]].concat())?;
    harness.run(&["control-plane"])?;
    let measured = measure(arguments, &harness);
    if arguments.keep {
        let path = harness.path().display();
        eprintln!(
            "xtask: the control plane is left up; KLAMM_KUBE_NAME={NAME} {path} down ends it"
        );
        return measured;
    }
    let down = harness.run(&["down"]);
    measured.and(down)
}

fn measure(arguments: &Arguments, harness: &Harness) -> Result<(), String> {
    let path = |name: &str| workspace::target().join(name).display().to_string();
    let (nodes, operator) = (path("release/klamm-e2e-nodes"), path("release/klamm-operator"));
    let work = path("e2e-measure");
    let mut command = vec!["exec", &nodes, "measure", "--operator", &operator, "--work", &work];
    command.extend(arguments.passed.iter().map(String::as_str));
    harness.run(&command)
}
