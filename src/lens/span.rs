//! What bytes mean, nested: a tree whose leaves are every byte once.

/// Bytes with a meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Span {
    /// What they are: `method`, `masking key`.
    pub name: &'static str,
    /// How many bytes of this direction came before them.
    pub offset: u64,
    /// How many they are.
    pub length: u64,
    /// What they mean, in a sentence.
    pub meaning: String,
    /// The section that says so: `RFC 6455 5.2`.
    pub rule: &'static str,
    /// The bits of a single byte, all eight of them, from the most significant on; empty where they mean nothing alone.
    pub bits: Vec<Bits>,
    /// What they consist of, without a gap; empty for a leaf.
    pub parts: Vec<Span>,
}

/// Bits of a byte with a meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bits {
    /// What they are: `FIN`.
    pub name: &'static str,
    /// How many there are.
    pub width: u8,
    /// What they hold.
    pub value: u8,
    /// What that means.
    pub meaning: String,
}

impl Span {
    /// The spans below this one that have no parts, in order; this one itself, if it has none.
    pub fn leaves(&self) -> Vec<&Span> {
        let mut leaves = Vec::new();
        self.collect(&mut leaves);
        leaves
    }

    fn collect<'s>(&'s self, leaves: &mut Vec<&'s Span>) {
        if self.parts.is_empty() {
            leaves.push(self);
        }
        for part in &self.parts {
            part.collect(leaves);
        }
    }

    /// How many bytes its parts take, or itself.
    pub(super) fn end(&self) -> u64 {
        self.offset.saturating_add(self.length)
    }
}
