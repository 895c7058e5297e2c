//! Error codes (`org.apache.kafka.common.protocol.Errors`).

use std::fmt;

macro_rules! codes {
    ($($number:literal $name:ident $retriable:literal $text:literal;)*) => {
        /// An error as it goes over the wire.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[repr(i16)]
        pub enum ErrorCode {
            $(#[doc = $text] $name = $number,)*
        }

        impl ErrorCode {
            /// From its number; `None` for one not known here.
            pub fn from_number(number: i16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Whether a client may try again.
            pub fn is_retriable(self) -> bool {
                match self {
                    $(Self::$name => $retriable,)*
                }
            }

            /// What it means.
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

codes! {
    -1 UnknownServerError false "the server failed in a way that has no code";
    0 None false "no error";
    1 OffsetOutOfRange false "the offset is outside the partition";
    2 CorruptMessage true "the batch's bytes are not those that were summed up";
    3 UnknownTopicOrPartition true "no such topic or partition here";
    4 InvalidFetchSize false "that many bytes cannot be fetched";
    5 LeaderNotAvailable true "the partition has no leader now";
    6 NotLeaderOrFollower true "another broker leads the partition";
    7 RequestTimedOut true "the request took longer than it allowed";
    8 BrokerNotAvailable false "the broker is not available";
    9 ReplicaNotAvailable true "the replica is not available";
    10 MessageTooLarge false "the batch exceeds max.message.bytes";
    11 StaleControllerEpoch false "the controller has moved";
    12 OffsetMetadataTooLarge false "the metadata of a committed offset is too long";
    13 NetworkException true "the connection broke before the answer";
    14 CoordinatorLoadInProgress true "the coordinator is not ready yet";
    15 CoordinatorNotAvailable true "the coordinator is not available";
    16 NotCoordinator true "another broker is the coordinator";
    17 InvalidTopicException false "not a name a topic may have";
    18 RecordListTooLarge false "the batch unpacks to more than is allowed";
    19 NotEnoughReplicas true "fewer replicas are in sync than min.insync.replicas";
    20 NotEnoughReplicasAfterAppend true "written, but fewer replicas are in sync than min.insync.replicas";
    21 InvalidRequiredAcks false "acks is none of -1, 0 and 1";
    22 IllegalGeneration false "the member is not of this generation";
    23 InconsistentGroupProtocol false "the member shares no protocol with its group";
    24 InvalidGroupId false "not a name a group may have";
    25 UnknownMemberId false "no such member in the group";
    26 InvalidSessionTimeout false "the session timeout is outside what the broker allows";
    27 RebalanceInProgress false "the group is rebalancing: join again";
    28 InvalidCommitOffsetSize false "a committed offset is too large to store";
    29 TopicAuthorizationFailed false "not allowed to use the topic";
    30 GroupAuthorizationFailed false "not allowed to use the group";
    31 ClusterAuthorizationFailed false "not allowed for this cluster";
    32 InvalidTimestamp false "a timestamp is too far from now";
    33 UnsupportedSaslMechanism false "that SASL mechanism is not offered";
    34 IllegalSaslState false "that request does not come now";
    35 UnsupportedVersion false "that version of the API is not served";
    36 TopicAlreadyExists false "a topic of that name exists already";
    37 InvalidPartitions false "that number of partitions cannot be";
    38 InvalidReplicationFactor false "that replication factor cannot be";
    39 InvalidReplicaAssignment false "those replicas cannot be";
    40 InvalidConfig false "the configuration cannot be";
    41 NotController true "another broker is the controller";
    42 InvalidRequest false "the request makes no sense";
    43 UnsupportedForMessageFormat false "the record format is not supported";
    44 PolicyViolation false "a policy forbids it";
    45 OutOfOrderSequenceNumber false "an idempotent producer left a gap";
    46 DuplicateSequenceNumber false "an idempotent producer repeated itself";
    47 InvalidProducerEpoch false "a newer instance of the producer took over";
    48 InvalidTxnState false "the transaction is in no state for it";
    49 InvalidProducerIdMapping false "the producer id is not that transaction's";
    50 InvalidTransactionTimeout false "the transaction timeout is too long";
    51 ConcurrentTransactions true "the transaction before is not finished";
    52 TransactionCoordinatorFenced false "another broker coordinates the transaction now";
    53 TransactionalIdAuthorizationFailed false "not allowed to use the transactional id";
    54 SecurityDisabled false "security is off";
    55 OperationNotAttempted false "not tried, because others in the request failed";
    56 KafkaStorageError true "the log's storage failed";
    57 LogDirNotFound false "no such log directory";
    58 SaslAuthenticationFailed false "authentication failed";
    59 UnknownProducerId false "nothing is known of the producer id";
    60 ReassignmentInProgress false "a reassignment is going on";
    61 DelegationTokenAuthDisabled false "delegation tokens are off";
    62 DelegationTokenNotFound false "no such delegation token";
    63 DelegationTokenOwnerMismatch false "the delegation token is somebody else's";
    64 DelegationTokenRequestNotAllowed false "delegation tokens are not handed out on this connection";
    65 DelegationTokenAuthorizationFailed false "not allowed to use the delegation token";
    66 DelegationTokenExpired false "the delegation token has expired";
    67 InvalidPrincipalType false "not a kind of principal";
    68 NonEmptyGroup false "the group still has members";
    69 GroupIdNotFound false "no such group";
    70 FetchSessionIdNotFound true "no such fetch session";
    71 InvalidFetchSessionEpoch true "the fetch session has another epoch";
    72 ListenerNotFound true "the leader has no listener of that name";
    73 TopicDeletionDisabled false "topics cannot be deleted here";
    74 FencedLeaderEpoch true "the client's leader epoch is too old";
    75 UnknownLeaderEpoch true "the client's leader epoch is newer than the broker's";
    76 UnsupportedCompressionType false "that codec is not allowed in this version";
    77 StaleBrokerEpoch false "the broker has registered anew";
    78 OffsetNotAvailable true "the offset is not known yet";
    79 MemberIdRequired false "join again with the member id given";
    80 PreferredLeaderNotAvailable true "the preferred leader is not in sync";
    81 GroupMaxSizeReached false "the group has no room for another member";
    82 FencedInstanceId false "another member has the same group.instance.id";
    83 EligibleLeadersNotAvailable true "no replica may lead the partition";
    84 ElectionNotNeeded true "the partition has that leader already";
    85 NoReassignmentInProgress false "no reassignment is going on";
    86 GroupSubscribedToTopic false "a member of the group reads that topic";
    87 InvalidRecord false "a record this topic cannot hold";
    88 UnstableOffsetCommit true "the offset belongs to a transaction still open";
    89 ThrottlingQuotaExceeded true "a quota is spent";
    90 ProducerFenced false "a newer transaction of the same id took over";
    91 ResourceNotFound false "no such resource";
    92 DuplicateResource false "the same resource twice in one request";
    93 UnacceptableCredential false "that credential is not good enough";
    94 InconsistentVoterSet false "one side is not among the voters";
    95 InvalidUpdateVersion false "the feature cannot have that level";
    96 FeatureUpdateFailed false "the feature could not be set";
    97 PrincipalDeserializationFailure false "the principal of a forwarded request cannot be read";
    98 SnapshotNotFound false "no such snapshot";
    99 PositionOutOfRange false "outside the snapshot";
    100 UnknownTopicId true "no topic of that id here";
    101 DuplicateBrokerRegistration false "another broker runs under this id";
    102 BrokerIdNotRegistered false "no broker of that id is registered";
    103 InconsistentTopicId true "the topic has another id than the request says";
    104 InconsistentClusterId false "that is another cluster";
    105 TransactionalIdNotFound false "no such transactional id";
    106 FetchSessionTopicIdError true "the fetch session names topics in another way";
    107 IneligibleReplica false "a replica may not be in sync now";
    108 NewLeaderElected false "done, and the partition has another leader";
    109 OffsetMovedToTieredStorage false "the offset is in tiered storage";
    110 FencedMemberEpoch false "the member has been fenced: join again";
    111 UnreleasedInstanceId false "another member still has that group.instance.id";
    112 UnsupportedAssignor false "that assignor is not served";
    113 StaleMemberEpoch false "the member's epoch is too old";
    114 MismatchedEndpointType false "that kind of endpoint is another listener's";
    115 UnsupportedEndpointType false "that kind of endpoint is not served";
    116 UnknownControllerId false "no such controller";
    117 UnknownSubscriptionId false "no such subscription id";
    118 TelemetryTooLarge false "too much telemetry";
    119 InvalidRegistration false "the controller takes no such registration";
    120 TransactionAbortable false "the transaction must be aborted";
    121 InvalidRecordState false "the record is in no state to be acknowledged";
    122 ShareSessionNotFound true "no such share session";
    123 InvalidShareSessionEpoch true "the share session has another epoch";
    124 FencedStateEpoch false "the share group has another state epoch";
    125 InvalidVoterKey false "the voter has another id or directory";
    126 DuplicateVoter false "that node votes already";
    127 VoterNotFound false "no such voter";
    128 InvalidRegularExpression false "that regular expression makes no sense";
    129 RebootstrapRequired false "what the client knows of the cluster is too old";
    130 StreamsInvalidTopology false "that topology makes no sense";
    131 StreamsInvalidTopologyEpoch false "that topology epoch makes no sense";
    132 StreamsTopologyFenced false "the topology epoch is too old";
    133 ShareSessionLimitReached true "too many share sessions";
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ({}): {}", self, *self as i16, self.text())
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::ResponseError;

    use super::*;

    #[test]
    fn another_client_gives_codes_the_same_names() {
        let mut compared = 0;
        for number in (-1..=133).filter(|number| *number != 0) {
            let ours = ErrorCode::from_number(number).unwrap_or_else(|| panic!("{number}"));
            assert_eq!(ours as i16, number);
            let Some(theirs) = ResponseError::try_from_code(number) else { continue };
            if matches!(theirs, ResponseError::Unknown(_)) {
                continue;
            }
            assert_eq!(format!("{ours:?}"), format!("{theirs:?}"), "{number}");
            compared += 1;
        }
        assert!(compared > 100, "{compared} compared");
        assert_eq!(ErrorCode::from_number(134), None);
    }
}
