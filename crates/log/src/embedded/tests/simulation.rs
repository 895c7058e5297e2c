//! The power is cut at any point of anything, from a seed; then everything that was promised must hold.
//!
//! The log runs without threads: its steps are taken one by one, in an order that the seed says, on a disk that fails
//! after a number of operations that the seed says, also while the log recovers. `KLAMM_SEEDS=10000` runs
//! more seeds than the usual ones, `KLAMM_SEED=77` only one.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::*;
use crate::embedded::core::Core;
use crate::embedded::disk::Disk;
use crate::embedded::store::Store;
use crate::embedded::{Clock, Options};
use crate::{OffsetSpec, Pending};

pub(super) mod model;

use model::{Broken, Model, PartitionModel, Survived};

/// Steps between a start and the next crash at most.
const STEPS_MAX: usize = 60; // about what fills a handful of write-ahead files of 4 KiB
/// Crashes in each run.
const CRASHES: usize = 4;

/// Numbers from a seed (SplitMix64).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % sides.max(1)
    }

    fn chance(&mut self, one_in: u64) -> bool {
        self.roll(one_in) == 0
    }

    fn of<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.roll(items.len() as u64) as usize)
    }
}

struct Run {
    dice: Dice,
    disk: MemoryDisk,
    time: Arc<AtomicI64>,
    model: Model,
    next_id: u64,
    waiting: Vec<Waiting>,
    /// What happened, for whoever looks into a failure.
    history: Vec<String>,
}

/// An append whose end is not known yet.
struct Waiting {
    pending: Pending,
    topic: crate::TopicId,
    index: u32,
    ids: Vec<u64>,
    /// Of a producer's batch.
    sequence: Option<i32>,
    durability: Durability,
}

/// Looks whether a future has a result by now.
fn poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::Pin::new(future).poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

impl Run {
    fn new(seed: u64, drop_syncs: bool) -> Self {
        let disk = MemoryDisk::new();
        disk.set_fault(|fault| fault.drop_syncs = drop_syncs);
        Self {
            dice: Dice(seed),
            disk,
            time: Arc::new(AtomicI64::new(1_000_000)),
            model: Model::default(),
            next_id: 1,
            waiting: Vec::new(),
            history: Vec::new(),
        }
    }

    fn options(&self) -> Options {
        Options {
            wal_file_bytes: 4096,
            checkpoint_bytes: 1 << 40,
            segment_bytes_min: 1,
            open_files: 3,
            sync_threads: 1,
            clock: Clock::by_hand(self.time.clone()),
            ..Options::default()
        }
    }

    fn run(&mut self) -> Result<(), Broken> {
        for _ in 0..CRASHES {
            let core = self.start()?;
            self.verify(&core)?;
            if self.dice.chance(3) {
                let left = self.dice.roll(150);
                self.disk.set_fault(|fault| fault.operations_left = Some(left));
            }
            for _ in 0..=self.dice.roll(STEPS_MAX as u64) {
                self.step(&core)?;
                self.hear()?;
                if self.disk.is_dead() || core.alive().is_err() {
                    break;
                }
            }
            self.end(&core)?;
        }
        let core = self.start()?;
        self.verify(&core)
    }

    /// Opens the log, with the power cut now and then while it recovers.
    fn start(&mut self) -> Result<Core, Broken> {
        loop {
            if self.dice.chance(4) {
                let left = self.dice.roll(40);
                self.disk.set_fault(|fault| fault.operations_left = Some(left));
            }
            let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
            match Core::open(disk, self.options()) {
                Ok(core) => {
                    self.tell(|| format!("opened in epoch {}", core.epoch));
                    self.disk.set_fault(|fault| fault.operations_left = None);
                    return Ok(core);
                }
                Err(_) if self.disk.is_dead() => self.cut(),
                Err(error) => return Err(Broken(format!("the log does not open: {error}"))),
            }
        }
    }

    fn tell(&mut self, what: impl FnOnce() -> String) {
        self.history.push(what());
    }

    fn cut(&mut self) {
        self.tell(|| "the power goes".to_owned());
        self.disk = self.disk.power_cut(self.dice.roll(u64::MAX));
        self.model.survived = Survived::Power;
    }

