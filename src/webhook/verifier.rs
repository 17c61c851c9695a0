//! For receivers: whether a request comes from who has the secret, and was sent just now.
//!
//! A receiver that trusts what it has not verified lets anybody write to it. What has to be known:
//!
//! - The body is verified as it came, byte by byte. JSON that was read and written again is another body.
//! - The timestamp is part of what is signed, so that a request that was overheard is worthless after [`TOLERANCE`]. Within
//!   it, which is ten minutes from end to end, it may come again: whoever must not do a thing twice remembers the
//!   `webhook-id` for as long, and takes it down when the work is done, not before, or a try that failed can't be repeated.
//! - Signatures are compared in a time that does not depend on where they differ, or they could be guessed byte by byte.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use hmac::Mac;

use super::secret::{BASE64, Secret, SecretError};
use super::signature::{self, VERSION};

/// How far a timestamp may be from the receiver's clock, in either direction: five minutes, as the specification's own
/// libraries have it.
pub const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// Signatures that are looked at in one request. A sender has one or two; each costs a hash of the body.
const MAX_SIGNATURES: usize = 16;

/// Verifies what a sender of Standard Webhooks has sent. It needs no server of this library: any three fields and a body
/// will do.
///
/// ```
/// use barewire::webhook::{Secret, Verifier, sign};
/// use std::time::{Duration, UNIX_EPOCH};
///
/// let verifier = Verifier::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?;
/// let fields = |name: &str| match name {
///     "webhook-id" => Some("msg_p5jXN8AQM9LWM0D4loKWxJek"),
///     "webhook-timestamp" => Some("1614265330"),
///     "webhook-signature" => Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
///     _ => None,
/// };
/// let now = UNIX_EPOCH + Duration::from_secs(1_614_265_330); // in earnest: SystemTime::now()
/// verifier.verify(fields, br#"{"test": 2432232314}"#, now)?;
/// assert!(verifier.verify(fields, br#"{"test": 2432232315}"#, now).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Verifier {
    secrets: Vec<Secret>,
    tolerance: Duration,
}

impl Verifier {
    /// A verifier of what is signed with this secret.
    ///
    /// # Errors
    /// It is no secret.
    pub fn new(secret: &str) -> Result<Verifier, SecretError> {
        Ok(Verifier {
            secrets: vec![Secret::parse(secret)?],
            tolerance: TOLERANCE,
        })
    }

    /// Takes signatures of this secret, too: while a secret is replaced by another.
    ///
    /// # Errors
    /// It is no secret.
    pub fn or(mut self, secret: &str) -> Result<Verifier, SecretError> {
        self.secrets.push(Secret::parse(secret)?);
        Ok(self)
    }

    /// How far a timestamp may be from the clock, in either direction. Default: five minutes ([`TOLERANCE`]).
    #[must_use]
    pub fn tolerance(self, tolerance: Duration) -> Verifier {
        Verifier { tolerance, ..self }
    }

    /// Verifies a request that has come at the time `now`: `field` gives its fields, whatever the case of their
    /// names, and `body` is all of its body.
    ///
    /// # Errors
    /// What is wrong with it. Whatever it is, nothing of the request is to be believed, and the answer is 401, or 400.
    pub fn verify<'f>(
        &self,
        field: impl Fn(&'static str) -> Option<&'f str>,
        body: &[u8],
        now: SystemTime,
    ) -> Result<(), VerifyError> {
        let required = |name| field(name).ok_or(VerifyError::Missing(name));
        let id = required("webhook-id")?;
        let timestamp = required("webhook-timestamp")?;
        let signatures = required("webhook-signature")?;
        // "a.1" and "2" would be signed as "a" and "1.2".
        if id.is_empty() || id.contains('.') {
            return Err(VerifyError::Id);
        }
        self.check_time(timestamp, now)?;
        let mut seen = 0;
        for signature in signatures.split(' ') {
            // Other versions are other schemes: a sender may have several.
            let Some(encoded) = signature.strip_prefix(VERSION) else {
                continue;
            };
            seen += 1;
            if seen > MAX_SIGNATURES {
                break;
            }
            let Ok(tag) = BASE64.decode(encoded) else {
                continue;
            };
            for secret in &self.secrets {
                let mac = signature::mac(secret, id.as_bytes(), timestamp, body);
                if mac.is_some_and(|mac| mac.verify_slice(&tag).is_ok()) {
                    return Ok(());
                }
            }
        }
        match seen {
            0 => Err(VerifyError::NoSignature),
            _ => Err(VerifyError::Mismatch),
        }
    }

