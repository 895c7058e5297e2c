//! Messages between the driver and whoever pulls them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use tokio::sync::Notify;

use super::ClientError;
use crate::Closed;
use crate::event::Message;

/// A bounded queue with the end of the connection at its end.
#[derive(Debug)]
pub(super) struct Inbound {
    state: Mutex<State>,
    more: Notify,
    max: usize,
}

#[derive(Debug, Default)]
struct State {
    messages: VecDeque<Message>,
    ended: Option<ClientError>,
    /// Of the driver, when it waits for room.
    driver: Option<Waker>,
}

impl Inbound {
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), more: Notify::new(), max })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn next(&self) -> Result<Message, ClientError> {
        loop {
            let more = self.more.notified();
            {
                let mut state = self.state();
                if let Some(message) = state.messages.pop_front() {
                    if let Some(driver) = state.driver.take() {
                        driver.wake();
                    }
                    if !state.messages.is_empty() {
                        self.more.notify_one();
                    }
                    return Ok(message);
                }
                if let Some(error) = &state.ended {
                    self.more.notify_one();
                    return Err(error.clone());
                }
            }
            more.await;
        }
    }

    /// Adds what one read of the socket brought: the queue may exceed its bound by that.
    pub(super) fn push(&self, messages: &mut Vec<Message>) {
        if messages.is_empty() {
            return;
        }
        self.state().messages.extend(messages.drain(..));
        self.more.notify_one();
    }

    /// Whether there is room; without it the driver is woken when there is.
    pub(super) fn has_room(&self, context: &Context<'_>) -> bool {
        let mut state = self.state();
        if state.messages.len() < self.max {
            return true;
        }
        state.driver = Some(context.waker().clone());
        false
    }

    pub(super) fn end(&self, error: ClientError) {
        self.state().ended.get_or_insert(error);
        self.more.notify_one();
    }

    pub(super) fn why_ended(&self) -> ClientError {
        self.state().ended.clone().unwrap_or(ClientError::Closed(Closed::ByPeer))
    }
}
