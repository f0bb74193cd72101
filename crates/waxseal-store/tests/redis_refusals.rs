//! What is refused at start, in words that say what to change and never a password.

mod redis_support;

use std::time::Duration;

use redis_support::{Cluster, Server, free_port, run};
use waxseal_store::{
    Fault, NetworkOptions, RedisDurability, RedisError, RedisOptions, RedisStore, SessionStore,
};

/// Why it is refused, with ports, which differ from run to run, taken out.
fn refused(options: RedisOptions) -> String {
    let error = match run(options.open()) {
        Ok(store) => panic!("{store:?} was opened"),
        Err(error) => error,
    };
    assert_eq!(RedisStore::fault(&error), Fault::Outage);
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        assert!(!inner.to_string().contains("s3cret"), "{inner}");
        cause = inner.source();
    }
    assert!(!text.contains("s3cret") && !format!("{error:?}").contains("s3cret"), "{error:?}");
    while let Some((before, after)) = text.split_once("127.0.0.1:") {
        text = format!("{before}HOST{}", after.trim_start_matches(|digit: char| digit.is_ascii_digit()));
    }
    text
}

fn refused_at(url: &str) -> String {
    refused(RedisStore::options(url))
}

fn opens(options: RedisOptions) -> Result<(), RedisError> {
    run(options.open()).map(drop)
}

#[test]
fn nobody_at_the_port() {
    let url = format!("redis://:s3cret@127.0.0.1:{}", free_port());
    insta::assert_snapshot!(refused_at(&url), @"no connection to the Redis server at HOST; check host and port, and that it runs");
}

#[test]
fn a_host_that_does_not_exist() {
    insta::assert_snapshot!(refused_at("redis://:s3cret@no-such-host.invalid"), @"no connection to the Redis server at no-such-host.invalid:6379; check host and port, and that it runs");
}

#[test]
fn a_server_that_accepts_and_says_nothing() {
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let network = NetworkOptions::new().connect_timeout(Duration::from_millis(100));
    let url = format!("redis://127.0.0.1:{}", silent.local_addr().unwrap().port());
    insta::assert_snapshot!(refused(RedisStore::options(&url).network(network)), @"the server at HOST gave no first answer that we understand; check that it is Redis and not overloaded; if it speaks TLS, use `rediss://`");
}

#[test]
fn passwords() {
    let server = Server::start(&["--requirepass", "s3cret-indeed"]);
    let url = |user_info: &str| format!("redis://{user_info}127.0.0.1:{}", server.port);
    insta::assert_snapshot!(refused_at(&url("")), @"the Redis server at HOST refused us: it wants a password; set them in the URL, `redis://user:password@host`, percent-encoded");
    insta::assert_snapshot!(refused_at(&url(":s3cret@")), @"the Redis server at HOST refused us: user or password are wrong; set them in the URL, `redis://user:password@host`, percent-encoded");
    insta::assert_snapshot!(refused_at(&url("app:s3cret-indeed@")), @"the Redis server at HOST refused us: user or password are wrong; set them in the URL, `redis://user:password@host`, percent-encoded");
    opens(RedisStore::options(&url(":s3cret-indeed@"))).unwrap();
}

#[test]
fn tls_on_one_side() {
    let server = Server::start(&[]);
    insta::assert_snapshot!(refused_at(&format!("rediss://127.0.0.1:{}", server.port)), @"the server at HOST gave no first answer that we understand; if it speaks no TLS, use `redis://`; otherwise check that its certificate is for this host and from an authority that this system trusts");
}

/// What this program does as a child, which trusts another authority; as a test it does nothing.
#[test]
fn tls_child() {
    let Ok(url) = std::env::var("TEST_CHILD_URL") else { return };
    run(async { RedisStore::open(&url).await.unwrap().ready().await.unwrap() });
}

#[test]
fn tls_with_a_certificate_that_is_trusted_or_not() {
    let folder = tempfile::tempdir().unwrap();
    if !make_certificates(folder.path()) {
        return; // Without openssl.
    }
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (port, certificate, key, root) =
        (free_port().to_string(), file("own.pem"), file("own.key"), file("root.pem"));
    let files = ["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-ca-cert-file", &root];
    let server = Server::start(&[&["--tls-port", &port, "--tls-auth-clients", "no"], &files[..]].concat());
    insta::assert_snapshot!(refused_at(&format!("redis://127.0.0.1:{port}")), @"the server at HOST gave no first answer that we understand; check that it is Redis and not overloaded; if it speaks TLS, use `rediss://`");
    insta::assert_snapshot!(refused_at(&format!("rediss://localhost:{port}")).replace(&port, "PORT"), @"the server at localhost:PORT gave no first answer that we understand; if it speaks no TLS, use `redis://`; otherwise check that its certificate is for this host and from an authority that this system trusts");
    let opens = |host: &str| {
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tls_child"])
            .env("TEST_CHILD_URL", format!("rediss://{host}:{port}"))
            .env("SSL_CERT_FILE", &root)
            .output();
        child.unwrap().status.success()
    };
    assert!(opens("localhost"));
    assert!(!opens("127.0.0.1"), "the certificate is for another name");
    drop(server);
}

