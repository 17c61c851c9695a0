//! What is retained by age: told by a clock that does not jump, whatever the wall clock does.

use std::time::Duration;

use barewire::channel;

use crate::support::*;

const START: u64 = 4_000_000_000;
const HOUR: u64 = 3_600;

/// A hub that retains for a minute, at a wall clock that stands at [`START`].
fn minute() -> Simulation {
    let mut server = hub_with(Limits {
        channels: channel::Limits {
            retention: channel::Retention {
                age: seconds(60),
                ..Default::default()
            },
            ..Default::default()
        },
        ..Limits::default()
    });
    server.set_unix_time(seconds(START));
    server.wait(seconds(1));
    server
}

/// Which of these messages are still there.
fn retained(server: &mut Simulation) -> Vec<u8> {
    let seen = ask(server, &get("/channels/a"));
    assert_eq!(seen.status, 200);
    let data = seen.text().split("\"data\":\"").skip(1);
    data.map(|text| text.as_bytes()[0]).collect()
}

#[test]
fn what_is_older_than_the_age_is_gone() {
    let mut server = minute();
    publish(&mut server, "a", "1");
    server.wait(seconds(30));
    publish(&mut server, "a", "2");
    server.wait(seconds(29));
    assert_eq!(retained(&mut server), b"12");
    server.wait(seconds(3));
    assert_eq!(retained(&mut server), b"2");
    server.wait(seconds(30));
    assert_eq!(retained(&mut server), b"");
}

#[test]
fn a_wall_clock_that_jumps_makes_no_message_too_old() {
    for jump in [START + HOUR, START + 1_000 * HOUR, START - HOUR, 0] {
        let mut server = minute();
        publish(&mut server, "a", "1");
        server.set_unix_time(seconds(jump));
        publish(&mut server, "a", "2");
        server.wait(seconds(20));
        publish(&mut server, "a", "3");
        server.set_unix_time(seconds(START + 2 * HOUR));
        server.wait(seconds(38));
        assert_eq!(retained(&mut server), b"123", "{jump}");
        server.wait(seconds(64));
        // Set back from far ahead, ids stand still: what has them is kept longer, never shorter.
        let kept: &[u8] = if jump > START + 2 * HOUR { b"23" } else { b"" };
        assert_eq!(retained(&mut server), kept, "{jump}");
    }
}

#[test]
fn a_wall_clock_that_is_set_forward_keeps_no_message_longer() {
    let mut server = minute();
    publish(&mut server, "a", "1");
    server.wait(seconds(20));
    server.set_unix_time(seconds(START + HOUR));
    server.wait(seconds(20));
    publish(&mut server, "a", "2");
    server.wait(seconds(22));
    assert_eq!(retained(&mut server), b"2");
    server.wait(Duration::from_secs(40));
    assert_eq!(retained(&mut server), b"");
}
