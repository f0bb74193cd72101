//! Parses `redis://` URLs into hosts and credentials.

use std::fmt;

use percent_encoding::percent_decode_str;
use redis::io::tcp::TcpSettings;
use redis::{Client, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo};
use waxseal_store::url_value;
use zeroize::Zeroizing;

use crate::error::RedisError;
use crate::host::Host;

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// A parsed URL: `redis://`, `redis-cluster://` or `redis-sentinel://`, with `rediss` for TLS, or `redis+unix://`.
#[derive(Clone)]
pub(crate) struct Address {
    /// One host, or several of a cluster, or Sentinels; never empty.
    pub(crate) hosts: Vec<Host>,
    pub(crate) cluster: bool,
    /// The primary's name, if the hosts are Sentinels.
    pub(crate) monitored: Option<String>,
    pub(crate) tls: bool,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Zeroizing<String>>,
    pub(crate) database: i64,
    /// The Sentinels' own user and password.
    of_sentinels: Credentials,
    /// `true` if the name of the only host is the path of a Unix socket.
    unix: bool,
    /// The app's own client for the only host.
    client: Option<Client>,
}

/// A user and a password, decoded.
type Credentials = (Option<String>, Option<Zeroizing<String>>);

impl Address {
    pub(crate) fn parse(url: &str) -> Result<Self, RedisError> {
        let (scheme, rest) = url.split_once("://").ok_or(RedisError::Url("it has no `://`"))?;
        let (tls, cluster, sentinel) = match scheme {
            "redis+unix" | "valkey+unix" => return Self::at_socket(rest),
            "redis" | "valkey" => (false, false, false),
            "rediss" | "valkeys" => (true, false, false),
            "redis-cluster" | "valkey-cluster" => (false, true, false),
            "rediss-cluster" | "valkeys-cluster" => (true, true, false),
            "redis-sentinel" | "valkey-sentinel" => (false, false, true),
            "rediss-sentinel" | "valkeys-sentinel" => (true, false, true),
            _ => return Err(RedisError::Url("its scheme is another")),
        };
        let (rest, of_sentinels) = match rest.split_once('?') {
            Some((rest, query)) if sentinel => (rest, of_sentinels(query)?),
            _ => (rest, Credentials::default()),
        };
        if rest.contains(['?', '#']) {
            return Err(RedisError::Url(
                "only options may follow the database's number; encode `?` and `#` in a password",
            ));
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        // Splits at the last `@`, so that a part of a password with an unencoded `@` is not read as a host and printed.
        let (user_info, hosts) = match authority.rsplit_once('@') {
            Some((user_info, hosts)) => (Some(user_info), hosts),
            None => (None, authority),
        };
        let port = if sentinel { SENTINEL_PORT } else { PORT };
        let hosts = hosts.split(',').map(|host| parse_host(host, port)).collect::<Result<Vec<_>, _>>()?;
        if hosts.len() > 1 && !cluster && !sentinel {
            return Err(RedisError::Url("several hosts are for `redis-cluster://` and `redis-sentinel://`"));
        }
        let (monitored, path) = match sentinel {
            true => monitored(path).map(|(name, rest)| (Some(name), rest))?,
            false => (None, path),
        };
        let database = match path {
            "" => 0,
            number => number
                .parse()
                .ok()
                .filter(|number| *number >= 0)
                .ok_or(RedisError::Url("what follows the host is the database's number, such as `/1`"))?,
        };
        if cluster && database != 0 {
            return Err(RedisError::Url("a cluster has one database, number 0"));
        }
        let (user, password) = credentials(user_info)?;
        Ok(Self {
            hosts,
            cluster,
            monitored,
            tls,
            user,
            password,
            database,
            of_sentinels,
            unix: false,
            client: None,
        })
    }

    /// `user:password@/run/redis.sock?db=1`, without the scheme.
    fn at_socket(rest: &str) -> Result<Self, RedisError> {
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, _) =
            rest.split_once('/').ok_or(RedisError::Url("the path of the socket is missing"))?;
        let path = &rest[authority.len()..];
        let user_info = match authority.rsplit_once('@') {
            Some((user_info, "")) => Some(user_info),
            None if authority.is_empty() => None,
            _ => {
                return Err(RedisError::Url(
                    "a Unix socket has no host; write `redis+unix:///run/redis.sock`",
                ));
            }
        };
        let database = match query {
            "" => 0,
            query => {
                let number = query.strip_prefix("db=").and_then(url_value::number::<u32>);
                number.ok_or(RedisError::Url("db is the database's number"))?.into()
            }
        };
        let (user, password) = credentials(user_info)?;
        let hosts = vec![Host { name: path.to_owned(), port: 0 }];
        Ok(Self {
            hosts,
            cluster: false,
            monitored: None,
            tls: false,
            user,
            password,
            database,
            of_sentinels: Credentials::default(),
            unix: true,
            client: None,
        })
    }

