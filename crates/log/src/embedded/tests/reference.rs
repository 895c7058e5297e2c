//! One partition against the simplest log there is: a list.

use proptest::prelude::*;

use super::simulation::model::{batch, check_timestamp, read};
use super::*;
use crate::embedded::core::Core;
use crate::embedded::disk::Disk;
use crate::embedded::store::Store;

#[derive(Debug, Clone)]
enum Step {
    /// A batch of so many records; every fifth is compressed, some are long.
    Append {
        count: u64,
        long: bool,
    },
    /// Reads from a share of what there is.
    Fetch {
        at: f64,
        max_bytes: usize,
    },
    /// Gives up a share of what there is.
    DeleteRecords {
        at: f64,
    },
    /// Applies `retention.bytes`.
    Retain,
    Timestamp(i64),
    Checkpoint,
    Restart {
        clean: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1_u64..6, any::<bool>()).prop_map(|(count, long)| Step::Append { count, long }),
        6 => (0.0..1.0, 1_usize..6000).prop_map(|(at, max_bytes)| Step::Fetch { at, max_bytes }),
        1 => (0.0..1.0).prop_map(|at| Step::DeleteRecords { at }),
        1 => Just(Step::Retain),
        2 => (0_i64..1000).prop_map(Step::Timestamp),
        1 => Just(Step::Checkpoint),
        1 => any::<bool>().prop_map(|clean| Step::Restart { clean }),
    ]
}

/// The partition and what it should hold: the record's number for each offset.
struct Pair {
    disk: MemoryDisk,
    core: Core,
    list: Vec<u64>,
    start: usize,
}

fn core(disk: &MemoryDisk) -> Core {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let options = Options {
        wal_file_bytes: 4096,
        checkpoint_bytes: 1 << 40,
        segment_bytes_min: 1,
        open_files: 2,
        sync_threads: 1,
        ..Options::default()
    };
    Core::open(disk, options).unwrap()
}

impl Pair {
    fn new(durability: &str) -> Self {
        let disk = MemoryDisk::new();
        let core = core(&disk);
        let configs = [
            ("durability", durability),
            ("segment.bytes", "2000"),
            ("index.interval.bytes", "300"),
            ("retention.bytes", "20000"),
            ("retention.ms", "-1"),
        ];
        let configs = configs.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let topic = NewTopic { name: "t".into(), partitions: Some(1), replication: None, configs };
        core.create_topic(&topic).unwrap();
        Self { disk, core, list: Vec::new(), start: 0 }
    }

    fn store(&self) -> Arc<Store> {
        self.core.topic("t").unwrap().partitions[0].clone()
    }

    fn offset(&self, share: f64) -> i64 {
        self.start as i64 + ((self.list.len() - self.start) as f64 * share) as i64
    }

    fn take(&mut self, step: &Step) {
        let store = self.store();
        match *step {
            Step::Append { count, long } => {
                let first = self.list.len() as u64 + 1;
                let ids: Vec<u64> = (first..first + count).collect();
                let pending = self.core.append(&store, batch(&ids, None, long), Durability::Synced);
                pending.unwrap().forget();
                self.core.write_queued();
                self.core.sync_written().unwrap();
                self.list.extend(ids);
            }
            Step::Fetch { at, max_bytes } => self.fetch(&store, self.offset(at), max_bytes),
            Step::DeleteRecords { at } => {
                let before = self.offset(at);
                assert_eq!(self.core.delete_records(&store, before).unwrap(), before);
                self.start = before as usize;
            }
            Step::Retain => {
                self.core.retain().unwrap();
                assert!(store.chain().size_bytes() <= 20_000);
                self.start = store.log_start() as usize;
            }
            Step::Timestamp(from) => check_timestamp(&self.core, &store, from).unwrap(),
            Step::Checkpoint => self.core.checkpoint(false).unwrap(),
            Step::Restart { clean } => {
                let epoch = self.core.epoch;
                if clean {
                    self.core.checkpoint(true).unwrap();
                }
                self.core = core(&self.disk);
                assert_eq!(self.core.epoch, epoch + i32::from(!clean));
            }
        }
    }

    fn fetch(&self, store: &Arc<Store>, from: i64, max_bytes: usize) {
        let end = self.list.len() as i64;
        assert_eq!((store.log_start(), store.high_watermark()), (self.start as i64, end));
        let found = read(&self.core, store, from, end, max_bytes).unwrap();
        let expected = (from..end).map(|offset| (offset, self.list[offset as usize]));
        assert!(found.into_iter().eq(expected), "records from {from} on");
        let outside = [self.start as i64 - 1, end + 1];
        assert!(outside.iter().all(|at| self.core.read(store, *at, 1, true).is_err()));
        let first = self.core.read(store, from, max_bytes, true).unwrap().unwrap().bytes;
        let one_batch = records::batches(first.clone()).count() <= 1;
        assert!(first.len() <= max_bytes || one_batch, "{} bytes for {max_bytes}", first.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn partition_is_a_list(steps in proptest::collection::vec(step(), 1..60), os: bool) {
        let mut pair = Pair::new(if os { "os" } else { "fsync" });
        for step in &steps {
            pair.take(step);
        }
        pair.take(&Step::Fetch { at: 0.0, max_bytes: 1 << 20 });
    }
}