    /// The process or the power goes, or the log is closed.
    fn end(&mut self, core: &Core) -> Result<(), Broken> {
        let failed = core.alive().is_err();
        let mut kind = if self.disk.is_dead() || failed { 0 } else { self.dice.roll(3) };
        if kind == 1 {
            core.stop_accepting();
            while core.write_queued() {}
            let _ = core.sync_written();
            self.hear()?;
            match core.checkpoint(true) {
                Ok(()) => self.model.all_durable(),
                Err(_) => kind = 0,
            }
        }
        self.tell(|| format!("end {kind}"));
        self.waiting.clear();
        self.model.survived = Survived::Process;
        if kind == 0 {
            self.cut();
        }
        self.disk.set_fault(|fault| {
            fault.operations_left = None;
            fault.capacity_bytes = None;
            fault.fail_sync = false;
            fault.fail_write = false;
        });
        Ok(())
    }

    fn step(&mut self, core: &Core) -> Result<(), Broken> {
        self.time.fetch_add(self.dice.roll(100) as i64, Ordering::Relaxed);
        match self.dice.roll(100) {
            0..40 => self.append(core),
            40..60 => {
                let wrote = core.write_queued();
                self.tell(|| format!("write: {wrote}"));
            }
            60..75 => {
                let synced = core.sync_written();
                self.tell(|| format!("sync: {synced:?}"));
            }
            75..79 => {
                let done = core.checkpoint(false);
                if done.is_ok() {
                    self.model.all_durable();
                }
                self.tell(|| format!("checkpoint: {done:?}"));
            }
            79..81 => self.retain(core),
            81..84 => self.delete_records(core),
            84..88 => self.change_topics(core),
            88..90 => self.faults(),
            90..93 => self.producer_id(core)?,
            _ => self.look(core)?,
        }
        Ok(())
    }

    fn any_store(&mut self, core: &Core) -> Option<Arc<Store>> {
        let stores = core.stores();
        self.dice.of(&stores).cloned()
    }

    fn append(&mut self, core: &Core) {
        let Some(store) = self.any_store(core) else { return };
        let topic = store.topic.id;
        let (index, durability) = (store.index, [Durability::Written, Durability::Synced]);
        let durability = durability[self.dice.roll(2) as usize];
        let partition = self.model.partition(topic, index);
        // Some batches are a producer's, and some of these are sent again.
        let producer = self.dice.chance(3);
        let again = producer && self.dice.chance(3);
        let (ids, sequence) = if again && let Some(last) = partition.last_sent.clone() {
            last
        } else {
            let count = 1 + self.dice.roll(4);
            let ids: Vec<u64> = (self.next_id..self.next_id + count).collect();
            self.next_id += count;
            let sequence = partition.next_sequence;
            (ids, sequence)
        };
        let fresh = !again || partition.last_sent.as_ref().is_none_or(|last| last.0 != ids);
        let long = self.dice.chance(12);
        let batch = model::batch(&ids, producer.then_some(sequence), long);
        let pending = core.append(&store, batch, durability);
        let taken = pending.as_ref().map(drop);
        self.tell(|| {
            format!("append {ids:?} to {}-{index} {durability:?}: {taken:?}", store.topic.name)
        });
        let partition = self.model.partition(topic, index);
        let pending = match pending {
            Ok(pending) => pending,
            // What the power took of durability=os, a producer sends again under other numbers.
            Err(LogError::OutOfOrderSequence { expected, .. }) => {
                partition.next_sequence = expected;
                partition.last_sent = None;
                return;
            }
            Err(_) => return,
        };
        if producer && fresh {
            partition.next_sequence = sequence + ids.len() as i32;
            partition.last_sent = Some((ids.clone(), sequence));
        }
        let sequence = producer.then_some(sequence);
        self.waiting.push(Waiting { pending, topic, index, ids, sequence, durability });
    }

