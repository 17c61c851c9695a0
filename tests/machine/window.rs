//! Channels that rest between two deliveries: the first message goes at once, those that follow it go together.

use std::time::Duration;

use barewire::channel;

use crate::support::*;

const WINDOW: Duration = Duration::from_millis(20);

fn resting() -> Simulation {
    hub_with(Limits {
        channels: channel::Limits {
            window: WINDOW,
            ..Default::default()
        },
        ..Limits::default()
    })
}

fn block(id: &str, data: &str) -> String {
    format!("id: {id}\ndata: {data}\n\n")
}

#[test]
fn what_follows_within_the_window_goes_out_together_at_its_end() {
    let mut server = resting();
    let (reader, _) = listen(&mut server, "/channels/a", "");
    let one = publish(&mut server, "a", "one");
    assert_eq!(take_streamed(&mut server, reader), block(&one, "one"));
    let two = publish(&mut server, "a", "two");
    server.wait(WINDOW - ONE_MS);
    let three = publish(&mut server, "a", "three");
    assert_eq!(server.take(reader), b"");
    server.wait(ONE_MS);
    let both = block(&two, "two") + &block(&three, "three");
    assert_eq!(take_streamed(&mut server, reader), both);
    // And that was a delivery of its own.
    publish(&mut server, "a", "four");
    assert_eq!(server.take(reader), b"");
}

#[test]
fn a_channel_that_has_been_quiet_is_not_slower() {
    let mut server = resting();
    let (reader, _) = listen(&mut server, "/channels/a", "");
    for data in ["one", "two", "three"] {
        let id = publish(&mut server, "a", data);
        assert_eq!(take_streamed(&mut server, reader), block(&id, data));
        server.wait(WINDOW);
    }
}

#[test]
fn one_channel_does_not_wait_for_the_rest_of_another() {
    let mut server = resting();
    let (reader, _) = listen(&mut server, "/channels/b", "");
    listen(&mut server, "/channels/a", "");
    publish(&mut server, "a", "one");
    let id = publish(&mut server, "b", "two");
    assert_eq!(take_streamed(&mut server, reader), block(&id, "two"));
}

#[test]
fn a_parked_long_poll_waits_for_the_end_of_the_window_and_gets_all() {
    let mut server = resting();
    listen(&mut server, "/channels/a", "");
    publish(&mut server, "a", "one");
    let poller = server.connect();
    server.send(poller, get("/channels/a?wait=60&from=now").as_bytes());
    let two = publish(&mut server, "a", "two");
    let three = publish(&mut server, "a", "three");
    assert_eq!(server.take(poller), b"");
    server.wait(WINDOW);
    let answer = answers(&server.take(poller)).remove(0);
    let expected = batch(&[(&two, "two"), (&three, "three")], &three);
    assert_eq!(answer.text(), expected);
}

#[test]
fn what_waits_when_the_server_stops_is_not_lost() {
    let mut server = resting();
    let (reader, _) = listen(&mut server, "/channels/a", "");
    publish(&mut server, "a", "one");
    let two = publish(&mut server, "a", "two");
    server.stop();
    let got = String::from_utf8(server.take(reader)).unwrap();
    assert!(got.contains(&block(&two, "two")) && got.ends_with("\r\n0\r\n\r\n"));
    assert!(!server.is_open(reader));
}

#[test]
fn a_channel_that_everybody_has_left_while_it_rested_begins_anew() {
    let mut server = resting();
    let (reader, _) = listen(&mut server, "/channels/a", "");
    publish(&mut server, "a", "one");
    server.end(reader);
    publish(&mut server, "a", "two");
    server.wait(seconds(3600));
    let (reader, _) = listen(&mut server, "/channels/a", "");
    let id = publish(&mut server, "a", "three");
    assert_eq!(take_streamed(&mut server, reader), block(&id, "three"));
}
