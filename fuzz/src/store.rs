//! Rows of the durable store. Input: the bytes of one, without the checksum where it has one.
//!
//! Laws: whatever the bytes, they are decoded or refused; what is decoded is encoded to the same bytes.

pub fn check(input: &[u8]) {
    barewire::backend::durable::decode_anything(input);
}