    fn check_time(&self, timestamp: &str, now: SystemTime) -> Result<(), VerifyError> {
        // "+1", "01" and " 1" are signed as they are, but no sender writes them.
        let is_plain = timestamp.bytes().all(|byte| byte.is_ascii_digit())
            && !timestamp.starts_with('0')
            && timestamp.len() <= 12;
        let sent: u64 = match timestamp.parse() {
            Ok(sent) if is_plain => sent,
            _ => return Err(VerifyError::Timestamp),
        };
        let now = now
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let tolerance = self.tolerance.as_secs();
        match (now.saturating_sub(sent), sent.saturating_sub(now)) {
            (old, _) if old > tolerance => Err(VerifyError::TooOld { seconds: old }),
            (_, new) if new > tolerance => Err(VerifyError::TooNew { seconds: new }),
            _ => Ok(()),
        }
    }
}

/// What is wrong with a request that says that it is a webhook's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerifyError {
    /// This field is not there, or is no text.
    Missing(&'static str),
    /// `webhook-id` is empty or holds a full stop, so that what was signed could be read in another way.
    Id,
    /// `webhook-timestamp` is no number of seconds since 1970.
    Timestamp,
    /// It was sent this long before the receiver's clock: later than the tolerance, again, or one of two clocks is wrong.
    TooOld {
        /// How long ago.
        seconds: u64,
    },
    /// It was sent this far ahead of the receiver's clock.
    TooNew {
        /// How far ahead.
        seconds: u64,
    },
    /// `webhook-signature` holds none of the version `v1`.
    NoSignature,
    /// No signature is that of these bytes under a secret that is known here: another secret, or not the bytes that were sent.
    Mismatch,
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VerifyError::Missing(name) => write!(f, "the field {name} is missing"),
            VerifyError::Id => f.write_str("webhook-id is empty or holds a full stop"),
            VerifyError::Timestamp => {
                f.write_str("webhook-timestamp is no number of seconds since 1970")
            }
            VerifyError::TooOld { seconds } => write!(
                f,
                "it was sent {seconds} seconds ago by its own account: too late, again, or by another clock"
            ),
            VerifyError::TooNew { seconds } => write!(
                f,
                "it was sent {seconds} seconds ahead of this clock by its own account"
            ),
            VerifyError::NoSignature => {
                f.write_str("webhook-signature holds no signature of the version v1")
            }
            VerifyError::Mismatch => f.write_str(
                "no signature is right: it was made with another secret, or over other bytes than these",
            ),
        }
    }
}

impl std::error::Error for VerifyError {}

#[cfg(test)]
mod tests {
    use super::super::signature::sign;
    use super::*;
    use proptest::prelude::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SENT: u64 = 1_614_265_330;

    fn at(unix_seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(unix_seconds)
    }

    fn verify(fields: [Option<&str>; 3], body: &[u8], now: u64) -> Result<(), VerifyError> {
        let [id, timestamp, signature] = fields;
        let field = |name| match name {
            "webhook-id" => id,
            "webhook-timestamp" => timestamp,
            _ => signature,
        };
        Verifier::new(SECRET).unwrap().verify(field, body, at(now))
    }

    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const STAMP: &str = "1614265330";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    #[test]
    fn the_specifications_vector_is_verified() {
        let fields = [Some(ID), Some(STAMP), Some(SIGNATURE)];
        assert_eq!(verify(fields, BODY, SENT), Ok(()));
    }

    #[test]
    fn any_of_several_signatures_and_versions_will_do() {
        let others = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= v2,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= v1a,x";
        let list = format!("{others} {SIGNATURE}");
        assert_eq!(
            verify([Some(ID), Some(STAMP), Some(&list)], BODY, SENT),
            Ok(())
        );
        let fields = [Some(ID), Some(STAMP), Some(others)];
        assert_eq!(verify(fields, BODY, SENT), Err(VerifyError::Mismatch));
    }

    #[test]
    fn any_of_several_secrets_will_do() {
        let new = Secret::from_key(&[9; 24]).unwrap();
        let signature = sign([&new], ID, SENT, BODY);
        let field = |name| match name {
            "webhook-id" => Some(ID),
            "webhook-timestamp" => Some(STAMP),
            _ => Some(&*signature),
        };
        let verifier = Verifier::new(SECRET).unwrap();
        let mismatch = Err(VerifyError::Mismatch);
        assert_eq!(verifier.verify(field, BODY, at(SENT)), mismatch);
        let verifier = verifier.or(&new.reveal()).unwrap();
        assert_eq!(verifier.verify(field, BODY, at(SENT)), Ok(()));
    }

