//! An append whose durability is still to come.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::sync::oneshot;

use crate::LogError;

/// Where an append ended up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Offset of the batch's first record.
    pub base_offset: i64,
    /// Milliseconds since 1970 when the log set the timestamps (`message.timestamp.type=LogAppendTime`).
    pub log_append_time: Option<i64>,
    /// First offset the partition keeps; -1 when the log in use does not tell.
    pub log_start_offset: i64,
}

/// An admitted append: resolves once the asked-for [`crate::Durability`] holds, or to the error that
/// prevented it. The order of offsets was fixed when the append was admitted; this only tells the end.
///
/// Dropping it does not undo the append. It means that nobody will be told, so a protocol must not
/// acknowledge.
#[derive(Debug)]
#[must_use = "an append is acknowledged only when this resolves"]
pub struct Pending(Inner);

#[derive(Debug)]
enum Inner {
    Ready(Option<Result<Appended, LogError>>),
    Waiting(oneshot::Receiver<Result<Appended, LogError>>),
}

/// The log's end of a [`Pending`]. Dropped without a call it resolves to [`LogError::Closed`].
#[derive(Debug)]
pub struct Completion(oneshot::Sender<Result<Appended, LogError>>);

impl Pending {
    /// One that resolves at once.
    pub fn ready(result: Result<Appended, LogError>) -> Self {
        Self(Inner::Ready(Some(result)))
    }

    /// One that resolves when its [`Completion`] is called.
    pub fn channel() -> (Completion, Self) {
        let (sender, receiver) = oneshot::channel();
        (Completion(sender), Self(Inner::Waiting(receiver)))
    }

    /// Says that nobody waits for the end of this append (`acks=0`).
    pub fn forget(self) {}
}

impl Completion {
    /// Tells the end of the append.
    pub fn complete(self, result: Result<Appended, LogError>) {
        // Nobody listening is fine: the append stands without its acknowledgement.
        let _ = self.0.send(result);
    }
}

impl Future for Pending {
    type Output = Result<Appended, LogError>;

    /// # Panics
    /// When polled after it resolved.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Inner::Ready(result) => Poll::Ready(result.take().expect("polled after it resolved")),
            Inner::Waiting(receiver) => Poll::Ready(
                ready!(Pin::new(receiver).poll(context)).unwrap_or(Err(LogError::Closed)),
            ),
        }
    }
}
