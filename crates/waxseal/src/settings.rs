//! What can be set from outside: by flag, by environment variable, or in code.

use std::net::{AddrParseError, IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{BoolishValueParser, PossibleValue, PossibleValuesParser, Resettable, TypedValueParser};
use clap::{Arg, CommandFactory, FromArgMatches, Parser, ValueEnum};
use waxseal_http::{CookieError, SameSite, SessionCookie};
use waxseal_keys::SecretOptions;
use waxseal_server::Limits;
use waxseal_store::{Lifetimes, SessionManager};

use crate::StorePlace;

/// What can be set from outside, under the names Flask users know: each setting is a flag
/// (`--session-cookie-name`), an environment variable with the prefix `WAXSEAL_`
/// (`WAXSEAL_SESSION_COOKIE_NAME`), and a field.
///
/// Secrets are not among them: a command line can be read by every user of the machine. They come from
/// `SECRET_KEY` or a file, see [`Secrets`](crate::Secrets).
///
/// # Example
///
/// ```
/// let settings = waxseal::Settings { port: 8080, ..Default::default() };
/// ```
#[derive(Debug, Clone, Parser)]
#[command(about = None, long_about = None, disable_version_flag = true)]
pub struct Settings {
    /// The address to listen on.
    #[arg(long, env = "WAXSEAL_HOST", value_name = "ADDRESS", default_value = "127.0.0.1", value_parser = address)]
    pub host: IpAddr,
    /// The port to listen on; 0 for any that is free.
    #[arg(long, env = "WAXSEAL_PORT", default_value_t = 5000)]
    pub port: u16,
    /// Listens beside other processes of this program on the same port; the system spreads connections over them.
    #[arg(long, env = "WAXSEAL_SHARE_PORT", value_parser = BoolishValueParser::new())]
    pub share_port: bool,
    /// Runs for the developer alone: plain HTTP, templates reloaded, errors explained, a secret made and kept.
    /// Needs a loopback address.
    #[arg(long, env = "WAXSEAL_DEVELOPMENT", value_parser = BoolishValueParser::new())]
    pub development: bool,
    /// A file of secret keys, one a line; the first seals. Instead of SECRET_KEY [env: SECRET_KEY_FILE, or
    /// WAXSEAL_SECRET_KEY_FILE].
    // Read where the other secrets' variables are, so that the same rules hold for all of them.
    #[arg(long, value_name = "FILE")]
    pub secret_key_file: Option<PathBuf>,
    /// How often the secret file is looked at for new keys; 0 for SIGHUP alone.
    #[arg(long, env = "WAXSEAL_SECRET_RELOAD_INTERVAL", value_name = "SECONDS", default_value_t = 1)]
    pub secret_reload_interval: u64,
    /// Where to serve /metrics and /health, which are for the operator alone: an address and a port, or a port of this
    /// machine [default: nowhere].
    #[arg(long, env = "WAXSEAL_ADMIN_ADDRESS", value_name = "ADDRESS:PORT", value_parser = admin_address)]
    pub admin_address: Option<SocketAddr>,
    /// Starts with a secret key that is too weak, and says so.
    #[arg(long, env = "WAXSEAL_ALLOW_WEAK_SECRET", value_parser = BoolishValueParser::new())]
    pub allow_weak_secret: bool,
    /// Where sessions live.
    #[arg(long, alias = "state", env = "WAXSEAL_SESSION_STATE", value_enum, default_value_t)]
    pub session_state: SessionState,
    /// Where states store and mirrored keep sessions: memory:, sqlite:PATH, redis://HOST,
    /// redis-cluster://HOST,HOST or postgres://USER@HOST/DATABASE [default: memory:]. In state cookie it has the list of sessions that were ended before their time.
    #[arg(
        long,
        alias = "store",
        env = "WAXSEAL_SESSION_STORE",
        hide_env_values = true,
        value_name = "PLACE"
    )]
    pub session_store: Option<StorePlace>,
    /// State mirrored: for how long after a confirm the browser's copy is shown without asking the store; 0 asks
    /// every time.
    #[arg(long, env = "WAXSEAL_SESSION_FRESHNESS", value_name = "SECONDS", default_value_t = 5)]
    pub session_freshness: u64,
    /// State mirrored: for how long after its last confirm a copy can be read while the store is away; at most 900.
    #[arg(long, env = "WAXSEAL_SESSION_GRACE", value_name = "SECONDS", default_value_t = 300)]
    pub session_grace: u64,
    /// State store: what a page that reads the session answers while the store is away.
    #[arg(long, env = "WAXSEAL_SESSION_WHEN_AWAY", value_enum, default_value_t)]
    pub session_when_away: WhenAway,
    /// Answers 409 if two requests insert under the same key at once, in place of the last word.
    #[arg(long, env = "WAXSEAL_SESSION_STRICT", value_name = "BOOL", value_parser = BoolishValueParser::new(), action = clap::ArgAction::Set, default_value = "false")]
    pub session_strict: bool,
    /// Gives each session on the server a new id so often, once a minute at most [default: at sign-in alone].
    #[arg(long, env = "WAXSEAL_SESSION_RENEW_INTERVAL", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(60..))]
    pub session_renew_interval: Option<u64>,
    /// The complete name of the session cookie [default: __Host-session, in development waxseal-dev-session].
    #[arg(long, env = "WAXSEAL_SESSION_COOKIE_NAME", value_name = "NAME")]
    pub session_cookie_name: Option<String>,
    /// Sends the cookie to this domain and all below it [default: to this host alone].
    #[arg(long, env = "WAXSEAL_SESSION_COOKIE_DOMAIN", value_name = "DOMAIN")]
    pub session_cookie_domain: Option<String>,
    /// Sends the cookie to this path and below.
    #[arg(long, env = "WAXSEAL_SESSION_COOKIE_PATH", value_name = "PATH", default_value = "/")]
    pub session_cookie_path: String,
    /// Hides the cookie from scripts.
    #[arg(long, env = "WAXSEAL_SESSION_COOKIE_HTTPONLY", value_name = "BOOL", value_parser = BoolishValueParser::new(), action = clap::ArgAction::Set, default_value = "true")]
    pub session_cookie_httponly: bool,
    /// Sends the cookie over TLS only [default: true, in development false].
    #[arg(long, env = "WAXSEAL_SESSION_COOKIE_SECURE", value_name = "BOOL", value_parser = BoolishValueParser::new(), action = clap::ArgAction::Set)]
    pub session_cookie_secure: Option<bool>,
    /// Which requests of other sites carry the cookie.
    #[arg(long, env = "WAXSEAL_SESSION_COOKIE_SAMESITE", value_parser = same_site(), ignore_case = true, default_value = "lax")]
    pub session_cookie_samesite: SameSite,
    /// Keeps one cookie per embedding site.
    #[arg(long, env = "WAXSEAL_SESSION_COOKIE_PARTITIONED", value_name = "BOOL", value_parser = BoolishValueParser::new(), action = clap::ArgAction::Set, default_value = "false")]
    pub session_cookie_partitioned: bool,
    /// How long a session lives without activity.
    #[arg(long, env = "WAXSEAL_SESSION_LIFETIME", value_name = "SECONDS", default_value_t = 30 * 60)]
    pub session_lifetime: u64,
    /// How long a session lives at most.
    #[arg(long, env = "WAXSEAL_SESSION_ABSOLUTE_LIFETIME", value_name = "SECONDS", default_value_t = 12 * 60 * 60)]
    pub session_absolute_lifetime: u64,
    /// How long a permanent session lives without activity.
    #[arg(long, env = "WAXSEAL_PERMANENT_SESSION_LIFETIME", value_name = "SECONDS", default_value_t = 31 * 24 * 60 * 60)]
    pub permanent_session_lifetime: u64,
    /// How long a permanent session lives at most.
    #[arg(long, env = "WAXSEAL_PERMANENT_SESSION_ABSOLUTE_LIFETIME", value_name = "SECONDS", default_value_t = 180 * 24 * 60 * 60)]
    pub permanent_session_absolute_lifetime: u64,
    /// State cookie: notes activity with every request that looks at its session, in place of now and then.
    #[arg(long, env = "WAXSEAL_SESSION_REFRESH_EACH_REQUEST", value_name = "BOOL", value_parser = BoolishValueParser::new(), action = clap::ArgAction::Set, default_value = "false")]
    pub session_refresh_each_request: bool,
    /// The largest request body [default: 2097152].
    #[arg(long, env = "WAXSEAL_MAX_CONTENT_LENGTH", value_name = "BYTES")]
    pub max_content_length: Option<usize>,
    /// How much the log says.
    #[arg(long, env = "WAXSEAL_LOG", value_enum, default_value_t)]
    pub log: LogLevel,
}

