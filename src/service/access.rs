//! The authorisation hook's answer.

/// What [`Server::authorize`](crate::Server::authorize) says of a request, before anything of it is accepted.
///
/// ```
/// use barewire::Access;
///
/// # let mut server = barewire::Server::unbound()?;
/// server.authorize(|request| match request.header("Authorization") {
///     Some("Bearer 31d4d96e407aad42") => Access::Allow,
///     Some(_) => Access::Forbid,                                      // 403
///     None => Access::Challenge("Bearer"),                            // 401
/// });
/// # Ok::<(), barewire::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// The request goes on to its route.
    Allow,
    /// 403: whoever asks may not.
    Forbid,
    /// 401 with this challenge, such as `Bearer` or `Basic realm="x"` (RFC 9110 11.6.1).
    Challenge(&'static str),
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
