//! The wizard with a redis-server: what its visitors see while the server is away, and what is refused at start.
#![cfg(unix)]

mod crowd;
mod outage;
mod program;

use std::time::Duration;

use outage::{LONG, Policy, SHORT, Visitor, outage};
use program::refused_store;
use store_tests::free_port;
use store_tests::redis::{Server, wait_for};

/// For a server that answers, but not always within the default times on a busy machine.
const MORE_TIME: &str = "connect_timeout=30s&command_timeout=30s";

fn stands_still(length: Duration) {
    let server = Server::start_durable();
    outage(&server.url(), length, || server.stand_still(), || server.go_on());
}

fn is_killed(length: Duration) {
    let server = std::cell::RefCell::new(Server::start_durable());
    let url = server.borrow().url();
    outage(&url, length, || server.borrow_mut().kill(), || server.borrow_mut().restart());
}

#[test]
fn a_server_that_stands_still_is_an_outage_as_declared() {
    stands_still(SHORT);
}

#[test]
fn a_server_that_is_killed_is_an_outage_as_declared() {
    is_killed(SHORT);
}

#[test]
#[ignore = "takes half a minute"]
fn a_server_that_stands_still_for_half_a_minute_is_an_outage_as_declared() {
    stands_still(LONG);
}

#[test]
#[ignore = "takes half a minute"]
fn a_server_that_is_gone_for_half_a_minute_is_an_outage_as_declared() {
    is_killed(LONG);
}

#[test]
fn a_server_without_memory_left_stops_forms_and_still_signs_out() {
    let server = Server::start(&[]);
    let url = format!("{}?{MORE_TIME}", server.url());
    let visitors = [Policy::Refuse, Policy::Copies].map(|policy| Visitor::new(&url, policy));
    let limit = |limit| assert_eq!(server.say(&format!("CONFIG SET maxmemory {limit}")).unwrap(), "+OK\r\n");
    limit("1mb");
    for visitor in &visitors {
        visitor.post_form().assert_refused();
        let page = visitor.session_page();
        assert!(page.knows_merlin(), "{page:?}");
        visitor.assert_plain_pages();
        wait_for("the reason why it is not ready", || {
            let ready = visitor.ready();
            ready.status == 503 && ready.shows("has no memory left; raise `maxmemory`")
        });
    }
    limit("0");
    for visitor in &visitors {
        wait_for("the visitor's app to be ready", || visitor.ready().status == 200);
        let leaver = visitor.sign_in();
        limit("1mb");
        visitor.sign_out(&leaver);
        assert!(visitor.session_page_of(&leaver).is_a_strangers());
        limit("0");
        assert!(visitor.session_page().knows_merlin() && visitor.post_form().status == 303);
    }
    for said in visitors.map(|visitor| visitor.end().said) {
        assert!(said.contains("the Redis server has no memory left; raise `maxmemory`"), "{said}");
    }
}

#[test]
fn five_hundred_clients_with_256_descriptors_shut_no_visitor_out() {
    let server = Server::start(&[]);
    let url = format!("{}?{MORE_TIME}", server.url());
    crowd::five_hundred_clients_with_256_descriptors(&url, || {
        server.say("CLIENT KILL TYPE normal").unwrap();
    });
}

#[test]
fn what_is_wrong_with_a_server_is_said_at_start_without_the_password() {
    let (server, guarded) = (Server::start(&[]), Server::start(&["--requirepass", "s3cret-indeed"]));
    let at = |server: &Server, user_info: &str| {
        format!("redis://{user_info}127.0.0.1:{}?{}", server.port, MORE_TIME)
    };
    for (case, place, reason) in [
        ("no URL", "redis://app:s3cret@a@host:99999".to_owned(), "invalid session store URL"),
        (
            "nobody",
            format!("redis://:s3cret@127.0.0.1:{}", free_port()),
            "check host and port, and that it runs: Connection refused",
        ),
        (
            "no such host",
            "redis://:s3cret@no-such-host.invalid".to_owned(),
            "no connection to the Redis server at no-such-host.invalid:6379; check host and port",
        ),
        ("no password", at(&guarded, ""), "it wants a password; set them in the URL"),
        ("a wrong password", at(&guarded, ":s3cret@"), "user or password are wrong; set them in the URL"),
        ("a wrong user", at(&guarded, "app:s3cret-indeed@"), "user or password are wrong"),
        (
            "no TLS there",
            // Without more time: the server says nothing to a client that speaks TLS.
            format!("rediss://:s3cret@127.0.0.1:{}", server.port),
            "if it speaks no TLS, use `redis://`",
        ),
        (
            "no cluster",
            at(&server, "").replace("redis:", "redis-cluster:"),
            "is part of no cluster; use `redis://`",
        ),
    ] {
        let told = refused_store(&place, "s3cret");
        assert!(told.contains(reason), "{case}: {told}");
    }
    for (layout, reason) in [
        ("3", "the sessions have layout 3, and this release knows up to 2; run the newer release"),
        (
            "words",
            "the key waxseal:wizard:layout is another program's; give the sessions a prefix or a database",
        ),
    ] {
        assert_eq!(server.say(&format!("SET waxseal:wizard:layout {layout}")).unwrap(), "+OK\r\n");
        let told = refused_store(&at(&server, ""), "s3cret");
        assert!(told.contains(reason), "{layout}: {told}");
    }
}

#[test]
fn a_server_that_speaks_tls_alone_is_told_by_the_scheme_to_try() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port().to_string());
    let openssl = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key -out own.pem -subj /CN=localhost";
    let made = std::process::Command::new("openssl").args(openssl.split(' ')).current_dir(&folder).output();
    if !made.is_ok_and(|output| output.status.success()) {
        store_tests::skip("no openssl on the PATH");
        return;
    }
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (key, certificate) = (file("key"), file("own.pem"));
    let files = ["--tls-key-file", &key, "--tls-cert-file", &certificate, "--tls-ca-cert-file", &certificate];
    let _server = Server::start(&[&["--tls-port", &port], &files[..]].concat());
    let told = refused_store(&format!("redis://:s3cret@127.0.0.1:{port}"), "s3cret");
    assert!(told.contains("if it speaks TLS, use `rediss://`"), "{told}");
    let told = refused_store(&format!("rediss://:s3cret@127.0.0.1:{port}"), "s3cret");
    assert!(
        told.contains("its certificate is for this host and from an authority that this system trusts"),
        "{told}"
    );
}
