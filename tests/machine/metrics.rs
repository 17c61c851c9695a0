//! GET /metrics: the rules of the format, and that what happens is counted once, on whichever loop.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use barewire::{Cores, channel};

use crate::support::*;

const PAGE: &str = include_str!("../../docs/operate.md");

fn metered() -> Simulation {
    metered_with(Limits::default())
}

fn metered_with(limits: Limits) -> Simulation {
    server(|server| {
        server.limits(limits);
        server.metrics("/metrics");
        routes(server);
    })
}

/// What is counted, by series: `name{label="value"}`.
fn scrape(server: &mut Simulation) -> BTreeMap<String, f64> {
    let answer = ask(server, &get("/metrics"));
    assert_eq!(answer.status, 200, "{answer:?}");
    read(answer.text())
}

/// Reads the text strictly, by its rules: each family has its help, then its type, then its samples, and comes once.
fn read(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with('\n'));
    let mut series = BTreeMap::new();
    let mut families = BTreeSet::new();
    let (mut family, mut kind) = ("", "");
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').unwrap();
            assert!(families.insert(name), "{name} comes twice");
            assert!(words.ends_with('.'), "{words}");
            (family, kind) = (name, "");
        } else if let Some(typed) = line.strip_prefix("# TYPE ") {
            let (name, of) = typed.split_once(' ').unwrap();
            assert_eq!((name, kind), (family, ""));
            assert_eq!(of == "counter", name.ends_with("_total"), "{line}");
            assert!(matches!(of, "counter" | "gauge" | "histogram"), "{line}");
            kind = of;
        } else {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let base = name.split('{').next().unwrap();
            let suffixes: &[&str] = match kind {
                "histogram" => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            let belongs = |suffix: &&str| base.strip_suffix(*suffix) == Some(family);
            assert!(suffixes.iter().any(belongs), "{line} in {family}");
            let before = series.insert(name.to_owned(), value.parse().unwrap());
            assert_eq!(before, None, "{line}");
        }
    }
    for name in families {
        assert!(name.starts_with("barewire_"), "{name}");
        // Base units only.
        for unit in ["_ms", "_millis", "_micros", "_kib", "_mib", "_minutes"] {
            assert!(!name.contains(unit), "{name}");
        }
        check_histogram(name, &series, text);
    }
    series
}

/// Buckets grow, and the last one has all.
fn check_histogram(name: &str, series: &BTreeMap<String, f64>, text: &str) {
    let Some(count) = series.get(&format!("{name}_count")) else {
        return;
    };
    let prefix = format!("{name}_bucket{{le=\"");
    let buckets: Vec<(f64, f64)> = text
        .lines()
        .filter_map(|line| line.strip_prefix(&prefix)?.split_once("\"} "))
        .map(|(bound, count)| (bound.parse().unwrap(), count.parse().unwrap()))
        .collect();
    assert!(buckets.is_sorted_by(|one, two| one.0 < two.0 && one.1 <= two.1));
    assert_eq!(buckets.last(), Some(&(f64::INFINITY, *count)), "{name}");
    assert!(series.contains_key(&format!("{name}_sum")));
}

/// Those that are not zero of a family, by the values of their labels.
fn by_label<'s>(series: &'s BTreeMap<String, f64>, name: &str) -> Vec<(&'s str, f64)> {
    let labelled = series.iter().filter_map(|(key, &value)| {
        let of = key.strip_prefix(name)?.strip_prefix('{')?;
        Some((of.split('"').nth(1)?, value))
    });
    labelled.filter(|&(_, value)| value != 0.0).collect()
}

// The page

#[test]
fn it_is_text_that_nobody_stores_and_head_has_no_body() {
    let mut server = metered();
    let got = ask(&mut server, &get("/metrics"));
    let media_type = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(got.field("Content-Type").as_deref(), Some(media_type));
    assert_eq!(got.field("Cache-Control").as_deref(), Some("no-store"));
    let client = server.connect();
    server.send(client, request("HEAD /metrics", "").as_bytes());
    let bytes = server.take(client);
    let (head, rest) = answer(&bytes, true);
    assert_eq!((head.status, rest), (200, &b""[..]));
    assert!(
        head.field("Content-Length")
            .unwrap()
            .parse::<usize>()
            .unwrap()
            > 1_000
    );
    // The connection goes on, and requests behind one another are answered in their order.
    let two = [get("/metrics"), get("/")].concat();
    let answers = talk(&mut server, client, two.as_bytes());
    assert_eq!(answers[1].text(), "home");
}

