//! Webhooks over sockets: what a receiver is sent, what a sender does with receivers of all kinds, and the requests by which
//! subscriptions are made.

#[cfg(feature = "redis")]
mod nodes;
#[cfg(feature = "redis")]
#[path = "../servers/redis.rs"]
mod redis_server;
mod support;

use std::net::TcpListener;
use std::time::{Duration, SystemTime};

use barewire::webhook::{Format, Options, Verifier};
use support::{Delivery, Endpoint, JSON, Reaction, Running, member, options, status};

fn verify(delivery: &Delivery, secret: &str) {
    let verifier = Verifier::new(secret).unwrap();
    let field = |name| delivery.field(name);
    verifier
        .verify(field, &delivery.body, SystemTime::now())
        .unwrap();
}

#[test]
fn what_is_published_from_then_on_is_sent_signed_and_in_order() {
    let (server, receiver) = (Running::with(options()), Endpoint::new(|_, _| status(204)));
    server.publish(b"before");
    let (id, secret) = server.register(&receiver.url(), "");
    assert!(secret.starts_with("whsec_"));
    let ids = [server.publish(b"one"), server.publish(b"\xff")];
    let first = receiver.next();
    verify(&first, &secret);
    assert!(
        first.head.starts_with("POST /hook HTTP/1.1\r\n"),
        "{}",
        first.head
    );
    assert_eq!(
        first.field("webhook-id"),
        Some(&*format!("{id}_{}", ids[0]))
    );
    assert_eq!(first.field("content-type"), Some("application/json"));
    let body = String::from_utf8(first.body.clone()).unwrap();
    assert!(
        body.starts_with(&format!(
            "{{\"id\":\"{}\",\"type\":\"message\",\"timestamp\":\"20",
            ids[0]
        )),
        "{body}"
    );
    assert!(
        body.ends_with("Z\",\"channel\":\"a\",\"data\":\"one\"}"),
        "{body}"
    );
    let second = receiver.next();
    verify(&second, &secret);
    let body = String::from_utf8(second.body.clone()).unwrap();
    assert!(
        body.ends_with("\"data\":\"/w==\",\"encoding\":\"base64\"}"),
        "{body}"
    );
    // The connection was kept.
    assert_eq!((first.connection, second.connection), (0, 0));
    assert!(receiver.is_quiet());

    let list = server.list();
    assert!(
        list.contains(&format!("\"cursor\":\"{}\"", ids[1])),
        "{list}"
    );
    assert!(
        list.contains("\"state\":\"active\"")
            && list.contains("\"failures\":0,\"next_attempt\":null"),
        "{list}"
    );
    assert!(!list.contains("whsec"));
    let path = format!("/channels/a/webhooks/{id}");
    let one = server.ask("GET", &path, &[], b"");
    assert!(
        one.body.contains("\"status\":204,\"error\":null"),
        "{}",
        one.body
    );
    assert_eq!(server.ask("DELETE", &path, &[], b"").status, 204);
    assert_eq!(server.ask("DELETE", &path, &[], b"").status, 404);
    assert_eq!(server.list(), "[]");
    server.publish(b"after");
    assert!(receiver.is_quiet());
}

#[test]
fn raw_is_the_bare_message_with_its_event_in_a_field() {
    let (server, receiver) = (Running::with(options()), Endpoint::new(|_, _| status(200)));
    let (_, secret) = server.register(&receiver.url(), ",\"format\":\"raw\"");
    let answer = server.ask("POST", "/channels/a?event=tick", &[], b"bare\n");
    assert_eq!(answer.status, 201);
    let delivery = receiver.next();
    verify(&delivery, &secret);
    assert_eq!(delivery.body, b"bare\n");
    assert_eq!(delivery.field("webhook-event"), Some("tick"));
}

