//! Channels that anybody may publish to and read, in four ways, and a page that shows them side by side.
//!
//!     cargo run --release --example hub
//!     open http://127.0.0.1:9000
//!
//!     curl -d hello http://127.0.0.1:9000/channels/demo                                 # publish
//!     curl http://127.0.0.1:9000/channels/demo                                          # short poll
//!     curl -H 'Prefer: wait=30' 'http://127.0.0.1:9000/channels/demo?from=now'          # long poll
//!     curl -N -H 'Accept: text/event-stream' http://127.0.0.1:9000/channels/demo        # event stream
//!     websocat ws://127.0.0.1:9000/channels/demo                                        # WebSocket

#[path = "../common/mod.rs"]
mod common;
mod shared;
mod webhooks;

use std::time::Duration;

use barewire::channel::Retention;
use barewire::{Limits, Response, Server, client};
use common::{Options, tls};

const HELP: &str = "\
Channels that anybody may publish to and read, in four ways: short poll, long poll, event stream, WebSocket.
GET / is a page that shows them side by side; each channel is at /channels/NAME.

Usage: hub [--listen ADDR] [--allow-origin ORIGIN]... [--loops COUNT] [--tls-cert FILE --tls-key FILE] [--store FILE]
           [--redis URL] [--redis-prefix NAME] [--redis-wait SECONDS]
           [--retain-messages N] [--retain-bytes N] [--retain-age SECONDS]
           [--webhooks] [--webhook-allow NETWORK]... [--webhook-schedule SECONDS,...] [--webhook-ca FILE]

  --listen ADDR           the address to listen on [default: 127.0.0.1:9000]; port 0 lets the system choose
  --allow-origin ORIGIN   let pages of this origin publish and open WebSockets too; * lets those of every origin
  --loops COUNT           how many loops serve, each in a thread of its own [default: 1]
  --tls-cert FILE         serve https:// and wss:// with this certificate (PEM, its issuers' behind it); takes --features tls
  --tls-key FILE          its private key (PEM)
  --store FILE            keep what is published in this file, from before it is acknowledged; takes --features durable
  --redis URL             share the channels with all hubs that use this Redis or Valkey, such as redis://10.0.0.5/0, or
                          rediss:// with --features tls; not with --store; takes --features redis
  --redis-prefix NAME     what all keys in Redis begin with [default: barewire]
  --redis-wait SECONDS    how long to wait for a Redis that is not there yet [default: 0]
  --retain-messages N     how many messages of a channel are kept [default: 10000, with a store 1000000]; 0 is no bound
  --retain-bytes N        how many bytes of them [default: 16 MiB, with a store 1 GiB]; 0 is no bound
  --retain-age SECONDS    for how long [default: 3600, with a store 0]; 0 is for ever
  --webhooks              let /channels/NAME/webhooks have channels sent to URLs; takes --features webhook
  --webhook-allow NETWORK let them go to this network (127.0.0.0/8), or to the host of this name, which is refused otherwise
  --webhook-schedule LIST the waits between tries, in seconds (0.2,0.4,1); the last one repeats
  --webhook-ca FILE       trust these authorities (PEM) instead of those whom the system trusts; takes --features tls
GET /health says whether it works, GET /metrics what it counts, for Prometheus.";

const ADDRESS: &str = "127.0.0.1:9000";

fn main() -> common::Outcome {
    let options = Options::parse(HELP)?;
    for (name, whose) in [
        ("redis-prefix", "redis"),
        ("redis-wait", "redis"),
        ("webhook-allow", "webhooks"),
        ("webhook-schedule", "webhooks"),
        ("webhook-ca", "webhooks"),
    ] {
        if options.last(name).is_some() && options.last(whose).is_none() {
            return Err(format!("--{name} takes --{whose}").into());
        }
    }
    if options.last("store").is_some() && options.last("redis").is_some() {
        return Err("--store and --redis: messages are kept in one of them".into());
    }
    let origins: Vec<&str> = options.all("allow-origin").collect();
    let with_webhooks = options.last("webhooks").is_some();
    match options.count("loops")? {
        1 => {
            let store = store::open(&options)?;
            let shared = shared::open(&options)?;
            let mut server = tls::bind(&options, ADDRESS)?;
            server.on_error(|error| common::say(error));
            store::put(store, &mut server)?;
            shared::put(shared, &mut server)?;
            server.limits(limits(&options)?);
            add_routes(&mut server, &origins, with_webhooks);
            webhooks::serve(&options, &mut server)?;
            common::serve_as(tls::scheme(&options), server)
        }
        loops => {
            let store = store::open(&options)?;
            let shared = shared::open(&options)?;
            let limits = limits(&options)?;
            let mut cores = tls::bind_loops(&options, ADDRESS, loops, |server| {
                server.limits(limits.clone());
                server.on_error(|error| common::say(error));
                add_routes(server, &origins, with_webhooks);
                Ok(())
            })?;
            store::put_behind(store, &mut cores)?;
            shared::put_behind(shared, &mut cores)?;
            webhooks::serve_behind(&options, &mut cores)?;
            common::serve_loops(tls::scheme(&options), cores)
        }
    }
}

