//! With a Redis of their own; without redis-server on this machine they say so and pass.

#[path = "../../../tests/servers/redis.rs"]
mod server;

pub(in crate::backend) use server::RedisServer as Server;

use super::*;

fn refused(url: &str) -> String {
    Redis::open(url, Options::default())
        .unwrap_err()
        .to_string()
}

#[test]
fn what_is_wrong_is_said_at_the_start() {
    for url in [
        "",
        "10.0.0.5",
        "http://a",
        "redis://",
        "redis://a:b:c",
        "redis://a/b",
    ] {
        assert!(refused(url).contains("URL"), "{url}: {}", refused(url));
    }
    assert!(refused("redis://127.0.0.1:1").contains("can't be reached at 127.0.0.1:1"));
    let Some(server) = Server::start(&["--requirepass", "secret"]) else {
        return;
    };
    let url = |user: &str| format!("redis://{user}127.0.0.1:{}", server.port);
    for user in ["", ":wrong@", "nobody:secret@"] {
        let why = refused(&url(user));
        assert!(why.contains("password"), "{user} {why}");
        assert!(!why.contains("secret"), "{why}");
    }
    Redis::open(&url(":secret@"), Options::default()).unwrap();
    let other = Options {
        shards: 3,
        ..Options::default()
    };
    let why = Redis::open(&url(":secret@"), other)
        .unwrap_err()
        .to_string();
    assert!(why.contains("16 shards, not over 3"), "{why}");
    let replica = Server::start(&[
        "--replicaof",
        "127.0.0.1",
        &server.port.to_string(),
        "--masterauth",
        "secret",
    ]);
    if let Some(replica) = replica {
        let why = refused(&replica.url());
        assert!(why.contains("replica"), "{why}");
    }
}
