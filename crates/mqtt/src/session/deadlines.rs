//! Keep alive, stalls, and the end of lingering: one timer for all.

use std::future::Future;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Instant;

use super::{End, Session};
use crate::Closed;
use klamm_mqtt_proto::Reason;

/// When there is nothing to wait for: the timer looks again in an hour, which costs nothing.
pub(super) const FAR: Duration = Duration::from_secs(3600);

impl Session {
    pub(super) fn timer_before(&mut self, deadline: Instant) {
        if deadline < self.timer.deadline() {
            self.timer.as_mut().reset(deadline);
        }
    }

    /// Looks at every deadline when the timer fires, and sets it to the next. It is not reset with each packet. Ready when
    /// a deadline passed. The client's silence counts only if it was just `listened` to.
    pub(super) fn poll_deadlines(&mut self, listened: bool, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some(since) = self.output.waiting_since() {
                self.timer_before(since + self.limits.stalled);
            }
            ready!(self.timer.as_mut().poll(context));
            let now = Instant::now();
            if let End::Lingering(closed) = &self.end {
                self.end = closed.clone().map_or(End::Ended, End::Broken);
                return Poll::Ready(());
            }
            if let Some(closed) = self.overdue(listened, now) {
                if matches!(closed, Closed::KeepAlive) {
                    self.end_with(closed, Some((Reason::KeepAliveTimeout, None)));
                } else {
                    self.end = End::Broken(closed);
                }
                return Poll::Ready(());
            }
            let next = self.next_deadline(now);
            self.timer.as_mut().reset(next);
        }
    }

    fn overdue(&self, listened: bool, now: Instant) -> Option<Closed> {
        let stalled = self.limits.stalled;
        if self.output.waiting_since().is_some_and(|since| now >= since + stalled) {
            return Some(Closed::Stalled("the client does not take what is sent to it"));
        }
        if !listened || !self.may_read() {
            return None;
        }
        if !self.received.is_empty() && now >= self.last_received + stalled {
            return Some(Closed::Stalled("half a packet, and no more for too long"));
        }
        let keep_alive = self.keep_alive?;
        (now >= self.last_received + keep_alive).then_some(Closed::KeepAlive)
    }

    fn next_deadline(&self, now: Instant) -> Instant {
        let mut next = now + FAR;
        let mut before = |deadline: Instant| {
            if deadline > now {
                next = next.min(deadline);
            }
        };
        if let Some(keep_alive) = self.keep_alive {
            before(self.last_received + keep_alive);
            // It may be long over because nobody listened: look again when it could be over the next time.
            before(now + keep_alive);
        }
        if !self.received.is_empty() {
            before(self.last_received + self.limits.stalled);
            before(now + self.limits.stalled);
        }
        next
    }
}
