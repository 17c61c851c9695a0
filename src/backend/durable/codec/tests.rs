//! Rows as bytes: what is written is read, and what is changed is refused.

use std::sync::Arc;

use super::block::*;
use super::bytes::*;
use super::decode_anything;
use super::small::*;
use crate::channel::{Data, Id, Record};

fn record(ms: u64, event: Option<&str>, data: Data) -> Record {
    Record {
        id: Id { ms, seq: ms / 2 },
        event: event.map(Arc::from),
        data,
    }
}

fn sample() -> (Vec<Record>, Vec<u8>) {
    let records = vec![
        record(1, None, Data::new(b"")),
        record(300, Some("tick"), Data::new("ü".repeat(200).as_bytes())),
        record(u64::MAX, None, Data::Binary(b"text"[..].into())),
    ];
    let mut block = BlockWriter::default();
    records.iter().for_each(|record| block.push(record));
    (records, block.finish(3))
}

fn read(channel: u32, block: &[u8]) -> Result<Vec<Record>, Malformed> {
    let mut records = Vec::new();
    read_block(channel, block, |stored| {
        records.push(stored.to_record()?);
        Ok(true)
    })?;
    Ok(records)
}

#[test]
fn a_block_is_read_as_it_was_written() {
    let (records, block) = sample();
    assert_eq!(read(3, &block), Ok(records));
    assert_eq!(read(4, &block), Err(Malformed));
}

#[test]
fn blocks_are_joined_by_copying() {
    let (mut records, block) = sample();
    let mut joined = BlockWriter::default();
    let mut earlier = BlockWriter::default();
    let first = record(1, None, Data::new(b"first"));
    earlier.push(&first);
    let begin = Id { ms: 0, seq: 0 };
    joined.join(3, &earlier.finish(3), begin).unwrap();
    joined.join(3, &block, records[0].id).unwrap();
    records[0] = first;
    assert_eq!(read(3, &joined.finish(3)), Ok(records));
}

#[test]
fn a_block_with_any_bit_changed_or_any_byte_missing_is_refused() {
    let (_, block) = sample();
    for bit in 0..block.len() * 8 {
        let mut changed = block.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(read(3, &changed), Err(Malformed), "bit {bit}");
    }
    for length in 0..block.len() {
        assert_eq!(read(3, &block[..length]), Err(Malformed), "{length} bytes");
    }
    assert_eq!(read(3, &vec![0; block.len()]), Err(Malformed));
}

#[test]
fn small_rows_are_read_as_they_were_written_and_refused_when_changed() {
    let id = |ms| Id { ms, seq: 1 };
    let mut head = Head::new(9, id(3));
    (head.first, head.last, head.messages) = (id(4), id(7), 2);
    (head.row, head.block) = (id(2), Some(id(4)));
    let state = State {
        last: id(8),
        ceiling: id(9),
        birth: id(1),
        next_number: 10,
        uptime: 11,
        keys: 12,
    };
    let remembered = Remembered {
        id: id(8),
        at: 6,
        digest: [7; DIGEST],
    };
    assert_eq!(Head::decode(&head.encode()), Ok(head));
    assert_eq!(State::decode(&state.encode()), Ok(state));
    assert_eq!(Remembered::decode(&remembered.encode()), Ok(remembered));
    for row in [head.encode(), state.encode(), remembered.encode()] {
        for bit in 0..row.len() * 8 {
            let mut changed = row.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            decode_anything(&changed);
            assert_eq!(Head::decode(&changed), Err(Malformed));
            assert_eq!(State::decode(&changed), Err(Malformed));
            assert_eq!(Remembered::decode(&changed), Err(Malformed));
        }
    }
}

#[test]
fn lengths_beyond_what_there_is_are_refused_without_reserving_it() {
    for length in [1, 1 << 20, 1 << 40, u64::MAX] {
        let mut body = Vec::from(1_u32.to_le_bytes());
        body.extend_from_slice(&[1, 0, 0]);
        write_varint(&mut body, length);
        let block = [&checksum(3, &body).to_le_bytes()[..], &body].concat();
        assert_eq!(read(3, &block), Err(Malformed));
    }
}

#[test]
fn a_varint_has_one_form() {
    for value in [0, 1, 127, 128, 300, 1 << 35, u64::MAX] {
        let mut bytes = Vec::new();
        write_varint(&mut bytes, value);
        assert_eq!(Input(&bytes).varint(), Ok(value));
    }
    for bytes in [&[0x80, 0][..], &[0xFF; 10], &[0x80; 11], &[0x80]] {
        assert_eq!(Input(bytes).varint(), Err(Malformed), "{bytes:?}");
    }
}
