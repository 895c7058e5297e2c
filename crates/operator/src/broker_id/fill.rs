//! Placeholders: how the program learns its id.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

/// Replaces `{id}`, `{dir}` and `{env:NAME}`; everything else stays as it is, braces included.
#[derive(Debug)]
pub struct Fill<'a> {
    /// For `{id}`.
    pub id: u32,
    /// For `{dir}`.
    pub dir: &'a OsStr,
    /// For `{env:NAME}`.
    pub env: fn(&str) -> Option<OsString>,
}

/// A placeholder that cannot be replaced. The user's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FillError {
    /// No such variable.
    #[error("{{env:{0}}}: there is no such environment variable")]
    NoVariable(String),
}

impl Fill<'_> {
    /// The text with its placeholders replaced.
    ///
    /// # Errors
    /// [`FillError`].
    pub fn text(&self, text: &[u8]) -> Result<Vec<u8>, FillError> {
        let mut filled = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.iter().position(|byte| *byte == b'{') {
            filled.extend(&rest[..start]);
            rest = &rest[start..];
            let end = rest.iter().position(|byte| *byte == b'}');
            let value = end.map(|end| self.value(&rest[1..end])).transpose()?.flatten();
            match (end, value) {
                (Some(end), Some(value)) => {
                    filled.extend(value.as_bytes());
                    rest = &rest[end + 1..];
                }
                _ => {
                    filled.push(b'{');
                    rest = &rest[1..];
                }
            }
        }
        filled.extend(rest);
        Ok(filled)
    }

    fn value(&self, name: &[u8]) -> Result<Option<OsString>, FillError> {
        match name {
            b"id" => Ok(Some(self.id.to_string().into())),
            b"dir" => Ok(Some(self.dir.to_owned())),
            _ => {
                let Some(name) = name.strip_prefix(b"env:") else { return Ok(None) };
                let name = String::from_utf8_lossy(name).into_owned();
                (self.env)(&name).map(Some).ok_or(FillError::NoVariable(name))
            }
        }
    }

    /// One argument or value.
    ///
    /// # Errors
    /// [`FillError`].
    pub fn word(&self, word: &OsStr) -> Result<OsString, FillError> {
        Ok(OsStr::from_bytes(&self.text(word.as_bytes())?).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(text: &str) -> Result<String, FillError> {
        let env = |name: &str| (name == "IP").then(|| "10.0.0.7".into());
        let fill = Fill { id: 3, dir: OsStr::new("/data/kafka-3"), env };
        Ok(String::from_utf8(fill.text(text.as_bytes())?).unwrap())
    }

    #[test]
    fn placeholders_are_replaced_and_other_braces_stay() {
        assert_eq!(
            fill("node.id={id}\nlog.dirs={dir}").unwrap(),
            "node.id=3\nlog.dirs=/data/kafka-3"
        );
        assert_eq!(fill("PLAINTEXT://{env:IP}:9092").unwrap(), "PLAINTEXT://10.0.0.7:9092");
        for text in ["", "{", "{}", "{ id}", "{{other}", "}{", "{ids}"] {
            assert_eq!(fill(text).unwrap(), text);
        }
        assert_eq!(fill("{a{id}").unwrap(), "{a3");
    }

    #[test]
    fn unknown_variable_is_an_error() {
        assert_eq!(fill("{env:NO}"), Err(FillError::NoVariable("NO".to_owned())));
    }
}
