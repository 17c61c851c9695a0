//! The certificates of the tests. See `tests/certificates/make`.

use std::path::PathBuf;

use super::{ClientTls, Roots, ServerTls};

pub(crate) fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/certificates")
        .join(name)
}

pub(crate) fn read(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap()
}

/// The server that has this certificate. Those that have no key of their own have the first one's.
pub(crate) fn server(name: &str) -> ServerTls {
    let key = match name {
        "renewed" => "renewed.key",
        _ => "server.key",
    };
    ServerTls::from_pem_files(path(&format!("{name}.pem")), path(key)).unwrap()
}

pub(crate) fn roots() -> Roots {
    Roots::from_pem_file(path("ca.pem")).unwrap()
}

/// A client that trusts the authority of the tests.
pub(crate) fn client() -> ClientTls {
    ClientTls::trusting(&roots()).unwrap()
}
