//! What comes of a receiver's answer, without a socket: for the fuzzer.

use std::sync::Arc;

use super::courier::Courier;
use super::dispatcher::{self, Found, Start};
use super::options::Options;
use super::shared::Shared;
use super::subscription::{Format, Outcome};
use super::target::Target;
use crate::channel::{Data, Id, Record};
use crate::client::{Around, Dialer, Talk};
use crate::limits::Limits;
use crate::net::{ConnectionId, Flow, Io, Loop, Now, Output};
use crate::random::Random;
use crate::webhook::Secret;

/// How a try ends whose receiver sends these pieces and then nothing more, and whether its connection is kept for the next.
/// `None`: the system gives no loop.
pub fn judge(pieces: &[&[u8]]) -> Option<(Outcome, bool)> {
    let limits = Limits::default().net_limits();
    let mailbox = Loop::new(limits, 1, Dialer::new).ok()?.mailbox();
    let now = Now {
        ms: 0,
        unix_ms: 784_111_777_000,
    };
    let url = "http://9.9.9.9/";
    let shared = Arc::new(Shared::new(Options::default()));
    let (target, cursor) = (Target::parse(url).ok()?, Id { ms: 0, seq: 0 });
    let secret = Secret::from_key(&[1; 24]).ok()?;
    let new =
        dispatcher::subscription("s".into(), "a", (url, target), Format::Json, secret, cursor);
    let mut machine = shared.machine();
    machine.add(new, true, now);
    let (key, ..) = machine.next_read()?;
    let record = Record::new(Id { ms: 1, seq: 0 }, None, Data::new(b"x"));
    machine.found(key, Found::Message(record), now);
    let Some(Start::Dial(key, target)) = machine.next_start(now) else {
        return None;
    };
    drop(machine);

    let mut courier = Courier::new(Arc::clone(&shared), target, key);
    let (mut random, mut output, mut flow) = (Random::new(), Output::new(), Flow::new());
    let mut around = Around {
        mailbox: &mailbox,
        random: &mut random,
        peer: ([9, 9, 9, 9], 80).into(),
    };
    let id = ConnectionId::from_u64(1);
    let mut io = Io::new(id, now, &mut output, 0, &mut flow);
    courier.connected(&mut io, &mut around);
    for piece in pieces {
        if !io.is_closing() {
            courier.received(&mut piece.to_vec(), &mut io, &mut around);
        }
    }
    let is_kept = !io.is_closing() && courier.is_idle();
    if !io.is_closing() {
        courier.ended(&mut io, &mut around);
    }
    courier.disconnected(None, now, around.random);
    let outcome = shared.machine().last_outcome("s")?;
    Some((outcome, is_kept))
}
