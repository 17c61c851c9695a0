//! The sender on a loop: what it reads from the channels, and what it asks of the loop and of what stands behind it.
//!
//! ```text
//!   the hub ──woken──► wake ─► read ─► found ┐
//!   handlers ─commands─────────────────────► │ machine ├─► next_start ─► dialer: a new courier, or one that waits
//!   a backend ─news──► pages, what was kept ─┘
//! ```
//!
//! One watch of the hub stands for all subscriptions of a channel. Its name among the waiters is no connection's: the
//! part that is a connection's index is one that no connection has. A turn in which no watched channel has something new, nothing
//! was asked for and no time has come looks at three numbers.
//!
//! Answers to those who change something are given when the change is kept, where something keeps it.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::courier::Courier;
use super::dispatcher::{self, Found, Full, Key, Start};
use super::event::Event;
use super::handle::Subscriptions;
use super::keeper::Keeper;
use super::options::OnEvent;
use super::shared::{Asker, Command, Shared, Wish};
use super::subscription::{Object, State};
use crate::channel::{Ahead, Id, Watch};
use crate::client::Dialer;
use crate::http::Status;
use crate::net::Now;
use crate::response::{Response, refusal};
use crate::service::Channels;
use crate::slab::Slab;
use crate::webhook::Secret;

/// The index of no connection.
const NO_CONNECTION: u32 = u32::MAX;

/// How a watch is named among the waiters.
fn waiter(index: u32) -> u64 {
    u64::from(index) << 32 | u64::from(NO_CONNECTION)
}

/// The webhooks of a program, on the loop that delivers them.
pub(crate) struct Webhooks {
    shared: Arc<Shared>,
    watches: HashMap<Arc<str>, u32>,
    places: Slab<(Arc<str>, Watch)>,
    news: Vec<u32>,
    keeper: Keeper,
    on_event: Option<OnEvent>,
    due: u64,
}

impl Webhooks {
    pub(crate) fn new(shared: Arc<Shared>) -> Webhooks {
        let on_event = shared.machine().options.on_event.take();
        Webhooks {
            shared,
            watches: HashMap::new(),
            places: Slab::new(),
            news: Vec::new(),
            keeper: Keeper::default(),
            on_event,
            due: 0,
        }
    }

    pub(crate) fn subscriptions(&self) -> Subscriptions {
        Subscriptions::new(&self.shared)
    }

    /// When a turn is wanted, in milliseconds of the loop.
    pub(crate) fn due(&self) -> u64 {
        match (self.shared.is_pending() && !self.keeper.is_starting()) || !self.news.is_empty() {
            true => 0,
            false => self.shared.machine().due().min(self.due),
        }
    }

    /// The program shuts down: what is under way is finished, nothing new begins.
    pub(crate) fn drain(&mut self) {
        self.shared.machine().drain();
    }

    /// Takes its own names out of those that are woken, and does what there is to be done.
    pub(crate) fn turn(
        &mut self,
        channels: &mut Channels,
        clients: &mut Dialer,
        now: Now,
        woken: &mut Vec<u64>,
    ) {
        if self.places.len() > 0 {
            let news = &mut self.news;
            woken.retain(|&name| {
                let is_own = name as u32 == NO_CONNECTION;
                if is_own {
                    news.push((name >> 32) as u32);
                }
                !is_own
            });
        }
        if self.due() > now.ms {
            return;
        }
        self.due = u64::MAX;
        #[cfg(feature = "backend")]
        self.begin_keeping(channels, now);
        if !self.keeper.is_starting() {
            for command in self.shared.take_commands() {
                self.obey(command, channels, now);
            }
        }
        for index in std::mem::take(&mut self.news) {
            if let Some((channel, _)) = self.places.get(index) {
                self.shared.machine().wake(channel);
            }
        }
        self.shared.machine().tick(now);
        self.read(channels, now);
        self.start(clients, now, woken);
        self.keep(channels);
        self.tell();
    }