#[test]
fn the_program_itself_makes_and_changes_subscriptions() {
    let (mut handle, receiver) = (None, Endpoint::new(|_, _| status(200)));
    let server = Running::start(|server| {
        assert!(server.subscriptions().is_none());
        server.channels("/channels/{name}");
        server
            .webhooks("/channels/{name}/webhooks", options())
            .unwrap();
        handle = server.subscriptions();
    });
    let subscriptions = handle.unwrap();
    let (sender, registered) = std::sync::mpsc::channel();
    for url in [receiver.url(), "http://10.0.0.1/".to_owned()] {
        let sender = sender.clone();
        let then = move |registered| sender.send(registered).unwrap();
        subscriptions.register("a", &url, Format::Raw, None, then);
    }
    let (first, second) = (registered.recv().unwrap(), registered.recv().unwrap());
    let (made, refused) = match first {
        Ok(made) => (made, second.unwrap_err()),
        Err(refused) => (second.unwrap(), refused),
    };
    assert!(refused.contains("private"), "{refused}");
    server.publish(b"one");
    verify(&receiver.next(), &made.secret.reveal());
    subscriptions.pause("a", &made.id);
    // Commands and requests are taken in one order.
    assert!(server.list().contains("\"state\":\"paused\""));
    server.publish(b"two");
    assert!(receiver.is_quiet());
    subscriptions.resume("a", &made.id);
    assert_eq!(receiver.next().body, b"two");
    assert!(subscriptions.list("a").contains(&made.id));
    subscriptions.remove("a", &made.id);
    assert_eq!(server.list(), "[]");
}

#[test]
fn a_secret_may_be_given_and_replaced() {
    let (server, receiver) = (Running::with(options()), Endpoint::new(|_, _| status(200)));
    let given = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let (id, secret) = server.register(&receiver.url(), &format!(",\"secret\":\"{given}\""));
    assert_eq!(secret, given);
    let answer = server.ask(
        "POST",
        &format!("/channels/a/webhooks/{id}/secret"),
        &[],
        b"",
    );
    assert_eq!(answer.status, 200, "{}", answer.body);
    let new = support::member(&answer.body, "secret");
    assert_ne!(new, given);
    server.publish(b"x");
    let delivery = receiver.next();
    verify(&delivery, &new);
    verify(&delivery, given);
}

