//! Paths to endpoints.
//!
//! A pattern is a path whose segments are literal, `{name}` (one segment), or, at the end, `{*name}` (all that is
//! left). What other routers write in other ways (`:name`, `*`, `<name>`, `{name...}`) is refused, and so is what no
//! client asks for: such a route would be there and never be found. Where several patterns match a path, literal segments win over `{name}`, and `{name}` over `{*name}`,
//! from the left.

use std::borrow::Cow;
use std::fmt;

use crate::http::percent_decode;

/// A path with parameters, as a route was given it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Literal(Box<str>),
    Parameter(Box<str>),
    Rest(Box<str>),
}

/// As the program wrote it.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.segments.iter().try_for_each(|segment| match segment {
            Segment::Literal(text) => write!(f, "/{text}"),
            Segment::Parameter(name) => write!(f, "/{{{name}}}"),
            Segment::Rest(name) => write!(f, "/{{*{name}}}"),
        })
    }
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it, in words for the programmer who wrote it.
    pub(super) fn parse(pattern: &str) -> Result<Pattern, String> {
        let wrong = |why: &str| Err(format!("{pattern:?} {why}"));
        let Some(path) = pattern.strip_prefix('/') else {
            return wrong("does not begin with a slash");
        };
        let mut segments: Vec<Segment> = Vec::new();
        for segment in path.split('/') {
            if let Some(why) = foreign(segment) {
                return wrong(&format!("has a segment {segment:?}: {why}"));
            }
            if matches!(segments.last(), Some(Segment::Rest(_))) {
                return wrong("has something behind a parameter that takes the rest of the path");
            }
            let inner = segment
                .strip_prefix('{')
                .and_then(|inner| inner.strip_suffix('}'));
            let segment = match inner {
                Some(inner) => match inner.strip_prefix('*') {
                    Some(name) => Segment::Rest(name.into()),
                    None => Segment::Parameter(inner.into()),
                },
                None if segment.contains(['{', '}']) => {
                    return wrong("has a brace inside a segment");
                }
                None if segment.contains(['?', '#']) => return wrong("has a query or a fragment"),
                None => Segment::Literal(segment.into()),
            };
            if let Some(name) = segment.name() {
                if name.is_empty() {
                    return wrong("has a parameter without a name");
                }
                if !name
                    .chars()
                    .all(|c| c.is_alphanumeric() || "_-".contains(c))
                {
                    return wrong("has a parameter whose name is not of letters, digits, _ and -");
                }
                if segments.iter().any(|earlier| earlier.name() == Some(name)) {
                    return wrong(&format!("has two parameters called {name:?}"));
                }
            }
            segments.push(segment);
        }
        Ok(Pattern { segments })
    }

    /// A pattern that no path matches: every path has at least one segment.
    pub(super) fn nowhere() -> Pattern {
        Pattern {
            segments: Vec::new(),
        }
    }

    /// Whether the path of a request (still percent-encoded) is one of this pattern's.
    pub(super) fn matches(&self, path: &str) -> bool {
        let Some(path) = path.strip_prefix('/') else {
            return false;
        };
        if self.segments.is_empty() {
            return false;
        }
        let mut given = path.split('/');
        for segment in &self.segments {
            let matched = match (segment, given.next()) {
                (Segment::Rest(_), Some(_)) => return true,
                (Segment::Literal(literal), Some(given)) => is_literal(given, literal),
                (Segment::Parameter(_), Some(given)) => !given.is_empty(),
                (_, None) => false,
            };
            if !matched {
                return false;
            }
        }
        given.next().is_none()
    }

    /// The value of a parameter in a path that matches, percent-decoded. `None` if there is no such parameter, or
    /// its value is not valid percent-encoded UTF-8.
    pub(super) fn parameter<'p>(&self, path: &'p str, name: &str) -> Option<Cow<'p, str>> {
        percent_decode(self.encoded(path, name)?).ok()
    }

    /// The value of a parameter as it stands in the path.
    pub(super) fn encoded<'p>(&self, path: &'p str, name: &str) -> Option<&'p str> {
        let is_it = |segment: &Segment| segment.name() == Some(name);
        let at = self.segments.iter().position(is_it)?;
        self.value(path, at)
    }

    /// The value of the first parameter.
    pub(super) fn first_parameter<'p>(&self, path: &'p str) -> Option<Cow<'p, str>> {
        let at = self
            .segments
            .iter()
            .position(|segment| !matches!(segment, Segment::Literal(_)))?;
        percent_decode(self.value(path, at)?).ok()
    }

    fn value<'p>(&self, path: &'p str, at: usize) -> Option<&'p str> {
        let rest = path.strip_prefix('/')?;
        if matches!(self.segments.get(at), Some(Segment::Rest(_))) {
            rest.splitn(at + 1, '/').nth(at)
        } else {
            rest.split('/').nth(at)
        }
    }

    pub(super) fn parameters(&self) -> usize {
        self.segments
            .iter()
            .filter(|segment| !matches!(segment, Segment::Literal(_)))
            .count()
    }

    /// Whether this pattern takes the same paths as another one: the names of parameters make no difference.
    pub(super) fn takes_the_same(&self, other: &Pattern) -> bool {
        let same = |(a, b): (&Segment, &Segment)| match (a, b) {
            (Segment::Literal(a), Segment::Literal(b)) => a == b,
            _ => std::mem::discriminant(a) == std::mem::discriminant(b),
        };
        self.segments.len() == other.segments.len()
            && self.segments.iter().zip(&other.segments).all(same)
    }

    /// The order in which patterns are tried: the more literal one first, from the left.
    pub(super) fn rank(&self) -> Vec<u8> {
        let of = |segment: &Segment| match segment {
            Segment::Literal(_) => 0,
            Segment::Parameter(_) => 1,
            Segment::Rest(_) => 2,
        };
        self.segments.iter().map(of).collect()
    }
}

