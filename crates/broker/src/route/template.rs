//! Text with captures in it: `telemetry.{tenant}`.

use std::collections::HashMap;

use super::Captures;

/// Literal text and names in turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Name(String),
}

pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

impl Template {
    /// Parses `text`, whose names must be among `known`. Two names need text between them: without it
    /// nobody could tell where one ends when reading back.
    pub(super) fn new(text: &str, known: &[&str]) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let literal = rest.find(['{', '}']).unwrap_or(rest.len());
            if literal > 0 {
                parts.push(Part::Literal(rest[..literal].to_owned()));
                rest = &rest[literal..];
                continue;
            }
            let end = rest.find('}').filter(|_| rest.starts_with('{'));
            let Some(end) = end else { return Err(format!("'{text}': a brace without its other")) };
            let name = &rest[1..end];
            if !known.contains(&name) {
                return Err(format!("'{text}': the pattern captures no '{name}'"));
            }
            if matches!(parts.last(), Some(Part::Name(_))) {
                return Err(format!("'{text}': two captures need text between them"));
            }
            parts.push(Part::Name(name.to_owned()));
            rest = &rest[end + 1..];
        }
        if parts.is_empty() {
            return Err("an empty text".into());
        }
        Ok(Self(parts))
    }

    /// The text when there is no name in it.
    pub(super) fn literal(&self) -> Option<&str> {
        match &self.0[..] {
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    pub(super) fn fill(&self, captures: &Captures<'_>) -> String {
        let mut text = String::new();
        for part in &self.0 {
            text.push_str(match part {
                Part::Literal(literal) => literal,
                Part::Name(name) => captures[name.as_str()],
            });
        }
        text
    }

    /// The captures that make this text, each as short as can be; `None` when it is not of this form.
    pub(super) fn parse(&self, text: &str) -> Option<HashMap<String, String>> {
        let mut captures = HashMap::new();
        let mut rest = text;
        let mut parts = self.0.iter().peekable();
        while let Some(part) = parts.next() {
            match part {
                Part::Literal(literal) => rest = rest.strip_prefix(literal.as_str())?,
                Part::Name(name) => {
                    let end = match parts.peek() {
                        Some(Part::Literal(next)) => rest.find(next.as_str())?,
                        _ => rest.len(),
                    };
                    let (value, after) = rest.split_at(end);
                    if value.is_empty()
                        || captures
                            .insert(name.clone(), value.to_owned())
                            .is_some_and(|v| v != value)
                    {
                        return None;
                    }
                    rest = after;
                }
            }
        }
        rest.is_empty().then_some(captures)
    }
}
