//! Which real clients and servers are on this machine, and how they are started.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Why a test cannot run here: a peer is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skip(pub String);

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not here (cargo xtask peers --install)", self.0)
    }
}

const POM: &str = include_str!("../../../peers/pom.xml");

/// The Python peers, pinned.
pub const REQUIREMENTS: &str = include_str!("../../../peers/requirements.txt");

/// The Apache Kafka of the tests, as `peers/pom.xml` says.
pub static KAFKA_VERSION: std::sync::LazyLock<&str> = std::sync::LazyLock::new(|| {
    POM.split_once("<kafka.version>")
        .and_then(|(_, rest)| rest.split_once('<'))
        .map(|(version, _)| version)
        .expect("peers/pom.xml names the version of Apache Kafka")
});

/// Where peers are installed: `klamm` in the user's cache directory, outside any clone.
///
/// # Panics
/// When there is neither `XDG_CACHE_HOME` nor `HOME`.
pub fn cache() -> PathBuf {
    let base = std::env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty());
    let base = base
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")));
    base.expect("XDG_CACHE_HOME or HOME says where the cache is").join("klamm")
}

/// One peer: what it is called, the version found, and how to get it.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its name.
    pub name: &'static str,
    /// What it says of itself; `None` when it is not here.
    pub version: Option<String>,
    /// How it is installed by hand.
    pub how: String,
}

/// The peers of this machine.
#[derive(Debug, Clone)]
pub struct Peers {
    cache: PathBuf,
}

impl Peers {
    /// Those in the cache and on the search path.
    pub fn find() -> Self {
        Self { cache: cache() }
    }

    /// A program of the search path or of Debian's directories for servers.
    ///
    /// # Errors
    /// When it is not there.
    pub fn program(&self, name: &str) -> Result<Command, Skip> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path)
            .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
            .map(|folder| folder.join(name))
            .find(|program| program.is_file())
            .map(Command::new)
            .ok_or_else(|| Skip(name.to_owned()))
    }

    /// A Python script of `peers/`, run with confluent-kafka and paho-mqtt at hand.
    ///
    /// # Errors
    /// When the pinned packages are not installed.
    pub fn python(&self, script: &str) -> Result<Command, Skip> {
        let installed = std::fs::read_to_string(self.venv().join("requirements.txt"));
        if installed.ok().as_deref() != Some(REQUIREMENTS) {
            return Err(Skip("Python with confluent-kafka and paho-mqtt".to_owned()));
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../peers").join(script);
        let mut command = Command::new(self.venv().join("bin/python"));
        command.arg("-u").arg(script);
        Ok(command)
    }

    /// A main class of Apache Kafka.
    ///
    /// # Errors
    /// When Java or the jars are not here.
    pub fn java(&self, heap: &str, class: &str) -> Result<Command, Skip> {
        let libs = self.kafka_libs();
        if !libs.join("complete").is_file() {
            return Err(Skip(format!("Apache Kafka {}", *KAFKA_VERSION)));
        }
        let mut command = self.program("java")?;
        command.arg(format!("-Xmx{heap}"));
        // Short lives: little compilation, little to collect.
        command.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
        // A failure shows what the program said.
        command.args(["-Dlog4j2.level=WARN", "-cp"]);
        command.arg(libs.join("*")).arg(class);
        Ok(command)
    }

    /// The Python environment, there or not.
    pub fn venv(&self) -> PathBuf {
        self.cache.join("python")
    }

    /// The folder of Apache Kafka's jars, there or not. A file `complete` in it says that all are.
    pub fn kafka_libs(&self) -> PathBuf {
        self.cache.join(format!("kafka-{}", *KAFKA_VERSION))
    }

    /// What is here and what is not.
    pub fn list(&self) -> Vec<Peer> {
        let apt = |package: &str| format!("apt-get install {package}");
        let mut found = Vec::new();
        for (name, package, flag) in [
            ("mosquitto", "mosquitto", "-h"),
            ("mosquitto_pub", "mosquitto-clients", "--help"),
            ("mosquitto_sub", "mosquitto-clients", "--help"),
            ("kcat", "kcat", "-V"),
            ("java", "default-jre-headless", "-version"),
        ] {
            let version = self.program(name).ok().map(|command| says(command, flag));
            found.push(Peer { name, version, how: apt(package) });
        }
        let python = self.python("").is_ok().then(|| {
            REQUIREMENTS.lines().filter(|l| !l.starts_with('#')).collect::<Vec<_>>().join(", ")
        });
        let how = "cargo xtask peers --install (python3 with venv, PyPI)".to_owned();
        found.push(Peer { name: "python peers", version: python, how });
        let kafka = self.kafka_libs().join("complete").is_file().then(|| KAFKA_VERSION.to_string());
        let how = "cargo xtask peers --install (maven, Maven Central)".to_owned();
        found.push(Peer { name: "Apache Kafka", version: kafka, how });
        found
    }
}

/// The line with the version in what a program says of itself.
fn says(mut command: Command, flag: &str) -> String {
    let Ok(output) = command.arg(flag).output() else { return "does not start".to_owned() };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    let has_digit = |line: &&str| line.contains(|c: char| c.is_ascii_digit());
    let mut named = text.lines().filter(|line| line.to_lowercase().contains("version"));
    let line = named.find(has_digit).or_else(|| text.lines().find(has_digit));
    line.unwrap_or("version unknown").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_of_kafka_is_that_of_the_pom() {
        assert!(KAFKA_VERSION.split('.').count() == 3, "{}", *KAFKA_VERSION);
    }

    #[test]
    fn missing_program_is_named() {
        let missing = Peers::find().program("klamm-no-such-program").unwrap_err();
        assert!(missing.to_string().starts_with("klamm-no-such-program is not here"));
    }
}
