//! What the cluster and its client say, in the log's words.

use std::sync::Arc;

use klamm_log::LogError;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// What an error is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    /// The topic, or "".
    pub(crate) topic: &'a str,
    /// How long the answer was waited for.
    pub(crate) timeout_ms: u64,
}

/// The one place where errors of the cluster become the log's.
pub(crate) fn log_error(error: &KafkaError, about: About<'_>) -> LogError {
    match error.rdkafka_error_code() {
        Some(code) => of_code(code, about),
        None => match error {
            KafkaError::AdminOp(code) => of_code(*code, about),
            KafkaError::Canceled => LogError::Closed,
            KafkaError::ClientConfig(..) | KafkaError::ClientCreation(_) => {
                LogError::InvalidConfig(crate::options::text(error))
            }
            other => LogError::Refused(other.to_string()),
        },
    }
}

// tidy: flat match
/// See [`log_error`].
pub(crate) fn of_code(code: Code, about: About<'_>) -> LogError {
    let topic = about.topic;
    let text = || {
        if topic.is_empty() { code.to_string() } else { format!("topic '{topic}': {code}") }
    };
    match code {
        // Partitions do not go away singly: one that is unknown after it was found went with its topic.
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => {
            LogError::UnknownTopic(Arc::from(topic))
        }
        Code::TopicAlreadyExists => LogError::TopicExists(Arc::from(topic)),
        Code::InvalidTopic => LogError::InvalidTopic {
            name: topic.to_owned(),
            why: "is refused by the cluster".to_owned(),
        },
        Code::InvalidPartitions => LogError::InvalidPartitions(text()),
        Code::InvalidReplicationFactor | Code::InvalidReplicaAssignment => {
            LogError::InvalidReplication(text())
        }
        Code::InvalidConfig => LogError::InvalidConfig(text()),
        Code::InvalidTimestamp => LogError::InvalidTimestamp(text()),
        Code::InvalidRecord => LogError::InvalidRecord(text()),
        Code::QueueFull => LogError::Full,
        Code::MessageTimedOut
        | Code::OperationTimedOut
        | Code::RequestTimedOut
        | Code::TimedOutQueue => LogError::Timeout(about.timeout_ms),
        Code::PurgeQueue | Code::PurgeInflight | Code::BrokerDestroy | Code::DestroyBroker => {
            LogError::Closed
        }
        Code::BadMessage
        | Code::BadCompression
        | Code::InvalidMessage
        | Code::Underflow
        | Code::LogTruncation => LogError::Corrupt(text()),
        Code::UnsupportedFeature
        | Code::NotImplemented
        | Code::UnsupportedVersion
        | Code::SecurityDisabled => LogError::Unsupported(text()),
        // A fatal error of the producer ends its handle, and the next append brings another.
        Code::Fatal
        | Code::OutOfOrderSequenceNumber
        | Code::InvalidProducerEpoch
        | Code::ProducerFenced
        | Code::UnknownProducerId => LogError::Unavailable(text()),
        code if is_passing(code) => LogError::Unavailable(text()),
        // Authorisation, policy, and what librdkafka may say one day: not to be tried again unasked.
        _ => LogError::Refused(text()),
    }
}

/// The cluster or the way to it is at fault, and may be well again without anybody's doing.
fn is_passing(code: Code) -> bool {
    matches!(
        code,
        Code::AllBrokersDown
            | Code::Authentication
            | Code::AutoOffsetReset
            | Code::BrokerNotAvailable
            | Code::BrokerTransportFailure
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::EligibleLeadersNotAvailable
            | Code::FencedLeaderEpoch
            | Code::ISRInsufficient
            | Code::InProgress
            | Code::KafkaStorageError
            | Code::LeaderNotAvailable
            | Code::NetworkException
            | Code::NotController
            | Code::NotCoordinator
            | Code::NotEnoughReplicas
            | Code::NotEnoughReplicasAfterAppend
            | Code::NotLeaderForPartition
            | Code::OffsetNotAvailable
            | Code::PreferredLeaderNotAvailable
            | Code::PreviousInProgress
            | Code::ReassignmentInProgress
            | Code::ReplicaNotAvailable
            | Code::Resolve
            | Code::Retry
            | Code::SSL
            | Code::SaslAuthenticationFailed
            | Code::StaleBrokerEpoch
            | Code::StaleControllerEpoch
            | Code::ThrottlingQuotaExceeded
            | Code::UnknownBroker
            | Code::UnknownLeaderEpoch
            | Code::WaitCache
            | Code::WaitingForCoordinator
    )
}

/// The partition has no leader where it was asked for, as just after it was made, or after a restart.
pub(crate) fn is_leaderless(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::FencedLeaderEpoch
                | Code::LeaderNotAvailable
                | Code::NotLeaderForPartition
                | Code::OffsetNotAvailable
                | Code::ReplicaNotAvailable
                | Code::UnknownLeaderEpoch
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use klamm_log::Fault;

    const ABOUT: About<'static> = About { topic: "t", timeout_ms: 7 };

    #[test]
    fn errors_keep_their_meaning() {
        let of = |code| of_code(code, ABOUT);
        assert!(
            matches!(of(Code::UnknownTopicOrPartition), LogError::UnknownTopic(t) if &*t == "t")
        );
        assert!(matches!(of(Code::TopicAlreadyExists), LogError::TopicExists(_)));
        assert!(
            matches!(of(Code::TopicAuthorizationFailed), LogError::Refused(t) if t.contains("'t'"))
        );
        assert!(matches!(of(Code::PolicyViolation), LogError::Refused(_)));
        assert!(matches!(of(Code::MessageTimedOut), LogError::Timeout(7)));
        assert!(matches!(of(Code::QueueFull), LogError::Full));
        assert!(matches!(of(Code::InvalidReplicationFactor), LogError::InvalidReplication(_)));
        assert!(matches!(of(Code::InvalidConfig), LogError::InvalidConfig(_)));
        assert!(matches!(of(Code::UnsupportedVersion), LogError::Unsupported(_)));
    }

    #[test]
    fn outages_are_retryable_and_refusals_are_not() {
        for code in [Code::AllBrokersDown, Code::NotLeaderForPartition, Code::NotEnoughReplicas] {
            let error = of_code(code, ABOUT);
            assert!(error.is_retryable() && error.fault() == Fault::Log, "{code:?}");
        }
        for code in [Code::TopicAuthorizationFailed, Code::ClusterAuthorizationFailed] {
            let error = of_code(code, ABOUT);
            assert!(!error.is_retryable() && error.fault() == Fault::Caller, "{code:?}");
        }
    }
}
