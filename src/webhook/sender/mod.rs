//! The sender: subscriptions that read channels and POST each message to a URL until it is answered with 2xx.
//!
//! ```text
//!   endpoints ──► shared ──► driver ──► dispatcher ◄──► courier ──► the receiver
//!                 commands     │ reads      │ what each subscription does next
//!                              ▼            ▼
//!                           channels      keeper: what outlives the process
//! ```
//!
//! | file | subject |
//! | --- | --- |
//! | `dispatcher` | all subscriptions and what each does next, without I/O or a clock |
//! | `subscription`, `target`, `delivery` | one of them; where it sends; what it sends |
//! | `courier` | one connection to a receiver |
//! | `driver` | the sender on a loop |
//! | `keeper` | subscriptions that outlive the process |
//! | `endpoints`, `handle`, `shared` | how requests and the program make and change them, on any loop |
//! | `options`, `event` | what is allowed, and why so much; what its operator is told |

mod courier;
mod delivery;
mod dispatcher;
mod driver;
mod endpoints;
mod event;
mod handle;
mod judge;
mod keeper;
mod options;
mod shared;
mod subscription;
mod target;
#[cfg(test)]
mod tests;

pub(crate) use driver::Webhooks;
pub(crate) use endpoints::{Action, parameter, take};
pub use event::Event;
pub use handle::{Registered, Subscriptions};
pub use judge::judge;
pub use options::{
    ANSWER_BYTES, ANSWER_TIMEOUT, AT_ONCE, CONNECT_TIMEOUT, KEEP_ALIVE, LOOKUPS, Options,
    PER_CHANNEL, PER_PLACE, Refused, SUBSCRIPTIONS,
};
pub(crate) use shared::Shared;
pub use subscription::{Format, Outcome, State};
