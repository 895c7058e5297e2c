//! `klamm sub`: messages as they come.

use std::io::{IsTerminal, Write};

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{Server, Via};

mod kafka;
mod mqtt;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    via: Via,

    /// MQTT topic filter, such as sensors/+/temperature or '#'; with --kafka the Kafka topic
    topic: String,

    /// MQTT: highest quality of service to receive
    #[arg(short, long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=2))]
    qos: u8,

    /// Kafka: begin with the first record kept instead of the next to come
    #[arg(long)]
    from_beginning: bool,

    /// Kafka: only this partition
    #[arg(long, value_name = "N")]
    partition: Option<i32>,

    /// End after so many messages
    #[arg(short = 'n', long, value_name = "N")]
    count: Option<u64>,

    /// How messages are printed
    #[arg(short, long, value_enum, default_value_t = Format::Auto)]
    format: Format,

    /// MQTT: client identifier [default: the server gives one]
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
}

/// How messages are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// full on a terminal, else value
    Auto,
    /// Where it came from, key, headers and value, a line each message
    Full,
    /// The value alone and a line end
    Value,
    /// A JSON object each line; bytes that are not UTF-8 as {"hex": ".."}
    Json,
}

/// A message to be printed.
#[derive(Debug, Default)]
struct Arrived {
    topic: String,
    /// Partition, offset and milliseconds since 1970, over the Kafka protocol.
    place: Option<(i32, i64, i64)>,
    qos: Option<u8>,
    key: Option<Bytes>,
    value: Option<Bytes>,
    headers: Vec<(Bytes, Option<Bytes>)>,
}

pub async fn run(args: Args) -> Result<(), String> {
    match args.via.clone().server() {
        Server::Mqtt(server) => {
            if args.from_beginning || args.partition.is_some() {
                return Err("--from-beginning and --partition are for --kafka".into());
            }
            mqtt::run(&server, &args).await
        }
        Server::Kafka(server) => kafka::run(&server, &args).await,
    }
}

/// Prints messages and counts them.
#[derive(Debug)]
struct Printer {
    format: Format,
    left: Option<u64>,
}

impl Printer {
    fn new(args: &Args) -> Self {
        let format = match args.format {
            Format::Auto if std::io::stdout().is_terminal() => Format::Full,
            Format::Auto => Format::Value,
            given => given,
        };
        Self { format, left: args.count }
    }

    fn is_done(&self) -> bool {
        self.left == Some(0)
    }

    fn print(&mut self, arrived: &Arrived) {
        let mut line = match self.format {
            Format::Json => json(arrived).to_string().into_bytes(),
            Format::Value => arrived.value.as_deref().unwrap_or_default().to_vec(),
            Format::Full | Format::Auto => full(arrived),
        };
        line.push(b'\n');
        let mut out = std::io::stdout().lock();
        // Whoever reads may have heard enough (`klamm sub '#' | head`).
        if out.write_all(&line).and_then(|()| out.flush()).is_err() {
            self.left = Some(0);
            return;
        }
        self.left = self.left.map(|left| left.saturating_sub(1));
    }
}

fn full(arrived: &Arrived) -> Vec<u8> {
    let mut line = arrived.topic.clone().into_bytes();
    if let Some((partition, offset, _)) = arrived.place {
        line.extend_from_slice(format!(" {partition}:{offset}").as_bytes());
    }
    if let Some(key) = &arrived.key {
        line.extend_from_slice(b" key=");
        line.extend_from_slice(key);
    }
    for (name, value) in &arrived.headers {
        line.push(b' ');
        line.extend_from_slice(name);
        line.push(b'=');
        line.extend_from_slice(value.as_deref().unwrap_or(b"(null)"));
    }
    line.extend_from_slice(b"  ");
    line.extend_from_slice(arrived.value.as_deref().unwrap_or(b"(null)"));
    line
}

fn json(arrived: &Arrived) -> Value {
    let mut object = Map::new();
    object.insert("topic".into(), arrived.topic.as_str().into());
    if let Some((partition, offset, timestamp_ms)) = arrived.place {
        object.insert("partition".into(), partition.into());
        object.insert("offset".into(), offset.into());
        object.insert("timestamp_ms".into(), timestamp_ms.into());
        object.insert("key".into(), arrived.key.as_ref().map_or(Value::Null, bytes));
    }
    if let Some(qos) = arrived.qos {
        object.insert("qos".into(), qos.into());
    }
    let headers = arrived
        .headers
        .iter()
        .map(|(name, value)| json!([bytes(name), value.as_ref().map_or(Value::Null, bytes)]));
    object.insert("headers".into(), headers.collect());
    object.insert("value".into(), arrived.value.as_ref().map_or(Value::Null, bytes));
    object.into()
}

fn bytes(bytes: &Bytes) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            json!({ "hex": hex })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrived() -> Arrived {
        Arrived {
            topic: "t".into(),
            place: Some((1, 7, 1000)),
            key: Some("k".into()),
            value: Some(Bytes::from_static(b"\xff")),
            headers: vec![("h".into(), None), ("h".into(), Some("x".into()))],
            ..Default::default()
        }
    }

    #[test]
    fn json_loses_nothing() {
        let expected = r#"{"topic":"t","partition":1,"offset":7,"timestamp_ms":1000,"key":"k","headers":[["h",null],["h","x"]],"value":{"hex":"ff"}}"#;
        assert_eq!(json(&arrived()), serde_json::from_str::<Value>(expected).unwrap());
    }

    #[test]
    fn full_line_names_place_key_and_headers() {
        assert_eq!(full(&arrived()), b"t 1:7 key=k h=(null) h=x  \xff");
    }
}
