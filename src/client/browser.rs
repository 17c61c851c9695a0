//! The client for browsers: an ES module that a page imports as it is, without a build step.
//!
//! It is JavaScript, so Rust only carries it. A server hands it out under a path of its choice:
//!
//! ```
//! # #[cfg(feature = "server")] {
//! use barewire::{Response, client};
//!
//! let mut server = barewire::Server::unbound()?;
//! server.get("/barewire.js", |_request, reply| {
//!     let module = Response::bytes("text/javascript; charset=utf-8", client::JAVASCRIPT.as_bytes());
//!     reply.send(module.header("Cache-Control", "no-cache"));
//! });
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! and a page reads a channel with it:
//!
//! ```html
//! <script type="module">
//!   import { subscribe } from "/barewire.js";
//!   for await (const event of subscribe("/channels/ticks")) console.log(event.data);
//! </script>
//! ```

/// The module: `subscribe` and `publish`. Its head explains it.
pub const JAVASCRIPT: &str = include_str!("barewire.js");

/// The types of [`JAVASCRIPT`], for TypeScript and for editors: `barewire.d.ts`, to lie beside `barewire.js`.
pub const TYPESCRIPT: &str = include_str!("barewire.d.ts");
