//! How Kafka and its tool are called.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use klamm_agent::protocol::Config;

use crate::life::{Formatting, Quorum};

/// What a pod gives the agent.
#[derive(Debug, Clone)]
pub struct Places {
    /// `server.properties`, `log4j2.yaml` and `agent.json`.
    pub config_dir: PathBuf,
    /// `keystore.pem`, `truststore.pem`, `clients-truststore.pem`.
    pub tls_dir: PathBuf,
    /// For the agent's socket, the rendered configuration, and Kafka's own logs.
    pub run_dir: PathBuf,
}

impl Places {
    /// Reads `agent.json`.
    ///
    /// # Errors
    /// A sentence with the path.
    pub fn config(&self) -> Result<Config, String> {
        let path = self.config_dir.join("agent.json");
        let text = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Writes `server.properties` as it was mounted, with the rack.
    ///
    /// # Errors
    /// A sentence with the path.
    pub fn render(&self, rack: Option<&str>) -> Result<PathBuf, String> {
        let (from, to) =
            (self.config_dir.join("server.properties"), self.run_dir.join("server.properties"));
        let render = || -> io::Result<()> {
            let mut text = fs::read_to_string(&from)?;
            if let Some(rack) = rack {
                text.push_str("\nbroker.rack=");
                text.push_str(rack);
                text.push('\n');
            }
            let part = to.with_extension("part");
            fs::write(&part, text)?;
            fs::rename(part, &to)
        };
        let failed = |error| format!("cannot make {} of {}: {error}", to.display(), from.display());
        render().map_err(failed)?;
        Ok(to)
    }

    /// The call that formats.
    pub fn format(&self, config: &Config, run: &Formatting, properties: &Path) -> Command {
        let mut command = Command::new(&config.storage);
        command.arg("format").arg(format!("--cluster-id={}", run.cluster_id));
        command.arg("--config").arg(properties);
        if run.ignore_formatted {
            command.arg("--ignore-formatted");
        }
        match &run.quorum {
            Quorum::Initial(controllers) => command.args(["--initial-controllers", controllers]),
            Quorum::Join => command.arg("--no-initial-controllers"),
            Quorum::None => &mut command,
        };
        // The server's heap is too much for a tool, and its ports and extensions are the server's.
        command.env("KAFKA_HEAP_OPTS", "-Xmx256M").env_remove("KAFKA_OPTS").env_remove("JMX_PORT");
        self.environment(&mut command);
        command
    }

    /// The call that starts Kafka.
    pub fn start(&self, config: &Config, properties: &Path) -> Command {
        let mut command = Command::new(&config.server);
        command.arg(properties);
        self.environment(&mut command);
        // Kafka's script would have a log of garbage collections by default; what a person sets counts.
        default(&mut command, "EXTRA_ARGS", "-name kafkaServer");
        let log4j = self.config_dir.join("log4j2.yaml");
        if log4j.is_file() {
            let options = format!("-Dlog4j2.configurationFile={}", log4j.display());
            default(&mut command, "KAFKA_LOG4J_OPTS", &options);
        }
        command
    }

    /// Kafka's scripts make the directory of its own logs, and by default where nobody may write.
    fn environment(&self, command: &mut Command) {
        default(command, "LOG_DIR", &self.run_dir.join("logs").to_string_lossy());
    }
}

fn default(command: &mut Command, name: &str, value: &str) {
    if std::env::var_os(name).is_none() {
        command.env(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{CLUSTER, config};

    fn arguments(quorum: Quorum, ignore_formatted: bool) -> Vec<String> {
        let dir = PathBuf::from("/x");
        let places = Places { config_dir: dir.clone(), tls_dir: dir.clone(), run_dir: dir };
        let run = Formatting { cluster_id: CLUSTER.into(), quorum, ignore_formatted };
        let command = places.format(&config(), &run, Path::new("/run/p"));
        command.get_args().map(|word| word.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn node_is_formatted_as_its_roles_have_it() {
        let id = format!("--cluster-id={CLUSTER}");
        let expected = ["format", &id, "--config", "/run/p"];
        assert_eq!(arguments(Quorum::None, false), expected);
        let expected = [&expected[..], &["--no-initial-controllers"]].concat();
        assert_eq!(arguments(Quorum::Join, false), expected);
        let initial = arguments(Quorum::Initial("3@a:1:b".into()), true);
        assert_eq!(initial[4..], ["--ignore-formatted", "--initial-controllers", "3@a:1:b"]);
    }

    #[test]
    fn configuration_is_the_mounted_one_with_the_rack() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_owned();
        let (config_dir, run_dir) = (path.join("c"), path.join("r"));
        fs::create_dir(&config_dir).unwrap();
        fs::create_dir(&run_dir).unwrap();
        fs::write(config_dir.join("server.properties"), "node.id=3").unwrap();
        let places = Places { config_dir, tls_dir: path, run_dir };
        let rendered = |rack| fs::read_to_string(places.render(rack).unwrap()).unwrap();
        assert_eq!(rendered(Some("zone-a")), "node.id=3\nbroker.rack=zone-a\n");
        assert_eq!(rendered(None), "node.id=3");
    }
}
