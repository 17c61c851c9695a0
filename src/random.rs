//! Randomness from the operating system: masking keys, handshake keys, jitter.

/// Bytes that are fetched at once, so that a masked frame rarely costs a system call.
const POOL: usize = 256;

/// A pool of random bytes. What was given out is never given again.
#[derive(Clone)]
pub(crate) struct Random {
    pool: [u8; POOL],
    used: usize,
    /// The system gives no more.
    #[cfg(test)]
    is_dry: bool,
}

impl std::fmt::Debug for Random {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Keys that are still to be used are nobody's business (RFC 6455 10.3).
        f.debug_struct("Random").finish_non_exhaustive()
    }
}

impl Random {
    pub(crate) const fn new() -> Random {
        Random {
            pool: [0; POOL],
            used: POOL,
            #[cfg(test)]
            is_dry: false,
        }
    }

    /// A pool that can't be filled.
    #[cfg(test)]
    pub(crate) const fn dry() -> Random {
        Random {
            is_dry: true,
            ..Random::new()
        }
    }

    /// `N` bytes, at most [`POOL`].
    ///
    /// # Errors
    /// The system has no randomness to give; nothing that needs some may go on then.
    pub(crate) fn bytes<const N: usize>(&mut self) -> std::io::Result<[u8; N]> {
        const { assert!(N <= POOL) };
        #[cfg(test)]
        if self.is_dry {
            return Err(std::io::ErrorKind::Unsupported.into());
        }
        if self.used + N > POOL {
            getrandom::fill(&mut self.pool).map_err(|_| std::io::ErrorKind::Unsupported)?;
            self.used = 0;
        }
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.pool[self.used..self.used + N]);
        self.used += N;
        Ok(bytes)
    }

    /// A number from 0 to `most`, both included.
    pub(crate) fn up_to(&mut self, most: u64) -> u64 {
        // Without randomness there is no jitter, which is no harm to the one who waits.
        let number = self.bytes().map_or(u64::MAX, u64::from_le_bytes);
        match most.checked_add(1) {
            Some(count) => number % count,
            None => number,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Random;
    use std::collections::HashSet;

    #[test]
    fn no_key_is_given_twice() {
        let mut random = Random::new();
        let keys: HashSet<[u8; 16]> = (0..1000).map(|_| random.bytes().unwrap()).collect();
        assert_eq!(keys.len(), 1000);
    }

    #[test]
    fn numbers_stay_below_their_bound() {
        let mut random = Random::new();
        assert!((0..1000).all(|_| random.up_to(9) < 10));
        assert_eq!(random.up_to(0), 0);
    }
}
