//! The requests by which subscriptions are made and changed.
//!
//! | request | answer |
//! | --- | --- |
//! | `POST PATH` `{"url","secret"?,"format"?}` | 201 `{"id","url","secret"}`: the only time that the secret is shown |
//! | `GET PATH` | 200 `[{"id","url","format","state","cursor","failures","next_attempt"}]` |
//! | `GET PATH/ID` | the same of one, with its last tries |
//! | `PATCH PATH/ID` `{"state":"active" or "paused","from"?:"here" or "now"}` | 200, and the same |
//! | `POST PATH/ID/secret` | 200 `{"id","secret"}`: a new one, beside which the old one signs for a day |
//! | `DELETE PATH/ID` | 204 |
//!
//! What a request says is checked here, on the loop that it has come to. What it asks for is done by the loop that delivers.

use std::sync::Arc;

use super::shared::{Asker, Command, Shared, Wish};
use super::subscription::{Format, State};
use super::target::Target;
use crate::channel::check_name;
use crate::http::Status;
use crate::json::Value;
use crate::response::{Response, refusal};
use crate::service::{Reply, Request};
use crate::webhook::{Host, Secret};

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Register,
    List,
    Show,
    Change,
    Rotate,
    Remove,
}

impl Action {
    pub(crate) const ALL: [(Action, &'static str, &'static str); 6] = [
        (Action::Register, "POST", ""),
        (Action::List, "GET", ""),
        (Action::Show, "GET", "/{webhook}"),
        (Action::Change, "PATCH", "/{webhook}"),
        (Action::Rotate, "POST", "/{webhook}/secret"),
        (Action::Remove, "DELETE", "/{webhook}"),
    ];
}

/// The name of the channel's parameter in a path such as `/channels/{name}/webhooks`.
pub(crate) fn parameter(path: &str) -> Option<&str> {
    let (_, rest) = path.split_once('{')?;
    Some(rest.split_once('}')?.0)
}

/// Takes a request: answers it, or has it answered by the loop that delivers.
pub(crate) fn take(
    shared: &Arc<Shared>,
    action: Action,
    parameter: &str,
    request: &Request<'_>,
    reply: Reply<'_>,
) {
    match wish(shared, action, parameter, request) {
        Err(response) => reply.send(*response),
        Ok((channel, wish)) => {
            let later = Asker::Request(reply.later());
            shared.command(Command {
                channel,
                wish,
                later,
            });
        }
    }
}

fn refuse(status: Status, why: &str) -> Box<Response> {
    Box::new(refusal(status, why))
}

fn wish(
    shared: &Shared,
    action: Action,
    parameter: &str,
    request: &Request<'_>,
) -> Result<(Arc<str>, Wish), Box<Response>> {
    let bad = |why| refuse(Status::BAD_REQUEST, why);
    let channel = request
        .param(parameter)
        .ok_or_else(|| bad("the channel's name is not percent-encoded UTF-8"))?;
    check_name(&channel).map_err(|error| refuse(error.status(), &error.to_string()))?;
    let channel: Arc<str> = (&*channel).into();
    let id = || -> Result<Box<str>, Box<Response>> {
        let id = request.param("webhook");
        Ok((&*id.ok_or_else(|| bad("the id is not percent-encoded UTF-8"))?).into())
    };
    let wish = match action {
        Action::List => Wish::List,
        Action::Show => Wish::Show(id()?),
        Action::Remove => {
            check_media_type(request, false)?;
            Wish::Remove(id()?)
        }
        Action::Rotate => {
            check_media_type(request, false)?;
            Wish::Rotate(id()?)
        }
        Action::Change => change(id()?, request)?,
        Action::Register => register(shared, request)?,
    };
    Ok((channel, wish))
}

/// A page of another origin can send this media type only after a preflight.
fn check_media_type(request: &Request<'_>, is_required: bool) -> Result<(), Box<Response>> {
    let given = request.fields().get("Content-Type");
    let is_json = given.is_some_and(|given| {
        let given = given.split(|&byte| byte == b';').next().unwrap_or(given);
        given.trim_ascii().eq_ignore_ascii_case(b"application/json")
    });
    let may_lack = !is_required && given.is_none() && request.body().is_empty();
    match is_json || may_lack {
        true => Ok(()),
        false => Err(refuse(
            Status::UNSUPPORTED_MEDIA_TYPE,
            "it takes a body of application/json",
        )),
    }
}

fn object<'r>(request: &Request<'r>) -> Result<Value<'r>, Box<Response>> {
    check_media_type(request, true)?;
    let text = std::str::from_utf8(request.body()).ok();
    match text.and_then(Value::parse) {
        Some(value @ Value::Object(_)) => Ok(value),
        _ => Err(refuse(Status::BAD_REQUEST, "the body is no JSON object")),
    }
}

/// A member that is a string, if it is there.
fn text<'v>(object: &'v Value<'_>, name: &str) -> Result<Option<&'v str>, Box<Response>> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(refuse(
            Status::UNPROCESSABLE_CONTENT,
            &format!("{name:?} is no string"),
        )),
    }
}

fn register(shared: &Shared, request: &Request<'_>) -> Result<Wish, Box<Response>> {
    let wrong = |why: &str| refuse(Status::UNPROCESSABLE_CONTENT, why);
    let object = object(request)?;
    let url = text(&object, "url")?.ok_or_else(|| wrong("\"url\" is missing"))?;
    let target = checked_target(shared, url).map_err(|why| wrong(&why))?;
    let format = match text(&object, "format")? {
        None => Format::default(),
        Some(name) => {
            Format::parse(name).ok_or_else(|| wrong("\"format\" is \"json\" or \"raw\""))?
        }
    };
    let secret = match text(&object, "secret")? {
        None => None,
        Some(secret) => {
            let secret = Secret::parse(secret).and_then(|secret| {
                secret.check_strength()?;
                Ok(secret)
            });
            Some(secret.map_err(|error| wrong(&error.to_string()))?)
        }
    };
    Ok(Wish::Register {
        url: url.into(),
        target: Box::new(target),
        format,
        secret,
    })
}

/// A URL that something may be sent to, as far as can be said before its name is looked up.
pub(super) fn checked_target(shared: &Shared, url: &str) -> Result<Target, String> {
    let target = Target::parse(url).map_err(|error| error.to_string())?;
    if let Host::Address(address) = target.host {
        let allowed = shared.allowed.check(None, address);
        allowed
            .map_err(|special| format!("nothing is sent to the URL's address: it is {special}"))?;
    }
    Ok(target)
}

fn change(id: Box<str>, request: &Request<'_>) -> Result<Wish, Box<Response>> {
    let wrong = |why: &str| refuse(Status::UNPROCESSABLE_CONTENT, why);
    let object = object(request)?;
    let state = match text(&object, "state")? {
        Some("active") => State::Active,
        Some("paused") => State::Paused,
        _ => return Err(wrong("\"state\" is \"active\" or \"paused\"")),
    };
    let from_now = match text(&object, "from")? {
        None | Some("here") => false,
        Some("now") => true,
        Some(_) => return Err(wrong("\"from\" is \"here\" or \"now\"")),
    };
    Ok(Wish::Change {
        id,
        state,
        from_now,
    })
}
