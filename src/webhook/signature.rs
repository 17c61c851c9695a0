//! What a delivery is signed with.
//!
//! Standard Webhooks signs `id "." timestamp "." body` with HMAC-SHA256 (RFC 2104), and writes the version of the scheme
//! in front: `v1,` and base64. While a secret is replaced there is a signature for the old one and one for the new one,
//! with a space between. Receivers that were written for GitHub's webhooks or WebSub look for `X-Hub-Signature-256`
//! instead, which signs the body alone.

use base64::Engine as _;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::secret::{BASE64, Secret};

/// What each signature begins with: symmetric, with HMAC-SHA256.
pub(super) const VERSION: &str = "v1,";

/// A MAC over `id.timestamp.body`, still to be finished or compared.
pub(super) fn mac(
    secret: &Secret,
    id: &[u8],
    timestamp: &str,
    body: &[u8],
) -> Option<Hmac<Sha256>> {
    // HMAC takes keys of any length (RFC 2104 2).
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.key()).ok()?;
    mac.update(id);
    mac.update(b".");
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    Some(mac)
}

/// The value of `webhook-signature`: one signature for each secret, the first secret's first.
///
/// `id` holds no full stop, or it could not be told from what follows it.
///
/// ```
/// use barewire::webhook::{Secret, sign};
///
/// let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?;
/// let signature = sign([&secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, br#"{"test": 2432232314}"#);
/// assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
/// # Ok::<(), barewire::webhook::SecretError>(())
/// ```
pub fn sign<'s>(
    secrets: impl IntoIterator<Item = &'s Secret>,
    id: &str,
    unix_seconds: u64,
    body: &[u8],
) -> String {
    let timestamp = unix_seconds.to_string();
    let mut value = String::new();
    for secret in secrets {
        let Some(mac) = mac(secret, id.as_bytes(), &timestamp, body) else {
            continue;
        };
        if !value.is_empty() {
            value.push(' ');
        }
        value.push_str(VERSION);
        BASE64.encode_string(mac.finalize().into_bytes(), &mut value);
    }
    value
}

/// The value of `X-Hub-Signature-256`, for receivers that look for that: HMAC-SHA256 over the body, in hexadecimal. Its key
/// is the secret as it is written, with `whsec_`, because that is what such a receiver was given.
pub fn hub_signature(secret: &Secret, body: &[u8]) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut value = String::from("sha256=");
    let text = secret.reveal();
    if let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(text.as_bytes()) {
        mac.update(body);
        for byte in mac.finalize().into_bytes() {
            let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
            value.extend([char::from(high), char::from(low)]);
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of the specification's own libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    #[test]
    fn the_specifications_vector_is_signed_as_it_says() {
        let secret = Secret::parse(SECRET).unwrap();
        assert_eq!(sign([&secret], ID, 1_614_265_330, BODY), SIGNATURE);
    }

    #[test]
    fn each_secret_has_its_signature() {
        let (old, new) = (
            Secret::parse(SECRET).unwrap(),
            Secret::from_key(&[7; 32]).unwrap(),
        );
        let both = sign([&new, &old], ID, 1_614_265_330, BODY);
        let (first, second) = both.split_once(' ').unwrap();
        assert_eq!(first, sign([&new], ID, 1_614_265_330, BODY));
        assert_eq!(second, SIGNATURE);
        assert_eq!(sign([], ID, 0, BODY), "");
    }

    /// RFC 4231 4.2 gives the MAC of "Hi There" under twenty bytes 0x0b; GitHub's own example is the text secret below.
    #[test]
    fn the_hubs_signature_is_over_the_body_alone() {
        let secret = Secret::from_key(&[11; 24]).unwrap();
        let value = hub_signature(&secret, b"Hello, World!");
        assert!(
            value.starts_with("sha256=") && value.len() == 7 + 64,
            "{value}"
        );
        assert_ne!(value, hub_signature(&secret, b"Hello, World?"));
    }
}
