use super::*;

/// Every event of `pieces` as `(name, data, last event ID)`.
fn events(decoder: &mut Decoder, pieces: &[&[u8]]) -> Result<Vec<[String; 3]>, Error> {
    let mut seen = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            let (used, event) = decoder.decode(rest)?;
            assert!(used > 0, "a call with input makes progress");
            seen.extend(event.map(|e| [e.name, e.data, e.last_event_id].map(str::to_owned)));
            rest = &rest[used..];
        }
    }
    Ok(seen)
}

/// Asserts what `stream` says, read whole and read byte by byte.
#[track_caller]
fn assert_events(stream: &[u8], expected: &[[&str; 3]]) {
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    for pieces in [&[stream][..], &bytes] {
        let seen = events(&mut Decoder::new(MAX_EVENT), pieces).unwrap();
        let seen: Vec<_> = seen
            .iter()
            .map(|event| event.each_ref().map(String::as_str))
            .collect();
        assert_eq!(seen, expected);
    }
}

// 9.2.1 Introduction: the streams shown there

#[test]
fn messages_of_one_and_of_several_lines() {
    assert_events(
        b"data: This is the first message.\n\
          \n\
          data: This is the second message, it\n\
          data: has two lines.\n\
          \n\
          data: This is the third message.\n\
          \n",
        &[
            ["message", "This is the first message.", ""],
            [
                "message",
                "This is the second message, it\nhas two lines.",
                "",
            ],
            ["message", "This is the third message.", ""],
        ],
    );
}

#[test]
fn events_with_types() {
    assert_events(
        b"event: add\ndata: 73857293\n\n\
          event: remove\ndata: 2153\n\n\
          event: add\ndata: 113411\n\n",
        &[
            ["add", "73857293", ""],
            ["remove", "2153", ""],
            ["add", "113411", ""],
        ],
    );
}

// 9.2.6 Interpreting an event stream: the examples at its end

#[test]
fn the_stocks_example() {
    assert_events(
        b"data: YHOO\ndata: +2\ndata: 10\n\n",
        &[["message", "YHOO\n+2\n10", ""]],
    );
}

#[test]
fn the_test_stream_keeps_resets_and_drops() {
    // A comment; an event with an ID; one whose empty ID resets it and whose value begins with a
    // space; and one that the stream's end cuts off.
    assert_events(
        b": test stream\n\
          \n\
          data: first event\n\
          id: 1\n\
          \n\
          data:second event\n\
          id\n\
          \n\
          data:  third event\n",
        &[
            ["message", "first event", "1"],
            ["message", "second event", ""],
        ],
    );
    assert_events(
        b"data:  third event\n\n",
        &[["message", " third event", ""]],
    );
}

#[test]
fn empty_data_lines_are_data() {
    // The last block has no blank line after it.
    assert_events(
        b"data\n\ndata\ndata\n\ndata:",
        &[["message", "", ""], ["message", "\n", ""]],
    );
}

#[test]
fn one_space_after_the_colon_is_ignored() {
    assert_events(
        b"data:test\n\ndata: test\n\n",
        &[["message", "test", ""], ["message", "test", ""]],
    );
}

// 9.2.5 Parsing an event stream: byte order mark, lines

#[test]
fn a_byte_order_mark_is_skipped_at_the_very_start_only() {
    assert_events(b"\xEF\xBB\xBFdata: a\n\n", &[["message", "a", ""]]);
    assert_events(
        b"\xEF\xBB\xBF\n\xEF\xBB\xBFdata: a\ndata: b\n\n",
        &[["message", "b", ""]],
    );
    assert_events(
        b"\xEF\xBB\xBF\xEF\xBB\xBFdata: a\n\ndata: b\n\n",
        &[["message", "b", ""]],
    );
    assert_events(b"data: \xEF\xBB\xBFa\n\n", &[["message", "\u{FEFF}a", ""]]);
}

#[test]
fn half_a_byte_order_mark_is_text() {
    assert_events(b"\xEF\xBBdata: a\ndata: b\n\n", &[["message", "b", ""]]);
}

