//! A WebSocket server: whoever connects is greeted, JSON is echoed, and `"broadcast": true` reaches all others.
//!
//!     cargo run --release --example websocket
//!     websocat ws://127.0.0.1:8765
//!     {"message": "hello", "broadcast": true}
//!
//! A page of a tutorial needs leave to come in. A browser lets a page of any origin open a WebSocket to any server, with
//! the user's cookies, so that the library refuses (403) all origins but the server's own. Name the one your page has:
//! `--allow-origin http://localhost:3000`. One that was opened as a file has none to name, and needs
//! `--allow-origin '*'`, which lets all pages in. Programs that are no browsers come in as they are.

mod common;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use barewire::{Message, Sender, Server};
use common::{Options, iso_timestamp};
use serde_json::{Value, json};

const HELP: &str = "\
A WebSocket server on every path: JSON is echoed, and what says \"broadcast\": true goes to all others too.

Usage: websocket [--listen ADDR] [--allow-origin ORIGIN]...

  --listen ADDR           the address to listen on [default: 127.0.0.1:8765]; port 0 lets the system choose
  --allow-origin ORIGIN   let pages of this origin in, such as http://localhost:3000, or * for all. Without it a browser's
                          page is refused (403), unless its origin is http://ADDR itself; one in a file needs *";

fn main() -> common::Outcome {
    let options = Options::parse(HELP)?;
    let mut server = Server::bind(&*options.listen("127.0.0.1:8765")?)?;
    for origin in options.all("allow-origin") {
        server.allow_origin(origin);
    }
    let clients = Arc::new(Mutex::new(HashMap::new()));
    let (opened, closed) = (Arc::clone(&clients), Arc::clone(&clients));

    let route = server.websocket("/{*path}", move |socket, message| {
        let Message::Text(text) = message else {
            return socket.send(&format!("Received {} bytes", message.len()));
        };
        let Ok(json) = serde_json::from_str::<Value>(text) else {
            return socket.send(&format!("Received text: {text}"));
        };
        if json["broadcast"] == true {
            let from = socket.peer().to_string();
            let broadcast = json!({
                "type": "broadcast", "message": json["message"], "from": from, "timestamp": iso_timestamp(),
            });
            for (id, client) in &*clients.lock().unwrap() {
                if *id != socket.id() {
                    send(client, &broadcast);
                }
            }
        }
        let echo = json!({"type": "echo", "original": json, "timestamp": iso_timestamp()});
        socket.send(&echo.to_string());
    });
    route.on_open(move |socket, _request| {
        let message = "Welcome to the WebSocket server!";
        let welcome = json!({"type": "welcome", "message": message, "timestamp": iso_timestamp()});
        socket.send(&welcome.to_string());
        opened.lock().unwrap().insert(socket.id(), socket.sender());
    });
    route.on_close(move |id, _code| {
        closed.lock().unwrap().remove(&id);
    });

    common::serve(server)
}

/// Sends to a socket from the handler of another.
fn send(client: &Sender, json: &Value) {
    // It fails only when the server ends or has too much to do, and then there is nobody to tell.
    let _ = client.send(&json.to_string());
}
