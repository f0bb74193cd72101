//! Settings: by flag, by environment variable, in a file, or in code.

pub(crate) mod arguments;
pub(crate) mod limits;
pub(crate) mod proxies;
pub(crate) mod unknown;
pub(crate) mod values;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{CommandFactory, FromArgMatches, Parser};
use http::HeaderName;
use waxseal_http::{SameSite, SessionCookie, SetupError};
use waxseal_keys::SecretOptions;
use waxseal_manager::{Lifetimes, Mirrored, Revocable, State, Stored, WhenAway};
use waxseal_server::Limits;
use waxseal_store::SessionStore;

use self::limits::LimitSettings;
use self::proxies::ProxySettings;
#[cfg(unix)]
use self::values::FileMode;
use self::values::LogFormat;
use crate::device_bound::DeviceBound;
use crate::log_filter::LogFilter;
use crate::session_state::SessionState;
use crate::start_error::StartError;
use crate::store_url::StoreUrl;

/// The settings of an app, with the names that Flask users know. Each is a flag (`--session-cookie-name`), an
/// environment variable with the prefix `WAXSEAL_` (`WAXSEAL_SESSION_COOKIE_NAME`), and a field.
///
/// Secret keys are not settings, because every user of the machine can read a command line. They come from `SECRET_KEY`
/// or a file: see [`Secrets`](crate::Secrets).
///
/// # Example
///
/// ```
/// let settings = waxseal::Settings { port: 8080, ..Default::default() };
/// ```
#[derive(Debug, Clone, Parser)]
#[command(about = None, long_about = None, name = "waxseal", version)]
#[expect(clippy::exhaustive_structs, reason = "made by callers, from `Default`")]
pub struct Settings {
    /// A file of settings and of the app's own configuration: NAME=value on each line, with the names of the environment
    /// variables. Flags and variables override it.
    #[arg(long, env = "WAXSEAL_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The address to listen on.
    #[arg(long, env = "WAXSEAL_HOST", value_name = "ADDRESS", default_value = "127.0.0.1", value_parser = values::address)]
    pub host: IpAddr,
    /// The port to listen on; 0 for any free port.
    #[arg(long, env = "WAXSEAL_PORT", default_value_t = 5000)]
    pub port: u16,
    /// The path of a Unix socket to listen on, instead of an address.
    #[cfg(unix)]
    #[arg(long, env = "WAXSEAL_UNIX_SOCKET", value_name = "PATH", conflicts_with = "share_port")]
    pub unix_socket: Option<PathBuf>,
    /// The permissions of the Unix socket: whoever may write to it may connect.
    #[cfg(unix)]
    #[arg(long, env = "WAXSEAL_UNIX_SOCKET_MODE", value_name = "MODE", default_value_t)]
    pub unix_socket_mode: FileMode,
    /// Listens beside other processes of this program on the same port; the system spreads connections over them.
    #[arg(long, env = "WAXSEAL_SHARE_PORT", value_parser = BoolishValueParser::new())]
    pub share_port: bool,
    /// A file of certificates for TLS, the server's own first. It is read again when it changes.
    #[cfg(feature = "tls")]
    #[arg(long, env = "WAXSEAL_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The file of the certificate's private key.
    #[cfg(feature = "tls")]
    #[arg(long, env = "WAXSEAL_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// For development on this machine: plain HTTP, templates reloaded, errors explained, a secret key made and kept.
    /// Needs a loopback address.
    #[arg(long, env = "WAXSEAL_DEVELOPMENT", value_parser = BoolishValueParser::new())]
    pub development: bool,
    /// A file of secret keys, one a line; the first seals. Instead of SECRET_KEY [env: SECRET_KEY_FILE, or
    /// WAXSEAL_SECRET_KEY_FILE].
    // `Secrets` reads the variable, so that the same rules apply to it as to the variables of other secrets.
    #[arg(long, value_name = "FILE")]
    pub secret_key_file: Option<PathBuf>,
    /// The interval at which the secret file is checked for new keys; 0 to check it only on SIGHUP.
    #[arg(long, env = "WAXSEAL_SECRET_RELOAD_INTERVAL", value_name = "SECONDS", default_value_t = 1)]
    pub secret_reload_interval: u64,
    /// The address for /metrics and /health, which are for the operator alone: an address and a port, or a port of this
    /// machine [default: not served].
    #[arg(long, env = "WAXSEAL_ADMIN_ADDRESS", value_name = "ADDRESS:PORT", value_parser = values::admin_address)]
    pub admin_address: Option<SocketAddr>,
    /// The address for /health/live and /health/ready alone, which show no key ids: for a load balancer [default: not
    /// served].
    #[arg(long, env = "WAXSEAL_HEALTH_ADDRESS", value_name = "ADDRESS:PORT", value_parser = values::admin_address)]
    pub health_address: Option<SocketAddr>,
    /// /health/ready answers 200 although the session store is away or full: pages without a session are served, and in
    /// state mirrored copies are shown.
    #[arg(long, env = "WAXSEAL_READY_WITHOUT_STORE", value_name = "BOOL", value_parser = BoolishValueParser::new(), action = clap::ArgAction::Set, default_value = "false")]
    pub ready_without_store: bool,
    /// Accepts a secret key that is too weak, with a warning.
    #[arg(long, env = "WAXSEAL_ALLOW_WEAK_SECRET", value_parser = BoolishValueParser::new())]
    pub allow_weak_secret: bool,
    /// The place where sessions live.
    #[arg(long, alias = "state", env = "WAXSEAL_SESSION_STATE", value_enum, default_value_t)]
    pub session_state: SessionState,
    /// The session store of states store and mirrored: memory:, sqlite:PATH, redis://HOST, redis+unix://PATH,
    /// redis-cluster://HOST,HOST, redis-sentinel://HOST,HOST/NAME or postgres://USER@HOST/DATABASE, with options behind a `?` [default: memory:]. In state cookie it holds the list of
    /// revoked sessions.
    #[arg(long, alias = "store", env = "WAXSEAL_SESSION_STORE", hide_env_values = true, value_name = "URL")]
    pub session_store: Option<StoreUrl>,
    /// State mirrored: the time after a confirmation for which the browser's copy is used without asking the store; 0 asks
    /// every time.
    #[arg(long, env = "WAXSEAL_SESSION_FRESHNESS", value_name = "SECONDS", default_value_t = 5)]
    pub session_freshness: u64,
    /// State mirrored: the time after its last confirmation for which a copy can be read while the store is away; at most 900.
    #[arg(long, env = "WAXSEAL_SESSION_GRACE", value_name = "SECONDS", default_value_t = 300)]
    pub session_grace: u64,
    /// State store: the answer of a page that reads the session while the store is away.
    #[arg(long, env = "WAXSEAL_SESSION_WHEN_AWAY", value_parser = values::when_away(), default_value = "refuse")]
    pub session_when_away: WhenAway,
    /// Answers 409 if two requests insert under the same key at once; otherwise the last one wins.
    #[arg(long, env = "WAXSEAL_SESSION_STRICT", value_name = "BOOL", value_parser = BoolishValueParser::new(), action = clap::ArgAction::Set, default_value = "false")]
    pub session_strict: bool,
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
    /// The requests from other sites with which the cookie is sent.
    #[arg(long, env = "WAXSEAL_SESSION_COOKIE_SAMESITE", value_parser = values::same_site(), ignore_case = true, default_value = "lax")]
    pub session_cookie_samesite: SameSite,
    /// Keeps a separate cookie for each site that embeds the app.
    #[arg(long, env = "WAXSEAL_SESSION_COOKIE_PARTITIONED", value_name = "BOOL", value_parser = BoolishValueParser::new(), action = clap::ArgAction::Set, default_value = "false")]
    pub session_cookie_partitioned: bool,
    /// The lifetime of a session without activity.
    #[arg(long, env = "WAXSEAL_SESSION_LIFETIME", value_name = "SECONDS", default_value_t = 30 * 60)]
    pub session_lifetime: u64,
    /// The longest lifetime of a session.
    #[arg(long, env = "WAXSEAL_SESSION_ABSOLUTE_LIFETIME", value_name = "SECONDS", default_value_t = 12 * 60 * 60)]
    pub session_absolute_lifetime: u64,
    /// The lifetime of a permanent session without activity.
    #[arg(long, env = "WAXSEAL_PERMANENT_SESSION_LIFETIME", value_name = "SECONDS", default_value_t = 31 * 24 * 60 * 60)]
    pub permanent_session_lifetime: u64,
    /// The longest lifetime of a permanent session.
    #[arg(long, env = "WAXSEAL_PERMANENT_SESSION_ABSOLUTE_LIFETIME", value_name = "SECONDS", default_value_t = 180 * 24 * 60 * 60)]
    pub permanent_session_absolute_lifetime: u64,
    /// State cookie: records activity with every request that reads its session, not only from time to time.
    #[arg(long, env = "WAXSEAL_SESSION_REFRESH_EACH_REQUEST", value_name = "BOOL", value_parser = BoolishValueParser::new(), action = clap::ArgAction::Set, default_value = "false")]
    pub session_refresh_each_request: bool,
    /// Binds each signed-in session to the device that it was begun on, so that a stolen cookie is worth nothing within
    /// eleven minutes, in browsers that can do so [default: off, or what the app says].
    #[arg(long, env = "WAXSEAL_DEVICE_BOUND", value_enum)]
    pub device_bound: Option<DeviceBound>,
    /// The time after which a browser proves its device anew, from 120 to 3600 [default: 600].
    #[arg(long, env = "WAXSEAL_DEVICE_BOUND_FOR", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(120..=3600))]
    pub device_bound_for: Option<u64>,
    /// The maximum size of a request's body, in bytes [default: 2097152].
    #[arg(long, env = "WAXSEAL_MAX_CONTENT_LENGTH", value_name = "BYTES")]
    pub max_content_length: Option<usize>,
    /// The lines that are logged: a level (error, warn, info, debug, trace), also for a module, as in
    /// info,waxseal_manager=debug [env: WAXSEAL_LOG, or RUST_LOG] [default: info].
    #[arg(long, env = "WAXSEAL_LOG", hide_env = true, value_name = "FILTER")]
    pub log: Option<LogFilter>,
    /// The format of log lines.
    #[arg(long, env = "WAXSEAL_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// Logs a line for each request: method, route, path, status, time, and what it did with its session.
    #[arg(long, env = "WAXSEAL_ACCESS_LOG", value_name = "BOOL", value_parser = BoolishValueParser::new(), action = clap::ArgAction::Set, default_value = "false")]
    pub access_log: bool,
    /// Logs the public id of the session that a request read, by which a visitor's requests can be told apart.
    #[arg(long, env = "WAXSEAL_LOG_SESSION_ID", value_name = "BOOL", value_parser = BoolishValueParser::new(), action = clap::ArgAction::Set, default_value = "false")]
    pub log_session_id: bool,
    /// The header by which a proxy gives each request an id. The log and the answer carry it. Use it only behind a proxy
    /// that overwrites it [default: an id is made, and answered as X-Request-Id].
    #[arg(long, env = "WAXSEAL_REQUEST_ID_HEADER", value_name = "NAME")]
    pub request_id_header: Option<HeaderName>,
    /// The proxies in front of the app, and the path under which they serve it.
    #[command(flatten)]
    pub proxies: ProxySettings,
    /// The other limits and deadlines.
    #[command(flatten)]
    pub limits: LimitSettings,
}

