//! `klamm bench mqtt-publish`.

use klamm_mqtt_proto::packet::{Ack, Packet};
use klamm_mqtt_proto::{QoS, Reason};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::{Line, Target, Template, qos};
use crate::commands::bench::Load;
use crate::commands::bench::measure::{Pacer, Tally, progress};

/// Written together at most: one read of a server's socket.
const WRITE_BYTES: usize = 64 << 10;

#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,

    #[command(flatten)]
    load: Load,

    /// Topic name; {n} is the client's number
    #[arg(long, default_value = "bench/{n}")]
    topic: String,

    /// Quality of service
    #[arg(short, long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=2))]
    qos: u8,

    /// Messages of a client in flight, for QoS 1 and 2 (mosquitto takes 20 of QoS 1 without more ado)
    #[arg(short, long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    window: u16,
}

pub async fn run(args: Args) -> Result<(), String> {
    let mut publishers = Vec::new();
    for number in 0..args.load.clients {
        let line = args.target.connect(&format!("klamm-bench-{number}")).await?;
        let topic = args.topic.replace("{n}", &number.to_string());
        let qos = qos(args.qos);
        let template = Template::new(args.target.version(), &topic, qos, args.load.size)?;
        publishers.push(Publisher::new(line, template, qos, &args));
    }
    let bar = progress(&args.load);
    let start = Instant::now();
    let mut running = JoinSet::new();
    for publisher in publishers {
        running.spawn(publisher.run(Pacer::new(&args.load, start, 1)));
    }
    let mut total = Tally::default();
    for tally in running.join_all().await {
        total.add(&tally);
    }
    let elapsed = start.elapsed();
    bar.abort();
    total.report(&format!("mqtt-publish qos {}", args.qos), "messages", elapsed, args.load.json)
}

struct Publisher {
    line: Line,
    template: Template,
    qos: QoS,
    bytes: u64,
    window: usize,
    /// When the message of a packet identifier was due; identifiers from 1 on.
    due: Vec<Option<Instant>>,
    in_flight: usize,
    last_id: u16,
    tally: Tally,
}

impl Publisher {
    fn new(line: Line, template: Template, qos: QoS, args: &Args) -> Self {
        Self {
            line,
            template,
            qos,
            bytes: args.load.size as u64,
            window: args.window.into(),
            due: vec![None; usize::from(u16::MAX) + 1],
            in_flight: 0,
            last_id: 0,
            tally: Tally::default(),
        }
    }

    async fn run(mut self, mut pacer: Pacer) -> Tally {
        if let Err(error) = self.publish(&mut pacer).await {
            self.tally.fail(1 + self.in_flight as u64, &error);
        }
        self.tally
    }

    async fn publish(&mut self, pacer: &mut Pacer) -> Result<(), String> {
        loop {
            self.put_due(pacer);
            if !self.line.out.is_empty() {
                self.line.flush().await?;
                // A busy sender must leave the others their turn.
                tokio::task::yield_now().await;
            }
            let now = Instant::now();
            let due = pacer.due(now);
            if due.is_none() && self.in_flight == 0 {
                return Ok(());
            }
            if due.is_some_and(|due| due <= now) && self.has_room() {
                continue;
            }
            let due = due.filter(|_| self.has_room());
            tokio::select! {
                packet = self.line.next(), if self.in_flight > 0 => {
                    self.handle(&packet?)?;
                    while let Some(packet) = self.line.received()? {
                        self.handle(&packet)?;
                    }
                }
                () = sleep_until(due.unwrap_or(now)), if due.is_some() => {}
            }
        }
    }

    fn has_room(&self) -> bool {
        self.qos == QoS::AtMostOnce || self.in_flight < self.window
    }

    /// Encodes what is due, as far as there is room.
    fn put_due(&mut self, pacer: &mut Pacer) {
        let now = Instant::now();
        while self.has_room() && self.line.out.len() < WRITE_BYTES {
            let Some(due) = pacer.due(now).filter(|due| *due <= now) else { return };
            pacer.take();
            if self.qos == QoS::AtMostOnce {
                self.tally.count(1, self.bytes);
            } else {
                let id = self.free_id();
                self.template.set_packet_id(id);
                self.due[usize::from(id)] = Some(due);
                self.in_flight += 1;
            }
            self.line.out.extend_from_slice(&self.template.bytes);
        }
    }

    fn free_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if self.due[usize::from(self.last_id)].is_none() {
                return self.last_id;
            }
        }
    }

    fn handle(&mut self, packet: &Packet) -> Result<(), String> {
        match packet {
            Packet::Puback(ack) | Packet::Pubcomp(ack) => self.done(ack),
            Packet::Pubrec(ack) if ack.reason.is_failure() => self.done(ack),
            Packet::Pubrec(ack) => {
                let release = Ack::new(ack.packet_id, Reason::Success);
                self.line.put(&Packet::Pubrel(release));
            }
            Packet::Disconnect(packet) => return Err(packet.reason.text().to_owned()),
            _ => {}
        }
        Ok(())
    }

    fn done(&mut self, ack: &Ack) {
        let Some(due) = self.due[usize::from(ack.packet_id)].take() else { return };
        self.in_flight -= 1;
        if ack.reason.is_failure() {
            self.tally.fail(1, &ack.reason.text());
        } else {
            self.tally.done(1, self.bytes, due, Instant::now());
        }
    }
}
