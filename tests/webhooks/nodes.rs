//! Several servers over one Redis: one of them delivers, and another goes on when that one is gone. Without redis-server on this
//! machine these say so and pass.

use std::collections::HashMap;
use std::time::Instant;

use barewire::redis::{Options, Redis};

use crate::redis_server::RedisServer;
use crate::support::{self, Endpoint, JSON, PATIENCE, Running, member, status};
use crate::verify;

fn node(redis: &RedisServer) -> Running {
    Running::start(|server| {
        let redis = Redis::open(&redis.url(), Options::default()).unwrap();
        server.redis_in(redis).unwrap();
        server.channels("/channels/{name}");
        server
            .webhooks("/channels/{name}/webhooks", support::options())
            .unwrap();
    })
}

/// Waits until something is so.
fn wait<T>(mut what: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(it) = what() {
            return it;
        }
        assert!(Instant::now() < until);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// Registers a webhook of the channel `a` at the first of these that takes it: which one, and the secret.
fn register(nodes: &[Running], url: &str) -> (usize, String) {
    let body = format!("{{\"url\":\"{url}\"}}");
    wait(|| {
        nodes.iter().enumerate().find_map(|(at, node)| {
            let answer = node.ask("POST", "/channels/a/webhooks", JSON, body.as_bytes());
            (answer.status == 201).then(|| (at, member(&answer.body, "secret")))
        })
    })
}

/// The name of the lease in Redis.
fn lease(redis: &RedisServer) -> String {
    redis.cli(&["KEYS", "barewire:{*}:l:webhooks"])
}

#[test]
fn one_node_delivers_and_another_goes_on_when_it_ends() {
    let Some(redis) = RedisServer::start(&[]) else {
        return;
    };
    let mut nodes = vec![node(&redis), node(&redis)];
    let hook = Endpoint::new(|_, _| status(200));
    let (in_charge, secret) = register(&nodes, &hook.url());
    let other = &nodes[1 - in_charge];
    let refused = other.ask("GET", "/channels/a/webhooks", &[], b"");
    assert_eq!(refused.status, 503, "{}", refused.body);
    let mut texts = (0..40).map(|number| number.to_string());
    for (at, text) in texts.by_ref().take(20).enumerate() {
        nodes[at % 2].publish(text.as_bytes());
    }
    for number in 0..20 {
        let delivery = hook.next();
        assert_eq!(delivery.data(), number.to_string());
        verify(&delivery, &secret);
    }
    assert!(hook.is_quiet());

    // What is published while it ends goes through the other.
    let ending = nodes.remove(in_charge);
    ending.stopper.stop();
    for text in texts {
        nodes[0].publish(text.as_bytes());
    }
    ending.join();
    let mut ids = HashMap::new();
    while ids.len() < 20 {
        let delivery = hook.next();
        verify(&delivery, &secret);
        let id = delivery.field("webhook-id").unwrap().to_owned();
        let number: usize = delivery.data().parse().unwrap();
        // It may come again, under its own id, and never before one that is older.
        assert!(number <= 20 + ids.len(), "{number}");
        assert_eq!(*ids.entry(number).or_insert_with(|| id.clone()), id);
    }
    assert!(wait(|| Some(nodes[0].list()).filter(|list| list.contains(&hook.url()))).len() > 2);
}

#[test]
fn a_node_that_dies_has_the_lease_until_it_ends_and_one_that_has_lost_it_moves_nothing() {
    let Some(redis) = RedisServer::start(&[]) else {
        return;
    };
    let nodes = [node(&redis), node(&redis)];
    let hook = Endpoint::new(|_, _| status(200));
    let (_, secret) = register(&nodes, &hook.url());
    nodes[0].publish(b"1");
    assert_eq!(hook.next().data(), "1");
    let cursor = |redis: &RedisServer| {
        let values = lease(redis).replace(":l:", ":v:");
        redis.cli(&["HVALS", &values])
    };
    let kept = wait(|| {
        // Until what was delivered is kept.
        let before = cursor(&redis);
        std::thread::sleep(std::time::Duration::from_millis(300));
        (cursor(&redis) == before).then_some(before)
    });

    // A node takes the lease while neither of these looks, and dies.
    let seconds: u64 = redis
        .cli(&["TIME"])
        .lines()
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let end = ((seconds + 3) * 1_000).to_string();
    redis.cli(&["HSET", &lease(&redis), "node", "dead", "until", &end]);
    nodes[0].publish(b"2");
    assert_eq!(hook.next().data(), "2");
    // That it was delivered is not kept: the lease is another's.
    wait(|| {
        let answers = nodes
            .iter()
            .map(|node| node.ask("GET", "/channels/a/webhooks", &[], b""));
        answers
            .into_iter()
            .all(|answer| answer.status == 503)
            .then_some(())
    });
    assert_eq!(cursor(&redis), kept);
    nodes[1].publish(b"3");
    let again = hook.next();
    assert_eq!(again.data(), "2");
    verify(&again, &secret);
    assert_eq!(hook.next().data(), "3");
    assert!(hook.is_quiet());
}

#[test]
fn a_node_that_is_cut_off_from_redis_stops_and_goes_on_when_it_is_back() {
    let Some(mut redis) = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"])
    else {
        return;
    };
    let nodes = [node(&redis)];
    let hook = Endpoint::new(|_, _| status(200));
    let (_, secret) = register(&nodes, &hook.url());
    nodes[0].publish(b"1");
    assert_eq!(hook.next().data(), "1");
    redis.kill();
    let list = || nodes[0].ask("GET", "/channels/a/webhooks", &[], b"");
    // Its lease has not ended, and it can't be renewed.
    wait(|| (list().status == 503).then_some(()));
    redis.restart();
    wait(|| (list().status == 200).then_some(()));
    wait(|| {
        let answer = nodes[0].ask("POST", "/channels/a", &[], b"2");
        (answer.status == 201).then_some(())
    });
    let mut delivery = hook.next();
    if delivery.data() == "1" {
        // That it was delivered may not have been kept.
        delivery = hook.next();
    }
    assert_eq!(delivery.data(), "2");
    verify(&delivery, &secret);
    assert!(hook.is_quiet());
}
