//! Frames, requests and responses of every API and version.

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::{RequestKind, ResponseKind};
use klamm_kafka_proto::{
    Api, ApiKey, Request, RequestHeader, Response, Wire, messages, read_response_header, take_frame,
};

/// No frame of a test is larger.
const FRAME_BYTES: usize = 1 << 16;

/// A stream of frames with requests. The first byte says in pieces of which size it arrives.
pub fn request(data: &[u8]) {
    let Some((piece, stream)) = data.split_first() else { return };
    for frame in frames_in_pieces(stream, usize::from(*piece) + 1) {
        read_request(frame);
    }
    // Without a length that is right by chance: the stream itself as one frame.
    read_request(Bytes::copy_from_slice(stream));
}

/// Frames taken as they arrive are those of the whole stream.
fn frames_in_pieces(stream: &[u8], piece: usize) -> Vec<Bytes> {
    let mut whole = BytesMut::from(stream);
    let mut expected = Vec::new();
    while let Ok(Some(frame)) = take_frame(&mut whole, FRAME_BYTES) {
        expected.push(frame);
    }
    let mut received = BytesMut::new();
    let mut frames = Vec::new();
    'stream: for bytes in stream.chunks(piece) {
        received.extend_from_slice(bytes);
        loop {
            match take_frame(&mut received, FRAME_BYTES) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(_) => break 'stream,
            }
        }
    }
    assert_eq!(frames, expected, "frames depend on how they arrive");
    frames
}

fn read_request(frame: Bytes) {
    let mut body = frame;
    let Ok(header) = RequestHeader::read(&mut body) else { return };
    let Some(key) = ApiKey::from_number(header.api_key) else { return };
    let version = header.api_version;
    if let Ok(request) = Request::read(key, version, &mut body) {
        let written = write_request(&request, version);
        let again = Request::read(key, version, &mut written.clone());
        assert_eq!(again.as_ref(), Ok(&request), "{key:?} request v{version} does not come back");
        peer_request(key, version, &written);
    }
}

/// A frame with a response. The first two bytes choose API and version.
pub fn response(data: &[u8]) {
    let Some(([api, version], frame)) = data.split_first_chunk::<2>() else { return };
    let key = ApiKey::ALL[usize::from(*api) % ApiKey::ALL.len()];
    let versions: Vec<i16> = key.versions().collect();
    let version = versions[usize::from(*version) % versions.len()];
    let mut body = Bytes::copy_from_slice(frame);
    if read_response_header(key, version, &mut body).is_err() {
        return;
    }
    if let Ok(response) = Response::read(key, version, &mut body) {
        let mut written = BytesMut::new();
        response.write(&mut written, version).expect("what was read in a version can be written");
        let written = written.freeze();
        let again = Response::read(key, version, &mut written.clone());
        assert_eq!(again.as_ref(), Ok(&response), "{key:?} response v{version} does not come back");
        peer_response(key, version, &written);
    }
}

macro_rules! apis {
    ($($name:ident $module:ident;)*) => {
        /// Appends the body of a request.
        pub(crate) fn write_request(request: &Request, version: i16) -> Bytes {
            let mut out = BytesMut::new();
            match request {
                $(Request::$name(body) => body.write(&mut out, messages::$module::$name::version(version)),)*
                _ => panic!("an API this list lacks: {request:?}"),
            }
            .expect("what was read in a version can be written");
            out.freeze()
        }

        /// Requests and responses without anything in them, in every version that can carry them.
        pub(crate) fn defaults() -> Vec<(ApiKey, i16, Option<Bytes>, Option<Bytes>)> {
            let mut found = Vec::new();
            $(for number in messages::$module::$name::VERSIONS {
                let version = messages::$module::$name::version(number);
                let mut request = BytesMut::new();
                let wrote = <messages::$module::$name as Api>::Request::default().write(&mut request, version);
                let request = wrote.is_ok().then(|| request.freeze());
                let mut response = BytesMut::new();
                let wrote = <messages::$module::$name as Api>::Response::default().write(&mut response, version);
                let response = wrote.is_ok().then(|| response.freeze());
                found.push((ApiKey::$name, number, request, response));
            })*
            found
        }
    };
}

