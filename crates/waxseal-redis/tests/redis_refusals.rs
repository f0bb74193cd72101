//! What is refused at start, in words that say what to change and never a password.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use store_tests::redis::{Cluster, Server, documented_rule};
use store_tests::{free_port, patient, run};
use waxseal_redis::{RedisDurability, RedisError, RedisOptions, RedisStore};
use waxseal_store::testing::Conformance;
use waxseal_store::{Fault, NetworkOptions, SessionStore};

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

/// With which nothing fails for being slow.
fn options(url: &str) -> RedisOptions {
    RedisStore::options(url).network(patient())
}

fn refused_at(url: &str) -> String {
    refused(options(url))
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
    // A resolver that nobody answers takes long to say so.
    let long = Duration::from_secs(60);
    let network = NetworkOptions::new().connect_timeout(long).command_timeout(long);
    insta::assert_snapshot!(refused(options("redis://:s3cret@no-such-host.invalid").network(network)), @"no connection to the Redis server at no-such-host.invalid:6379; check host and port, and that it runs");
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
    opens(options(&url(":s3cret-indeed@"))).unwrap();
}

#[test]
fn tls_on_one_side() {
    let server = Server::start(&[]);
    // The server says nothing, for as long as it is waited for.
    let url = format!("rediss://127.0.0.1:{}", server.port);
    insta::assert_snapshot!(refused(RedisStore::options(&url)), @"the server at HOST gave no first answer that we understand; if it speaks no TLS, use `redis://`; otherwise check that its certificate is for this host and from an authority that this system trusts");
}

/// What this program does as a child, which trusts another authority; as a test it does nothing.
#[test]
fn tls_child() {
    let Ok(url) = std::env::var("TEST_CHILD_URL") else { return };
    run(async { options(&url).open().await.unwrap().ready().await.unwrap() });
}

