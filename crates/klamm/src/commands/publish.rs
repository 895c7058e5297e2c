//! `klamm pub`: messages from the command line or standard input.

use tokio::io::{AsyncBufReadExt, BufReader, Stdin};

use super::{Server, Via, pair};

mod kafka;
mod mqtt;

/// Lines read ahead of their acknowledgements: enough to fill a round trip, little enough to hold in memory.
const AHEAD_MAX: usize = 256;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    via: Via,

    /// MQTT topic name; with --kafka the Kafka topic
    topic: String,

    /// The message; without one, every line of standard input is a message
    message: Option<String>,

    /// MQTT: quality of service 0, 1 or 2
    #[arg(short, long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=2))]
    qos: u8,

    /// Kafka: the record's key
    #[arg(short, long)]
    key: Option<String>,

    /// A user property (MQTT) or header (Kafka); may be repeated
    #[arg(short = 'H', long, value_name = "NAME=VALUE", value_parser = pair)]
    header: Vec<(String, String)>,

    /// MQTT: client identifier [default: the server gives one]
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
}

pub async fn run(args: Args) -> Result<(), String> {
    let source = Source::new(args.message.clone());
    match args.via.clone().server() {
        Server::Mqtt(server) => {
            if args.key.is_some() {
                return Err(
                    "--key is for --kafka; an MQTT message's key comes from its route".into()
                );
            }
            mqtt::run(&server, &args, source).await
        }
        Server::Kafka(server) => kafka::run(&server, &args, source).await,
    }
}

/// Where payloads come from.
#[derive(Debug)]
enum Source {
    One(Option<Vec<u8>>),
    Lines(BufReader<Stdin>),
}

impl Source {
    fn new(message: Option<String>) -> Self {
        match message {
            Some(message) => Self::One(Some(message.into_bytes())),
            None => Self::Lines(BufReader::new(tokio::io::stdin())),
        }
    }

    /// The next payload, without its line end.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        match self {
            Self::One(message) => Ok(message.take()),
            Self::Lines(input) => {
                let mut line = Vec::new();
                let read = input.read_until(b'\n', &mut line).await;
                if read.map_err(|error| format!("standard input: {error}"))? == 0 {
                    return Ok(None);
                }
                // Only the line's own end goes; blanks before it are the user's.
                if line.last() == Some(&b'\n') {
                    line.pop();
                    if line.last() == Some(&b'\r') {
                        line.pop();
                    }
                }
                Ok(Some(line))
            }
        }
    }

    /// More payloads are at hand without waiting.
    fn has_more(&self) -> bool {
        match self {
            Self::One(message) => message.is_some(),
            Self::Lines(input) => input.buffer().contains(&b'\n'),
        }
    }
}
