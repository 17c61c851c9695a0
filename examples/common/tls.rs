//! The options of the examples that are about TLS: what a server shows, and whom a client trusts. Without the feature
//! `tls` they say so.

use std::error::Error;

use barewire::{Connect, Server, Subscribe};

use super::Options;

/// Listens where `--listen` says: for https and wss if `--tls-cert` and `--tls-key` name their files.
pub fn bind(options: &Options, default: &str) -> Result<Server, Box<dyn Error>> {
    let address = options.text("listen", default);
    match (options.last("tls-cert"), options.last("tls-key")) {
        (None, None) => Ok(Server::bind(address)?),
        (Some(cert), Some(key)) => secured(address, cert, key),
        _ => Err("--tls-cert and --tls-key go together".into()),
    }
}

/// The scheme of the URLs at which a server is reached that was bound with these options.
pub fn scheme(options: &Options) -> &'static str {
    match options.last("tls-cert") {
        Some(_) => "https",
        None => "http",
    }
}

#[cfg(feature = "tls")]
fn secured(address: &str, cert: &str, key: &str) -> Result<Server, Box<dyn Error>> {
    let tls = barewire::tls::ServerTls::from_pem_files(cert, key)?;
    Ok(Server::bind_tls(address, &tls)?)
}

#[cfg(not(feature = "tls"))]
fn secured(_address: &str, _cert: &str, _key: &str) -> Result<Server, Box<dyn Error>> {
    Err(WITHOUT.into())
}

#[cfg(not(feature = "tls"))]
const WITHOUT: &str = "TLS takes the feature for it: cargo run --features tls";

/// Whom `--ca` says that a client trusts, instead of those whom the system trusts.
pub trait Trust: Sized {
    fn trusting(self, ca: Option<&str>) -> Result<Self, Box<dyn Error>>;
}

#[cfg(feature = "tls")]
fn trust(ca: &str) -> Result<barewire::tls::ClientTls, barewire::tls::Error> {
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

trust!(Subscribe);
trust!(Connect);
