//! All routes of a server, and which of them a request is for.
//!
//! Routes are looked at from the most literal pattern to the least, whatever the order in which they were added, so that
//! `/rooms/new` is found in front of `/rooms/{name}`. Where the path is there but the method is not, the answer says which
//! methods are (405 with `Allow`, RFC 9110 15.5.6); OPTIONS says the same without being asked for more. HEAD is answered by
//! GET's route (9.3.2).
//!
//! A pattern that can never be found, or that another one hides, is kept as the router's problem and becomes the error with which
//! the server refuses to run: a route is written once and missed for ever.

use super::pattern::Pattern;
use super::reply::Reply;
use super::request::Request;
use super::websocket::WebSocketRoute;
use crate::http::{RequestHead, Version};
use crate::ws::handshake;

pub(crate) type Handler = Box<dyn FnMut(&Request<'_>, Reply<'_>) + Send>;

/// The methods that this server knows; others get 501 (RFC 9110 9.1). CONNECT is for proxies (9.3.6): no resource
/// of a server that is none could answer it, which is what 501 says.
const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE",
];

/// What a channel's URL answers to.
const CHANNEL_METHODS: [&str; 3] = ["GET", "HEAD", "POST"];

pub(crate) struct Route {
    pub(crate) pattern: Pattern,
    pub(crate) endpoint: Endpoint,
}

pub(crate) enum Endpoint {
    Handler {
        method: Box<str>,
        handler: Handler,
    },
    /// Which of [`Router::sockets`].
    WebSocket(usize),
    Channels,
}

/// The routes, in the order in which they were added: their indices stay.
#[derive(Default)]
pub(crate) struct Router {
    routes: Vec<Route>,
    /// The order in which they are tried: the more literal first.
    order: Vec<usize>,
    sockets: Vec<WebSocketRoute>,
    /// What was wrong with the first route that was refused.
    pub(crate) problem: Option<String>,
}

/// What a request is for. Routes are named by their index.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Handler(usize),
    WebSocket(usize),
    Channel(usize),
    /// OPTIONS: the methods that the path answers to.
    Options {
        allowed: String,
        channel: bool,
    },
    /// The path is only there as a WebSocket.
    UpgradeRequired,
    /// The path is there, but not for this method; these are the ones it answers to.
    MethodNotAllowed(String),
    /// Nobody here knows this method.
    UnknownMethod,
    /// There is no such path.
    Nowhere,
}

impl Router {
    /// Adds a route. A pattern that makes no sense is remembered and told when the server is to run.
    pub(crate) fn add(&mut self, path: &str, endpoint: Endpoint) -> usize {
        let pattern = Pattern::parse(path).and_then(|pattern| match endpoint {
            Endpoint::Channels if pattern.parameters() != 1 => Err(format!(
                "{path:?} has to have one parameter: the channel's name"
            )),
            _ => Ok(pattern),
        });
        let pattern = pattern.and_then(|pattern| match self.has(&pattern, &endpoint) {
            true => Err(format!("{path:?} is there twice for the same requests")),
            false => Ok(pattern),
        });
        let pattern = pattern.unwrap_or_else(|why| {
            self.problem.get_or_insert(why);
            // Nothing matches it, but what is set up on the route has a place.
            Pattern::nowhere()
        });
        let index = self.routes.len();
        let rank = pattern.rank();
        let place = self
            .order
            .partition_point(|&index| self.routes[index].pattern.rank() <= rank);
        self.order.insert(place, index);
        self.routes.push(Route { pattern, endpoint });
        index
    }

    /// Adds a WebSocket route, and gives it back to be refined.
    pub(crate) fn add_socket(&mut self, path: &str, route: WebSocketRoute) -> &mut WebSocketRoute {
        let index = self.sockets.len();
        self.sockets.push(route);
        self.add(path, Endpoint::WebSocket(index));
        &mut self.sockets[index]
    }

    pub(crate) fn socket(&self, index: usize) -> Option<&WebSocketRoute> {
        self.sockets.get(index)
    }

    pub(crate) fn socket_mut(&mut self, index: usize) -> Option<&mut WebSocketRoute> {
        self.sockets.get_mut(index)
    }

