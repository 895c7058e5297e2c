//! Routes: which log topic, key and partition an MQTT topic name stands for, and back.
//!
//! ```text
//! pattern  telemetry/{tenant}/{device}/#      named captures take one level, `#` the rest
//! topic    telemetry.{tenant}                 log topic
//! key      {device}                           record key; `{topic}` is the whole topic name
//! identity {device}                           what is hashed to a partition; the key when left out
//! ```
//!
//! The first route that matches wins. The last is always the default route (`#`), so every topic name has one.

use std::collections::HashMap;
use std::fmt;

mod template;

use template::Template;

/// One line of the route table as a user writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteConfig {
    /// MQTT topic pattern: levels are literal, `{name}`, or a last `#`.
    pub pattern: String,
    /// Log topic; `{name}` stands for a capture.
    pub topic: String,
    /// Record key; `{name}` for a capture, `{topic}` for the MQTT topic name.
    pub key: String,
    /// What chooses the partition; `None` takes the key.
    pub identity: Option<String>,
    /// Partitions of a log topic that the route creates.
    pub partitions: u32,
}

impl RouteConfig {
    /// The route that takes what no other does: one log topic, the MQTT topic name as key.
    pub fn default_route(topic: &str, partitions: u32) -> Self {
        Self {
            pattern: "#".into(),
            topic: topic.into(),
            key: "{topic}".into(),
            identity: None,
            partitions,
        }
    }
}

/// A route table that cannot be; always the configuration's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("route '{pattern}': {why}")]
pub struct RouteError {
    pattern: String,
    why: String,
}

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Log topic.
    pub topic: String,
    /// Record key.
    pub key: String,
    /// What chooses the partition.
    pub identity: String,
    /// Index of the route in its table.
    pub route: usize,
}

/// Routes in order, the default one last.
#[derive(Debug)]
pub struct RouteTable {
    routes: Vec<Route>,
}

#[derive(Debug)]
struct Route {
    levels: Vec<Level>,
    topic: Template,
    key: Template,
    identity: Option<Template>,
    partitions: u32,
}

#[derive(Debug, PartialEq, Eq)]
enum Level {
    Literal(String),
    Capture(String),
    Rest,
}

/// Captured values by name, `topic` among them.
type Captures<'a> = HashMap<&'a str, &'a str>;

impl RouteTable {
    /// Checks and compiles the routes; the default route must come last.
    ///
    /// # Errors
    /// The first route that is malformed, unreachable or names a capture it does not have.
    pub fn new(configs: &[RouteConfig]) -> Result<Self, RouteError> {
        let mut routes = Vec::with_capacity(configs.len());
        for config in configs {
            let fail = |why: String| RouteError { pattern: config.pattern.clone(), why };
            if routes.last().is_some_and(Route::takes_everything) {
                return Err(fail("stands after a route that takes everything".into()));
            }
            routes.push(Route::new(config).map_err(fail)?);
        }
        if !routes.last().is_some_and(Route::takes_everything) {
            let pattern = configs.last().map_or("", |c| c.pattern.as_str()).to_owned();
            return Err(RouteError { pattern, why: "the last route must be '#'".into() });
        }
        Ok(Self { routes })
    }

    /// Where a message published to this MQTT topic name goes.
    pub fn resolve(&self, name: &str) -> Destination {
        for (index, route) in self.routes.iter().enumerate() {
            if let Some(captures) = route.captures(name) {
                let key = route.key.fill(&captures);
                let identity =
                    route.identity.as_ref().map_or_else(|| key.clone(), |t| t.fill(&captures));
                return Destination {
                    topic: route.topic.fill(&captures),
                    key,
                    identity,
                    route: index,
                };
            }
        }
        unreachable!("the last route takes everything: RouteTable::new")
    }

    /// Partitions of a log topic which this route creates.
    pub fn partitions(&self, route: usize) -> u32 {
        self.routes[route].partitions
    }

    /// Whether records of the log topic may match the MQTT topic filter, so that a subscription to it must
    /// read the log topic.
    pub fn may_feed(&self, log_topic: &str, filter: &str) -> bool {
        self.routes
            .iter()
            .any(|route| route.topic.parse(log_topic).is_some() && route.overlaps(filter))
    }

    /// Log topics with fixed names that a subscription to the MQTT topic filter must read.
    pub fn fixed_topics(&self, filter: &str) -> Vec<(&str, usize)> {
        let mut topics: Vec<(&str, usize)> = Vec::new();
        for (index, route) in self.routes.iter().enumerate() {
            if let Some(name) = route.topic.literal()
                && route.overlaps(filter)
                && !topics.iter().any(|(known, _)| *known == name)
            {
                topics.push((name, index));
            }
        }
        topics
    }

    /// Whether a subscription to the filter may need log topics whose names hold captures.
    pub fn has_open_topics(&self, filter: &str) -> bool {
        self.routes.iter().any(|route| route.topic.literal().is_none() && route.overlaps(filter))
    }

