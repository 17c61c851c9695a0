//! How many may wait to be accepted: of those beyond it, the system drops the first packet, and they come again a second
//! later.

use std::net::{SocketAddr, TcpStream};

use barewire::{Cores, Limits, Server};

use crate::support::PATIENCE;

/// More than the 128 that the standard library asks for, and fewer than the descriptors that a test may have.
const CROWD: usize = 300;

/// Nobody accepts: so many connect all the same, unless the system as a whole allows fewer.
fn all_may_wait(address: SocketAddr, crowd: usize) {
    let most = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
    let crowd = crowd.min(most.trim().parse().unwrap());
    let connect = |_| TcpStream::connect_timeout(&address, PATIENCE).unwrap();
    let waiting: Vec<TcpStream> = (0..crowd).map(connect).collect();
    assert_eq!(waiting.len(), crowd);
}

#[test]
fn a_burst_may_wait_at_a_server() {
    let server = Server::bind("127.0.0.1:0").unwrap();
    all_may_wait(server.local_addr().unwrap(), CROWD);
}

#[cfg(feature = "tls")]
#[test]
fn a_burst_may_wait_at_a_server_that_speaks_tls() {
    let file = |name: &str| format!("{}/tests/certificates/{name}", env!("CARGO_MANIFEST_DIR"));
    let (chain, key) = (file("renewed.pem"), file("renewed.key"));
    let tls = barewire::tls::ServerTls::from_pem_files(chain, key).unwrap();
    let server = Server::bind_tls("127.0.0.1:0", &tls).unwrap();
    all_may_wait(server.local_addr().unwrap(), CROWD);
}

#[test]
fn a_burst_may_wait_at_several_loops() {
    let cores = Cores::bind("127.0.0.1:0", 2, |_| Ok(())).unwrap();
    all_may_wait(cores.local_addr().unwrap(), CROWD);
}

#[test]
fn how_many_may_wait_is_settable_before_and_after() {
    let limits = |listen_queue| Limits {
        listen_queue,
        ..Limits::default()
    };
    let mut server = Server::unbound().unwrap();
    server.limits(limits(1));
    server.listen("127.0.0.1:0").unwrap();
    server.limits(limits(CROWD as u32));
    all_may_wait(server.local_addr().unwrap(), CROWD);

    let mut server = Server::unbound().unwrap();
    server.limits(limits(CROWD as u32));
    server.listen("127.0.0.1:0").unwrap();
    all_may_wait(server.local_addr().unwrap(), CROWD);
}