/// Where sessions live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
#[non_exhaustive]
pub enum SessionState {
    /// Whole and sealed in the visitor's browser; nothing on the server.
    #[default]
    Cookie,
    /// On the server; the browser has a signed id.
    Store,
    /// On the server, with a sealed copy in the browser.
    Mirrored,
}

impl SessionState {
    /// As it is set.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cookie => "cookie",
            Self::Store => "store",
            Self::Mirrored => "mirrored",
        }
    }
}

/// What state `store` shows of a session while its store is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
#[non_exhaustive]
pub enum WhenAway {
    /// 503.
    #[default]
    Refuse,
    /// For GET, HEAD and OPTIONS the page of a visitor who is not signed in; else 503.
    Anonymous,
}

/// Reads [`SameSite`], which is not ours to derive clap's traits for.
fn same_site() -> impl TypedValueParser<Value = SameSite> {
    let values = [
        PossibleValue::new("lax")
            .help("Links from other sites carry the cookie, their forms and scripts do not"),
        PossibleValue::new("strict").help("Nothing from other sites carries it"),
        PossibleValue::new("none").help("Everything does; needs Secure"),
    ];
    PossibleValuesParser::new(values).try_map(|text| text.parse())
}

/// How much the log says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogLevel {
    /// Errors alone.
    Error,
    /// And what should be looked at.
    Warn,
    /// And what happens: start, stop, refused cookies.
    #[default]
    Info,
    /// And answers of 4xx.
    Debug,
    /// And everything else.
    Trace,
}