#[test]
fn the_page_in_docs_has_exactly_these_metrics_with_their_types() {
    let answer = ask(&mut metered(), &get("/metrics"));
    let types = answer.text().lines();
    let served: BTreeSet<(String, String)> = types
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, kind)| (name.into(), kind.into()))
        .collect();
    // Those of the store and of Redis are held to the page by their tests.
    let documented: BTreeSet<(String, String)> = PAGE
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `barewire_")?.split(" | ");
            let name = cells.next()?.split('`').next()?;
            Some((format!("barewire_{name}"), cells.next()?.to_owned()))
        })
        .filter(|(name, _)| {
            !name.starts_with("barewire_store_") && !name.starts_with("barewire_redis_")
        })
        .collect();
    assert_eq!(documented, served);
}

#[test]
fn it_is_there_only_where_it_is_mounted_and_asks_who_may() {
    assert_eq!(ask(&mut hub(), &get("/metrics")).status, 404);
    let mut guarded = server(|server| {
        server.metrics("/internal/metrics");
        server.authorize(|request| request.header("X-Key") == Some("k"));
    });
    assert_eq!(ask(&mut guarded, &get("/internal/metrics")).status, 403);
    let asked = request("GET /internal/metrics", "X-Key: k\r\n");
    let refusals = "barewire_refusals_total{status=\"403\"}";
    assert_eq!(read(ask(&mut guarded, &asked).text())[refusals], 1.0);
}

#[test]
fn nothing_that_comes_from_the_network_is_in_it() {
    let mut server = metered();
    for line in [
        "ZEBRA /zebra",
        "GET /zebra?zebra=1",
        "POST /channels/zebra?event=zebra",
    ] {
        server_takes(
            &mut server,
            &request(line, "Content-Length: 0\r\nZebra: zebra\r\n"),
        );
    }
    server_takes(&mut server, "zebra\r\n\r\n");
    let page = ask(&mut server, &get("/metrics"));
    assert!(!page.text().to_ascii_lowercase().contains("zebra"));
}

fn server_takes(server: &mut Simulation, request: &str) {
    let client = server.connect();
    server.send(client, request.as_bytes());
    assert!(!server.take(client).is_empty());
}

// What is counted

#[test]
fn connections_are_counted_by_what_they_are_and_requests_by_how_they_are_served() {
    let mut server = metered();
    let (_events, _) = listen(&mut server, "/channels/a", "");
    let socket = open(&mut server, "/channels/a");
    open(&mut server, "/echo");
    let waiting = server.connect();
    server.send(
        waiting,
        request("GET /channels/b", "Prefer: wait=30\r\n").as_bytes(),
    );
    ask(&mut server, &get("/channels/a"));
    ask(&mut server, &get("/"));
    publish(&mut server, "c", "x");
    let seen = scrape(&mut server);
    // Three that were answered, and the one that asks.
    assert_eq!(
        by_label(&seen, "barewire_connections"),
        [
            ("long_poll", 1.0),
            ("request", 4.0),
            ("sse", 1.0),
            ("websocket", 2.0)
        ]
    );
    assert_eq!(seen["barewire_connections_accepted_total"], 8.0);
    assert_eq!(
        by_label(&seen, "barewire_requests_total"),
        [
            ("long_poll", 1.0),
            ("publish", 1.0),
            ("request", 2.0),
            ("short_poll", 1.0),
            ("sse", 1.0),
            ("websocket", 2.0)
        ]
    );
    assert_eq!(seen["barewire_channels"], 3.0);
    server.end(socket);
    let seen = scrape(&mut server);
    assert_eq!(seen["barewire_connections{way=\"websocket\"}"], 1.0);
    assert_eq!(seen["barewire_requests_total{way=\"websocket\"}"], 2.0);
}