impl Default for Settings {
    /// The defaults of all flags. The environment is not read.
    fn default() -> Self {
        Self {
            config: None,
            host: Ipv4Addr::LOCALHOST.into(),
            port: 5000,
            #[cfg(unix)]
            unix_socket: None,
            #[cfg(unix)]
            unix_socket_mode: FileMode::default(),
            share_port: false,
            #[cfg(feature = "tls")]
            tls_cert: None,
            #[cfg(feature = "tls")]
            tls_key: None,
            development: false,
            secret_key_file: None,
            secret_reload_interval: 1,
            admin_address: None,
            health_address: None,
            ready_without_store: false,
            allow_weak_secret: false,
            session_state: SessionState::default(),
            session_store: None,
            session_freshness: 5,
            session_grace: 300,
            session_when_away: WhenAway::default(),
            session_strict: false,
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
            device_bound: None,
            device_bound_for: None,
            max_content_length: None,
            log: None,
            log_format: LogFormat::default(),
            access_log: false,
            log_session_id: false,
            request_id_header: None,
            proxies: ProxySettings::default(),
            limits: LimitSettings::default(),
        }
    }
}

impl Settings {
    /// Parses this program's flags, environment and [configuration file](Self::config). On `--help` and on mistakes it
    /// prints a text and ends the program. For an app with flags of its own, there is [`args`](crate::args()).
    ///
    /// An empty variable counts as unset, because compose files pass on variables that were never set.
    #[must_use]
    pub fn from_args() -> Self {
        arguments::args()
    }

