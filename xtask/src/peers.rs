//! `cargo xtask peers`: the real clients and servers that tests use, and getting them.
//!
//! Everything goes into `klamm` in the user's cache directory, outside the clone; Debian's packages go where apt puts
//! them, which takes root.

use std::fs;
use std::path::Path;
use std::process::Command;

use klamm_testkit::{Peers, REQUIREMENTS};

use crate::workspace::{self, output};

/// Debian packages: commands, and the package each is in.
const PACKAGES: &[(&str, &str)] = &[
    ("mosquitto", "mosquitto"),
    ("mosquitto_pub", "mosquitto-clients"),
    ("kcat", "kcat"),
    ("java", "default-jre-headless"),
    ("mvn", "maven"),
    ("python3", "python3"),
];

/// A download is tried this often: registries have bad minutes.
const TRIES: u32 = 3;
/// Seconds for one try of one download.
const DOWNLOAD_SECONDS: &str = "600";

pub fn run(mut args: impl Iterator<Item = String>) -> Result<(), String> {
    match args.next().as_deref() {
        None => {
            list();
            Ok(())
        }
        Some("--install") => install(),
        Some(other) => Err(format!("xtask: peers: no option '{other}'; there is --install")),
    }
}

/// Prints what is here and how to get the rest; answers whether all are here.
pub fn list() -> bool {
    let peers = Peers::find().list();
    for peer in &peers {
        match &peer.version {
            Some(version) => println!("{:14} {version}", peer.name),
            None => println!("{:14} missing: {}", peer.name, peer.how),
        }
    }
    let kafka = std::env::var("KLAMM_TEST_KAFKA").unwrap_or_default();
    if !kafka.is_empty() {
        println!("KLAMM_TEST_KAFKA: tests use the Apache Kafka at {kafka}");
    }
    peers.iter().all(|peer| peer.version.is_some())
}

/// Installs what is missing.
pub fn install() -> Result<(), String> {
    debian()?;
    python()?;
    apache_kafka()?;
    if list() { Ok(()) } else { Err("xtask: peers: some are missing still".to_owned()) }
}

fn debian() -> Result<(), String> {
    let peers = Peers::find();
    let missing: Vec<&str> = PACKAGES
        .iter()
        .filter(|(command, _)| peers.program(command).is_err())
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let by_hand = format!("apt-get install {}", missing.join(" "));
    if peers.program("apt-get").is_err() || output("id", &["-u"])?.trim() != "0" {
        return Err(format!("xtask: peers: not root on Debian; run by hand: {by_hand}"));
    }
    download("apt-get", &["update", "-qq"])?;
    let mut args = vec!["install", "-y", "-qq", "--no-install-recommends"];
    args.extend(missing);
    download("apt-get", &args)
}

fn python() -> Result<(), String> {
    let peers = Peers::find();
    let venv = peers.venv();
    let stamp = venv.join("requirements.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == REQUIREMENTS) {
        return Ok(());
    }
    create(&venv)?;
    let folder = venv.display().to_string();
    if workspace::run("python3", &["-m", "venv", "--clear", &folder]).is_err() {
        // Debian keeps what venv needs in a package of its own.
        if output("id", &["-u"])?.trim() != "0" {
            return Err("xtask: peers: python3 cannot make an environment; by hand: \
                        apt-get install python3-venv"
                .to_owned());
        }
        download("apt-get", &["update", "-qq"])?;
        download("apt-get", &["install", "-y", "-qq", "python3-venv"])?;
        workspace::run("python3", &["-m", "venv", "--clear", &folder])?;
    }
    let pip = venv.join("bin/pip").display().to_string();
    let requirements = workspace::root().join("peers/requirements.txt").display().to_string();
    download(&pip, &["install", "--quiet", "--requirement", &requirements])?;
    // Last, so that a broken installation is made anew.
    fs::write(&stamp, REQUIREMENTS).map_err(|error| format!("{}: {error}", stamp.display()))
}

fn apache_kafka() -> Result<(), String> {
    let libs = Peers::find().kafka_libs();
    let stamp = libs.join("complete");
    if stamp.is_file() {
        return Ok(());
    }
    create(&libs)?;
    let folder = format!("-DoutputDirectory={}", libs.display());
    let quiet = ["-q", "-B", "-f", "peers/pom.xml"];
    let args = [&quiet[..], &["dependency:copy-dependencies", &folder]].concat();
    download("mvn", &args)?;
    fs::write(&stamp, "").map_err(|error| format!("{}: {error}", stamp.display()))
}

fn create(folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))
}

/// Runs a command that downloads, more than once if it must.
fn download(program: &str, args: &[&str]) -> Result<(), String> {
    let line = format!("{program} {}", args.join(" "));
    for attempt in 1..=TRIES {
        eprintln!("xtask: {line}");
        let status = Command::new("timeout")
            .args(["--kill-after=10", DOWNLOAD_SECONDS, program])
            .args(args)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .current_dir(workspace::root())
            .status()
            .map_err(|error| format!("xtask: cannot start '{line}': {error}"))?;
        if status.success() {
            return Ok(());
        }
        eprintln!("xtask: '{line}' failed ({status}), attempt {attempt} of {TRIES}");
        std::thread::sleep(std::time::Duration::from_secs(u64::from(attempt) * 5));
    }
    Err(format!("xtask: '{line}' failed {TRIES} times; is the package registry reachable?"))
}
