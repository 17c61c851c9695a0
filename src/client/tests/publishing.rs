//! Clients that publish: what is sent again, for how long, and what the program is told.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::channel::{KEY_LIFE, Post};
use crate::client::Backoff;
use crate::client::publication::{OUTBOX_MESSAGES, Outbox, PUBLISH_WITHIN, Publish, Settled};

const BUSY: &str =
    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nbusy";
const BROKEN: &str = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";

fn created(id: &str) -> String {
    answer("201 Created", "", &format!("{{\"id\":\"{id}\"}}"))
}

fn publishing(publish: Publish) -> (World, Told<Settled>, Outbox) {
    let (mut world, told) = (World::new(), Told::new());
    let into = Arc::clone(&told.0);
    let handler = Box::new(move |post, result| into.lock().unwrap().push((post, result)));
    let outbox = world.clients.publish(publish, handler).unwrap();
    (world, told, outbox)
}

fn to_url() -> (World, Told<Settled>, Outbox) {
    publishing(Publish::to(URL))
}

impl World {
    fn give(&mut self, outbox: &Outbox, post: impl Into<Post>) {
        outbox.send(post).unwrap();
        self.look(outbox.client());
    }

    /// The order that a handle sends has come.
    fn look(&mut self, id: ClientId) {
        self.clients.look(id, self.now);
        self.tick();
    }
}

/// Target, key and body of a request.
fn parts(request: &str) -> (&str, &str, &str) {
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut lines = head.split("\r\n");
    let target = lines.next().unwrap().split(' ').nth(1).unwrap();
    let key = lines.find_map(|line| line.strip_prefix("Idempotency-Key: "));
    (target, key.unwrap(), body)
}

/// What was settled: data, and id or error.
fn results(settled: Vec<Settled>) -> Vec<(String, Result<String, Error>)> {
    let text = |post: &Post| post.data().as_text().unwrap_or("binary").to_owned();
    settled
        .into_iter()
        .map(|(post, result)| (text(&post), result))
        .collect()
}

fn errors(settled: Vec<Settled>) -> Vec<Error> {
    settled
        .into_iter()
        .filter_map(|(_, result)| result.err())
        .collect()
}

fn status(code: u16, said: &str) -> Error {
    Error::Status(code, said.into())
}

fn in_doubt(error: Error) -> Error {
    Error::InDoubt(Box::new(error))
}

// What is sent.

#[test]
fn a_message_is_a_post_with_a_key_and_its_answer_an_id() {
    let (mut world, told, outbox) = to_url();
    assert!(!world.is_dialing() && outbox.is_empty());
    world.give(&outbox, "42");
    let request = world.accept();
    let (target, key, body) = parts(&request);
    assert_eq!((target, body, key.len()), ("/channels/a", "42", 32));
    assert!(request.contains("\r\nHost: 127.0.0.1:9000\r\n"));
    assert!(request.contains("\r\nContent-Type: text/plain; charset=utf-8\r\n"));
    assert!(request.contains("\r\nContent-Length: 2\r\n"));
    world.say(created("7-0"));
    assert_eq!(
        results(told.take()),
        [("42".to_owned(), Ok("7-0".to_owned()))]
    );
    assert!(world.line.is_some() && outbox.is_empty());
}

#[test]
fn event_key_fields_and_bytes_go_as_they_were_given() {
    let publish = Publish::to("http://127.0.0.1/a?b=c")
        .header("Authorization", "Bearer x")
        .header("Content-Type", "image/png");
    let (mut world, told, outbox) = publishing(publish);
    world.give(&outbox, Post::from(&[0xFF, 0]).event("a&b").key("mine"));
    let request = world.accept();
    let (target, key, _) = parts(&request);
    assert_eq!((target, key), ("/a?event=a%26b&b=c", "mine"));
    assert!(request.contains("\r\nAuthorization: Bearer x\r\n"));
    assert_eq!(request.matches("Content-Type").count(), 1);
    world.say(created("7-0"));
    let (post, _) = told.take().remove(0);
    assert_eq!(
        (post.event_name(), post.data().as_bytes()),
        (Some("a&b"), &[0xFF, 0][..])
    );
}

