//! Retention, budgets, bounds, and disks without room.

use std::sync::atomic::{AtomicI64, Ordering};

use super::*;
use crate::embedded::Clock;

async fn small_segments(disk: &MemoryDisk, options: Options) -> Arc<EmbeddedLog> {
    let options = Options { segment_bytes_min: 1, wal_file_bytes: 8 << 10, ..options };
    EmbeddedLog::open_on(Arc::new(disk.clone()), options).await.unwrap()
}

#[tokio::test]
async fn idle_partition_gives_up_its_last_segment_when_it_is_too_old() {
    let disk = MemoryDisk::new();
    let time = Arc::new(AtomicI64::new(1_000_000));
    let clock = Clock::by_hand(time.clone());
    let log = small_segments(&disk, Options { clock, ..Options::default() }).await;
    topic(&log, "t", &[("retention.ms", "1000")]).await;
    let partition = log.open_partition("t", 0).unwrap();
    append(&partition, batch(1_000_000, &["a", "b"])).await;
    log.core().retain().unwrap();
    assert_eq!(partition.log_start_offset(), 0);
    time.store(1_002_000, Ordering::Relaxed);
    log.core().retain().unwrap();
    assert_eq!((partition.log_start_offset(), partition.size_bytes()), (2, 0));
    assert_eq!(append(&partition, batch(1_002_000, &["c"])).await.base_offset, 2);
    assert_eq!(texts(&read_all(&partition, 2).await), ["c"]);
    let refused = partition.read(0, 1).await;
    assert!(matches!(refused, Err(LogError::OffsetOutOfRange { start: 2, .. })));
}

#[tokio::test]
async fn retention_by_size_binds_though_segments_might_be_larger() {
    let log = small_segments(&MemoryDisk::new(), Options::default()).await;
    topic(&log, "t", &[("retention.bytes", "400000"), ("retention.ms", "-1")]).await;
    let partition = log.open_partition("t", 0).unwrap();
    for _ in 0..60 {
        append(&partition, batch(1, &[&"x".repeat(20_000)])).await;
    }
    log.core().retain().unwrap();
    let size = partition.size_bytes();
    assert!((200_000..=400_000).contains(&size), "{size}");
}

#[tokio::test]
async fn disk_budget_takes_the_oldest_segments_of_all_topics() {
    let time = Arc::new(AtomicI64::new(1));
    let clock = Clock::by_hand(time.clone());
    let options = Options { disk_budget_bytes: Some(2_000_000), clock, ..Options::default() };
    let log = small_segments(&MemoryDisk::new(), options).await;
    topic(&log, "old", &[]).await;
    topic(&log, "new", &[]).await;
    topic(&log, "__consumer_offsets", &[]).await;
    let (old, new) = (log.open_partition("old", 0).unwrap(), log.open_partition("new", 0).unwrap());
    let offsets = log.open_partition("__consumer_offsets", 0).unwrap();
    append(&offsets, batch(1, &["x"])).await;
    append(&old, batch(1, &["x"])).await;
    let text = "x".repeat(50_000);
    for round in 2..100 {
        time.store(round, Ordering::Relaxed);
        append(&new, batch(1, &[&text])).await;
        assert!(old.size_bytes() + new.size_bytes() <= 2_000_000);
    }
    assert_eq!(offsets.log_start_offset(), 0, "internal topics are spared");
    assert_eq!((old.log_start_offset(), old.size_bytes()), (1, 0), "the oldest went first");
    assert!(new.log_start_offset() > 0 && new.size_bytes() > 1_500_000);
    let giant = batch(1, &[&"x".repeat(900_000)]);
    append(&new, giant).await;
    log.alter_topic("new", vec![("max.message.bytes".into(), Some("9000000".into()))])
        .await
        .unwrap();
    let refused =
        new.append(batch(1, &[&"x".repeat(2_500_000)]), Durability::Synced).unwrap().await;
    assert!(matches!(refused, Err(LogError::NoSpace(_))), "nothing can make room for that");
    assert!(matches!(*log.status().borrow(), Status::Unavailable(_)));
    append(&new, batch(1, &["y"])).await;
    assert_eq!(*log.status().borrow(), Status::Ready);
}

#[tokio::test]
async fn full_disk_refuses_loses_nothing_and_recovers() {
    for durability in ["fsync", "os"] {
        let disk = MemoryDisk::new();
        let log = small_segments(&disk, Options::default()).await;
        topic(&log, "t", &[("durability", durability)]).await;
        let partition = log.open_partition("t", 0).unwrap();
        append(&partition, batch(1, &["a"])).await;
        disk.set_fault(|fault| fault.capacity_bytes = Some(0));
        let burst = |text| partition.append(batch(1, &[text]), Durability::Synced).unwrap();
        let refused = [burst("b"), burst("c")];
        for pending in refused {
            assert!(matches!(pending.await, Err(LogError::NoSpace(_))));
        }
        assert!(matches!(*log.status().borrow(), Status::Unavailable(_)));
        assert_eq!(texts(&read_all(&partition, 0).await), ["a"]);
        disk.set_fault(|fault| fault.capacity_bytes = None);
        assert_eq!(append(&partition, batch(1, &["d"])).await.base_offset, 1);
        assert_eq!(*log.status().borrow(), Status::Ready);
        drop(log);
        let log = small_segments(&disk, Options::default()).await;
        let partition = log.open_partition("t", 0).unwrap();
        assert_eq!(texts(&read_all(&partition, 0).await), ["a", "d"], "{durability}");
    }
}

#[tokio::test]
async fn deleted_records_stay_deleted() {
    let disk = MemoryDisk::new();
    let log = small_segments(&disk, Options::default()).await;
    topic(&log, "t", &[("segment.bytes", "200")]).await;
    let partition = log.open_partition("t", 0).unwrap();
    for _ in 0..10 {
        append(&partition, batch(1, &["x", "y"])).await;
    }
    assert_eq!(partition.delete_records(7).await.unwrap(), 7);
    assert_eq!(partition.delete_records(3).await.unwrap(), 7, "never back");
    assert!(matches!(partition.delete_records(21).await, Err(LogError::OffsetOutOfRange { .. })));
    drop((log, partition));
    let log = small_segments(&disk, Options::default()).await;
    let partition = log.open_partition("t", 0).unwrap();
    assert_eq!(partition.log_start_offset(), 7);
    assert_eq!(partition.reader(Position::Earliest).await.unwrap().position(), 7);
    assert_eq!(partition.delete_records(-1).await.unwrap(), 20);
    assert_eq!(partition.size_bytes(), 0);
    assert_eq!(append(&partition, batch(1, &["z"])).await.base_offset, 20);
}

#[tokio::test]
async fn pending_bytes_are_bounded_and_freed() {
    let options = Options { pending_bytes: 1000, ..Options::default() };
    let log = small_segments(&MemoryDisk::new(), options).await;
    topic(&log, "t", &[]).await;
    let partition = log.open_partition("t", 0).unwrap();
    // Nothing is written while somebody holds the committer.
    let held = log.core().committer();
    let one = || partition.append(batch(1, &[&"x".repeat(300)]), Durability::Synced);
    let (first, second) = (one().unwrap(), one().unwrap());
    assert!(matches!(one(), Err(LogError::Full)));
    drop(held);
    assert_eq!((first.await.unwrap().base_offset, second.await.unwrap().base_offset), (0, 1));
    partition.ready().await;
    assert_eq!(one().unwrap().await.unwrap().base_offset, 2, "what was refused took no offset");
}
