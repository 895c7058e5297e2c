//! The command line.

use super::programs::KLAMM;

pub const USAGE: &str = "\
cargo xtask e2e [NAME...] [--core] [--keep] [--list] [--tls] [--measure] [--seed N] [--nodes N] [-- OPTION...]

  NAME        scenarios whose name contains it; all without
  --core      what continuous integration runs
  --keep      leaves namespaces, and the cluster that was made, there
  --list      names the scenarios
  --tls       klamm with TLS towards Kafka: needs libssl-dev, and skips nothing
  --measure   no scenario: what the operator costs on simulated nodes; OPTIONs are those of `klamm-e2e-nodes measure`
  --seed N    makes the choices of an earlier run
  --nodes N   machines of the cluster that is made [default: 3]
  OPTION      of `klamm-e2e run`, such as --operator IMAGE

With KUBECONFIG set the cluster is that one; without, one is made on this machine (root, Linux; e2e/kube/README.md).
";

/// What was asked for.
#[derive(Debug, Clone)]
pub struct Arguments {
    pub list: bool,
    pub keep: bool,
    /// klamm is built with its cargo feature of that name.
    pub tls: bool,
    pub measure: bool,
    pub nodes: u32,
    /// For `klamm-e2e run`.
    pub passed: Vec<String>,
}

impl Default for Arguments {
    fn default() -> Self {
        Self { list: false, keep: false, tls: false, measure: false, nodes: 3, passed: Vec::new() }
    }
}

impl Arguments {
    /// Nothing when help was asked for.
    pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut parsed = Self::default();
        let mut passed = Vec::new();
        while let Some(argument) = args.next() {
            let mut number = || {
                let value = args.next().filter(|value| value.parse::<u64>().is_ok());
                value.ok_or_else(|| format!("xtask: e2e: {argument} needs a number\n\n{USAGE}"))
            };
            match &*argument {
                "--list" => parsed.list = true,
                "--measure" => parsed.measure = true,
                "--keep" => {
                    parsed.keep = true;
                    passed.push(argument);
                }
                "--tls" => {
                    parsed.tls = true;
                    passed.extend(["--klamm-tls".to_owned(), KLAMM.to_owned()]);
                }
                "--core" => passed.push(argument),
                "--nodes" => {
                    let nodes = number()?.parse();
                    parsed.nodes = nodes.map_err(|_| "xtask: e2e: too many nodes")?;
                }
                "--seed" => passed.extend(["--seed".to_owned(), number()?]),
                "--help" | "-h" => return Ok(None),
                "--" => passed.extend(args.by_ref()),
                option if option.starts_with('-') => {
                    return Err(format!("xtask: e2e: no option '{option}'\n\n{USAGE}"));
                }
                name => passed.push(name.to_owned()),
            }
        }
        parsed.passed = passed;
        Ok(Some(parsed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<Arguments>, String> {
        Arguments::parse(line.split(' ').map(str::to_owned))
    }

    #[test]
    fn scenarios_options_and_what_is_passed_on() {
        let parsed =
            parse("handmade --core --seed 7 --nodes 5 -- --operator a/b:c").unwrap().unwrap();
        assert!(!parsed.keep && !parsed.tls && parsed.nodes == 5);
        assert_eq!(parsed.passed.join(" "), "handmade --core --seed 7 --operator a/b:c");
    }

    #[test]
    fn klamm_with_tls_is_built_and_named() {
        let parsed = parse("gateway-tls --tls").unwrap().unwrap();
        assert!(parsed.tls);
        assert_eq!(parsed.passed.join(" "), "gateway-tls --klamm-tls klamm.test/klamm:e2e");
    }

    #[test]
    fn unknown_options_and_missing_numbers_are_refused() {
        assert!(parse("--fast").is_err());
        assert!(parse("--seed soon").is_err());
    }
}