    pub(crate) fn session_cookie(&self) -> Result<SessionCookie, SetupError> {
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

    /// The lifetimes of sessions.
    ///
    /// # Errors
    ///
    /// Those of [`Lifetimes`]' methods.
    pub fn lifetimes(&self) -> Result<Lifetimes, waxseal_manager::Error> {
        let mut lifetimes = Lifetimes::new()
            .absolute(Duration::from_secs(self.session_absolute_lifetime))?
            .permanent_absolute(Duration::from_secs(self.permanent_session_absolute_lifetime))?
            .refresh_each_request(self.session_refresh_each_request);
        // If the idle lifetime is not set, a shorter absolute lifetime also shortens it.
        let default = Self::default();
        if self.session_lifetime != default.session_lifetime {
            lifetimes = lifetimes.idle(Duration::from_secs(self.session_lifetime))?;
        }
        if self.permanent_session_lifetime != default.permanent_session_lifetime {
            lifetimes = lifetimes.permanent_idle(Duration::from_secs(self.permanent_session_lifetime))?;
        }
        Ok(lifetimes)
    }

    /// The settings of the environment and of the [configuration file](Self::config), without flags: those of an app, for a
    /// tool beside it.
    ///
    /// # Errors
    ///
    /// If a value is invalid, or the file cannot be used.
    pub fn from_environment() -> Result<Self, clap::Error> {
        Self::from_arg_matches(&arguments::try_matches(Self::command(), vec!["waxseal".into()])?)
    }

    /// Builds the session state over `store`. Options that have no meaning in that state are ignored.
    pub(crate) fn state(&self, store: impl SessionStore) -> State {
        match self.session_state {
            SessionState::Cookie => Revocable::new(store).into(),
            SessionState::Store => {
                Stored::new(store).strict(self.session_strict).when_away(self.session_when_away).into()
            }
            SessionState::Mirrored => Mirrored::new(store)
                .strict(self.session_strict)
                .freshness(Duration::from_secs(self.session_freshness))
                .grace(Duration::from_secs(self.session_grace))
                .into(),
        }
    }

    /// The policy for outages of the store, as a phrase to follow the state's name.
    pub(crate) fn outage_policy(&self) -> String {
        match (self.session_state, self.session_when_away) {
            (SessionState::Cookie, _) => String::new(),
            (SessionState::Store, WhenAway::Anonymous) => {
                " (without the store visitors are anonymous)".to_owned()
            }
            (SessionState::Store, _) => " (without the store 503)".to_owned(),
            (SessionState::Mirrored, _) => {
                format!(" (fresh for {} s, grace {} s)", self.session_freshness, self.session_grace)
            }
        }
    }

    /// `true` if the app itself serves TLS.
    pub(crate) fn speaks_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        let speaks = self.tls_cert.is_some() && self.tls_key.is_some();
        #[cfg(not(feature = "tls"))]
        let speaks = false;
        speaks
    }

    /// The limits of an app that has set `limits`, with the settings applied.
    pub(crate) fn limits(&self, limits: Limits) -> Result<Limits, StartError> {
        let limits = limits.body(self.max_content_length.unwrap_or(limits.body));
        limits::check(self.limits.over(limits))
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_defaults_in_code_are_those_of_the_flags() {
        let flags = Settings::try_parse_from(["app"]).expect("no variable of ours is set while testing");
        assert_eq!(format!("{flags:?}"), format!("{:?}", Settings::default()));
    }

    #[test]
    fn every_flag_has_the_variable_of_its_name() {
        let command = Settings::command();
        let flags =
            command.get_arguments().filter_map(|argument| Some((argument.get_long()?, argument.get_env())));
        let without: Vec<_> = flags
            .filter(|(flag, variable)| {
                let expected = format!("WAXSEAL_{}", flag.to_uppercase().replace('-', "_"));
                variable.is_none_or(|variable| variable != expected.as_str())
            })
            .map(|(flag, _)| flag)
            .collect();
        // It is read by `Secrets`.
        assert_eq!(without, ["secret-key-file"]);
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
