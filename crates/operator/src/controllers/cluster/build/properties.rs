//! `server.properties`: what a node is, over what somebody wrote, over good defaults.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use klamm_crd::{Listener, ListenerAuthentication};

use super::super::names::{CONTROLLER_PORT, INTERNAL_PORT};
use super::super::{NodeSpec, Validated};
use super::{agent, defaults, volume};
use crate::model::NodeId;

/// Where a node's Secret is mounted.
const TLS: &str = "/etc/klamm/tls";

/// All properties of a node.
pub fn of(validated: &Validated, id: NodeId, node: &NodeSpec) -> BTreeMap<String, String> {
    let inputs = &node.inputs;
    let mut properties = defaults::of(validated.brokers(), inputs.rack);
    properties.extend(inputs.config.clone());
    let mut set = |key: &str, value: String| drop(properties.insert(key.to_owned(), value));
    set("node.id", id.to_string());
    set("process.roles", roles(node).join(","));
    set("log.dirs", volume::log_dirs(inputs).join(","));
    set("metadata.log.dir", volume::metadata_dir(inputs));
    let controllers = validated.names.controllers_service();
    let bootstrap = format!("{controllers}.{}.svc:{CONTROLLER_PORT}", validated.names.namespace);
    // Always the same, whichever controllers there are: a property of voters' names would change with each of them.
    set("controller.quorum.bootstrap.servers", bootstrap);
    set("controller.listener.names", "CONTROLLER".to_owned());
    set("inter.broker.listener.name", "INTERNAL".to_owned());
    let listeners = listeners(node);
    let host = validated.names.host(&inputs.pool, id);
    let each = |host: &str| -> Vec<String> {
        listeners.iter().map(|(name, port)| format!("{name}://{host}:{port}")).collect()
    };
    set("listeners", each("").join(","));
    set("advertised.listeners", each(&host).join(","));
    set("listener.security.protocol.map", protocols(&inputs.listeners));
    for name in ["controller", "internal"] {
        let prefix = format!("listener.name.{name}.ssl.");
        for (key, value) in store("keystore", &format!("{TLS}/keystore.pem")) {
            set(&format!("{prefix}{key}"), value);
        }
        for (key, value) in store("truststore", &format!("{TLS}/truststore.pem")) {
            set(&format!("{prefix}{key}"), value);
        }
        set(&format!("{prefix}client.auth"), "required".to_owned());
    }
    if let Some(authorization) = &inputs.authorization {
        let class = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";
        set("authorizer.class.name", class.to_owned());
        let own = own_principals(&validated.names.cluster);
        let users: Vec<String> =
            own.into_iter().chain(authorization.super_users.iter().cloned()).collect();
        set("super.users", users.join(";"));
    }
    properties.extend(inputs.listeners.iter().flat_map(client_listener));
    properties
}

/// The operator and the nodes may do everything.
fn own_principals(cluster: &str) -> [String; 2] {
    [format!("User:{}", agent::operator(cluster)), format!("User:CN=node,O={cluster}")]
}

fn roles(node: &NodeSpec) -> Vec<&'static str> {
    let roles = node.inputs.roles;
    [("broker", roles.broker), ("controller", roles.controller)]
        .into_iter()
        .filter_map(|(name, is)| is.then_some(name))
        .collect()
}

/// Kafka's name of a listener, and its port.
fn listeners(node: &NodeSpec) -> Vec<(String, u16)> {
    let roles = node.inputs.roles;
    let controller = roles.controller.then(|| ("CONTROLLER".to_owned(), CONTROLLER_PORT));
    let internal = roles.broker.then(|| ("INTERNAL".to_owned(), INTERNAL_PORT));
    let clients = node.inputs.listeners.iter().map(|l| (l.name.to_uppercase(), l.port));
    controller.into_iter().chain(internal).chain(clients).collect()
}

fn protocols(listeners: &[Listener]) -> String {
    let mut map = "CONTROLLER:SSL,INTERNAL:SSL".to_owned();
    for listener in listeners {
        let scram = listener.authentication == Some(ListenerAuthentication::ScramSha512);
        let protocol = match (scram, listener.tls.is_some()) {
            (false, false) => "PLAINTEXT",
            (false, true) => "SSL",
            (true, false) => "SASL_PLAINTEXT",
            (true, true) => "SASL_SSL",
        };
        let _ = write!(map, ",{}:{protocol}", listener.name.to_uppercase());
    }
    map
}

