//! What barewire's hot paths cost in steady state, in instructions: the work that `benches/counts/run` has valgrind
//! count.
//!
//! ```text
//!   counts --list       the names of all scenarios
//!   counts SCENARIO     makes it ready, warms up, and then does counted rounds; prints how many units were counted
//! ```
//!
//! A scenario runs in a process of its own, so that no other one's heap is in its way. It is single-threaded: the
//! server is turned on the thread of its clients, over sockets on loopback. Only what happens inside [`counted`] is
//! counted: callgrind toggles its collection when that function is entered and left. So setting up, warming up, the
//! clients and the kernel cost nothing here, and the count of a round is the library's alone.

mod client;
mod codecs;
mod served;

use std::hint::black_box;
use std::process::ExitCode;

/// What a scenario does again and again. It has been made ready when this exists.
type Round = Box<dyn FnMut(&mut Meter)>;

/// Something whose cost is guarded. All of them are constants, so that one more moves nothing on the heaps of the others.
struct Scenario {
    name: &'static str,
    /// Rounds before anything is counted: buffers grow to their size, channels fill to what they retain.
    warm_up: usize,
    rounds: usize,
    prepare: fn() -> Round,
}

/// Has valgrind count what is done through it, once the warm-up is over.
struct Meter {
    is_warm: bool,
    units: usize,
}

impl Meter {
    /// One that counts nothing, for what comes before the first round.
    fn off() -> Meter {
        Meter {
            is_warm: false,
            units: 0,
        }
    }

    /// Does `work`, and counts it.
    fn count<T>(&mut self, work: impl FnOnce() -> T) -> T {
        if !self.is_warm {
            return work();
        }
        let (mut work, mut result) = (Some(work), None);
        counted(&mut || result = work.take().map(|work| work()));
        result.expect("it was called")
    }

    /// What was counted was so many messages, deliveries or requests.
    fn units(&mut self, count: usize) {
        if self.is_warm {
            self.units += count;
        }
    }
}

/// The function that valgrind looks for. It has to stay a function, and a call in it a call.
#[inline(never)]
fn counted(work: &mut dyn FnMut()) {
    work();
    black_box(());
}

fn main() -> ExitCode {
    let mut scenarios = codecs::SCENARIOS.iter().chain(served::SCENARIOS);
    let name = std::env::args().nth(1).unwrap_or_default();
    if name == "--list" {
        scenarios.for_each(|scenario| println!("{}", scenario.name));
        return ExitCode::SUCCESS;
    }
    let Some(scenario) = scenarios.find(|scenario| scenario.name == name) else {
        eprintln!("no scenario is called {name:?}; --list names them");
        return ExitCode::from(2);
    };
    let mut meter = Meter::off();
    let mut round = (scenario.prepare)();
    for _ in 0..scenario.warm_up {
        round(&mut meter);
    }
    meter.is_warm = true;
    for _ in 0..scenario.rounds {
        round(&mut meter);
    }
    println!("{}", meter.units);
    ExitCode::SUCCESS
}
