//! Webhooks: the reader of a channel that is a server elsewhere, and how such a server knows who writes to it.
//!
//! ```text
//!   webhook-id: wh_5f2c…_1764325020123-0         the same in every try
//!   webhook-timestamp: 1764325025                when this try was made
//!   webhook-signature: v1,K5oZ…= v1,9xQ1…=       one for each secret: base64(HMAC-SHA256(key, id "." timestamp "." body))
//! ```
//!
//! That is [Standard Webhooks](https://www.standardwebhooks.com). What stands here needs neither sockets nor a clock:
//!
//! | file | subject |
//! | --- | --- |
//! | `secret` | a secret, as it is written |
//! | `signature` | what a delivery is signed with |
//! | `verifier` | for receivers: who has sent this, and when |
//! | `address` | which addresses nothing is sent to, unless it is allowed |
//! | `host` | how an address can be spelled in a URL |
//! | `schedule` | when a delivery that has failed is tried again |
//! | `sender/` | the sender, with the features `server` and `client` |

mod address;
mod host;
mod schedule;
mod secret;
#[cfg(all(feature = "webhook", feature = "server", feature = "client"))]
// Without a backend there is no history and nothing to be kept.
#[cfg_attr(
    not(feature = "backend"),
    allow(dead_code, unused_imports, unused_variables)
)]
mod sender;
mod signature;
mod verifier;

pub use address::{Allowed, Network, NetworkError, Special};
pub use host::{Host, HostError};
pub use schedule::{GIVE_UP, Schedule, WAITS, retry_after};
pub use secret::{Secret, SecretError};
#[cfg(all(feature = "webhook", feature = "server", feature = "client"))]
#[doc(hidden)]
pub use sender::judge;
#[cfg(all(feature = "webhook", feature = "server", feature = "client"))]
pub use sender::{
    ANSWER_BYTES, ANSWER_TIMEOUT, AT_ONCE, CONNECT_TIMEOUT, Event, Format, KEEP_ALIVE, LOOKUPS,
    Options, Outcome, PER_CHANNEL, PER_PLACE, Refused, Registered, SUBSCRIPTIONS, State,
    Subscriptions,
};
#[cfg(all(feature = "webhook", feature = "server", feature = "client"))]
pub(crate) use sender::{Action, Shared, Webhooks, parameter, take};
pub use signature::{hub_signature, sign};
pub use verifier::{TOLERANCE, Verifier, VerifyError};
