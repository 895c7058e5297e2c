//! `cargo xtask e2e`: the end-to-end table on a real Kubernetes: that of `$KUBECONFIG`, or one that `e2e/kube` makes.

mod arguments;
mod harness;
mod measure;
mod programs;

use std::path::Path;

use arguments::Arguments;
use harness::Harness;

use crate::workspace;

pub fn run(args: impl Iterator<Item = String>) -> Result<(), String> {
    let Some(arguments) = Arguments::parse(args)? else {
        print!("{}", arguments::USAGE);
        return Ok(());
    };
    if arguments.list {
        let mut list = vec!["run", "--quiet", "--package", "klamm-e2e", "--", "run", "--list"];
        list.extend(arguments.passed.iter().map(String::as_str));
        return workspace::run("cargo", &list);
    }
    if arguments.measure {
        return measure::run(&arguments);
    }
    match std::env::var("KUBECONFIG") {
        Ok(path) if !path.is_empty() => elsewhere(&arguments, &path),
        _ => on_harness(&arguments),
    }
}

fn on_harness(arguments: &Arguments) -> Result<(), String> {
    let harness = Harness::new();
    // What is missing is said before minutes of building.
    harness.run(&["check"])?;
    let _lock = harness.lock()?;
    let programs = programs::build(arguments.tls)?;
    harness.run(&["up", &arguments.nodes.to_string()])?;
    let ran = load_and_run(arguments, &harness, &programs);
    if arguments.keep {
        eprintln!("xtask: the cluster is left up; {} down ends it", harness.path().display());
        return ran;
    }
    let down = harness.run(&["down"]);
    ran.and(down)
}

fn load_and_run(arguments: &Arguments, harness: &Harness, programs: &Path) -> Result<(), String> {
    for image in programs::IMAGES {
        image.load(harness, programs)?;
    }
    let program = programs.join("klamm-e2e").display().to_string();
    let path = harness.path().display().to_string();
    let mut command = vec!["exec", &program, "run", "--harness", &path];
    command.extend(arguments.passed.iter().map(String::as_str));
    harness.run(&command)
}

fn elsewhere(arguments: &Arguments, kubeconfig: &str) -> Result<(), String> {
    workspace::run("kubectl", &["version"])
        .map_err(|error| format!("{error}\nxtask: the cluster of KUBECONFIG={kubeconfig} does not answer; unset it for one of our own"))?;
    let programs = programs::build(arguments.tls)?;
    println!(
        "On the cluster of KUBECONFIG={kubeconfig}. Nothing is loaded onto it: these images must be on its nodes or pullable by"
    );
    println!("these names, or others be given by --operator and so on (klamm-e2e run --help):");
    for image in programs::IMAGES {
        println!("  {:42} {}", image.name, image.made_of(&programs));
    }
    println!("Scenarios that hurt machines are skipped.");
    let program = programs.join("klamm-e2e").display().to_string();
    let mut command = vec!["run"];
    command.extend(arguments.passed.iter().map(String::as_str));
    workspace::run(&program, &command)
}
