//! Which partitions must be followed for which topic filters.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use klamm_log::{LogError, Position};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::tail::{Surroundings, Tail, TailHandle};
use crate::topics::{OpenTopic, Topics};

/// How often topics and partitions made elsewhere are looked for, while some subscription may need them.
const REFRESH: Duration = Duration::from_secs(5);

/// Keeps the tails of one subscription running.
#[derive(Debug)]
pub struct Interest {
    filter: Box<str>,
    tails: std::sync::Mutex<Vec<Arc<TailHandle>>>,
}

/// The tails of the process.
#[derive(Debug)]
pub struct Interests {
    topics: Arc<Topics>,
    around: Arc<Surroundings>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: HashMap<(Arc<str>, u32), Weak<TailHandle>>,
    /// Subscriptions that may need topics or partitions yet to be made.
    open: Vec<Weak<Interest>>,
    /// Length of `open` at which those that are gone are taken out.
    full: usize,
}

impl Interests {
    /// Nothing is followed yet.
    pub fn new(topics: Arc<Topics>, around: Arc<Surroundings>) -> Arc<Self> {
        Arc::new(Self { topics, around, state: Mutex::default() })
    }

    /// Follows every partition that can hold messages for the filter. When this resolves, all that is
    /// appended from now on will be offered.
    ///
    /// # Errors
    /// What the log says; nothing is followed then.
    pub async fn add(&self, filter: &str) -> Result<Arc<Interest>, LogError> {
        let mut needed = Vec::new();
        for (name, route) in self.around.routes.fixed_topics(filter) {
            let partitions = self.around.routes.partitions(route);
            needed.push(self.topics.find_or_create(name, partitions).await?);
        }
        let open = self.around.routes.has_open_topics(filter);
        let mut state = self.state.lock().await;
        if open {
            for topic in self.topics.log().topics().await? {
                if self.around.routes.may_feed(&topic.name, filter)
                    && let Some(found) = self.topics.find(&topic.name).await?
                    && !needed.iter().any(|known| known.name == found.name)
                {
                    needed.push(found);
                }
            }
        }
        let interest = Arc::new(Interest { filter: filter.into(), tails: Default::default() });
        for topic in needed {
            self.follow(&mut state, &interest, &topic, Position::Latest).await?;
        }
        if state.open.len() >= state.full {
            state.open.retain(|interest| interest.strong_count() > 0);
            // Twice those alive: the walk costs each subscription a constant on average.
            state.full = 2 * state.open.len().max(16);
        }
        state.open.push(Arc::downgrade(&interest));
        Ok(interest)
    }

    /// Looks for new topics and partitions until stopped.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let mut opened = self.topics.opened();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                changed = opened.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(REFRESH) => {}
            }
            if let Err(error) = self.refresh().await {
                tracing::debug!(%error, "looking for new topics failed; it will be tried again");
            }
        }
    }

    async fn refresh(&self) -> Result<(), LogError> {
        let mut state = self.state.lock().await;
        state.running.retain(|_, tail| tail.strong_count() > 0);
        let interests: Vec<Arc<Interest>> = state.open.iter().filter_map(Weak::upgrade).collect();
        if interests.is_empty() {
            return Ok(());
        }
        for topic in self.topics.log().topics().await? {
            let grown = self
                .topics
                .known(&topic.name)
                .is_some_and(|open| open.partitions.len() < topic.partitions as usize);
            if grown {
                self.topics.forget(&topic.name);
            }
            for interest in &interests {
                if !self.around.routes.may_feed(&topic.name, &interest.filter) {
                    continue;
                }
                if let Some(open) = self.topics.find(&topic.name).await? {
                    // Not followed yet although it feeds the filter: it came after the subscription.
                    self.follow(&mut state, interest, &open, Position::Earliest).await?;
                }
            }
        }
        Ok(())
    }

    async fn follow(
        &self,
        state: &mut State,
        interest: &Interest,
        topic: &OpenTopic,
        from: Position,
    ) -> Result<(), LogError> {
        for partition in &topic.partitions {
            let key = (Arc::clone(&topic.name), partition.index());
            if interest.has(&key) {
                continue;
            }
            let running = state.running.get(&key).and_then(Weak::upgrade);
            let tail = match running.filter(|tail| !tail.has_ended()) {
                Some(tail) => tail,
                None => {
                    let around = Arc::clone(&self.around);
                    let tail = Arc::new(Tail::start(Arc::clone(partition), from, around).await?);
                    state.running.insert(key, Arc::downgrade(&tail));
                    tail
                }
            };
            interest.keep(tail);
        }
        Ok(())
    }
}

impl Interest {
    fn has(&self, key: &(Arc<str>, u32)) -> bool {
        let tails = self.tails.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        tails.iter().any(|tail| !tail.has_ended() && tail.is_of(&key.0, key.1))
    }

    fn keep(&self, tail: Arc<TailHandle>) {
        let mut tails = self.tails.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        tails.retain(|known| !known.has_ended());
        tails.push(tail);
    }
}