#[test]
fn lf_cr_and_crlf_end_lines_and_may_be_mixed() {
    let expected = [["message", "a\nb", ""], ["message", "c", ""]];
    assert_events(b"data: a\ndata: b\n\ndata: c\n\n", &expected);
    assert_events(b"data: a\rdata: b\r\rdata: c\r\r", &expected);
    assert_events(b"data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", &expected);
    assert_events(b"data: a\rdata: b\n\rdata: c\r\n\n", &expected);
    assert_events(b"data: a\r\ndata: b\r\n\ndata: c\r\r\n", &expected);
}

#[test]
fn a_cr_dispatches_without_a_wait_for_the_next_byte() {
    let mut decoder = Decoder::new(MAX_EVENT);
    assert_eq!(events(&mut decoder, &[b"data: a\r\n\r"]).unwrap().len(), 1);
    assert_eq!(events(&mut decoder, &[b"\n"]).unwrap().len(), 0);
    assert_eq!(
        events(&mut decoder, &[b"data: b\r\n\r\n"]).unwrap().len(),
        1
    );
}

#[test]
fn a_call_stops_at_the_event_and_says_how_much_it_used() {
    let mut decoder = Decoder::new(MAX_EVENT);
    let (used, event) = decoder.decode(b"data: a\n\ndata: b\n\n").unwrap();
    assert_eq!(used, 9);
    assert_eq!(
        event,
        Some(Received {
            name: "message",
            data: "a",
            last_event_id: ""
        })
    );
    assert_eq!(decoder.decode(b""), Ok((0, None)));
}

#[test]
fn malformed_utf8_is_replaced_as_the_encoding_standard_says() {
    assert_events(
        b"data: a\xFFb\xC3\n\n",
        &[["message", "a\u{FFFD}b\u{FFFD}", ""]],
    );
    // One replacement for each maximal prefix of a sequence, one for each byte of what never
    // could have been one.
    assert_events(
        b"data: \xF0\x9F\x98 \xED\xA0\x80\n\n",
        &[["message", "\u{FFFD} \u{FFFD}\u{FFFD}\u{FFFD}", ""]],
    );
    assert_events(
        b"event: \xC0\x80\nid: \xE2\x82\ndata: \xF0\x9F\x98\x80\n\n",
        &[["\u{FFFD}\u{FFFD}", "\u{1F600}", "\u{FFFD}"]],
    );
}

// 9.2.6: lines and fields

#[test]
fn comments_and_unknown_fields_are_ignored() {
    assert_events(
        b":\n: x\n:data: x\nfoo: x\nDATA: x\ndata : x\n data: x\nid2\ndata: a\n\n",
        &[["message", "a", ""]],
    );
    assert_events(b":\n\n:\n\nfoo\n\n\n\n", &[]);
}

#[test]
fn a_value_holds_all_after_the_first_colon() {
    assert_events(
        b"event::\ndata::: \tb: \n\ndata:\ta\n\n",
        &[[":", ":: \tb: ", ""], ["message", "\ta", ""]],
    );
}

#[test]
fn nul_is_text_in_data_and_names() {
    assert_events(b"event: a\0\ndata: \0\n\n", &[["a\0", "\0", ""]]);
}

#[test]
fn the_last_event_field_of_a_block_counts_and_the_next_block_starts_without() {
    assert_events(
        b"event: a\nevent: b\ndata: 1\n\ndata: 2\n\nevent: c\nevent\ndata: 3\n\n",
        &[["b", "1", ""], ["message", "2", ""], ["message", "3", ""]],
    );
}

#[test]
fn a_block_without_data_dispatches_nothing_and_leaves_no_name() {
    assert_events(b"event: a\n\ndata: 1\n\n", &[["message", "1", ""]]);
}

#[test]
fn an_id_lasts_until_the_next() {
    assert_events(
        b"id: 1\ndata: a\n\ndata: b\n\nid: 2\nid: 3\ndata: c\n\nid\ndata: d\n\n",
        &[
            ["message", "a", "1"],
            ["message", "b", "1"],
            ["message", "c", "3"],
            ["message", "d", ""],
        ],
    );
}

#[test]
fn an_id_with_nul_is_ignored() {
    assert_events(
        b"id: 1\nid: 2\0\nid: \0\ndata: a\n\n",
        &[["message", "a", "1"]],
    );
}

