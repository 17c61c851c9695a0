//! What a server secures its connections with: certificates, keys, and what it asks of clients.
//!
//! What new connections are secured with stands behind a lock that is held for a pointer's copy. A reload makes the whole new
//! configuration first and then swaps it: what cannot be used changes nothing, and connections that stand keep what they began with.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{ServerConfig, ServerConnection};

use super::pem::{Identity, Roots};
use super::{ALPN, Error, provider};

/// The certificate of a server and what it asks of its clients. A clone means the same: certificates that are
/// [reloaded](ServerTls::reload) through one are reloaded for all, and for every listener that was given one.
///
/// ```no_run
/// use barewire::{Server, tls::ServerTls};
///
/// let tls = ServerTls::from_pem_files("chain.pem", "key.pem")?;
/// let mut server = Server::bind_tls("0.0.0.0:443", &tls)?;
/// # Ok::<(), barewire::Error>(())
/// ```
#[derive(Clone)]
pub struct ServerTls(Arc<Shared>);

struct Shared {
    /// What new connections are secured with. Those that stand keep what they began with.
    current: RwLock<Arc<ServerConfig>>,
    /// The files of the chain and the key.
    files: Option<(PathBuf, PathBuf)>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
}

impl std::fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerTls")
            .field("files", &self.0.files)
            .field("asks_clients", &self.0.clients.is_some())
            .finish()
    }
}

impl ServerTls {
    /// The certificate in one PEM file, with its issuers' behind it, and the private key in another.
    ///
    /// # Errors
    /// They can't be read, or don't belong together.
    pub fn from_pem_files(
        chain: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<ServerTls, Error> {
        let files = (chain.as_ref().to_owned(), key.as_ref().to_owned());
        let identity = Identity::read(&files.0, &files.1)?;
        ServerTls::new(identity, Some(files))
    }

    /// The certificate in PEM, with its issuers' behind it, and the private key in PEM.
    ///
    /// # Errors
    /// They are invalid, or don't belong together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<ServerTls, Error> {
        ServerTls::new(Identity::parse(chain, key)?, None)
    }

    fn new(identity: Identity, files: Option<(PathBuf, PathBuf)>) -> Result<ServerTls, Error> {
        let current = RwLock::new(config(identity, None)?);
        Ok(ServerTls(Arc::new(Shared {
            current,
            files,
            clients: None,
        })))
    }

    /// Lets in only clients with a certificate that comes from one of these roots.
    ///
    /// # Errors
    /// There are no roots.
    pub fn require_client_certificates(self, roots: &Roots) -> Result<ServerTls, Error> {
        self.ask_clients(roots, true)
    }

    /// Asks clients for a certificate, and refuses one that does not come from one of these roots. Clients that have
    /// none may come in.
    ///
    /// # Errors
    /// There are no roots.
    pub fn accept_client_certificates(self, roots: &Roots) -> Result<ServerTls, Error> {
        self.ask_clients(roots, false)
    }

    fn ask_clients(self, roots: &Roots, required: bool) -> Result<ServerTls, Error> {
        let roots = Arc::new(roots.store.clone());
        let mut verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
        if !required {
            verifier = verifier.allow_unauthenticated();
        }
        let verifier = verifier.build().map_err(|_| Error::NoRoots)?;
        // The certificate is as it was; what is asked of clients is all that changes.
        let current = self.current();
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(Arc::clone(&verifier) as _)
            .with_cert_resolver(Arc::clone(&current.cert_resolver));
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(ServerTls(Arc::new(Shared {
            current: RwLock::new(Arc::new(config)),
            files: self.0.files.clone(),
            clients: Some(verifier),
        })))
    }

    /// Reads the files again that it was made of. Connections that stand are not touched; handshakes that begin from now
    /// on use what was read. It waits for the disk: a thread of its own is the place for it.
    ///
    /// # Errors
    /// It was not made of files, they can't be read, or don't belong together. Everything stays as it was then.
    pub fn reload(&self) -> Result<(), Error> {
        let Some((chain, key)) = &self.0.files else {
            return Err(Error::File("there are no files to read again".to_owned()));
        };
        self.take(Identity::read(chain, key)?)
    }

    /// Takes another certificate and key in PEM, as [`ServerTls::reload`] does from files.
    ///
    /// # Errors
    /// They are invalid, or don't belong together. Everything stays as it was then.
    pub fn replace(&self, chain: &[u8], key: &[u8]) -> Result<(), Error> {
        self.take(Identity::parse(chain, key)?)
    }

    fn take(&self, identity: Identity) -> Result<(), Error> {
        let config = config(identity, self.0.clients.clone())?;
        *self
            .0
            .current
            .write()
            .unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    fn current(&self) -> Arc<ServerConfig> {
        let current = self.0.current.read();
        Arc::clone(&current.unwrap_or_else(PoisonError::into_inner))
    }

    pub(in crate::net) fn connection(&self) -> Result<ServerConnection, Error> {
        Ok(ServerConnection::new(self.current())?)
    }
}

fn config(
    identity: Identity,
    clients: Option<Arc<dyn ClientCertVerifier>>,
) -> Result<Arc<ServerConfig>, Error> {
    let config =
        ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let config = match clients {
        Some(verifier) => config.with_client_cert_verifier(verifier),
        None => config.with_no_client_auth(),
    };
    let mut config = config
        .with_single_cert(identity.chain, identity.key)
        .map_err(unusable)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(config))
}

/// What is wrong with our own certificate or key.
pub(super) fn unusable(error: rustls::Error) -> Error {
    match Error::from(error) {
        Error::KeyMismatch => Error::KeyMismatch,
        error => Error::Unusable(format!("the certificate or its key is of no use: {error}")),
    }
}
