//! One connection: opened with a deadline, looked at before it is used, and given the scripts.
//!
//! Every answer has a deadline. After an error of the connection nothing more is read from it, because nobody could tell which
//! question an answer belongs to: it is dropped, and [`Backoff`] says when the next one is tried.

use std::time::Duration;

use ::redis::{Client, Connection, ConnectionInfo, IntoConnectionInfo, RedisError, Value};

use super::error::{OpenError, Trouble, opening};
use super::keys::Keys;
use super::options::Options;
use crate::channel::Id;
use crate::random::Random;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(2);
/// Between two tries to connect: at first, and at most.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_millis(1_000);
/// The oldest version that has all that is used: XRANGE with exclusive ends, XADD with an exact bound.
const OLDEST: (u32, u32) = (6, 2);

/// The scripts, in the order of [`Script`].
const SCRIPTS: [&str; 7] = [
    include_str!("scripts/begin.lua"),
    include_str!("scripts/seed.lua"),
    include_str!("scripts/page.lua"),
    include_str!("scripts/publish.lua"),
    include_str!("scripts/lease.lua"),
    include_str!("scripts/put.lua"),
    include_str!("scripts/release.lua"),
];

/// Which script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    Begin,
    Seed,
    Page,
    Publish,
    Lease,
    Put,
    Release,
}

/// Where Redis is, and how it is used.
#[derive(Debug)]
pub(super) struct Place {
    client: Client,
    pub(super) keys: Keys,
    pub(super) options: Options,
    /// Names this node among all.
    pub(super) node: String,
    hashes: [String; SCRIPTS.len()],
}

/// What Redis says of itself.
#[derive(Clone, Debug, Default)]
pub(super) struct About {
    version: String,
    is_replica: bool,
    is_loading: bool,
    /// What goes when memory is full, if something may.
    pub(super) evicts: Option<String>,
}

impl Place {
    pub(super) fn new(url: &str, options: Options) -> Result<Place, OpenError> {
        let info = url.into_connection_info();
        let info = info.map_err(|error| OpenError::Url(reason(&error)))?;
        let redis = info.redis_settings().clone();
        let redis = redis.set_lib_name("barewire", env!("CARGO_PKG_VERSION"));
        let keys = Keys::new(&options.prefix, redis.db());
        let info = ConnectionInfo::set_redis_settings(info, redis);
        let client = Client::open(info).map_err(|error| OpenError::Url(reason(&error)))?;
        let name: [u8; 8] = Random::new()
            .bytes()
            .map_err(|error| OpenError::Other(error.to_string()))?;
        Ok(Place {
            client,
            keys,
            options,
            node: format!("{:016x}", u64::from_le_bytes(name)),
            hashes: SCRIPTS.map(|script| super::entry::digest(script.as_bytes())),
        })
    }

    pub(super) fn address(&self) -> String {
        self.client.get_connection_info().addr().to_string()
    }

    /// A connection that has been looked at.
    pub(super) fn open(&self) -> Result<(Link, About), OpenError> {
        let open = |error: RedisError| opening(&self.address(), &error);
        let connection = self.client.get_connection_with_timeout(CONNECT);
        let connection = connection.map_err(open)?;
        let mut link = Link { connection };
        link.set_deadline(self.options.deadline).map_err(open)?;
        let info = link.ask(::redis::cmd("INFO").get_packed_command());
        let about = About::read(&info.map_err(open)?);
        if about.is_loading {
            return Err(OpenError::Busy("it is loading its data".into()));
        }
        if !about.is_new_enough() {
            return Err(OpenError::TooOld(about.version));
        }
        if about.is_replica {
            return Err(OpenError::Replica);
        }
        link.load().map_err(open)?;
        Ok((link, about))
    }

    /// As [`Place::open`], for who tries again and again.
    pub(super) fn connect(&self) -> Result<Link, Trouble> {
        match self.open() {
            Ok((link, _)) => Ok(link),
            Err(error) => Err(Trouble::new(error.to_string())),
        }
    }

    /// A connection for pub/sub, which is asked nothing else.
    pub(super) fn listen(&self) -> Result<Connection, Trouble> {
        let connection = self.client.get_connection_with_timeout(CONNECT);
        connection.map_err(|error| Trouble::of(&error))
    }

    /// The bytes of a call of a script.
    pub(super) fn call<'a>(
        &self,
        script: Script,
        keys: impl ExactSizeIterator<Item = &'a [u8]>,
        arguments: impl Iterator<Item = &'a [u8]>,
    ) -> Vec<u8> {
        let mut command = ::redis::cmd("EVALSHA");
        command.arg(&self.hashes[script as usize]).arg(keys.len());
        keys.chain(arguments).for_each(|argument| {
            command.arg(argument);
        });
        command.get_packed_command()
    }
}