#[test]
fn an_id_counts_from_its_blank_line_on_even_without_data() {
    let mut decoder = Decoder::new(MAX_EVENT);
    assert_eq!(decoder.decode(b"id: 7\n"), Ok((6, None)));
    assert_eq!(decoder.last_event_id(), "");
    assert_eq!(decoder.decode(b"\n"), Ok((1, None)));
    assert_eq!(decoder.last_event_id(), "7");
}

#[test]
fn the_id_of_an_event_above_the_limit_is_known() {
    let mut decoder = Decoder::new(20);
    assert_eq!(decoder.unfinished_id(), None);
    let (used, _) = decoder.decode(b"id: 1\ndata: a\n\n").unwrap();
    assert_eq!((used, decoder.unfinished_id()), (15, None));
    let large = b"id: 2\ndata: xxxxxxxxxxxxxxxxxxxxxxxxxxxx\n\n";
    assert_eq!(decoder.decode(large), Err(Error::TooLarge));
    assert_eq!(decoder.unfinished_id(), Some("2"));
    assert_eq!(decoder.last_event_id(), "1");
}

#[test]
fn a_stream_that_is_resumed_begins_with_the_last_id_until_it_gives_another() {
    let mut decoder = Decoder::resume(MAX_EVENT, "5");
    assert_eq!(decoder.last_event_id(), "5");
    let stream = b"data: a\n\nid\ndata: b\n\ndata: c\n\n";
    let (mut at, mut ids) = (0, Vec::new());
    while at < stream.len() {
        let (used, event) = decoder.decode(&stream[at..]).unwrap();
        ids.extend(event.map(|event| event.last_event_id.to_owned()));
        at += used;
    }
    assert_eq!(ids, ["5", "", ""]);
}

#[test]
fn retry_takes_ascii_digits_and_counts_at_once() {
    let mut decoder = Decoder::new(MAX_EVENT);
    assert_eq!(decoder.retry(), None);
    for (line, expected) in [
        ("retry: 3000\n", 3000),
        ("retry\n", 3000),
        ("retry: +1\n", 3000),
        ("retry: -1\n", 3000),
        ("retry: 1.5\n", 3000),
        ("retry:  1\n", 3000),
        ("retry: 1 \n", 3000),
        ("retry: 0x10\n", 3000),
        ("retry: \u{0661}\n", 3000),
        ("retry: 18446744073709551616\n", u64::MAX),
        ("retry: 18446744073709551615\n", u64::MAX),
        ("retry:0000000000000000000000012\n", 12),
        ("retry:0\n", 0),
    ] {
        assert_eq!(events(&mut decoder, &[line.as_bytes()]), Ok(vec![]));
        assert_eq!(decoder.retry(), Some(expected), "{line:?}");
    }
}

// 9.2.3 Processing model: connecting again

#[test]
fn a_restart_keeps_the_id_and_the_time_and_drops_the_unfinished_block() {
    let mut decoder = Decoder::new(MAX_EVENT);
    let before = b"retry: 5\nid: 1\ndata: a\n\nid: 2\nevent: x\ndata: lost\ndata: ha";
    assert_eq!(events(&mut decoder, &[before]).unwrap().len(), 1);
    decoder.restart();
    assert_eq!((decoder.last_event_id(), decoder.retry()), ("1", Some(5)));
    let seen = events(&mut decoder, &[b"\xEF\xBB\xBFdata: b\n\n"]);
    assert_eq!(seen, Ok(vec![["message", "b", "1"].map(str::to_owned)]));
}

#[test]
fn an_lf_that_begins_the_next_stream_does_not_belong_to_the_last_ones_cr() {
    let mut decoder = Decoder::new(MAX_EVENT);
    events(&mut decoder, &[b"data: a\r"]).unwrap();
    decoder.restart();
    assert_eq!(events(&mut decoder, &[b"\ndata: b\n\n"]).unwrap().len(), 1);
}

// The limit

/// How many bytes of `stream` a decoder with this limit takes, one at a time.
fn taken(limit: usize, stream: &[u8]) -> usize {
    let mut decoder = Decoder::new(limit);
    stream
        .chunks(1)
        .take_while(|byte| decoder.decode(byte).is_ok())
        .count()
}