    /// Learns the ends of appends.
    fn hear(&mut self) -> Result<(), Broken> {
        let mut still = Vec::new();
        for mut waiting in std::mem::take(&mut self.waiting) {
            let ended = poll(&mut waiting.pending);
            if let Some(ended) = &ended {
                let text = format!("{:?}: {ended:?}", waiting.ids);
                self.tell(|| text);
            }
            match ended {
                None => still.push(waiting),
                Some(Ok(appended)) => {
                    let partition = self.model.partition(waiting.topic, waiting.index);
                    let synced = waiting.durability == Durability::Synced;
                    partition.acknowledge(appended.base_offset, &waiting.ids, synced)?;
                }
                Some(Err(LogError::NoSpace(_))) => {
                    // Refused, so its producer goes on where it was before.
                    let partition = self.model.partition(waiting.topic, waiting.index);
                    let known = partition.offset_of(waiting.ids[0]).is_some();
                    if let Some(sequence) = waiting.sequence.filter(|_| !known) {
                        partition.last_sent = None;
                        partition.next_sequence = partition.next_sequence.min(sequence);
                    }
                }
                Some(Err(_)) => {}
            }
        }
        self.waiting = still;
        Ok(())
    }

    fn retain(&mut self, core: &Core) {
        for store in core.stores() {
            let partition = self.model.partition(store.topic.id, store.index);
            partition.start_max = partition.start_max.max(store.high_watermark());
        }
        let done = core.retain().is_ok();
        for store in core.stores().into_iter().filter(|_| done) {
            let partition = self.model.partition(store.topic.id, store.index);
            partition.start_min = store.log_start();
        }
    }

    fn delete_records(&mut self, core: &Core) {
        let Some(store) = self.any_store(core) else { return };
        let before = self.dice.roll(store.high_watermark() as u64 + 2) as i64 - 1;
        let target = if before == -1 { store.high_watermark() } else { before };
        let partition = self.model.partition(store.topic.id, store.index);
        partition.start_max = partition.start_max.max(target);
        let deleted = core.delete_records(&store, before);
        let text =
            format!("delete_records {}-{} {before}: {deleted:?}", store.topic.name, store.index);
        self.tell(|| text);
        let partition = self.model.partition(store.topic.id, store.index);
        if let Ok(start) = deleted {
            partition.start_min = start;
        }
    }

    fn change_topics(&mut self, core: &Core) {
        let names = ["a", "b", "c"];
        let name = names[self.dice.roll(3) as usize];
        let Ok(topic) = core.topic(name) else {
            let configs = model::CONFIGS[self.dice.roll(3) as usize];
            let configs = configs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            let new = NewTopic {
                name: name.into(),
                partitions: Some(1 + self.dice.roll(3) as u32),
                replication: None,
                configs: configs.collect(),
            };
            let created = core.create_topic(&new);
            self.tell(|| format!("create {new:?}: {created:?}"));
            let os = new.configs.iter().any(|(_, value)| value == "os");
            self.model.create(name, os, created);
            return;
        };
        let id = topic.shared.id;
        match self.dice.roll(4) {
            0 => {
                let gone = core.delete_topic(name).is_ok();
                self.tell(|| format!("delete {name}: {gone}"));
                self.model.delete(name, id, gone);
            }
            1 => {
                let total = topic.partitions.len() as u32 + 1;
                let done = core.create_partitions(name, total).is_ok();
                self.model.grow(id, total, done);
            }
            _ => {
                let value = ["fsync", "os"][self.dice.roll(2) as usize];
                let change = ("durability".to_owned(), Some(value.to_owned()));
                let done = core.alter_topic(name, vec![change]).is_ok();
                self.tell(|| format!("alter {name} to {value}: {done}"));
                self.model.set_durability(id, value == "os", done);
            }
        }
    }

    fn faults(&mut self) {
        match self.dice.roll(6) {
            0 => self.disk.set_fault(|fault| fault.fail_sync = true),
            1 => self.disk.set_fault(|fault| fault.fail_write = true),
            2 => {
                let left = self.dice.roll(3000);
                let free = self.disk.free_bytes().unwrap_or(u64::MAX);
                let used = u64::MAX - free;
                self.disk.set_fault(|fault| fault.capacity_bytes = Some(used.wrapping_add(left)));
            }
            _ => self.disk.set_fault(|fault| fault.capacity_bytes = None),
        }
    }

    fn producer_id(&mut self, core: &Core) -> Result<(), Broken> {
        match core.next_producer_id() {
            Ok(id) if !self.model.producer_ids.insert(id) => {
                Err(Broken(format!("producer id {id} was given twice")))
            }
            _ => Ok(()),
        }
    }