    #[test]
    fn a_request_says_what_is_wrong_with_it() {
        let (id, stamp, good) = (Some(ID), Some(STAMP), Some(SIGNATURE));
        let too_many = "v1,AAAA ".repeat(MAX_SIGNATURES) + SIGNATURE;
        for (fields, error) in [
            ([None, stamp, good], VerifyError::Missing("webhook-id")),
            ([id, None, good], VerifyError::Missing("webhook-timestamp")),
            ([id, stamp, None], VerifyError::Missing("webhook-signature")),
            ([Some(""), stamp, good], VerifyError::Id),
            ([Some("a.1"), stamp, good], VerifyError::Id),
            ([id, Some(""), good], VerifyError::Timestamp),
            ([id, Some("now"), good], VerifyError::Timestamp),
            ([id, Some("+1614265330"), good], VerifyError::Timestamp),
            ([id, Some("01614265330"), good], VerifyError::Timestamp),
            ([id, Some("1614265330.0"), good], VerifyError::Timestamp),
            ([id, Some("-1"), good], VerifyError::Timestamp),
            (
                [id, Some("99999999999999999999"), good],
                VerifyError::Timestamp,
            ),
            ([id, stamp, Some("")], VerifyError::NoSignature),
            ([id, stamp, Some("v2,AAAA")], VerifyError::NoSignature),
            ([id, stamp, Some(&SIGNATURE[3..])], VerifyError::NoSignature),
            ([id, stamp, Some("v1,?")], VerifyError::Mismatch),
            ([id, stamp, Some("v1,")], VerifyError::Mismatch),
            ([id, stamp, Some(&SIGNATURE[..20])], VerifyError::Mismatch),
            ([id, stamp, Some(&too_many)], VerifyError::Mismatch),
        ] {
            assert_eq!(verify(fields, BODY, SENT), Err(error), "{fields:?}");
            assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn a_timestamp_may_be_five_minutes_off_in_either_direction() {
        let fields = [Some(ID), Some(STAMP), Some(SIGNATURE)];
        assert_eq!(verify(fields, BODY, SENT + 300), Ok(()));
        assert_eq!(verify(fields, BODY, SENT - 300), Ok(()));
        let (old, new) = (
            verify(fields, BODY, SENT + 301),
            verify(fields, BODY, SENT - 301),
        );
        assert_eq!(old, Err(VerifyError::TooOld { seconds: 301 }));
        assert_eq!(new, Err(VerifyError::TooNew { seconds: 301 }));
    }

    proptest! {
        /// Any byte of what is signed, and of a signature, counts.
        #[test]
        fn any_changed_byte_fails(
            body in proptest::collection::vec(any::<u8>(), 0..64),
            id in "[a-z0-9_-]{1,20}",
            which in 0..3_usize,
            at_byte in any::<proptest::sample::Index>(),
            flip in 1..=255_u8,
        ) {
            let secret = Secret::parse(SECRET).unwrap();
            let signature = sign([&secret], &id, SENT, &body);
            prop_assert_eq!(verify([Some(&id), Some(STAMP), Some(&signature)], &body, SENT), Ok(()));
            let change = |bytes: &[u8]| {
                let mut bytes = bytes.to_vec();
                if !bytes.is_empty() {
                    let at = at_byte.index(bytes.len());
                    bytes[at] ^= flip;
                }
                bytes
            };
            let changed = match which {
                0 => {
                    let other = change(&body);
                    prop_assume!(other != body);
                    verify([Some(&id), Some(STAMP), Some(&signature)], &other, SENT)
                }
                1 => {
                    let other = change(id.as_bytes());
                    let Ok(other) = std::str::from_utf8(&other) else { return Ok(()) };
                    verify([Some(other), Some(STAMP), Some(&signature)], &body, SENT)
                }
                _ => {
                    let other = change(signature.as_bytes());
                    let Ok(other) = std::str::from_utf8(&other) else { return Ok(()) };
                    verify([Some(&id), Some(STAMP), Some(other)], &body, SENT)
                }
            };
            prop_assert!(changed.is_err());
        }

        /// A second that is not the one that was signed fails, however near it is.
        #[test]
        fn another_timestamp_fails(shift in 1..300_u64, body in any::<Vec<u8>>()) {
            let secret = Secret::parse(SECRET).unwrap();
            let signature = sign([&secret], ID, SENT, &body);
            let other = (SENT + shift).to_string();
            let verified = verify([Some(ID), Some(&other), Some(&signature)], &body, SENT);
            prop_assert_eq!(verified, Err(VerifyError::Mismatch));
        }

        #[test]
        fn nothing_that_comes_panics(id in any::<String>(), stamp in any::<String>(), signature in any::<String>(), body in any::<Vec<u8>>()) {
            let verified = verify([Some(&id), Some(&stamp), Some(&signature)], &body, SENT);
            prop_assert!(verified.is_err());
        }
    }
}
