//! The echo of barewire. Prints its address, as every server here does.

fn main() -> barewire::Result<()> {
    let mut server = barewire::Server::bind("127.0.0.1:0")?;
    server.websocket("/", |socket, message| socket.send(message));
    println!("{}", server.local_addr()?);
    server.run()
}
