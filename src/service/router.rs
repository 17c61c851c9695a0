//! All routes of a server, and which of them a request is for.
//!
//! Routes are looked at from the most literal pattern to the least, whatever the order in which they were added, so that
//! `/rooms/new` is found in front of `/rooms/{name}`. Where the path is there but the method is not, the answer says which
//! methods are (405 with `Allow`, RFC 9110 15.5.6); OPTIONS says the same without being asked for more. HEAD is answered by
//! GET's route (9.3.2).
//!
//! A pattern that can never be found, or that another one hides, is kept as the router's problem and becomes the error with which
//! the server refuses to run: a route is written once and missed for ever.

use super::channel_route::ChannelRoute;
use super::pattern::Pattern;
use super::reply::Reply;
use super::request::Request;
use super::websocket::WebSocketRoute;
use crate::http::{FieldName, RequestHead, Version};
use crate::ws::handshake;

pub(crate) type Handler = Box<dyn FnMut(&Request<'_>, Reply<'_>) + Send>;

/// The methods that this server knows; others get 501 (RFC 9110 9.1). CONNECT is for proxies (9.3.6): no resource
/// of a server that is none could answer it, which is what 501 says.
const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE",
];

/// What a channel's URL answers to; the last one, which publishes, not where the channels are read-only.
const CHANNEL_METHODS: [&str; 3] = ["GET", "HEAD", "POST"];

pub(crate) struct Route {
    pub(crate) pattern: Pattern,
    pub(crate) endpoint: Endpoint,
}

pub(crate) enum Endpoint {
    Handler {
        method: Box<str>,
        handler: Handler,
        pages: Pages,
    },
    /// Which of [`Router::sockets`].
    WebSocket(usize),
    /// Which of [`Router::channels`].
    Channels(usize),
    /// GET: what the server says of itself.
    Report(Report),
}

/// What pages of other origins may do with a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(all(feature = "webhook", feature = "client")), allow(dead_code))]
pub(crate) enum Pages {
    /// As the handler says: it is the program's.
    Program,
    /// Those that are allowed by name may read its answers, as a channel's.
    Read,
    /// The same, and no others may ask anything of it, as with publishing.
    Change,
}

/// What a server says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// Whether it works.
    Health,
    /// What was counted.
    Metrics,
}

impl Route {
    /// Its place in the order: the more literal first, and a handler of HEAD before that of GET, which would answer HEAD
    /// too.
    fn rank(&self) -> (Vec<u8>, bool) {
        let is_head =
            matches!(&self.endpoint, Endpoint::Handler { method, .. } if **method == *"HEAD");
        (self.pattern.rank(), !is_head)
    }
}

impl Endpoint {
    /// Whether one of the two would take requests of the same paths from the other: which one would be a matter of order.
    fn rivals(&self, other: &Endpoint) -> bool {
        match (self, other) {
            (Endpoint::Handler { method: a, .. }, Endpoint::Handler { method: b, .. }) => a == b,
            (Endpoint::Handler { method, .. }, Endpoint::Channels(_))
            | (Endpoint::Channels(_), Endpoint::Handler { method, .. }) => {
                CHANNEL_METHODS.contains(&&**method)
            }
            (Endpoint::Handler { method, .. }, Endpoint::Report(_))
            | (Endpoint::Report(_), Endpoint::Handler { method, .. }) => **method == *"GET",
            // An upgrade is for the socket, and any other GET for the page.
            (Endpoint::Handler { .. } | Endpoint::Report(_), Endpoint::WebSocket(_))
            | (Endpoint::WebSocket(_), Endpoint::Handler { .. } | Endpoint::Report(_)) => false,
            (
                Endpoint::WebSocket(_) | Endpoint::Channels(_),
                Endpoint::WebSocket(_) | Endpoint::Channels(_),
            )
            | (Endpoint::Report(_), Endpoint::Channels(_) | Endpoint::Report(_))
            | (Endpoint::Channels(_), Endpoint::Report(_)) => true,
        }
    }
}