impl Default for Settings {
    /// The defaults of every flag, whatever the environment says.
    fn default() -> Self {
        Self {
            host: Ipv4Addr::LOCALHOST.into(),
            port: 5000,
            share_port: false,
            development: false,
            secret_key_file: None,
            secret_reload_interval: 1,
            admin_address: None,
            allow_weak_secret: false,
            session_state: SessionState::default(),
            session_store: None,
            session_freshness: 5,
            session_grace: 300,
            session_when_away: WhenAway::default(),
            session_strict: false,
            session_renew_interval: None,
            session_cookie_name: None,
            session_cookie_domain: None,
            session_cookie_path: "/".to_owned(),
            session_cookie_httponly: true,
            session_cookie_secure: None,
            session_cookie_samesite: SameSite::default(),
            session_cookie_partitioned: false,
            session_lifetime: 30 * 60,
            session_absolute_lifetime: 12 * 60 * 60,
            permanent_session_lifetime: 31 * 24 * 60 * 60,
            permanent_session_absolute_lifetime: 180 * 24 * 60 * 60,
            session_refresh_each_request: false,
            max_content_length: None,
            log: LogLevel::default(),
        }
    }
}

impl Settings {
    /// Reads this program's flags and environment. `--help` and mistakes end the program with a text that says
    /// what can be set. An empty variable is an unset one: compose files pass along what nobody set.
    #[must_use]
    pub fn from_args() -> Self {
        let matches = Self::command().mut_args(without_empty_variable).get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    pub(crate) fn session_cookie(&self) -> Result<SessionCookie, CookieError> {
        let mut cookie = match self.development {
            true => SessionCookie::development(),
            false => SessionCookie::builder(),
        };
        if let Some(name) = &self.session_cookie_name {
            cookie = cookie.name(name);
        }
        if let Some(domain) = &self.session_cookie_domain {
            cookie = cookie.domain(domain);
        }
        if let Some(secure) = self.session_cookie_secure {
            cookie = cookie.secure(secure);
        }
        cookie
            .path(&self.session_cookie_path)
            .http_only(self.session_cookie_httponly)
            .same_site(self.session_cookie_samesite)
            .partitioned(self.session_cookie_partitioned)
            .build()
    }

    /// How long sessions live.
    ///
    /// # Errors
    ///
    /// Those of [`Lifetimes`].
    pub fn lifetimes(&self) -> Result<Lifetimes, waxseal_store::Error> {
        let mut lifetimes = Lifetimes::new()
            .absolute(Duration::from_secs(self.session_absolute_lifetime))?
            .permanent_absolute(Duration::from_secs(self.permanent_session_absolute_lifetime))?
            .refresh_each_request(self.session_refresh_each_request);
        // An idle lifetime that nobody chose gives way to a shorter absolute one.
        let default = Self::default();
        if self.session_lifetime != default.session_lifetime {
            lifetimes = lifetimes.idle(Duration::from_secs(self.session_lifetime))?;
        }
        if self.permanent_session_lifetime != default.permanent_session_lifetime {
            lifetimes = lifetimes.permanent_idle(Duration::from_secs(self.permanent_session_lifetime))?;
        }
        Ok(lifetimes)
    }

    /// Sets what is to be set of sessions, whatever state they are in.
    pub(crate) fn sessions(&self, sessions: SessionManager) -> Result<SessionManager, waxseal_store::Error> {
        Ok(sessions
            .lifetimes(self.lifetimes()?)
            .window(Duration::from_secs(self.session_freshness))
            .grace(Duration::from_secs(self.session_grace))
            .when_away(match self.session_when_away {
                WhenAway::Refuse => waxseal_store::WhenAway::Refuse,
                WhenAway::Anonymous => waxseal_store::WhenAway::Anonymous,
            })
            .strict(self.session_strict)
            .renew_every(self.session_renew_interval.map(Duration::from_secs)))
    }

    pub(crate) fn limits(&self, limits: Limits) -> Limits {
        match self.max_content_length {
            Some(bytes) => limits.body(bytes),
            None => limits,
        }
    }
}

impl From<&Settings> for SecretOptions {
    fn from(settings: &Settings) -> Self {
        let options = Self::new().development(settings.development).allow_weak(settings.allow_weak_secret);
        match &settings.secret_key_file {
            Some(path) => options.file(path),
            None => options,
        }
    }
}

/// A port alone is one of this machine: key ids are not for everybody.
fn admin_address(text: &str) -> Result<SocketAddr, AddrParseError> {
    match text.parse::<u16>() {
        Ok(port) => Ok((Ipv4Addr::LOCALHOST, port).into()),
        Err(_) => text.parse(),
    }
}

fn without_empty_variable(argument: Arg) -> Arg {
    let value = argument.get_env().and_then(std::env::var_os);
    if value.is_some_and(|value| value.is_empty()) { argument.env(Resettable::Reset) } else { argument }
}

/// An address, or `localhost`, which need not be looked up.
fn address(text: &str) -> Result<IpAddr, std::net::AddrParseError> {
    if text == "localhost" { Ok(Ipv4Addr::LOCALHOST.into()) } else { text.parse() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operators_port_is_of_this_machine_unless_told() {
        for (text, expected) in [
            ("9000", Some("127.0.0.1:9000")),
            ("127.0.0.2:9000", Some("127.0.0.2:9000")),
            ("[::1]:9000", Some("[::1]:9000")),
            ("0.0.0.0:9000", Some("0.0.0.0:9000")),
            ("localhost:9000", None),
            ("", None),
        ] {
            assert_eq!(
                admin_address(text).ok().map(|found| found.to_string()).as_deref(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn the_defaults_in_code_are_those_of_the_flags() {
        let flags = Settings::try_parse_from(["app"]).expect("no variable of ours is set while testing");
        assert_eq!(format!("{flags:?}"), format!("{:?}", Settings::default()));
    }

    #[test]
    fn an_idle_lifetime_beyond_the_absolute_one_does_not_start() {
        for (flags, starts) in [
            (&["--session-lifetime=86400"][..], false),
            (&["--session-lifetime=86400", "--session-absolute-lifetime=86400"], true),
            (&["--session-absolute-lifetime=600"], true),
            (&["--session-absolute-lifetime=600", "--session-lifetime=601"], false),
            (&["--permanent-session-lifetime=31536000"], false),
            (&["--permanent-session-absolute-lifetime=600"], true),
            (&["--session-lifetime=0"], false),
            (&["--session-lifetime=4294967295"], false),
            (&["--session-lifetime=18446744073709551615"], false),
        ] {
            let settings = Settings::try_parse_from([&["app"], flags].concat()).unwrap();
            assert_eq!(settings.lifetimes().is_ok(), starts, "{flags:?}");
        }
    }

    #[test]
    fn flask_users_find_their_names() {
        let settings = Settings::try_parse_from([
            "app",
            "--session-cookie-samesite=Strict",
            "--session-cookie-secure=no",
            "--session-cookie-name=session",
            "--permanent-session-lifetime=3600",
        ])
        .unwrap();
        let cookie = settings.session_cookie().unwrap();
        assert_eq!((cookie.name(), cookie.is_secure()), ("session", false));
        assert_eq!(settings.permanent_session_lifetime, 3600);
    }
}
