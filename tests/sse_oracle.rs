//! The decoder beside an independent parser, eventsource-stream, on streams built from tricky pieces. The law, and where
//! that parser leaves the standard, are in `fuzz/src/sse_differential.rs`; these streams avoid the same.

use differential::{agree, they_dispatch, we_dispatch};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

#[allow(dead_code)]
#[path = "../fuzz/src/choice.rs"]
mod choice;
#[allow(dead_code)]
#[path = "../fuzz/src/sse_differential.rs"]
mod differential;

fn line_end() -> impl Strategy<Value = &'static str> {
    select(vec!["\n", "\r", "\r\n"])
}

fn line() -> impl Strategy<Value = String> {
    let field = select(vec![
        "data",
        "event",
        "id",
        "retry",
        "",
        "Data",
        "data ",
        " data",
        "\u{FEFF}data",
        "é",
        "\0",
    ]);
    let colon = select(vec!["", ":", ": ", ":  ", "::", ": :"]);
    let value = select(vec![
        "",
        "a",
        "b c ",
        "1",
        "007",
        "3000",
        "18446744073709551615",
        "18446744073709551616",
        "1.5",
        "-1",
        "\0",
        "x\0",
        "\u{FEFF}",
        "é\u{1F600}",
        "data: x",
        "message",
        "\t",
        "\u{85}",
        "\u{2028}",
    ]);
    prop_oneof![
        2 => Just(String::new()),
        // Without a colon the value would be more of the name: leave it out at times.
        5 => (field.clone(), colon, value).prop_map(|parts| [parts.0, parts.1, parts.2].concat()),
        1 => field.prop_map(str::to_owned),
        2 => select(vec!["data: a", "data", "data:", "id: 1", "event: x"]).prop_map(str::to_owned),
    ]
}

fn stream() -> impl Strategy<Value = String> {
    let start = select(vec!["", "", "\u{FEFF}", "\u{FEFF}\u{FEFF}", "\n", "\r\n"]);
    (start, vec((line(), line_end()), 0..40)).prop_map(|(start, lines)| {
        let lines: String = lines.into_iter().map(|(line, end)| line + end).collect();
        [start, &lines, ":"].concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn both_parsers_dispatch_the_same_events(stream in stream(), length in 1_usize..64) {
        agree(stream.as_bytes(), length);
    }
}

#[test]
fn the_streams_reach_both_parsers_events() {
    // Guards the law above against holding because nothing is ever dispatched.
    let stream = b"\xEF\xBB\xBFid: 1\r\nretry: 5\revent: x\ndata: a\r\n\r\ndata\n\n:";
    let expected = vec![
        ("x".to_owned(), "a".to_owned(), "1".to_owned(), Some(5)),
        ("message".to_owned(), String::new(), "1".to_owned(), None),
    ];
    assert_eq!(they_dispatch(stream, 3), expected);
    assert_eq!(we_dispatch(stream, 3)[0], expected[0]);
    assert_eq!(we_dispatch(stream, 3).len(), 2);
}