#[test]
fn receivers_that_fail_in_every_way_are_sent_the_same_again() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let redirect = format!(
        "HTTP/1.1 307 X\r\nLocation: http://{}/\r\nContent-Length: 0\r\n\r\n",
        elsewhere.local_addr().unwrap()
    );
    let react = move |number: usize, _: &Delivery| match number {
        0 => status(500),
        1 => Reaction::Close,
        2 => Reaction::Say(redirect.clone().into_bytes()),
        3 => Reaction::Hang,
        4 => Reaction::Say(b"SSH-2.0-x\r\n\r\n".to_vec()),
        5 => Reaction::SayAndClose(b"HTTP/1.1 200 O".to_vec()),
        6 => Reaction::Say([b"HTTP/1.1 200 OK\r\nA: ", &[b'x'; 70_000][..]].concat()),
        7 => Reaction::Say(b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n".to_vec()),
        8 => Reaction::Say(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 429 X\r\nContent-Length: 0\r\n\r\n".to_vec(),
        ),
        // It has been taken, whatever is said besides.
        9 => {
            Reaction::SayAndClose(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\nx".to_vec())
        }
        _ => status(200),
    };
    let options = Options {
        answer_timeout: Duration::from_millis(400),
        ..options()
    };
    let (server, receiver) = (Running::with(options), Endpoint::new(react));
    let (id, secret) = server.register(&receiver.url(), "");
    server.publish(b"one");
    server.publish(b"two");
    let first = receiver.next();
    for _ in 1..10 {
        let again = receiver.next();
        assert_eq!(again.body, first.body);
        assert_eq!(again.field("webhook-id"), first.field("webhook-id"));
        verify(&again, &secret);
    }
    assert_eq!(receiver.next().data(), "two");
    assert!(receiver.is_quiet());
    assert!(elsewhere.accept().is_err(), "a redirect was followed");
    let one = server
        .ask("GET", &format!("/channels/a/webhooks/{id}"), &[], b"")
        .body;
    for why in [
        "answered 500",
        "ended before an answer",
        "redirects are not followed",
        "no answer came in time",
        "no HTTP",
    ] {
        assert!(one.contains(why), "{why}: {one}");
    }
}

#[test]
fn a_connection_that_was_kept_and_then_closed_costs_no_failure() {
    let react = |_: usize, _: &Delivery| {
        Reaction::SayAndClose(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec())
    };
    let (server, receiver) = (Running::with(options()), Endpoint::new(react));
    let (id, _) = server.register(&receiver.url(), "");
    for at in 0..20 {
        server.publish(at.to_string().as_bytes());
        assert_eq!(receiver.next().data(), at.to_string());
    }
    assert!(receiver.is_quiet());
    let one = server
        .ask("GET", &format!("/channels/a/webhooks/{id}"), &[], b"")
        .body;
    assert!(!one.contains("\"error\":\""), "{one}");
}

#[test]
fn one_that_hangs_keeps_nobody_else_waiting() {
    let (server, dead) = (
        Running::with(options()),
        Endpoint::new(|_, _| Reaction::Hang),
    );
    let receiver = Endpoint::new(|_, _| status(200));
    for _ in 0..10 {
        server.register(&dead.url(), "");
    }
    server.register(&receiver.url(), "");
    for at in 0..50 {
        server.publish(at.to_string().as_bytes());
        assert_eq!(receiver.next().data(), at.to_string());
    }
    // Four connections to one place, and no more.
    for _ in 0..4 {
        dead.next();
    }
    assert!(dead.is_quiet());
}

#[test]
fn a_receiver_that_is_gone_disables_and_can_be_resumed() {
    let react = |number: usize, _: &Delivery| status(if number == 0 { 410 } else { 200 });
    let (server, receiver) = (Running::with(options()), Endpoint::new(react));
    let (id, _) = server.register(&receiver.url(), "");
    server.publish(b"one");
    receiver.next();
    server.publish(b"two");
    assert!(receiver.is_quiet());
    assert!(server.list().contains("\"state\":\"disabled\""));
    let path = format!("/channels/a/webhooks/{id}");
    let answer = server.ask(
        "PATCH",
        &path,
        JSON,
        b"{\"state\":\"active\",\"from\":\"here\"}",
    );
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(
        (receiver.next().data(), receiver.next().data()),
        ("one".into(), "two".into())
    );
    assert_eq!(
        server
            .ask("PATCH", &path, JSON, b"{\"state\":\"paused\"}")
            .status,
        200
    );
    server.publish(b"three");
    assert!(receiver.is_quiet());
    let answer = server.ask(
        "PATCH",
        &path,
        JSON,
        b"{\"state\":\"active\",\"from\":\"now\"}",
    );
    assert_eq!(answer.status, 200, "{}", answer.body);
    server.publish(b"four");
    assert_eq!(receiver.next().data(), "four");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let server = Running::with(options());
    let register = |body: &str| {
        server
            .ask("POST", "/channels/a/webhooks", JSON, body.as_bytes())
            .status
    };
    for (body, status) in [
        ("", 400),
        ("[]", 400),
        ("{", 400),
        ("{}", 422),
        (r#"{"url":1}"#, 422),
        (r#"{"url":"nonsense"}"#, 422),
        (r#"{"url":"ftp://127.0.0.1/"}"#, 422),
        (r#"{"url":"http://u:p@127.0.0.1/"}"#, 422),
        (r#"{"url":"http://127.0.0.1:99999/"}"#, 422),
        (r#"{"url":"http://10.0.0.1/"}"#, 422),
        (r#"{"url":"http://0xa9fea9fe/latest/meta-data"}"#, 422),
        (r#"{"url":"http://[::1]/"}"#, 422),
        (r#"{"url":"http://127.0.0.1/","secret":"whsec_!"}"#, 422),
        (r#"{"url":"http://127.0.0.1/","secret":"whsec_YWI="}"#, 422),
        (r#"{"url":"http://127.0.0.1/","format":"xml"}"#, 422),
        (r#"{"url":"http://127.0.0.1/"}"#, 201),
    ] {
        assert_eq!(register(body), status, "{body}");
    }
    let form = &["Content-Type: application/x-www-form-urlencoded"];
    let body = br#"{"url":"http://127.0.0.1/"}"#;
    assert_eq!(
        server
            .ask("POST", "/channels/a/webhooks", form, body)
            .status,
        415
    );
    assert_eq!(
        server.ask("POST", "/channels/a/webhooks", &[], body).status,
        415
    );
    assert_eq!(
        server
            .ask("POST", "/channels/%00/webhooks", JSON, body)
            .status,
        400
    );
    let nobody = "/channels/a/webhooks/wh_0";
    assert_eq!(server.ask("GET", nobody, &[], b"").status, 404);
    assert_eq!(
        server
            .ask("PATCH", nobody, JSON, b"{\"state\":\"active\"}")
            .status,
        404
    );
    assert_eq!(
        server
            .ask("PATCH", nobody, JSON, b"{\"state\":\"gone\"}")
            .status,
        422
    );
    assert_eq!(
        server
            .ask("PATCH", nobody, &[], b"{\"state\":\"active\"}")
            .status,
        415
    );
    assert_eq!(
        server
            .ask("POST", &format!("{nobody}/secret"), &[], b"")
            .status,
        404
    );
    assert_eq!(server.ask("PUT", nobody, &[], b"").status, 405);
    assert_eq!(
        server.ask("GET", "/channels/other/webhooks", &[], b"").body,
        "[]"
    );
}

#[test]
fn a_channel_has_a_hundred_webhooks_at_most() {
    let server = Running::with(options());
    for _ in 0..100 {
        server.register("http://127.0.0.1:1/", "");
    }
    let body = br#"{"url":"http://127.0.0.1:1/"}"#;
    assert_eq!(
        server
            .ask("POST", "/channels/a/webhooks", JSON, body)
            .status,
        409
    );
    assert_eq!(
        server
            .ask("POST", "/channels/b/webhooks", JSON, body)
            .status,
        201
    );
}

#[test]
fn pages_of_other_origins_change_nothing() {
    let server = Running::with(options());
    let (id, _) = server.register("http://127.0.0.1:1/", "");
    let foreign = &[JSON[0], "Origin: http://evil.example"];
    let body = br#"{"url":"http://127.0.0.1:1/"}"#;
    assert_eq!(
        server
            .ask("POST", "/channels/a/webhooks", foreign, body)
            .status,
        403
    );
    let path = format!("/channels/a/webhooks/{id}");
    assert_eq!(server.ask("DELETE", &path, foreign, b"").status, 403);
    assert_eq!(
        server
            .ask("PATCH", &path, foreign, b"{\"state\":\"paused\"}")
            .status,
        403
    );
    assert_eq!(
        server
            .ask("POST", &format!("{path}/secret"), foreign, b"")
            .status,
        403
    );
    let own = format!("Origin: http://{}", server.address);
    assert_eq!(server.ask("DELETE", &path, &[&own], b"").status, 204);
}

#[test]
fn pages_of_an_origin_that_is_allowed_by_name_make_and_change_webhooks() {
    const FRIEND: &str = "https://friend.example";
    let server = Running::start(|server| {
        server.channels("/channels/{name}");
        server
            .webhooks("/channels/{name}/webhooks", options())
            .unwrap();
        server.allow_origin(FRIEND);
        server.get("/own", |_, reply| reply.text("the program's"));
    });
    let path = "/channels/a/webhooks";
    let friend = format!("Origin: {FRIEND}");
    let preflight = |path: &str, origin: &str| {
        let fields = [
            origin,
            "Access-Control-Request-Method: POST",
            "Access-Control-Request-Headers: content-type",
        ];
        server.ask("OPTIONS", path, &fields, b"")
    };
    for (path, methods) in [
        (path.to_owned(), "GET, POST"),
        (format!("{path}/x"), "GET, DELETE, PATCH"),
        (format!("{path}/x/secret"), "POST"),
    ] {
        let answer = preflight(&path, &friend);
        assert_eq!(answer.status, 204, "{}", answer.body);
        for (name, value) in [
            ("Access-Control-Allow-Origin", FRIEND),
            ("Access-Control-Allow-Methods", methods),
            ("Access-Control-Allow-Headers", "content-type"),
        ] {
            assert_eq!(answer.fields(name), [value], "{path}");
        }
    }
    let shown = "Access-Control-Allow-Origin";
    let nobody: [&str; 0] = [];
    for (path, origin) in [(path, "Origin: https://evil.example"), ("/own", &friend)] {
        assert_eq!(preflight(path, origin).fields(shown), nobody);
    }

    let given = [JSON[0], &friend];
    let body = br#"{"url":"http://127.0.0.1:1/"}"#;
    let made = server.ask("POST", path, &given, body);
    assert_eq!((made.status, made.fields(shown)), (201, vec![FRIEND]));
    let one = format!("{path}/{}", member(&made.body, "id"));
    for (method, path, body, status) in [
        ("GET", path, "", 200),
        ("GET", &one, "", 200),
        ("PATCH", &one, "{\"state\":\"paused\"}", 200),
        ("PATCH", &one, "nonsense", 400),
        ("DELETE", &one, "", 204),
        ("DELETE", &one, "", 404),
    ] {
        let answer = server.ask(method, path, &given, body.as_bytes());
        let was = (answer.status, answer.fields(shown));
        assert_eq!(was, (status, vec![FRIEND]), "{method} {path}");
        assert_eq!(answer.fields("Vary"), ["Origin"]);
    }
    let foreign = ["Origin: https://evil.example"];
    let answer = server.ask("GET", path, &foreign, b"");
    assert_eq!((answer.status, answer.fields(shown)), (200, vec![]));
}

#[test]
fn the_authorisation_hook_is_asked_first() {
    let server = Running::start(|server| {
        server.channels("/channels/{name}");
        server
            .webhooks("/channels/{name}/webhooks", options())
            .unwrap();
        server.authorize(|request| request.param("name").as_deref() != Some("a"));
    });
    let body = br#"{"url":"http://127.0.0.1:1/"}"#;
    assert_eq!(
        server
            .ask("POST", "/channels/a/webhooks", JSON, body)
            .status,
        403
    );
    assert_eq!(
        server
            .ask("POST", "/channels/b/webhooks", JSON, body)
            .status,
        201
    );
}

#[test]
fn nothing_is_sent_to_this_machine_unless_it_is_allowed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    listener.set_nonblocking(true).unwrap();
    let server = Running::with(Options {
        schedule: options().schedule,
        ..Options::default()
    });
    for host in [
        "127.0.0.1",
        "127.1",
        "0x7f000001",
        "2130706433",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "[::1]",
    ] {
        let body = format!("{{\"url\":\"http://{host}:{port}/\"}}");
        let answer = server.ask("POST", "/channels/a/webhooks", JSON, body.as_bytes());
        assert_eq!(answer.status, 422, "{host}");
        assert!(
            answer.body.contains("nothing is sent to"),
            "{}",
            answer.body
        );
    }
    // What a name resolves to is looked at when it is connected to.
    let (id, _) = server.register(&format!("http://localhost:{port}/"), "");
    server.publish(b"secret");
    let path = format!("/channels/a/webhooks/{id}");
    let begin = std::time::Instant::now();
    loop {
        let one = server.ask("GET", &path, &[], b"").body;
        if one.contains("it is loopback") {
            break;
        }
        assert!(begin.elapsed() < support::PATIENCE, "{one}");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(listener.accept().is_err(), "it was connected to");
}

#[test]
fn a_delivery_that_is_under_way_is_finished_when_the_server_stops() {
    let react = |_: usize, _: &Delivery| {
        std::thread::sleep(Duration::from_millis(300));
        status(200)
    };
    let (server, receiver) = (Running::with(options()), Endpoint::new(react));
    server.register(&receiver.url(), "");
    server.publish(b"one");
    server.publish(b"two");
    std::thread::sleep(Duration::from_millis(150));
    server.stopper.stop();
    server.join();
    assert_eq!(receiver.next().data(), "one");
    assert!(receiver.is_quiet());
}

#[test]
fn several_loops_share_their_webhooks() {
    let mut cores = barewire::Cores::bind("127.0.0.1:0", 3, |server| {
        server.channels("/channels/{name}");
        Ok(())
    })
    .unwrap();
    cores
        .webhooks("/channels/{name}/webhooks", options())
        .unwrap();
    let (address, stopper) = (cores.local_addr().unwrap(), cores.stopper());
    let thread = std::thread::spawn(move || cores.run());
    let receiver = Endpoint::new(|_, _| status(200));
    let body = format!("{{\"url\":\"{}\"}}", receiver.url());
    for round in 0..10 {
        let channel = format!("/channels/c{round}");
        let answer = support::ask(
            address,
            "POST",
            &format!("{channel}/webhooks"),
            JSON,
            body.as_bytes(),
        );
        assert_eq!(answer.status, 201);
        for text in ["1", "2"] {
            let published = support::ask(address, "POST", &channel, &[], text.as_bytes());
            assert_eq!(published.status, 201);
        }
        assert_eq!(
            (receiver.next().data(), receiver.next().data()),
            ("1".into(), "2".into())
        );
    }
    stopper.stop();
    thread.join().unwrap().unwrap();
}

#[cfg(feature = "durable")]
mod kept {
    use super::*;
    use barewire::Limits;
    use barewire::durable::Store;

    fn serve(path: &std::path::Path, hot: usize) -> Running {
        Running::start(|server| {
            let mut limits = Limits::default();
            limits.channels.retention.messages = hot;
            server.limits(limits);
            let store = Store::open(path, barewire::durable::Options::default()).unwrap();
            server.store_in(store).unwrap();
            server.channels("/channels/{name}");
            server
                .webhooks("/channels/{name}/webhooks", options())
                .unwrap();
        })
    }

    #[test]
    fn subscriptions_their_places_and_secrets_outlive_the_server() {
        let path = std::env::temp_dir().join(format!("barewire-webhooks-{}", std::process::id()));
        let (up, down) = (
            Endpoint::new(|_, _| status(200)),
            Endpoint::new(|_, _| status(200)),
        );
        let server = serve(&path, 2);
        let (kept, secret) = server.register(&up.url(), "");
        let (removed, _) = server.register(&down.url(), "");
        let (paused, _) = server.register(&down.url(), "");
        server.publish(b"1");
        assert_eq!(up.next().data(), "1");
        let (first, second) = (down.next(), down.next());
        assert_eq!((first.data(), second.data()), ("1".into(), "1".into()));
        let path_of = |id: &str| format!("/channels/a/webhooks/{id}");
        assert_eq!(
            server.ask("DELETE", &path_of(&removed), &[], b"").status,
            204
        );
        for id in [&paused, &kept] {
            assert_eq!(
                server
                    .ask("PATCH", &path_of(id), JSON, b"{\"state\":\"paused\"}")
                    .status,
                200
            );
        }
        // Only the newest are in memory: the rest is history.
        for text in ["2", "3", "4", "5", "6"] {
            server.publish(text.as_bytes());
        }
        server.stopper.stop();
        server.join();

        let server = serve(&path, 2);
        let begin = std::time::Instant::now();
        while !server.list().contains(&kept) {
            assert!(begin.elapsed() < support::PATIENCE);
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(!server.list().contains(&removed));
        let answer = server.ask("PATCH", &path_of(&kept), JSON, b"{\"state\":\"active\"}");
        assert_eq!(answer.status, 200, "{}", answer.body);
        for text in ["2", "3", "4", "5", "6"] {
            let delivery = up.next();
            assert_eq!(delivery.data(), text);
            verify(&delivery, &secret);
        }
        // From what is published from now on, in a channel that nobody has read since.
        let answer = server.ask(
            "PATCH",
            &path_of(&paused),
            JSON,
            b"{\"state\":\"active\",\"from\":\"now\"}",
        );
        assert_eq!(answer.status, 200);
        server.publish(b"7");
        assert_eq!(
            (up.next().data(), down.next().data()),
            ("7".into(), "7".into())
        );
        assert!(down.is_quiet());
        let answer = server.ask(
            "POST",
            "/channels/fresh/webhooks",
            JSON,
            format!("{{\"url\":\"{}\"}}", up.url()).as_bytes(),
        );
        assert_eq!(answer.status, 201);
        assert_eq!(server.ask("POST", "/channels/fresh", &[], b"8").status, 201);
        assert_eq!(up.next().data(), "8");
        drop(server);
        std::fs::remove_file(&path).unwrap();
    }
}

#[cfg(feature = "tls")]
#[test]
fn deliveries_over_tls_are_verified() {
    use barewire::tls::{ClientTls, Roots, ServerTls};
    let file = |name: &str| format!("{}/tests/certificates/{name}", env!("CARGO_MANIFEST_DIR"));
    let (sender, deliveries) = std::sync::mpsc::channel();
    let mut receiver = barewire::Server::unbound().unwrap();
    let tls = ServerTls::from_pem_files(file("server.pem"), file("server.key")).unwrap();
    receiver.listen_tls("127.0.0.1:0", &tls).unwrap();
    receiver.post("/hook", move |request, reply| {
        sender.send(request.body().to_vec()).unwrap();
        reply.status(204);
    });
    let (port, stopper) = (receiver.local_addr().unwrap().port(), receiver.stopper());
    let thread = std::thread::spawn(move || receiver.run());
    let trusting = Options {
        tls: Some(ClientTls::trusting(&Roots::from_pem_file(file("ca.pem")).unwrap()).unwrap()),
        ..options()
    };
    let server = Running::with(trusting);
    server.register(&format!("https://localhost:{port}/hook"), "");
    server.publish(b"one");
    let body = deliveries.recv_timeout(support::PATIENCE).unwrap();
    assert!(
        String::from_utf8(body)
            .unwrap()
            .contains("\"data\":\"one\"")
    );
    // Who trusts only those whom the system trusts sends nothing.
    let distrusting = Running::with(options());
    let (id, _) = distrusting.register(&format!("https://localhost:{port}/hook"), "");
    distrusting.publish(b"two");
    let begin = std::time::Instant::now();
    while !distrusting
        .ask("GET", &format!("/channels/a/webhooks/{id}"), &[], b"")
        .body
        .contains("could not be secured")
    {
        assert!(begin.elapsed() < support::PATIENCE);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(deliveries.try_recv().is_err());
    stopper.stop();
    thread.join().unwrap().unwrap();
}