apis! {
    Produce produce;
    Fetch fetch;
    ListOffsets list_offsets;
    Metadata metadata;
    OffsetCommit offset_commit;
    OffsetFetch offset_fetch;
    FindCoordinator find_coordinator;
    JoinGroup join_group;
    Heartbeat heartbeat;
    LeaveGroup leave_group;
    SyncGroup sync_group;
    DescribeGroups describe_groups;
    ListGroups list_groups;
    SaslHandshake sasl_handshake;
    ApiVersions api_versions;
    CreateTopics create_topics;
    DeleteTopics delete_topics;
    DeleteRecords delete_records;
    InitProducerId init_producer_id;
    OffsetForLeaderEpoch offset_for_leader_epoch;
    DescribeAcls describe_acls;
    CreateAcls create_acls;
    DeleteAcls delete_acls;
    DescribeConfigs describe_configs;
    AlterConfigs alter_configs;
    DescribeLogDirs describe_log_dirs;
    SaslAuthenticate sasl_authenticate;
    CreatePartitions create_partitions;
    DeleteGroups delete_groups;
    ElectLeaders elect_leaders;
    IncrementalAlterConfigs incremental_alter_configs;
    AlterPartitionReassignments alter_partition_reassignments;
    ListPartitionReassignments list_partition_reassignments;
    OffsetDelete offset_delete;
    DescribeClientQuotas describe_client_quotas;
    AlterClientQuotas alter_client_quotas;
    DescribeUserScramCredentials describe_user_scram_credentials;
    AlterUserScramCredentials alter_user_scram_credentials;
    DescribeQuorum describe_quorum;
    UpdateFeatures update_features;
    DescribeCluster describe_cluster;
    UnregisterBroker unregister_broker;
    DescribeTopicPartitions describe_topic_partitions;
    AddRaftVoter add_raft_voter;
    RemoveRaftVoter remove_raft_voter;
}

/// The other codec's name of an API, when it knows the version.
fn peer(ours: ApiKey, version: i16) -> Option<kafka_protocol::messages::ApiKey> {
    let key = kafka_protocol::messages::ApiKey::try_from(ours as i16).ok()?;
    let range = key.valid_versions();
    (range.min..=range.max).contains(&version).then_some(key)
}

/// Another codec reads what is written here, and writes the same.
fn peer_request(ours: ApiKey, version: i16, bytes: &Bytes) {
    let Some(key) = peer(ours, version) else { return };
    let mut rest = bytes.clone();
    let read = RequestKind::decode(key, &mut rest, version);
    let read = read.unwrap_or_else(|error| panic!("{ours:?} request v{version}: {error}"));
    assert!(!rest.has_remaining(), "{ours:?} request v{version}: bytes left over");
    let mut out = BytesMut::new();
    read.encode(&mut out, version).unwrap_or_else(|error| panic!("{ours:?} v{version}: {error}"));
    assert_eq!(&out.freeze(), bytes, "{ours:?} request v{version}");
}

fn peer_response(ours: ApiKey, version: i16, bytes: &Bytes) {
    let Some(key) = peer(ours, version) else { return };
    let mut rest = bytes.clone();
    let read = ResponseKind::decode(key, &mut rest, version);
    let read = read.unwrap_or_else(|error| panic!("{ours:?} response v{version}: {error}"));
    assert!(!rest.has_remaining(), "{ours:?} response v{version}: bytes left over");
    let mut out = BytesMut::new();
    read.encode(&mut out, version).unwrap_or_else(|error| panic!("{ours:?} v{version}: {error}"));
    assert_eq!(&out.freeze(), bytes, "{ours:?} response v{version}");
}