impl Segment {
    /// The name of a parameter.
    fn name(&self) -> Option<&str> {
        match self {
            Segment::Parameter(name) | Segment::Rest(name) => Some(name),
            Segment::Literal(_) => None,
        }
    }
}

/// Why a segment is not what the programmer must have meant by it, if it looks like that.
fn foreign(segment: &str) -> Option<&'static str> {
    let within = |open, close| segment.starts_with(open) && segment.ends_with(close);
    match segment {
        "." | ".." => Some("clients take it out of a URL before they ask (RFC 3986 5.2.4)"),
        _ if segment.starts_with(':') => Some("a parameter is written {name}"),
        _ if within('<', '>') || within('[', ']') => Some("a parameter is written {name}"),
        _ if segment.starts_with('*') => {
            Some("a parameter that takes the rest of the path is written {*name}")
        }
        _ if segment.chars().any(char::is_control) => Some("it holds a control character"),
        _ => None,
    }
}

fn is_literal(given: &str, literal: &str) -> bool {
    given == literal || percent_decode(given).is_ok_and(|given| given == literal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
    }

    #[test]
    fn literal_paths_match_themselves() {
        assert!(pattern("/").matches("/"));
        assert!(!pattern("/").matches("/a"));
        assert!(pattern("/a/b").matches("/a/b"));
        assert!(pattern("/a/b").matches("/%61/b"));
        for other in ["/a", "/a/b/", "/a/b/c", "/a%2Fb", "a/b", ""] {
            assert!(!pattern("/a/b").matches(other), "{other}");
        }
    }

    #[test]
    fn a_parameter_takes_one_segment_and_is_decoded() {
        let pattern = pattern("/channels/{name}/x");
        assert!(pattern.matches("/channels/a%20b/x"));
        assert_eq!(
            pattern.parameter("/channels/a%20b/x", "name").as_deref(),
            Some("a b")
        );
        assert_eq!(
            pattern.parameter("/channels/a%2Fb/x", "name").as_deref(),
            Some("a/b")
        );
        assert_eq!(pattern.parameter("/channels/%ff/x", "name"), None);
        assert_eq!(pattern.parameter("/channels/a/x", "other"), None);
        assert!(!pattern.matches("/channels//x"));
    }

    #[test]
    fn a_rest_takes_everything_that_is_left() {
        let pattern = pattern("/files/{*path}");
        for (path, rest) in [
            ("/files/", ""),
            ("/files/a", "a"),
            ("/files/a/b%21", "a/b!"),
        ] {
            assert!(pattern.matches(path));
            assert_eq!(pattern.first_parameter(path).as_deref(), Some(rest));
        }
        assert!(!pattern.matches("/files"));
        assert!(self::pattern("/{*path}").matches("/"));
    }

    #[test]
    fn a_pattern_that_makes_no_sense_says_why() {
        for (text, why) in [
            ("a", "begin with a slash"),
            ("/{}", "without a name"),
            ("/{*}", "without a name"),
            ("/a{b}", "brace"),
            ("/{*a}/b", "behind a parameter"),
            ("/a?b", "query"),
            ("/x/:id", "written {name}"),
            ("/x/:id/y", "written {name}"),
            ("/x/<id>", "written {name}"),
            ("/x/<int:id>", "written {name}"),
            ("/x/[id]", "written {name}"),
            ("/x/[...id]", "written {name}"),
            ("/x/*", "written {*name}"),
            ("/*", "written {*name}"),
            ("/x/**", "written {*name}"),
            ("/x/*path", "written {*name}"),
            ("/{**path}", "letters"),
            ("/{path...}", "letters"),
            ("/{id:int}", "letters"),
            ("/{id?}", "letters"),
            ("/{ id }", "letters"),
            ("/{$}", "letters"),
            ("/{a}/x/{a}", "two parameters called \"a\""),
            ("/{a}/{*a}", "two parameters called \"a\""),
            ("/a/../b", "out of a URL"),
            ("/./b", "out of a URL"),
            ("/a\nb", "control"),
        ] {
            assert!(Pattern::parse(text).unwrap_err().contains(why), "{text}");
        }
    }

    #[test]
    fn what_only_looks_strange_is_a_pattern_and_is_printed_as_it_was_written() {
        for text in [
            "/",
            "/a/{id}/{*path}",
            "/{user-id}/{\u{e9}_1}",
            "/a:b",
            "/a*",
            "/@me/.well-known/...",
            "/a b/%20",
            "/x/",
            "//",
        ] {
            assert_eq!(pattern(text).to_string(), text);
        }
    }

    #[test]
    fn the_more_literal_pattern_comes_first() {
        let mut patterns = ["/{*all}", "/{a}/b", "/a/{b}", "/a/b"].map(pattern);
        patterns.sort_by_key(Pattern::rank);
        assert_eq!(
            patterns,
            ["/a/b", "/a/{b}", "/{a}/b", "/{*all}"].map(pattern)
        );
    }
}
