//! Settings of an app behind a proxy.

use clap::Args;
use clap::builder::BoolishValueParser;
use http::HeaderMap;
use waxseal_server::{Forwarded, ForwardedHeaders, Peer, RootPath, TrustedProxies};

use crate::start_error::StartError;

/// The settings of an app behind a proxy. Like the other [settings](crate::Settings), each is a flag and an environment
/// variable.
///
/// # Example
///
/// ```
/// use waxseal::{ProxySettings, Settings};
///
/// let proxies = ProxySettings { trusted_proxies: "127.0.0.1".parse()?, ..ProxySettings::default() };
/// let settings = Settings { proxies, ..Settings::default() };
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Proxies")]
#[expect(clippy::exhaustive_structs, reason = "made by callers, from `Default`")]
pub struct ProxySettings {
    /// The proxies that are trusted to say who the client is: addresses, networks, or unix, separated by commas
    /// [default: none].
    #[arg(
        long,
        env = "WAXSEAL_TRUSTED_PROXIES",
        value_name = "ADDRESSES",
        default_value = "",
        hide_default_value = true
    )]
    pub trusted_proxies: TrustedProxies,
    /// The headers of trusted proxies that are read: for, proto, host, prefix (X-Forwarded-…), or forwarded. Name only
    /// headers that every one of these proxies sets or removes.
    #[arg(long, env = "WAXSEAL_FORWARDED_HEADERS", value_name = "NAMES", default_value = "for,proto")]
    pub forwarded_headers: ForwardedHeaders,
    /// Expects each connection to begin with the PROXY protocol, version 2, from a trusted proxy.
    #[arg(long, env = "WAXSEAL_PROXY_PROTOCOL", value_parser = BoolishValueParser::new())]
    pub proxy_protocol: bool,
    /// The path under which a proxy serves the app.
    #[arg(long, env = "WAXSEAL_ROOT_PATH", value_name = "PATH", default_value = "/")]
    pub root_path: RootPath,
}

impl ProxySettings {
    /// What a trusted proxy says about a request; `None` if the peer is not trusted.
    pub(crate) fn told(&self, peer: Option<Peer>, headers: &HeaderMap) -> Option<Box<Forwarded>> {
        let peer = peer.filter(|peer| self.trusted_proxies.contains(*peer))?;
        Some(Box::new(Forwarded::read(headers, peer, &self.trusted_proxies, self.forwarded_headers)))
    }

    /// `true` if the app's root path may come from a request's headers.
    pub(crate) fn is_told_a_path(&self) -> bool {
        self.forwarded_headers.reads_prefix()
    }

    /// Refuses settings that contradict each other.
    pub(crate) fn checked(&self, development: bool) -> Result<Self, StartError> {
        match self.trusted_proxies.is_empty() {
            false if development => Err(StartError::ProxiesInDevelopment),
            true if self.proxy_protocol => Err(StartError::ProxyProtocolOfNobody),
            _ => Ok(self.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::Settings;

    #[test]
    fn what_contradicts_itself_does_not_start() {
        for (flags, starts) in [
            (&[][..], true),
            (&["--trusted-proxies=127.0.0.1,unix"], true),
            (&["--trusted-proxies=127.0.0.1", "--development"], false),
            (&["--development"], true),
            (&["--proxy-protocol"], false),
            (&["--proxy-protocol", "--trusted-proxies=10.0.0.0/8"], true),
            (&["--root-path=/app", "--development"], true),
        ] {
            let settings = Settings::try_parse_from([&["app"], flags].concat()).unwrap();
            assert_eq!(settings.proxies.checked(settings.development).is_ok(), starts, "{flags:?}");
        }
    }

    #[test]
    fn a_malformed_value_is_said() {
        for (flag, said) in [
            ("--trusted-proxies=proxy.example", "`proxy.example` is no address"),
            ("--forwarded-headers=x-real-ip", "`x-real-ip` names no header"),
            ("--root-path=app", "`app` is no plain path; write /app"),
        ] {
            let error = Settings::try_parse_from(["app", flag]).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
