//! Fan-out by barewire: what one WebSocket sends to the channel, every subscriber gets, over WebSocket, as an event
//! stream or by long poll.
//!
//! `--channels N` and `--retain N` change how many channels there may be and how many messages each of them keeps, and
//! `--window MS` how long a channel rests between two deliveries. With `--store FILE` the channels are kept in that file, made
//! anew, as many messages of each as `--retain` says.

fn main() -> barewire::Result<()> {
    let mut limits = barewire::Limits::default();
    let mut arguments = std::env::args().skip(1);
    let mut store = None;
    while let (Some(name), Some(value)) = (arguments.next(), arguments.next()) {
        if name == "--store" {
            store = Some(value);
            continue;
        }
        let Ok(value) = value.parse() else {
            break;
        };
        match name.as_str() {
            "--channels" => limits.channels.channels = value,
            "--window" => limits.channels.window = std::time::Duration::from_millis(value as u64),
            "--retain" => limits.channels.retention.messages = value,
            // An argument that this version of the library has nothing for: without an address, the run leaves it out.
            _ => return Ok(()),
        }
    }
    let mut server = barewire::Server::bind("127.0.0.1:0")?;
    let retained = limits.channels.retention.messages;
    server.limits(limits);
    if let Some(path) = store {
        put_behind(&mut server, &path, retained)?;
    }
    server.channels("/channels/{name}");
    println!("{}", server.local_addr()?);
    server.run()
}

#[cfg(feature = "durable")]
fn put_behind(server: &mut barewire::Server, path: &str, retained: usize) -> barewire::Result<()> {
    use barewire::durable::{Options, Store};
    let failed = |error: String| barewire::Error::Backend(error.into());
    let _ = std::fs::remove_file(path);
    let mut options = Options::default();
    options.retained.messages = retained as u64;
    options.retained.channels = 200_000;
    let store = Store::open(path, options).map_err(|error| failed(error.to_string()))?;
    server.store_in(store)?;
    server.on_error(|error| eprintln!("{error}"));
    Ok(())
}

#[cfg(not(feature = "durable"))]
fn put_behind(_: &mut barewire::Server, path: &str, _: usize) -> barewire::Result<()> {
    Err(barewire::Error::Backend(
        format!("{path}: not built with a store").into(),
    ))
}
