//! The connecting side, for tools, gateways and tests.
//!
//! ```text
//! publish, subscribe, ... --commands--> driver (a task) -> socket
//! next() <--- inbound (bounded) <----------+
//! ```
//!
//! The socket is not read while `inbound` is full: whoever subscribes has to pull, or its publishes wait for their
//! acknowledgements.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use klamm_mqtt_proto::packet::{
    Connack, Connect, Disconnect, Packet, Publish, SubscribeFilter, Will, take_packet,
};
use klamm_mqtt_proto::{
    Properties, ProtocolVersion, QoS, Reason, TopicFilter, Utf8, Violation, check_topic_name,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio::sync::{mpsc, oneshot};

use crate::event::Message;
use crate::session::Transport;

mod driver;
mod error;
mod inbound;

use driver::{Command, Driver};
pub use error::ClientError;
use inbound::Inbound;

/// Commands that wait for the driver; whoever sends one more waits. Two round trips of 25 ms at 10,000 a second.
const COMMANDS: usize = 512;

/// How a client connects.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// The protocol.
    pub version: ProtocolVersion,
    /// Empty for the server to choose.
    pub client_id: String,
    /// Begin without what an earlier session left.
    pub clean_start: bool,
    /// Seconds between signs of life; 0 for none.
    pub keep_alive: u16,
    /// Who the client is.
    pub user_name: Option<String>,
    /// Its secret.
    pub password: Option<Bytes>,
    /// A message to send when the connection breaks.
    pub will: Option<Will>,
    /// Of CONNECT (MQTT 5). Receive maximum and maximum packet size are added.
    pub properties: Properties,
    /// Largest packet taken, in bytes.
    pub packet_bytes: usize,
    /// Messages taken and not pulled or acknowledged yet.
    pub receive_maximum: u16,
    /// Own QoS 1 and 2 messages in flight; the server's receive maximum may lower it.
    pub in_flight: u16,
    /// Messages are acknowledged by [`Message::ack`], and not by being pulled.
    pub manual_acks: bool,
    /// Time for the connection to be accepted.
    pub connect: Duration,
}

impl ClientOptions {
    /// A clean start, 60 s of keep alive, packets of 1 MiB, 1,024 messages in flight each way, 10 s to connect.
    pub fn new(version: ProtocolVersion, client_id: &str) -> Self {
        Self {
            version,
            client_id: client_id.to_owned(),
            clean_start: true,
            keep_alive: 60,
            user_name: None,
            password: None,
            will: None,
            properties: Properties::default(),
            packet_bytes: 1 << 20,
            receive_maximum: 1024,
            in_flight: 1024,
            manual_acks: false,
            connect: Duration::from_secs(10),
        }
    }

    fn packet(&self) -> Result<Connect, ClientError> {
        let text = |text: &str| Utf8::from_text(text).map_err(ClientError::Invalid);
        let mut connect = Connect::new(self.version, text(&self.client_id)?);
        connect.clean_start = self.clean_start;
        connect.keep_alive = self.keep_alive;
        connect.user_name = self.user_name.as_deref().map(text).transpose()?;
        connect.password = self.password.clone();
        connect.will = self.will.clone();
        connect.properties = self.properties.clone();
        let fields = connect.properties.fields_mut();
        fields.receive_maximum = Some(self.receive_maximum.max(1));
        fields.maximum_packet_size = u32::try_from(self.packet_bytes).ok();
        Ok(connect)
    }
}

/// A connected client. Clones share the connection; when the last is dropped it is cut off without DISCONNECT.
#[derive(Debug, Clone)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    inbound: Arc<Inbound>,
    connack: Arc<Connack>,
    manual_acks: bool,
}

/// A message on its way; await it for what became of it. Dropped, it is still sent.
#[derive(Debug)]
pub struct Delivery {
    outcome: oneshot::Receiver<Reason>,
    inbound: Arc<Inbound>,
}

impl Delivery {
    /// Waits until a QoS 0 message is on its way to the socket, or the server acknowledged a QoS 1 or 2 message for good.
    /// The reason may be a failure.
    ///
    /// # Errors
    /// When the connection ended before.
    pub async fn outcome(self) -> Result<Reason, ClientError> {
        match self.outcome.await {
            Ok(reason) => Ok(reason),
            Err(_) => Err(self.inbound.why_ended()),
        }
    }
}

