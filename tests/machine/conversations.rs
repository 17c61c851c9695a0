//! The law of a channel: whoever reads it, in whatever way, cut off and resumed however often, has every message
//! once and in order.

use proptest::prelude::*;

use crate::support::*;

#[derive(Clone, Copy, Debug)]
enum Way {
    ShortPoll,
    LongPoll,
    Events,
    EventsInHttp10,
    Socket,
}

const WAYS: [Way; 5] = [
    Way::ShortPoll,
    Way::LongPoll,
    Way::Events,
    Way::EventsInHttp10,
    Way::Socket,
];

/// A reader that keeps its place, as a client of each way would.
struct Reader {
    way: Way,
    /// Its connection, and what of it has not been understood yet.
    connected: Option<(Client, Vec<u8>, bool)>,
    last_id: Option<String>,
    got: Vec<String>,
}

impl Reader {
    fn new(way: Way) -> Reader {
        Reader {
            way,
            connected: None,
            last_id: None,
            got: Vec::new(),
        }
    }

    fn connect(&mut self, server: &mut Simulation) {
        if self.connected.is_some() {
            return;
        }
        let cursor = match &self.last_id {
            Some(id) => format!("Last-Event-ID: {id}\r\n"),
            None => String::new(),
        };
        let accept = format!("Accept: text/event-stream\r\n{cursor}");
        let asked = match self.way {
            Way::ShortPoll => request("GET /channels/a", &cursor),
            Way::LongPoll => request("GET /channels/a?wait=30", &cursor),
            Way::Events => request("GET /channels/a", &accept),
            Way::EventsInHttp10 => format!("GET /channels/a HTTP/1.0\r\n{accept}\r\n"),
            Way::Socket => upgrade("/channels/a", &cursor),
        };
        let client = server.connect();
        server.send(client, asked.as_bytes());
        self.connected = Some((client, Vec::new(), false));
    }

    /// Takes what has come and understands what of it is whole.
    fn read(&mut self, server: &mut Simulation) {
        let Some((client, mut bytes, mut in_body)) = self.connected.take() else {
            return;
        };
        bytes.extend(server.take(client));
        let Some(head) = bytes
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .filter(|_| !in_body)
        else {
            if in_body {
                self.understand(&mut bytes);
            }
            self.connected = Some((client, bytes, in_body));
            return;
        };
        if matches!(self.way, Way::ShortPoll | Way::LongPoll) {
            if let Some(answer) = whole_answer(&bytes) {
                self.take_batch(&answer);
                server.end(client);
                return;
            }
        } else {
            bytes.drain(..head + 4);
            in_body = true;
            self.understand(&mut bytes);
        }
        self.connected = Some((client, bytes, in_body));
    }

    fn take_batch(&mut self, answer: &Answer) {
        assert!(answer.status == 200 || answer.status == 204);
        assert!(!answer.text().contains("\"gap\""));
        for object in answer.text().split("{\"id\":\"").skip(1) {
            self.take_object(object);
        }
        self.last_id = answer.field("Last-Event-ID");
    }

    /// Takes whole chunks, blocks or frames off the front of `bytes`.
    fn understand(&mut self, bytes: &mut Vec<u8>) {
        while let Some((used, whole)) = self.next(bytes) {
            bytes.drain(..used);
            match self.way {
                Way::Socket if whole == "ping" => {}
                Way::Socket => self.take_object(whole.strip_prefix("{\"id\":\"").unwrap()),
                _ => self.take_block(&whole),
            }
        }
    }

    fn next(&self, bytes: &[u8]) -> Option<(usize, String)> {
        let text = |range: &[u8]| String::from_utf8(range.to_vec()).unwrap();
        match self.way {
            Way::Socket => {
                let (first, length) = (*bytes.first()?, usize::from(*bytes.get(1)?));
                let (length, header) = match length {
                    126 => (
                        usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?])),
                        4,
                    ),
                    length => (length, 2),
                };
                let payload = bytes.get(header..header + length)?;
                let payload = if first == TEXT {
                    text(payload)
                } else {
                    "ping".into()
                };
                Some((header + length, payload))
            }
            Way::Events => {
                let line = bytes.windows(2).position(|pair| pair == b"\r\n")?;
                let size = usize::from_str_radix(&text(&bytes[..line]), 16).unwrap();
                let chunk = bytes.get(line + 2..line + 2 + size)?;
                bytes.get(line + 4 + size - 1)?;
                Some((line + 4 + size, text(chunk)))
            }
            _ => {
                let end = bytes.windows(2).position(|pair| pair == b"\n\n")?;
                Some((end + 2, text(&bytes[..end + 2])))
            }
        }
    }

    fn take_block(&mut self, block: &str) {
        let line = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
        assert_eq!(line("event: "), None, "no gap here");
        if let Some(data) = line("data: ") {
            self.last_id = line("id: ").map(str::to_owned);
            self.got.push(data.to_owned());
        }
    }

    /// What follows `{"id":"`.
    fn take_object(&mut self, object: &str) {
        let (id, rest) = object.split_once('"').unwrap();
        let data = rest
            .strip_prefix(",\"event\":\"message\",\"data\":\"")
            .unwrap();
        self.last_id = Some(id.to_owned());
        self.got.push(data.split('"').next().unwrap().to_owned());
    }

    fn cut_off(&mut self, server: &mut Simulation) {
        if let Some((client, ..)) = self.connected.take() {
            server.end(client);
        }
    }
}

