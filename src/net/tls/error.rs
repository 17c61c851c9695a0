//! What can go wrong with TLS, in words for the person who runs the program.
//!
//! rustls says what its code has met; here that becomes what there is to do: which file, which name, whose certificate. What may
//! pass without anybody changing anything is told from what will not ([`Error::is_passing`]), because a client that retries asks just that.

use std::fmt;

use rustls::{AlertDescription, CertificateError};

/// Why a connection could not be secured, was not any more, or why what it was to be secured with is of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A file with certificates or a key can't be read. Says which and why.
    File(String),
    /// What should hold certificates or a key in PEM (RFC 7468) does not. Holds the reason.
    Pem(String),
    /// The key does not belong to the certificate.
    KeyMismatch,
    /// A certificate or key is of a kind that is not supported. Holds the reason.
    Unusable(String),
    /// There are no trusted roots: no server could be identified.
    NoRoots,
    /// This is no name that a certificate could be for (RFC 6066 3, RFC 9525 6).
    Name(String),

    /// The peer's certificate has expired (RFC 5280 4.1.2.5).
    Expired,
    /// The peer's certificate is not valid yet.
    NotValidYet,
    /// The peer's certificate was not issued by a trusted root.
    UnknownIssuer,
    /// The peer's certificate is for another name. Says for which name one was expected, and for which it is.
    WrongName(String),
    /// The peer's certificate is not to be used for this: a server's as a client's, for one.
    WrongPurpose,
    /// The peer's certificate is refused for another reason.
    Certificate(String),
    /// The peer sent no certificate, and had to.
    NoCertificate,

    /// The peer ended the connection with this alert (RFC 8446 6.2).
    Alert(u8),
    /// The peer does not speak TLS, or not on this port.
    NotTls,
    /// The peer speaks no application protocol that is spoken here (RFC 7301 3.2).
    NoProtocol,
    /// The peer broke the rules of TLS, or has no version or cipher suite in common with this side. Holds the reason.
    Protocol(String),
    /// The handshake took too long.
    Timeout,
    /// The connection ended in the middle of the handshake.
    Unfinished,
    /// The connection ended without a `close_notify` alert: something may be missing (RFC 8446 6.1).
    Truncated,
}

impl Error {
    /// Whether the same may succeed later with nothing changed here: an attempt that was cut short or garbled may, as
    /// whatever stands in front of a server that is restarted may say anything. A certificate that is not trusted will not
    /// be, and what both sides support stays what it is.
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Timeout | Error::Unfinished | Error::Truncated | Error::Protocol(_) => true,
            Error::Alert(code) => GARBLED.contains(&AlertDescription::from(*code)),
            _ => false,
        }
    }
}

/// The alerts that say nothing of what either side has, knows or wants (RFC 8446 6.2).
const GARBLED: [AlertDescription; 6] = [
    AlertDescription::UnexpectedMessage,
    AlertDescription::BadRecordMac,
    AlertDescription::RecordOverflow,
    AlertDescription::DecodeError,
    AlertDescription::DecryptError,
    AlertDescription::InternalError,
];

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::File(why) | Error::Pem(why) | Error::Unusable(why) => f.write_str(why),
            Error::KeyMismatch => f.write_str("the private key is not the certificate's"),
            Error::NoRoots => f.write_str("there are no root certificates to trust"),
            Error::Name(name) => write!(f, "no certificate can be for {name:?}"),
            Error::Expired => f.write_str("the peer's certificate has expired"),
            Error::NotValidYet => f.write_str("the peer's certificate is not valid yet"),
            Error::UnknownIssuer => {
                f.write_str("the peer's certificate was issued by nobody who is trusted here")
            }
            Error::WrongName(why) => {
                write!(f, "the peer's certificate is for another name: {why}")
            }
            Error::WrongPurpose => {
                f.write_str("the peer's certificate is not to be used for this purpose")
            }
            Error::Certificate(why) => write!(f, "the peer's certificate is refused: {why}"),
            Error::NoCertificate => f.write_str("the peer sent no certificate"),
            Error::Alert(code) => {
                let alert = AlertDescription::from(*code);
                write!(f, "the peer refused with the TLS alert {alert:?}")
            }
            Error::NotTls => f.write_str("the peer does not speak TLS on this port"),
            Error::NoProtocol => {
                f.write_str("the peer speaks no application protocol that is spoken here")
            }
            Error::Protocol(why) => write!(f, "the TLS connection failed: {why}"),
            Error::Timeout => f.write_str("the TLS handshake took too long"),
            Error::Unfinished => f.write_str("the peer ended the connection during the handshake"),
            Error::Truncated => {
                f.write_str("the connection was cut off: there may be more than has come")
            }
        }
    }
}

impl std::error::Error for Error {}

impl From<rustls::Error> for Error {
    fn from(error: rustls::Error) -> Error {
        match error {
            rustls::Error::InvalidCertificate(why) => why.into(),
            rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)
            | rustls::Error::NoApplicationProtocol => Error::NoProtocol,
            rustls::Error::AlertReceived(alert) => Error::Alert(alert.into()),
            rustls::Error::NoCertificatesPresented => Error::NoCertificate,
            rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch) => {
                Error::KeyMismatch
            }
            rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => {
                Error::NotTls
            }
            error => Error::Protocol(error.to_string()),
        }
    }
}

impl From<CertificateError> for Error {
    fn from(error: CertificateError) -> Error {
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Error::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Error::NotValidYet
            }
            CertificateError::UnknownIssuer => Error::UnknownIssuer,
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                Error::WrongPurpose
            }
            CertificateError::NotValidForName => {
                Error::WrongName("not the one that was asked for".to_owned())
            }
            CertificateError::NotValidForNameContext {
                expected,
                presented,
            } => {
                let presented = match presented.is_empty() {
                    true => "no name".to_owned(),
                    false => presented.join(", "),
                };
                let expected = expected.to_str();
                Error::WrongName(format!("it is for {presented}, not for {expected}"))
            }
            // As if the key of an authority was made anew under the old name, and the old one is still trusted.
            CertificateError::BadSignature
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                Error::Certificate(
                    "it is not signed by the key that it has to be signed by; is another issuer of the same name trusted?"
                        .to_owned(),
                )
            }
            CertificateError::Other(why) => Error::Certificate(reason(&why.0)),
            error => Error::Certificate(error.to_string()),
        }
    }
}

/// Why a certificate is refused, as the one who looked at it says. Its words for the one mistake that everybody makes, a
/// certificate that `openssl req -x509` signed itself, say too little.
fn reason(why: &dyn std::error::Error) -> String {
    match why.to_string() {
        // Its type belongs to a crate below rustls.
        why if why == "CaUsedAsEndEntity" => {
            "it is an authority's own (CA:TRUE), and one that is shown has to say CA:FALSE"
                .to_owned()
        }
        why => why,
    }
}

impl From<Error> for std::io::Error {
    fn from(error: Error) -> std::io::Error {
        std::io::Error::other(error)
    }
}
