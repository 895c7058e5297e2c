//! The programs that run in a cluster, static so that any image takes them, and the images they are put into.

use std::path::{Path, PathBuf};

use super::harness::Harness;
use crate::workspace;

const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Packages that are built; one that is not in the workspace is left out.
const PACKAGES: [&str; 4] = ["operator", "agent", "e2e", "klamm"];

/// An image of ours.
#[derive(Debug)]
pub struct Image {
    pub name: &'static str,
    /// Archive of the image it is on top of.
    base: Option<&'static str>,
    /// Programs in `/usr/local/bin`; the first is the entry point of an image without a base.
    programs: &'static [&'static str],
}

/// The image of gateways.
pub const KLAMM: &str = "klamm.test/klamm:e2e";

/// As `klamm-e2e run` expects them.
pub const IMAGES: &[Image] = &[
    Image {
        name: "klamm.test/klamm-operator:e2e",
        base: None,
        programs: &["klamm-operator", "klamm-agent"],
    },
    // A newer version, as far as a cluster can tell.
    Image {
        name: "klamm.test/klamm-operator:next",
        base: None,
        programs: &["klamm-operator", "klamm-agent"],
    },
    Image {
        name: "docker.io/library/kafka-handmade:4.3.0",
        base: Some("kafka-4.3.0"),
        programs: &["klamm-operator"],
    },
    Image { name: KLAMM, base: None, programs: &["klamm"] },
    Image { name: "klamm.test/klamm-e2e:e2e", base: None, programs: &["klamm-e2e"] },
];

impl Image {
    /// Makes it and loads it onto every node.
    pub fn load(&self, harness: &Harness, programs: &Path) -> Result<(), String> {
        let files: Vec<String> = self
            .files(programs)
            .map(|(file, name)| format!("{}:/usr/local/bin/{name}", file.display()))
            .collect();
        let mut args = vec!["image"];
        if let Some(base) = self.base {
            args.extend(["--from", base]);
        }
        args.push(self.name);
        args.extend(files.iter().map(String::as_str));
        harness.run(&args)
    }

    /// For whoever has to make it.
    pub fn made_of(&self, programs: &Path) -> String {
        let files: Vec<String> =
            self.files(programs).map(|(file, _)| file.display().to_string()).collect();
        let base =
            self.base.map_or("an empty image".to_owned(), |base| format!("the image {base}"));
        format!("{base} and {} in /usr/local/bin", files.join(", "))
    }

    fn files(&self, programs: &Path) -> impl Iterator<Item = (PathBuf, &'static str)> {
        let programs = programs.to_owned();
        let file = move |name: &&'static str| (programs.join(name), *name);
        self.programs.iter().map(file).filter(|(file, _)| file.is_file())
    }
}

/// Builds them, klamm with TLS towards Kafka if that is asked for; the folder they are in.
pub fn build(tls: bool) -> Result<PathBuf, String> {
    let here = |name: &&&str| workspace::root().join("crates").join(name).is_dir();
    let packages: Vec<String> = PACKAGES.iter().filter(here).map(|name| package(name)).collect();
    // With --target the flag is not for build scripts and macros, which cannot be static.
    let mut command = vec!["build", "--profile", "e2e", "--target", TARGET];
    command.extend(packages.iter().map(String::as_str));
    if tls {
        command.extend(["--features", "klamm/tls"]);
    }
    let settings = [
        ("RUSTFLAGS", "-C target-feature=+crt-static"),
        // Debian's libssl-dev: OpenSSL built from source as a static library has no locks.
        ("OPENSSL_NO_VENDOR", "1"),
        ("OPENSSL_STATIC", "1"),
    ];
    workspace::run_with(
        "cargo",
        &command,
        &settings.map(|(name, value)| (name, value.to_owned())),
    )?;
    Ok(workspace::target().join(TARGET).join("e2e"))
}

/// The flag that names a crate's package.
fn package(folder: &str) -> String {
    match folder {
        "klamm" => "--package=klamm".to_owned(),
        other => format!("--package=klamm-{other}"),
    }
}
