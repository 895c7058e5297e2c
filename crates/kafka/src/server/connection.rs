//! One connection: frames in, answers out in order.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use klamm_kafka_proto::{
    ApiKey, ErrorCode, Request, RequestHeader, Response, response_frame, take_frame,
};
use klamm_net::Connection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::timeout;

use super::{Answer, Context, Limits, Served, Service, api_versions};
use crate::KafkaError;

/// What is asked of the socket at a time. A frame's own length never decides what is reserved.
const READ_BYTES: usize = 16 << 10;
/// Answers that are ready together are written together up to this size; larger ones are written as they are.
const WRITE_BYTES: usize = 64 << 10;

/// Serves one connection until it ends, and logs why.
pub async fn serve<S: Service>(service: &S, limits: &Limits, mut connection: Connection) {
    let context =
        Context { peer: connection.peer, local: connection.local, software: OnceLock::new() };
    let draining = connection.draining.clone();
    let (read, write) = connection.stream.split();
    let mut serving = Serving {
        service,
        limits,
        context: &context,
        read,
        write,
        received: BytesMut::new(),
        answers: VecDeque::new(),
        first: true,
    };
    let end = serving.run(draining.cancelled()).await;
    match end {
        Ok(()) | Err(KafkaError::Closed) => {
            tracing::debug!(peer = %context.peer, "kafka client left");
        }
        Err(KafkaError::Io(error)) => {
            tracing::debug!(peer = %context.peer, %error, "kafka connection lost");
        }
        Err(error) => {
            tracing::warn!(peer = %context.peer, local = %context.local, %error, "kafka connection closed");
        }
    }
}

/// An answer in its place.
struct Queued {
    version: i16,
    correlation_id: i32,
    answer: Queue,
}

enum Queue {
    Ready(Option<Response>),
    Later(Pin<Box<dyn Future<Output = Response> + Send>>),
}

struct Serving<'a, S> {
    service: &'a S,
    limits: &'a Limits,
    context: &'a Context,
    read: ReadHalf<'a>,
    write: WriteHalf<'a>,
    received: BytesMut,
    answers: VecDeque<Queued>,
    first: bool,
}

