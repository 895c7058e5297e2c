//! Handlers by topic: what a gateway that stores or forwards messages is made of.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use klamm_mqtt_proto::Reason;
use klamm_net::Drained;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::connect::{Accept, Connect};
use crate::event::{Event, Message};
use crate::server::{HandlerError, Server};
use crate::session::Session;

mod pattern;

use pattern::Pattern;
pub use pattern::{Captures, PatternError};

type Handler<S> =
    Box<dyn Fn(Inbound<S>) -> Pin<Box<dyn Future<Output = Reason> + Send>> + Send + Sync>;
type Authorize = Box<dyn Fn(&Connect) -> Result<(), Reason> + Send + Sync>;

/// A message for a handler. Its acknowledgement is what the handler returns.
#[derive(Debug)]
pub struct Inbound<S> {
    /// What all handlers share.
    pub state: S,
    /// The message.
    pub message: Message,
    /// What the pattern's captures stand for.
    pub captures: Captures,
    /// Who published it.
    pub client_id: Arc<str>,
}

/// Patterns with handlers, tried in order. A pattern's levels are literal, `{name}` for any one, or a last `#` for the rest.
///
/// ```no_run
/// # use klamm_mqtt::{CancellationToken, Inbound, Reason, Router, Server};
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let router = Router::new(())
///     .publish("telemetry/{tenant}/{device}", |inbound: Inbound<()>| async move {
///         println!("{}: {:?}", &inbound.captures["device"], inbound.message.payload());
///         Reason::Success
///     })?;
/// router.serve(Server::bind("127.0.0.1:1883".parse()?)?, CancellationToken::new()).await;
/// # Ok(()) }
/// ```
pub struct Router<S> {
    state: S,
    routes: Vec<(Pattern, Handler<S>)>,
    authorize: Authorize,
    accept: Accept,
    concurrency: usize,
}

impl<S: fmt::Debug> fmt::Debug for Router<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let patterns: Vec<&Pattern> = self.routes.iter().map(|(pattern, _)| pattern).collect();
        f.debug_struct("Router")
            .field("state", &self.state)
            .field("routes", &patterns)
            .finish_non_exhaustive()
    }
}

impl<S: Clone + Send + Sync + 'static> Router<S> {
    /// Without routes; every client is let in, and its messages are handled one after the other.
    pub fn new(state: S) -> Self {
        let accept = Accept { retain_available: false, ..Accept::default() };
        let authorize = Box::new(|_: &Connect| Ok(()));
        Self { state, routes: Vec::new(), authorize, accept, concurrency: 1 }
    }

    /// Adds a handler for messages whose topic name matches the pattern.
    ///
    /// # Errors
    /// A pattern that cannot be.
    pub fn publish<H, F>(mut self, pattern: &str, handler: H) -> Result<Self, PatternError>
    where
        H: Fn(Inbound<S>) -> F + Send + Sync + 'static,
        F: Future<Output = Reason> + Send + 'static,
    {
        let handler: Handler<S> = Box::new(move |inbound| Box::pin(handler(inbound)));
        self.routes.push((Pattern::new(pattern)?, handler));
        Ok(self)
    }

    /// Decides who is let in.
    #[must_use]
    pub fn authorize(
        mut self,
        authorize: impl Fn(&Connect) -> Result<(), Reason> + Send + Sync + 'static,
    ) -> Self {
        self.authorize = Box::new(authorize);
        self
    }

    /// What clients are offered.
    #[must_use]
    pub fn accept(mut self, accept: Accept) -> Self {
        self.accept = accept;
        self
    }

    /// Messages of one client that are handled at a time; acknowledgements keep their order, the handlers' effects need
    /// not. The socket is not read while so many are.
    #[must_use]
    pub fn concurrency(mut self, messages: usize) -> Self {
        self.concurrency = messages.max(1);
        self
    }

    /// Serves clients until `shutdown` is cancelled and every session has ended.
    pub async fn serve(self, server: Server, shutdown: CancellationToken) -> Drained {
        let router = Arc::new(self);
        server
            .serve(shutdown, move |connect| {
                let router = Arc::clone(&router);
                async move { router.serve_client(connect).await }
            })
            .await
    }

    /// Serves one client to its end.
    ///
    /// # Errors
    /// How the connection ended, unless the client said goodbye.
    pub async fn serve_client(&self, connect: Connect) -> Result<(), HandlerError> {
        if let Err(reason) = (self.authorize)(&connect) {
            connect.refuse(reason).await;
            return Ok(());
        }
        let mut session = connect.accept(self.accept.clone()).await?;
        let client_id: Arc<str> = session.client_id().as_str().into();
        let mut working = JoinSet::new();
        let mut closed = None;
        while let Some(event) = session.next().await {
            let event = match event {
                Ok(event) => event,
                Err(error) => {
                    closed = Some(error);
                    break;
                }
            };
            match event {
                Event::Publish(message) => {
                    self.handle(&mut session, &mut working, message, &client_id).await;
                }
                Event::Subscribe(request) => request.refuse(Reason::NotAuthorized),
                Event::Unsubscribe(request) => {
                    let reasons = vec![Reason::NoSubscriptionExisted; request.filters().len()];
                    request.answer(reasons);
                }
                Event::Disconnect(_) => {}
            }
        }
        // What came before the end is still handled.
        while working.join_next().await.is_some() {}
        closed.map_or(Ok(()), |closed| Err(closed.into()))
    }

    async fn handle(
        &self,
        session: &mut Session,
        working: &mut JoinSet<()>,
        message: Message,
        client_id: &Arc<str>,
    ) {
        let found = self.routes.iter().find_map(|(pattern, handler)| {
            pattern.captures(message.topic()).map(|captures| (captures, handler))
        });
        let Some((captures, handler)) = found else {
            return message.ack(Reason::TopicNameInvalid);
        };
        let (message, ack) = message.parted();
        let client_id = Arc::clone(client_id);
        let inbound = Inbound { state: self.state.clone(), message, captures, client_id };
        let work = handler(inbound);
        working.spawn(async move { ack.settle(work.await) });
        // Those that have ended are taken out; a handler that panicked leaves its message unacknowledged.
        while working.try_join_next().is_some() {}
        while working.len() >= self.concurrency {
            session.write_while(working.join_next()).await;
        }
    }
}

#[cfg(test)]
mod tests;
