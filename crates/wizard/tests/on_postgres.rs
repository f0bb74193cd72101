//! The wizard with PostgreSQL: what its visitors see while the server is away, and what is refused at start.
#![cfg(unix)]

mod crowd;
mod outage;
mod program;

use outage::{LONG, SHORT, outage};
use program::refused_store;
use std::cell::RefCell;
use std::time::Duration;
use store_tests::free_port;
use store_tests::postgres::{Bouncer, Cluster};

/// For a server that answers, but not always within the default time on a busy machine.
const MORE_TIME: &str = "&connect_timeout=30s";

/// The full tests are for a machine that is not busy. A call's time includes connecting, so it ends as soon either way.
fn more_time(length: Duration) -> &'static str {
    if length < LONG { MORE_TIME } else { "" }
}

fn hangs(length: Duration) {
    let cluster = Cluster::start(&[]);
    let url = cluster.url("postgres") + more_time(length);
    let said = outage(&url, length, || cluster.signal("STOP"), || cluster.signal("CONT"));
    assert!(said.iter().all(|said| said.contains(", store postgres://")), "at start: {said:?}");
    assert!(said.iter().all(|said| !said.contains("fawkes")), "the password: {said:?}");
}

fn is_killed(length: Duration) {
    let cluster = RefCell::new(Cluster::start(&[]));
    let url = cluster.borrow().url("postgres") + more_time(length);
    let said = outage(&url, length, || cluster.borrow_mut().kill(), || cluster.borrow_mut().run());
    assert!(said.iter().all(|said| said.contains(", store postgres://")), "at start: {said:?}");
    assert!(said.iter().all(|said| !said.contains("fawkes")), "the password: {said:?}");
}

/// In a database where no app has been, `waxseal sessions end-all` would otherwise say that all sessions are ended.
#[tokio::test]
async fn a_tool_beside_an_app_makes_no_tables() {
    let cluster = Cluster::start(&[]);
    let url: waxseal::StoreUrl = cluster.url("postgres").parse().unwrap();
    let keyring = waxseal_crypto::Keyring::new(waxseal_crypto::SecretKey::generate().unwrap());
    let sessions = url.sessions(&keyring, "wizard", waxseal::SessionState::Store).await;
    let Err(error) = sessions else { panic!("there are no tables") };
    let said = format!("{error:?}");
    assert!(said.contains("is at version 0, and this program needs"), "{said}");
    assert_eq!(cluster.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'waxseal'").await, ["0"]);
}

#[test]
fn a_server_that_hangs_is_an_outage_as_declared() {
    hangs(SHORT);
}

#[test]
fn a_server_that_is_killed_is_an_outage_as_declared() {
    is_killed(SHORT);
}

/// The pooler keeps its clients' connections while those to the server are gone. It tries to connect again every
/// `server_login_retry`.
#[test]
fn a_server_that_is_killed_behind_pgbouncer_is_an_outage_as_declared() {
    let cluster = RefCell::new(Cluster::start(&[]));
    let Some(bouncer) = Bouncer::start(&cluster.borrow()) else { return };
    let url = cluster.borrow().url_at(bouncer.port, "postgres") + "&pooler=transaction" + MORE_TIME;
    outage(&url, SHORT, || cluster.borrow_mut().kill(), || cluster.borrow_mut().run());
}

#[test]
#[ignore = "takes half a minute"]
fn a_server_that_hangs_for_half_a_minute_is_an_outage_as_declared() {
    hangs(LONG);
}

#[test]
#[ignore = "takes half a minute"]
fn a_server_that_is_gone_for_half_a_minute_is_an_outage_as_declared() {
    is_killed(LONG);
}

#[test]
fn five_hundred_clients_with_256_descriptors_shut_no_visitor_out() {
    let cluster = Cluster::start(&[]);
    let url = cluster.url("postgres") + MORE_TIME;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let end_all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' \
                   AND pid <> pg_backend_pid()";
    crowd::five_hundred_clients_with_256_descriptors(&url, || {
        assert!(!runtime.block_on(cluster.sql(end_all)).is_empty());
    });
}

#[test]
fn what_is_wrong_with_a_server_is_said_at_start_without_the_password() {
    let mut cluster = Cluster::start(&["fsync=off"]);
    let (url, port) = (cluster.url("postgres") + MORE_TIME, cluster.port);
    for (case, place, reason) in [
        (
            "no URL",
            "postgres://app:fawkes@a@host:1/db".to_owned(),
            "invalid PostgreSQL URL: it has more than one @",
        ),
        (
            "nobody",
            cluster.url_at(free_port(), "postgres"),
            "check host and port in the URL, and that it runs and listens there",
        ),
        (
            "no such host",
            "postgres://app:fawkes@no-such-host.invalid/db".to_owned(),
            "no connection to PostgreSQL at no-such-host.invalid:5432; check host and port in the URL",
        ),
        (
            "a wrong password",
            format!("postgres://waxseal:fawkes@127.0.0.1:{port}/postgres?connect_timeout=30s"),
            "refused the user: password authentication failed for user \"waxseal\"; check user and password in the URL",
        ),
        (
            "no password",
            format!("postgres://waxseal@127.0.0.1:{port}/postgres?connect_timeout=30s"),
            "password missing; check user and password",
        ),
        (
            "no such database",
            cluster.url("nothing") + MORE_TIME,
            "database \"nothing\" does not exist; create it or correct the URL",
        ),
        ("no TLS there", url.replace("sslmode=disable", "sslmode=require"), "check sslmode in the URL"),
        (
            "an older schema",
            format!("{url}&migrate=false"),
            "the schema waxseal is at version 0, and this release needs 2; set migrate to true, or run the script",
        ),
    ] {
        let told = refused_store(&place, "fawkes");
        assert!(told.contains(reason), "{case}: {told}");
    }
    cluster.stop();
    cluster.run_alone("CREATE SCHEMA waxseal\nCREATE TABLE waxseal.version (version int)\nINSERT INTO waxseal.version VALUES (7)\n");
    cluster.run();
    let told = refused_store(&url, "fawkes");
    assert!(
        told.contains(
            "the schema waxseal is at version 7, and this release knows up to 2; run the newer release"
        ),
        "{told}"
    );
}
