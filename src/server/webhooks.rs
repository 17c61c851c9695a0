//! Webhooks on a server's loop.

use std::sync::Arc;

use super::{Cores, Server};
use crate::error::{Error, Result};
use crate::service::{Endpoint, Pages};
use crate::webhook::{Action, Options, Shared, Subscriptions, Webhooks, parameter, take};

impl Server {
    /// Serves webhooks: whoever may (see [`Server::authorize`]) has what is published in a channel sent to a URL. `path` has
    /// one parameter, the channel's name. To be called behind [`Server::limits`] and `Server::store`, if there is a store: with
    /// one, subscriptions and their places outlive the process.
    ///
    /// | request | answer |
    /// | --- | --- |
    /// | `POST path` with `{"url":".."}`, and perhaps `"secret"` and `"format"` | 201 and `{"id","url","secret"}` |
    /// | `GET path` | 200 and a list without secrets |
    /// | `GET path/ID` | 200 and one of them, with its last tries |
    /// | `PATCH path/ID` with `{"state":"paused"}` or `{"state":"active","from":"here"}` | 200 |
    /// | `POST path/ID/secret` | 200 and a new secret, beside which the old one signs for a day |
    /// | `DELETE path/ID` | 204 |
    ///
    /// ```
    /// use barewire::webhook::Options;
    /// # let mut server = barewire::Server::bind("127.0.0.1:0")?;
    /// server.channels("/channels/{name}");
    /// server.webhooks("/channels/{name}/webhooks", Options::default())?;
    /// # Ok::<(), barewire::Error>(())
    /// ```
    ///
    /// # Errors
    /// There are webhooks already, or this is one of several loops ([`Cores::webhooks`]).
    pub fn webhooks(&mut self, path: &str, options: Options) -> Result<&mut Server> {
        if self.feed().is_some_and(|(feed, _)| feed.loops() > 1) {
            return Err(Error::Route(
                "webhooks of several loops are theirs to share: see Cores::webhooks".into(),
            ));
        }
        let shared = share(options);
        self.deliver(&shared)?;
        self.mount(path, &shared);
        Ok(self)
    }

    /// The subscriptions of [`Server::webhooks`] or [`Cores::webhooks`], to be made and changed by the program itself; `None` if this
    /// server delivers none.
    pub fn subscriptions(&self) -> Option<Subscriptions> {
        let webhooks = self.event_loop.protocol().webhooks.as_ref()?;
        Some(webhooks.subscriptions())
    }

    fn deliver(&mut self, shared: &Arc<Shared>) -> Result<()> {
        let mailbox = self.event_loop.mailbox();
        let webhooks = &mut self.event_loop.protocol_mut().webhooks;
        if webhooks.is_some() {
            return Err(Error::Route("there are webhooks already".into()));
        }
        shared.be_woken_through(mailbox);
        *webhooks = Some(Box::new(Webhooks::new(Arc::clone(shared))));
        Ok(())
    }

    fn mount(&mut self, path: &str, shared: &Arc<Shared>) {
        let name: Box<str> = parameter(path).unwrap_or_default().into();
        for (action, method, rest) in Action::ALL {
            let (shared, name) = (Arc::clone(shared), name.clone());
            let endpoint = Endpoint::Handler {
                method: method.into(),
                handler: Box::new(move |request, reply| {
                    take(&shared, action, &name, request, reply);
                }),
                pages: match method {
                    "GET" => Pages::Read,
                    _ => Pages::Change,
                },
            };
            self.service()
                .router
                .add(&format!("{path}{rest}"), endpoint);
        }
    }
}

impl Cores {
    /// As [`Server::webhooks`]: every loop takes requests, and the first one delivers.
    ///
    /// # Errors
    /// As [`Server::webhooks`].
    pub fn webhooks(&mut self, path: &str, options: Options) -> Result<()> {
        let shared = share(options);
        for (place, server) in self.servers().iter_mut().enumerate() {
            if place == 0 {
                server.deliver(&shared)?;
            }
            server.mount(path, &shared);
        }
        Ok(())
    }
}

#[cfg_attr(not(feature = "tls"), allow(unused_mut))]
fn share(mut options: Options) -> Arc<Shared> {
    // A system without authorities can still deliver to http; every try to https says what is wrong.
    #[cfg(feature = "tls")]
    if options.tls.is_none() {
        options.tls = crate::net::tls::ClientTls::system().ok();
    }
    Arc::new(Shared::new(options))
}
