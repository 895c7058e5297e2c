//! `cargo xtask chaos`: kill -9 under load, many times, with a checker of what was acknowledged.

use crate::workspace;

const USAGE: &str = "\
cargo xtask chaos [--rounds N] [--seed S] [--debug]

  --rounds N   times that klamm is killed and started again [default: 30]
  --seed S     repeats the choices of an earlier run
  --debug      without optimisation
";

pub fn run(mut args: impl Iterator<Item = String>) -> Result<(), String> {
    let mut rounds = "30".to_owned();
    let mut seed = None;
    let mut release = true;
    while let Some(argument) = args.next() {
        let mut number = || {
            let value = args.next().filter(|value| value.parse::<u64>().is_ok());
            value.ok_or_else(|| format!("xtask: chaos: {argument} needs a number\n\n{USAGE}"))
        };
        match &*argument {
            "--rounds" => rounds = number()?,
            "--seed" => seed = Some(number()?),
            "--debug" => release = false,
            "--help" | "-h" => {
                print!("{USAGE}");
                return Ok(());
            }
            other => return Err(format!("xtask: chaos: no option '{other}'\n\n{USAGE}")),
        }
    }
    let mut command = vec!["test", "--package", "klamm", "--test", "chaos"];
    if release {
        command.push("--release");
    }
    let mut settings = vec![("KLAMM_CHAOS_ROUNDS", rounds)];
    settings.extend(seed.map(|seed| ("KLAMM_CHAOS_SEED", seed)));
    workspace::run_with("cargo", &command, &settings)
}
