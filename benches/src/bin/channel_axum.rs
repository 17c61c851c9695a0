//! Fan-out by axum over one `tokio::sync::broadcast` for each channel, as in its chat example: what comes from a
//! WebSocket on `/publish/NAME` or as a POST to it, every subscriber of the channel gets, over WebSocket (`/socket/NAME`)
//! or as an event stream (`/events/NAME`). On `/both/NAME` one WebSocket does both.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::response::sse::{Event, Sse};
use axum::routing::{any, get, post};
use axum::serve::ListenerExt;
use futures_util::stream::{self, SplitStream};
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::net::TcpListener;
use tokio::sync::broadcast::{self, Receiver, Sender};

/// Messages that a subscriber may fall behind; more than the load generator has in flight.
const CAPACITY: usize = 4096;
/// The same where there are so many channels that each can have little.
const CAPACITY_OF_MANY: usize = 128;
/// From here on there are many.
const FEW: usize = 16;

#[derive(Clone, Default)]
struct Channels(Arc<Mutex<HashMap<String, Sender<Utf8Bytes>>>>);

impl Channels {
    fn get(&self, name: String) -> Sender<Utf8Bytes> {
        let mut channels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let capacity = if channels.len() < FEW {
            CAPACITY
        } else {
            CAPACITY_OF_MANY
        };
        let begin = || broadcast::channel(capacity).0;
        channels.entry(name).or_insert_with(begin).clone()
    }
}

async fn publish(mut socket: impl Stream<Item = Incoming> + Unpin, channel: Sender<Utf8Bytes>) {
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Text(text) = message {
            let _ = channel.send(text);
        }
    }
}

async fn follow(mut socket: impl Sink<Message> + Unpin, mut channel: Receiver<Utf8Bytes>) {
    while let Ok(text) = channel.recv().await {
        if socket.send(Message::Text(text)).await.is_err() {
            return;
        }
    }
}

type Incoming = Result<Message, axum::Error>;
type Name = Path<String>;

async fn publisher(
    upgrade: WebSocketUpgrade,
    Path(name): Name,
    State(channels): State<Channels>,
) -> Response {
    upgrade.on_upgrade(move |socket| publish(socket, channels.get(name)))
}

async fn posted(Path(name): Name, State(channels): State<Channels>, message: String) -> StatusCode {
    let _ = channels.get(name).send(message.into());
    StatusCode::CREATED
}

async fn subscriber(
    upgrade: WebSocketUpgrade,
    Path(name): Name,
    State(channels): State<Channels>,
) -> Response {
    let receiver = channels.get(name).subscribe();
    upgrade.on_upgrade(move |socket| follow(socket, receiver))
}

async fn both(
    upgrade: WebSocketUpgrade,
    Path(name): Name,
    State(channels): State<Channels>,
) -> Response {
    let channel = channels.get(name);
    let receiver = channel.subscribe();
    upgrade.on_upgrade(move |socket| async {
        let (sink, stream): (_, SplitStream<WebSocket>) = socket.split();
        tokio::spawn(follow(sink, receiver));
        publish(stream, channel).await;
    })
}

async fn events(
    Path(name): Name,
    State(channels): State<Channels>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let receiver = channels.get(name).subscribe();
    Sse::new(stream::unfold(receiver, |mut receiver| async {
        let text = receiver.recv().await.ok()?;
        Some((Ok(Event::default().data(text.as_str())), receiver))
    }))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let app = Router::new()
        .route("/publish/{name}", post(posted).get(publisher))
        .route("/socket/{name}", any(subscriber))
        .route("/both/{name}", any(both))
        .route("/events/{name}", get(events))
        .with_state(Channels::default());
    axum::serve(listener, app).await
}
