//! A connection's bytes, over TCP alone or with TLS.

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
#[cfg(feature = "tls")]
use tokio_rustls::client::TlsStream;

use crate::KafkaError;
use crate::security::Security;

/// The two kinds of connection.
#[derive(Debug)]
enum Socket {
    Plain(TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream<TcpStream>>, crate::security::Tls),
}

/// A connection to a server.
#[derive(Debug)]
pub(crate) struct Stream {
    socket: Socket,
    /// `host:port` as it was asked for; for messages.
    #[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "only errors of TLS name it"))]
    server: String,
}

/// The host of `host:port`, without the brackets of an IPv6 address.
#[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "only TLS checks names"))]
pub(crate) fn host(server: &str) -> &str {
    let host = server.rsplit_once(':').map_or(server, |(host, _)| host);
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

impl Stream {
    pub(crate) fn plain(socket: TcpStream) -> Self {
        Self { socket: Socket::Plain(socket), server: String::new() }
    }

    pub(crate) async fn connect(server: &str, security: &Security) -> Result<Self, KafkaError> {
        let unreachable = |error: std::io::Error| KafkaError::Unreachable {
            server: server.to_owned(),
            error: error.into(),
        };
        let socket = TcpStream::connect(server).await.map_err(unreachable)?;
        socket.set_nodelay(true)?;
        let socket = Self::protect(socket, server, security).await?;
        Ok(Self { socket, server: server.to_owned() })
    }

    #[cfg(feature = "tls")]
    async fn protect(
        socket: TcpStream,
        server: &str,
        security: &Security,
    ) -> Result<Socket, KafkaError> {
        match &security.tls {
            None => Ok(Socket::Plain(socket)),
            Some(tls) => {
                let stream = tls.connect(socket, server).await?;
                Ok(Socket::Tls(Box::new(stream), tls.clone()))
            }
        }
    }

    #[cfg(not(feature = "tls"))]
    #[allow(clippy::unused_async, reason = "with TLS it waits")]
    async fn protect(socket: TcpStream, _: &str, _: &Security) -> Result<Socket, KafkaError> {
        Ok(Socket::Plain(socket))
    }

    pub(crate) async fn write_all(&mut self, bytes: &[u8]) -> Result<(), KafkaError> {
        let written = match &mut self.socket {
            Socket::Plain(socket) => socket.write_all(bytes).await,
            #[cfg(feature = "tls")]
            Socket::Tls(socket, _) => match socket.write_all(bytes).await {
                Ok(()) => socket.flush().await,
                failed => failed,
            },
        };
        written.map_err(|error| self.explain(error))
    }

    /// Waits for bytes and appends them.
    pub(crate) async fn read(&mut self, into: &mut BytesMut) -> Result<(), KafkaError> {
        let read = match &mut self.socket {
            Socket::Plain(socket) => socket.read_buf(into).await,
            #[cfg(feature = "tls")]
            Socket::Tls(socket, _) => match socket.read_buf(into).await {
                // Kafka closes without the farewell of TLS.
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(0),
                read => read,
            },
        };
        match read.map_err(|error| self.explain(error))? {
            0 => Err(KafkaError::Closed),
            _ => Ok(()),
        }
    }

    fn explain(&self, error: std::io::Error) -> KafkaError {
        match &self.socket {
            Socket::Plain(_) => error.into(),
            #[cfg(feature = "tls")]
            Socket::Tls(_, tls) => tls.explain(&self.server, error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_is_told_from_the_port() {
        assert_eq!(host("a.b:9092"), "a.b");
        assert_eq!(host("127.0.0.1:1"), "127.0.0.1");
        assert_eq!(host("[::1]:9092"), "::1");
        assert_eq!(host("a"), "a");
    }
}
