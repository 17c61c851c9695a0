//! Servers in threads, and peers that block.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use barewire::tls::{ClientTls, Roots, ServerTls};
use barewire::{Server, Stopper};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use rustls::{StreamOwned, crypto::ring};

/// How long a test waits for what has to come.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn path(name: &str) -> PathBuf {
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests");
    tests.join("certificates").join(name)
}

/// Our server's side. The certificates are described in `tests/certificates/make`.
pub fn server_tls(name: &str) -> ServerTls {
    let chain = path(&format!("{name}.pem"));
    ServerTls::from_pem_files(chain, path("server.key")).unwrap()
}

pub fn roots() -> Roots {
    Roots::from_pem_file(path("ca.pem")).unwrap()
}

/// Our client's side.
pub fn client_tls() -> ClientTls {
    ClientTls::trusting(&roots()).unwrap()
}

/// A server in a thread of its own, until the test ends.
pub struct Running {
    pub address: SocketAddr,
    pub stopper: Stopper,
    thread: Option<JoinHandle<barewire::Result<()>>>,
}

impl Running {
    pub fn start(tls: &ServerTls, configure: impl FnOnce(&mut Server)) -> Running {
        let mut server = Server::bind_tls("127.0.0.1:0", tls).unwrap();
        server.get("/", |_, reply| reply.text("hello"));
        server.websocket("/echo", |socket, message| socket.send(message));
        server.channels("/channels/{name}");
        configure(&mut server);
        Running {
            address: server.local_addr().unwrap(),
            stopper: server.stopper(),
            thread: Some(std::thread::spawn(move || server.run())),
        }
    }

    /// With the tests' own certificate.
    pub fn usual() -> Running {
        Running::start(&server_tls("server"), |_| {})
    }

    /// A URL of it, without the scheme's colon.
    pub fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://localhost:{}{path}", self.address.port())
    }

    pub fn join(mut self) {
        self.thread.take().unwrap().join().unwrap().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.stopper.stop();
            self.stopper.stop();
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.unwrap().unwrap();
            }
        }
    }
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Another's client.
pub type Peer = StreamOwned<ClientConnection, TcpStream>;

pub fn client_connection() -> ClientConnection {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(path("ca.pem")).unwrap())
        .unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    ClientConnection::new(Arc::new(config), name).unwrap()
}

pub fn peer(address: SocketAddr) -> Peer {
    StreamOwned::new(client_connection(), connect(address))
}

/// Asks for this, and reads to the end, which has to be said.
pub fn ask(stream: &mut Peer, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

/// Whether the other side ends the connection, whatever it says before.
pub fn is_ended(stream: &mut TcpStream) -> bool {
    let mut bytes = [0; 4096];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == ErrorKind::ConnectionReset,
        }
    }
}

/// Another's server, which does this with each connection in turn, when its request has come.
pub fn strange_server(
    name: &str,
    answers: Vec<fn(StreamOwned<ServerConnection, TcpStream>)>,
) -> SocketAddr {
    let chain = CertificateDer::pem_file_iter(path(&format!("{name}.pem"))).unwrap();
    let key = PrivateKeyDer::from_pem_file(path("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.map(Result::unwrap).collect(), key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for answer in answers {
            let (stream, _) = listener.accept().unwrap();
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, stream);
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                match stream.read(&mut byte) {
                    Ok(1) => request.push(byte[0]),
                    _ => break,
                }
            }
            answer(stream);
        }
    });
    address
}