    fn read(&mut self, channels: &mut Channels, now: Now) {
        loop {
            let next = self.shared.machine().next_read();
            let Some((key, channel, cursor)) = next else {
                return;
            };
            let found = self.look(channels, key, &channel, cursor);
            self.shared.machine().found(key, found, now);
        }
    }

    /// What a channel has behind a cursor.
    fn look(&mut self, channels: &mut Channels, key: Key, name: &Arc<str>, cursor: Id) -> Found {
        let Some(index) = self.watch(channels, name) else {
            return Found::Unreadable;
        };
        let Some((_, watch)) = self.places.get(index) else {
            return Found::Unreadable;
        };
        match channels.hub().ahead(watch, cursor, channels.is_backed()) {
            Ahead::Message(record) => Found::Message(record),
            Ahead::Gap(after) => Found::Gap(after),
            Ahead::Nothing => Found::Nothing,
            #[cfg(feature = "backend")]
            Ahead::History => self.keeper.ask_page(channels, key, name, cursor),
        }
    }

    /// The watch of a channel, begun if there is none.
    fn watch(&mut self, channels: &mut Channels, name: &Arc<str>) -> Option<u32> {
        if let Some(&index) = self.watches.get(name) {
            return Some(index);
        }
        let index = self.places.next_index();
        let watch = channels.watch(name, waiter(index)).ok()?;
        self.places.insert((Arc::clone(name), watch));
        self.watches.insert(Arc::clone(name), index);
        Some(index)
    }

    fn unwatch(&mut self, channels: &mut Channels, name: &str) {
        if self.shared.machine().is_watched(name) {
            return;
        }
        if let Some(index) = self.watches.remove(name) {
            if let Some((_, watch)) = self.places.remove(index) {
                channels.unwatch(watch);
            }
        }
    }

    fn start(&mut self, clients: &mut Dialer, now: Now, woken: &mut Vec<u64>) {
        loop {
            let start = self.shared.machine().next_start(now);
            match start {
                None => return,
                Some(Start::Use(connection)) => woken.push(connection.to_u64()),
                Some(Start::Dial(key, target)) => {
                    let courier = Courier::new(Arc::clone(&self.shared), target, key);
                    clients.begin(Box::new(courier));
                }
            }
        }
    }

    fn tell(&mut self) {
        let events = std::mem::take(&mut self.shared.machine().events);
        if let Some(on_event) = &mut self.on_event {
            for event in &events {
                // A hook that panics has nobody left to tell.
                let _ = catch_unwind(AssertUnwindSafe(|| on_event(event)));
            }
        }
    }
}

/// Commands.
impl Webhooks {
    fn obey(&mut self, command: Command, channels: &mut Channels, now: Now) {
        let Command {
            channel,
            wish,
            later,
        } = command;
        #[cfg(feature = "backend")]
        if !self.keeper.is_ready() {
            let why = "another node is in charge of webhooks, or they can't be read at the moment";
            let away = refusal(Status::SERVICE_UNAVAILABLE, why);
            later.send(away.header("Retry-After", "1"));
            return;
        }
        match wish {
            Wish::List => {
                let mut body = Vec::new();
                self.shared.machine().write_list(&channel, &mut body);
                later.send(json(body));
            }
            Wish::Show(id) => {
                let response = self.show(&channel, &id);
                later.send(response);
            }
            Wish::Register { .. } => self.register(&channel, wish, later, channels, now),
            Wish::Remove(id) => {
                let was_there = self.shared.machine().remove(&channel, &id);
                self.unwatch(channels, &channel);
                match was_there {
                    true => self.keeper.answer(later, Response::empty().status(204)),
                    false => later.send(nowhere(&id)),
                }
            }
            Wish::Change {
                id,
                state,
                from_now,
            } => {
                if !self.shared.machine().has(&channel, &id) {
                    later.send(nowhere(&id));
                    return;
                }
                match (state, from_now) {
                    (State::Active, true) => self.resume_now(channel, id, later, channels),
                    (State::Active, false) => {
                        self.shared.machine().resume(&channel, &id, None);
                        let response = self.show(&channel, &id);
                        self.keeper.answer(later, response);
                    }
                    _ => {
                        self.shared.machine().pause(&channel, &id);
                        let response = self.show(&channel, &id);
                        self.keeper.answer(later, response);
                    }
                }
            }
            Wish::Rotate(id) => {
                if !self.shared.machine().has(&channel, &id) {
                    later.send(nowhere(&id));
                    return;
                }
                let Some(secret) = self.new_secret() else {
                    later.send(no_randomness());
                    return;
                };
                let mut body = Vec::new();
                let mut object = Object::begin(&mut body);
                object.text("id", &id);
                object.text("secret", &secret.reveal());
                object.end();
                self.shared.machine().rotate(&channel, &id, secret, now);
                self.keeper.answer(later, json(body));
            }
        }
    }