impl Client {
    /// Connects over TCP.
    ///
    /// # Errors
    /// Of the system, or the server's refusal.
    pub async fn connect(
        address: impl ToSocketAddrs,
        options: ClientOptions,
    ) -> Result<Self, ClientError> {
        let time = options.connect;
        let connecting = async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Self::over(stream, options).await
        };
        tokio::time::timeout(time, connecting).await.unwrap_or(Err(ClientError::Timeout))
    }

    /// Connects over anything; the transport is connected already.
    ///
    /// # Errors
    /// Of the transport, or the server's refusal.
    pub async fn over(
        transport: impl Transport + 'static,
        options: ClientOptions,
    ) -> Result<Self, ClientError> {
        let mut transport = Box::pin(transport);
        let connect = options.packet()?;
        let mut out = BytesMut::new();
        Packet::Connect(Box::new(connect)).encode(options.version, &mut out);
        transport.write_all(&out).await?;
        transport.flush().await?;
        let mut received = BytesMut::new();
        let connack = loop {
            if let Some(frame) = take_packet(&mut received, options.packet_bytes)? {
                break Packet::decode(options.version, frame)?;
            }
            if transport.read_buf(&mut received).await? == 0 {
                return Err(ClientError::Closed(crate::Closed::ByPeer));
            }
        };
        let Packet::Connack(connack) = connack else {
            let what = "first packet that is not CONNACK [MQTT-3.2.0-1]";
            return Err(Violation { reason: Reason::ProtocolError, what }.into());
        };
        if connack.reason != Reason::Success {
            let text = connack.properties.reason_string.as_ref().map(ToString::to_string);
            return Err(ClientError::Refused { reason: connack.reason, text });
        }
        let (commands, taken) = mpsc::channel(COMMANDS);
        let inbound = Inbound::new(usize::from(options.receive_maximum.max(1)));
        let driver = Driver::new(transport, received, &options, &connack, taken, &inbound);
        tokio::spawn(driver.run());
        let manual_acks = options.manual_acks;
        Ok(Self { commands, inbound, connack: Arc::new(connack), manual_acks })
    }

    /// What the server said to CONNECT.
    pub fn connack(&self) -> &Connack {
        &self.connack
    }

    /// Publishes and waits as [`Delivery::outcome`] does.
    ///
    /// # Errors
    /// A topic name that cannot be, or the end of the connection.
    pub async fn publish(
        &self,
        topic: &str,
        qos: QoS,
        payload: impl Into<Bytes>,
    ) -> Result<Reason, ClientError> {
        let publish = Publish::new(topic, qos, payload).map_err(ClientError::Invalid)?;
        self.send(publish).await?.outcome().await
    }

    /// Hands over a message to be sent, and waits for room only: many may be on their way at a time. The packet
    /// identifier is set by the client.
    ///
    /// # Errors
    /// A topic name that cannot be, or the end of the connection.
    pub async fn send(&self, publish: Publish) -> Result<Delivery, ClientError> {
        if publish.properties.topic_alias.is_none() {
            check_topic_name(&publish.topic).map_err(ClientError::Invalid)?;
        }
        let (done, outcome) = oneshot::channel();
        self.command(Command::Publish(publish, done)).await?;
        Ok(Delivery { outcome, inbound: Arc::clone(&self.inbound) })
    }

    /// Subscribes to one filter with a QoS and returns what the server granted.
    ///
    /// # Errors
    /// A filter that cannot be, or the end of the connection.
    pub async fn subscribe(&self, filter: &str, qos: QoS) -> Result<Reason, ClientError> {
        let filter = SubscribeFilter::new(topic_filter(filter)?, qos);
        let reasons = self.subscribe_with(vec![filter], Properties::default()).await?;
        Ok(reasons.first().copied().unwrap_or(Reason::UnspecifiedError))
    }

    /// Subscribes with all options and returns the server's answer to each filter.
    ///
    /// # Errors
    /// The end of the connection.
    pub async fn subscribe_with(
        &self,
        filters: Vec<SubscribeFilter>,
        properties: Properties,
    ) -> Result<Vec<Reason>, ClientError> {
        let (done, answer) = oneshot::channel();
        self.command(Command::Subscribe(filters, properties, done)).await?;
        answer.await.map_err(|_| self.inbound.why_ended())
    }

    /// Unsubscribes from one filter; a 3.1.1 server gives no reason, and success is returned.
    ///
    /// # Errors
    /// A filter that cannot be, or the end of the connection.
    pub async fn unsubscribe(&self, filter: &str) -> Result<Reason, ClientError> {
        let (done, answer) = oneshot::channel();
        self.command(Command::Unsubscribe(vec![topic_filter(filter)?], done)).await?;
        let reasons: Vec<Reason> = answer.await.map_err(|_| self.inbound.why_ended())?;
        Ok(reasons.first().copied().unwrap_or(Reason::Success))
    }

    /// Waits for the next message. It is acknowledged by being returned, unless [`ClientOptions::manual_acks`].
    ///
    /// # Errors
    /// How the connection ended, after the last message.
    pub async fn next(&self) -> Result<Message, ClientError> {
        let message = self.inbound.next().await?;
        Ok(if self.manual_acks { message } else { message.acknowledged() })
    }

    /// Sends DISCONNECT after everything handed over before, and waits until the connection is closed.
    ///
    /// # Errors
    /// When the connection ended otherwise before.
    pub async fn disconnect(self) -> Result<(), ClientError> {
        self.disconnect_with(Disconnect::new(Reason::Success)).await
    }

    /// As [`Client::disconnect`], with a reason and properties (MQTT 5).
    ///
    /// # Errors
    /// When the connection ended otherwise before.
    pub async fn disconnect_with(self, disconnect: Disconnect) -> Result<(), ClientError> {
        let (done, written) = oneshot::channel();
        self.command(Command::Disconnect(disconnect, done)).await?;
        written.await.map_err(|_| self.inbound.why_ended())
    }

    async fn command(&self, command: Command) -> Result<(), ClientError> {
        self.commands.send(command).await.map_err(|_| self.inbound.why_ended())
    }
}

fn topic_filter(text: &str) -> Result<TopicFilter, ClientError> {
    Utf8::from_text(text).and_then(TopicFilter::new).map_err(ClientError::Invalid)
}

#[cfg(test)]
mod tests;
