//! What the log says, in the protocol's words: the one place where they are matched.

use klamm_kafka_proto::records::BatchError;
use klamm_kafka_proto::{ErrorCode, Str};
use klamm_log::LogError;

/// A code, and what to tell beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: ErrorCode,
    pub(super) text: String,
}

impl Refusal {
    pub(super) fn new(code: ErrorCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    pub(super) fn unknown_id() -> Self {
        ErrorCode::UnknownTopicId.into()
    }

    /// Transactions are not offered yet. Of all codes this is the one that every client takes for final.
    pub(super) fn no_transactions() -> Self {
        let text =
            "transactions are not offered yet; use an idempotent producer without transactional.id";
        Self::new(ErrorCode::TransactionalIdAuthorizationFailed, text)
    }

    pub(super) fn number(&self) -> i16 {
        self.code as i16
    }

    pub(super) fn message(&self) -> Option<Str> {
        Some(self.text.as_str().into())
    }
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self::new(code, code.text())
    }
}

impl From<LogError> for Refusal {
    fn from(error: LogError) -> Self {
        Self::new(code_of(&error), error.to_string())
    }
}

/// The code of a result, and its text if it is an error.
pub(super) fn outcome<T>(result: &Result<T, Refusal>) -> (i16, Option<Str>) {
    match result {
        Ok(_) => (ErrorCode::None as i16, None),
        Err(refusal) => (refusal.number(), refusal.message()),
    }
}

/// The code for an error of the log.
pub(super) fn code_of(error: &LogError) -> ErrorCode {
    match error {
        LogError::UnknownTopic(_) | LogError::UnknownPartition { .. } => {
            ErrorCode::UnknownTopicOrPartition
        }
        LogError::TopicExists(_) => ErrorCode::TopicAlreadyExists,
        LogError::InvalidTopic { .. } => ErrorCode::InvalidTopicException,
        LogError::InvalidPartitions(_) => ErrorCode::InvalidPartitions,
        LogError::InvalidReplication(_) => ErrorCode::InvalidReplicationFactor,
        LogError::InvalidConfig(_) => ErrorCode::InvalidConfig,
        LogError::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        LogError::Batch(error) => code_of_batch(*error),
        LogError::InvalidRecord(_) => ErrorCode::InvalidRecord,
        LogError::InvalidTimestamp(_) => ErrorCode::InvalidTimestamp,
        LogError::TooLarge { .. } => ErrorCode::MessageTooLarge,
        LogError::OutOfOrderSequence { .. } => ErrorCode::OutOfOrderSequenceNumber,
        LogError::ProducerFenced { .. } => ErrorCode::InvalidProducerEpoch,
        LogError::Full | LogError::Timeout(_) => ErrorCode::RequestTimedOut,
        LogError::Unavailable(_) => ErrorCode::LeaderNotAvailable,
        LogError::Refused(_) => ErrorCode::PolicyViolation,
        LogError::Unsupported(_) => ErrorCode::InvalidRequest,
        LogError::NoSpace(_) | LogError::Storage { .. } | LogError::Closed => {
            ErrorCode::KafkaStorageError
        }
        _ => ErrorCode::UnknownServerError,
    }
}

fn code_of_batch(error: BatchError) -> ErrorCode {
    match error {
        BatchError::Truncated { .. } | BatchError::Crc { .. } => ErrorCode::CorruptMessage,
        BatchError::Magic(_) => ErrorCode::UnsupportedForMessageFormat,
        BatchError::Unpacked { .. } => ErrorCode::RecordListTooLarge,
        _ => ErrorCode::InvalidRecord,
    }
}
