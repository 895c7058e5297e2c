//! Copies the program to where the pod's other containers find it.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// The program's file name.
pub const NAME: &str = "klamm-agent";

/// Copies this program into a directory. The name appears when the file is whole.
///
/// # Errors
/// A sentence with the path.
pub fn install(dir: &Path) -> Result<(), String> {
    let place = dir.join(NAME);
    let copy = || -> io::Result<()> {
        let part = dir.join(format!(".{NAME}.part"));
        // Under its path of the file system, also if it was replaced since it started.
        fs::copy("/proc/self/exe", &part)?;
        fs::set_permissions(&part, Permissions::from_mode(0o755))?;
        fs::rename(&part, &place)
    };
    copy().map_err(|error| format!("cannot install {}: {error}", place.display()))
}
