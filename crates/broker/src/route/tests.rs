use super::*;

fn table(routes: &[(&str, &str, &str)]) -> RouteTable {
    let mut configs: Vec<RouteConfig> = routes
        .iter()
        .map(|(pattern, topic, key)| RouteConfig {
            pattern: (*pattern).into(),
            topic: (*topic).into(),
            key: (*key).into(),
            identity: None,
            partitions: 4,
        })
        .collect();
    configs.push(RouteConfig::default_route("mqtt", 4));
    RouteTable::new(&configs).unwrap()
}

fn why_not(pattern: &str, topic: &str, key: &str) -> String {
    let config = RouteConfig {
        pattern: pattern.into(),
        topic: topic.into(),
        key: key.into(),
        identity: None,
        partitions: 1,
    };
    RouteTable::new(&[config, RouteConfig::default_route("mqtt", 1)]).unwrap_err().to_string()
}

#[test]
fn first_match_wins_and_the_default_takes_the_rest() {
    let table = table(&[
        ("telemetry/{tenant}/{device}/#", "telemetry.{tenant}", "{device}"),
        ("telemetry/{any}/x", "other", "{topic}"),
    ]);
    let to = table.resolve("telemetry/acme/d7/temperature/1");
    assert_eq!((to.topic.as_str(), to.key.as_str(), to.route), ("telemetry.acme", "d7", 0));
    // A route's rest may be empty, as '#' in a filter may [MQTT-4.7.1-2].
    assert_eq!(table.resolve("telemetry/acme/d7").route, 0);
    let to = table.resolve("telemetry/x");
    assert_eq!((to.topic.as_str(), to.key.as_str(), to.route), ("mqtt", "telemetry/x", 2));
}

#[test]
fn literal_levels_must_be_equal_and_all_used() {
    let table = table(&[("cmd/{device}", "cmd", "{device}")]);
    assert_eq!(table.resolve("cmd/7").topic, "cmd");
    assert_eq!(table.resolve("cmd/7/x").topic, "mqtt");
    assert_eq!(table.resolve("cmd").topic, "mqtt");
    assert_eq!(table.resolve("CMD/7").topic, "mqtt");
}

#[test]
fn plain_records_find_their_topic_name() {
    let table = table(&[
        ("cmd/{device}", "cmd", "{device}"),
        ("t/{tenant}/{device}", "t.{tenant}", "{device}"),
        ("deep/{device}/#", "deep", "{device}"),
    ]);
    let name = |topic, key| table.topic_name(topic, Some(key));
    assert_eq!(name("cmd", "7").as_deref(), Some("cmd/7"));
    assert_eq!(name("t.acme", "d7").as_deref(), Some("t/acme/d7"));
    // A rest cannot be invented: the key itself is the name.
    assert_eq!(name("deep", "d7").as_deref(), Some("d7"));
    assert_eq!(name("mqtt", "a/b").as_deref(), Some("a/b"));
    assert_eq!(name("mqtt", "a/#"), None);
    assert_eq!(name("cmd", "a/b").as_deref(), Some("a/b"), "a key of two levels is no device");
    assert_eq!(table.topic_name("mqtt", None), None);
}

#[test]
fn filters_know_the_log_topics_they_need() {
    let table =
        table(&[("cmd/{device}", "cmd", "{device}"), ("t/{tenant}/#", "t.{tenant}", "{topic}")]);
    let fixed = |filter| -> Vec<&str> {
        table.fixed_topics(filter).into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(fixed("cmd/7"), ["cmd", "mqtt"]);
    assert_eq!(fixed("cmd/7/x"), ["mqtt"]);
    assert_eq!(fixed("#"), ["cmd", "mqtt"]);
    assert_eq!(fixed("+/+"), ["cmd", "mqtt"]);
    assert!(table.has_open_topics("t/+/x") && !table.has_open_topics("cmd/7"));
    assert!(table.may_feed("t.acme", "t/#") && !table.may_feed("t.acme", "cmd/#"));
}

#[test]
fn mistakes_are_named() {
    assert!(why_not("a/+/b", "x", "{topic}").contains("give the level a name"));
    assert!(why_not("a/#/b", "x", "{topic}").contains("last level"));
    assert!(why_not("a/{b}", "x.{c}", "{topic}").contains("captures no 'c'"));
    assert!(why_not("a/{b}/{b}", "x", "{topic}").contains("two captures"));
    assert!(why_not("a/{b}/{c}", "x.{b}{c}", "{topic}").contains("text between"));
    assert!(why_not("a/{b}", "x y", "{topic}").contains("topic name"));
    assert!(why_not("a", "x", "{topi").contains("brace"));
    let after =
        RouteTable::new(&[RouteConfig::default_route("a", 1), RouteConfig::default_route("b", 1)]);
    assert!(after.unwrap_err().to_string().contains("takes everything"));
    assert!(RouteTable::new(&[]).is_err());
}