#[test]
fn what_can_not_be_sent_is_refused_when_it_is_given() {
    let (_world, told, outbox) = to_url();
    let long = "x".repeat(256);
    for post in [
        Post::from("x").event("a\nb"),
        Post::from("x").event("gap"),
        Post::from("x").key(""),
        Post::from("x").key(&long),
        Post::from("x").key("a\r\nb"),
        Post::from("x").key(" a"),
        Post::from(vec![b'x'; crate::client::MAX_POST + 1]),
    ] {
        let refused = outbox.send(post).unwrap_err();
        assert!(!refused.is_transient(), "{refused}");
    }
    assert!(outbox.is_empty() && told.take().is_empty());
    let field = Publish::to(URL).header("Idempotency-Key", "x");
    let refused = World::new().clients.publish(field, Box::new(|_, _| {}));
    assert!(matches!(refused.err(), Some(Error::Field(_))));
}

#[test]
fn messages_go_in_order_on_one_connection_one_at_a_time() {
    let (mut world, told, outbox) = to_url();
    for text in ["1", "2", "3"] {
        world.give(&outbox, text);
    }
    let mut keys = Vec::new();
    let mut request = world.accept();
    for number in 1..=3 {
        let (_, key, body) = parts(&request);
        assert_eq!(body, number.to_string());
        keys.push(key.to_owned());
        world.say(created(&format!("{number}-0")));
        request = world.said();
    }
    assert_eq!(request, "");
    keys.dedup();
    assert_eq!(
        (keys.len(), told.take().len(), world.connections),
        (3, 3, 1)
    );
    // And the next one later, on the same connection.
    world.give(&outbox, "4");
    assert_eq!(parts(&world.said()).2, "4");
}

#[test]
fn what_comes_with_an_answer_is_not_the_answer_to_what_was_not_sent_yet() {
    let (mut world, told, outbox) = to_url();
    for text in ["1", "2"] {
        world.give(&outbox, text);
    }
    world.accept();
    world.say(created("1-0") + &created("2-0"));
    assert_eq!(told.take().len(), 1);
    // It is sent on a connection on which nothing was said yet.
    assert_eq!(parts(&world.accept()).2, "2");
    world.say(created("3-0"));
    assert_eq!(
        results(told.take()),
        [("2".to_owned(), Ok("3-0".to_owned()))]
    );
    assert_eq!(world.connections, 2);
}

#[test]
fn an_outbox_is_bounded_and_its_room_comes_back() {
    let (mut world, told, outbox) = to_url();
    for number in 0..OUTBOX_MESSAGES {
        world.give(&outbox, number.to_string());
    }
    assert_eq!(outbox.send("more"), Err(Error::Full));
    world.accept();
    world.say(created("7-0"));
    assert_eq!(outbox.send("more"), Ok(()));
    assert_eq!(outbox.send("more"), Err(Error::Full));
    assert_eq!(told.take().len(), 1);

    let (mut world, _told, outbox) = publishing(Publish::to(URL).outbox(10, 1_000));
    // One is taken, however large it is.
    world.give(&outbox, "x".repeat(5_000));
    assert_eq!(outbox.send("x"), Err(Error::Full));
    world.accept();
    world.say(created("7-0"));
    assert_eq!((outbox.send("x"), outbox.len()), (Ok(()), 1));
}

// What is tried again.

#[test]
fn what_may_pass_is_tried_again_under_the_same_key() {
    for (answer, cut) in [
        ("", false),
        (BUSY, true),
        (BROKEN, true),
        (
            "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n",
            false,
        ),
        ("HTTP/1.1 425 Too Early\r\nContent-Length: 0\r\n\r\n", true),
        (
            "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n",
            true,
        ),
        (
            "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 100\r\n\r\n<html>",
            false,
        ),
        (
            "HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{\"id\":\"7",
            false,
        ),
        ("HTTP/1.1 201 Created\r\n\r\n{\"id\":\"7", false),
        ("HTTP/1.1 20", false),
        ("not HTTP at all\r\n\r\n", true),
    ] {
        let (mut world, told, outbox) = to_url();
        world.give(&outbox, "42");
        let first = world.accept();
        world.say(answer);
        if !cut {
            world.end();
        }
        assert!(world.line.is_none() && told.take().is_empty(), "{answer:?}");
        world.rest();
        let second = world.accept();
        assert_eq!(first, second, "{answer:?}");
        world.say(created("7-0"));
        assert_eq!(
            results(told.take())[0].1,
            Ok("7-0".to_owned()),
            "{answer:?}"
        );
    }
}

