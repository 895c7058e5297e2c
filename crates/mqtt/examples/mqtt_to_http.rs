//! Every MQTT message becomes a POST; it is acknowledged when the HTTP server has taken it.
//!
//!     cargo run -p klamm-mqtt --example mqtt_to_http -- 127.0.0.1:1883 http://127.0.0.1:8080/

use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use klamm_mqtt::{Accept, CancellationToken, Event, Reason, Server};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let usage = "usage: mqtt_to_http LISTEN URL";
    let (listen, url) =
        (std::env::args().nth(1).ok_or(usage)?, std::env::args().nth(2).ok_or(usage)?);
    let http = Client::builder(TokioExecutor::new()).build_http();
    let server = Server::bind(listen.parse()?)?;
    server
        .serve(CancellationToken::new(), move |connect| {
            let (http, url) = (http.clone(), url.clone());
            async move {
                let mut session = connect.accept(Accept::default()).await?;
                while let Some(event) = session.next().await {
                    match event? {
                        Event::Publish(message) => {
                            let request = hyper::Request::post(format!("{url}{}", message.topic()))
                                .body(Full::new(message.payload().clone()))?;
                            let answer = session.write_while(http.request(request)).await;
                            let stored = answer.is_ok_and(|answer| answer.status().is_success());
                            message.ack(if stored {
                                Reason::Success
                            } else {
                                Reason::UnspecifiedError
                            });
                        }
                        Event::Subscribe(request) => request.refuse(Reason::NotAuthorized),
                        Event::Unsubscribe(request) => request.accept(),
                        Event::Disconnect(_) => {}
                    }
                }
                Ok(())
            }
        })
        .await;
    Ok(())
}