/// An answer, if all of it is there.
fn whole_answer(bytes: &[u8]) -> Option<Answer> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let text = std::str::from_utf8(&bytes[..head]).unwrap();
    let length = text
        .split("\r\n")
        .find_map(|line| line.strip_prefix("Content-Length: "));
    let length: usize = length.map_or(0, |length| length.parse().unwrap());
    (bytes.len() >= head + 4 + length).then(|| answer(bytes, false).0)
}

/// What may happen next. The numbers say to whom, and how much.
#[derive(Clone, Debug)]
enum Step {
    Post,
    PostInPieces(usize),
    PostAhead(u8),
    Frame,
    FrameInPieces(usize),
    Connect(usize),
    Read(usize),
    CutOff(usize),
    Stall(usize, usize),
    Resume(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let reader = 0..WAYS.len() * 2;
    prop_oneof![
        3 => Just(Step::Post),
        1 => (1..150usize).prop_map(Step::PostInPieces),
        1 => (2..5u8).prop_map(Step::PostAhead),
        3 => Just(Step::Frame),
        1 => (1..20usize).prop_map(Step::FrameInPieces),
        4 => reader.clone().prop_map(Step::Connect),
        4 => reader.clone().prop_map(Step::Read),
        2 => reader.clone().prop_map(Step::CutOff),
        2 => (reader.clone(), 0..300usize).prop_map(|(reader, after)| Step::Stall(reader, after)),
        2 => reader.prop_map(Step::Resume),
        1 => (1..40_000u64).prop_map(Step::Wait),
    ]
}

struct Scene {
    server: Simulation,
    readers: Vec<Reader>,
    poster: Client,
    socket: Client,
    published: Vec<String>,
}

impl Scene {
    fn new(high_water: usize) -> Scene {
        let mut server = hub_with(Limits {
            high_water,
            ..Limits::default()
        });
        let poster = server.connect();
        let socket = open(&mut server, "/channels/a?from=now");
        let readers = WAYS
            .iter()
            .chain(&WAYS)
            .map(|&way| Reader::new(way))
            .collect();
        Scene {
            server,
            readers,
            poster,
            socket,
            published: Vec::new(),
        }
    }

    /// The next message. No two are the same, and some are longer than a frame's short form.
    fn message(&mut self) -> String {
        let number = self.published.len();
        let message = format!("{number}:{}", "x".repeat(number * 37 % 160));
        self.published.push(message.clone());
        message
    }

    fn publisher(
        &mut self,
        which: fn(&mut Scene) -> &mut Client,
        again: fn(&mut Simulation) -> Client,
    ) -> Client {
        let client = *which(self);
        if self.server.is_open(client) {
            return client;
        }
        let client = again(&mut self.server);
        *which(self) = client;
        client
    }

    fn send(&mut self, client: Client, bytes: &[u8], size: usize) {
        for piece in bytes.chunks(size) {
            self.server.send(client, piece);
        }
        self.server.take(client);
    }

    fn take(&mut self, step: &Step) {
        let poster =
            |scene: &mut Scene| scene.publisher(|scene| &mut scene.poster, Simulation::connect);
        let socket = |scene: &mut Scene| {
            scene.publisher(
                |scene| &mut scene.socket,
                |server| open(server, "/channels/a?from=now"),
            )
        };
        let client_of = |reader: &Reader| reader.connected.as_ref().map(|&(client, ..)| client);
        match *step {
            Step::Post | Step::PostInPieces(_) => {
                let asked = post("/channels/a", &self.message());
                let client = poster(self);
                let size = if let Step::PostInPieces(size) = *step {
                    size
                } else {
                    usize::MAX
                };
                self.send(client, asked.as_bytes(), size);
            }
            Step::PostAhead(count) => {
                let asked: String = (0..count)
                    .map(|_| post("/channels/a", &self.message()))
                    .collect();
                let client = poster(self);
                self.send(client, asked.as_bytes(), usize::MAX);
            }
            Step::Frame | Step::FrameInPieces(_) => {
                let sent = frame(TEXT, self.message());
                let client = socket(self);
                let size = if let Step::FrameInPieces(size) = *step {
                    size
                } else {
                    usize::MAX
                };
                self.send(client, &sent, size);
            }
            Step::Connect(reader) => self.readers[reader].connect(&mut self.server),
            Step::Read(reader) => self.readers[reader].read(&mut self.server),
            Step::CutOff(reader) => self.readers[reader].cut_off(&mut self.server),
            Step::Stall(reader, after) => {
                if let Some(client) = client_of(&self.readers[reader]) {
                    self.server.stall(client, after);
                }
            }
            Step::Resume(reader) => {
                if let Some(client) = client_of(&self.readers[reader]) {
                    self.server.resume(client);
                }
            }
            Step::Wait(ms) => self.server.wait(std::time::Duration::from_millis(ms)),
        }
    }

    /// Everybody reads until there is nothing more.
    fn finish(&mut self) {
        for reader in &mut self.readers {
            if let Some((client, ..)) = &reader.connected {
                self.server.resume(*client);
            }
            reader.read(&mut self.server);
            reader.cut_off(&mut self.server);
            while reader.got.len() < self.published.len() {
                let before = reader.got.len();
                reader.connect(&mut self.server);
                reader.read(&mut self.server);
                reader.cut_off(&mut self.server);
                assert!(
                    reader.got.len() > before,
                    "{:?} gets no further",
                    reader.way
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_reader_has_all_messages_once_and_in_order(
        steps in proptest::collection::vec(step(), 1..120),
        high_water in prop_oneof![Just(64 * 1024), 1..1_000usize],
    ) {
        let mut scene = Scene::new(high_water);
        for step in &steps {
            scene.take(step);
        }
        scene.finish();
        for reader in &scene.readers {
            prop_assert_eq!(&reader.got, &scene.published, "{:?}", reader.way);
        }
    }
}
