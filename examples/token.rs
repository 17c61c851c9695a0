//! A token for everything but the page: whoever has it may publish to the channels and read them.
//!
//!     cargo run --release --example token
//!     curl -d hello -H 'Authorization: Bearer TOKEN' http://127.0.0.1:9002/channels/demo
//!     curl 'http://127.0.0.1:9002/channels/demo?access_token=TOKEN'
//!
//! A program sends it in `Authorization` (RFC 6750 2.1). A browser's WebSocket and EventSource can't set fields, so
//! pages log in and get it as a cookie, which the browser then sends by itself, and no script can read. Such a cookie
//! comes with requests of other sites' pages, too: the server's rule about `Origin` and `SameSite` keep those out.
//! The query (RFC 6750 2.3) is the last resort, because targets end up in logs. Nothing of this is secret on a wire
//! without TLS; behind a proxy that has it, give the cookie `Secure`, too.

mod common;

use std::borrow::Cow;

use barewire::{Access, Request, Response, Server, client};
use common::Options;
use subtle::ConstantTimeEq;

const HELP: &str = "\
Channels for those who have a token: in the field Authorization, in a cookie (the page at / gets one), or in the query.

Usage: token [--listen ADDR] [--token TOKEN]

  --listen ADDR   the address to listen on [default: 127.0.0.1:9002]; port 0 lets the system choose
  --token TOKEN   what has to be known [default: made up anew, and printed]";

const PAGE: &str = r#"<!DOCTYPE html>
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>A token, please</title>
<style>:root { color-scheme: light dark; font: 1rem/1.5 system-ui } body { max-width: 36rem; margin: 2rem auto; padding: 0 1rem }</style>
<h1>A token, please</h1>
<form><input name="token" type="password" placeholder="token" required> <button>Log in</button> <output></output></form>
<ol></ol>
<script type="module">
  import { subscribe } from "/barewire.js";
  const [form, list] = document.querySelectorAll("form, ol");
  form.onsubmit = async (event) => {
    event.preventDefault();
    const { status } = await fetch("/login", { method: "POST", body: form.token.value });
    form.querySelector("output").value = status === 204 ? "reading /channels/demo" : "that is not the token";
    if (status !== 204) return;
    for await (const { data } of subscribe("/channels/demo")) list.append(Object.assign(document.createElement("li"), { textContent: data }));
  };
</script>"#;

fn main() -> common::Outcome {
    let options = Options::parse(HELP)?;
    let token = match options.text("token", "") {
        "" => made_up()?,
        // RFC 6750 2.1; and nothing of it ends a cookie.
        given
            if given
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)) =>
        {
            given.to_owned()
        }
        _ => return Err("a token has letters, digits and -._~+/= only".into()),
    };
    let mut server = Server::bind(&*options.listen("127.0.0.1:9002")?)?;

    let expected = token.clone();
    server.authorize(move |request| {
        if matches!(request.path(), "/" | "/barewire.js" | "/login") {
            return Access::Allow;
        }
        match token_of(request) {
            Some(given) if is_same(given.as_bytes(), expected.as_bytes()) => Access::Allow,
            // RFC 6750 3.1: what is wrong is said to those only who have brought one.
            Some(_) => Access::challenge("Bearer error=\"invalid_token\""),
            None => Access::challenge("Bearer"),
        }
    });

    server.get("/", |_request, reply| reply.html(PAGE));
    server.get("/barewire.js", |_request, reply| {
        let script = client::JAVASCRIPT.as_bytes();
        reply.send(Response::bytes("text/javascript; charset=utf-8", script));
    });
    let expected = token.clone();
    server.post("/login", move |request, reply| {
        if !is_same(request.body(), expected.as_bytes()) {
            return reply.status(403);
        }
        let cookie = format!("token={expected}; HttpOnly; SameSite=Strict; Path=/");
        reply.send(Response::empty().header("Set-Cookie", &cookie));
    });
    server.channels("/channels/{name}");

    common::say(format_args!("the token is {token}"));
    common::serve(server)
}

fn token_of<'a>(request: &Request<'a>) -> Option<Cow<'a, str>> {
    let bearer = request.header("Authorization").and_then(|credentials| {
        let (scheme, token) = credentials.split_once(' ')?;
        // RFC 9110 11.1: the scheme in any case.
        scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
    });
    let found = bearer.or_else(|| request.cookie("token"));
    found
        .map(Cow::Borrowed)
        .or_else(|| request.query("access_token"))
}

/// A comparison that takes as long whatever is wrong, so that nobody finds the token out byte by byte. Its length is
/// no secret.
fn is_same(given: &[u8], expected: &[u8]) -> bool {
    given.ct_eq(expected).into()
}

fn made_up() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
