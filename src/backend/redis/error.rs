//! What goes wrong with Redis, and what its operator reads of it.

use std::fmt;
use std::sync::Arc;

use ::redis::{ErrorKind, RedisError};

/// Why Redis was not opened. It holds nothing that it did not hold before.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The URL is none. Says what is wrong with it.
    Url(String),
    /// It can't be reached at this address. Says why.
    Unreachable(String, String),
    /// It does not accept the user name or the password, or asks for one.
    Password(String),
    /// It has this version, and 6.2 is the oldest that has all that is used.
    TooOld(String),
    /// It is a replica, which takes no messages.
    Replica,
    /// The user may not do this.
    Denied(String),
    /// Channels under this prefix are spread over so many shards, and not over as many as asked for.
    Shards(u16, u16),
    /// What lies under this prefix was written in a format that this version does not read.
    Format(String),
    /// It is not ready. Says why.
    Busy(String),
    /// Something else.
    Other(String),
}

impl OpenError {
    /// Whether waiting may help.
    pub(super) fn may_pass(&self) -> bool {
        matches!(
            self,
            OpenError::Unreachable(..) | OpenError::Replica | OpenError::Busy(_)
        )
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Url(why) => write!(
                f,
                "the URL of Redis is invalid ({why}): it takes redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE], or rediss:// \
                 for TLS"
            ),
            OpenError::Unreachable(address, why) => {
                write!(f, "Redis can't be reached at {address}: {why}")
            }
            OpenError::Password(why) => {
                write!(f, "Redis refuses the user name or the password: {why}")
            }
            OpenError::TooOld(version) => write!(
                f,
                "this Redis has version {version}, which is too old: it takes 6.2 or later, or Valkey"
            ),
            OpenError::Replica => f.write_str(
                "this Redis is a read-only replica: messages are taken by its master alone",
            ),
            OpenError::Denied(why) => {
                write!(f, "Redis does not let this user do what it takes: {why}")
            }
            OpenError::Shards(found, asked) => write!(
                f,
                "channels under this prefix are spread over {found} shards, not over {asked}: all nodes have to say the same, \
                 for as long as there is anything under it"
            ),
            OpenError::Format(format) => write!(
                f,
                "what lies in Redis under this prefix has format {format}, which this version does not read"
            ),
            OpenError::Busy(why) => write!(f, "Redis is not ready: {why}"),
            OpenError::Other(why) => write!(f, "Redis can't be used: {why}"),
        }
    }
}

impl std::error::Error for OpenError {}

/// Why something was not done, or may not have been.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    /// Whether it is certain that Redis has not done it.
    pub(super) certain: bool,
    /// Whether this connection is of no more use.
    pub(super) broken: bool,
    /// Redis does not know the script: it has been restarted, and is to be given it again.
    pub(super) forgotten: bool,
    /// In words.
    pub(super) why: Arc<str>,
}

impl Trouble {
    pub(super) fn new(why: impl Into<Arc<str>>) -> Trouble {
        Trouble {
            certain: false,
            broken: true,
            forgotten: false,
            why: why.into(),
        }
    }

    pub(super) fn of(error: &RedisError) -> Trouble {
        let is_answer = error.kind() != ErrorKind::Io && error.code().is_some();
        let code = error.code().unwrap_or_default();
        Trouble {
            certain: is_answer,
            // A replica does not become a master again on this connection's account, and a slot moves for good.
            broken: !is_answer
                || matches!(code, "READONLY" | "MOVED" | "ASK" | "NOAUTH" | "UNBEGUN"),
            forgotten: code == "NOSCRIPT",
            why: match error.is_timeout() {
                true => "it does not answer in time".into(),
                false => error.to_string().into(),
            },
        }
    }
}

/// Why a connection can't be opened, for its operator.
pub(super) fn opening(address: &str, error: &RedisError) -> OpenError {
    let why = error.to_string();
    match (error.kind(), error.code()) {
        (ErrorKind::AuthenticationFailed, _) | (_, Some("WRONGPASS" | "NOAUTH")) => {
            OpenError::Password(why)
        }
        (_, Some("NOPERM")) => OpenError::Denied(why),
        (ErrorKind::InvalidClientConfig, _) => OpenError::Url(why),
        (_, Some("LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "BUSY")) => OpenError::Busy(why),
        (ErrorKind::Io, _) => {
            let why = match error.is_timeout() {
                true => "it does not answer in time".into(),
                false => why,
            };
            OpenError::Unreachable(address.into(), why)
        }
        _ => OpenError::Other(why),
    }
}