    /// Reads a partition from anywhere.
    fn look(&mut self, core: &Core) -> Result<(), Broken> {
        if self.disk.is_dead() {
            return Ok(());
        }
        let Some(store) = self.any_store(core) else { return Ok(()) };
        let (start, end) = (store.log_start(), store.high_watermark());
        let from = start + self.dice.roll((end - start) as u64 + 1) as i64;
        let max_bytes = 1 + self.dice.roll(2000) as usize;
        let found = model::read(core, &store, from, end, max_bytes)?;
        let partition = self.model.partition(store.topic.id, store.index);
        partition.see(&found)?;
        let timestamp = self.dice.roll(model::TIMESTAMPS as u64) as i64;
        model::check_timestamp(core, &store, timestamp)
    }

    /// Everything that must hold after a start.
    fn verify(&mut self, core: &Core) -> Result<(), Broken> {
        self.model.check_topics(core)?;
        for store in core.stores() {
            let (id, index) = (store.topic.id, store.index);
            let (start, end) = (store.log_start(), store.high_watermark());
            let found = model::read(core, &store, start, end, 1 << 20)?;
            let survived = self.model.survived;
            let partition = self.model.partition(id, index);
            partition.check(start, end, &found, survived).map_err(|Broken(text)| {
                Broken(format!("{}-{index} after {survived:?}: {text}", store.topic.name))
            })?;
            self.check_producer(core, &store)?;
        }
        Ok(())
    }

    /// Sends a producer's last batch once more: it must not be in the log twice.
    fn check_producer(&mut self, core: &Core, store: &Arc<Store>) -> Result<(), Broken> {
        let (id, index) = (store.topic.id, store.index);
        let partition: &mut PartitionModel = self.model.partition(id, index);
        let Some((ids, sequence)) = partition.last_sent.clone() else { return Ok(()) };
        let there = partition.offset_of(ids[0]);
        if there.is_some_and(|offset| offset < store.log_start()) {
            // With durability=os nothing but the records themselves tells of a producer until the next checkpoint, so
            // one whose records are deleted may be forgotten.
            partition.last_sent = None;
            return Ok(());
        }
        let end = store.high_watermark();
        let pending =
            core.append(store, model::batch(&ids, Some(sequence), false), Durability::Synced);
        let mut pending = match pending {
            Ok(pending) => pending,
            // Batches before it were lost with the power, as those of durability=os may be.
            Err(LogError::OutOfOrderSequence { .. }) if there.is_none() => {
                partition.last_sent = None;
                return Ok(());
            }
            Err(error) => return Err(Broken(format!("sending again: {error}"))),
        };
        core.write_queued();
        core.sync_written().map_err(|error| Broken(format!("sending again: {error}")))?;
        let partition = self.model.partition(id, index);
        match poll(&mut pending) {
            Some(Ok(appended))
                if appended.base_offset == there.unwrap_or(end)
                    // It was written, and deleted before anybody was told.
                    || (there.is_none() && appended.base_offset < store.log_start()) =>
            {
                partition.acknowledge(appended.base_offset, &ids, true)
            }
            other => Err(Broken(format!("batch at {there:?}, sent again: {other:?}, end {end}"))),
        }
    }
}

fn simulate(seed: u64, drop_syncs: bool) -> Result<(), Broken> {
    let mut run = Run::new(seed, drop_syncs);
    let history = |run: &Run| run.history.join("\n");
    run.run().map_err(|Broken(text)| Broken(format!("{text}\n{}", history(&run))))
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn nothing_promised_is_lost_whenever_the_power_goes() {
    let seeds = match number("KLAMM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("KLAMM_SEEDS").unwrap_or(1000),
    };
    for seed in seeds {
        if let Err(Broken(text)) = simulate(seed, false) {
            panic!("seed {seed}: {text}");
        }
    }
}

#[test]
fn disk_that_does_not_sync_is_found_out() {
    let broken = (0..100).filter(|seed| simulate(*seed, true).is_err()).count();
    assert!(broken > 20, "only {broken} of 100 runs noticed");
}
