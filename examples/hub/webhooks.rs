//! What `--webhooks` and its like ask for.

use std::borrow::Cow;
use std::error::Error;

use barewire::{Cores, Server};

use super::common::Options;

/// Where subscriptions are made.
#[cfg(feature = "webhook")]
const PATH: &str = "/channels/{name}/webhooks";

pub fn serve(options: &Options, server: &mut Server) -> Result<(), Box<dyn Error>> {
    if asked(options)? {
        #[cfg(feature = "webhook")]
        server.webhooks(PATH, settings(options)?)?;
        #[cfg(not(feature = "webhook"))]
        let _ = server;
    }
    Ok(())
}

pub fn serve_behind(options: &Options, cores: &mut Cores) -> Result<(), Box<dyn Error>> {
    if asked(options)? {
        #[cfg(feature = "webhook")]
        cores.webhooks(PATH, settings(options)?)?;
        #[cfg(not(feature = "webhook"))]
        let _ = cores;
    }
    Ok(())
}

/// The page, which shows its section about them only where there are any.
pub fn page(page: &'static str, with_webhooks: bool) -> Cow<'static, str> {
    match with_webhooks {
        true => page
            .replacen(
                "aria-labelledby=\"webhooks-title\" hidden",
                "aria-labelledby=\"webhooks-title\"",
                1,
            )
            .into(),
        false => page.into(),
    }
}

fn asked(options: &Options) -> Result<bool, &'static str> {
    let is_asked = options.last("webhooks").is_some();
    match is_asked && cfg!(not(feature = "webhook")) {
        true => Err("--webhooks takes the feature for it: cargo run --features webhook"),
        false => Ok(is_asked),
    }
}

#[cfg(feature = "webhook")]
fn settings(options: &Options) -> Result<barewire::webhook::Options, Box<dyn Error>> {
    use barewire::webhook::{self, Network};
    use std::time::Duration;

    use super::common;

    let mut settings = webhook::Options::default();
    for allowed in options.all("webhook-allow") {
        settings.allowed = match allowed.parse::<Network>() {
            Ok(network) => settings.allowed.network(network),
            Err(why) if allowed.contains(['/', ':']) => {
                return Err(format!("--webhook-allow {allowed}: {why}").into());
            }
            Err(_) => settings.allowed.name(allowed),
        };
    }
    if let Some(given) = options.last("webhook-schedule") {
        let seconds = |wait: &str| {
            let seconds = wait.trim().parse().ok().map(Duration::try_from_secs_f64);
            seconds.and_then(Result::ok)
        };
        let waits: Option<Vec<Duration>> = given.split(',').map(seconds).collect();
        settings.schedule.waits = waits.ok_or_else(|| {
            format!("--webhook-schedule {given}: it takes seconds, such as 5,300,1800")
        })?;
    }
    if let Some(file) = options.last("webhook-ca") {
        #[cfg(feature = "tls")]
        {
            settings.tls = Some(common::tls::trust(file)?);
        }
        #[cfg(not(feature = "tls"))]
        return Err(format!("--webhook-ca {file}: it takes --features tls").into());
    }
    settings.on_event = Some(Box::new(|event| match event {
        webhook::Event::Disabled {
            subscription,
            channel,
            outcome,
        } => common::say(format_args!(
            "webhook {subscription} of the channel {channel} is disabled: it {outcome}"
        )),
        event => common::say(format_args!("webhooks: {event:?}")),
    }));
    Ok(settings)
}