#[test]
fn a_line_may_be_as_long_as_the_limit() {
    assert_eq!(taken(8, b"data: 78\n\n"), 10);
    assert_eq!(taken(8, b"data: 789\n\n"), 8);
    assert_eq!(taken(8, b": 345678\n: 345678\n\n"), 19);
    assert_eq!(taken(8, b": 3456789"), 8);
    assert_eq!(taken(0, b"\n\r\n\n"), 4);
    assert_eq!(taken(0, b":"), 0);
}

#[test]
fn lines_count_together_with_what_the_block_holds() {
    // "12\n" is held while the second line's nine bytes come.
    let stream = b"data: 12\ndata: 567\n\n";
    assert_eq!(taken(12, stream), stream.len());
    assert_eq!(taken(11, stream), stream.len() - 3);
    // After the dispatch nothing is.
    assert_eq!(taken(12, &stream.repeat(3)), 3 * stream.len());
}

#[test]
fn malformed_bytes_count_as_the_text_they_become() {
    let stream = b"data: \xFF\xFF\xFF\xFF\n\n";
    assert_eq!(taken(13, stream), stream.len());
    assert_eq!(taken(12, stream), stream.len() - 2);
}

#[test]
fn the_limit_does_not_depend_on_the_cut() {
    let stream =
        b"data: a\n\nid: 1\ndata: a\ndata: \xFF\xFFa\nevent: abc\n: comment\n\ndata: b\n\n";
    for limit in 0..40 {
        let mut whole = Decoder::new(limit);
        let mut bytewise = Decoder::new(limit);
        let pieces: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(
            events(&mut whole, &[stream]),
            events(&mut bytewise, &pieces),
            "{limit}"
        );
    }
}

#[test]
fn events_before_the_large_one_are_given_and_the_error_stays() {
    let mut decoder = Decoder::new(8);
    let stream = b"data: a\n\ndata: too large\n\n";
    assert!(matches!(decoder.decode(stream), Ok((9, Some(_)))));
    assert_eq!(decoder.decode(&stream[9..]), Err(Error::TooLarge));
    assert_eq!(decoder.decode(b"\n\n"), Err(Error::TooLarge));
    decoder.restart();
    assert!(matches!(decoder.decode(b"data: b\n\n"), Ok((9, Some(_)))));
}

#[test]
fn what_a_large_event_took_is_given_back() {
    let mut decoder = Decoder::new(MAX_EVENT);
    let large = [b"data: ".as_slice(), &vec![b'x'; 1 << 20], b"\n\n"].concat();
    let pieces: Vec<&[u8]> = large.chunks(4096).collect();
    assert_eq!(events(&mut decoder, &pieces).unwrap().len(), 1);
    decoder.decode(b"\n").unwrap();
    assert!(decoder.line.capacity() <= KEEP);
    assert!(decoder.block.data.capacity() <= KEEP);
}

#[test]
fn memory_stays_within_a_few_limits_whatever_comes() {
    const LIMIT: usize = 1 << 17;
    let endless: [&[u8]; 9] = [
        b":",
        b"x",
        b"data\n",
        b"data: \xFF\xFF\xFF\xFF\n",
        b"event: x\n",
        b"id: x\n\n",
        b"data: x\n\n",
        b"\r",
        b"\xEF\xBB\xBF",
    ];
    let starts: [&[u8]; 2] = [b"", b"id: "];
    for (unit, start) in endless
        .iter()
        .flat_map(|unit| starts.map(|start| (unit, start)))
    {
        // Fields near the limit first, each dispatched, so that every buffer has been large.
        let large = vec![b'x'; LIMIT / 2 - 8];
        let blocks = [
            b"event: ",
            &large[..],
            b"\ndata: ",
            &large[..1000],
            b"\n\ndata: ",
            &large,
        ];
        let mut decoder = Decoder::new(LIMIT);
        events(&mut decoder, &blocks).unwrap();
        events(&mut decoder, &[b"\n\n", start]).unwrap();
        let piece = unit.repeat(1000);
        for _ in 0..3 * LIMIT / piece.len() {
            let _ = events(&mut decoder, &[&piece]);
            let Block { name, data, id, .. } = &decoder.block;
            let texts = [name, data, id, &decoder.last_event_id].map(String::capacity);
            let held = decoder.line.capacity() + texts.iter().sum::<usize>();
            assert!(
                held <= 6 * LIMIT,
                "{held} bytes held for {unit:?} after {start:?}"
            );
        }
    }
}
