//! Topic names and topic filters (MQTT 5.0 section 4.7).

use crate::{Reason, Utf8, Violation};

/// A filter as it stands in SUBSCRIBE: parsed once, matched often.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TopicFilter {
    text: Utf8,
    /// Where the share name ends, for `$share/{name}/{filter}` (section 4.8.2).
    share_end: Option<u16>,
}

const SHARE: &str = "$share/";

impl TopicFilter {
    /// Checks a filter.
    ///
    /// # Errors
    /// [`Reason::TopicFilterInvalid`] with the broken rule.
    pub fn new(text: Utf8) -> Result<Self, Violation> {
        let invalid = |what| Err(Violation::with(Reason::TopicFilterInvalid, what));
        let mut share_end = None;
        let mut filter = text.as_str();
        if let Some(shared) = filter.strip_prefix(SHARE) {
            let Some((name, rest)) = shared.split_once('/') else {
                return invalid("shared subscription without a filter [MQTT-4.8.2-1]");
            };
            if name.is_empty() || name.contains(['+', '#']) {
                return invalid("share name that is empty or has wildcards [MQTT-4.8.2-1]");
            }
            share_end = Some((SHARE.len() + name.len()) as u16);
            filter = rest;
        }
        if filter.is_empty() {
            return invalid("empty topic filter [MQTT-4.7.3-1]");
        }
        let mut levels = filter.split('/').peekable();
        while let Some(level) = levels.next() {
            if level == "#" && levels.peek().is_some() {
                return invalid("'#' that is not the last level [MQTT-4.7.1-1]");
            }
            if level.len() > 1 && level.contains(['+', '#']) {
                return invalid("wildcard that is not a whole level [MQTT-4.7.1-2]");
            }
        }
        Ok(Self { text, share_end })
    }

    /// As it was given, `$share` included.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The share name of a shared subscription.
    pub fn share(&self) -> Option<&str> {
        self.share_end.map(|end| &self.text[SHARE.len()..usize::from(end)])
    }

    /// What is matched, without `$share/{name}/`.
    pub fn filter(&self) -> &str {
        self.share_end.map_or(&*self.text, |end| &self.text[usize::from(end) + 1..])
    }

    pub(crate) fn text(&self) -> &Utf8 {
        &self.text
    }
}

/// Checks a topic name [MQTT-3.3.2-2], [MQTT-4.7.3-1].
///
/// # Errors
/// [`Reason::TopicNameInvalid`] when it is empty or has wildcards.
pub fn check_topic_name(name: &str) -> Result<(), Violation> {
    if name.is_empty() {
        return Err(Violation::with(Reason::TopicNameInvalid, "empty topic name [MQTT-4.7.3-1]"));
    }
    if name.contains(['+', '#']) {
        let what = "topic name with wildcards [MQTT-3.3.2-2]";
        return Err(Violation::with(Reason::TopicNameInvalid, what));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> Result<TopicFilter, Violation> {
        TopicFilter::new(Utf8::from_text(text).unwrap())
    }

    #[test]
    fn wildcards_stand_alone_and_last() {
        for good in ["#", "+", "a/#", "+/a/+", "/", "//", "a//#", "$SYS/#", " "] {
            assert!(filter(good).is_ok(), "{good}");
        }
        for bad in ["", "a#", "#/a", "a+/b", "+a", "a/#/b", "##"] {
            assert!(filter(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn share_is_told_from_its_filter() {
        let shared = filter("$share/workers/a/+/b").unwrap();
        assert_eq!((shared.share(), shared.filter()), (Some("workers"), "a/+/b"));
        assert_eq!(shared.as_str(), "$share/workers/a/+/b");
        assert_eq!(filter("a/b").unwrap().share(), None);
        for bad in ["$share/", "$share/a", "$share//a", "$share/a/", "$share/+/a", "$share/a/b#"] {
            assert!(filter(bad).is_err(), "{bad}");
        }
    }
}
