use std::time::Duration;

use klamm_mqtt_proto::{ProtocolVersion, QoS};

use super::*;
use crate::{Accept, Client, ClientError, ClientOptions, Event};

async fn echo_nothing(connect: Connect) -> Result<(), HandlerError> {
    let mut session = connect.accept(Accept::default()).await?;
    while let Some(event) = session.next().await {
        if let Event::Publish(message) = event? {
            message.ack(Reason::Success);
        }
    }
    Ok(())
}

#[tokio::test]
async fn drain_tells_mqtt_5_clients_and_closes_the_others() {
    let server = Server::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = server.local_address();
    let shutdown = CancellationToken::new();
    let served = tokio::spawn(server.serve(shutdown.clone(), echo_nothing));
    let connect = |version| Client::connect(address, ClientOptions::new(version, "probe"));
    let old = connect(ProtocolVersion::V3).await.unwrap();
    let new = connect(ProtocolVersion::V5).await.unwrap();
    // Connected, and mute: it is not waited for.
    let mute = tokio::net::TcpStream::connect(address).await.unwrap();
    new.publish("a", QoS::AtLeastOnce, "x").await.unwrap();
    shutdown.cancel();
    let told = new.next().await.unwrap_err();
    let shutting_down = Reason::ServerShuttingDown;
    assert!(matches!(told, ClientError::Disconnected { reason, .. } if reason == shutting_down));
    assert!(matches!(old.next().await, Err(ClientError::Closed(crate::Closed::ByPeer))));
    assert_eq!(served.await.unwrap().left, 0);
    drop(mute);
}

#[tokio::test(start_paused = true)]
async fn client_that_connects_during_the_drain_is_refused() {
    let (near, far) = tokio::io::duplex(4096);
    let address = "127.0.0.1:1".parse().unwrap();
    let server = async {
        let connect = Connect::read(far, address, address, Limits::default()).await.unwrap();
        let draining = CancellationToken::new();
        draining.cancel();
        let (peer, outbox) = (connect.peer(), connect.outbox());
        let slow = Box::pin(async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            echo_nothing(connect).await
        });
        finish(slow, peer, outbox, draining).await;
    };
    let options = ClientOptions::new(ProtocolVersion::V5, "probe");
    let (client, ()) = tokio::join!(Client::over(near, options), server);
    let refused = client.unwrap_err();
    let shutting_down = Reason::ServerShuttingDown;
    assert!(matches!(refused, ClientError::Refused { reason, .. } if reason == shutting_down));
}
