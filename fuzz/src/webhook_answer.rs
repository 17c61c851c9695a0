//! What a receiver answers to a webhook. Input: how to cut, then the answer.
//!
//! Laws: how it is cut makes no difference; what was taken was answered with 2xx, and nothing else was; a connection is kept only
//! behind a whole answer.

use barewire::http::{HeadFinder, HeadLimits, ResponseHead};
use barewire::webhook::{Outcome, judge};

use super::choice::{Choices, cuts};

pub fn check(input: &[u8]) {
    let mut choices = Choices::of(input);
    let cut = choices.byte();
    let answer = choices.rest();
    let Some(whole) = judge(&[answer]) else {
        return;
    };
    let pieces: Vec<&[u8]> = cuts(answer.len(), cut)
        .into_iter()
        .map(|piece| &answer[piece])
        .collect();
    assert_eq!(judge(&pieces), Some(whole));
    let (outcome, is_kept) = whole;
    match outcome {
        Outcome::Status(status) => {
            assert_eq!(final_status(answer), Some(status));
            assert!(status >= 200);
            assert_eq!(outcome.is_success(), (200..300).contains(&status));
        }
        _ => assert!(!outcome.is_success() && !is_kept),
    }
}

/// The status of the first head that is not an informational one.
fn final_status(mut answer: &[u8]) -> Option<u16> {
    let limits = HeadLimits::default();
    loop {
        let length = HeadFinder::default().find(answer, &limits).ok()??;
        let head = ResponseHead::parse(&answer[..length], &limits).ok()?;
        if head.status() >= 200 {
            return Some(head.status());
        }
        answer = &answer[length..];
    }
}