#[test]
fn no_answer_is_waited_for_longer_than_its_message_takes() {
    let (mut world, _told, outbox) = to_url();
    world.give(&outbox, "42");
    world.accept();
    world.rest();
    assert!(world.is_dialing() && world.now.ms >= 11_000 && world.now.ms < 12_000);
    // A larger one has the time to go out.
    let (mut world, _told, outbox) = to_url();
    world.give(&outbox, "x".repeat(1 << 20));
    world.accept();
    world.rest();
    assert!(world.now.ms > 60_000);
}

#[test]
fn retry_after_is_never_undercut_and_not_waited_for_in_vain() {
    for _ in 0..20 {
        let (mut world, _told, outbox) = to_url();
        world.give(&outbox, "42");
        world.accept();
        world.say(BUSY);
        let waited = world.rest();
        assert!(waited >= seconds(7) && waited <= seconds(8), "{waited:?}");
    }
    // It holds for the next message, too.
    let (mut world, told, outbox) = publishing(Publish::to(URL).within(seconds(5)));
    world.give(&outbox, "1");
    world.accept();
    world.say(BUSY);
    assert_eq!(errors(told.take()), [status(503, "busy")]);
    world.give(&outbox, "2");
    assert!(!world.is_dialing());
    // Its own time ends before.
    world.pass(seconds(6));
    assert!(!world.is_dialing());
    assert_eq!(errors(told.take()), [Error::Timeout]);
    world.give(&outbox, "3");
    assert!(world.rest() >= seconds(1) && world.is_dialing());
}

#[test]
fn waits_grow_while_nothing_is_published_and_start_anew_behind_what_is() {
    let backoff = Backoff::default();
    let (mut world, _told, outbox) = publishing(Publish::to(URL).within(Duration::MAX));
    world.give(&outbox, "1");
    world.give(&outbox, "2");
    let mut most = Duration::ZERO;
    for _ in 0..60 {
        world.refuse(ErrorKind::ConnectionRefused);
        most = most.max(world.rest());
    }
    assert!(most > seconds(10) && most <= backoff.max, "{most:?}");
    world.accept();
    world.say(created("1-0"));
    world.reset();
    assert!(world.rest() <= backoff.initial);
}

#[test]
fn a_server_that_closes_just_when_it_is_sent_the_next_one_costs_no_wait() {
    let (mut world, told, outbox) = to_url();
    world.give(&outbox, "1");
    world.accept();
    world.say(created("1-0"));
    world.give(&outbox, "2");
    let first = world.said();
    world.reset();
    assert_eq!(world.rest(), Duration::ZERO);
    assert_eq!(world.accept(), first);
    world.say(created("2-0"));
    assert_eq!(told.take().len(), 2);
    // Closed while there was nothing to do, it is opened when there is.
    world.end();
    assert!(!world.is_dialing());
    world.give(&outbox, "3");
    assert!(world.is_dialing());
    world.accept();
    world.say(created("3-0"));
    world.pass(seconds(100));
    assert!(world.line.is_none() && !world.is_dialing());
}

#[test]
fn no_answer_makes_it_spin() {
    for answer in [
        BUSY,
        BROKEN,
        "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
        "x\r\n\r\n",
    ] {
        let (mut world, _told, outbox) = to_url();
        world.give(&outbox, "42");
        let count = world.insist(answer);
        assert!((2..60).contains(&count), "{answer:?}: {count}");
    }
}

// What is final.

#[test]
fn a_refusal_is_final_says_why_and_does_not_hold_up_the_next() {
    for code in [400, 401, 403, 404, 405, 409, 413, 415, 422, 431] {
        let (mut world, told, outbox) = to_url();
        world.give(&outbox, "1");
        world.give(&outbox, "2");
        world.accept();
        world.say(answer(&format!("{code} No"), "", "because"));
        assert_eq!(errors(told.take()), [status(code, "because")]);
        assert_eq!(parts(&world.said()).2, "2");
        // The answer may come before the whole message was taken, and the end with it.
        world.say("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n\r\nmuch");
        world.end();
        assert_eq!(errors(told.take()), [status(413, "much")]);
        assert!(!world.is_dialing());
    }
}

#[test]
fn a_redirect_is_not_followed_and_says_where_to_publish() {
    let (mut world, told, outbox) = to_url();
    world.give(&outbox, "1");
    world.accept();
    world.say(answer(
        "308 Permanent Redirect",
        "Location: https://a/b\r\n",
        "",
    ));
    let said = errors(told.take())[0].to_string();
    assert!(
        said.contains("308") && said.contains("https://a/b"),
        "{said}"
    );
}