#[test]
fn messages_are_counted_as_they_come_and_by_how_they_go() {
    let mut server = metered();
    for _ in 0..3 {
        listen(&mut server, "/channels/a", "");
    }
    let socket = open(&mut server, "/channels/a");
    let waiting = server.connect();
    server.send(
        waiting,
        request("GET /channels/a", "Prefer: wait=30\r\n").as_bytes(),
    );
    publish(&mut server, "a", "one");
    server.send(socket, &[frame(TEXT, "two"), frame(TEXT, "three")].concat());
    ask(&mut server, &get("/channels/a"));
    let echo = open(&mut server, "/echo");
    server.send(echo, &[frame(TEXT, "x"), frame(BINARY, "y")].concat());
    let seen = scrape(&mut server);
    assert_eq!(
        by_label(&seen, "barewire_published_messages_total"),
        [("post", 1.0), ("websocket", 2.0)]
    );
    assert_eq!(
        by_label(&seen, "barewire_delivered_messages_total"),
        [
            ("long_poll", 1.0),
            ("short_poll", 3.0),
            ("sse", 9.0),
            ("websocket", 3.0)
        ]
    );
    assert_eq!(seen["barewire_handled_messages_total"], 2.0);
    assert_eq!(seen["barewire_publish_delay_seconds_count"], 1.0);
    assert_eq!(seen["barewire_reader_lag_messages"], 0.0);
    // Whoever leaves takes nothing along.
    server.end(socket);
    let then = scrape(&mut server);
    let name = "barewire_delivered_messages_total";
    assert_eq!(by_label(&seen, name), by_label(&then, name));
}

#[test]
fn the_slowest_reader_and_gaps_are_seen() {
    let mut limits = Limits::default();
    limits.channels.retention.messages = 3;
    let mut server = metered_with(limits);
    let (slow, _) = listen(&mut server, "/channels/a", "");
    listen(&mut server, "/channels/a", "");
    server.stall(slow, 0);
    for _ in 0..2 {
        publish(&mut server, "a", "x");
    }
    let seen = scrape(&mut server);
    assert_eq!(seen["barewire_reader_lag_messages"], 2.0);
    assert_eq!(seen["barewire_gaps_total"], 0.0);
    for _ in 0..8 {
        publish(&mut server, "a", "x");
    }
    assert_eq!(scrape(&mut server)["barewire_reader_lag_messages"], 10.0);
    server.resume(slow);
    let seen = scrape(&mut server);
    assert_eq!(seen["barewire_reader_lag_messages"], 0.0);
    assert_eq!(seen["barewire_gaps_total"], 1.0);
    // Ten, and the three of ten that were still there.
    assert_eq!(seen["barewire_delivered_messages_total{way=\"sse\"}"], 13.0);
}

#[test]
fn refusals_are_counted_by_status_and_messages_that_are_not_published_by_reason() {
    let mut limits = Limits::default();
    limits.channels.channels = 1;
    limits.channels.encoded = 1_000;
    let mut server = metered_with(limits);
    publish(&mut server, "a", "x");
    for (path, status) in [
        ("/channels/b", 503),
        ("/channels/a%0a", 400),
        ("/channels/a?event=gap", 400),
        ("/nowhere", 404),
    ] {
        assert_eq!(ask(&mut server, &post(path, "x")).status, status, "{path}");
    }
    let large = "x".repeat(2_000);
    assert_eq!(ask(&mut server, &post("/channels/a", &large)).status, 413);
    let socket = open(&mut server, "/channels/a?from=now");
    server.send(socket, &frame(TEXT, &large));
    let seen = scrape(&mut server);
    assert_eq!(
        by_label(&seen, "barewire_refusals_total"),
        [("400", 2.0), ("404", 1.0), ("413", 1.0), ("503", 1.0)]
    );
    assert_eq!(
        by_label(&seen, "barewire_publish_refusals_total"),
        [
            ("invalid_event", 1.0),
            ("invalid_name", 1.0),
            ("too_large", 2.0),
            ("too_many_channels", 1.0)
        ]
    );
}

#[test]
fn bytes_are_counted_as_they_go_over_the_connections() {
    let mut server = metered();
    let one = get("/");
    let answer = {
        let client = server.connect();
        server.send(client, one.as_bytes());
        server.take(client).len()
    };
    let asked = get("/metrics");
    let seen = scrape(&mut server);
    let received = (one.len() + asked.len()) as f64;
    assert_eq!(seen["barewire_received_bytes_total"], received);
    assert_eq!(seen["barewire_sent_bytes_total"], answer as f64);
    assert_eq!(seen["barewire_unsent_bytes"], 0.0);
}