/// What an error says besides its kind.
fn reason(error: &RedisError) -> String {
    error
        .detail()
        .map_or_else(|| error.to_string(), str::to_owned)
}

impl About {
    fn read(info: &Value) -> About {
        let text = match info {
            Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Value::VerbatimString { text, .. } => text.clone(),
            _ => String::new(),
        };
        let field = |name: &str| {
            let mut fields = text.lines().filter_map(|line| line.trim().split_once(':'));
            fields.find_map(|(field, value)| (field == name).then(|| value.to_owned()))
        };
        let policy = field("maxmemory_policy").filter(|policy| policy != "noeviction");
        let is_bounded = field("maxmemory").is_some_and(|bytes| bytes != "0");
        About {
            version: field("redis_version").unwrap_or_default(),
            is_replica: field("role").is_some_and(|role| role == "slave"),
            is_loading: field("loading").is_some_and(|loading| loading == "1"),
            evicts: policy.filter(|_| is_bounded),
        }
    }

    fn is_new_enough(&self) -> bool {
        let mut numbers = self.version.split('.').map(|number| number.parse().ok());
        let version = (
            numbers.next().flatten().unwrap_or(0),
            numbers.next().flatten().unwrap_or(0),
        );
        version >= OLDEST
    }
}

/// A connection that is asked and answers.
pub(super) struct Link {
    connection: Connection,
}

impl Link {
    fn set_deadline(&self, deadline: Duration) -> Result<(), RedisError> {
        self.connection.set_read_timeout(Some(deadline))?;
        self.connection.set_write_timeout(Some(deadline))
    }

    fn ask(&mut self, command: Vec<u8>) -> Result<Value, RedisError> {
        self.connection.send_packed_command(&command)?;
        self.connection.recv_response()?.extract_error()
    }

    /// Gives Redis the scripts.
    pub(super) fn load(&mut self) -> Result<(), RedisError> {
        for script in SCRIPTS {
            let mut command = ::redis::cmd("SCRIPT");
            command.arg("LOAD").arg(script);
            self.ask(command.get_packed_command())?;
        }
        Ok(())
    }

    /// Asks all questions at once. Each is answered, or has an error of its own; if the connection breaks, none is.
    pub(super) fn ask_all(
        &mut self,
        commands: &[Vec<u8>],
    ) -> Result<Vec<Result<Value, Trouble>>, Trouble> {
        let broken = |error: RedisError| Trouble::of(&error);
        // Written in pieces that fit, so that neither side waits for the other to read.
        for command in commands {
            self.connection
                .send_packed_command(command)
                .map_err(broken)?;
        }
        let mut answers = Vec::with_capacity(commands.len());
        for _ in commands {
            let answer = self.connection.recv_response().map_err(broken)?;
            answers.push(answer.extract_error().map_err(broken));
        }
        Ok(answers)
    }

    /// Asks one question, and once more if Redis has forgotten the script.
    pub(super) fn ask_one(&mut self, command: Vec<u8>) -> Result<Value, Trouble> {
        let answer = self.ask(command.clone());
        match answer.map_err(|error| Trouble::of(&error)) {
            Err(trouble) if trouble.forgotten => {
                self.load().map_err(|error| Trouble::of(&error))?;
                self.ask(command).map_err(|error| Trouble::of(&error))
            }
            answer => answer,
        }
    }
}

/// When the next connection is tried: later each time, and never for all nodes at once.
#[derive(Debug)]
pub(super) struct Backoff {
    wait: Duration,
    random: Random,
}

impl Backoff {
    pub(super) fn new() -> Backoff {
        Backoff {
            wait: FIRST_WAIT,
            random: Random::new(),
        }
    }

    pub(super) fn reset(&mut self) {
        self.wait = FIRST_WAIT;
    }

    /// Between half and all of the wait.
    pub(super) fn next(&mut self) -> Duration {
        let [byte] = self.random.bytes().unwrap_or([0]);
        let wait = self.wait / 2 + self.wait * u32::from(byte) / 512;
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
        wait
    }
}

/// Bytes of an answer.
pub(super) fn bytes_of(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.as_bytes()),
        Value::Okay => Some(b"OK"),
        _ => None,
    }
}

/// An id of an answer.
pub(super) fn id_of(value: &Value) -> Option<Id> {
    super::entry::id_of(bytes_of(value)?)
}

/// A number of an answer.
pub(super) fn number_of(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        value => std::str::from_utf8(bytes_of(value)?).ok()?.parse().ok(),
    }
}

/// The parts of an answer.
pub(super) fn parts_of(value: &Value) -> &[Value] {
    match value {
        Value::Array(parts) => parts,
        _ => &[],
    }
}
