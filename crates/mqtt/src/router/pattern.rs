//! Topic patterns with named captures.

use std::ops::Index;

/// A pattern: `telemetry/{tenant}/{device}/#`.
#[derive(Debug)]
pub(super) struct Pattern {
    levels: Vec<Level>,
}

#[derive(Debug)]
enum Level {
    Literal(Box<str>),
    Capture(Box<str>),
    Rest,
}

/// Why a pattern cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("pattern '{pattern}': {why}")]
pub struct PatternError {
    pattern: String,
    why: &'static str,
}

/// What stands for a pattern's captures in one topic name. Index it by name, or by `#` for the rest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Captures(Vec<(Box<str>, Box<str>)>);

impl Captures {
    /// The value of a capture.
    pub fn named(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| **known == *name).map(|(_, value)| &**value)
    }
}

impl Index<&str> for Captures {
    type Output = str;

    /// # Panics
    /// When the pattern has no capture of that name.
    fn index(&self, name: &str) -> &str {
        self.named(name).unwrap_or_else(|| panic!("the pattern captures no '{name}'"))
    }
}

impl Pattern {
    pub(super) fn new(pattern: &str) -> Result<Self, PatternError> {
        let fail = |why| Err(PatternError { pattern: pattern.to_owned(), why });
        if pattern.is_empty() {
            return fail("is empty");
        }
        let mut levels = Vec::new();
        for level in pattern.split('/') {
            if matches!(levels.last(), Some(Level::Rest)) {
                return fail("'#' must be the last level");
            }
            let name = level.strip_prefix('{').and_then(|level| level.strip_suffix('}'));
            levels.push(match (level, name) {
                ("#", _) => Level::Rest,
                (_, Some("")) => return fail("a capture has no name"),
                (_, Some(name)) => Level::Capture(name.into()),
                _ if level.contains(['#', '+', '{', '}']) => {
                    return fail("a level is neither literal, {name}, nor a last '#'");
                }
                _ => Level::Literal(level.into()),
            });
        }
        Ok(Self { levels })
    }

    /// What the captures stand for, if the topic name matches. Captures and `#` in the first level do not match names that
    /// begin with `$`, as wildcards do not [MQTT-4.7.2-1].
    pub(super) fn captures(&self, topic: &str) -> Option<Captures> {
        if topic.starts_with('$') && !matches!(self.levels[0], Level::Literal(_)) {
            return None;
        }
        let mut captures = Captures::default();
        let mut left = Some(topic);
        for level in &self.levels {
            if let Level::Rest = level {
                captures.0.push(("#".into(), left.unwrap_or_default().into()));
                return Some(captures);
            }
            let given = left?;
            let (given, below) = match given.split_once('/') {
                Some((given, below)) => (given, Some(below)),
                None => (given, None),
            };
            left = below;
            match level {
                Level::Literal(literal) if **literal != *given => return None,
                Level::Capture(name) => captures.0.push((name.clone(), given.into())),
                Level::Literal(_) | Level::Rest => {}
            }
        }
        left.is_none().then_some(captures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captures(pattern: &str, topic: &str) -> Option<Vec<(String, String)>> {
        let found = Pattern::new(pattern).unwrap().captures(topic)?;
        Some(found.0.into_iter().map(|(n, v)| (n.into(), v.into())).collect())
    }

    #[test]
    fn levels_are_captured_by_name() {
        let pair = |n: &str, v: &str| (n.to_owned(), v.to_owned());
        let found = captures("t/{tenant}/{device}", "t/acme/7");
        assert_eq!(found, Some(vec![pair("tenant", "acme"), pair("device", "7")]));
        assert_eq!(captures("t/{x}/#", "t/a/b/c"), Some(vec![pair("x", "a"), pair("#", "b/c")]));
        assert_eq!(captures("t/#", "t"), Some(vec![pair("#", "")]));
        assert_eq!(captures("{x}", ""), Some(vec![pair("x", "")]));
        for (pattern, topic) in
            [("t/{x}", "t"), ("t/{x}", "t/a/b"), ("t", "u"), ("#", "$SYS/a"), ("{x}/a", "$SYS/a")]
        {
            assert_eq!(captures(pattern, topic), None, "{pattern} {topic}");
        }
    }

    #[test]
    fn patterns_that_cannot_be_are_told() {
        for bad in ["", "a/#/b", "a+", "{}", "{a}b", "a/+/b"] {
            assert!(Pattern::new(bad).is_err(), "{bad}");
        }
    }
}