/// What is kept in memory, as `--retain-*` say; with a store, or Redis, the newest part of that.
fn limits(options: &Options) -> Result<Limits, String> {
    let mut limits = Limits::default();
    let retention = &mut limits.channels.retention;
    let newest = *retention;
    if let Some(messages) = bound(options, "retain-messages")? {
        retention.messages = messages;
    }
    if let Some(bytes) = bound(options, "retain-bytes")? {
        retention.bytes = bytes;
    }
    if let Some(age) = age(options)? {
        retention.age = age;
    }
    if options.last("store").or(options.last("redis")).is_some() {
        *retention = Retention {
            messages: retention.messages.min(newest.messages),
            bytes: retention.bytes.min(newest.bytes),
            age: retention.age.min(newest.age),
        };
    }
    Ok(limits)
}

/// A number, of which 0 is none.
fn bound(options: &Options, name: &str) -> Result<Option<usize>, String> {
    let Some(given) = options.last(name) else {
        return Ok(None);
    };
    match given.parse() {
        Ok(0) => Ok(Some(usize::MAX)),
        Ok(number) => Ok(Some(number)),
        Err(_) => Err(format!(
            "--{name} {given}: it takes a number; 0 is no bound"
        )),
    }
}

fn age(options: &Options) -> Result<Option<Duration>, String> {
    if options.last("retain-age").is_none() {
        return Ok(None);
    }
    let age = options.seconds("retain-age", "3600")?;
    Ok(Some(if age.is_zero() { Duration::MAX } else { age }))
}

/// The file that `--store` names.
#[cfg(feature = "durable")]
mod store {
    use std::error::Error;

    use barewire::durable::{self, Store};
    use barewire::{Cores, Server};

    use super::{Options, age, bound, common};

    pub fn open(options: &Options) -> Result<Option<Store>, Box<dyn Error>> {
        let Some(path) = options.last("store") else {
            return Ok(None);
        };
        let mut opening = durable::Options::default().on_progress(|progress| {
            let percent = 100 * progress.read / progress.of.max(1);
            common::say(format_args!("opening the store: {percent} %"));
        });
        let retained = &mut opening.retained;
        if let Some(messages) = bound(options, "retain-messages")? {
            retained.messages = messages as u64;
        }
        if let Some(bytes) = bound(options, "retain-bytes")? {
            retained.bytes = bytes as u64;
        }
        if let Some(age) = age(options)? {
            retained.age = age;
        }
        Ok(Some(Store::open(path, opening)?))
    }

    pub fn put(store: Option<Store>, server: &mut Server) -> barewire::Result<()> {
        if let Some(store) = store {
            server.store_in(store)?;
        }
        Ok(())
    }

    pub fn put_behind(store: Option<Store>, cores: &mut Cores) -> barewire::Result<()> {
        match store {
            Some(store) => cores.store_in(store),
            None => Ok(()),
        }
    }
}

#[cfg(not(feature = "durable"))]
mod store {
    use barewire::{Cores, Server};

    use super::Options;

    pub fn open(options: &Options) -> Result<Option<()>, &'static str> {
        match options.last("store") {
            None => Ok(None),
            Some(_) => Err("--store takes the feature for it: cargo run --features durable"),
        }
    }

    pub fn put(_: Option<()>, _: &mut Server) -> barewire::Result<()> {
        Ok(())
    }

    pub fn put_behind(_: Option<()>, _: &mut Cores) -> barewire::Result<()> {
        Ok(())
    }
}

fn add_routes(server: &mut Server, origins: &[&str], with_webhooks: bool) {
    let page = webhooks::page(include_str!("page.html"), with_webhooks);
    server.get("/", move |_request, reply| reply.html(&*page));
    server.get("/barewire.js", |_request, reply| {
        reply.send(source("text/javascript; charset=utf-8", client::JAVASCRIPT));
    });
    server.get("/barewire.d.ts", |_request, reply| {
        reply.send(source("text/plain; charset=utf-8", client::TYPESCRIPT));
    });
    server.channels("/channels/{name}");
    server.health("/health").metrics("/metrics");
    for origin in origins {
        server.allow_origin(origin);
    }
}

/// A part of the client for browsers, to be asked for again after an update.
fn source(media_type: &str, text: &'static str) -> Response {
    Response::bytes(media_type, text.as_bytes()).header("Cache-Control", "no-cache")
}
