//! The options of the examples that are about TLS: what a server shows, and whom a client trusts. Without the feature
//! `tls` they say so.

use std::error::Error;

#[cfg(feature = "tls")]
use barewire::tls::ServerTls;
use barewire::{Connect, Cores, Publish, Server, Subscribe};

use super::Options;

/// Listens where `--listen` says: for https and wss if `--tls-cert` and `--tls-key` name their files.
pub fn bind(options: &Options, default: &str) -> Result<Server, Box<dyn Error>> {
    let address = options.listen(default)?;
    Ok(match files(options)? {
        None => Server::bind(&*address)?,
        #[cfg(feature = "tls")]
        Some((cert, key)) => Server::bind_tls(&*address, &ServerTls::from_pem_files(cert, key)?)?,
        #[cfg(not(feature = "tls"))]
        Some(_) => return Err(WITHOUT.into()),
    })
}

/// As [`bind`], with several loops.
pub fn bind_loops(
    options: &Options,
    default: &str,
    loops: usize,
    set_up: impl FnMut(&mut Server) -> barewire::Result<()>,
) -> Result<Cores, Box<dyn Error>> {
    let address = options.listen(default)?;
    Ok(match files(options)? {
        None => Cores::bind(&*address, loops, set_up)?,
        #[cfg(feature = "tls")]
        Some((cert, key)) => {
            let tls = ServerTls::from_pem_files(cert, key)?;
            Cores::bind_tls(&*address, &tls, loops, set_up)?
        }
        #[cfg(not(feature = "tls"))]
        Some(_) => return Err(WITHOUT.into()),
    })
}

fn files(options: &Options) -> Result<Option<(&str, &str)>, &'static str> {
    match (options.last("tls-cert"), options.last("tls-key")) {
        (None, None) => Ok(None),
        (Some(cert), Some(key)) => Ok(Some((cert, key))),
        _ => Err("--tls-cert and --tls-key go together"),
    }
}

/// The scheme of the URLs at which a server is reached that was bound with these options.
pub fn scheme(options: &Options) -> &'static str {
    match options.last("tls-cert") {
        Some(_) => "https",
        None => "http",
    }
}

#[cfg(not(feature = "tls"))]
const WITHOUT: &str = "TLS takes the feature for it: cargo run --features tls";

/// Whom `--ca` says that a client trusts, instead of those whom the system trusts.
pub trait Trust: Sized {
    fn trusting(self, ca: Option<&str>) -> Result<Self, Box<dyn Error>>;
}

#[cfg(feature = "tls")]
pub fn trust(ca: &str) -> Result<barewire::tls::ClientTls, barewire::tls::Error> {
    use barewire::tls::{ClientTls, Roots};
    ClientTls::trusting(&Roots::from_pem_file(ca)?)
}

macro_rules! trust {
    ($asked:ty) => {
        impl Trust for $asked {
            #[cfg(feature = "tls")]
            fn trusting(self, ca: Option<&str>) -> Result<Self, Box<dyn Error>> {
                Ok(match ca {
                    Some(ca) => self.tls(&trust(ca)?),
                    None => self,
                })
            }

            #[cfg(not(feature = "tls"))]
            fn trusting(self, ca: Option<&str>) -> Result<Self, Box<dyn Error>> {
                ca.map_or(Ok(self), |_| Err(WITHOUT.into()))
            }
        }
    };
}

trust!(Publish);
trust!(Subscribe);
trust!(Connect);