/// Looks whether requests of a method can come to a handler. Methods are case-sensitive (RFC 9110 9.1).
fn check_method(method: &str) -> Result<(), String> {
    let capitals = method.to_ascii_uppercase();
    if FieldName::new(method).is_err() {
        return Err(format!("{method:?} is not a method, which is a token"));
    }
    if method == "CONNECT" {
        return Err("CONNECT asks for a proxy and has no path (RFC 9110 9.3.6)".into());
    }
    if method != capitals && METHODS.contains(&&*capitals) {
        return Err(format!(
            "{method:?} is not {capitals:?}: methods are case-sensitive"
        ));
    }
    Ok(())
}

/// The routes, in the order in which they were added: their indices stay.
#[derive(Default)]
pub(crate) struct Router {
    routes: Vec<Route>,
    /// The order in which they are tried: the more literal first.
    order: Vec<usize>,
    sockets: Vec<WebSocketRoute>,
    channels: Vec<ChannelRoute>,
    /// What was wrong with the first route that was refused.
    problem: Option<String>,
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
        /// Whether pages that are allowed by name are told so: a channel, or a handler whose answers they may read.
        shared: bool,
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
    /// Adds a route. An invalid one is remembered, and is an error when the server is to run.
    pub(crate) fn add(&mut self, path: &str, endpoint: Endpoint) -> usize {
        let pattern = self.check(path, &endpoint).unwrap_or_else(|why| {
            self.problem.get_or_insert(why);
            // Nothing matches it, but what is set up on the route has a place.
            Pattern::nowhere()
        });
        let index = self.routes.len();
        let route = Route { pattern, endpoint };
        let rank = route.rank();
        let place = self
            .order
            .partition_point(|&index| self.routes[index].rank() <= rank);
        self.order.insert(place, index);
        self.routes.push(route);
        index
    }

    /// Reads the pattern of a route, and looks whether the route can ever be found.
    fn check(&self, path: &str, endpoint: &Endpoint) -> Result<Pattern, String> {
        let pattern = Pattern::parse(path)?;
        match endpoint {
            Endpoint::Channels(_) if pattern.parameters() != 1 => {
                return Err(format!(
                    "{path:?} has to have one parameter: the channel's name"
                ));
            }
            Endpoint::Handler { method, .. } => {
                check_method(method).map_err(|why| format!("{path:?}: {why}"))?;
            }
            _ => {}
        }
        let rival = self.routes.iter().position(|route| {
            route.endpoint.rivals(endpoint) && route.pattern.takes_the_same(&pattern)
        });
        match rival {
            Some(rival) => Err(format!(
                "{path:?} takes the same requests as {:?}, which is there already",
                self.name(rival)
            )),
            None => Ok(pattern),
        }
    }

    /// The first thing that is wrong with the routes, in words for the programmer who wrote them.
    pub(crate) fn problem(&self) -> Option<String> {
        let protocols = self.sockets.iter().flat_map(|socket| &socket.protocols);
        let mut invalid = protocols.filter(|name| FieldName::new(name).is_err());
        let invalid = || {
            invalid.next().map(|name| {
                format!("{name:?} can't be a subprotocol: that is a token (RFC 6455 4.1)")
            })
        };
        self.problem.clone().or_else(invalid)
    }

    /// Adds a WebSocket route, and gives it back to be refined.
    pub(crate) fn add_socket(&mut self, path: &str, route: WebSocketRoute) -> &mut WebSocketRoute {
        let index = self.sockets.len();
        self.sockets.push(route);
        self.add(path, Endpoint::WebSocket(index));
        &mut self.sockets[index]
    }

    /// Adds a route of channels, and gives it back to be refined.
    pub(crate) fn add_channels(&mut self, path: &str) -> &mut ChannelRoute {
        let index = self.channels.len();
        self.channels.push(ChannelRoute::default());
        self.add(path, Endpoint::Channels(index));
        &mut self.channels[index]
    }

