//! Subscriptions as the program itself makes them, without a request.

use std::fmt;
use std::sync::Arc;

use super::endpoints::checked_target;
use super::shared::{Asker, Command, Shared, Wish};
use super::subscription::{Format, State};
use crate::channel::check_name;
use crate::json::Value;
use crate::webhook::Secret;

/// The subscriptions of a program, from any thread; clones are cheap. Given by
/// [`Server::subscriptions`](crate::Server::subscriptions).
///
/// ```
/// use barewire::webhook::{Format, Options};
/// # let mut server = barewire::Server::bind("127.0.0.1:0")?;
/// server.webhooks("/channels/{name}/webhooks", Options::default())?;
/// let subscriptions = server.subscriptions().expect("there are webhooks");
/// subscriptions.register("ticks", "https://example.com/hook", Format::Json, None, |registered| match registered {
///     Ok(registered) => println!("{} signs with {}", registered.id, registered.secret.reveal()),
///     Err(why) => eprintln!("{why}"),
/// });
/// # Ok::<(), barewire::Error>(())
/// ```
///
/// What is asked for is done by the loop that delivers, when it is turned next.
#[derive(Clone)]
pub struct Subscriptions(pub(super) Arc<Shared>);

impl fmt::Debug for Subscriptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriptions").finish_non_exhaustive()
    }
}

/// A subscription that was made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Registered {
    /// Its id.
    pub id: String,
    /// What its deliveries are signed with.
    pub secret: Secret,
}

impl Subscriptions {
    pub(crate) fn new(shared: &Arc<Shared>) -> Subscriptions {
        Subscriptions(Arc::clone(shared))
    }

    /// Has what is published in a channel from now on sent to `url`, signed with `secret` or with one that is made up. `then`
    /// is called on the loop that delivers, when the subscription is there, and kept where something keeps it; or at once, with
    /// what is wrong, in words.
    pub fn register(
        &self,
        channel: &str,
        url: &str,
        format: Format,
        secret: Option<Secret>,
        then: impl FnOnce(Result<Registered, String>) + Send + 'static,
    ) {
        let checked = check_name(channel)
            .map_err(|error| error.to_string())
            .and_then(|()| checked_target(&self.0, url));
        let target = match checked {
            Ok(target) => target,
            Err(why) => return then(Err(why)),
        };
        let wish = Wish::Register {
            url: url.into(),
            target: Box::new(target),
            format,
            secret,
        };
        let asker = Asker::Program(Box::new(|status, body| {
            then(registered(status, &body).ok_or(body));
        }));
        self.ask(channel, wish, asker);
    }

    /// Ends a subscription.
    pub fn remove(&self, channel: &str, id: &str) {
        self.ask(channel, Wish::Remove(id.into()), Asker::nobody());
    }

    /// Sends nothing more until it is resumed; its place is kept.
    pub fn pause(&self, channel: &str, id: &str) {
        self.change(channel, id, State::Paused, false);
    }

    /// Goes on where it stood, also one that was given up.
    pub fn resume(&self, channel: &str, id: &str) {
        self.change(channel, id, State::Active, false);
    }

    /// Goes on with what is published from now on.
    pub fn resume_from_now(&self, channel: &str, id: &str) {
        self.change(channel, id, State::Active, true);
    }

    /// The subscriptions of a channel as JSON, without their secrets: what a request for them is answered.
    pub fn list(&self, channel: &str) -> String {
        let mut body = Vec::new();
        self.0.machine().write_list(channel, &mut body);
        String::from_utf8(body).unwrap_or_default()
    }

    fn change(&self, channel: &str, id: &str, state: State, from_now: bool) {
        let wish = Wish::Change {
            id: id.into(),
            state,
            from_now,
        };
        self.ask(channel, wish, Asker::nobody());
    }

    fn ask(&self, channel: &str, wish: Wish, later: Asker) {
        let channel = channel.into();
        self.0.command(Command {
            channel,
            wish,
            later,
        });
    }
}

fn registered(status: u16, body: &str) -> Option<Registered> {
    if status != 201 {
        return None;
    }
    let value = Value::parse(body)?;
    let text = |name| value.get(name).and_then(Value::as_str);
    Some(Registered {
        id: text("id")?.to_owned(),
        secret: Secret::parse(text("secret")?).ok()?,
    })
}