#[test]
fn what_is_no_channel_leaves_open_what_it_did() {
    for answered in ["200 OK", "303 See Other"] {
        let (mut world, told, outbox) = to_url();
        world.give(&outbox, "1");
        world.accept();
        world.say(answer(answered, "", "<html>"));
        let error = errors(told.take()).remove(0);
        assert!(
            matches!(error, Error::InDoubt(_)) && !error.is_transient(),
            "{error}"
        );
    }
}

#[test]
fn a_refusal_behind_an_answer_that_was_lost_is_in_doubt() {
    let (mut world, told, outbox) = to_url();
    world.give(&outbox, "1");
    world.accept();
    world.reset();
    world.rest();
    world.accept();
    world.say(answer("401 Unauthorized", "", "who"));
    assert_eq!(errors(told.take()), [in_doubt(status(401, "who"))]);
    // Not behind answers that say that nothing was kept.
    world.give(&outbox, "2");
    world.said();
    world.say(BUSY);
    world.rest();
    world.accept();
    world.say(answer("401 Unauthorized", "", "who"));
    assert_eq!(errors(told.take()), [status(401, "who")]);
}

// For how long.

#[test]
fn a_message_is_given_up_when_its_time_is_over_and_the_error_is_the_last() {
    let (mut world, told, outbox) = to_url();
    world.give(&outbox, "1");
    let began = world.now.ms;
    while told.0.lock().unwrap().is_empty() {
        assert!(Duration::from_millis(world.now.ms - began) < PUBLISH_WITHIN + seconds(1));
        if world.is_dialing() {
            world.refuse(ErrorKind::ConnectionRefused);
        }
        world.pass(seconds(1));
    }
    assert!(Duration::from_millis(world.now.ms - began) >= PUBLISH_WITHIN);
    // It was never sent.
    assert_eq!(
        errors(told.take()),
        [Error::Connection(ErrorKind::ConnectionRefused)]
    );
    world.dials.clear();
    // The time may be shorter than that of one answer.
    let (mut world, told, outbox) = publishing(Publish::to(URL).within(seconds(2)));
    world.give(&outbox, "1");
    world.accept();
    world.pass(seconds(2));
    assert_eq!(errors(told.take()), [in_doubt(Error::Timeout)]);
}

#[test]
fn nothing_is_sent_when_its_keys_life_may_be_over() {
    let (mut world, told, outbox) = publishing(Publish::to(URL).within(Duration::MAX));
    // An hour without a server is no harm.
    world.give(&outbox, "1");
    while world.now.ms < 3_600_000 {
        world.refuse(ErrorKind::ConnectionRefused);
        world.rest();
    }
    // Nor one with a server that says that it keeps nothing.
    while world.now.ms < 7_200_000 {
        world.accept();
        world.say(BUSY);
        world.rest();
    }
    assert!(told.take().is_empty());
    let mut last = world.now.ms;
    let first = last;
    while told.0.lock().unwrap().is_empty() {
        if world.is_dialing() {
            world.accept();
            last = world.now.ms;
            world.reset();
        }
        world.pass(seconds(1));
    }
    let life = KEY_LIFE.as_millis() as u64;
    assert!(last > first + 200_000 && last + 10_000 <= first + life);
    let error = errors(told.take()).remove(0);
    assert!(matches!(error, Error::InDoubt(_)), "{error}");
}

#[test]
fn a_machine_that_slept_knows_that_its_key_is_old() {
    let (mut world, told, outbox) = publishing(Publish::to(URL).within(Duration::MAX));
    world.give(&outbox, "1");
    world.accept();
    world.reset();
    // The clock of deadlines has stood still meanwhile.
    world.now.unix_ms += 10 * 60 * 1_000;
    world.rest();
    if world.is_dialing() {
        assert_eq!(world.accept(), "");
    }
    assert_eq!(
        errors(told.take()),
        [in_doubt(Error::Connection(ErrorKind::ConnectionReset))]
    );
}

// The end.

#[test]
fn a_client_ends_with_its_last_handle_when_all_is_settled() {
    let (mut world, told, outbox) = to_url();
    let other = outbox.clone();
    let id = outbox.client();
    world.give(&outbox, "1");
    drop(outbox);
    world.look(id);
    world.accept();
    world.say(created("1-0"));
    assert!(!world.is_over());
    other.send("2").unwrap();
    drop(other);
    world.look(id);
    world.say(created("2-0"));
    assert!(world.is_over() && told.take().len() == 2);

    let (mut world, _told, outbox) = to_url();
    let id = outbox.client();
    drop(outbox);
    world.look(id);
    assert!(world.is_over());
}