    /// The address of the app's own client.
    pub(crate) fn of(client: &Client) -> Self {
        let (info, settings) = (client.get_connection_info(), client.get_connection_info().redis_settings());
        let (name, port, tls) = match info.addr() {
            ConnectionAddr::Tcp(name, port) => (name.clone(), *port, false),
            ConnectionAddr::TcpTls { host, port, .. } => (host.clone(), *port, true),
            other => (other.to_string(), 0, false),
        };
        Self {
            hosts: vec![Host { name, port }],
            cluster: false,
            monitored: None,
            tls,
            user: settings.username().map(str::to_owned),
            password: settings.password().map(|password| Zeroizing::new(password.to_owned())),
            database: settings.db(),
            of_sentinels: Credentials::default(),
            unix: false,
            client: Some(client.clone()),
        }
    }

    /// The address of the Sentinels, which have no databases, and their own users.
    pub(crate) fn of_sentinels(&self) -> Self {
        let (user, password) = self.of_sentinels.clone();
        Self { user, password, database: 0, ..self.clone() }
    }

    /// A client for one of the servers.
    pub(crate) fn client(&self, host: &Host) -> Result<Client, RedisError> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let Host { name, port } = host.clone();
        let target = if self.unix {
            ConnectionAddr::Unix(name.into())
        } else if self.tls {
            ConnectionAddr::TcpTls { host: name, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(name, port)
        };
        let mut settings = RedisConnectionInfo::default().set_db(self.database);
        if let Some(user) = &self.user {
            settings = settings.set_username(user);
        }
        if let Some(password) = &self.password {
            settings = settings.set_password(password.as_str());
        }
        let info = target.into_connection_info().map_err(RedisError::said)?;
        let info = info.set_redis_settings(settings);
        Client::open(info.set_tcp_settings(TcpSettings::default().set_nodelay(true)))
            .map_err(RedisError::said)
    }
}

/// Does not show the user and the password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.unix {
            let at_database =
                if self.database == 0 { String::new() } else { format!("?db={}", self.database) };
            return write!(f, "redis+unix://{}{at_database}", self.hosts[0]);
        }
        let tls = if self.tls { "s" } else { "" };
        let kind = match &self.monitored {
            Some(_) => "-sentinel",
            None if self.cluster => "-cluster",
            None => "",
        };
        write!(f, "redis{tls}{kind}://")?;
        for (at, host) in self.hosts.iter().enumerate() {
            write!(f, "{}{host}", if at == 0 { "" } else { "," })?;
        }
        self.monitored.iter().try_for_each(|name| write!(f, "/{name}"))?;
        if self.database == 0 { Ok(()) } else { write!(f, "/{}", self.database) }
    }
}

/// Parses the Sentinels' user and password from `sentinel_user=…&sentinel_password=…`.
fn of_sentinels(query: &str) -> Result<Credentials, RedisError> {
    let (mut user, mut password) = Credentials::default();
    for (name, value) in url_value::pairs(query) {
        match name {
            "sentinel_user" => user = decode(value)?,
            "sentinel_password" => password = decode(value)?.map(Zeroizing::new),
            _ => return Err(RedisError::Url("an option behind its `?` is unknown")),
        }
    }
    Ok((user, password))
}

/// Parses user and password from `user:password`, and decodes them.
fn credentials(info: Option<&str>) -> Result<Credentials, RedisError> {
    let Some(info) = info else { return Ok((None, None)) };
    let (user, password) = info.split_once(':').unwrap_or((info, ""));
    Ok((decode(user)?, decode(password)?.map(Zeroizing::new)))
}

fn decode(part: &str) -> Result<Option<String>, RedisError> {
    let decoded = percent_decode_str(part).decode_utf8();
    let decoded = decoded.map_err(|_| RedisError::Url("user or password are not UTF-8 once decoded"))?;
    Ok(Some(decoded.into_owned()).filter(|decoded| !decoded.is_empty()))
}

