//! What the standard library can't ask of a listener: how many connections may wait at it, and several on one address.
//!
//! The standard library and mio let 128 connections wait, of which a burst leaves the rest a second late. Another number
//! takes the feature `listen-queue`.
//!
//! Where the system spreads connections over sockets that are bound to the same address (SO_REUSEPORT on Linux), each
//! loop gets one of its own. That has to be asked for between `socket` and `bind`, for which the standard library has
//! no way, so it takes the feature `reuseport`. Elsewhere all loops accept from one socket.

use std::io;
use std::net::{SocketAddr, TcpListener};

/// This many listeners on one address, all on the port that the first one gets. `queue` connections may wait at each.
pub(crate) fn listeners(
    address: SocketAddr,
    count: usize,
    queue: u32,
) -> io::Result<Vec<TcpListener>> {
    // Also where each has its own: two programs on one port are a mistake, and SO_REUSEPORT would let it pass.
    let one = TcpListener::bind(address)?;
    #[cfg(all(feature = "reuseport", any(target_os = "linux", target_os = "android")))]
    if count > 1 {
        let address = one.local_addr()?;
        drop(one);
        return (0..count).map(|_| reuseport(address, queue)).collect();
    }
    set_queue(&one, queue)?;
    let mut listeners = vec![one];
    while let Some(first) = listeners.first().filter(|_| listeners.len() < count) {
        let another = first.try_clone()?;
        listeners.push(another);
    }
    Ok(listeners)
}

/// Lets `queue` connections wait to be accepted. Asking again changes it (listen(2)).
#[cfg(all(feature = "listen-queue", unix))]
pub(super) fn set_queue(listener: &impl std::os::fd::AsFd, queue: u32) -> io::Result<()> {
    socket2::SockRef::from(listener).listen(i32::try_from(queue).unwrap_or(i32::MAX))
}

/// The standard library's queue stays.
#[cfg(not(all(feature = "listen-queue", unix)))]
pub(super) fn set_queue<L>(_listener: &L, _queue: u32) -> io::Result<()> {
    Ok(())
}

/// A listener that shares its address with others made so (SO_REUSEPORT), behind which at most `backlog` connections
/// wait to be accepted. For [`Server::listen_on`](crate::Server::listen_on) of each loop.
///
/// # Errors
/// The address can't be bound.
#[cfg(all(feature = "reuseport", any(target_os = "linux", target_os = "android")))]
#[cfg_attr(docsrs, doc(cfg(feature = "reuseport")))]
pub fn reuseport(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}
