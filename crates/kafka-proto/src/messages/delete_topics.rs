//! DeleteTopics: delete topics.

use crate::declare::{api, structs};
#[allow(unused_imports)]
use crate::wire::{Nullable, Str, Uuid};
#[allow(unused_imports)]
use bytes::Bytes;

api! {
    /// DeleteTopics (KIP-516 by id).
    DeleteTopics: DeleteTopicsRequest => DeleteTopicsResponse, versions 1..=6, flexible 4
}

structs! {
    /// Names up to version 5, names or ids from 6 on.
    DeleteTopicsRequest {
        topics: Vec<DeleteTopicState> [6..]; ignorable,
        topic_names: Vec<Str> [0..=5]; ignorable,
        timeout_ms: i32 [0..],
    }

    /// A topic by name or id.
    DeleteTopicState {
        name: Option<Str> [6..],
        topic_id: Uuid [6..],
    }

    /// What became of each.
    DeleteTopicsResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [1..]; ignorable,
        responses: Vec<DeletableTopicResult> [0..],
    }

    /// Of a topic.
    DeletableTopicResult {
        name: Option<Str> [0..],
        topic_id: Uuid [6..]; ignorable,
        error_code: i16 [0..],
        error_message: Option<Str> [5..]; ignorable,
    }
}
