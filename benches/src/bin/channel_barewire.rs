//! Fan-out by barewire: what one WebSocket sends to the channel, every subscriber gets, over WebSocket, as an event
//! stream or by long poll.

fn main() -> barewire::Result<()> {
    let mut server = barewire::Server::bind("127.0.0.1:0")?;
    server.channels("/channels/{name}");
    println!("{}", server.local_addr()?);
    server.run()
}
