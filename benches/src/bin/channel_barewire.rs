//! Fan-out by barewire: what one WebSocket sends to the channel, every subscriber gets, over WebSocket, as an event
//! stream or by long poll.
//!
//! `--channels N` and `--retain N` change how many channels there may be and how many messages each of them keeps.

fn main() -> barewire::Result<()> {
    let mut limits = barewire::Limits::default();
    let mut arguments = std::env::args().skip(1);
    while let (Some(name), Some(value)) = (arguments.next(), arguments.next()) {
        let Ok(value) = value.parse() else {
            break;
        };
        match name.as_str() {
            "--channels" => limits.channels.channels = value,
            "--retain" => limits.channels.retention.messages = value,
            // An argument that this version of the library has nothing for: without an address, the run leaves it out.
            _ => return Ok(()),
        }
    }
    let mut server = barewire::Server::bind("127.0.0.1:0")?;
    server.limits(limits);
    server.channels("/channels/{name}");
    println!("{}", server.local_addr()?);
    server.run()
}