    /// The MQTT topic name of a record that carries none, as a plain Kafka producer writes it: the pattern of
    /// the first route into `log_topic` filled from the log topic's name and the key, else the key itself.
    /// `None` when the key is no topic name either.
    pub fn topic_name(&self, log_topic: &str, key: Option<&str>) -> Option<String> {
        let key = key?;
        for route in &self.routes {
            let Some(mut captures) = route.topic.parse(log_topic) else { continue };
            if let Some(more) = route.key.parse(key)
                && more.iter().all(|(name, value)| captures.get(name).is_none_or(|v| v == value))
            {
                captures.extend(more);
                if let Some(name) = route.fill_pattern(&captures) {
                    return Some(name);
                }
            }
        }
        is_topic_name(key).then(|| key.to_owned())
    }
}

impl Route {
    fn new(config: &RouteConfig) -> Result<Self, String> {
        let levels = parse_pattern(&config.pattern)?;
        let mut known: Vec<&str> = levels
            .iter()
            .filter_map(|level| match level {
                Level::Capture(name) => Some(name.as_str()),
                Level::Literal(_) | Level::Rest => None,
            })
            .collect();
        let topic = Template::new(&config.topic, &known)?;
        known.push("topic");
        let key = Template::new(&config.key, &known)?;
        let identity = config.identity.as_ref().map(|t| Template::new(t, &known)).transpose()?;
        if let Some(name) = topic.literal() {
            klamm_log::validate_topic_name(name).map_err(|error| error.to_string())?;
        }
        if config.partitions == 0 {
            return Err("a topic has at least 1 partition".into());
        }
        Ok(Self { levels, topic, key, identity, partitions: config.partitions })
    }

    fn takes_everything(&self) -> bool {
        self.levels == [Level::Rest]
    }

    fn captures<'a>(&'a self, name: &'a str) -> Option<Captures<'a>> {
        let mut captures = Captures::from([("topic", name)]);
        let mut given = name.split('/');
        for level in &self.levels {
            match level {
                Level::Rest => return Some(captures),
                Level::Literal(text) if given.next()? == text => {}
                Level::Literal(_) => return None,
                Level::Capture(capture) => {
                    captures.insert(capture, given.next()?);
                }
            }
        }
        given.next().is_none().then_some(captures)
    }

    /// Whether some topic name matches both the pattern and the topic filter.
    fn overlaps(&self, filter: &str) -> bool {
        let mut levels = self.levels.iter();
        let mut given = filter.split('/');
        loop {
            match (levels.next(), given.next()) {
                // "a/#" matches "a" too [MQTT-4.7.1-2]; so does a pattern's rest.
                (Some(Level::Rest), _) | (_, Some("#")) | (None, None) => return true,
                (None, Some(_)) | (Some(_), None) => return false,
                (Some(Level::Capture(_)), Some(_)) | (Some(Level::Literal(_)), Some("+")) => {}
                (Some(Level::Literal(text)), Some(level)) => {
                    if text != level {
                        return false;
                    }
                }
            }
        }
    }

    /// The topic name that the captures make of the pattern; a pattern with a rest has none of its own.
    fn fill_pattern(&self, captures: &HashMap<String, String>) -> Option<String> {
        if let Some(name) = captures.get("topic") {
            return (is_topic_name(name)
                && self.captures(name).is_some_and(|found| {
                    captures.iter().all(|(k, v)| found.get(k.as_str()).is_none_or(|f| f == v))
                }))
            .then(|| name.clone());
        }
        let mut levels = Vec::with_capacity(self.levels.len());
        for level in &self.levels {
            match level {
                Level::Rest => return None,
                Level::Literal(text) => levels.push(text.as_str()),
                Level::Capture(name) => levels.push(captures.get(name)?),
            }
        }
        let name = levels.join("/");
        (is_topic_name(&name) && self.captures(&name).is_some()).then_some(name)
    }
}

impl fmt::Display for RouteConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {} (key {})", self.pattern, self.topic, self.key)
    }
}

fn parse_pattern(pattern: &str) -> Result<Vec<Level>, String> {
    if pattern.is_empty() {
        return Err("is empty".into());
    }
    let mut levels = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for text in pattern.split('/') {
        if levels.last() == Some(&Level::Rest) {
            return Err("'#' must be the last level".into());
        }
        let name = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        levels.push(match name {
            Some("topic") => return Err("'topic' is the whole topic name's own name".into()),
            Some(name) if !template::is_name(name) => {
                return Err(format!("'{{{name}}}': a capture's name is letters, digits and '_'"));
            }
            Some(name) if names.contains(&name) => {
                return Err(format!("two captures of the name '{name}'"));
            }
            Some(name) => {
                names.push(name);
                Level::Capture(name.to_owned())
            }
            None if text == "#" => Level::Rest,
            None if text == "+" => {
                return Err("'+': give the level a name, such as {device}".into());
            }
            None if text.contains(['{', '}', '+', '#']) => {
                return Err(format!("'{text}': a level is literal, a {{name}}, or '#'"));
            }
            None => Level::Literal(text.to_owned()),
        });
    }
    Ok(levels)
}

/// What an MQTT topic name may be [MQTT-4.7.3-1..3], [MQTT-3.3.2-2].
/// What an MQTT client may be sent as a topic name [MQTT-3.3.2-2], [MQTT-4.7.3-1].
pub(crate) fn is_topic_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 65_535 && !name.contains(['+', '#', '\0'])
}

#[cfg(test)]
mod tests;