#[test]
fn one_that_is_ended_waits_for_the_answer_that_is_on_its_way_and_says_what_becomes_of_the_rest() {
    let (mut world, told, outbox) = to_url();
    world.give(&outbox, "1");
    world.give(&outbox, "2");
    world.accept();
    world.quit(outbox.client());
    assert_eq!(results(told.take()), [("2".to_owned(), Err(Error::Closed))]);
    assert_eq!(outbox.send("3"), Err(Error::Closed));
    world.say(created("1-0"));
    assert_eq!(
        results(told.take()),
        [("1".to_owned(), Ok("1-0".to_owned()))]
    );
    assert!(world.is_over());

    // Without an answer it is in doubt; without a connection it was not sent.
    for (is_sent, error) in [(true, in_doubt(Error::Closed)), (false, Error::Closed)] {
        let (mut world, told, outbox) = to_url();
        world.give(&outbox, "1");
        if is_sent {
            world.accept();
            world.quit(outbox.client());
            world.reset();
        } else {
            world.quit(outbox.client());
        }
        assert_eq!((errors(told.take()), world.is_over()), (vec![error], true));
    }
}

#[test]
fn a_handler_may_publish_more() {
    let (mut world, told) = (World::new(), Told::new());
    let own = Arc::new(Mutex::new(None::<Outbox>));
    let (into, again) = (Arc::clone(&told.0), Arc::clone(&own));
    let handler = Box::new(move |post: Post, result: Result<String, Error>| {
        into.lock().unwrap().push(result);
        if post.data().as_text() == Some("1") {
            again.lock().unwrap().as_ref().unwrap().send("2").unwrap();
        }
    });
    let outbox = world.clients.publish(Publish::to(URL), handler).unwrap();
    *own.lock().unwrap() = Some(outbox.clone());
    world.give(&outbox, "1");
    world.accept();
    world.say(created("1-0"));
    assert_eq!(parts(&world.said()).2, "2");
    assert_eq!(told.take().len(), 1);
}

// The law.

/// A server of a channel, as its promises are: it keeps a message once for each key, and a key for as long as it lives.
#[derive(Default)]
struct Channel {
    log: Vec<(String, String)>,
    keys: HashMap<String, (String, u64)>,
}

impl Channel {
    fn publish(&mut self, key: &str, body: &str, now: u64) -> String {
        let life = KEY_LIFE.as_millis() as u64;
        if let Some((id, since)) = self.keys.get(key) {
            if now <= since + life {
                return id.clone();
            }
        }
        let id = format!("{}-0", self.log.len() + 1);
        self.log.push((id.clone(), body.to_owned()));
        self.keys.insert(key.to_owned(), (id.clone(), now));
        id
    }
}

