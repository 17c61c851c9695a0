//! A secret of Standard Webhooks: `whsec_` and the key in base64.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// What secrets begin with. Some senders leave it away, so that it may be missing.
const PREFIX: &str = "whsec_";

/// Bytes of a key, as Standard Webhooks asks of who makes one: "between 24 bytes (192 bits) and 64 bytes (512 bits)".
const STRONG: std::ops::RangeInclusive<usize> = 24..=64;

/// No key is longer: a longer one would be hashed before it is used anyway (RFC 2104 2).
const MAX_KEY: usize = 1024;

/// Written with padding, read with or without.
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A secret that sender and receiver share. It is shown by [`Secret::reveal`] and by nothing else.
///
/// ```
/// use barewire::webhook::Secret;
///
/// let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?;
/// assert_eq!(format!("{secret:?}"), "Secret(..)");
/// # Ok::<(), barewire::webhook::SecretError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// Reads a secret: base64, with or without `whsec_` in front and padding behind.
    ///
    /// # Errors
    /// It is no base64, holds nothing, or more than 1,024 bytes.
    pub fn parse(text: &str) -> Result<Secret, SecretError> {
        let encoded = text.strip_prefix(PREFIX).unwrap_or(text);
        let key = BASE64.decode(encoded).map_err(|_| SecretError::NotBase64)?;
        match key.len() {
            0 => Err(SecretError::Empty),
            length if length > MAX_KEY => Err(SecretError::TooLong),
            _ => Ok(Secret(key.into())),
        }
    }

    /// The secret that has this key.
    ///
    /// # Errors
    /// It has not 24 to 64 bytes, as Standard Webhooks asks of new secrets.
    pub fn from_key(key: &[u8]) -> Result<Secret, SecretError> {
        let secret = Secret(key.into());
        secret.check_strength().map(|()| secret)
    }

    /// Whether its key has the length that Standard Webhooks asks for: 24 to 64 bytes.
    ///
    /// # Errors
    /// [`SecretError::Weak`].
    pub fn check_strength(&self) -> Result<(), SecretError> {
        match STRONG.contains(&self.0.len()) {
            true => Ok(()),
            false => Err(SecretError::Weak(self.0.len())),
        }
    }

    /// The secret as it is written: `whsec_` and base64.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", BASE64.encode(&self.0))
    }

    /// What signatures are made with.
    pub fn key(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Why a text is no secret. It never holds any of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretError {
    /// What stands behind `whsec_` is no base64 (RFC 4648 4).
    NotBase64,
    /// There is no key in it.
    Empty,
    /// The key is longer than 1,024 bytes.
    TooLong,
    /// The key has this many bytes, and should have 24 to 64.
    Weak(usize),
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretError::NotBase64 => f.write_str("the secret is not \"whsec_\" and base64"),
            SecretError::Empty => f.write_str("the secret is empty"),
            SecretError::TooLong => f.write_str("the secret's key is longer than 1,024 bytes"),
            SecretError::Weak(bytes) => {
                write!(f, "the secret's key has {bytes} bytes; it takes 24 to 64")
            }
        }
    }
}

impl std::error::Error for SecretError {}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn a_secret_may_lack_its_prefix_and_its_padding() {
        let secret = Secret::parse(TEXT).unwrap();
        assert_eq!(secret.key().len(), 24);
        assert_eq!(Secret::parse(&TEXT[PREFIX.len()..]), Ok(secret.clone()));
        assert_eq!(secret.reveal(), TEXT);
        assert_eq!(Secret::parse("whsec_YWI="), Secret::parse("YWI"));
    }

    #[test]
    fn what_is_no_secret_says_why_and_does_not_repeat_it() {
        for (text, error) in [
            ("", SecretError::Empty),
            ("whsec_", SecretError::Empty),
            ("whsec_hunter2!", SecretError::NotBase64),
            ("whsec_ YWI=", SecretError::NotBase64),
            ("whsec_YWI=\n", SecretError::NotBase64),
            ("whsk_YWI=", SecretError::NotBase64),
        ] {
            assert_eq!(Secret::parse(text), Err(error), "{text}");
            assert!(!error.to_string().contains("hunter2"));
        }
        let long = BASE64.encode([0; MAX_KEY + 1]);
        assert_eq!(Secret::parse(&long), Err(SecretError::TooLong));
    }

    #[test]
    fn a_new_secret_has_24_to_64_bytes() {
        for (bytes, is_strong) in [(23, false), (24, true), (64, true), (65, false)] {
            assert_eq!(Secret::from_key(&vec![1; bytes]).is_ok(), is_strong);
        }
    }
}