/// An authority, and a certificate of its for `localhost`; false without openssl.
fn make_certificates(folder: &std::path::Path) -> bool {
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost").unwrap();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    let commands = [
        format!("req -x509 {key} -keyout root.key -out root.pem -subj /CN=root"),
        format!("req {key} -keyout own.key -out own.csr -subj /CN=localhost"),
        "x509 -req -in own.csr -CA root.pem -CAkey root.key -CAcreateserial -extfile names -out own.pem"
            .to_owned(),
    ];
    commands.iter().all(|command| {
        let openssl =
            std::process::Command::new("openssl").args(command.split(' ')).current_dir(folder).output();
        openssl.is_ok_and(|output| output.status.success())
    })
}

#[test]
fn a_replica() {
    let primary = Server::start(&[]);
    let replica = Server::start(&["--replicaof", &format!("127.0.0.1 {}", primary.port)]);
    insta::assert_snapshot!(refused_at(&replica.url()), @"the Redis server at HOST is a replica, which may lag and takes no writes; name the primary");
}

#[test]
fn one_server_called_a_cluster_and_a_cluster_called_one_server() {
    let server = Server::start(&[]);
    let url = server.url().replace("redis:", "redis-cluster:");
    insta::assert_snapshot!(refused_at(&url), @"the Redis server at HOST is part of no cluster; use `redis://`");
    let cluster = Cluster::start(&[]);
    insta::assert_snapshot!(refused_at(&cluster.servers[0].url()), @"the Redis server at HOST is part of a cluster; use `redis-cluster://`");
}

#[test]
fn a_server_that_evicts() {
    let server = Server::start(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]);
    insta::assert_snapshot!(refused_at(&server.url()), @"the Redis server may evict any key when its memory is full (maxmemory-policy allkeys-lru), which signs visitors out; set `maxmemory-policy noeviction`, or allow it (`allow_eviction`)");
    opens(RedisStore::options(&server.url()).allow_eviction(true)).unwrap();
    let server = Server::start(&["--maxmemory-policy", "volatile-lru"]);
    opens(RedisStore::options(&server.url())).unwrap();
}

#[test]
fn another_programs_keys_and_a_newer_releases() {
    let server = Server::start(&[]);
    let layout = |value: &str| -> () { server.ask(redis::cmd("SET").arg("waxseal:layout").arg(value)) };
    layout("something else");
    insta::assert_snapshot!(refused_at(&server.url()), @"the key waxseal:layout is another program's; give the sessions a prefix or a database of their own");
    layout("2");
    insta::assert_snapshot!(refused_at(&server.url()), @"the sessions have layout 2, and this release knows up to 1; run the newer release");
    () = server.ask(redis::cmd("DEL").arg("waxseal:layout"));
    () = server.ask(redis::cmd("LPUSH").arg("waxseal:layout").arg("x"));
    insta::assert_snapshot!(refused_at(&server.url()), @"the key waxseal:layout is another program's; give the sessions a prefix or a database of their own");
    opens(RedisStore::options(&server.url()).prefix("other:")).unwrap();
    opens(RedisStore::options(&format!("{}/1", server.url()))).unwrap();
}

#[test]
fn options_that_cannot_be_kept() {
    let server = Server::start(&[]);
    let options = || RedisStore::options(&server.url());
    let second = Duration::from_secs(1);
    insta::assert_snapshot!(refused(options().prefix("a{b}")), @"the prefix of the sessions' keys has 1 to 64 letters, digits and `:._-`");
    let replicas = |count, timeout| RedisDurability::Replicas { count, timeout };
    insta::assert_snapshot!(refused(options().durability(replicas(1, 2 * second))), @"replicas or disks are waited for 2s, which must be at least 1 ms and less than the command timeout of 2s");
    insta::assert_snapshot!(refused(options().durability(replicas(0, second))), @"waiting for 0 replicas is no durability; ask for one at least, or for `RedisDurability::Primary`");
    insta::assert_snapshot!(refused(RedisStore::options("redis://:s3cret@127.0.0.1,127.0.0.2")), @"the session store's URL is none: several hosts are for `redis-cluster://`; write `redis://user:password@host:6379`, `rediss://…` for TLS, `redis-cluster://host:6379,host:6379` or `rediss-cluster://…` for a cluster");
}
