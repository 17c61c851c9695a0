//! What is shown: which things, in which form, and where they go.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use barewire::lens::{Conversation, Kind, Options, Side, Thing};

use crate::{json, line, open};

/// How things are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Line,
    Open,
    Json,
}

/// All that is to be seen of all connections.
pub struct View {
    form: Form,
    colours: bool,
    only: Option<Vec<&'static str>>,
    pings: bool,
    options: Options,
    connections: BTreeMap<u64, Conversation>,
    last: Duration,
    hidden: usize,
    out: Vec<u8>,
    to: Box<dyn Write + Send>,
    /// The output is gone. That is no reason to stop what passes.
    deaf: bool,
}

/// What is written at once, in bytes, at most.
const BATCH: usize = 64 * 1024;

/// The name of a thing's kind.
pub fn kind(thing: &Thing) -> &'static str {
    match thing.kind {
        Kind::Request(_) => "request",
        Kind::Response(_) => "response",
        Kind::Body => "body",
        Kind::Chunk(_) => "chunk",
        Kind::Frame(_) => "frame",
        Kind::Message(_) => "message",
        Kind::Event(_) => "event",
        Kind::Fields(_) => "fields",
        Kind::Comment => "comment",
        _ => "unknown",
    }
}

/// The kinds that `--only` names.
pub fn kinds(list: &str) -> Result<Vec<&'static str>, String> {
    let mut kinds = Vec::new();
    for word in list
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
    {
        match word {
            "heads" => kinds.extend(["request", "response"]),
            "frames" => kinds.push("frame"),
            "events" => kinds.extend(["event", "fields", "comment"]),
            "request" => kinds.push("request"),
            "response" => kinds.push("response"),
            "body" => kinds.push("body"),
            "chunk" => kinds.push("chunk"),
            "frame" => kinds.push("frame"),
            "message" => kinds.push("message"),
            "event" => kinds.push("event"),
            "fields" => kinds.push("fields"),
            "comment" => kinds.push("comment"),
            "unknown" => kinds.push("unknown"),
            _ => {
                return Err(format!(
                    "--only {word}: there is no such kind; lens --help lists them"
                ));
            }
        }
    }
    Ok(kinds)
}

impl View {
    pub fn new(
        form: Form,
        colours: bool,
        only: Option<Vec<&'static str>>,
        pings: bool,
        options: Options,
        to: Box<dyn Write + Send>,
    ) -> View {
        View {
            form,
            colours,
            only,
            pings,
            options,
            connections: BTreeMap::new(),
            last: Duration::ZERO,
            hidden: 0,
            out: Vec::new(),
            to,
            deaf: false,
        }
    }

    pub fn opened(&mut self, at: Duration, connection: u64, words: &str) {
        self.last = at;
        self.connections
            .insert(connection, Conversation::new(self.options));
        if self.form != Form::Json && self.only.is_none() {
            let number = line::number(connection);
            let at = at.as_secs_f64();
            let _ = writeln!(self.out, "+{at:.4}  {number}open  {words}");
            self.flush();
        }
    }

    pub fn sent(&mut self, at: Duration, connection: u64, from: Side, bytes: &[u8]) {
        self.look(at, connection, |conversation, sink| {
            conversation.feed(from, bytes, sink)
        });
    }

    pub fn ended(&mut self, at: Duration, connection: u64, from: Side) {
        self.look(at, connection, |conversation, sink| {
            conversation.end(from, true, sink)
        });
        if self.form != Form::Json && self.only.is_none() {
            let (number, way) = (line::number(connection), line::way(from));
            let at = at.as_secs_f64();
            let _ = writeln!(self.out, "+{at:.4}  {number}{way}  end");
        }
        self.flush();
    }

    /// Nothing more is known of a connection.
    pub fn forget(&mut self, connection: u64) {
        self.connections.remove(&connection);
    }

    /// Nothing more is known of any: gives what is incomplete.
    pub fn finish(&mut self) {
        let open: Vec<u64> = self.connections.keys().copied().collect();
        for connection in open {
            for from in [Side::Client, Side::Server] {
                let end = |conversation: &mut Conversation, sink: &mut dyn FnMut(Thing)| {
                    conversation.end(from, false, sink);
                };
                self.look(self.last, connection, end);
            }
        }
        if self.hidden > 0 && self.form != Form::Json {
            let hidden = self.hidden;
            let _ = writeln!(self.out, "{hidden} pings and pongs are not shown");
        }
        self.flush();
    }

    fn look(
        &mut self,
        at: Duration,
        connection: u64,
        look: impl FnOnce(&mut Conversation, &mut dyn FnMut(Thing)),
    ) {
        self.last = at;
        let known = self.connections.remove(&connection);
        let mut conversation = known.unwrap_or_else(|| Conversation::new(self.options));
        look(&mut conversation, &mut |thing| {
            self.show(at, connection, &thing)
        });
        self.connections.insert(connection, conversation);
        self.flush();
    }

    fn show(&mut self, at: Duration, connection: u64, thing: &Thing) {
        let kind = kind(thing);
        let is_chosen = match &self.only {
            Some(only) => only.contains(&kind),
            // It says no more than the frames do, and is no kind of --json.
            None => self.form != Form::Json || kind != "message",
        };
        if !is_chosen || self.deaf {
            return;
        }
        let is_ping =
            matches!(&thing.kind, Kind::Frame(frame) if matches!(frame.header.opcode, 9 | 10));
        if is_ping && !self.pings && thing.problem.is_none() {
            self.hidden += 1;
            return;
        }
        match self.form {
            Form::Json => json::write(&mut self.out, at, connection, kind, thing),
            Form::Line => line::write(&mut self.out, self.colours, at, connection, kind, thing),
            Form::Open => open::write(&mut self.out, self.colours, at, connection, kind, thing),
        }
        if self.out.len() >= BATCH {
            self.flush();
        }
    }

    pub fn flush(&mut self) {
        if !self.deaf && !self.out.is_empty() {
            let written = self.to.write_all(&self.out);
            self.deaf = written.and_then(|()| self.to.flush()).is_err();
        }
        self.out.clear();
    }
}
