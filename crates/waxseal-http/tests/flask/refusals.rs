//! What the log says of a Flask session that cannot be kept: the entry, and why.

use serde_json::Value as Json;

use super::*;

/// Real Flask's cookies, as `make.py` of waxseal-flask found them, signed with the key `dev`.
const ANSWERS: &str = include_str!("../../../waxseal-flask/tests/known_answers/answers.json");
/// `{"born": datetime(50, 1, 1)}` of Flask 3.1, which Flask itself reads as of the year 2050.
const BEFORE_100: &str =
    "eyJib3JuIjp7IiBkIjoiU2F0LCAwMSBKYW4gMDA1MCAwMDowMDowMCBHTVQifX0.ZVPxAA.f03nXFx8IPFJgUgZVnUREQCelfM";
/// `{"cart":{" u":"1"}}`, signed by itsdangerous.
const BAD_TAG: &str = "eyJjYXJ0Ijp7IiB1IjoiMSJ9fQ.ZVPxAA.xt1WvS-w9CpAqHDMH0lMBz7R8ks";

/// Flask's cookie with this name among the known answers.
pub(crate) fn known(name: &str) -> String {
    let answers: Vec<Json> = serde_json::from_str(ANSWERS).unwrap();
    let found = answers.iter().find(|answer| answer["name"] == name).unwrap();
    format!("session={}", found["cookie"].as_str().unwrap())
}

/// The lines of the log that say why a cookie is refused.
async fn said(flask: Flask, cookie: &str) -> Vec<String> {
    log::start();
    log::clear();
    let site = Site::of(Place::Mirrored, flask);
    let answer = site.page(DAY, cookie).await;
    assert!(answer.owner.is_none() && answer.status == 200 && answer.ours().is_none(), "{cookie}");
    log::lines().into_iter().filter(|line| line.contains("cannot be read")).collect()
}

#[tokio::test]
async fn a_refusal_names_the_entry_and_the_reason() {
    let deep = (0..100).fold(Value::Int(1), |inner, _| Value::List(vec![inner]));
    let deep = cookie_of(Dict::from([("deep".to_owned(), deep)]), 0);
    let content = "signature is good, content cannot be read: ";
    for (cookie, reason) in [
        (known("refused: integer"), r#"session["key"]: integer of more than 128 bits"#),
        (known("refused: surrogate"), r#"session["key"]: text with half a surrogate pair"#),
        (known("refused: surrogate in a key"), "text with half a surrogate pair"),
        (known("refused: depth"), r#"session["key"]: nested more than 128 levels deep"#),
        (format!("session={BAD_TAG}"), r#"session["cart"]: value does not fit the tag ` u`"#),
        (format!("session={BEFORE_100}"), r#"session["born"]: value does not fit the tag ` d`"#),
        (known("refused: bomb"), "payload inflates to more than the limit"),
    ] {
        let flask = flask().fallback(FlaskKey::from_text("dev").unwrap());
        let line = format!("INFO message=a foreign cookie cannot be read error=\"{content}{reason}\"");
        let lines = said(flask, &cookie).await;
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(lines[0].replace('\\', ""), line);
    }
    let lines = said(flask(), &deep).await;
    assert!(lines.len() == 1 && lines[0].replace('\\', "").contains(r#"session["deep"]: "#), "{lines:?}");
}

#[tokio::test]
async fn an_entry_that_names_no_user_is_named_and_a_uuid_names_one() {
    let id = Value::Uuid(uuid_bytes());
    for key in [USER_ID, "user_id"] {
        let site = || if key == USER_ID { flask() } else { flask().owner_key(key) };
        let cookie = |value: Value| cookie_of(Dict::from([(key.to_owned(), value)]), 0);
        let answer = Site::of(Place::Mirrored, site()).page(DAY, &cookie(id.clone())).await;
        assert_eq!(answer.owner.as_deref(), Some("00010203-0405-0607-0809-0a0b0c0d0eff"), "{key}");
        // `None` is nobody, and the session is taken over.
        let answer = Site::of(Place::Mirrored, site()).page(DAY, &cookie(Value::None)).await;
        assert!(answer.owner.is_none() && answer.ours().is_some(), "{key}");
        let name = "an owner's name has 1 to 255 bytes and no control characters";
        for (value, reason) in [
            (Value::List(vec![Value::Int(7)]), ", and is a list in place of text, an integer or a UUID"),
            (Value::Bool(true), ", and is a bool in place of text, an integer or a UUID"),
            (Value::Str(String::new()), &format!(": {name}")),
        ] {
            let lines = said(site(), &cookie(value)).await;
            let expected = format!("session[\"{key}\"] is to name the user{reason}");
            assert!(lines.len() == 1 && lines[0].replace('\\', "").contains(&expected), "{lines:?}");
        }
    }
}

#[tokio::test]
async fn a_message_that_is_no_text_is_left_behind_with_a_line_in_the_log() {
    log::start();
    let flash = |message| Value::Tuple(vec![Value::Str("info".to_owned()), message]);
    let text = Value::Str("saved".to_owned());
    for (flashes, left_out) in [
        (Value::List(vec![flash(text.clone()), flash(Value::Int(7)), Value::None]), Some(2)),
        (Value::Dict(Dict::new()), Some(1)),
        (Value::List(vec![flash(text)]), None),
    ] {
        log::clear();
        let cookie = cookie_of(Dict::from([("_flashes".to_owned(), flashes)]), 0);
        let answer = Site::of(Place::Mirrored, flask()).page(DAY, &cookie).await;
        assert!(answer.ours().is_some(), "{left_out:?}");
        let lines = log::lines();
        let said = lines.iter().find(|line| line.contains("left behind"));
        assert_eq!(said.is_some(), left_out.is_some(), "{lines:?}");
        let count = left_out.map_or(String::new(), |count| format!(" left_out={count}"));
        assert!(said.is_none_or(|line| line.ends_with(&count)), "{lines:?}");
    }
}

#[tokio::test]
async fn a_large_session_is_read_by_an_app_that_says_so() {
    let large = Value::Str("owl ".repeat(100_000));
    let cookie = cookie_of(Dict::from([(USER_ID.to_owned(), Value::Int(7)), ("large".to_owned(), large)]), 0);
    assert_eq!(said(flask(), &cookie).await.len(), 1);
    let answer = Site::of(Place::Mirrored, flask().max_inflated_bytes(1 << 20)).page(DAY, &cookie).await;
    assert_eq!(answer.owner.as_deref(), Some("7"));
}
