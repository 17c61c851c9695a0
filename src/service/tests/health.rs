//! GET /health, by what of the backend works.

use super::*;

const ASKED: &str = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n";

/// The status, and the body.
fn health(server: &mut Simulation) -> (u16, String) {
    let client = server.connect();
    let answer = ask(server, client, ASKED);
    assert!(
        answer.contains("\r\nCache-Control: no-store\r\n"),
        "{answer}"
    );
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.into())
}

#[test]
fn only_what_is_of_no_use_to_readers_is_no_200() {
    let (mut server, model) = server();
    let why = || "the \"disk\"".into();
    for (state, status, body) in [
        (Health::Ok, 200, r#"{"status":"ok"}"#),
        (
            Health::Degraded(why()),
            200,
            r#"{"status":"degraded","why":"publishing is refused: the \"disk\""}"#,
        ),
        (
            Health::Starting(why()),
            503,
            r#"{"status":"starting","why":"the \"disk\""}"#,
        ),
        (
            Health::Failed(why()),
            503,
            r#"{"status":"failed","why":"the \"disk\""}"#,
        ),
        (Health::Ok, 200, r#"{"status":"ok"}"#),
    ] {
        model.parts().health = state;
        assert_eq!(health(&mut server), (status, body.into()));
    }
}
