//! Offsets that expire, over a log in a temporary directory.

use klamm_kafka_proto::Str;
use klamm_kafka_proto::messages::join_group::{JoinGroupProtocol, JoinGroupRequest};
use klamm_log::Options;

use super::*;
use crate::kafka::KafkaOptions;
use crate::kafka::group::Joiner;

/// The log must outlive the coordinator: it closes when it is dropped.
async fn open(
    folder: &tempfile::TempDir,
    offsets_retention_ms: i64,
) -> (Arc<EmbeddedLog>, Arc<Coordinator>) {
    let log = EmbeddedLog::open(folder.path(), Options::default()).await.unwrap();
    if log.find(OFFSETS_TOPIC).is_none() {
        log.create_topic(NewTopic { name: "t".into(), ..NewTopic::default() }).await.unwrap();
    }
    let limits = GroupLimits { offsets_retention_ms, ..KafkaOptions::default().group_limits() };
    let coordinator = Coordinator::open(&log, limits, Arc::default()).await.unwrap();
    (log, coordinator)
}

fn simple(group_id: &str) -> Committer<'_> {
    Committer { group_id, member_id: "", instance_id: None, generation: -1 }
}

async fn commit(coordinator: &Arc<Coordinator>, committer: Committer<'_>, expires_ms: Option<i64>) {
    let committed = Committed {
        offset: 7,
        leader_epoch: -1,
        metadata: Str::default(),
        committed_ms: coordinator.now_ms(),
        expires_ms,
    };
    let taken = coordinator.commit(committer, &[("t".into(), 0, committed)]).await.unwrap();
    taken.await.unwrap();
}

async fn holds(coordinator: &Coordinator, group_id: &str) -> bool {
    let found = coordinator.offsets(group_id, |offsets| offsets.contains_key("t")).await.unwrap();
    found.unwrap_or(false)
}

/// A member of `g` that joined before the second join was asked for.
fn join(coordinator: &Arc<Coordinator>) {
    let protocol = JoinGroupProtocol { name: "range".into(), metadata: Default::default() };
    let request = JoinGroupRequest {
        group_id: "g".into(),
        session_timeout_ms: 10_000,
        protocol_type: "consumer".into(),
        protocols: vec![protocol],
        ..Default::default()
    };
    let joiner = Joiner {
        request: &request,
        version: 0,
        client_id: "c",
        client_host: "/h",
        new_member_id: "m".into(),
    };
    let (waiter, _told) = oneshot::channel();
    coordinator.join(&joiner, waiter).unwrap();
}

#[tokio::test]
async fn offsets_expire_only_once_their_group_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let (log, coordinator) = open(&folder, 0).await;
    commit(&coordinator, simple("g"), None).await;
    join(&coordinator);
    coordinator.expire().await.unwrap();
    assert!(holds(&coordinator, "g").await);
    coordinator.leave("g", &[("m", None)]);
    coordinator.expire().await.unwrap();
    assert!(!holds(&coordinator, "g").await);
    assert!(coordinator.look("g", |_| ()).is_none());
    log.close().await.unwrap();
    drop((log, coordinator));
    let (_log, again) = open(&folder, 0).await;
    assert!(again.look("g", |_| ()).is_none());
}

#[tokio::test]
async fn offsets_within_their_retention_stay_unless_the_client_said_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let (_log, coordinator) = open(&folder, 60_000).await;
    let now_ms = coordinator.now_ms();
    commit(&coordinator, simple("kept"), None).await;
    commit(&coordinator, simple("own"), Some(now_ms)).await;
    coordinator.expire().await.unwrap();
    assert!(holds(&coordinator, "kept").await);
    assert!(!holds(&coordinator, "own").await);
}

#[tokio::test]
async fn offsets_of_topics_that_went_without_notice_are_dropped_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let (log, coordinator) = open(&folder, 60_000).await;
    commit(&coordinator, simple("g"), None).await;
    log.delete_topic("t").await.unwrap();
    log.close().await.unwrap();
    drop((log, coordinator));
    let (_log, coordinator) = open(&folder, 60_000).await;
    assert!(!holds(&coordinator, "g").await);
}

#[tokio::test]
async fn table_takes_no_more_than_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(folder.path(), Options::default()).await.unwrap();
    let limits = GroupLimits { table_bytes_max: 50, ..KafkaOptions::default().group_limits() };
    let coordinator = Coordinator::open(&log, limits, Arc::default()).await.unwrap();
    let committed = Committed {
        offset: 7,
        leader_epoch: -1,
        metadata: Str::default(),
        committed_ms: 0,
        expires_ms: None,
    };
    let refused = coordinator.commit(simple("g"), &[("t".into(), 0, committed)]).await;
    assert_eq!(refused.unwrap_err().code(), ErrorCode::InvalidCommitOffsetSize);
}

#[tokio::test]
async fn members_count_towards_the_tables_bytes_while_they_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let (_log, coordinator) = open(&folder, 0).await;
    join(&coordinator);
    let with_member = coordinator.table().bytes();
    assert!(with_member > 500, "{with_member}");
    coordinator.leave("g", &[("m", None)]);
    let without = coordinator.table().bytes();
    assert!(without < 200, "{without}");
    coordinator.expire().await.unwrap();
    assert_eq!(coordinator.table().bytes(), 0);
}
