//! No thread is spawned behind the user's back: a host given as an address needs none, and one given by its name has
//! one for as long as it is looked up. This test is alone in its process, so that it can count.
#![cfg(all(target_os = "linux", feature = "client"))]

use std::time::Duration;

use barewire::{ClientLoop, Connect, Subscribe};

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

/// The most threads there were while a client began to connect to this host.
fn most(host: &str) -> usize {
    let before = threads();
    let most = (0..20).map(|_| {
        let mut client = ClientLoop::new().unwrap();
        let subscribe = Subscribe::to(&format!("http://{host}:1/"));
        client.subscribe(subscribe, |_| {}).unwrap();
        let connect = Connect::to(&format!("ws://{host}:1/"));
        client.connect(connect, |_, _| {}).unwrap();
        let counts = (0..5).map(|_| {
            client.turn(Some(Duration::ZERO)).unwrap();
            threads()
        });
        counts.max().unwrap()
    });
    most.max().unwrap() - before
}

#[test]
fn only_a_name_that_is_looked_up_has_a_thread() {
    assert_eq!(most("127.0.0.1"), 0);
    assert_eq!(most("[::1]"), 0);
    assert!(most("localhost") > 0, "this way of counting counts nothing");
}
