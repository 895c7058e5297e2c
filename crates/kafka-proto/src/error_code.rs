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
    5 LeaderNotAvailable true "the partition has no leader now";
    6 NotLeaderOrFollower true "another broker leads the partition";
    7 RequestTimedOut true "the request took longer than it allowed";
    10 MessageTooLarge false "the batch exceeds max.message.bytes";
    12 OffsetMetadataTooLarge false "the metadata of a committed offset is too long";
    13 NetworkException true "the connection broke before the answer";
    14 CoordinatorLoadInProgress true "the coordinator is not ready yet";
    15 CoordinatorNotAvailable true "the coordinator is not available";
    16 NotCoordinator true "another broker is the coordinator";
    17 InvalidTopicException false "not a name a topic may have";
    18 RecordListTooLarge false "the batch unpacks to more than is allowed";
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
    53 TransactionalIdAuthorizationFailed false "not allowed to use the transactional id";
    54 SecurityDisabled false "security is off";
    55 OperationNotAttempted false "not tried, because others in the request failed";
    56 KafkaStorageError true "the log's storage failed";
    58 SaslAuthenticationFailed false "authentication failed";
    59 UnknownProducerId false "nothing is known of the producer id";
    60 ReassignmentInProgress false "a reassignment is going on";
    68 NonEmptyGroup false "the group still has members";
    69 GroupIdNotFound false "no such group";
    70 FetchSessionIdNotFound true "no such fetch session";
    71 InvalidFetchSessionEpoch true "the fetch session has another epoch";
    74 FencedLeaderEpoch true "the client's leader epoch is too old";
    75 UnknownLeaderEpoch true "the client's leader epoch is newer than the broker's";
    76 UnsupportedCompressionType false "that codec is not allowed in this version";
    78 OffsetNotAvailable true "the offset is not known yet";
    79 MemberIdRequired false "join again with the member id given";
    81 GroupMaxSizeReached false "the group has no room for another member";
    82 FencedInstanceId false "another member has the same group.instance.id";
    86 GroupSubscribedToTopic false "a member of the group reads that topic";
    87 InvalidRecord false "a record this topic cannot hold";
    88 UnstableOffsetCommit true "the offset belongs to a transaction still open";
    89 ThrottlingQuotaExceeded true "a quota is spent";
    90 ProducerFenced false "a newer transaction of the same id took over";
    100 UnknownTopicId true "no topic of that id here";
    103 InconsistentTopicId true "the topic has another id than the request says";
    116 UnknownSubscriptionId false "no such subscription id";
    117 TelemetryTooLarge false "too much telemetry";
    119 UnsupportedEndpointType false "that kind of endpoint is not served";
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ({}): {}", self, *self as i16, self.text())
    }
}
