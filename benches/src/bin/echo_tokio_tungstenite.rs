//! The echo of tokio-tungstenite, with `forward` as in its own example, on one thread as it gets one core.

use futures_util::StreamExt;
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            if let Ok(socket) = tokio_tungstenite::accept_async(stream).await {
                let (write, read) = socket.split();
                let _ = read.forward(write).await;
            }
        });
    }
}
