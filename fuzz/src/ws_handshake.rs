//! The opening handshake (RFC 6455 4). Input: a choice of the side, then a request, a response, or what a client
//! would put into a request.
//!
//! Laws:
//! - a request that is accepted is answered so that a client accepts it, with the subprotocol that was chosen;
//! - a response is accepted only with the right accept and what was offered;
//! - a request that is written is accepted, and holds what was asked for and no line more.

use barewire::http::{
    FieldName, FieldValue, Form, HeadFinder, HeadLimits, HttpDate, RequestHead, ResponseHead,
    Target, Version,
};
use barewire::ws::handshake::{Upgrade, accept_key, check_response, is_upgrade, write_request};

use super::choice::Choices;
use super::json::base64;

/// The key of RFC 6455 1.3, "the sample nonce".
const KEY: &[u8; 16] = b"the sample nonce";

/// Fields that a caller can break the handshake with.
const OURS: [&str; 7] = [
    "upgrade",
    "connection",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-protocol",
    "content-length",
    "transfer-encoding",
];

pub fn check(input: &[u8]) {
    let mut choices = Choices::of(input);
    match choices.byte() % 4 {
        0 | 1 => check_request(choices.rest()),
        2 => check_answer(choices.rest()),
        _ => check_written(choices),
    }
}

fn find(bytes: &[u8]) -> Option<&[u8]> {
    let length = HeadFinder::default().find(bytes, &HeadLimits::default());
    length.ok().flatten().map(|length| &bytes[..length])
}

fn check_request(bytes: &[u8]) {
    let limits = HeadLimits::default();
    let Some(Ok(head)) = find(bytes).map(|head| RequestHead::parse(head, &limits)) else {
        return;
    };
    let upgrade = match Upgrade::from_request(&head) {
        Ok(upgrade) => upgrade,
        Err(error) => {
            assert!(error.status().code() >= 400);
            return assert!(!error.to_string().is_empty());
        }
    };
    assert!(is_upgrade(&head) && head.method() == "GET" && head.version() == Version::Http11);
    let offered: Vec<&str> = upgrade.protocols().collect();
    assert!(
        offered
            .iter()
            .all(|protocol| FieldName::new(protocol).is_ok())
    );
    let date = HttpDate::from_unix(784_111_777);
    let mut out = Vec::new();
    if !offered.contains(&"not offered") {
        assert!(
            upgrade
                .write_response(&mut out, Some("not offered"), &date)
                .is_err()
        );
        assert_eq!(out, b"", "a refusal writes nothing");
    }
    let key = head
        .fields()
        .get("sec-websocket-key")
        .expect("it was accepted");
    assert_eq!(upgrade.accept(), accept_key(key));
    let chosen = offered.last().copied();
    upgrade
        .write_response(&mut out, chosen, &date)
        .expect("it was offered");
    let answer = ResponseHead::parse(find(&out).expect("complete"), &limits).expect("valid");
    // Some clients draw characters instead of bytes; of those the bytes can't be told.
    let Some(Ok(key)) = base64(key).map(TryInto::<[u8; 16]>::try_into) else {
        return;
    };
    assert_eq!(check_response(&answer, &key, &offered), Ok(chosen));
    assert!(check_response(&answer, b"another key, yes", &offered).is_err());
    if chosen.is_some() {
        assert!(check_response(&answer, &key, &[]).is_err());
    }
}

fn check_answer(bytes: &[u8]) {
    let offered = ["chat", "raw"];
    let Some(Ok(head)) = find(bytes).map(|head| ResponseHead::parse(head, &HeadLimits::default()))
    else {
        return;
    };
    let Ok(chosen) = check_response(&head, KEY, &offered) else {
        return;
    };
    assert_eq!(head.status(), 101);
    let accepts: Vec<_> = head.fields().all("sec-websocket-accept").collect();
    assert_eq!(accepts, [b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]);
    assert!(head.fields().has_token("connection", "upgrade"));
    assert!(head.fields().has_token("upgrade", "websocket"));
    assert_eq!(
        head.fields().tokens("sec-websocket-extensions").next(),
        None
    );
    assert_eq!(head.fields().get_str("sec-websocket-protocol"), chosen);
    assert!(chosen.is_none_or(|chosen| offered.contains(&chosen)));
}

fn check_written(mut choices: Choices<'_>) {
    let (host, target) = (choices.text(), choices.text());
    let protocols: Vec<&str> = (0..choices.byte() % 4).map(|_| choices.text()).collect();
    let (name, value) = (choices.text(), choices.bytes());
    let (Ok(name), Ok(value)) = (FieldName::new(name), FieldValue::new(value)) else {
        return;
    };
    let mut out = Vec::new();
    if write_request(&mut out, host, target, KEY, &protocols, &[(name, value)]).is_err() {
        return assert_eq!(out, b"", "a refusal writes nothing");
    }
    let limits = HeadLimits::default();
    let head = match RequestHead::parse(&out, &limits) {
        Ok(head) => head,
        // A second Host is the caller's own doing, and so is a target of the wrong form for GET.
        Err(error) => {
            let form = Target::parse(target).map(|target| target.form());
            let wrong = matches!(form, Ok(Form::Asterisk | Form::Authority));
            let repeated = name.as_str().eq_ignore_ascii_case("host");
            return assert!(wrong || repeated, "{error}: {out:?}");
        }
    };
    let fields: Vec<_> = head.fields().iter().collect();
    assert_eq!(fields.len(), 6 + usize::from(!protocols.is_empty()));
    assert_eq!(fields.last(), Some(&(name.as_str(), value.as_bytes())));
    assert_eq!(head.target(), target);
    if OURS
        .iter()
        .any(|ours| ours.eq_ignore_ascii_case(name.as_str()))
    {
        return;
    }
    let upgrade = Upgrade::from_request(&head).expect("what is written is accepted");
    assert!(upgrade.protocols().eq(protocols));
    assert_eq!(&upgrade.accept(), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}
