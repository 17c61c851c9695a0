//! Response heads (RFC 9112 4 to 6). Input: how to cut, which limits, a head as it is sent.
//!
//! Laws: as of request heads; and a body has no length where RFC 9112 6.3 says that there is none.

use barewire::http::{
    BodyLength, FieldName, FieldValue, HeadWriter, ResponseHead, Status, response_body_length,
};

use super::choice::Choices;
use super::http_request::{check_fields, find, limits};

pub fn check(input: &[u8]) {
    let mut choices = Choices::of(input);
    let cut = choices.byte();
    let limits = limits(choices.byte());
    let bytes = choices.rest();

    let found = find(bytes, &limits, cut);
    if let Ok(head) = ResponseHead::parse(bytes, &limits) {
        assert_eq!(found, Ok(Some(bytes.len())), "{head:?} is not found");
    }
    let Ok(Some(length)) = found else { return };
    match ResponseHead::parse(&bytes[..length], &limits) {
        Ok(head) => {
            check_fields(head.fields(), &limits);
            check_head(&head);
        }
        Err(error) => assert!(error.status().code() >= 400),
    }
}

fn check_head(head: &ResponseHead<'_>) {
    let fields = head.fields();
    assert!((100..=999).contains(&head.status()));
    assert!(head.reason().bytes().all(|b| b == b'\t' || b >= b' '));
    for method in ["GET", "HEAD", "CONNECT"] {
        let bare = matches!(head.status(), 100..=199 | 204 | 304)
            || method == "HEAD"
            || (method == "CONNECT" && matches!(head.status(), 200..=299));
        let framed =
            fields.get("content-length").is_some() || fields.get("transfer-encoding").is_some();
        match response_body_length(head, method) {
            Ok(BodyLength::None) => assert!(bare),
            Ok(BodyLength::UntilClose) => assert!(!bare && !framed),
            Ok(BodyLength::Exactly(_)) => assert_eq!(fields.all("content-length").count(), 1),
            Ok(BodyLength::Chunked) => assert!(fields.has_token("transfer-encoding", "chunked")),
            Err(_) => assert!(!bare && framed),
        }
    }

    let Some(status) = Status::new(head.status()) else {
        return assert!(head.status() >= 600);
    };
    let mut out = Vec::new();
    let mut writer = HeadWriter::response(&mut out, status);
    for (name, value) in fields {
        let name = FieldName::new(name).expect("a token");
        writer = writer.field(name, FieldValue::new(value).expect("a value"));
    }
    writer.finish();
    let roomy = barewire::http::HeadLimits {
        head: usize::MAX,
        ..Default::default()
    };
    let again = ResponseHead::parse(&out, &roomy).expect("what was read can be written");
    assert_eq!(again.status(), head.status());
    assert!(again.fields().iter().eq(fields));
}