    fn show(&self, channel: &str, id: &str) -> Response {
        let mut body = Vec::new();
        match self.shared.machine().write_one(channel, id, &mut body) {
            true => json(body),
            false => nowhere(id),
        }
    }

    fn new_secret(&self) -> Option<Secret> {
        let bytes: [u8; 32] = self.shared.machine().random.bytes().ok()?;
        Secret::from_key(&bytes).ok()
    }

    /// The cursor behind all that is published already; `None` where it has to be asked for.
    fn tail(
        &mut self,
        channels: &mut Channels,
        channel: &Arc<str>,
    ) -> Result<Option<Id>, Box<Response>> {
        let Some(index) = self.watch(channels, channel) else {
            let why = "the server has as many channels as it may have";
            return Err(Box::new(refusal(Status::SERVICE_UNAVAILABLE, why)));
        };
        let watch = self.places.get(index);
        Ok(watch.and_then(|(_, watch)| channels.hub().tail(watch)))
    }

    fn register(
        &mut self,
        channel: &Arc<str>,
        wish: Wish,
        later: Asker,
        channels: &mut Channels,
        now: Now,
    ) {
        let room = self.shared.machine().check_room(channel);
        if let Err(full) = room {
            later.send(match full {
                Full::Channel => refusal(
                    Status::CONFLICT,
                    "this channel has as many webhooks as it may have",
                ),
                Full::All => refusal(
                    Status::SERVICE_UNAVAILABLE,
                    "there are as many webhooks as there may be",
                ),
            });
            return;
        }
        match self.tail(channels, channel) {
            Err(response) => later.send(*response),
            Ok(Some(cursor)) => self.add(channel, wish, cursor, later, now),
            #[cfg(feature = "backend")]
            Ok(None) => self
                .keeper
                .ask_tail(channels, Arc::clone(channel), wish, later),
            #[cfg(not(feature = "backend"))]
            Ok(None) => {}
        }
        self.unwatch(channels, channel);
    }

    /// Adds a subscription that begins behind `cursor`.
    pub(super) fn add(
        &mut self,
        channel: &Arc<str>,
        wish: Wish,
        cursor: Id,
        later: Asker,
        now: Now,
    ) {
        let Wish::Register {
            url,
            target,
            format,
            secret,
        } = wish
        else {
            return;
        };
        let id: Option<[u8; 12]> = self.shared.machine().random.bytes().ok();
        let (Some(id), Some(secret)) = (id, secret.or_else(|| self.new_secret())) else {
            later.send(no_randomness());
            return;
        };
        let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
        let id: Box<str> = format!("wh_{id}").into();
        let mut body = Vec::new();
        let mut object = Object::begin(&mut body);
        object.text("id", &id);
        object.text("url", &url);
        object.text("secret", &secret.reveal());
        object.end();
        let subscription =
            dispatcher::subscription(id, channel, (&*url, *target), format, secret, cursor);
        self.shared.machine().add(subscription, true, now);
        self.keeper.answer(later, json(body).status(201));
    }

    fn resume_now(
        &mut self,
        channel: Arc<str>,
        id: Box<str>,
        later: Asker,
        channels: &mut Channels,
    ) {
        match self.tail(channels, &channel) {
            Err(response) => later.send(*response),
            Ok(Some(cursor)) => self.resume_behind(&channel, &id, cursor, later),
            #[cfg(feature = "backend")]
            Ok(None) => {
                let wish = Wish::Change {
                    id,
                    state: State::Active,
                    from_now: true,
                };
                self.keeper.ask_tail(channels, channel, wish, later);
            }
            #[cfg(not(feature = "backend"))]
            Ok(None) => {}
        }
    }

