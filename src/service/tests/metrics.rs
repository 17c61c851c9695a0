//! What is counted where a backend stands behind the channels.

use std::time::Duration;

use super::*;

/// The value of one series.
fn value(server: &mut Simulation, series: &str) -> f64 {
    let client = server.connect();
    let page = ask(server, client, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{series} in {page}"))
        .parse()
        .unwrap()
}

fn read(server: &mut Simulation, fields: &str) -> ConnectionId {
    let client = server.connect();
    let request = format!("GET /channels/a HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    server.send(client, request.as_bytes());
    client
}

#[test]
fn readers_of_history_are_seen_and_what_they_get_is_counted() {
    let (mut server, model) = server();
    for message in ["one", "two", "three"] {
        publish(&mut server, message);
    }
    let (mut server, _) = again(Arc::clone(&model));
    model.hold();
    let events = "Accept: text/event-stream\r\n";
    read(&mut server, events);
    read(&mut server, "");
    let sse = "barewire_delivered_messages_total{way=\"sse\"}";
    let short_poll = "barewire_delivered_messages_total{way=\"short_poll\"}";
    assert_eq!(value(&mut server, "barewire_history_readers"), 2.0);
    assert_eq!(value(&mut server, "barewire_reader_lag_messages"), 0.0);
    assert_eq!(value(&mut server, sse), 0.0);
    model.release();
    server.wait(Duration::ZERO);
    assert_eq!(value(&mut server, "barewire_history_readers"), 0.0);
    assert_eq!(value(&mut server, sse), 3.0);
    assert_eq!(value(&mut server, short_poll), 3.0);
    // From now on it is a place in the log.
    publish(&mut server, "four");
    assert_eq!(value(&mut server, sse), 4.0);
    let posts = "barewire_published_messages_total{way=\"post\"}";
    assert_eq!(value(&mut server, posts), 1.0);
    let delays = "barewire_publish_delay_seconds_count";
    assert_eq!(value(&mut server, delays), 1.0);
}

#[test]
fn what_the_backend_refuses_is_counted_by_its_reason() {
    let (mut server, model) = server();
    model.parts().health = Health::Degraded("on purpose".into());
    let refused = publish(&mut server, "x");
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    let away = "barewire_publish_refusals_total{reason=\"away\"}";
    assert_eq!(value(&mut server, away), 1.0);
    let refusals = "barewire_refusals_total{status=\"503\"}";
    assert_eq!(value(&mut server, refusals), 1.0);
}
