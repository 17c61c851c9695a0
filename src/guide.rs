//! One page: a chat room with state, what happens when a socket opens and closes, a broadcast, and a test of it all.
//!
//! The state is shared by the handlers in an `Arc<Mutex<..>>`: they run on the loop's one thread, so that the lock is never
//! waited for, unless another thread of the program has it. A handler must not block: all other connections would wait.
//!
//! ```
//! use std::collections::HashMap;
//! use std::sync::{Arc, Mutex};
//!
//! use barewire::{Sender, Server, ws};
//!
//! /// All of the program but `main`, so that a test can have it without a port.
//! fn set_up(server: &mut Server) {
//!     let room = Arc::new(Mutex::new(HashMap::<_, Sender>::new()));       // who is here: the state
//!     let (joined, left) = (Arc::clone(&room), Arc::clone(&room));
//!     server
//!         .websocket("/room", move |socket, message| {
//!             for (id, sender) in &*room.lock().unwrap() {                // to all others: a broadcast
//!                 if *id != socket.id() {
//!                     let _ = sender.send(message);                       // who has just gone misses nothing
//!                 }
//!             }
//!         })
//!         .on_open(move |socket, _request| {
//!             let mut room = joined.lock().unwrap();
//!             room.insert(socket.id(), socket.sender());
//!             socket.send(&format!("{} here", room.len()));
//!         })
//!         .on_close(move |id, _code| drop(left.lock().unwrap().remove(&id)));
//! }
//!
//! fn main() -> barewire::Result<()> {
//!     # if false {
//!     let mut server = Server::bind("127.0.0.1:9000")?;                   // what the program does
//!     set_up(&mut server);
//!     server.run()?;
//!     # }
//!
//!     let mut server = Server::unbound()?;                                // what its test does
//!     set_up(&mut server);
//!     let mut server = server.simulate();                                 // no socket, no clock, no thread
//!     let upgrade = b"GET /room HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
//!         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
//!     let [ada, grace] = [server.connect(), server.connect()];
//!     server.send(ada, upgrade);
//!     server.send(grace, upgrade);
//!     assert!(server.take(ada).ends_with(b"\r\n\r\n\x81\x061 here"));     // the handshake, and a frame of text
//!     assert!(server.take(grace).ends_with(b"\r\n\r\n\x81\x062 here"));
//!
//!     let mut frame = Vec::new();
//!     ws::write_message(&mut frame, "hello".into(), Some(*b"mask"));      // a client masks what it sends
//!     server.send(ada, &frame);
//!     assert_eq!(server.take(grace), b"\x81\x05hello");
//!     assert_eq!(server.take(ada), b"");
//!
//!     server.end(grace);                                                  // her connection is gone
//!     server.send(ada, &frame);
//!     assert_eq!(server.take(grace), b"");
//!     Ok(())
//! }
//! ```
//!
//! Where the messages are to be kept for those who come later, use [channels](crate::Server::channels) instead: then there is no
//! state to keep, and readers resume where they were cut off. Time passes in a simulation with
//! [`Simulation::wait`](crate::Simulation::wait), so that pings, deadlines and keep-alive are tested without a sleep.
