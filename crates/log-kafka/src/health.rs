//! Whether the cluster can be reached: what the client's errors and successes say together.
//!
//! ```text
//!   connect                 a success: metadata, a delivery, a record
//!      |                  +-------------------------------+
//!      v                  |                               v
//!  Unavailable("has not answered yet")                  Ready
//!                         ^                               |
//!                         +-------------------------------+
//!                  all brokers down, or authentication refused
//! ```
//!
//! While it is not ready, [`crate::KafkaLog`] asks for metadata every half second.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use klamm_log::Status;
use rdkafka::error::RDKafkaErrorCode as Code;
use tokio::sync::watch;

#[derive(Debug)]
pub(crate) struct Health {
    servers: String,
    status: watch::Sender<Status>,
    /// The same as `status`, for the many successes that change nothing.
    ready: AtomicBool,
    /// What was last said about a single connection.
    reason: Mutex<String>,
    /// What was logged of this outage, or of this start: each only once, since clients try again all the time.
    logged: Mutex<Vec<Why>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Refused,
    Unreachable,
}

impl Health {
    pub(crate) fn new(servers: &str) -> Self {
        let text = format!("no broker of {servers} has answered yet");
        Self {
            servers: servers.to_owned(),
            status: watch::Sender::new(Status::Unavailable(text)),
            ready: AtomicBool::new(false),
            reason: Mutex::default(),
            logged: Mutex::default(),
        }
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// The cluster answered.
    pub(crate) fn reached(&self) {
        if !self.ready.swap(true, Ordering::AcqRel) {
            tracing::info!(servers = %self.servers, "Apache Kafka answers");
            self.logged().clear();
            self.status.send_replace(Status::Ready);
        }
    }

    /// A client handle reported an error.
    pub(crate) fn failed(&self, code: Code, text: &str) {
        match code {
            Code::Authentication | Code::SaslAuthenticationFailed | Code::SSL => {
                let text = format!("{} refuses this client: {text}", self.servers);
                self.unavailable(Why::Refused, text);
            }
            Code::BrokerTransportFailure | Code::Resolve => {
                text.clone_into(&mut self.reason());
                if !self.ready.load(Ordering::Acquire) {
                    let text = format!("cannot reach {}: {text}", self.servers);
                    self.unavailable(Why::Unreachable, text);
                }
            }
            Code::AllBrokersDown => {
                let reason = self.reason().clone();
                let reason = if reason.is_empty() { text } else { &reason };
                let text = format!("cannot reach {}: {reason}", self.servers);
                self.unavailable(Why::Unreachable, text);
            }
            _ => {}
        }
    }

    fn unavailable(&self, why: Why, text: String) {
        self.ready.store(false, Ordering::Release);
        if self.is_news(why) {
            tracing::warn!(servers = %self.servers, "Apache Kafka is unavailable: {text}");
        }
        self.status.send_if_modified(|status| {
            let new = Status::Unavailable(text);
            let changed = *status != new;
            *status = new;
            changed
        });
    }

    fn is_news(&self, why: Why) -> bool {
        let mut logged = self.logged();
        let is_news = !logged.contains(&why);
        if is_news {
            logged.push(why);
        }
        is_news
    }

    fn logged(&self) -> std::sync::MutexGuard<'_, Vec<Why>> {
        self.logged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reason(&self) -> std::sync::MutexGuard<'_, String> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(health: &Health) -> String {
        match &*health.watch().borrow() {
            Status::Unavailable(text) => text.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn outage_names_servers_and_reason_and_ends_with_a_success() {
        let health = Health::new("a:1,b:2");
        assert!(text(&health).contains("a:1,b:2"));
        health.reached();
        assert_eq!(*health.watch().borrow(), Status::Ready);
        health.failed(Code::BrokerTransportFailure, "b:2: connection refused");
        assert_eq!(*health.watch().borrow(), Status::Ready, "one broker may be down");
        health.failed(Code::AllBrokersDown, "2/2 brokers are down");
        assert!(text(&health).contains("connection refused"));
        health.reached();
        assert_eq!(*health.watch().borrow(), Status::Ready);
    }

    #[test]
    fn outage_is_logged_once_for_each_kind_of_reason_and_a_start_too() {
        let health = Health::new("a:1");
        health.failed(Code::BrokerTransportFailure, "connection refused");
        assert!(!health.is_news(Why::Unreachable), "a client that never connected says why");
        health.failed(Code::SSL, "certificate verify failed");
        assert!(!health.is_news(Why::Refused), "what comes after it is said too");
        health.reached();
        assert!(health.is_news(Why::Unreachable), "another outage is another one");
    }

    #[test]
    fn refused_authentication_is_said_in_the_brokers_words() {
        let health = Health::new("a:1");
        health.reached();
        health.failed(Code::Authentication, "invalid credentials");
        assert!(text(&health).contains("invalid credentials"));
    }
}
