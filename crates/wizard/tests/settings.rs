//! What can be set from outside, what is refused at start, and how the program ends.

mod program;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use program::{Program, folder, refused, secret};

/// Sends a request and returns everything until the server closes the connection.
fn exchange(program: &Program, head: &str, fields: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(program.address()).unwrap();
    let (host, length) = (program.address(), body.len());
    let request = format!(
        "{head} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n{fields}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";

/// The cookie's name and attributes, without the token.
fn cookie(program: &Program) -> String {
    let answer = exchange(program, "POST /wizard/create", FORM, "name=Merlin&magic_school=Camelot");
    let header = answer.lines().find_map(|line| line.strip_prefix("set-cookie: "));
    let (name, rest) = header.unwrap_or_else(|| panic!("no cookie in {answer}")).split_once('=').unwrap();
    format!("{name}; {}", rest.split_once("; ").unwrap().1)
}

/// Names and values, for example for `WAXSEAL_PORT=0` and `--port 0`.
const SETTINGS: [(&str, &str); 13] = [
    ("host", "0.0.0.0"),
    ("port", "0"),
    ("session-state", "cookie"),
    ("session-cookie-name", "__Secure-id"),
    ("session-cookie-domain", "example.org"),
    ("session-cookie-path", "/wizard"),
    ("session-cookie-httponly", "no"),
    ("session-cookie-secure", "yes"),
    ("session-cookie-samesite", "Strict"),
    ("session-cookie-partitioned", "true"),
    ("session-lifetime", "600"),
    ("max-content-length", "40"),
    ("log", "debug"),
];

fn variable(name: &str) -> String {
    format!("WAXSEAL_{}", name.to_uppercase().replace('-', "_"))
}

#[test]
fn every_setting_is_a_variable_and_a_flag() {
    let secret = secret();
    let mut variables: Vec<(String, &str)> = SETTINGS.map(|(name, value)| (variable(name), value)).into();
    variables.push(("WAXSEAL_SECRET_KEY".to_owned(), &secret));
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let arguments: Vec<String> = SETTINGS.iter().map(|(name, value)| format!("--{name}={value}")).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    for program in [Program::start(&variables, &[]), Program::start(&[("SECRET_KEY", &secret)], &arguments)] {
        assert!(program.address().to_string().starts_with("0.0.0.0:"), "{}", program.heard());
        assert!(program.heard().contains("production server"), "{}", program.heard());
        assert_eq!(
            cookie(&program),
            "__Secure-id; SameSite=Strict; Partitioned; Secure; Path=/wizard; Domain=example.org"
        );
        let large = exchange(&program, "POST /wizard/create", FORM, &"x".repeat(41));
        assert!(large.starts_with("HTTP/1.1 413 "), "{large}");
        program.signal("TERM");
        let said = program.wait().said;
        assert!(said.contains("DEBUG") && said.contains("413 Payload Too Large"), "{said}");
    }
}

#[test]
fn a_flag_wins_over_a_variable() {
    let variables = [("SECRET_KEY", &*secret()), ("WAXSEAL_PORT", "1"), ("WAXSEAL_SESSION_COOKIE_NAME", "a")];
    let program = Program::start(&variables, &["--port=0", "--session-cookie-name=b"]);
    assert!(cookie(&program).starts_with("b; "));
}

#[test]
fn a_variable_set_to_nothing_is_one_that_is_unset() {
    let mut variables: Vec<(String, &str)> = SETTINGS.map(|(name, _)| (variable(name), "")).into();
    variables.extend([("WAXSEAL_DEVELOPMENT".to_owned(), ""), ("WAXSEAL_ADMIN_ADDRESS".to_owned(), "")]);
    let secret = secret();
    variables.push(("SECRET_KEY".to_owned(), &secret));
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let program = Program::start(&variables, &["--port=0", "--host=localhost"]);
    assert!(program.address().ip().is_loopback(), "{}", program.heard());
    assert_eq!(cookie(&program), "__Host-session; HttpOnly; SameSite=Lax; Secure; Path=/");
}

#[test]
fn a_value_that_is_none_is_refused_by_name() {
    for (name, value) in [
        ("host", "example.org"),
        ("port", "65536"),
        ("port", "http"),
        ("development", "perhaps"),
        ("allow-weak-secret", "2"),
        ("session-state", "nowhere"),
        ("session-when-away", "perhaps"),
        ("session-cookie-httponly", "maybe"),
        ("session-cookie-secure", "tls"),
        ("session-cookie-samesite", "relaxed"),
        ("session-cookie-partitioned", "-"),
        ("session-lifetime", "-1"),
        ("session-absolute-lifetime", "1.5"),
        ("permanent-session-lifetime", "31 days"),
        ("permanent-session-absolute-lifetime", "forever"),
        ("max-content-length", "2 MiB"),
        ("log", "loud"),
    ] {
        let ended = refused(&[("SECRET_KEY", &secret()), (&variable(name), value)], &[]);
        assert_eq!(ended.status.code(), Some(2), "{name}: {ended:?}");
        let told = ended.said.contains(&format!("invalid value '{value}' for '--{name}"));
        assert!(told, "{name}: {}", ended.said);
    }
}

#[test]
fn settings_that_cannot_be_are_refused_with_a_sentence() {
    for (name, value, sentence) in [
        ("session-lifetime", "0", "a session's idle lifetime must be between 1 and 4294967294 seconds"),
        ("session-absolute-lifetime", "0", "a session's absolute lifetime must be"),
        ("permanent-session-lifetime", "0", "a session's permanent idle lifetime must be"),
        (
            "permanent-session-absolute-lifetime",
            "99999999999",
            "a session's permanent absolute lifetime must be",
        ),
        ("session-cookie-name", "a;b", "\"a;b\" is no cookie name; use 1 to 255 letters"),
        ("session-cookie-path", "wizard", "\"wizard\" is no path of a cookie"),
        ("session-cookie-secure", "no", "a cookie called \"__Host-session\" must be Secure"),
        ("host", "192.0.2.1", "cannot listen on 192.0.2.1:5000; choose an address of this machine"),
    ] {
        let ended = refused(&[("SECRET_KEY", &secret()), (&variable(name), value)], &[]);
        assert_eq!(ended.status.code(), Some(1), "{name}: {ended:?}");
        let line = ended.said.lines().find(|line| line.starts_with("Error: ")).unwrap_or_default();
        assert!(line.contains(sentence), "{name}: {}", ended.said);
    }
}

/// A misspelt name may be the reason, and who obeys the error alone would make a new key and sign everybody out.
#[test]
fn a_start_that_fails_says_before_which_variable_is_no_setting() {
    const UNKNOWN: &str = "the variable WAXSEAL_SECRET_KEY_FIEL is no setting and is not used; did you mean WAXSEAL_SECRET_KEY_FILE?";
    let variables = [("WAXSEAL_SECRET_KEY_FIEL", "secret")];
    let text = refused(&variables, &[]).said;
    let (before, after) = text.split_once(UNKNOWN).unwrap_or_else(|| panic!("{text}"));
    assert!(before.contains(" WARN ") && after.contains("\nError: no secret key"), "{text}");
    assert!(!text.contains(" ERROR "), "it would be there twice: {text}");

    let json = refused(&variables, &["--log-format=json"]).said;
    let lines: Vec<serde_json::Value> =
        json.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let [warning, error] = &*lines else { panic!("{json}") };
    assert_eq!((&warning["level"], &warning["message"]), (&"WARN".into(), &UNKNOWN.into()));
    let message = error["message"].as_str().unwrap_or_default();
    assert!(error["level"] == "ERROR" && message.starts_with("no secret key"), "{json}");
    assert!(json.ends_with(&format!("Error: {message}\n")), "{json}");
}

#[test]
fn without_a_good_secret_it_starts_for_nobody_but_a_developer() {
    const WEAK: &str = "hunter2-hunter2";
    for (case, variables) in [
        ("none", &[][..]),
        ("empty", &[("SECRET_KEY", "")]),
        ("too short", &[("SECRET_KEY", "hunter2")]),
        ("a sample", &[("SECRET_KEY", "super-secret-key")]),
        ("a sample under the prefix", &[("WAXSEAL_SECRET_KEY", "you-will-never-guess")]),
        ("a weak fallback", &[("SECRET_KEY", WEAK), ("SECRET_KEY_FALLBACKS", "[\"hunter2\"]")]),
    ] {
        let ended = refused(variables, &["--port=0"]);
        assert_eq!(ended.status.code(), Some(1), "{case}: {ended:?}");
        assert!(ended.said.contains("waxseal gen-secret"), "{case}: {}", ended.said);
        for (_, value) in variables.iter().filter(|(_, value)| !value.is_empty()) {
            let value = value.trim_matches(['[', ']', '"']);
            assert!(!ended.said.contains(value), "{case}: {}", ended.said);
        }
    }
    let allowed = Program::start(&[("SECRET_KEY", "hunter2")], &["--port=0", "--allow-weak-secret"]);
    assert!(allowed.heard().contains("WARN") && !allowed.heard().contains("hunter2"), "{}", allowed.heard());
}

#[test]
fn a_damaged_secret_is_refused_and_not_shown() {
    let damaged = secret().replace("BwcHBw", "BwcHBx");
    let ended = refused(&[("SECRET_KEY", &damaged)], &["--port=0"]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.said.contains("secret key") && !ended.said.contains("BwcH"), "{}", ended.said);
}

#[test]
fn a_secret_comes_from_a_file_too_and_the_log_says_so() {
    let folder = folder();
    fs::write(folder.path().join("keys"), secret() + "\n").unwrap();
    for (variables, arguments) in [
        (&[][..], &["--port=0", "--secret-key-file=keys"][..]),
        (&[("WAXSEAL_SECRET_KEY_FILE", "keys")], &["--port=0"]),
        (&[("SECRET_KEY_FILE", "keys")], &["--port=0"]),
    ] {
        let mut program = Program::spawn(folder.clone(), variables, arguments);
        program.hear_address();
        assert!(program.heard().contains("secret key from keys"), "{}", program.heard());
        assert!(!program.heard().contains("waxseal1_"), "{}", program.heard());
    }
}

#[test]
fn development_is_for_this_machine_alone() {
    for host in ["0.0.0.0", "::", "192.0.2.1"] {
        let ended = refused(&[], &["--development", "--port=0", "--host", host]);
        assert_eq!(ended.status.code(), Some(1), "{host}: {ended:?}");
        assert!(ended.said.contains("development needs a loopback address"), "{}", ended.said);
        assert!(
            ended.said.contains("use --host 127.0.0.1, or start without --development"),
            "{}",
            ended.said
        );
    }
    let program = Program::start(&[("WAXSEAL_DEVELOPMENT", "1")], &["--port=0"]);
    assert_eq!(cookie(&program), "waxseal-dev-session; HttpOnly; SameSite=Lax; Path=/");
    assert!(program.heard().contains("development server on http://127.0.0.1:"), "{}", program.heard());
}

#[test]
fn a_taken_port_is_said_with_the_way_out() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let ended = refused(&[("SECRET_KEY", &secret())], &["--port", &address.port().to_string()]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let sentence =
        format!("Error: {address} is in use; stop what listens there, or choose another port with --port");
    assert!(ended.said.contains(&sentence), "{}", ended.said);
}

#[test]
fn of_fifty_first_starts_one_makes_the_secret_and_all_share_it() {
    let folder = folder();
    let arguments = ["--development", "--port=0"];
    let mut programs: Vec<Program> =
        (0..50).map(|_| Program::spawn(folder.clone(), &[], &arguments)).collect();
    programs.iter_mut().for_each(Program::hear_address);
    let made = "secret key made just now and kept in .waxseal/secret";
    let found = "secret key from .waxseal/secret";
    assert_eq!(programs.iter().filter(|program| program.heard().contains(made)).count(), 1);
    assert_eq!(programs.iter().filter(|program| program.heard().contains(found)).count(), 49);

    // A cookie of the first server opens at the last one.
    let answer = exchange(&programs[0], "POST /wizard/create", FORM, "name=Merlin&magic_school=Camelot");
    let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    let field = format!("cookie: {}\r\n", cookie.split(';').next().unwrap());
    assert!(exchange(&programs[49], "GET /wizard/success", &field, "").contains("Merlin"));
}

#[test]
fn the_first_lines_say_what_is_in_force() {
    let program = Program::start(&[("SECRET_KEY", &secret())], &["--port=0", "--worker-connections=5"]);
    assert!(program.heard().contains(", 5 connections, "), "{}", program.heard());
    assert!(program.heard().contains("; trusted proxies: none\n"), "{}", program.heard());
    let arguments = ["--port=0", "--trusted-proxies=10.0.0.1,10.2.0.0/16,unix"];
    let program = Program::start(&[("SECRET_KEY", &secret())], &arguments);
    let proxies = "; trusted proxies: 10.0.0.1/32,10.2.0.0/16,unix\n";
    assert!(program.heard().contains(proxies), "{}", program.heard());
}

#[test]
fn the_first_lines_warn_of_what_is_probably_a_mistake() {
    let secret = secret();
    for (variables, arguments, expected) in [
        (
            &[("WAXSEAL_SESION_STORE", "sqlite:a.db")][..],
            &["--session-state=mirrored", "--root-path=/app"][..],
            &[
                "WARN sessions in state mirrored are in this process's memory: they end with it, and no other server has \
                 them; name a --session-store",
                "WARN the variable WAXSEAL_SESION_STORE is no setting and is not used; did you mean WAXSEAL_SESSION_STORE?",
                "INFO below /app: another app on this host needs another --session-cookie-name, since the cookie is the \
                 host's",
            ][..],
        ),
        (
            &[("RUST_LOG", "a=b=c")],
            &["--session-store=sqlite:sessions.db"],
            &[
                "WARN RUST_LOG is not used: `a=b=c` is no log filter; write a level",
                "WARN sessions are in the visitors' cookies, and the session store keeps the list of revoked ones alone",
            ],
        ),
        (&[], &["--session-state=store", "--session-store=sqlite:sessions.db"], &[]),
    ] {
        let variables = [&[("SECRET_KEY", &*secret)], variables].concat();
        let program = Program::start(&variables, &[&["--port=0"], arguments].concat());
        let said = program.heard();
        assert!(expected.iter().all(|line| said.contains(line)), "{said}");
        let warnings = expected.iter().filter(|line| line.starts_with("WARN")).count();
        assert_eq!(said.matches(" WARN ").count(), warnings, "{said}");
    }
}

/// The variable that all Rust programs know, unless there is one of our own; and an access log whatever the level is.
#[test]
fn the_log_is_what_rust_log_or_the_setting_says() {
    let secret = secret();
    // With it a program says its address.
    let address = "waxseal::run=info";
    for (rust_log, variable, access_log, [has_debug, has_refusal, has_access]) in [
        (format!("debug,{address}"), String::new(), "false", [true, true, false]),
        (format!("warn,{address}"), String::new(), "true", [false, false, true]),
        ("trace".to_owned(), format!("warn,{address}"), "false", [false, false, false]),
        (format!("off,{address},waxseal_http=info"), String::new(), "false", [false, true, false]),
    ] {
        let variables = [("SECRET_KEY", &*secret), ("RUST_LOG", &rust_log), ("WAXSEAL_LOG", &variable)];
        let program = Program::start(&variables, &["--port=0", &format!("--access-log={access_log}")]);
        let answer = exchange(&program, "GET /wizard/success", "cookie: __Host-session=bad\r\n", "");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        exchange(&program, "GET /nowhere", "", "");
        program.signal("TERM");
        let said = program.wait().said;
        let found = ["404 Not Found", "session cookie refused", "answered path=\"/nowhere\""];
        assert_eq!(
            found.map(|words| said.contains(words)),
            [has_debug, has_refusal, has_access],
            "{rust_log}: {said}"
        );
        assert!(!has_access || said.contains("route=\"unmatched\" status=404 latency_ms="), "{said}");
    }
}

#[test]
fn json_lines_are_objects_with_the_fields_of_their_request() {
    let arguments = ["--port=0", "--log-format=json", "--access-log=true"];
    let program = Program::start(&[("SECRET_KEY", &secret())], &arguments);
    let field = "cookie: __Host-session=bad\r\n";
    let answers = [0, 1].map(|_| exchange(&program, "GET /wizard/success?token=secret", field, ""));
    program.signal("TERM");
    let said = program.wait().said;
    let lines: Vec<serde_json::Value> =
        said.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    for line in &lines {
        let has = |name| line[name].as_str().is_some_and(|text| !text.is_empty());
        assert!(["timestamp", "level", "target", "message"].into_iter().all(has), "{line}");
    }
    let about =
        |message: &str| lines.iter().filter(move |line| line["message"] == message).collect::<Vec<_>>();
    // The second was counted, as in a log of text.
    let [refused] = *about("session cookie refused") else { panic!("{said}") };
    let [repeated] = *about("repeated lines") else { panic!("{said}") };
    assert_eq!(repeated["repeated"], 1, "{repeated}");
    let ids = answers
        .each_ref()
        .map(|answer| answer.split("x-request-id: ").nth(1).unwrap().lines().next().unwrap());
    assert_eq!((&refused["span"]["id"], &refused["level"]), (&ids[0].into(), &"INFO".into()), "{refused}");
    assert!(refused["reason"].is_string(), "{refused}");
    let answered = about("answered");
    assert_eq!(answered.len(), 2, "{said}");
    for (line, id) in answered.into_iter().zip(ids) {
        let span = &line["span"];
        assert_eq!((&span["id"], &span["route"]), (&id.into(), &"/wizard/success".into()), "{line}");
        assert_eq!((&span["method"], &span["status"]), (&"GET".into(), &200.into()), "{line}");
        assert!(span["latency_ms"].is_number() && span["session"] == "read", "{line}");
        assert_eq!(
            (&line["path"], &line["client"]),
            (&"/wizard/success".into(), &"127.0.0.1".into()),
            "{line}"
        );
    }
}

#[test]
fn it_says_its_version() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_wizard"))
        .arg("--version")
        .env_clear()
        .output()
        .unwrap();
    assert!(output.status.success());
    let expected = concat!("waxseal ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}

#[test]
fn a_developer_sees_each_line_however_often_it_comes() {
    for format in ["text", "json"] {
        let arguments = ["--port=0", "--development", &format!("--log-format={format}")];
        let mut program = Program::start(&[], &arguments);
        for _ in 0..3 {
            let answer = exchange(&program, "GET /wizard/success", "cookie: waxseal-dev-session=bad\r\n", "");
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
            program.hear("session cookie refused");
        }
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_and_sigterm_end_it_well_with_requests_in_flight_finished() {
    for signal in ["INT", "TERM"] {
        let mut program = Program::start(&[("SECRET_KEY", &secret())], &["--port=0"]);
        let (address, body) = (program.address(), "name=Merlin&magic_school=Camelot");
        let mut stream = TcpStream::connect(address).unwrap();
        let head = "POST /wizard/create HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n";
        write!(stream, "{head}{FORM}content-length: {}\r\n\r\n", body.len()).unwrap();
        // The server has asked for the body, so the handler is waiting for it.
        let mut invited = [0; 25];
        stream.read_exact(&mut invited).unwrap();
        assert_eq!(&invited, b"HTTP/1.1 100 Continue\r\n\r\n");

        program.signal(signal);
        program.hear("stopping; requests in flight may finish");
        stream.write_all(body.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 303 "), "{signal}: {answer}");
        drop(stream);
        let ended = program.wait();
        assert_eq!(ended.status.code(), Some(0), "{signal}: {ended:?}");
        assert!(TcpStream::connect(address).is_err(), "{signal}: the port is closed");
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_while_it_stops_ends_it_at_once_and_sigterm_does_not() {
    for first in ["INT", "TERM"] {
        let mut program = Program::start(&[("SECRET_KEY", &secret())], &["--port=0", "--shutdown-delay=600"]);
        program.signal(first);
        program.hear("stopping; requests in flight may finish");
        program.signal("TERM");
        // Requests are answered during the delay.
        let answer = exchange(&program, "GET /wizard/success", "", "");
        assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
        program.signal("INT");
        let ended = program.wait();
        assert!(
            ended.said.contains("WARN Ctrl-C while stopping: what is still open is dropped"),
            "{ended:?}"
        );
        assert_eq!(ended.status.code(), Some(0), "{first}: {ended:?}");
    }
}

/// Each connection needs a file descriptor, and some descriptors are needed for other things.
#[cfg(unix)]
#[test]
fn connections_keep_to_the_limit_of_open_files() {
    let under = ["/bin/sh", "-c", "ulimit -n 80; exec \"$0\" \"$@\""];
    let variables = [("SECRET_KEY", &*secret())];
    let mut program = Program::spawn_under(&under, folder(), &variables, &["--port=0"]);
    program.hear_address();
    assert!(program.heard().contains(", 20 connections, "), "{}", program.heard());
    program.hear("at most 20 connections at once and not 10000: the limit of open files is 80");
    let connect = |_| {
        let mut client = TcpStream::connect(program.address()).unwrap();
        write!(client, "GET / HTTP/1.1\r\nhost: {}\r\n\r\n", program.address()).unwrap();
        client
    };
    // More clients than there are descriptors. Those over the limit are answered when others have disconnected.
    let clients: Vec<_> = (0..100).map(connect).collect();
    for mut client in clients {
        let mut start = [0; 13];
        client.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"HTTP/1.1 200 ");
    }
    program.signal("TERM");
    let said = program.wait().said;
    assert!(
        said.contains("WARN as many connections are open as may be") && !said.contains("ERROR"),
        "{said}"
    );
}
