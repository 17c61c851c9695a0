//! What a client secures its connections with.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use super::pem::{Identity, Roots};
use super::server::unusable;
use super::{ALPN, Error, provider};

/// Whom a client trusts, and the certificate that it shows if it is asked for one.
///
/// A client that is given none trusts the system's roots. Clones share what they know of servers that they were connected
/// to, so that connecting again is quicker (RFC 8446 2.2).
///
/// ```no_run
/// use barewire::{Subscribe, tls::{ClientTls, Roots}};
///
/// let tls = ClientTls::trusting(&Roots::from_pem_file("ca.pem")?)?;
/// let events = Subscribe::to("https://127.0.0.1:9000/channels/ticks").tls(&tls).open()?;
/// # Ok::<(), barewire::ClientError>(())
/// ```
#[derive(Clone)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    roots: Roots,
}

impl std::fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientTls")
            .field("roots", &self.roots.store.len())
            .finish_non_exhaustive()
    }
}

impl ClientTls {
    /// Trusts the system's roots, which are read from the disk once.
    ///
    /// # Errors
    /// The system has no roots.
    pub fn system() -> Result<ClientTls, Error> {
        static SYSTEM: Mutex<Option<ClientTls>> = Mutex::new(None);
        let mut system = SYSTEM.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tls) = &*system {
            return Ok(tls.clone());
        }
        let tls = ClientTls::trusting(&Roots::system()?)?;
        Ok(system.insert(tls).clone())
    }

    /// Trusts only certificates that these roots have issued.
    ///
    /// # Errors
    /// There is no common version of TLS, which does not happen.
    pub fn trusting(roots: &Roots) -> Result<ClientTls, Error> {
        ClientTls::new(roots.clone(), None)
    }

    /// Shows this certificate to servers that ask for one: in PEM, with its issuers' behind it, and its private key.
    ///
    /// # Errors
    /// They are invalid, or don't belong together.
    pub fn with_certificate(self, chain: &[u8], key: &[u8]) -> Result<ClientTls, Error> {
        ClientTls::new(self.roots, Some(Identity::parse(chain, key)?))
    }

    /// As [`ClientTls::with_certificate`], from files.
    ///
    /// # Errors
    /// They can't be read, or don't belong together.
    pub fn with_certificate_files(
        self,
        chain: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<ClientTls, Error> {
        let identity = Identity::read(chain.as_ref(), key.as_ref())?;
        ClientTls::new(self.roots, Some(identity))
    }

    fn new(roots: Roots, identity: Option<Identity>) -> Result<ClientTls, Error> {
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots.store.clone());
        let mut config = match identity {
            Some(Identity { chain, key }) => {
                config.with_client_auth_cert(chain, key).map_err(unusable)?
            }
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = Resumption::in_memory_sessions(RESUMED);
        Ok(ClientTls {
            config: Arc::new(config),
            roots,
        })
    }

    pub(in crate::net) fn connection(
        &self,
        name: &ServerName<'static>,
    ) -> Result<ClientConnection, Error> {
        Ok(ClientConnection::new(
            Arc::clone(&self.config),
            name.clone(),
        )?)
    }
}

/// For how many servers is known how to connect again quickly.
const RESUMED: usize = 32;

/// The name that a server's certificate has to be for: a host's name, or its address (RFC 9525 6).
pub(crate) fn server_name(host: &str) -> Result<ServerName<'static>, Error> {
    ServerName::try_from(host.to_owned()).map_err(|_| Error::Name(host.to_owned()))
}
