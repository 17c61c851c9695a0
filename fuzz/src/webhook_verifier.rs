//! The verifier of webhooks. Input: what is changed and how, three texts (id, timestamp, signatures), then a body.
//!
//! Laws: what was signed is verified, by any of several secrets; any change to it is not; what nobody has signed never is.

use std::time::{Duration, UNIX_EPOCH};

use barewire::webhook::{Secret, Verifier, VerifyError, sign};

use super::choice::Choices;

const NOW: u64 = 1_700_000_000;
const OURS: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

pub fn check(input: &[u8]) {
    let mut choices = Choices::of(input);
    let (which, at, flip) = (choices.byte(), choices.number(), choices.byte());
    let (id, timestamp, signatures) = (choices.text(), choices.text(), choices.text());
    let body = choices.rest();

    // Nobody has signed this.
    assert!(verify(id, timestamp, signatures, body).is_err());

    let plain: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
    if plain.is_empty() {
        return;
    }
    let secret = Secret::parse(OURS).expect("a secret");
    let (signature, stamp) = (sign([&secret], &plain, NOW, body), NOW.to_string());
    assert_eq!(verify(&plain, &stamp, &signature, body), Ok(()));
    let several = format!("v1,AAAA {signatures} {signature}");
    let verified = verify(&plain, &stamp, &several, body);
    assert!(
        verified.is_ok() || several.matches("v1,").count() > 8,
        "{verified:?}"
    );

    let changed = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        let length = bytes.len().max(1);
        if let Some(byte) = bytes.get_mut(usize::from(at) % length) {
            *byte ^= flip.max(1);
        }
        bytes
    };
    let text = |text: &str| String::from_utf8(changed(text.as_bytes())).ok();
    let verified = match which % 4 {
        0 if body.is_empty() => return,
        0 => verify(&plain, &stamp, &signature, &changed(body)),
        1 => match text(&plain) {
            Some(id) => verify(&id, &stamp, &signature, body),
            None => return,
        },
        2 => match text(&stamp) {
            Some(stamp) => verify(&plain, &stamp, &signature, body),
            None => return,
        },
        _ => match text(&signature) {
            Some(signature) => verify(&plain, &stamp, &signature, body),
            None => return,
        },
    };
    assert!(verified.is_err());
}

fn verify(id: &str, timestamp: &str, signatures: &str, body: &[u8]) -> Result<(), VerifyError> {
    let field = |name| match name {
        "webhook-id" => Some(id),
        "webhook-timestamp" => Some(timestamp),
        "webhook-signature" => Some(signatures),
        _ => None,
    };
    let verifier = Verifier::new(OTHER).and_then(|verifier| verifier.or(OURS));
    let now = UNIX_EPOCH + Duration::from_secs(NOW);
    verifier.expect("secrets").verify(field, body, now)
}
