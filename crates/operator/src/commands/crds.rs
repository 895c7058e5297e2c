//! `klamm-operator crds`: the custom resource definitions, to be applied.

use std::io::{self, Write};

/// Prints them as YAML documents.
pub fn run(out: &mut impl Write) -> io::Result<()> {
    for definition in klamm_crd::definitions() {
        let yaml = serde_saphyr::to_string(&definition).map_err(io::Error::other)?;
        write!(out, "---\n{yaml}")?;
    }
    Ok(())
}
