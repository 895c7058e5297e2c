//! The hand-over between the shared tail and catch-up readers, from seeds: whatever the timing, every subscriber gets every
//! message once and in order.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use klamm_broker::{
    Dispatch, Interests, Matched, Metrics, Offer, QoS, RouteConfig, RouteTable, Subscriber,
    SubscriberId, Subscription, Subscriptions, Surroundings, Topics,
};
use klamm_kafka_proto::records::BatchBuilder;
use klamm_log::{BoxFuture, Durability, Partition};
use tokio::sync::Notify;

mod support;

use support::memory_log::MemoryLog;

/// Numbers from a seed (xorshift64*).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}

/// A subscriber with room for a few messages.
#[derive(Debug)]
struct Slow {
    id: SubscriberId,
    bound: usize,
    queue: Mutex<VecDeque<u64>>,
    room: Notify,
}

impl Slow {
    fn has_room(&self) -> bool {
        self.queue.lock().unwrap().len() <= self.bound / 2
    }

    fn pull(&self) -> Option<u64> {
        let pulled = self.queue.lock().unwrap().pop_front();
        if self.has_room() {
            self.room.notify_waiters();
        }
        pulled
    }
}

impl Subscriber for Slow {
    fn id(&self) -> SubscriberId {
        self.id
    }

    fn client_id(&self) -> &'static str {
        "slow"
    }

    fn offer(&self, message: &Dispatch, _: &Matched) -> Offer {
        let mut queue = self.queue.lock().unwrap();
        if queue.len() >= self.bound {
            return Offer::Full;
        }
        queue.push_back(std::str::from_utf8(&message.payload).unwrap().parse().unwrap());
        Offer::Taken
    }

    fn room(&self) -> BoxFuture<'_, bool> {
        Box::pin(async {
            loop {
                let room = self.room.notified();
                if self.has_room() {
                    return true;
                }
                room.await;
            }
        })
    }

    fn is_gone(&self) -> bool {
        false
    }
}

struct World {
    partition: Arc<dyn Partition>,
    metrics: Arc<Metrics>,
    subscribers: Vec<Arc<Slow>>,
    _interest: Arc<klamm_broker::Interest>,
}

async fn world(random: &mut Random) -> World {
    let log = MemoryLog::new();
    log.slow_reads(random.below(1 << 20));
    let topics = Arc::new(Topics::new(log));
    let routes = [RouteConfig::default_route("mqtt", 1)];
    let around = Arc::new(Surroundings {
        routes: Arc::new(RouteTable::new(&routes).unwrap()),
        subscriptions: Arc::<Subscriptions>::default(),
        metrics: Arc::default(),
    });
    let interests = Interests::new(Arc::clone(&topics), Arc::clone(&around));
    let interest = interests.add("a").await.unwrap();
    let mut subscribers = Vec::new();
    for number in 0..1 + random.below(3) {
        let subscriber = Arc::new(Slow {
            id: SubscriberId(number),
            bound: 1 + random.below(12) as usize,
            queue: Mutex::default(),
            room: Notify::new(),
        });
        let subscription = Subscription {
            subscriber: Arc::<Slow>::clone(&subscriber),
            qos: QoS::AtLeastOnce,
            no_local: false,
            identifier: None,
        };
        around.subscriptions.insert("a", subscription);
        subscribers.push(subscriber);
    }
    let open = topics.find("mqtt").await.unwrap().unwrap();
    let partition = Arc::clone(&open.partitions[0]);
    let metrics = Arc::clone(&around.metrics);
    World { partition, metrics, subscribers, _interest: interest }
}

fn append(partition: &Arc<dyn Partition>, numbers: std::ops::Range<u64>) {
    let mut builder = BatchBuilder::new();
    for number in numbers {
        builder.append(1000, Some(b"a"), Some(number.to_string().as_bytes()), &[]);
    }
    partition.append(builder.build(), Durability::Synced).unwrap().forget();
}

/// Appends and pulls in an order of the seed's; returns how often a subscriber fell behind.
async fn run(seed: u64) -> u64 {
    let mut random = Random::new(seed);
    let world = world(&mut random).await;
    let mut appended = 0;
    let total = 50 + random.below(200);
    let mut got: Vec<Vec<u64>> = world.subscribers.iter().map(|_| Vec::new()).collect();
    let mut lagged = 0;
    while got.iter().any(|got| (got.len() as u64) < total) {
        match random.below(4) {
            0 if appended < total => {
                let until = (appended + 1 + random.below(8)).min(total);
                append(&world.partition, appended..until);
                appended = until;
            }
            1 => tokio::task::yield_now().await,
            _ => {
                let which = random.below(got.len() as u64) as usize;
                got[which].extend(world.subscribers[which].pull());
            }
        }
        lagged = lagged.max(world.metrics.subscribers_lagging.now());
        if random.below(50) == 0 {
            // Everybody else does all there is to do.
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }
    }
    for got in got {
        assert_eq!(got, (0..total).collect::<Vec<_>>(), "seed {seed}");
    }
    lagged
}

#[test]
fn every_message_comes_once_and_in_order_from_whoever_reads_for_the_subscriber() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let lagged: u64 = (0..500).map(|seed| runtime.block_on(run(seed))).sum();
    assert!(lagged > 500, "the runs hardly show the hand-over: {lagged}");
}