    /// Whether a route takes all that another one of this pattern would.
    fn has(&self, pattern: &Pattern, endpoint: &Endpoint) -> bool {
        self.routes.iter().any(|route| {
            let same = match (&route.endpoint, endpoint) {
                (Endpoint::Handler { method: a, .. }, Endpoint::Handler { method: b, .. }) => {
                    a == b
                }
                (Endpoint::WebSocket(_), Endpoint::WebSocket(_)) => true,
                (Endpoint::Channels, Endpoint::Channels) => true,
                _ => false,
            };
            same && route.pattern == *pattern
        })
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Route> {
        self.routes.get(index)
    }

    /// What a route is called in errors: the method, and the pattern as the program wrote it.
    pub(crate) fn name(&self, index: usize) -> String {
        match self.routes.get(index) {
            Some(Route { pattern, endpoint }) => match endpoint {
                Endpoint::Handler { method, .. } => format!("{method} {pattern}"),
                _ => pattern.to_string(),
            },
            None => String::new(),
        }
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut Route> {
        self.routes.get_mut(index)
    }

    /// Which route a request is for.
    pub(crate) fn find(&self, head: &RequestHead<'_>) -> Found {
        let (method, path) = (head.method(), head.uri().path());
        let is_known = METHODS.contains(&method)
            || self
                .routes
                .iter()
                .any(|route| matches!(&route.endpoint, Endpoint::Handler { method: own, .. } if **own == *method));
        if !is_known {
            return Found::UnknownMethod;
        }
        if path == "*" {
            return Found::Options {
                allowed: METHODS[..7].join(", "),
                channel: false,
            };
        }
        let upgrade = asks_for_socket(head);
        let matching = || {
            let routes = self.order.iter().map(|&index| (index, &self.routes[index]));
            routes.filter(|(_, route)| route.pattern.matches(path))
        };
        for (index, route) in matching() {
            match &route.endpoint {
                Endpoint::WebSocket(_) if upgrade => return Found::WebSocket(index),
                Endpoint::Channels if CHANNEL_METHODS.contains(&method) => {
                    return Found::Channel(index);
                }
                Endpoint::Handler { method: own, .. } if serves(own, method) && !upgrade => {
                    return Found::Handler(index);
                }
                _ => {}
            }
        }
        // An upgrade may be ignored (RFC 9110 7.8): a plain GET of the same path is the next best answer.
        for (index, route) in matching() {
            if matches!(&route.endpoint, Endpoint::Handler { method: own, .. } if serves(own, method))
            {
                return Found::Handler(index);
            }
        }
        let (mut allowed, mut sockets, mut found) = (Vec::new(), false, false);
        let mut channel = false;
        for (_, route) in matching() {
            found = true;
            match &route.endpoint {
                Endpoint::Handler { method, .. } => allowed.push(&**method),
                Endpoint::WebSocket(_) => sockets = true,
                Endpoint::Channels => {
                    channel = true;
                    allowed.extend(CHANNEL_METHODS);
                }
            }
        }
        if !found {
            return Found::Nowhere;
        }
        if sockets || allowed.contains(&"GET") {
            allowed.extend(["GET", "HEAD"]);
        }
        allowed.push("OPTIONS");
        // In the order of the methods that everybody knows, then those that only this program does.
        allowed.sort_unstable();
        allowed.dedup();
        let known = METHODS.into_iter().filter(|known| allowed.contains(known));
        let others = allowed.iter().filter(|method| !METHODS.contains(method));
        let allowed: Vec<&str> = known.chain(others.copied()).collect();
        match method {
            "OPTIONS" => Found::Options {
                allowed: allowed.join(", "),
                channel,
            },
            "GET" | "HEAD" if sockets => Found::UpgradeRequired,
            _ => Found::MethodNotAllowed(allowed.join(", ")),
        }
    }
}

/// Whether a request offers to become a WebSocket. In HTTP/1.0 an upgrade is as if it were not there (RFC 9110 7.8).
pub(crate) fn asks_for_socket(head: &RequestHead<'_>) -> bool {
    head.method() == "GET" && head.version() == Version::Http11 && handshake::is_upgrade(head)
}

/// A handler for GET serves HEAD too (RFC 9110 9.3.2).
fn serves(own: &str, method: &str) -> bool {
    own == method || (own == "GET" && method == "HEAD")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::HeadLimits;

    fn router() -> Router {
        let mut router = Router::default();
        for (method, path) in [
            ("GET", "/"),
            ("POST", "/"),
            ("DELETE", "/x"),
            ("GET", "/both"),
        ] {
            let handler: Handler = Box::new(|_, reply| reply.status(204));
            router.add(
                path,
                Endpoint::Handler {
                    method: method.into(),
                    handler,
                },
            );
        }
        for path in ["/socket", "/both"] {
            router.add_socket(path, WebSocketRoute::new(Box::new(|_, _| {})));
        }
        router.add("/channels/{name}", Endpoint::Channels);
        router
    }

    fn find(request: &str) -> Found {
        let upgrade = if request.ends_with('+') {
            "Upgrade: websocket\r\n"
        } else {
            ""
        };
        let line = request.trim_end_matches('+');
        let head = format!("{line} HTTP/1.1\r\nHost: a\r\n{upgrade}\r\n");
        router().find(&RequestHead::parse(head.as_bytes(), &HeadLimits::default()).unwrap())
    }

    #[test]
    fn method_and_path_decide() {
        assert!(matches!(find("GET /"), Found::Handler(_)));
        assert!(matches!(find("HEAD /?a=b"), Found::Handler(_)));
        assert!(matches!(find("POST /"), Found::Handler(_)));
        assert!(matches!(find("POST /channels/a"), Found::Channel(_)));
        assert!(matches!(find("GET /channels/a+"), Found::Channel(_)));
        assert_eq!(find("GET /nowhere"), Found::Nowhere);
        assert_eq!(find("BREW /"), Found::UnknownMethod);
        assert_eq!(find("CONNECT a:80"), Found::UnknownMethod);
    }

    #[test]
    fn a_wrong_method_is_told_the_right_ones() {
        assert_eq!(
            find("PUT /"),
            Found::MethodNotAllowed("GET, HEAD, POST, OPTIONS".into())
        );
        assert_eq!(
            find("GET /x"),
            Found::MethodNotAllowed("DELETE, OPTIONS".into())
        );
        assert_eq!(
            find("DELETE /channels/a"),
            Found::MethodNotAllowed("GET, HEAD, POST, OPTIONS".into())
        );
        let allowed = "DELETE, OPTIONS".into();
        assert_eq!(
            find("OPTIONS /x"),
            Found::Options {
                allowed,
                channel: false
            }
        );
        assert!(matches!(
            find("OPTIONS /channels/a"),
            Found::Options { channel: true, .. }
        ));
        assert!(matches!(find("OPTIONS *"), Found::Options { .. }));
    }

    #[test]
    fn a_path_can_be_a_page_and_a_socket() {
        assert!(matches!(find("GET /both+"), Found::WebSocket(_)));
        assert!(matches!(find("GET /both"), Found::Handler(_)));
        assert!(matches!(find("GET /socket+"), Found::WebSocket(_)));
        assert_eq!(find("GET /socket"), Found::UpgradeRequired);
        assert!(matches!(find("GET /+"), Found::Handler(_)));
    }

    #[test]
    fn a_pattern_that_makes_no_sense_is_remembered() {
        let mut router = router();
        router.add("/channels", Endpoint::Channels);
        router.add("nonsense", Endpoint::Channels);
        router.add("/channels/{name}", Endpoint::Channels);
        assert!(
            router
                .problem
                .unwrap()
                .contains("\"/channels\" has to have one parameter")
        );
    }

    #[test]
    fn a_route_that_is_there_twice_is_a_problem_and_another_method_is_not() {
        let mut router = router();
        let handler = || -> Handler { Box::new(|_, reply| reply.status(204)) };
        router.add(
            "/x",
            Endpoint::Handler {
                method: "GET".into(),
                handler: handler(),
            },
        );
        assert_eq!(router.problem, None);
        router.add(
            "/x",
            Endpoint::Handler {
                method: "GET".into(),
                handler: handler(),
            },
        );
        assert!(router.problem.unwrap().contains("twice"));
    }
}
