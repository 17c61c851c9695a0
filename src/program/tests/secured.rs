//! Both sides of TLS on one loop, with faults below it: a record may be cut anywhere, and the loop's edges are those of
//! the socket, not those of the plaintext.

use std::io::ErrorKind;

use proptest::prelude::*;

use super::client::{Carrier, check_echo, echo_over, follow_over, messages};
use super::world::delays;
use crate::client::{Error, Transport, Update};
use crate::net::fault::{Cut, Faults, How};
use crate::net::tls;

fn echo(faults: [Faults; 2]) -> super::client::Echoed {
    echo_over(Carrier::Secured, faults)
}

/// A cut at the client's end, or at the server's.
fn at(end: usize, cut: Cut) -> [Faults; 2] {
    let mut faults = <[Faults; 2]>::default();
    faults[end] = Faults::cut(cut);
    faults
}

#[test]
fn every_way_and_the_echo_are_whole() {
    for &transport in Transport::ALL {
        let followed = follow_over(Carrier::Secured, transport, Vec::new());
        assert_eq!(followed.updates[0], Update::Connected(transport));
        assert_eq!((followed.data(), followed.dials), (messages(), 1));
    }
    check_echo(&echo(Default::default()), false);
}

#[test]
fn a_handshake_that_is_cut_short_is_told_from_what_the_system_says() {
    let error = |cut| {
        echo([Faults::cut(cut), Faults::default()]).overs[0]
            .error
            .clone()
    };
    let unfinished = Some(Error::Tls(tls::Error::Unfinished));
    assert_eq!(error(Cut::Read(100, How::HalfEnds)), unfinished);
    let reset = ErrorKind::ConnectionReset;
    let told = Some(Error::Connection(reset));
    assert_eq!(error(Cut::Read(100, How::Fails(reset))), told);
    // Nothing comes, and the time is up.
    let timeout = Some(Error::Tls(tls::Error::Timeout));
    assert_eq!(error(Cut::Read(100, How::Vanishes)), timeout);
}

#[test]
fn an_end_without_close_notify_is_a_cut() {
    // RFC 8446 6.1: behind the handshake, before the closing handshake.
    let (read, _) = echo(Default::default()).moved;
    let faults = [
        Faults::cut(Cut::Read(read - 200, How::HalfEnds)),
        Faults::default(),
    ];
    let truncated = Some(Error::Tls(tls::Error::Truncated));
    assert_eq!(echo(faults).overs[0].error, truncated);
}

#[test]
fn a_line_that_breaks_at_any_byte_ends_what_it_carries_once() {
    let (read, written) = echo(Default::default()).moved;
    // The large message is the same everywhere.
    let places = |end: usize| (0..=end).filter(move |at| at % 29 == 0 || at + 30 > end);
    let reset = How::Fails(ErrorKind::ConnectionReset);
    for how in [reset, How::HalfEnds] {
        for place in places(read) {
            check_echo(&echo(at(0, Cut::Read(place, how))), true);
            check_echo(&echo(at(1, Cut::Written(place, how))), true);
        }
        for place in places(written) {
            check_echo(&echo(at(0, Cut::Written(place, how))), true);
            check_echo(&echo(at(1, Cut::Read(place, how))), true);
        }
    }
}

#[test]
fn a_subscription_whose_line_breaks_loses_and_repeats_nothing() {
    for &transport in Transport::ALL {
        let (read, written) = follow_over(Carrier::Secured, transport, Vec::new()).moved;
        let reset = How::Fails(ErrorKind::ConnectionReset);
        let reads = (0..=read).step_by(149).map(|at| Cut::Read(at, reset));
        let writes = (0..=written)
            .step_by(149)
            .map(|at| Cut::Written(at, How::HalfEnds));
        for cut in reads.chain(writes) {
            let faults = vec![[Faults::cut(cut), Faults::default()]];
            let followed = follow_over(Carrier::Secured, transport, faults);
            assert_eq!(followed.data(), messages(), "{transport} {cut:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(32)
    })]

    #[test]
    fn no_schedule_of_short_and_interrupted_operations_can_be_seen(
        transport in prop::sample::select(Transport::ALL.to_vec()),
        faults in [delays(), delays()],
    ) {
        check_echo(&echo(faults.clone()), false);
        let followed = follow_over(Carrier::Secured, transport, vec![faults]);
        prop_assert_eq!(&followed.updates[0], &Update::Connected(transport));
        prop_assert_eq!(followed.data(), messages());
    }
}
