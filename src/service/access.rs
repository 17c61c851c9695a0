//! The authorisation hook's answer.

use std::borrow::Cow;

/// What [`Server::authorize`](crate::Server::authorize) says of a request, before anything of it is accepted.
///
/// ```
/// use barewire::Access;
///
/// # let mut server = barewire::Server::unbound()?;
/// server.authorize(|request| match request.header("Authorization") {
///     Some("Bearer 31d4d96e407aad42") => Access::Allow,
///     Some(_) => Access::Forbid,                                      // 403
///     None => Access::challenge("Bearer"),                            // 401
/// });
/// # Ok::<(), barewire::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// The request goes on to its route.
    Allow,
    /// 403: the client may not.
    Forbid,
    /// 401 with this challenge, such as `Bearer` or `Basic realm="x"` (RFC 9110 11.6.1).
    Challenge(Cow<'static, str>),
}

impl Access {
    /// 401 with this challenge, which may be made when it is needed.
    ///
    /// ```
    /// use barewire::Access;
    /// let realm = "players";
    /// let access = Access::challenge(format!("Basic realm=\"{realm}\""));
    /// # assert!(matches!(access, Access::Challenge(_)));
    /// ```
    pub fn challenge(challenge: impl Into<Cow<'static, str>>) -> Access {
        Access::Challenge(challenge.into())
    }
}

impl From<bool> for Access {
    fn from(allowed: bool) -> Access {
        if allowed {
            Access::Allow
        } else {
            Access::Forbid
        }
    }
}
