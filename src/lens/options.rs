//! How much a lens keeps, and what it shows of secrets.

use crate::http::HeadLimits;

/// How a lens looks.
///
/// ```
/// use barewire::lens::Options;
/// let options = Options { secrets: true, ..Options::default() };
/// assert_eq!(options.shown, 64 * 1024);
/// ```
///
/// Written as `Options { secrets, ..Options::default() }`: a later version may have more fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes that are kept of each body, chunk, payload or event, besides headers. Default: 64 KiB.
    pub shown: usize,
    /// Bytes that are kept of a compressed message, so that it can be inflated, and that it may become. Default: 1 MiB.
    pub message: usize,
    /// Bytes that are kept of an event, so that it can be read. Default: 256 KiB.
    pub event: usize,
    /// How large heads may be. By default as a server of this crate takes them: [`HeadLimits`].
    pub heads: HeadLimits,
    /// Whether credentials, cookies and tokens in targets are shown. Default: no.
    pub secrets: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            shown: 64 * 1024,
            message: 1024 * 1024,
            event: 256 * 1024,
            heads: HeadLimits::default(),
            secrets: false,
        }
    }
}
