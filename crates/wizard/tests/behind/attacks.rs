//! Requests that a proxy and a server might parse differently, sent to a proxy in front of two wizards.

use std::time::Duration;

use store_tests::front::Kind;

use super::client::{ADDRESS, Answer, Client, PATIENCE, get, post};
use super::{Plan, Site};

/// Lists of statuses with which an attack may be answered, besides one refusal or a closed connection. A proxy may read
/// the attack in one way, and pass it on as it read it. Where two statuses are allowed, the rest is a separate request
/// in that reading: the head was complete, and no body was announced or its end was clear.
type Fate = &'static [&'static [u16]];

const REFUSED: Fate = &[];

/// The time without another byte after which there are taken to be no more responses: when none is expected, and when
/// one may come or not.
const QUIET: Duration = Duration::from_millis(250);
const LONG_QUIET: Duration = Duration::from_secs(5);

/// The request that follows each attack on its connection. It must be answered only where it is a separate request.
const NEXT: &str = "GET /smuggled HTTP/1.1\r\nHost: wizard.example\r\n\r\n";
const FORM: &str = "name=Merlin&magic_school=Avalon";

/// Sends all attacks, and asserts what the clients and the servers saw.
#[expect(clippy::print_stderr, reason = "figures for whoever runs it with --nocapture")]
pub(crate) fn hold(kind: Kind) {
    let more = ["--access-log=true", "--request-id-header=X-Request-Id", "--shutdown-delay=0"];
    let mut site = Site::start(Plan { kind, store: None, root: "", more: &more });
    let (mut may_be_seen, mut wrong) = (0, Vec::new());
    for (number, (name, attack, fate)) in attacks().into_iter().enumerate() {
        let mut connection = site.client.connect().unwrap();
        // The connection of a client that is refused early may be closed while it sends.
        let _ = connection.send(&attack);
        let answers = connection.all_answers(|statuses| quiet(fate, statuses));
        let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        eprintln!("{kind:?}: {name}: {statuses:?}");
        if !is_allowed(fate, &statuses) {
            wrong.push((name, statuses.clone()));
        }
        may_be_seen += usize::from(statuses.len() == 2 && statuses[1] == 404);
        // The connections between the proxy and the servers must still be in order.
        for visit in 0..4 {
            assert_own_answer(&site.client, &format!("{number}-{visit}"), name);
        }
    }
    assert!(wrong.is_empty(), "{kind:?}: {wrong:?}");
    pipelined(&site.client);
    byte_by_byte(&site.client);
    forged_address(&site.client);
    let said: String = site.machines.iter_mut().map(super::Machine::end).collect();
    assert_eq!(said.matches("path=\"/smuggled\"").count(), may_be_seen, "{said}");
    assert!(!said.contains("203.0.113.9") && !said.contains("ERROR"), "{said}");
    let forged: Vec<_> = said.lines().filter(|line| line.contains("path=\"/forged")).collect();
    assert_eq!(forged.len(), 4, "{said}");
    assert!(forged.iter().all(|line| line.contains(&format!("client={ADDRESS}"))), "{forged:?}");
}

fn is_allowed(fate: Fate, statuses: &[u16]) -> bool {
    matches!(statuses, [] | [400 | 411 | 413 | 414 | 421 | 431 | 501 | 505]) || fate.contains(&statuses)
}

/// How long to wait for another response after these.
fn quiet(fate: Fate, statuses: &[u16]) -> Duration {
    let goes_on = |whole: &&[u16]| whole.len() > statuses.len() && whole.starts_with(statuses);
    if statuses.is_empty() {
        PATIENCE
    } else if !fate.iter().any(goes_on) {
        QUIET
    } else if is_allowed(fate, statuses) {
        LONG_QUIET
    } else {
        PATIENCE
    }
}

/// Asserts that the response is that to its own request.
fn assert_own_answer(client: &Client, id: &str, after: &str) {
    let answer = client.ask(&get("/wizard/success", &format!("X-Request-Id: {id}\r\n"))).unwrap();
    assert_eq!((answer.status, answer.field("x-request-id")), (200, Some(id)), "after {after}: {answer:?}");
}

fn pipelined(client: &Client) {
    let mut connection = client.connect().unwrap();
    let ids: Vec<_> = (0..5).map(|number| format!("in-line-{number}")).collect();
    let requests: Vec<_> =
        ids.iter().map(|id| get("/wizard/success", &format!("X-Request-Id: {id}\r\n"))).collect();
    connection.send(requests.concat().as_bytes()).unwrap();
    let answers: Vec<_> = ids.iter().map(|_| connection.answer().unwrap()).collect();
    let own: Vec<_> = answers.iter().filter_map(|answer| answer.field("x-request-id")).collect();
    assert_eq!(own, ids, "{answers:?}");
}