    pub(super) fn resume_behind(&mut self, channel: &str, id: &str, cursor: Id, later: Asker) {
        self.shared.machine().resume(channel, id, Some(cursor));
        let response = self.show(channel, id);
        self.keeper.answer(later, response);
    }
}

fn json(body: Vec<u8>) -> Response {
    Response::bytes("application/json", body).header("Cache-Control", "no-store")
}

fn nowhere(id: &str) -> Response {
    refusal(
        Status::NOT_FOUND,
        &format!("this channel has no webhook {id}"),
    )
}

fn no_randomness() -> Response {
    let why = "the system has no randomness to give";
    refusal(Status::INTERNAL_SERVER_ERROR, why)
}

/// What outlives the process.
impl Webhooks {
    #[cfg(not(feature = "backend"))]
    fn keep(&mut self, _channels: &mut Channels) {
        self.shared.machine().take_changes();
        self.keeper.answer_all();
    }

    #[cfg(feature = "backend")]
    fn keep(&mut self, channels: &mut Channels) {
        if self.keeper.is_busy() {
            return;
        }
        let mut machine = self.shared.machine();
        if machine.has_changes() || self.keeper.has_answers() {
            let changes = machine.take_changes();
            drop(machine);
            self.keeper.keep(channels, changes);
        }
    }

    /// Reads what an earlier life has left, once.
    #[cfg(feature = "backend")]
    fn begin_keeping(&mut self, channels: &mut Channels, now: Now) {
        self.due = self.keeper.begin(channels, now);
    }

    /// The backend has said something to a ticket of these webhooks.
    #[cfg(feature = "backend")]
    pub(crate) fn told(&mut self, news: crate::backend::News, channels: &mut Channels, now: Now) {
        use super::keeper::Told;
        channels.catch_up();
        match self.keeper.told(news, channels, now) {
            Told::Nothing => {}
            Told::Notes(notes) => {
                for note in notes {
                    if let Some(kept) = super::subscription::Subscription::from_note(&note) {
                        self.shared.machine().add(kept, false, now);
                    }
                }
            }
            Told::Page(key, page) => self.take_page(key, page, channels, now),
            Told::Tail(channel, wish, later, Some(tail)) => {
                if let Some(index) = self.watch(channels, &channel) {
                    if let Some((_, watch)) = self.places.get(index) {
                        channels.joins(watch, tail);
                    }
                }
                match wish {
                    Wish::Change { id, .. } => self.resume_behind(&channel, &id, tail, later),
                    wish => self.add(&channel, wish, tail, later, now),
                }
            }
            Told::Tail(_, _, later, None) => {
                let away = refusal(
                    Status::SERVICE_UNAVAILABLE,
                    "the channel can't be read at the moment",
                );
                later.send(away.header("Retry-After", "1"));
            }
            Told::Lost => self.shared.machine().forget_all(),
            Told::Unkept => self.shared.machine().events.push(Event::Unkept),
        }
        // It may be that more has changed meanwhile.
        self.due = 0;
    }

    #[cfg(feature = "backend")]
    fn take_page(
        &mut self,
        key: Key,
        page: Option<Arc<crate::backend::Page>>,
        channels: &mut Channels,
        now: Now,
    ) {
        let asked = self.shared.machine().asked(key);
        let Some((channel, cursor)) = asked else {
            return;
        };
        let found = match page {
            None => Found::Unreadable,
            Some(page) if page.gap => Found::Gap(page.after),
            Some(page) => match page.records.first() {
                Some(record) if record.id > cursor => Found::Message(record.clone()),
                _ => {
                    if let Some(index) = self.watch(channels, &channel) {
                        if let Some((_, watch)) = self.places.get(index) {
                            channels.joins(watch, page.through);
                        }
                    }
                    return self.shared.machine().read_again(key);
                }
            },
        };
        self.shared.machine().found(key, found, now);
    }
}
