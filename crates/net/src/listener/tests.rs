use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

fn listener(options: ListenOptions) -> Listener {
    Listener::bind("test", "127.0.0.1:0".parse().unwrap(), options).unwrap()
}

/// Echoes until the peer ends or the server drains.
async fn echo(mut connection: Connection) {
    let (mut read, mut write) = connection.stream.split();
    tokio::select! {
        _ = tokio::io::copy(&mut read, &mut write) => {}
        () = connection.draining.cancelled() => {}
    }
}

async fn echoed(stream: &mut TcpStream) -> bool {
    stream.write_all(b"x").await.is_ok() && stream.read_exact(&mut [0]).await.is_ok()
}

#[tokio::test]
async fn handler_knows_both_addresses() {
    let listener = listener(ListenOptions::default());
    let (address, shutdown) = (listener.local_address(), CancellationToken::new());
    let (seen, mut addresses) = mpsc::channel(1);
    let server = tokio::spawn(listener.serve(shutdown.clone(), move |connection| {
        let seen = seen.clone();
        async move { seen.send((connection.peer, connection.local)).await.unwrap() }
    }));
    let client = TcpStream::connect(address).await.unwrap();
    let (peer, local) = addresses.recv().await.unwrap();
    assert_eq!((peer, local), (client.local_addr().unwrap(), address));
    shutdown.cancel();
    assert_eq!(server.await.unwrap().left, 0);
}

#[tokio::test]
async fn connection_over_the_limit_is_closed_and_the_place_is_given_free() {
    let listener =
        listener(ListenOptions { connections: ConnectionLimit::new(1), ..Default::default() });
    let (address, metrics) = (listener.local_address(), listener.metrics());
    let shutdown = CancellationToken::new();
    let server = tokio::spawn(listener.serve(shutdown.clone(), echo));
    let mut first = TcpStream::connect(address).await.unwrap();
    assert!(echoed(&mut first).await);
    let mut second = TcpStream::connect(address).await.unwrap();
    assert!(!echoed(&mut second).await, "the second is over the limit");
    assert!(echoed(&mut first).await, "the first is left alone");
    assert_eq!((metrics.open(), metrics.accepted(), metrics.refused()), (1, 1, 1));
    drop(first);
    while metrics.open() > 0 {
        tokio::task::yield_now().await;
    }
    let mut third = TcpStream::connect(address).await.unwrap();
    assert!(echoed(&mut third).await);
    shutdown.cancel();
    server.await.unwrap();
}

#[tokio::test]
async fn listeners_can_draw_on_one_limit() {
    let options = ListenOptions { connections: ConnectionLimit::new(1), ..Default::default() };
    let (one, other) = (listener(options.clone()), listener(options));
    let (first, second) = (one.local_address(), other.local_address());
    let shutdown = CancellationToken::new();
    let one = tokio::spawn(one.serve(shutdown.clone(), echo));
    let other = tokio::spawn(other.serve(shutdown.clone(), echo));
    let mut kept = TcpStream::connect(first).await.unwrap();
    assert!(echoed(&mut kept).await);
    assert!(!echoed(&mut TcpStream::connect(second).await.unwrap()).await);
    shutdown.cancel();
    one.await.unwrap();
    other.await.unwrap();
}

#[tokio::test]
async fn drain_stops_accepting_and_waits_for_work_in_flight() {
    let listener = listener(ListenOptions::default());
    let (address, metrics) = (listener.local_address(), listener.metrics());
    let shutdown = CancellationToken::new();
    let server = tokio::spawn(listener.serve(shutdown.clone(), |mut connection| async move {
        connection.draining.cancelled().await;
        connection.stream.write_all(b"bye").await.unwrap();
    }));
    let mut client = TcpStream::connect(address).await.unwrap();
    while metrics.open() == 0 {
        tokio::task::yield_now().await;
    }
    shutdown.cancel();
    assert_eq!(server.await.unwrap(), Drained { left: 0 });
    let mut said = String::new();
    client.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "bye");
    assert!(TcpStream::connect(address).await.is_err(), "the socket is closed");
}

#[tokio::test(start_paused = true)]
async fn handlers_that_do_not_end_are_cut_at_the_deadline_and_counted() {
    let listener = listener(ListenOptions::default());
    let (address, metrics) = (listener.local_address(), listener.metrics());
    let shutdown = CancellationToken::new();
    let server = tokio::spawn(listener.serve(shutdown.clone(), |connection| async move {
        let _kept = connection;
        std::future::pending::<()>().await;
    }));
    let _clients =
        [TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()];
    while metrics.open() < 2 {
        tokio::task::yield_now().await;
    }
    shutdown.cancel();
    assert_eq!(server.await.unwrap(), Drained { left: 2 });
    assert_eq!(metrics.open(), 0);
}

#[tokio::test]
async fn panic_in_a_handler_ends_only_its_connection() {
    let listener =
        listener(ListenOptions { connections: ConnectionLimit::new(1), ..Default::default() });
    let (address, metrics) = (listener.local_address(), listener.metrics());
    let shutdown = CancellationToken::new();
    let server = tokio::spawn(listener.serve(shutdown.clone(), |mut connection| async move {
        let mut byte = [0];
        connection.stream.read_exact(&mut byte).await.unwrap();
        assert_ne!(byte, *b"!", "as the test wants it");
        connection.stream.write_all(&byte).await.unwrap();
    }));
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"!").await.unwrap();
    assert_eq!(client.read(&mut [0]).await.unwrap_or(0), 0);
    while metrics.open() > 0 {
        tokio::task::yield_now().await;
    }
    assert!(echoed(&mut TcpStream::connect(address).await.unwrap()).await);
    shutdown.cancel();
    server.await.unwrap();
}

#[test]
fn want_of_descriptors_pauses_and_a_reset_connection_does_not() {
    const EMFILE: i32 = 24;
    assert!(!is_of_one_connection(&io::Error::from_raw_os_error(EMFILE)));
    assert!(is_of_one_connection(&io::ErrorKind::ConnectionAborted.into()));
}