impl<S: Service> Serving<'_, S> {
    async fn run(&mut self, draining: impl Future<Output = ()>) -> Result<(), KafkaError> {
        let mut draining = std::pin::pin!(draining);
        let mut closing = false;
        loop {
            let room = !closing && self.answers.len() < self.limits.in_flight;
            if closing && self.answers.is_empty() {
                return Ok(());
            }
            let wait =
                if self.received.is_empty() { self.limits.idle } else { self.limits.stalled };
            let idle = self.answers.is_empty();
            tokio::select! {
                biased;
                frame = next_answer(&mut self.answers), if !idle => self.send(frame?).await?,
                () = &mut draining, if !closing => closing = true,
                read = timeout(wait, read_some(&mut self.read, &mut self.received)), if room => match read {
                    Ok(read) => {
                        read?;
                        self.handle_received(&mut closing).await?;
                    }
                    Err(_) if !idle => {}
                    Err(_) if self.received.is_empty() => {
                        return Err(KafkaError::Idle("nothing came for too long"));
                    }
                    Err(_) => return Err(KafkaError::Idle("half a request, and no more for too long")),
                },
            }
        }
    }

    /// Calls the service with each whole request received.
    async fn handle_received(&mut self, closing: &mut bool) -> Result<(), KafkaError> {
        while !*closing {
            while self.answers.len() >= self.limits.in_flight {
                let frame = next_answer(&mut self.answers).await?;
                self.send(frame).await?;
            }
            let limit = self.frame_limit();
            let frame = take_frame(&mut self.received, limit)
                .map_err(|error| KafkaError::Malformed { what: "frame".into(), error })?;
            let Some(frame) = frame else { break };
            self.first = false;
            if !self.handle_frame(frame).await? {
                *closing = true;
            }
        }
        if self.received.is_empty() {
            // An idle connection keeps no buffer.
            self.received = BytesMut::new();
        }
        Ok(())
    }

    fn frame_limit(&self) -> usize {
        if self.first {
            return self.limits.first_request_bytes;
        }
        match self.received.get(4..6) {
            Some([0, 0]) | None => self.limits.produce_bytes,
            Some(_) => self.limits.request_bytes,
        }
    }

    /// `false` when the connection is to be closed after the answers before this request.
    async fn handle_frame(&mut self, mut body: Bytes) -> Result<bool, KafkaError> {
        let malformed = |what: &str| {
            let what = what.to_owned();
            move |error| KafkaError::Malformed { what, error }
        };
        let header = RequestHeader::read(&mut body).map_err(malformed("request header"))?;
        let not_served = KafkaError::NotServed { key: header.api_key, version: header.api_version };
        let Some(key) = ApiKey::from_number(header.api_key) else { return Err(not_served) };
        if key == ApiKey::ApiVersions {
            self.answer_api_versions(&header, &mut body)?;
            return Ok(true);
        }
        let served = self.service.served().iter().find(|api| api.key == key);
        if !served.is_some_and(|api: &Served| api.versions.contains(&header.api_version)) {
            return Err(not_served);
        }
        let what = || format!("{key:?} request version {}", header.api_version);
        let request = Request::read(key, header.api_version, &mut body)
            .map_err(|error| KafkaError::Malformed { what: what(), error })?;
        if !body.is_empty() {
            // Brokers have always let this pass, and librdkafka relies on it: its Metadata request for all topics has
            // three bytes too many since version 9.
            tracing::trace!(request = what(), bytes = body.len(), "bytes after the request");
        }
        let answer = match self.service.call(self.context, &header, request).await {
            Answer::Ready(response) => Queue::Ready(Some(response)),
            Answer::Later(later) => Queue::Later(later),
            Answer::Nothing => return Ok(true),
            Answer::Close => return Ok(false),
        };
        self.push(&header, header.api_version, answer);
        Ok(true)
    }

    fn answer_api_versions(
        &mut self,
        header: &RequestHeader,
        body: &mut Bytes,
    ) -> Result<(), KafkaError> {
        let served = self.service.served();
        if !ApiKey::ApiVersions.versions().contains(&header.api_version) {
            let table = api_versions::table(served, ErrorCode::UnsupportedVersion);
            self.push(header, 0, Queue::Ready(Some(table.into())));
            return Ok(());
        }
        let request = Request::read(ApiKey::ApiVersions, header.api_version, body)
            .map_err(|error| KafkaError::Malformed { what: "ApiVersions request".into(), error })?;
        if let Request::ApiVersions(request) = request {
            let software = (request.client_software_name, request.client_software_version);
            // Told again on the same connection, it stays the first.
            let _ = self.context.software.set(software);
        }
        let table = api_versions::table(served, ErrorCode::None);
        self.push(header, header.api_version, Queue::Ready(Some(table.into())));
        Ok(())
    }

    fn push(&mut self, header: &RequestHeader, version: i16, answer: Queue) {
        self.answers.push_back(Queued { version, correlation_id: header.correlation_id, answer });
    }

    /// Writes an answer, and those behind it that are ready too.
    async fn send(&mut self, first: Bytes) -> Result<(), KafkaError> {
        let mut out = BytesMut::new();
        let mut next = Some(first);
        while let Some(frame) = next {
            if frame.len() >= WRITE_BYTES || out.len() + frame.len() > WRITE_BYTES {
                write(&mut self.write, &out, self.limits).await?;
                out.clear();
                write(&mut self.write, &frame, self.limits).await?;
            } else {
                out.extend_from_slice(&frame);
            }
            next = ready_answer(&mut self.answers).transpose()?;
        }
        write(&mut self.write, &out, self.limits).await
    }
}

/// Waits for the answer at the front and takes it off as a frame. Cancel-safe.
async fn next_answer(answers: &mut VecDeque<Queued>) -> Result<Bytes, KafkaError> {
    std::future::poll_fn(|context| {
        let Some(front) = answers.front_mut() else { return Poll::Pending };
        let response = match &mut front.answer {
            Queue::Ready(response) => response.take().expect("an answer is taken once"),
            Queue::Later(later) => std::task::ready!(later.as_mut().poll(context)),
        };
        let frame = frame(front, &response);
        answers.pop_front();
        Poll::Ready(frame)
    })
    .await
}

/// The answer at the front if nothing has to be waited for: one commit of the log often makes many ready, and they leave
/// in one write. One that is not ready is asked again by [`next_answer`], which leaves its own waker.
fn ready_answer(answers: &mut VecDeque<Queued>) -> Option<Result<Bytes, KafkaError>> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(next_answer(answers)).as_mut().poll(&mut context) {
        Poll::Ready(frame) => Some(frame),
        Poll::Pending => None,
    }
}

fn frame(queued: &Queued, response: &Response) -> Result<Bytes, KafkaError> {
    response_frame(queued.version, queued.correlation_id, response).map_err(|error| {
        KafkaError::Malformed { what: format!("own {:?} response", response.key()), error }
    })
}

async fn read_some(read: &mut ReadHalf<'_>, received: &mut BytesMut) -> Result<(), KafkaError> {
    received.reserve(READ_BYTES);
    match read.read_buf(received).await? {
        0 => Err(KafkaError::Closed),
        _ => Ok(()),
    }
}

async fn write(write: &mut WriteHalf<'_>, bytes: &[u8], limits: &Limits) -> Result<(), KafkaError> {
    // What counts is progress: a large response over a slow line may take its time.
    let mut rest = bytes;
    while !rest.is_empty() {
        let wrote = timeout(limits.stalled, write.write(rest))
            .await
            .map_err(|_| KafkaError::Idle("the client does not take its responses"))??;
        rest = &rest[wrote..];
    }
    Ok(())
}