#[test]
fn tls_with_a_certificate_that_is_trusted_or_not() {
    let folder = tempfile::tempdir().unwrap();
    if !make_certificates(folder.path()) {
        store_tests::skip("no openssl on the PATH");
        return;
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
    insta::assert_snapshot!(refused_at(&server.url()), @"the Redis server may evict keys when its memory is full (maxmemory-policy allkeys-lru), which signs visitors out and can bring back sessions that were ended; set `maxmemory-policy noeviction`, or allow it (`allow_eviction=true` in the URL)");
    opens(options(&server.url()).allow_eviction(true)).unwrap();
    // What expires is more than sessions: of the list of state `cookie` each end, and the way to it.
    let server = Server::start(&["--maxmemory-policy", "volatile-lru"]);
    assert!(refused_at(&server.url()).contains("maxmemory-policy volatile-lru"));
    opens(options(&server.url()).allow_eviction(true)).unwrap();
}

#[test]
fn another_programs_keys_and_a_newer_releases() {
    let server = Server::start(&[]);
    let layout = |value: &str| -> () { server.ask(redis::cmd("SET").arg("waxseal:layout").arg(value)) };
    layout("something else");
    insta::assert_snapshot!(refused_at(&server.url()), @"the key waxseal:layout is another program's; give the sessions a prefix or a database of their own");
    layout("3");
    insta::assert_snapshot!(refused_at(&server.url()), @"the sessions have layout 3, and this release knows up to 2; run the newer release");
    () = server.ask(redis::cmd("DEL").arg("waxseal:layout"));
    () = server.ask(redis::cmd("LPUSH").arg("waxseal:layout").arg("x"));
    insta::assert_snapshot!(refused_at(&server.url()), @"the key waxseal:layout is another program's; give the sessions a prefix or a database of their own");
    opens(options(&server.url()).prefix("other:")).unwrap();
    opens(options(&format!("{}/1", server.url()))).unwrap();
    // An older layout is read, and older releases are kept out from then on.
    () = server.ask(redis::cmd("DEL").arg("waxseal:layout"));
    layout("1");
    opens(options(&server.url())).unwrap();
    let found: String = server.ask(redis::cmd("GET").arg("waxseal:layout"));
    assert_eq!(found, "2");
}

fn with_rule(server: &Server, rule: &[impl AsRef<str>]) -> RedisOptions {
    let mut command = redis::cmd("ACL");
    rule.iter().skip(1).for_each(|word| _ = command.arg(word.as_ref()));
    () = server.ask(redis::cmd("ACL").arg("DELUSER").arg("wizard"));
    () = server.ask(&command);
    options(&server.url().replace("redis://", "redis://wizard:s3cret@"))
}

#[test]
fn a_user_with_the_documented_rights_is_enough() {
    let server = Server::start(&[]);
    let rule = documented_rule("~case*");
    drop(with_rule(&server, &rule));
    let url = server.url().replace("redis://", "redis://wizard:s3cret@");
    let case = AtomicUsize::new(0);
    run(Conformance::new().spawn_with(|task| drop(tokio::spawn(task))).run(async || {
        let prefix = format!("case{}:", case.fetch_add(1, Ordering::Relaxed));
        let open = || options(&url).prefix(&prefix).open();
        let [first, second] = [open().await.unwrap(), open().await.unwrap()];
        first.ready().await.unwrap();
        assert!(second.clock().await.unwrap().is_some());
        [first, second]
    }));
}

#[test]
fn a_user_who_lacks_some_of_them() {
    let server = Server::start(&[]);
    let rule = documented_rule("~waxseal:*");
    for (at, word) in rule.iter().enumerate().filter(|(_, word)| word.starts_with('+')) {
        let mut rule = rule.clone();
        rule.remove(at);
        let options = with_rule(&server, &rule);
        if matches!(word.as_str(), "+role" | "+config|get") {
            opens(options).unwrap_or_else(|error| panic!("{word}: {error}"));
            continue;
        }
        let name = word[1..].to_uppercase();
        let error = refused(options);
        assert!(error.contains(&format!("keeps from this user: {name};")), "{word}: {error}");
    }
    let few =
        ["ACL", "SETUSER", "wizard", "on", ">s3cret", "~waxseal:*", "+@all", "-time", "-info", "-zcount"];
    insta::assert_snapshot!(refused(with_rule(&server, &few)), @r#"the Redis server's ACL keeps from this user: ZCOUNT, INFO, TIME; docs/stores.md, "The user", has a rule that allows all that is needed"#);
    let others = documented_rule("~shop:*");
    insta::assert_snapshot!(refused(with_rule(&server, &others)), @r#"the Redis server's ACL keeps from this user: keys that begin with waxseal:; docs/stores.md, "The user", has a rule that allows all that is needed"#);
    let replicas = RedisDurability::Replicas { count: 1, timeout: Duration::from_secs(1) };
    insta::assert_snapshot!(refused(with_rule(&server, &rule).durability(replicas)), @r#"the Redis server's ACL keeps from this user: WAIT; docs/stores.md, "The user", has a rule that allows all that is needed"#);
}

#[test]
fn a_user_of_a_cluster() {
    let cluster = Cluster::start(&[]);
    let mut rule = documented_rule("~waxseal:*");
    let open = |rule: &[String]| {
        cluster.servers.iter().for_each(|server| drop(with_rule(server, rule)));
        options(&cluster.url().replace("redis-cluster://", "redis-cluster://wizard:s3cret@"))
    };
    insta::assert_snapshot!(refused(open(&rule)), @r#"the Redis server's ACL keeps from this user: CLUSTER SLOTS, ASKING; docs/stores.md, "The user", has a rule that allows all that is needed"#);
    rule.extend(["+cluster|slots", "+asking"].map(str::to_owned));
    opens(open(&rule)).unwrap();
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
    insta::assert_snapshot!(refused(RedisStore::options("redis://:s3cret@127.0.0.1,127.0.0.2")), @"invalid session store URL: several hosts are for `redis-cluster://` and `redis-sentinel://`; write `redis://user:password@host:6379`, `rediss://…` for TLS, `redis-cluster://host:6379,host:6379` or `rediss-cluster://…` for a cluster, `redis-sentinel://host:26379,host:26379/name` for a primary that Sentinels know, or `redis+unix:///run/redis.sock`");
}
