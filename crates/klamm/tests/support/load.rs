//! MQTT publishers that go on through lost connections and remember what was acknowledged.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use klamm_mqtt_proto::ProtocolVersion;
use klamm_mqtt_proto::packet::Packet;
use klamm_testkit::eventually;

use super::mqtt::Mqtt;

/// Messages a publisher has on the way at once.
const WINDOW: usize = 16;

/// Publishers under way.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
    publishers: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    /// Starts publishers with QoS 1, each on four topics below `prefix`.
    pub fn start(address: &str, prefix: &str, publishers: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let publishers = (0..publishers).map(|number| {
            let (address, name) = (address.to_owned(), format!("{prefix}/{number}"));
            let (stop, acknowledged) = (Arc::clone(&stop), Arc::clone(&acknowledged));
            std::thread::spawn(move || publish(&address, &name, &stop, &acknowledged))
        });
        let publishers = publishers.collect();
        Self { stop, acknowledged, publishers }
    }

    /// Messages acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits until so many more have been acknowledged.
    #[track_caller]
    pub fn wait_for_more(&self, count: usize) {
        let goal = self.acknowledged() + count;
        eventually("acknowledgements of a load", || (self.acknowledged() >= goal).then_some(()));
    }

    /// Stops and gives the payloads that were acknowledged.
    pub fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.publishers.into_iter().flat_map(|p| p.join().expect("a publisher that ends")).collect()
    }
}

/// Publishes until told to stop. After a lost connection what was not acknowledged is sent again.
fn publish(
    address: &str,
    name: &str,
    stop: &AtomicBool,
    acknowledged: &AtomicUsize,
) -> Vec<String> {
    let mut done = Vec::new();
    let mut next = 0;
    let mut again: VecDeque<String> = VecDeque::new();
    while !stop.load(Ordering::Relaxed) {
        let Ok(mut client) = Mqtt::connect(address, ProtocolVersion::V5, &name.replace('/', "-"))
        else {
            // Not up again yet; a moment, so that the wait costs the server nothing.
            std::thread::sleep(std::time::Duration::from_millis(5));
            continue;
        };
        let mut way = VecDeque::new();
        let lost = loop {
            if stop.load(Ordering::Relaxed) && way.is_empty() {
                client.cut();
                return done;
            }
            let more = !stop.load(Ordering::Relaxed) && way.len() < WINDOW;
            let result = if more {
                let payload = again.pop_front().unwrap_or_else(|| {
                    next += 1;
                    format!("{name}/{next}")
                });
                let id = 1 + (next + way.len()) as u16 % 60_000;
                let id = unused(&way, id);
                let topic = format!("{name}/{}", next % 4);
                let sent = client.publish(&topic, payload.clone(), Some(id));
                way.push_back((id, payload));
                sent.map_err(drop)
            } else {
                take_acknowledgement(&mut client, &mut way).map(|payload| {
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                    done.push(payload);
                })
            };
            if result.is_err() {
                break way;
            }
        };
        again.extend(lost.into_iter().map(|(_, payload)| payload));
    }
    done
}

fn unused(way: &VecDeque<(u16, String)>, mut id: u16) -> u16 {
    while way.iter().any(|(used, _)| *used == id) {
        id = id % 60_000 + 1;
    }
    id
}

/// The payload that the next PUBACK is for; an error when the connection is lost. A refusal (the log is away, say)
/// counts as lost: the message goes again.
fn take_acknowledgement(
    client: &mut Mqtt,
    way: &mut VecDeque<(u16, String)>,
) -> Result<String, ()> {
    match client.receive() {
        Ok(Some(Packet::Puback(ack))) if !ack.reason.is_failure() => {
            let at = way.iter().position(|(id, _)| *id == ack.packet_id);
            let at = at.unwrap_or_else(|| panic!("PUBACK for {}, not on the way", ack.packet_id));
            Ok(way.remove(at).expect("found").1)
        }
        Ok(Some(Packet::Puback(_) | Packet::Disconnect(_)) | None) | Err(_) => Err(()),
        Ok(Some(other)) => panic!("a publisher got {other:?}"),
    }
}