#[test]
fn a_delivery_is_as_late_as_the_oldest_message_of_its_turn() {
    let mut server = metered_with(Limits {
        channels: channel::Limits {
            window: Duration::from_millis(20),
            ..Default::default()
        },
        ..Limits::default()
    });
    for _ in 0..100 {
        listen(&mut server, "/channels/a", "");
    }
    publish(&mut server, "a", "at once");
    server.wait(ONE_MS);
    publish(&mut server, "a", "later");
    server.wait(Duration::from_millis(5));
    publish(&mut server, "a", "together with it");
    server.wait(seconds(1));
    let seen = scrape(&mut server);
    // Two turns, whatever the number of readers and messages: one at once, the other after 19 ms.
    assert_eq!(seen["barewire_delivery_delay_seconds_count"], 2.0);
    assert_eq!(seen["barewire_delivery_delay_seconds_sum"], 0.019);
    assert_eq!(
        seen["barewire_delivered_messages_total{way=\"sse\"}"],
        300.0
    );
}

// Several loops

fn cores(loops: usize) -> Vec<Simulation> {
    let cores = Cores::unbound(loops, |server| {
        server.metrics("/metrics");
        routes(server);
        Ok(())
    });
    let servers = cores.unwrap().into_servers().into_iter();
    servers.map(Server::simulate).collect()
}

#[test]
fn whichever_loop_is_asked_answers_for_all() {
    let mut cores = cores(3);
    listen(&mut cores[0], "/channels/a", "");
    listen(&mut cores[1], "/channels/a", "");
    publish(&mut cores[2], "a", "x");
    for core in &mut cores {
        core.wait(Duration::ZERO);
    }
    for asked in [2, 0] {
        let client = cores[asked].connect();
        cores[asked].send(client, get("/metrics").as_bytes());
        // Not before all have said what they know.
        assert_eq!(cores[asked].take(client), b"");
        for core in &mut cores {
            core.wait(Duration::ZERO);
        }
        cores[asked].wait(Duration::ZERO);
        let seen = read(answers(&cores[asked].take(client))[0].text());
        assert_eq!(seen["barewire_loops"], 3.0);
        assert_eq!(seen["barewire_connections{way=\"sse\"}"], 2.0);
        assert_eq!(seen["barewire_published_messages_total{way=\"post\"}"], 1.0);
        assert_eq!(seen["barewire_delivered_messages_total{way=\"sse\"}"], 2.0);
        assert_eq!(seen["barewire_channels"], 1.0);
    }
}

#[test]
fn a_loop_that_does_not_answer_makes_it_a_503_and_not_a_sum_without_it() {
    let mut cores = cores(2);
    let client = cores[0].connect();
    cores[0].send(client, get("/metrics").as_bytes());
    cores[0].wait(seconds(5) - ONE_MS);
    assert_eq!(cores[0].take(client), b"");
    cores[0].wait(ONE_MS);
    assert_eq!(statuses(&cores[0].take(client)), [503]);
    // It comes too late, for nobody.
    cores[1].wait(Duration::ZERO);
    cores[0].wait(Duration::ZERO);
    assert_eq!(cores[0].take(client), b"");
}

#[test]
fn a_loop_that_has_ended_is_not_waited_for() {
    let mut cores = cores(2);
    cores.pop();
    let seen = scrape(&mut cores[0]);
    assert_eq!(seen["barewire_loops"], 1.0);
}

#[test]
fn what_threads_publish_is_counted_though_no_loop_does_it() {
    let cores = Cores::unbound(2, |server| {
        server.metrics("/metrics");
        routes(server);
        Ok(())
    });
    let cores = cores.unwrap();
    let publisher = cores.publisher();
    let mut cores: Vec<Simulation> = cores
        .into_servers()
        .into_iter()
        .map(Server::simulate)
        .collect();
    cores.pop();
    publisher.publish("a", "x").unwrap();
    let seen = scrape(&mut cores[0]);
    let name = "barewire_published_messages_total{way=\"program\"}";
    assert_eq!(seen[name], 1.0);

    let mut alone = Server::unbound().unwrap();
    let publisher = alone.publisher();
    alone.metrics("/metrics");
    let mut alone = alone.simulate();
    publisher.publish("a", "x").unwrap();
    alone.wait(Duration::ZERO);
    assert_eq!(scrape(&mut alone)[name], 1.0);
}
