//! Fan-out by axum over one `tokio::sync::broadcast`, as in its chat example: what one WebSocket sends to `/publish`,
//! every subscriber gets, over WebSocket (`/socket`) or as an event stream (`/events`).

use std::convert::Infallible;

use axum::Router;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::response::sse::{Event, Sse};
use axum::routing::{any, get};
use axum::serve::ListenerExt;
use futures_util::stream;
use tokio::net::TcpListener;
use tokio::sync::broadcast::{self, Receiver, Sender};

/// Messages that a subscriber may fall behind; more than the load generator has in flight.
const CAPACITY: usize = 4096;

async fn publish(mut socket: WebSocket, channel: Sender<Utf8Bytes>) {
    while let Some(Ok(message)) = socket.recv().await {
        if let Message::Text(text) = message {
            let _ = channel.send(text);
        }
    }
}

async fn follow(mut socket: WebSocket, mut channel: Receiver<Utf8Bytes>) {
    while let Ok(text) = channel.recv().await {
        if socket.send(Message::Text(text)).await.is_err() {
            return;
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let channel = broadcast::channel(CAPACITY).0;
    let (publishers, sockets, events) = (channel.clone(), channel.clone(), channel);
    let app = Router::new()
        .route(
            "/publish",
            any(|upgrade: WebSocketUpgrade| async {
                upgrade.on_upgrade(|socket| publish(socket, publishers))
            }),
        )
        .route(
            "/socket",
            any(|upgrade: WebSocketUpgrade| async move {
                let receiver = sockets.subscribe();
                upgrade.on_upgrade(|socket| follow(socket, receiver))
            }),
        )
        .route(
            "/events",
            get(|| async move {
                let events = stream::unfold(events.subscribe(), |mut channel| async {
                    let text = channel.recv().await.ok()?;
                    Some((
                        Ok::<_, Infallible>(Event::default().data(text.as_str())),
                        channel,
                    ))
                });
                Sse::new(events)
            }),
        );
    axum::serve(listener, app).await
}
