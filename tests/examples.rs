//! The examples as programs: what they do when their output is gone, with input that is no text, and with a cursor of
//! another life. What they do on the wire otherwise is tested by `tests/interop`, with clients that others wrote.
#![cfg(unix)]

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// How long anything may take before a test gives up. Never used to synchronise.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where cargo puts the examples. It builds them for `cargo test`, but not for `--tests`, so that this does.
static EXAMPLES: LazyLock<PathBuf> = LazyLock::new(|| {
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--examples", "--target-dir"]);
    build.arg(profile.parent().unwrap());
    build.current_dir(env!("CARGO_MANIFEST_DIR"));
    if profile.ends_with("release") {
        build.arg("--release");
    }
    for (name, is_on) in [
        ("deflate", cfg!(feature = "deflate")),
        ("durable", cfg!(feature = "durable")),
        ("reuseport", cfg!(feature = "reuseport")),
        ("tls", cfg!(feature = "tls")),
    ] {
        if is_on {
            build.args(["--features", name]);
        }
    }
    // What cargo says to a test of the test's own package is not to be heard by what is built here.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            build.env_remove(&*name);
        }
    }
    assert!(build.status().unwrap().success());
    profile.join("examples")
});

/// A program that is killed when the test ends.
struct Running(Child);

impl Running {
    fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    /// Its exit code, once it has ended.
    fn exit_code(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        while self.is_running() {
            assert!(Instant::now() < deadline, "it did not end");
            std::thread::sleep(Duration::from_millis(10));
        }
        self.0.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn example(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(EXAMPLES.join(name));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Starts an example that serves, and returns where.
fn serve(name: &str, arguments: &[&str]) -> (Running, SocketAddr) {
    let mut command = example(name, &["--listen", "127.0.0.1:0"]);
    command.args(arguments).stdout(Stdio::piped());
    command.stderr(Stdio::null());
    let mut server = Running(command.spawn().unwrap());
    let mut line = String::new();
    let out = server.0.stdout.as_mut().unwrap();
    BufReader::new(out).read_line(&mut line).unwrap();
    let address = line.trim_end().rsplit_once('/').expect("an address").1;
    (server, address.parse().unwrap())
}

/// An end of a pipe that nobody reads.
fn broken_pipe() -> Stdio {
    let (_reader, writer) = UnixStream::pair().unwrap();
    OwnedFd::from(writer).into()
}

/// A disk that is full.
#[cfg(target_os = "linux")]
fn full() -> Stdio {
    let file = std::fs::OpenOptions::new().write(true).open("/dev/full");
    file.unwrap().into()
}

#[cfg(not(target_os = "linux"))]
fn full() -> Stdio {
    broken_pipe()
}

fn send(address: SocketAddr, method: &str, target: &str, fields: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Length: {length}\r\n{fields}\r\n{body}"
    )
    .unwrap();
    stream
}

/// An answer, head and body.
fn exchange(address: SocketAddr, method: &str, target: &str, fields: &str, body: &str) -> String {
    let mut answer = String::new();
    let mut stream = send(address, method, target, fields, body);
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn post(address: SocketAddr, target: &str, body: &str) {
    let answer = exchange(address, "POST", target, "", body);
    assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
}

/// The words in an answer that look like `"message":"..."`, in order.
fn messages(answer: &str) -> Vec<&str> {
    let found = answer.split("\"message\":\"").skip(1);
    found.map(|rest| rest.split_once('"').unwrap().0).collect()
}

mod output_that_is_gone {
    use super::*;

    const SERVERS: [&str; 8] = [
        "echo",
        "hub",
        "long_polling",
        "server_sent_events",
        "short_polling",
        "tcp",
        "token",
        "websocket",
    ];

    /// An address for a server that has no way to say which one it was given. Nothing else listens or connects there.
    fn free() -> SocketAddr {
        let own = if cfg!(target_os = "linux") {
            "127.9.8.7:0"
        } else {
            "127.0.0.1:0"
        };
        TcpListener::bind(own).unwrap().local_addr().unwrap()
    }

    /// Starts a server whose output goes nowhere, and stops it once it has answered.
    fn check(name: &str, arguments: &[&str], out: Stdio, err: Stdio) {
        let address = free();
        let mut command = example(name, &["--listen", &address.to_string()]);
        command.args(arguments).stdout(out).stderr(err);
        let mut server = Running(command.spawn().unwrap());
        let deadline = Instant::now() + PATIENCE;
        let mut stream = loop {
            assert!(server.is_running(), "{name} has ended");
            assert!(Instant::now() < deadline, "{name} does not accept");
            match TcpStream::connect(address) {
                Ok(stream) => break stream,
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let asked = stream.write_all(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n");
        let answered = asked.and_then(|()| stream.read_exact(&mut [0]));
        assert!(answered.is_ok(), "{name} does not answer: {answered:?}");
    }

    #[test]
    fn servers_serve_on() {
        for name in SERVERS {
            check(name, &[], broken_pipe(), broken_pipe());
            check(name, &[], full(), full());
        }
        check("hub", &["--loops", "2"], broken_pipe(), full());
    }

    #[test]
    fn tail_that_can_not_say_how_it_is_connected_prints_events() {
        for err in [broken_pipe(), full()] {
            let (_hub, address) = serve("hub", &[]);
            post(address, "/channels/x", "hello");
            let url = format!("http://{address}/channels/x");
            let Output { status, stdout, .. } = example("tail", &[&url, "--count", "1"])
                .stderr(err)
                .output()
                .unwrap();
            assert_eq!((status.code(), &stdout[..]), (Some(0), &b"hello\n"[..]));
        }
    }

    #[test]
    fn tail_tries_again_without_a_way_to_say_so() {
        for err in [broken_pipe(), full()] {
            let server = TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("http://{}/channels/x", server.local_addr().unwrap());
            let mut tail = example("tail", &[&url]);
            let mut tail = Running(tail.stdout(Stdio::null()).stderr(err).spawn().unwrap());
            server.set_nonblocking(true).unwrap();
            let (mut tries, deadline) = (0, Instant::now() + PATIENCE);
            while tries < 3 {
                assert!(tail.is_running(), "it has ended");
                assert!(Instant::now() < deadline, "it does not try again");
                match server.accept() {
                    Ok(_) => tries += 1,
                    Err(_) => std::thread::sleep(Duration::from_millis(10)),
                }
            }
        }
    }

    #[test]
    fn tail_ends_quietly_when_nobody_reads_its_events() {
        let (_hub, address) = serve("hub", &[]);
        post(address, "/channels/x", "hello");
        let url = format!("http://{address}/channels/x");
        let mut tail = example("tail", &[&url]);
        let tail = tail.stdout(broken_pipe()).stderr(broken_pipe());
        let mut tail = Running(tail.spawn().unwrap());
        assert_eq!(tail.exit_code(), Some(0));
    }

    #[test]
    fn tail_says_that_events_could_not_be_written() {
        let (_hub, address) = serve("hub", &[]);
        post(address, "/channels/x", "hello");
        let url = format!("http://{address}/channels/x");
        let mut tail = example("tail", &[&url]);
        let tail = tail.stdout(full()).stderr(Stdio::null());
        let mut tail = Running(tail.spawn().unwrap());
        let expected = if cfg!(target_os = "linux") { 1 } else { 0 };
        assert_eq!(tail.exit_code(), Some(expected));
    }

    #[test]
    fn chat_talks_on() {
        for (out, err) in [(broken_pipe(), broken_pipe()), (full(), full())] {
            let (_hub, address) = serve("hub", &[]);
            post(address, "/channels/x", "said before");
            let chat = talk(address, out, err, &[b"one\n", b"two\n"]);
            assert_eq!(chat, Some(0));
            let said = exchange(address, "GET", "/channels/x", "", "");
            assert!(said.contains("one") && said.contains("two"), "{said}");
        }
    }

    #[test]
    fn help_is_no_reason_to_panic() {
        for name in ["chat", "echo", "echo_client", "publish", "tail", "tcp"] {
            for out in [broken_pipe(), full()] {
                let status = example(name, &["--help"]).stdout(out).status().unwrap();
                assert_eq!(status.code(), Some(0), "{name}");
            }
        }
    }

    /// `println!` and its like panic when what they write to is gone: `common::print` and `common::say` do not.
    #[test]
    fn no_example_prints_with_what_panics() {
        fn look(folder: &Path) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    look(&path);
                } else if path.extension() == Some(OsStr::new("rs")) {
                    let source = std::fs::read_to_string(&path).unwrap();
                    let code = source.lines().filter(|line| !line.trim().starts_with("//"));
                    let found =
                        code.filter(|line| line.contains("print!(") || line.contains("println!("));
                    assert_eq!(found.collect::<Vec<_>>(), [""; 0], "{}", path.display());
                }
            }
        }
        look(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"));
    }
}

/// Has `publish` publish something on channel `x`, and returns its exit code, what it printed, and what it said.
fn publish(address: SocketAddr, arguments: &[&str], input: &[u8]) -> (Option<i32>, String, String) {
    let url = format!("http://{address}/channels/x");
    let mut publish = example("publish", &[&url]);
    publish.args(arguments).stdin(Stdio::piped());
    publish.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut publish = publish.spawn().unwrap();
    // Nothing is read where it takes no input.
    let _ = publish.stdin.take().unwrap().write_all(input);
    let Output {
        status,
        stdout,
        stderr,
    } = publish.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn publish_publishes_its_argument_or_each_line() {
    let (_hub, address) = serve("hub", &[]);
    let (code, first, _) = publish(address, &["one", "--event", "e", "--key", "k"], b"");
    let (_, again, _) = publish(address, &["one", "--event", "e", "--key", "k"], b"");
    assert_eq!((code, &first), (Some(0), &again));
    let (code, ids, said) = publish(address, &[], b"two\n\ncaf\xe9");
    assert_eq!((code, ids.lines().count(), &*said), (Some(0), 3, ""));
    let all = exchange(address, "GET", "/channels/x", "", "");
    assert_eq!(all.matches("\"data\":").count(), 4, "{all}");
    assert!(all.contains("\"event\":\"e\",\"data\":\"one\""), "{all}");
    assert!(all.contains("\"encoding\":\"base64\""), "{all}");
}

#[test]
fn publish_says_what_was_not_published_and_why() {
    let (_hub, address) = serve("hub", &[]);
    for (arguments, words) in [
        (
            &["x", "--event", "gap"][..],
            "\"x\" was not published: the message can't be published: the event name",
        ),
        (&["--key", "k"], "--key is for one message"),
        (&["x", "--within", "-1"], "negative"),
        (&["x", "y"], "unexpected argument"),
    ] {
        let (code, ids, said) = publish(address, arguments, b"");
        assert!(
            code == Some(1) && ids.is_empty() && said.contains(words),
            "{said}"
        );
    }
    publish(address, &["x", "--key", "k"], b"");
    let (code, _, said) = publish(address, &["y", "--key", "k"], b"");
    assert!(
        code == Some(1) && said.contains("was not published: the server answered 422"),
        "{said}"
    );
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let (code, _, said) = publish(nobody, &["x", "--within", "0.5"], b"");
    assert!(
        code == Some(1) && said.contains("not yet: the connection failed"),
        "{said}"
    );
}

/// Each message once and in order, though the hub is killed again and again while they are published.
#[cfg(feature = "durable")]
#[test]
fn publish_publishes_once_to_a_hub_that_is_killed_and_comes_back() {
    const MESSAGES: usize = 400;
    let folder = std::env::temp_dir().join(format!("barewire-publish-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let store = folder.join("store");
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let begin = || {
        let mut hub = example("hub", &["--listen", &address.to_string(), "--store"]);
        let hub = hub.arg(&store).stdout(Stdio::null()).stderr(Stdio::null());
        Running(hub.spawn().unwrap())
    };
    let mut hub = begin();
    let url = format!("http://{address}/channels/x");
    let mut publish = example("publish", &[&url]);
    let publish = publish
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut publish = Running(publish.spawn().unwrap());
    let mut input = publish.0.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        for number in 0..MESSAGES {
            writeln!(input, "{number}").unwrap();
        }
    });
    let out = publish.0.stdout.take().unwrap();
    let mut ids = Vec::new();
    for line in BufReader::new(out).lines() {
        ids.push(line.unwrap());
        if ids.len() % 40 == 7 {
            // SIGKILL: whatever is under way is lost.
            hub.0.kill().unwrap();
            hub.0.wait().unwrap();
            hub = begin();
        }
    }
    writer.join().unwrap();
    assert_eq!(publish.exit_code(), Some(0));
    assert_eq!(ids.len(), MESSAGES);
    let all = exchange(address, "GET", "/channels/x", "", "");
    let events: Vec<&str> = all.split("{\"id\":\"").skip(1).collect();
    assert_eq!(events.len(), MESSAGES);
    for (number, (event, id)) in events.iter().zip(&ids).enumerate() {
        let expected = format!("{id}\",\"event\":\"message\",\"data\":\"{number}\"}}");
        assert!(event.starts_with(&expected), "{event} is not {expected}");
    }
    drop(hub);
    let _ = std::fs::remove_dir_all(&folder);
}

/// Has `chat` say something on channel `x`, and returns its exit code.
fn talk(address: SocketAddr, out: Stdio, err: Stdio, lines: &[&[u8]]) -> Option<i32> {
    let url = format!("http://{address}/channels/x");
    let mut chat = example("chat", &[&url, "--name", "Ada"]);
    chat.stdin(Stdio::piped()).stdout(out).stderr(err);
    let mut chat = Running(chat.spawn().unwrap());
    let mut input = chat.0.stdin.take().unwrap();
    for line in lines {
        input.write_all(line).unwrap();
    }
    drop(input);
    chat.exit_code()
}

#[test]
fn chat_says_which_line_is_not_utf_8_and_sends_the_rest() {
    let (_hub, address) = serve("hub", &[]);
    let (mut reader, writer) = UnixStream::pair().unwrap();
    let err = OwnedFd::from(writer).into();
    let lines: [&[u8]; 4] = [
        b"one\n",
        b"caf\xe9\n",
        b"two\r\n",
        "drei \u{20ac}".as_bytes(),
    ];
    let code = talk(address, Stdio::null(), err, &lines);
    let mut said = String::new();
    reader.read_to_string(&mut said).unwrap();
    assert!(
        said.contains("not sent: caf\u{fffd}: it is not UTF-8\n"),
        "{said}"
    );
    assert!(said.ends_with("Error: not everything was sent\n"), "{said}");
    assert_eq!(code, Some(1));
    let answer = exchange(address, "GET", "/channels/x", "", "");
    let texts = answer.split("\\\"text\\\":\\\"").skip(1);
    let texts: Vec<_> = texts
        .map(|rest| rest.split_once("\\\"").unwrap().0)
        .collect();
    assert_eq!(texts, ["one", "two", "drei \u{20ac}"]);
}

/// Servers that count their messages from 1 on in each life.
mod cursors_of_another_life {
    use super::*;

    #[test]
    fn long_polling_answers_at_once_with_everything_of_this_one() {
        let (_server, address) = serve("long_polling", &[]);
        for message in ["one", "two"] {
            post(
                address,
                "/broadcast",
                &format!("{{\"message\":\"{message}\"}}"),
            );
        }
        for seen in ["3", "999", "18446744073709551615"] {
            let fields = format!("X-Last-Event-Id: {seen}\r\n");
            let answer = exchange(address, "GET", "/api/updates", &fields, "");
            assert_eq!(messages(&answer), ["one", "two"], "behind {seen}");
            assert!(answer.contains("\"lastEventId\":2"), "{answer}");
        }
        let fields = "X-Last-Event-Id: 1\r\n";
        let answer = exchange(address, "GET", "/api/updates", fields, "");
        assert_eq!(messages(&answer), ["two"]);
    }

    #[test]
    fn long_polling_has_it_wait_while_there_is_nothing_in_this_one() {
        let (_server, address) = serve("long_polling", &[]);
        let fields = "X-Last-Event-Id: 999\r\n";
        let mut waiting = send(address, "GET", "/api/updates", fields, "");
        // Whether it waits already or comes behind this, the answer is the same.
        post(address, "/broadcast", "{\"message\":\"one\"}");
        let mut answer = String::new();
        waiting.read_to_string(&mut answer).unwrap();
        assert_eq!(messages(&answer), ["one"]);
    }

    #[test]
    fn server_sent_events_begin_with_everything_of_this_one() {
        for (seen, expected) in [
            ("", &[][..]),
            ("1", &["two"]),
            ("2", &[]),
            ("3", &["one", "two"]),
            ("999", &["one", "two"]),
            ("99999999999999999999", &["one", "two"]),
            ("1700000000000-0", &["one", "two"]),
        ] {
            let (_server, address) = serve("server_sent_events", &[]);
            for message in ["one", "two"] {
                post(address, "/broadcast", &format!("\"{message}\""));
            }
            let fields = match seen {
                "" => String::new(),
                seen => format!("Last-Event-ID: {seen}\r\n"),
            };
            let stream = send(address, "GET", "/stream", &fields, "");
            let data = data_before_a_new_one(address, stream);
            assert_eq!(data, expected, "behind {seen:?}");
        }
    }

    /// What a stream has for who opens it.
    fn data_before_a_new_one(address: SocketAddr, stream: TcpStream) -> Vec<String> {
        let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
        assert!(lines.any(|line| line == "event: connected"));
        assert!(lines.next().unwrap().starts_with("data: {\"timestamp\":"));
        post(address, "/broadcast", "\"new\"");
        let data = lines.filter_map(|line| Some(line.strip_prefix("data: \"")?.to_owned()));
        let data = data.map(|data| data.trim_end_matches('"').to_owned());
        data.take_while(|data| data != "new").collect()
    }
}

#[cfg(feature = "durable")]
mod hub_with_a_store {
    use super::*;

    /// Starts a hub that can't have this file, and returns what it says of it.
    fn refusal(path: &Path) -> String {
        let path = path.to_str().unwrap();
        let hub = example("hub", &["--listen", "127.0.0.1:0", "--store", path]).output();
        let hub = hub.unwrap();
        assert_ne!(hub.status.code(), Some(0));
        assert!(hub.stdout.is_empty(), "it has listened: {hub:?}");
        let said = String::from_utf8(hub.stderr).unwrap();
        assert!(said.contains(path), "{said}");
        said
    }

    #[test]
    fn says_why_it_can_not_have_the_file_before_it_listens() {
        let folder = std::env::temp_dir().join(format!("barewire-hub-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        assert!(refusal(&folder.join("none").join("store")).contains("No such file"));
        assert!(refusal(&folder).contains("not a regular file"));
        let other = folder.join("other");
        std::fs::write(&other, "something else").unwrap();
        assert!(refusal(&other).contains("not a store"));

        let path = folder.join("store");
        let (mut first, address) = serve("hub", &["--store", path.to_str().unwrap()]);
        post(address, "/channels/x", "kept");
        assert!(refusal(&path).contains("in use by another process"));
        // The lock ends with the process, however it ends.
        first.0.kill().unwrap();
        first.0.wait().unwrap();
        let (_second, address) = serve("hub", &["--store", path.to_str().unwrap()]);
        assert!(exchange(address, "GET", "/channels/x", "", "").contains("kept"));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
