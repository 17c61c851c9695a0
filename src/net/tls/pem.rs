//! Certificates and keys in PEM (RFC 7468), as every tool writes them.

use std::fs;
use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::Error;

/// A certificate with those of its issuers, its own first, and its private key.
pub(super) struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl Identity {
    pub(super) fn parse(chain: &[u8], key: &[u8]) -> Result<Identity, Error> {
        Ok(Identity {
            chain: certificates(chain)?,
            key: private_key(key)?,
        })
    }

    pub(super) fn read(chain: &Path, key: &Path) -> Result<Identity, Error> {
        Ok(Identity {
            chain: certificates(&read(chain)?).map_err(|why| why.in_file(chain))?,
            key: private_key(&read(key)?).map_err(|why| why.in_file(key))?,
        })
    }
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, Error> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|why| {
        Error::Pem(match why {
            pem::Error::NoItemsFound => "there is no private key in it".to_owned(),
            why => format!("the private key can't be read: {why}"),
        })
    })
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|why| Error::Pem(format!("the certificates can't be read: {why}")))?;
    match certificates.is_empty() {
        true => Err(Error::Pem("there is no certificate in it".to_owned())),
        false => Ok(certificates),
    }
}

impl Error {
    /// Says too which file it is that makes no sense.
    fn in_file(self, path: &Path) -> Error {
        match self {
            Error::Pem(why) => Error::Pem(format!("{}: {why}", path.display())),
            Error::Unusable(why) => Error::Unusable(format!("{}: {why}", path.display())),
            other => other,
        }
    }
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|why| Error::File(format!("{} can't be read: {why}", path.display())))
}

/// Who is trusted: the issuers from which every certificate that is accepted has to come.
///
/// ```no_run
/// use barewire::tls::{ClientTls, Roots};
///
/// let tls = ClientTls::trusting(&Roots::from_pem_file("ca.pem")?)?;
/// # Ok::<(), barewire::tls::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Roots {
    pub(super) store: RootCertStore,
}

impl Roots {
    /// Those that the system trusts, or those that the environment variables `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
    ///
    /// # Errors
    /// There are none.
    pub fn system() -> Result<Roots, Error> {
        let mut store = RootCertStore::empty();
        // Systems have old and odd ones among them; whoever is issued by one of those is refused then.
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        match store.is_empty() {
            true => Err(Error::NoRoots),
            false => Ok(Roots { store }),
        }
    }

    /// Those in a PEM file.
    ///
    /// # Errors
    /// It can't be read, or holds no certificate or an invalid one.
    pub fn from_pem_file(path: impl AsRef<Path>) -> Result<Roots, Error> {
        let path = path.as_ref();
        Roots::from_pem(&read(path)?).map_err(|why| why.in_file(path))
    }

    /// Those in PEM.
    ///
    /// # Errors
    /// There is no certificate, or an invalid one.
    pub fn from_pem(pem: &[u8]) -> Result<Roots, Error> {
        let mut store = RootCertStore::empty();
        for certificate in certificates(pem)? {
            store
                .add(certificate)
                .map_err(|why| Error::Unusable(format!("a root certificate is invalid: {why}")))?;
        }
        Ok(Roots { store })
    }
}
