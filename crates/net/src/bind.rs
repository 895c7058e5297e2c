//! Binding a socket, and what to tell the operator when that fails.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Connections that wait in the system's accept queue: Linux's `net.core.somaxconn` since 5.4, which caps it anyway.
const BACKLOG: i32 = 4096;

/// Why a server cannot listen. The fault is the operator's; the text says what to change.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetError {
    /// The address cannot be listened on. Retryable only after something else gave it free.
    #[error("{name} cannot listen on {address}: {}", advice(.error, *.address))]
    Bind {
        /// The server's name, as in the settings.
        name: &'static str,
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        error: io::Error,
    },
}

fn advice(error: &io::Error, address: SocketAddr) -> String {
    let port = address.port();
    match error.kind() {
        ErrorKind::AddrInUse => format!(
            "port {port} is in use by another process; stop that one (`ss -ltnp 'sport = :{port}'` \
             shows it) or set another port"
        ),
        ErrorKind::PermissionDenied if port < 1024 => format!(
            "no permission for port {port}; ports below 1024 need CAP_NET_BIND_SERVICE, or set a higher port"
        ),
        ErrorKind::AddrNotAvailable => format!(
            "{} is not an address of this machine; set one that is, or 0.0.0.0 for all",
            address.ip()
        ),
        _ => error.to_string(),
    }
}

/// Binds with `SO_REUSEADDR`, so that a restart need not wait for old connections to leave `TIME_WAIT`. An
/// IPv6 wildcard takes IPv4 too.
pub(crate) fn bind(name: &'static str, address: SocketAddr) -> Result<TcpListener, NetError> {
    try_bind(address).map_err(|error| NetError::Bind { name, address, error })
}

fn try_bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn port_in_use_is_named_with_what_to_do() {
        let first = bind("kafka", "127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.local_addr().unwrap();
        let text = bind("kafka", address).unwrap_err().to_string();
        assert!(text.contains(&format!("kafka cannot listen on {address}")), "{text}");
        assert!(text.contains("in use by another process"), "{text}");
        assert!(text.contains("set another port"), "{text}");
    }

    #[tokio::test]
    async fn foreign_address_is_refused_with_what_to_do() {
        // 192.0.2.0/24 is for documentation (RFC 5737) and on no machine.
        let text = bind("mqtt", "192.0.2.1:0".parse().unwrap()).unwrap_err().to_string();
        assert!(text.contains("192.0.2.1 is not an address of this machine"), "{text}");
    }

    #[test]
    fn low_port_without_permission_says_which_capability() {
        let error = io::Error::from(ErrorKind::PermissionDenied);
        assert!(
            advice(&error, "0.0.0.0:443".parse().unwrap()).contains("CAP_NET_BIND_SERVICE"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn port_is_free_again_right_after_a_connection_was_closed() {
        let listener = bind("kafka", "127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let client = tokio::net::TcpStream::connect(address).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        // The side that closes first is left in TIME_WAIT.
        drop((server, listener));
        drop(client);
        bind("kafka", address).unwrap();
    }
}