fn byte_by_byte(client: &Client) {
    let send = |request: &str| -> Answer {
        let mut connection = client.connect().unwrap();
        for byte in request.as_bytes() {
            connection.send(&[*byte]).unwrap();
        }
        connection.answer().unwrap()
    };
    let answer = send(&post("/wizard/create", "", FORM));
    assert_eq!((answer.status, answer.field("location")), (303, Some("/wizard/success")), "{answer:?}");
    let cookie = format!("Cookie: {}\r\n", answer.cookie().expect("a session"));
    let page = send(&get("/wizard/success", &cookie));
    assert!(page.status == 200 && page.body.contains("Merlin"), "{page:?}");
}

/// Clients that send the address headers themselves are still known by their real address.
fn forged_address(client: &Client) {
    for (number, more) in [
        "X-Forwarded-For: 203.0.113.9\r\n",
        "X-Forwarded-For: 203.0.113.9\r\nConnection: X-Forwarded-For\r\n",
        "X_Forwarded_For: 203.0.113.9\r\n",
        "Forwarded: for=203.0.113.9\r\nX-Real-IP: 203.0.113.9\r\n",
    ]
    .into_iter()
    .enumerate()
    {
        let answer = client.ask(&get(&format!("/forged/{number}"), more)).unwrap();
        assert_eq!(answer.status, 404, "{more}: {answer:?}");
    }
}

/// All attacks, each with its name, the bytes to send, and the allowed results.
fn attacks() -> Vec<(&'static str, Vec<u8>, Fate)> {
    [lengths(), codings(), chunks(), heads(), targets()].concat()
}

/// A form with these fields and this body, and the next request.
fn form(fields: &str, body: &str) -> Vec<u8> {
    let head = "POST /wizard/create HTTP/1.1\r\nHost: wizard.example\r\nOrigin: https://wizard.example\r\n\
        Content-Type: application/x-www-form-urlencoded\r\n";
    format!("{head}{fields}\r\n{body}{NEXT}").into_bytes()
}

fn lengths() -> Vec<(&'static str, Vec<u8>, Fate)> {
    let of = |fields: &str| form(fields, FORM);
    vec![
        ("two lengths", of("Content-Length: 31\r\nContent-Length: 5\r\n"), REFUSED),
        ("a list of lengths", of("Content-Length: 31, 5\r\n"), REFUSED),
        ("a length with a sign", of("Content-Length: +31\r\n"), REFUSED),
        ("a negative length", of("Content-Length: -31\r\n"), REFUSED),
        ("a length in another base", of("Content-Length: 0x1f\r\n"), REFUSED),
        ("a length beyond 64 bits", of("Content-Length: 18446744073709551647\r\n"), REFUSED),
        ("an empty length", of("Content-Length: \r\n"), &[&[422, 400]]),
        (
            "a request in the body of a GET",
            get("/nowhere", &format!("Content-Length: {}\r\n", NEXT.len()))
                .into_bytes()
                .into_iter()
                .chain(NEXT.bytes())
                .collect(),
            &[&[404]],
        ),
    ]
}

