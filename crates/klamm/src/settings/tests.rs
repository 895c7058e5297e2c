use super::*;

fn given(text: &str) -> Result<Settings, String> {
    toml::from_str::<Given>(text).map_err(|error| error.to_string())?.resolve()
}

#[test]
fn nothing_given_is_a_safe_start() {
    let settings = given("").unwrap();
    assert_eq!(settings.kafka_listen, Some("127.0.0.1:9092".parse().unwrap()));
    assert_eq!(settings.mqtt_listen, Some("127.0.0.1:1883".parse().unwrap()));
    assert_eq!(settings.http_listen, Some("127.0.0.1:8080".parse().unwrap()));
    assert_eq!(settings.routes, [RouteConfig::default_route("mqtt", 4)]);
    assert!(matches!(settings.store, Store::Embedded { .. }));
}

#[test]
fn public_address_needs_a_word() {
    let refused = given("mqtt-listen = '0.0.0.0:1883'").unwrap_err();
    assert!(refused.contains("mqtt-listen") && refused.contains("insecure-public"), "{refused}");
    assert!(given("mqtt-listen = '0.0.0.0:1883'\ninsecure-public = true").is_ok());
    assert!(given("mqtt-listen = '[::1]:1883'").is_ok());
}

#[test]
fn gateway_keeps_nothing_and_serves_no_kafka() {
    let settings = given("kafka = 'k1:9092,k2:9092'\nkafka-property = ['client.id=x']").unwrap();
    assert_eq!(settings.kafka_listen, None);
    let Store::Kafka { properties, .. } = settings.store else { panic!("not a gateway") };
    assert_eq!(properties, [("client.id".to_owned(), "x".to_owned())]);
    assert!(given("kafka = 'k:9092'\ndata = 'x'").unwrap_err().contains("leave them out"));
    assert!(given("kafka = 'k:9092'\nkafka-listen = '127.0.0.1:1'").is_err());
    assert!(given("kafka-property = ['a=b']").unwrap_err().contains("no kafka"));
    assert!(given("kafka = 'k'").unwrap_err().contains("HOST:PORT"));
}

#[test]
fn value_of_a_client_property_is_read_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    std::fs::write(&path, " of spaces; and signs \n").unwrap();
    let text = format!(
        "kafka = 'k:9092'\nkafka-property = ['a=b']\nkafka-property-file = ['sasl.password={}']",
        path.display()
    );
    let Store::Kafka { properties, .. } = given(&text).unwrap().store else { panic!("no gateway") };
    let password = ("sasl.password".to_owned(), " of spaces; and signs ".to_owned());
    assert_eq!(properties, [("a".to_owned(), "b".to_owned()), password]);
    let missing = "kafka = 'k:9092'\nkafka-property-file = ['sasl.password=/does/not/exist']";
    assert!(given(missing).unwrap_err().contains("/does/not/exist"));
    assert!(given("kafka-property-file = ['a=/b']").unwrap_err().contains("no kafka"));
}

#[test]
fn upper_layer_wins() {
    let upper: Given = toml::from_str("default-topic = 'up'").unwrap();
    let lower: Given = toml::from_str("default-topic = 'low'\nlog = 'debug'").unwrap();
    let settings = upper.over(lower).resolve().unwrap();
    assert_eq!((settings.routes[0].topic.as_str(), settings.log.as_str()), ("up", "debug"));
}

#[test]
fn mistakes_in_the_file_are_named() {
    assert!(given("mqt-listen = 'x'").unwrap_err().contains("mqt-listen"));
    assert!(given("mqtt-listen = 'x'").unwrap_err().contains("HOST:PORT"));
    assert!(given("disk-budget = '3 apples'").unwrap_err().contains("no size"));
    assert!(given("mqtt-max-packet = 10").unwrap_err().contains("mqtt-max-packet"));
    assert!(given("[[routes]]\npattern = 'a/{b'\ntopic = 't'").unwrap_err().contains("a/{b"));
    assert!(given("default-partitions = 0").is_err());
}

#[test]
fn sizes_are_read_as_written() {
    let size = |text: &str| text.parse::<Size>().map(|size| size.0);
    assert_eq!(size("512"), Ok(512));
    assert_eq!(size("64KiB"), Ok(65_536));
    assert_eq!(size("20 GiB"), Ok(20 << 30));
    assert!(size("99999999TiB").is_err() && size("x").is_err() && size("1kb").is_err());
}

#[test]
fn routes_end_with_the_default() {
    let settings = given(
        "default-topic = 'rest'\n[[routes]]\npattern = 'cmd/{device}'\ntopic = 'cmd'\nkey = '{device}'",
    )
    .unwrap();
    let topics: Vec<&str> = settings.routes.iter().map(|r| r.topic.as_str()).collect();
    assert_eq!(topics, ["cmd", "rest"]);
}
