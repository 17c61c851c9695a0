//! Clients: who reads and publishes from outside.

mod browser;

pub use browser::*;
