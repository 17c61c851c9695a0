//! A delivery as it is written: the same body in every try, and a signature of this one.

use super::subscription::{Format, Object, Subscription};
use crate::channel::{Data, GAP_EVENT, Id, Record};
use crate::http::{FieldName, FieldValue, HeadWriter, iso_date};
use crate::webhook::{hub_signature, sign};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What is to be delivered next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Payload {
    Message(Record),
    /// Messages are missing: what comes next lies behind this cursor.
    Gap(Id),
}

impl Payload {
    /// The cursor behind it.
    pub(super) fn id(&self) -> Id {
        match self {
            Payload::Message(record) => record.id,
            Payload::Gap(after) => *after,
        }
    }

    /// `webhook-id`: the same in every try of the same event, and no other's. It holds no full stop.
    pub(super) fn webhook_id(&self, subscription: &str) -> String {
        match self {
            Payload::Message(record) => format!("{subscription}_{}", record.id),
            Payload::Gap(after) => format!("{subscription}_gap_{after}"),
        }
    }

    fn event(&self) -> &str {
        match self {
            Payload::Message(record) => record.event(),
            Payload::Gap(_) => GAP_EVENT,
        }
    }

    /// What it carries.
    fn data(&self) -> Data {
        match self {
            Payload::Message(record) => record.data.clone(),
            Payload::Gap(after) => Data::Text(format!("{{\"after\":\"{after}\"}}").into()),
        }
    }

    /// The body and its media type.
    pub(super) fn body(&self, subscription: &Subscription) -> (Vec<u8>, &'static str) {
        let data = self.data();
        if subscription.format == Format::Raw {
            let media_type = match (&data, self) {
                (_, Payload::Gap(_)) => "application/json",
                (Data::Text(_), _) => "text/plain; charset=utf-8",
                (Data::Binary(_), _) => "application/octet-stream",
            };
            return (data.as_bytes().to_vec(), media_type);
        }
        let id = self.id();
        let mut body = Vec::with_capacity(data.as_bytes().len() + 160);
        let mut object = Object::begin(&mut body);
        object.text("id", &id.to_string());
        object.text("type", self.event());
        object.text("timestamp", &iso_date(id.ms));
        object.text("channel", &subscription.channel);
        match data.as_text() {
            Some(text) => object.text("data", text),
            None => {
                object.text("data", &STANDARD.encode(data.as_bytes()));
                object.text("encoding", "base64");
            }
        }
        object.end();
        (body, "application/json")
    }

    /// Appends the request of a try that is made at this time.
    pub(super) fn write(
        &self,
        out: &mut Vec<u8>,
        subscription: &Subscription,
        unix_ms: u64,
        for_hubs: bool,
    ) -> Result<(), crate::http::Error> {
        let (body, media_type) = self.body(subscription);
        let id = self.webhook_id(&subscription.id);
        let seconds = unix_ms / 1000;
        let signature = sign(subscription.secrets(unix_ms), &id, seconds, &body);
        let timestamp = seconds.to_string();
        let host = subscription.target.url.authority();
        let mut fields = vec![
            ("Host", &*host),
            (
                "User-Agent",
                concat!("barewire/", env!("CARGO_PKG_VERSION")),
            ),
            ("Content-Type", media_type),
            ("webhook-id", &id),
            ("webhook-timestamp", &timestamp),
            ("webhook-signature", &signature),
        ];
        let event = percent_encoded(self.event());
        if subscription.format == Format::Raw {
            fields.push(("webhook-event", &event));
        }
        let hub = for_hubs.then(|| hub_signature(&subscription.secret, &body));
        if let Some(hub) = &hub {
            fields.push(("X-Hub-Signature-256", hub));
        }
        let mut head = HeadWriter::request(out, "POST", &subscription.target.url.target)?;
        for (name, value) in fields {
            head = head.field(FieldName::new(name)?, FieldValue::new(value)?);
        }
        head.number(FieldName::CONTENT_LENGTH, body.len() as u64)
            .finish();
        out.extend_from_slice(&body);
        Ok(())
    }
}

/// An event's name as a field carries it: what is not visible ASCII, and the percent sign, percent-encoded.
fn percent_encoded(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'!'..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::super::subscription::tests::subscription;
    use super::*;
    use crate::json::Value;
    use crate::webhook::Verifier;
    use std::time::{Duration, UNIX_EPOCH};

    fn record(event: Option<&str>, data: &[u8]) -> Payload {
        let id = Id {
            ms: 1_700_000_000_123,
            seq: 4,
        };
        Payload::Message(Record::new(id, event, Data::new(data)))
    }

    fn json(payload: &Payload) -> String {
        let subscription = Subscription {
            format: Format::Json,
            ..subscription()
        };
        String::from_utf8(payload.body(&subscription).0).unwrap()
    }

    #[test]
    fn a_body_says_what_was_published_where_and_when() {
        assert_eq!(
            json(&record(Some("tick"), b"4\"2")),
            r#"{"id":"1700000000123-4","type":"tick","timestamp":"2023-11-14T22:13:20.123Z","channel":"a \"b\"","data":"4\"2"}"#
        );
        let binary = json(&record(None, b"\xff\x00"));
        assert!(
            binary.contains(r#""type":"message""#)
                && binary.ends_with(r#""data":"/wA=","encoding":"base64"}"#)
        );
        let gap = json(&Payload::Gap(Id { ms: 7, seq: 1 }));
        assert!(
            gap.contains(r#""type":"gap""#) && gap.contains(r#""data":"{\"after\":\"7-1\"}""#),
            "{gap}"
        );
        assert!(Value::parse(&gap).is_some());
    }

    #[test]
    fn what_is_written_can_be_verified_by_both_secrets() {
        let subscription = Subscription {
            old: Some((
                crate::webhook::Secret::from_key(&[2; 24]).unwrap(),
                u64::MAX,
            )),
            ..subscription()
        };
        let payload = record(Some("gr\u{fc}n %"), b"bare");
        let (mut out, now) = (Vec::new(), 1_700_000_999_500);
        payload.write(&mut out, &subscription, now, true).unwrap();
        let text = String::from_utf8(out).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, "bare");
        assert!(
            head.starts_with("POST / HTTP/1.1\r\nHost: a.example\r\n"),
            "{head}"
        );
        assert!(
            head.contains("webhook-event: gr%C3%BCn%20%25\r\n"),
            "{head}"
        );
        let field = |name: &str| {
            let lines = head.split("\r\n");
            lines
                .filter_map(|line| line.split_once(": "))
                .find(|(own, _)| own.eq_ignore_ascii_case(name))
                .map(|(_, value)| value)
        };
        assert_eq!(field("webhook-id"), Some("wh_1_1700000000123-4"));
        assert_eq!(field("webhook-timestamp"), Some("1700000999"));
        assert!(field("x-hub-signature-256").unwrap().starts_with("sha256="));
        let at = UNIX_EPOCH + Duration::from_millis(now);
        for secret in subscription.secrets(now) {
            let verifier = Verifier::new(&secret.reveal()).unwrap();
            assert_eq!(verifier.verify(field, body.as_bytes(), at), Ok(()));
        }
    }

    #[test]
    fn ids_of_messages_and_gaps_differ_and_hold_no_full_stop() {
        let id = Id { ms: 7, seq: 1 };
        let message = Payload::Message(Record::new(id, None, Data::new(b"")));
        assert_ne!(
            message.webhook_id("wh_1"),
            Payload::Gap(id).webhook_id("wh_1")
        );
        assert!(!message.webhook_id("wh_1").contains('.'));
    }
}
