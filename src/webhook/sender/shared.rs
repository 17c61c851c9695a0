//! What the handlers of all loops, the loop that delivers, and its connections share.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::dispatcher::Dispatcher;
use super::options::Options;
use super::subscription::{Format, State};
use super::target::Target;
use crate::command::{Mailbox, Order};
use crate::response::Response;
use crate::service::Later;
use crate::webhook::{Allowed, Secret};

/// Commands that may wait; beyond them 503 is answered.
const MAX_COMMANDS: usize = 1_024;

/// What is asked for a channel, and who is to be answered.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) channel: Arc<str>,
    pub(super) wish: Wish,
    pub(super) later: Asker,
}

/// Called with the status and the body of an answer.
type Answered = Box<dyn FnOnce(u16, String) + Send>;

/// Who is to be answered.
pub(super) enum Asker {
    /// A request.
    Request(Later),
    /// The program itself.
    Program(Answered),
}

impl std::fmt::Debug for Asker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asker").finish_non_exhaustive()
    }
}

impl Asker {
    pub(super) fn nobody() -> Asker {
        Asker::Program(Box::new(|_, _| {}))
    }

    pub(super) fn send(self, response: Response) {
        match self {
            // The client may have left.
            Asker::Request(later) => drop(later.send(response)),
            Asker::Program(call) => {
                let body = String::from_utf8_lossy(&response.body).into_owned();
                let status = response.status.code();
                // What panics there has nobody left to tell.
                let _ = catch_unwind(AssertUnwindSafe(|| call(status, body)));
            }
        }
    }
}

#[derive(Debug)]
pub(super) enum Wish {
    Register {
        url: Box<str>,
        target: Box<Target>,
        format: Format,
        secret: Option<Secret>,
    },
    List,
    Show(Box<str>),
    Remove(Box<str>),
    Change {
        id: Box<str>,
        state: State,
        from_now: bool,
    },
    Rotate(Box<str>),
}

#[derive(Debug)]
pub(crate) struct Shared {
    machine: Mutex<Dispatcher>,
    commands: Mutex<Vec<Command>>,
    pending: AtomicBool,
    /// The loop that delivers.
    mailbox: OnceLock<Mailbox>,
    pub(super) allowed: Allowed,
    pub(super) connect_timeout: Duration,
    pub(super) answer_timeout: Duration,
    pub(super) keep_alive: Duration,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<crate::net::tls::ClientTls>,
}

impl Shared {
    pub(crate) fn new(options: Options) -> Shared {
        Shared {
            allowed: options.allowed.clone(),
            connect_timeout: options.connect_timeout,
            answer_timeout: options.answer_timeout,
            keep_alive: options.keep_alive,
            #[cfg(feature = "tls")]
            tls: options.tls.clone(),
            machine: Mutex::new(Dispatcher::new(options)),
            commands: Mutex::new(Vec::new()),
            pending: AtomicBool::new(false),
            mailbox: OnceLock::new(),
        }
    }

    /// A panic elsewhere leaves it whole: nothing of the program's runs under this lock.
    pub(super) fn machine(&self) -> MutexGuard<'_, Dispatcher> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn be_woken_through(&self, mailbox: Mailbox) {
        let _ = self.mailbox.set(mailbox);
    }

    /// Hands a command to the loop that delivers.
    pub(super) fn command(&self, command: Command) {
        let is_first = {
            let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
            if commands.len() >= MAX_COMMANDS {
                drop(commands);
                let response = Response::text("too much is asked for; try again later\n");
                let response = response.status(503).header("Retry-After", "1");
                command.later.send(response);
                return;
            }
            commands.push(command);
            !self.pending.swap(true, Ordering::AcqRel)
        };
        if let (true, Some(mailbox)) = (is_first, self.mailbox.get()) {
            // One for each time that they were taken.
            let _ = mailbox.order_last(Order::CatchUp);
        }
    }

    pub(super) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Acquire)
    }

    pub(super) fn take_commands(&self) -> Vec<Command> {
        let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        self.pending.store(false, Ordering::Release);
        std::mem::take(&mut commands)
    }
}
