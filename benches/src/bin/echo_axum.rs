//! The echo of axum, on one thread as it gets one core.

use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::serve::ListenerExt;
use axum::{Router, routing::any};
use tokio::net::TcpListener;

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
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
    let upgrade = |upgrade: WebSocketUpgrade| async { upgrade.on_upgrade(echo) };
    axum::serve(listener, Router::new().route("/", any(upgrade))).await
}