fn codings() -> Vec<(&'static str, Vec<u8>, Fate)> {
    // For a parser that uses the length, the next request is part of the body; for one that uses the chunks, it is a
    // request.
    let both = format!("Content-Length: {}\r\n", NEXT.len() + 5);
    let of = |fields: &str| form(&format!("{both}{fields}"), "0\r\n\r\n");
    let alone = |fields: &str| form(fields, "0\r\n\r\n");
    vec![
        ("a length and chunks", of("Transfer-Encoding: chunked\r\n"), &[&[422], &[422, 404]]),
        ("a length and a coding behind white space", of("Transfer-Encoding : chunked\r\n"), &[&[400]]),
        ("a length and an unknown coding", of("Transfer-Encoding: xchunked\r\n"), REFUSED),
        ("a length and a coding with a control", of("Transfer-Encoding: \u{b}chunked\r\n"), &[&[400]]),
        ("a length and a folded coding", of("Transfer-Encoding:\r\n chunked\r\n"), &[&[422], &[422, 404]]),
        ("a length and a coding with an underscore", of("Transfer_Encoding: chunked\r\n"), &[&[422]]),
        ("chunked and another", alone("Transfer-Encoding: chunked, identity\r\n"), REFUSED),
        ("two codings", alone("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"), REFUSED),
        ("chunked twice", alone("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), REFUSED),
        ("chunks of chunks", alone("Transfer-Encoding: chunked, chunked\r\n"), REFUSED),
        ("gzip in chunks", alone("Transfer-Encoding: gzip, chunked\r\n"), &[&[422]]),
        ("nothing in chunks", alone("Transfer-Encoding: identity, chunked\r\n"), &[&[422]]),
        ("gzip", alone("Transfer-Encoding: gzip\r\n"), REFUSED),
        (
            "chunks in HTTP/1.0",
            String::from_utf8(alone("Transfer-Encoding: chunked\r\n"))
                .unwrap()
                .replacen("1.1", "1.0", 1)
                .into(),
            &[&[422]],
        ),
    ]
}

fn chunks() -> Vec<(&'static str, Vec<u8>, Fate)> {
    let of = |body: &str| form("Transfer-Encoding: chunked\r\n", body);
    vec![
        ("chunks", of(&format!("1f\r\n{FORM}\r\n0\r\n\r\n")), &[&[303, 404]]),
        ("chunks with an extension", of(&format!("1f;a=b\r\n{FORM}\r\n0\r\n\r\n")), &[&[303, 404]]),
        ("a chunk's size with a sign", of(&format!("+1f\r\n{FORM}\r\n0\r\n\r\n")), &[&[502]]),
        ("a chunk's size in another form", of(&format!("0x1f\r\n{FORM}\r\n0\r\n\r\n")), &[&[502]]),
        (
            "a chunk's size beyond 64 bits",
            of(&format!("1000000000000001f\r\n{FORM}\r\n0\r\n\r\n")),
            &[&[502]],
        ),
        ("a chunk longer than its size", of(&format!("5\r\n{FORM}\r\n0\r\n\r\n")), &[&[502]]),
        ("chunks ended by a line feed alone", of(&format!("1f\n{FORM}\n0\n\n")), &[&[303, 404], &[502]]),
        (
            "a trailer that names a length",
            of(&format!("1f\r\n{FORM}\r\n0\r\nContent-Length: 5\r\n\r\n")),
            &[&[303, 404]],
        ),
    ]
}

fn heads() -> Vec<(&'static str, Vec<u8>, Fate)> {
    let of = |head: &str| format!("{head}\r\n{NEXT}").into_bytes();
    let host = "Host: wizard.example\r\n";
    vec![
        ("no protocol", "GET /nowhere\r\n\r\n".into(), REFUSED),
        ("HTTP/9.9", of(&format!("GET /nowhere HTTP/9.9\r\n{host}")), &[&[404, 404]]),
        ("HTTP/2 without its start", of(&format!("GET /nowhere HTTP/2.0\r\n{host}")), &[&[404, 404]]),
        ("bytes at random", vec![0x16, 0x03, 0x01, 0, 5, 1, 0, 0, 1, 0, b'\r', b'\n', b'\r', b'\n'], REFUSED),
        (
            // Accepted by a proxy, which writes correct line ends when it passes the request on.
            "line feeds alone",
            format!("GET /nowhere HTTP/1.1\nHost: wizard.example\n\n{NEXT}").into(),
            &[&[404, 404]],
        ),
        (
            "a carriage return in a value",
            of(&format!("GET /nowhere HTTP/1.1\r\n{host}X: a\rContent-Length: 70\r\n")),
            &[&[404]],
        ),
        ("a NUL in a value", of(&format!("GET /nowhere HTTP/1.1\r\n{host}X: a\0b\r\n")), &[&[400, 404]]),
        ("a field without a name", of(&format!("GET /nowhere HTTP/1.1\r\n{host}: a\r\n")), &[&[404, 404]]),
        ("a field without a colon", of(&format!("GET /nowhere HTTP/1.1\r\n{host}X\r\n")), &[&[404, 404]]),
        ("white space before the first field", of(&format!("GET /nowhere HTTP/1.1\r\n {host}")), REFUSED),
        ("no host", of("GET /nowhere HTTP/1.1\r\n"), &[&[400, 404]]),
        ("two hosts", of(&format!("GET /nowhere HTTP/1.1\r\n{host}Host: b.example\r\n")), REFUSED),
        ("a host with a path", of("GET /nowhere HTTP/1.1\r\nHost: wizard.example/a\r\n"), &[&[400, 404]]),
        (
            "a hundred fields",
            of(&format!("GET /nowhere HTTP/1.1\r\n{host}{}", "X: a\r\n".repeat(100))),
            &[&[431, 404]],
        ),
        (
            "a head of 100 kB",
            of(&format!("GET /nowhere HTTP/1.1\r\n{host}X: {}\r\n", "a".repeat(100_000))),
            &[&[431, 404]],
        ),
    ]
}

fn targets() -> Vec<(&'static str, Vec<u8>, Fate)> {
    let of = |line: &str| format!("{line} HTTP/1.1\r\nHost: wizard.example\r\n\r\n{NEXT}").into_bytes();
    vec![
        ("a space in the target", of("GET /no where"), &[&[404]]),
        ("a byte beyond ASCII in the target", of("GET /caf\u{e9}"), &[&[404, 404]]),
        ("a NUL in the target", of("GET /no%00where"), &[&[404, 404]]),
        ("a way out of the folder", of("GET /static/../../Cargo.toml"), &[&[404, 404]]),
        ("a coded way out of the folder", of("GET /static/%2e%2e/%2e%2e/Cargo.toml"), &[&[404, 404]]),
        ("another host in the target", of("GET http://b.example/nowhere"), &[&[404, 404], &[200, 404]]),
        ("the server itself as a target", of("GET *"), &[&[400, 404]]),
        ("CONNECT", of("CONNECT b.example:443"), &[&[200, 404]]),
        ("a method in small letters", of("get /nowhere"), &[&[404, 404]]),
    ]
}
