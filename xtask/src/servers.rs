//! The servers and proxies of the system that tests start.

use crate::system::Server;

/// Servers that stores and apps are tested on, with the tests' names.
pub(crate) const SERVERS: [(&str, Server); 6] = [
    (
        "*redis*",
        Server {
            name: "Redis",
            programs: &["redis-server", "valkey-server"],
            versions: None,
            besides: &["openssl"],
            packages: &["redis-server", "openssl"],
            variable: "REDIS_SERVER",
        },
    ),
    (
        "*postgres*",
        Server {
            name: "PostgreSQL",
            programs: &["initdb"],
            versions: Some("/usr/lib/postgresql"),
            besides: &["pgbouncer", "openssl"],
            packages: &["postgresql", "pgbouncer", "openssl"],
            variable: "POSTGRES_INITDB",
        },
    ),
    (
        "*prometheus*",
        Server {
            name: "Prometheus",
            programs: &["prometheus"],
            versions: None,
            besides: &["promtool", "openssl"],
            packages: &["prometheus", "openssl"],
            variable: "PROMETHEUS",
        },
    ),
    (
        "*nginx*",
        Server {
            name: "nginx",
            programs: &["nginx", "/usr/sbin/nginx"],
            versions: None,
            besides: &["openssl"],
            packages: &["nginx", "openssl"],
            variable: "NGINX",
        },
    ),
    (
        "*haproxy*",
        Server {
            name: "HAProxy",
            programs: &["haproxy", "/usr/sbin/haproxy"],
            versions: None,
            besides: &["openssl"],
            packages: &["haproxy", "openssl"],
            variable: "HAPROXY",
        },
    ),
    (
        "*caddy*",
        Server {
            name: "Caddy",
            programs: &["caddy"],
            versions: None,
            besides: &["openssl"],
            packages: &["caddy", "openssl"],
            variable: "CADDY",
        },
    ),
];
