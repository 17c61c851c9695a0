//! `--redis`: the channels are shared with all hubs that use the same Redis or Valkey.

#[cfg(feature = "redis")]
pub use with::{open, put, put_behind};
#[cfg(not(feature = "redis"))]
pub use without::{open, put, put_behind};

#[cfg(feature = "redis")]
mod with {
    use std::error::Error;

    use barewire::redis::{self, Redis};
    use barewire::{Cores, Server};

    use crate::common::Options;
    use crate::{age, bound};

    pub fn open(options: &Options) -> Result<Option<Redis>, Box<dyn Error>> {
        let Some(url) = options.last("redis") else {
            return Ok(None);
        };
        let mut opening = redis::Options::default();
        opening.wait = options.seconds("redis-wait", "0")?;
        if let Some(prefix) = options.last("redis-prefix") {
            opening.prefix = prefix.into();
        }
        let retained = &mut opening.retained;
        if let Some(messages) = bound(options, "retain-messages")? {
            retained.messages = messages as u64;
        }
        if let Some(bytes) = bound(options, "retain-bytes")? {
            retained.bytes = bytes as u64;
        }
        if let Some(age) = age(options)? {
            retained.age = age;
        }
        Ok(Some(Redis::open(url, opening)?))
    }

    pub fn put(redis: Option<Redis>, server: &mut Server) -> barewire::Result<()> {
        match redis {
            Some(redis) => server.redis_in(redis).map(drop),
            None => Ok(()),
        }
    }

    pub fn put_behind(redis: Option<Redis>, cores: &mut Cores) -> barewire::Result<()> {
        match redis {
            Some(redis) => cores.redis_in(redis),
            None => Ok(()),
        }
    }
}

#[cfg(not(feature = "redis"))]
mod without {
    use barewire::{Cores, Server};

    use crate::common::Options;

    pub fn open(options: &Options) -> Result<Option<()>, &'static str> {
        match options.last("redis") {
            None => Ok(None),
            Some(_) => Err("--redis takes the feature for it: cargo run --features redis"),
        }
    }

    pub fn put(_: Option<()>, _: &mut Server) -> barewire::Result<()> {
        Ok(())
    }

    pub fn put_behind(_: Option<()>, _: &mut Cores) -> barewire::Result<()> {
        Ok(())
    }
}