fn store(which: &str, location: &str) -> [(String, String); 2] {
    [
        (format!("{which}.type"), "PEM".to_owned()),
        (format!("{which}.location"), location.to_owned()),
    ]
}

/// The properties of a listener for clients.
fn client_listener(listener: &Listener) -> BTreeMap<String, String> {
    let mut properties = BTreeMap::new();
    let prefix = format!("listener.name.{}.", listener.name);
    if listener.tls.is_some() {
        let own = listener.has_own_certificate();
        let keystore =
            if own { agent::keystore(&listener.name) } else { format!("{TLS}/keystore.pem") };
        properties.extend(store("keystore", &keystore));
        let asks = listener.authentication == Some(ListenerAuthentication::Tls);
        if asks {
            properties.extend(store("truststore", &format!("{TLS}/clients-truststore.pem")));
        }
        let client_auth = if asks { "required" } else { "none" };
        properties.insert("client.auth".to_owned(), client_auth.to_owned());
    }
    let mut properties: BTreeMap<String, String> =
        properties.into_iter().map(|(key, value)| (format!("{prefix}ssl.{key}"), value)).collect();
    if listener.authentication == Some(ListenerAuthentication::ScramSha512) {
        properties.insert(format!("{prefix}sasl.enabled.mechanisms"), "SCRAM-SHA-512".to_owned());
        let module = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
        properties.insert(format!("{prefix}scram-sha-512.sasl.jaas.config"), module.to_owned());
    }
    properties
}

/// As `java.util.Properties` reads it.
pub fn render(properties: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for (key, value) in properties {
        escape(&mut text, key, true);
        text.push('=');
        escape(&mut text, value, false);
        text.push('\n');
    }
    text
}

/// The file is read as ISO-8859-1, so everything beyond ASCII is escaped, in UTF-16.
fn escape(text: &mut String, part: &str, is_key: bool) {
    for (index, character) in part.chars().enumerate() {
        match character {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            ' ' if index == 0 || is_key => text.push_str("\\ "),
            '=' | ':' | '#' | '!' if is_key => text.extend(['\\', character]),
            ' '..='~' => text.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let _ = write!(text, "\\u{unit:04x}");
                }
            }
        }
    }
}

/// Reads what [`render`] wrote.
pub fn read(text: &str) -> BTreeMap<String, String> {
    text.lines().filter_map(read_line).collect()
}

fn read_line(line: &str) -> Option<(String, String)> {
    let mut parts = [Vec::new(), Vec::new()];
    let mut part = 0;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '=' if part == 0 => part = 1,
            '\\' => match characters.next()? {
                'n' => parts[part].push(u16::from(b'\n')),
                'r' => parts[part].push(u16::from(b'\r')),
                't' => parts[part].push(u16::from(b'\t')),
                'u' => {
                    let digits: String = characters.by_ref().take(4).collect();
                    parts[part].push(u16::from_str_radix(&digits, 16).ok()?);
                }
                other => parts[part].extend(other.encode_utf16(&mut [0; 2]).iter()),
            },
            other => parts[part].extend(other.encode_utf16(&mut [0; 2]).iter()),
        }
    }
    let [key, value] = parts.map(|units| String::from_utf16_lossy(&units));
    (part == 1).then_some((key, value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn properties_are_written_as_java_reads_them() {
        let pairs = [("a", "x = y"), ("b c", " ä€\\"), ("n", "1\n2"), ("smile", "\u{1f600}")];
        let map = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let text = render(&map);
        let expected = "a=x = y\nb\\ c=\\ \\u00e4\\u20ac\\\\\nn=1\\n2\nsmile=\\ud83d\\ude00\n";
        assert_eq!(text, expected);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(map in prop::collection::btree_map("\\PC*", "(?s).*", 0..4)) {
            prop_assert_eq!(read(&render(&map)), map);
        }
    }
}