/// What a server does with a request.
#[derive(Clone, Debug)]
enum Deed {
    Publish,
    /// And the answer is cut there.
    PublishAndCut(usize, bool),
    PublishAndHang,
    PublishAndSay(&'static str),
    Cut,
    Hang,
    Say(&'static str),
    NotThere,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        3 => Just(Deed::Publish),
        3 => (0..60_usize, any::<bool>()).prop_map(|(at, reset)| Deed::PublishAndCut(at, reset)),
        1 => Just(Deed::PublishAndHang),
        1 => Just(Deed::PublishAndSay(BROKEN)),
        1 => Just(Deed::PublishAndSay("HTTP/1.1 504 Gateway Timeout\r\n\r\n")),
        1 => Just(Deed::PublishAndSay("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")),
        1 => Just(Deed::Cut),
        1 => Just(Deed::Hang),
        2 => Just(Deed::NotThere),
        2 => Just(Deed::Say(BUSY)),
        1 => Just(Deed::Say("HTTP/1.1 503 No\r\nRetry-After: 400\r\nContent-Length: 0\r\n\r\n")),
        1 => Just(Deed::Say("HTTP/1.1 429 No\r\nContent-Length: 0\r\n\r\n")),
        1 => Just(Deed::Say("HTTP/1.1 408 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")),
        1 => Just(Deed::Say("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")),
        1 => Just(Deed::Say("HTTP/1.1 422 No\r\nContent-Length: 2\r\n\r\nno")),
    ]
}

proptest! {
    #[test]
    fn what_is_acknowledged_is_there_once_and_what_failed_for_certain_is_not(
        deeds in prop::collection::vec(deed(), 1..40),
        count in 1..8_usize,
        within in prop_oneof![Just(seconds(3)), Just(PUBLISH_WITHIN), Just(Duration::MAX)],
        sleep in prop_oneof![4 => Just(0_u64), 1 => Just(400_000)],
    ) {
        let (mut world, told, outbox) = publishing(Publish::to(URL).within(within));
        for number in 0..count {
            world.give(&outbox, number.to_string());
        }
        let mut channel = Channel::default();
        let mut deeds = deeds.into_iter();
        let mut settled = Vec::new();
        let mut slept = 0;
        for _ in 0..20_000 {
            settled.extend(told.take());
            if settled.len() == count {
                break;
            }
            if !world.is_dialing() && world.sent.is_empty() {
                world.pass(seconds(1_000));
                continue;
            }
            // In the end it works.
            let deed = deeds.next().unwrap_or(Deed::Publish);
            if matches!(deed, Deed::NotThere) {
                if world.is_dialing() {
                    world.refuse(ErrorKind::ConnectionRefused);
                } else {
                    world.said();
                    world.reset();
                }
                continue;
            }
            let request = if world.is_dialing() { world.accept() } else { world.said() };
            if request.is_empty() {
                continue;
            }
            let (_, key, body) = parts(&request);
            // Its own clock goes on while ours sleeps.
            let time = world.now.ms + slept;
            let publishes = !matches!(deed, Deed::Cut | Deed::Hang | Deed::Say(_));
            let id = if publishes {
                channel.publish(key, body, time)
            } else {
                String::new()
            };
            match deed {
                Deed::Publish => world.say(created(&id)),
                Deed::PublishAndCut(at, reset) => {
                    let answer = created(&id);
                    world.say(&answer[..at.min(answer.len())]);
                    // What is sent behind a whole answer is lost.
                    world.said();
                    if reset { world.reset() } else { world.end() }
                }
                Deed::PublishAndHang | Deed::Hang => world.pass(seconds(11)),
                Deed::PublishAndSay(answer) | Deed::Say(answer) => world.say(answer),
                Deed::Cut => world.end(),
                Deed::NotThere => {}
            }
            if slept == 0 && world.line.is_none() {
                slept = sleep;
                world.now.unix_ms += sleep;
            }
        }
        settled.extend(told.take());
        prop_assert_eq!(settled.len(), count);
        for (number, (text, result)) in results(settled).into_iter().enumerate() {
            // In the order in which they were given.
            prop_assert_eq!(&text, &number.to_string());
            let there: Vec<_> = channel.log.iter().filter(|(_, body)| *body == text).collect();
            match result {
                Ok(id) => prop_assert!(there.len() == 1 && there[0].0 == id, "{:?}", there),
                Err(Error::InDoubt(_)) => prop_assert!(there.len() <= 1, "{:?}", there),
                Err(error) => prop_assert!(there.is_empty(), "{} {:?}", error, there),
            }
        }
        let order: Vec<usize> = channel.log.iter().map(|(_, body)| body.parse().unwrap()).collect();
        prop_assert!(order.is_sorted(), "{:?}", order);
    }

    #[test]
    fn any_cutting_of_the_answers_gives_the_same(
        cuts in prop::collection::vec(1..40_usize, 1..50),
    ) {
        let (mut world, told, outbox) = to_url();
        for text in ["1", "2", "3", "4"] {
            world.give(&outbox, text);
        }
        world.accept();
        let mut cuts = cuts.into_iter().cycle();
        for said in [
            format!("HTTP/1.1 100 Continue\r\n\r\n{}", created("1-0")),
            answer("403 Forbidden", "", &"x".repeat(50)),
            "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"id\"\r\n7\r\n:\"3-0\"}\r\n0\r\n\r\n"
                .to_owned(),
            created("4-0"),
        ] {
            let mut rest = said.as_bytes();
            while !rest.is_empty() {
                let (piece, left) = rest.split_at(cuts.next().unwrap().min(rest.len()));
                world.say(piece);
                rest = left;
            }
        }
        let results: Vec<_> = results(told.take()).into_iter().map(|(_, result)| result).collect();
        let forbidden = Err(status(403, &"x".repeat(50)));
        prop_assert_eq!(results, [Ok("1-0".into()), forbidden, Ok("3-0".into()), Ok("4-0".into())]);
        prop_assert_eq!(world.connections, 1);
    }
}