    /// The channels' route with this index among all routes.
    pub(crate) fn channels(&self, index: usize) -> Option<&ChannelRoute> {
        match self.get(index)?.endpoint {
            Endpoint::Channels(channels) => self.channels.get(channels),
            _ => None,
        }
    }

    /// What the URLs of these channels answer to.
    fn channel_methods(&self, channels: usize) -> &'static [&'static str] {
        match self.channels.get(channels) {
            Some(ChannelRoute { read_only: true }) => &CHANNEL_METHODS[..2],
            _ => &CHANNEL_METHODS,
        }
    }

    pub(crate) fn socket(&self, index: usize) -> Option<&WebSocketRoute> {
        self.sockets.get(index)
    }

    pub(crate) fn socket_mut(&mut self, index: usize) -> Option<&mut WebSocketRoute> {
        self.sockets.get_mut(index)
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Route> {
        self.routes.get(index)
    }

    /// What a route is called in errors: the method, and the pattern as the program wrote it.
    pub(crate) fn name(&self, index: usize) -> String {
        match self.routes.get(index) {
            Some(Route { pattern, endpoint }) => match endpoint {
                Endpoint::Handler { method, .. } => format!("{method} {pattern}"),
                Endpoint::Report(_) => format!("GET {pattern}"),
                _ => pattern.to_string(),
            },
            None => String::new(),
        }
    }

    /// What pages of other origins may do with a handler.
    pub(crate) fn pages(&self, index: usize) -> Pages {
        match self.routes.get(index).map(|route| &route.endpoint) {
            Some(Endpoint::Handler { pages, .. }) => *pages,
            _ => Pages::Program,
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
                shared: false,
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
                Endpoint::Channels(channels)
                    if self.channel_methods(*channels).contains(&method) =>
                {
                    return Found::Channel(index);
                }
                Endpoint::Handler { method: own, .. } if serves(own, method) && !upgrade => {
                    return Found::Handler(index);
                }
                Endpoint::Report(_) if serves("GET", method) && !upgrade => {
                    return Found::Handler(index);
                }
                _ => {}
            }
        }
        // An upgrade may be ignored (RFC 9110 7.8): a plain GET of the same path is the next best answer.
        for (index, route) in matching() {
            let own = match &route.endpoint {
                Endpoint::Handler { method, .. } => method,
                Endpoint::Report(_) => "GET",
                _ => continue,
            };
            if serves(own, method) {
                return Found::Handler(index);
            }
        }
        let (mut allowed, mut sockets, mut found) = (Vec::new(), false, false);
        let mut shared = false;
        for (_, route) in matching() {
            found = true;
            match &route.endpoint {
                Endpoint::Handler { method, pages, .. } => {
                    allowed.push(&**method);
                    shared |= *pages != Pages::Program;
                }
                Endpoint::Report(_) => allowed.push("GET"),
                Endpoint::WebSocket(_) => sockets = true,
                Endpoint::Channels(channels) => {
                    shared = true;
                    allowed.extend(self.channel_methods(*channels));
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
                shared,
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
                    pages: Pages::Program,
                },
            );
        }
        for path in ["/socket", "/both"] {
            router.add_socket(path, WebSocketRoute::new(Box::new(|_, _| {})));
        }
        router.add_channels("/channels/{name}");
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
                shared: false
            }
        );
        assert!(matches!(
            find("OPTIONS /channels/a"),
            Found::Options { shared: true, .. }
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
        router.add_channels("/channels");
        router.add_channels("nonsense");
        router.add_channels("/channels/{name}");
        let problem = router.problem().unwrap();
        assert!(problem.contains("\"/channels\" has to have one parameter"));
    }

    fn handle(router: &mut Router, method: &str, path: &str) -> usize {
        let endpoint = Endpoint::Handler {
            method: method.into(),
            handler: Box::new(|_, reply| reply.status(204)),
            pages: Pages::Program,
        };
        router.add(path, endpoint)
    }

    #[test]
    fn a_route_that_would_take_anothers_requests_is_a_problem_that_names_both() {
        type Add = fn(&mut Router);
        let get: Add = |router| _ = handle(router, "GET", "/a/{b}");
        let renamed: Add = |router| _ = handle(router, "GET", "/a/{c}");
        let head: Add = |router| _ = handle(router, "HEAD", "/a/{c}");
        let delete: Add = |router| _ = handle(router, "DELETE", "/a/{b}");
        let literal: Add = |router| _ = handle(router, "GET", "/a/b");
        let rest: Add = |router| _ = handle(router, "GET", "/a/{*b}");
        let channels: Add = |router| _ = router.add_channels("/a/{name}");
        let socket: Add = |router| {
            router.add_socket("/a/{b}", WebSocketRoute::new(Box::new(|_, _| {})));
        };
        for (routes, problem) in [
            (vec![get, head, delete, literal, rest, socket], None),
            (vec![channels, delete, literal, rest], None),
            (vec![get, get], Some(("\"/a/{b}\"", "\"GET /a/{b}\""))),
            (vec![get, renamed], Some(("\"/a/{c}\"", "\"GET /a/{b}\""))),
            (
                vec![get, channels],
                Some(("\"/a/{name}\"", "\"GET /a/{b}\"")),
            ),
            (vec![channels, head], Some(("\"/a/{c}\"", "\"/a/{name}\""))),
            (
                vec![channels, socket],
                Some(("\"/a/{b}\"", "\"/a/{name}\"")),
            ),
            (vec![socket, socket], Some(("\"/a/{b}\"", "\"/a/{b}\""))),
            (
                vec![channels, channels],
                Some(("\"/a/{name}\"", "\"/a/{name}\"")),
            ),
        ] {
            let mut router = Router::default();
            routes.into_iter().for_each(|add| add(&mut router));
            let why = problem.map(|(new, old)| {
                format!("{new} takes the same requests as {old}, which is there already")
            });
            assert_eq!(router.problem(), why);
        }
    }

    #[test]
    fn a_method_that_no_client_sends_is_a_problem() {
        for (method, why) in [
            ("get", "is not \"GET\""),
            ("Post", "is not \"POST\""),
            ("GET ", "token"),
            ("", "token"),
            ("CONNECT", "proxy"),
        ] {
            let mut router = Router::default();
            handle(&mut router, method, "/x");
            let problem = router.problem().unwrap();
            assert!(
                problem.starts_with("\"/x\": ") && problem.contains(why),
                "{problem}"
            );
        }
        let mut router = Router::default();
        for method in ["GET", "PROPFIND", "brew", "M-SEARCH"] {
            handle(&mut router, method, "/x");
        }
        assert_eq!(router.problem(), None);
    }

    #[test]
    fn a_subprotocol_that_no_client_can_offer_is_a_problem() {
        let mut router = router();
        router
            .add_socket("/s", WebSocketRoute::new(Box::new(|_, _| {})))
            .protocols(&["chat", "a b"]);
        assert!(
            router
                .problem()
                .unwrap()
                .contains("\"a b\" can't be a subprotocol")
        );
    }

    #[test]
    fn a_handler_of_head_goes_before_that_of_get_in_either_order() {
        let head = b"HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n";
        let head = RequestHead::parse(head, &HeadLimits::default()).unwrap();
        for methods in [["GET", "HEAD"], ["HEAD", "GET"]] {
            let mut router = Router::default();
            let indices = methods.map(|method| (method, handle(&mut router, method, "/x")));
            let (_, own) = indices
                .into_iter()
                .find(|(method, _)| *method == "HEAD")
                .unwrap();
            assert_eq!(router.find(&head), Found::Handler(own));
        }
    }
}
