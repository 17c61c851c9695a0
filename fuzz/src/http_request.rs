//! Request heads (RFC 9112 2 to 6). Input: how to cut, which limits, a head as it is sent.
//!
//! Laws:
//! - a head is found at the same byte, or refused for the same reason, however it is cut;
//! - what parses is found, and what is found and parses holds only what may stand in a head;
//! - a head written anew from what was read of it reads the same;
//! - its body has one length: neither field says otherwise.

use barewire::http::{
    BodyLength, Error, FieldName, FieldValue, Fields, HeadFinder, HeadLimits, HeadWriter,
    RequestHead, Target, Version, query_pairs, request_body_length,
};

use super::choice::{Choices, cuts};

pub fn check(input: &[u8]) {
    let mut choices = Choices::of(input);
    let cut = choices.byte();
    let limits = limits(choices.byte());
    let bytes = choices.rest();

    let found = find(bytes, &limits, cut);
    if let Ok(head) = RequestHead::parse(bytes, &limits) {
        // Only the finder looks at the length of the whole line.
        let too_long = matches!(found, Err(Error::TargetTooLong | Error::MethodTooLong))
            && head.method().len() > 32;
        assert!(
            too_long || found == Ok(Some(bytes.len())),
            "{head:?} is not found"
        );
    }
    let Ok(Some(length)) = found else { return };
    assert!(length <= limits.head);
    match RequestHead::parse(&bytes[..length], &limits) {
        Ok(head) => check_head(&head, &limits),
        Err(error) => assert!(error.status().code() >= 400),
    }
}

/// The limits of a choice: mostly the default ones.
pub fn limits(choice: u8) -> HeadLimits {
    match choice % 4 {
        3 => HeadLimits {
            head: 1 + usize::from(choice),
            fields: usize::from(choice >> 5),
            target: usize::from(choice >> 2),
        },
        _ => HeadLimits::default(),
    }
}

/// Where the head ends, which is the same however its bytes are cut.
pub fn find(bytes: &[u8], limits: &HeadLimits, cut: u8) -> Result<Option<usize>, Error> {
    let whole = HeadFinder::default().find(bytes, limits);
    let mut finder = HeadFinder::default();
    let mut last = Ok(None);
    for piece in cuts(bytes.len(), cut) {
        last = finder.find(&bytes[..piece.end], limits);
        if last != Ok(None) {
            break;
        }
    }
    assert_eq!(last, whole, "the cut can be seen");
    whole
}

/// What holds of the fields of every head that exists.
pub fn check_fields(fields: Fields<'_>, limits: &HeadLimits) {
    assert!(fields.iter().count() <= limits.fields);
    for (name, value) in fields {
        assert_eq!(FieldName::new(name).map(FieldName::as_str), Ok(name));
        assert_eq!(
            FieldValue::new(value).map(FieldValue::as_bytes),
            Ok(value),
            "{name} holds what no field may"
        );
        let same = |(other, value): (_, _)| name.eq_ignore_ascii_case(other).then_some(value);
        let all: Vec<&[u8]> = fields.iter().filter_map(same).collect();
        for spelling in [name, &name.to_ascii_uppercase(), &name.to_ascii_lowercase()] {
            assert_eq!(fields.all(spelling).collect::<Vec<_>>(), all);
            assert_eq!(fields.get(spelling), all.first().copied());
        }
        for token in fields.tokens(name) {
            assert!(!token.is_empty() && token.trim_ascii() == token);
            assert!(all.iter().any(|value| contains(value, token)));
            if let Ok(token) = std::str::from_utf8(token) {
                assert!(fields.has_token(name, token));
            }
        }
    }
    let names = ["x-never-sent-by-a-corpus", ""];
    assert!(names.iter().all(|name| {
        fields.get(name).is_none() || fields.iter().any(|(n, _)| n.eq_ignore_ascii_case(name))
    }));
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn check_head(head: &RequestHead<'_>, limits: &HeadLimits) {
    let fields = head.fields();
    check_fields(fields, limits);
    assert!(FieldName::new(head.method()).is_ok(), "a method is a token");
    assert!(head.target().len() <= limits.target);
    assert_eq!(Target::parse(head.target()), Ok(head.uri()));
    assert_eq!(
        head.expects_continue(),
        head.expectation().unwrap_or_default()
    );
    if let Some(query) = head.uri().query() {
        query_pairs(query).for_each(drop);
    }
    let hosts: Vec<_> = fields.all("Host").collect();
    match head.version() {
        Version::Http11 => assert!(hosts.len() == 1 && head.host().is_some()),
        Version::Http10 => assert!(hosts.len() <= 1),
    }
    if let Some(host) = head.uri().authority().or(fields.get_str("Host")) {
        assert_eq!(head.host(), Some(host));
    }
    if fields.has_token("connection", "close") {
        assert!(!head.keep_alive());
    }
    check_length(head);
    if head.version() == Version::Http11 {
        check_rewritten(head, limits);
    }
}

/// RFC 9112 6.3, read from the fields once more.
fn check_length(head: &RequestHead<'_>) {
    let lengths: Vec<&[u8]> = head.fields().all("content-length").collect();
    let codings = head.fields().all("transfer-encoding").count();
    match request_body_length(head) {
        Ok(BodyLength::None) => assert!(lengths.is_empty() && codings == 0),
        Ok(BodyLength::Exactly(length)) => {
            assert!(lengths.len() == 1 && codings == 0);
            let digits = lengths[0];
            assert!(digits.iter().all(u8::is_ascii_digit));
            let plain = std::str::from_utf8(digits).map(str::parse);
            assert_eq!(plain, Ok(Ok(length)));
        }
        Ok(BodyLength::Chunked) => {
            assert!(lengths.is_empty() && head.version() == Version::Http11);
            let coding: Vec<_> = head.fields().tokens("transfer-encoding").collect();
            assert!(coding.len() == 1 && coding[0].eq_ignore_ascii_case(b"chunked"));
        }
        Ok(BodyLength::UntilClose) => panic!("a request ends before its connection does"),
        Err(error) => {
            assert!(!lengths.is_empty() || codings > 0);
            assert!(matches!(error.status().code(), 400 | 501));
        }
    }
}

fn check_rewritten(head: &RequestHead<'_>, limits: &HeadLimits) {
    let mut out = Vec::new();
    let mut writer = HeadWriter::request(&mut out, head.method(), head.target()).expect("valid");
    for (name, value) in head.fields() {
        let name = FieldName::new(name).expect("a token");
        writer = writer.field(name, FieldValue::new(value).expect("a value"));
    }
    writer.finish();
    // Writing may add a space behind a colon, for which there may be no room.
    let limits = HeadLimits {
        head: limits.head + 2 * limits.fields,
        ..*limits
    };
    assert_eq!(find(&out, &limits, 7), Ok(Some(out.len())));
    let again = RequestHead::parse(&out, &limits).expect("what was read can be written");
    assert_eq!(again.method(), head.method());
    assert_eq!(again.target(), head.target());
    assert_eq!(again.host(), head.host());
    assert!(again.fields().iter().eq(head.fields()));
    assert_eq!(request_body_length(&again), request_body_length(head));
}