/// Splits `name/1` into the primary's name and the rest.
fn monitored(path: &str) -> Result<(String, &str), RedisError> {
    let (name, rest) = path.split_once('/').unwrap_or((path, ""));
    let may_have = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if name.is_empty() || !name.chars().all(may_have) {
        return Err(RedisError::Url(
            "what follows the Sentinels is the primary's name there, such as `/mymaster`",
        ));
    }
    Ok((name.to_owned(), rest))
}

fn parse_host(text: &str, default_port: u16) -> Result<Host, RedisError> {
    // An IPv6 address is in brackets, because it contains colons.
    let (name, port) = match text.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(Some((name, rest))) => (name, rest.strip_prefix(':')),
        Some(None) => return Err(RedisError::Url("a `[` is never closed")),
        None => match text.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        },
    };
    let port = port.map_or(Ok(default_port), str::parse);
    let port = port.map_err(|_| RedisError::Url("a port is a number up to 65535"))?;
    if name.is_empty() {
        return Err(RedisError::Url("a host is missing"));
    }
    Ok(Host { name: name.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart_and_shown_without_a_password() {
        for (url, shown, user, password) in [
            ("redis://localhost", "redis://localhost:6379", None, None),
            ("redis://:s3cret@db:7000/2", "redis://db:7000/2", None, Some("s3cret")),
            ("rediss://app:p%40ss%2F@[::1]/", "rediss://[::1]:6379", Some("app"), Some("p@ss/")),
            ("redis-cluster://app:a@b@x:1,y:2,z", "redis-cluster://x:1,y:2,z:6379", Some("app"), Some("a@b")),
            ("rediss-cluster://x", "rediss-cluster://x:6379", None, None),
            ("redis-sentinel://a:b@x,y:1/main", "redis-sentinel://x:26379,y:1/main", Some("a"), Some("b")),
            ("rediss-sentinel://x/main/2", "rediss-sentinel://x:26379/main/2", None, None),
            ("valkey://x", "redis://x:6379", None, None),
            ("redis+unix:///run/redis.sock", "redis+unix:///run/redis.sock", None, None),
            ("redis+unix://a:p%2F@/run/r.sock?db=2", "redis+unix:///run/r.sock?db=2", Some("a"), Some("p/")),
        ] {
            let address = Address::parse(url).unwrap();
            assert_eq!(address.to_string(), shown);
            let found =
                (address.user.as_deref(), address.password.as_ref().map(|password| password.as_str()));
            assert_eq!(found, (user, password), "{url}");
        }
    }

    #[test]
    fn sentinels_have_a_user_of_their_own() {
        let url = "redis-sentinel://a:b@x/main/2?sentinel_user=watch&sentinel_password=s3%26cret";
        let address = Address::parse(url).unwrap();
        assert_eq!(address.to_string(), "redis-sentinel://x:26379/main/2");
        let credentials = |address: &Address| {
            let password = address.password.as_ref().map(|password| password.as_str().to_owned());
            (address.user.clone().unwrap_or_default(), password.unwrap_or_default(), address.database)
        };
        assert_eq!(credentials(&address), ("a".to_owned(), "b".to_owned(), 2));
        let theirs = credentials(&address.of_sentinels());
        assert_eq!(theirs, ("watch".to_owned(), "s3&cret".to_owned(), 0));
        let plain = Address::parse("redis-sentinel://a:b@x/main").unwrap().of_sentinels();
        assert_eq!(credentials(&plain), (String::new(), String::new(), 0));
    }

    #[test]
    fn what_is_no_url_is_refused_without_being_printed() {
        for url in [
            "s3cret",
            "http://s3cret@x",
            "redis://s3cret@",
            "redis://s3cret@x:66000",
            "redis://s3cret@x:y",
            "redis://s3cret@x/y",
            "redis://s3cret@x/-1",
            "redis://s3cret@x,y",
            "redis-cluster://s3cret@x/1",
            "redis-sentinel://s3cret@x",
            "redis-sentinel://s3cret@x/a%20b",
            "redis-sentinel://s3cret@x/main/other",
            "redis-sentinel://s3cret@x/main?sentinel=s3cret",
            "redis://x?sentinel_password=s3cret",
            "redis://s3cret@[::1",
            "redis://s3cret@x?db=1",
            "redis://s3cret%ff@x",
            "redis+unix://s3cret@x/run/redis.sock",
            "redis+unix://s3cret",
            "redis+unix://:s3cret@/run/redis.sock?db=x",
        ] {
            let error = Address::parse(url).err().unwrap_or_else(|| panic!("{url}")).to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
