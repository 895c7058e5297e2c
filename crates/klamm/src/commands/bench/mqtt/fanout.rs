//! `klamm bench mqtt-fanout`: each message goes to every subscriber.

use anstream::println;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use klamm_mqtt_proto::QoS;
use klamm_mqtt_proto::Reason;
use klamm_mqtt_proto::packet::{Ack, Packet};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::{Line, Target, Template, qos};
use crate::commands::bench::Load;
use crate::commands::bench::measure::{Pacer, Tally, progress};

/// A payload begins with the time at which it was due.
const TIME_BYTES: usize = 8;
/// Subscribers wait so long for what may still come.
const TAIL: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,

    /// --clients are the publishers; with --rate 0 each keeps --window messages under way to the slowest subscriber
    #[command(flatten)]
    load: Load,

    /// Subscribers
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    subscribers: u32,

    /// Quality of service both ways
    #[arg(short, long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
    qos: u8,

    /// With --rate 0: messages of a publisher under way
    #[arg(short, long, default_value_t = 32, value_name = "N")]
    window: u64,

    /// Topic name
    #[arg(long, default_value = "bench/fanout")]
    topic: String,
}

/// What all see.
#[derive(Debug)]
struct Seen {
    start: Instant,
    published: AtomicU64,
    /// Messages that each subscriber got.
    received: Vec<AtomicU64>,
    moved: Notify,
}

pub async fn run(mut args: Args) -> Result<(), String> {
    args.load.size = args.load.size.max(TIME_BYTES);
    let mut subscribers = Vec::new();
    for number in 0..args.subscribers {
        let mut line = args.target.connect(&format!("klamm-bench-sub-{number}")).await?;
        line.subscribe(&args.topic, qos(args.qos)).await?;
        subscribers.push(line);
    }
    let mut publishers = Vec::new();
    for number in 0..args.load.clients {
        publishers.push(args.target.connect(&format!("klamm-bench-pub-{number}")).await?);
    }
    let bar = progress(&args.load);
    let seen = Arc::new(Seen {
        start: Instant::now(),
        published: AtomicU64::new(0),
        received: (0..args.subscribers).map(|_| AtomicU64::new(0)).collect(),
        moved: Notify::new(),
    });
    let mut receiving = JoinSet::new();
    for (number, line) in subscribers.into_iter().enumerate() {
        receiving.spawn(receive(line, number, args.clone(), Arc::clone(&seen)));
    }
    let mut sending = JoinSet::new();
    for line in publishers {
        sending.spawn(send(line, args.clone(), Arc::clone(&seen)));
    }
    for sent in sending.join_all().await {
        sent?;
    }
    let mut total = Tally::default();
    for tally in receiving.join_all().await {
        total.add(&tally);
    }
    let elapsed = Duration::from_secs(args.load.seconds);
    bar.abort();
    let published = seen.published.load(Ordering::Relaxed);
    let expected = published * u64::from(args.subscribers);
    let lost = expected.saturating_sub(total.messages);
    if !args.load.json {
        println!("published {published}, expected {expected} deliveries, {lost} did not come");
    }
    let what = format!("mqtt-fanout qos {} to {}", args.qos, args.subscribers);
    total.report(&what, "messages", elapsed, args.load.json)
}

async fn send(mut line: Line, args: Args, seen: Arc<Seen>) -> Result<(), String> {
    let qos = qos(args.qos);
    let mut template = Template::new(args.target.version(), &args.topic, qos, args.load.size)?;
    let mut pacer = Pacer::new(&args.load, seen.start, 1);
    let mut id = 0_u16;
    loop {
        let now = Instant::now();
        let Some(due) = pacer.due(now) else { break };
        let room =
            args.load.rate > 0 || seen.under_way() < args.window * u64::from(args.load.clients);
        if room && due <= now {
            pacer.take();
            seen.published.fetch_add(1, Ordering::Relaxed);
            id = id.checked_add(1).unwrap_or(1);
            if qos > QoS::AtMostOnce {
                template.set_packet_id(id);
            }
            template.set_time((due - seen.start).as_nanos() as u64);
            line.out.extend_from_slice(&template.bytes);
            continue;
        }
        if !line.out.is_empty() {
            line.flush().await?;
        }
        let until = if room { due } else { now + Duration::from_millis(100) };
        tokio::select! {
            packet = line.next() => acknowledge(&mut line, &packet?),
            () = sleep_until(until) => {}
            () = seen.moved.notified(), if !room => {}
        }
    }
    line.flush().await?;
    Ok(())
}

impl Seen {
    /// Messages published that the slowest subscriber has not got.
    fn under_way(&self) -> u64 {
        let slowest = self.received.iter().map(|count| count.load(Ordering::Relaxed)).min();
        self.published.load(Ordering::Relaxed).saturating_sub(slowest.unwrap_or_default())
    }
}

/// Answers what a publisher or subscriber of QoS 2 has to answer.
fn acknowledge(line: &mut Line, packet: &Packet) {
    match packet {
        Packet::Publish(publish) => {
            let Some(id) = publish.packet_id else { return };
            let ack = Ack::new(id, Reason::Success);
            line.put(&if publish.qos == QoS::ExactlyOnce {
                Packet::Pubrec(ack)
            } else {
                Packet::Puback(ack)
            });
        }
        Packet::Pubrec(ack) => line.put(&Packet::Pubrel(Ack::new(ack.packet_id, Reason::Success))),
        Packet::Pubrel(ack) => line.put(&Packet::Pubcomp(Ack::new(ack.packet_id, Reason::Success))),
        _ => {}
    }
}

async fn receive(mut line: Line, number: usize, args: Args, seen: Arc<Seen>) -> Tally {
    let mut tally = Tally::default();
    let end = seen.start + Duration::from_secs(args.load.seconds) + TAIL;
    loop {
        let wait = end.saturating_duration_since(Instant::now());
        let mut packet = match timeout(wait, line.next()).await {
            Err(_) => return tally,
            Ok(Err(error)) => {
                tally.fail(1, &error);
                return tally;
            }
            Ok(Ok(packet)) => Some(packet),
        };
        let now = Instant::now();
        while let Some(next) = packet {
            if let Packet::Publish(publish) = &next {
                let time =
                    publish.payload.first_chunk().map_or(0, |time| u64::from_be_bytes(*time));
                let due = seen.start + Duration::from_nanos(time);
                tally.done(1, publish.payload.len() as u64, due.min(now), now);
                seen.received[number].fetch_add(1, Ordering::Relaxed);
            }
            acknowledge(&mut line, &next);
            packet = match line.received() {
                Ok(packet) => packet,
                Err(error) => {
                    tally.fail(1, &error);
                    return tally;
                }
            };
        }
        seen.moved.notify_waiters();
        if !line.out.is_empty()
            && let Err(error) = line.flush().await
        {
            tally.fail(1, &error);
            return tally;
        }
    }
}
