//! Forms and queries into types: the strict syntax, and what fits.
#![cfg(feature = "forms")]

use http::{HeaderValue, StatusCode};
use proptest::prelude::*;
use serde::Deserialize;
use waxseal_server::Error;
use waxseal_server::forms::{MAX_FIELDS, parse, parse_query};

type Pairs = Vec<(String, String)>;

fn pairs(text: &[u8]) -> Result<Pairs, Error> {
    parse(Some(&HeaderValue::from_static("application/x-www-form-urlencoded")), text)
}

/// An error as its text, which can be compared.
fn said(error: Error) -> String {
    error.to_string()
}

#[test]
fn well_formed_text_is_read_as_the_url_standard_says() {
    for (text, expected) in [
        ("", &[][..]),
        ("a", &[("a", "")]),
        ("a=b", &[("a", "b")]),
        ("=b", &[("", "b")]),
        ("=", &[("", "")]),
        ("&&&a=b&&c=d&", &[("a", "b"), ("c", "d")]),
        ("a=1&a=2", &[("a", "1"), ("a", "2")]),
        ("a==b=", &[("a", "=b=")]),
        ("a=b+c%2Bd", &[("a", "b c+d")]),
        ("%61%3d=%26%4d%4D", &[("a=", "&MM")]),
        ("†=%E2%80%a0", &[("†", "†")]),
        ("\u{feff}a=%EF%BB%BF", &[("\u{feff}a", "\u{feff}")]),
        ("a=%00", &[("a", "\0")]),
        ("a;b=c;d", &[("a;b", "c;d")]),
        ("%2525=a", &[("%25", "a")]),
    ] {
        let expected: Pairs =
            expected.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        assert_eq!(pairs(text.as_bytes()).map_err(said), Ok(expected), "{text}");
    }
}

#[test]
fn malformed_escapes_are_refused_with_their_place() {
    for (text, offset) in [
        ("%", 0),
        ("a=%", 2),
        ("a=%2", 2),
        ("a=%2s", 2),
        ("a=1&%zz=2", 4),
        ("a=%%41", 2),
        ("a=%25%+1", 5),
        ("a=%é", 2),
    ] {
        let error = pairs(text.as_bytes()).unwrap_err();
        assert!(matches!(error, Error::FormEscape { offset: found } if found == offset), "{text}: {error}");
        assert_eq!(error.status(), StatusCode::BAD_REQUEST);
    }
    assert_eq!(
        pairs(b"a=100%").unwrap_err().to_string(),
        "a `%` at byte 5 has no two hexadecimal digits behind it; write a percent sign as `%25`"
    );
}

#[test]
fn text_that_is_not_utf8_is_refused_with_its_place() {
    for (case, text, offset) in [
        ("escaped", &b"a=%ff"[..], 0),
        ("raw", b"a=\xff", 0),
        ("in a name", b"a=1&%fe=2", 4),
        ("cut off", b"a=%C3", 0),
        ("a character over name and value", b"%C3=%A9", 0),
        ("a character over two fields", b"a=%C3&%A9=b", 0),
        ("overlong", b"ok=1&a=%C0%AF", 5),
        ("surrogate", b"a=%ED%A0%80", 0),
    ] {
        let error = pairs(text).unwrap_err();
        assert!(matches!(error, Error::FormNotUtf8 { offset: found } if found == offset), "{case}: {error}");
    }
    assert_eq!(pairs(b"a=\xc3%A9").unwrap()[0].1, "é", "half raw, half escaped, is whole");
}

#[test]
fn a_thousand_fields_and_no_more() {
    let many = |count: usize| "a=&&".repeat(count).into_bytes();
    assert_eq!(pairs(&many(MAX_FIELDS)).unwrap().len(), MAX_FIELDS);
    let error = pairs(&many(MAX_FIELDS + 1)).unwrap_err();
    assert_eq!(error.status(), StatusCode::BAD_REQUEST);
    assert!(matches!(error, Error::TooManyFields { limit: MAX_FIELDS }), "{error}");
    assert_eq!(pairs(&b"&".repeat(100_000)).map_err(said), Ok(vec![]), "empty fields are none");
}

#[test]
fn only_url_encoded_utf8_is_a_form() {
    for (content_type, status) in [
        ("application/x-www-form-urlencoded", 200),
        ("Application/X-WWW-Form-URLEncoded", 200),
        ("application/x-www-form-urlencoded;charset=utf-8", 200),
        ("application/x-www-form-urlencoded ; Charset=\"UTF-8\" ;", 200),
        ("application/x-www-form-urlencoded; x=y", 200),
        ("application/x-www-form-urlencoded; charset=iso-8859-1", 415),
        ("application/x-www-form-urlencoded; charset=utf-8; charset=utf-7", 415),
        ("application/x-www-form-urlencoded; charset=", 415),
        ("application/x-www-form-urlencoded; charset=\"", 415),
        ("application/x-www-form-urlencoded2", 415),
        ("application/x-www-form-urlencoded, text/plain", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/json", 415),
        ("text/plain", 415),
        ("", 415),
    ] {
        let found = parse::<Pairs>(Some(&HeaderValue::from_static(content_type)), b"a=b");
        assert_eq!(found.map_or_else(|error| error.status().as_u16(), |_| 200), status, "{content_type}");
    }
    let error = parse::<Pairs>(None, b"a=b").unwrap_err();
    assert_eq!(error.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(
        error.to_string(),
        "the body is `nothing`; send a form as `application/x-www-form-urlencoded`"
    );
}

#[derive(Debug, PartialEq, Deserialize)]
struct Wizard {
    name: String,
    #[serde(default)]
    age: Option<u8>,
    #[serde(default)]
    spells: Vec<String>,
}

#[test]
fn fields_go_into_their_types() {
    let wizard = |name: &str, age, spells: &[&str]| Wizard {
        name: name.into(),
        age,
        spells: spells.iter().map(|&spell| spell.into()).collect(),
    };
    for (text, expected) in [
        ("name=Tom", wizard("Tom", None, &[])),
        ("name=", wizard("", None, &[])),
        ("name=Tom&age=17&spells=a", wizard("Tom", Some(17), &["a"])),
        ("spells=a&name=Tom&spells=b&is_admin=true", wizard("Tom", None, &["a", "b"])),
        ("name=Tom&n%61me=b&age=17&age=x", wizard("Tom", Some(17), &[])),
    ] {
        assert_eq!(parse_query(text).map_err(said), Ok(expected), "{text}");
    }
}

#[test]
fn what_does_not_fit_is_said_briefly() {
    for (text, message) in [
        ("age=1", "the fields do not fit: missing field `name`"),
        ("name=a&age=x", "the field `age` does not fit: invalid digit found in string"),
        ("name=a&age=300", "the field `age` does not fit: number too large to fit in target type"),
        ("name=a&age=x&age=1", "the field `age` does not fit: invalid digit found in string"),
    ] {
        let error = parse_query::<Wizard>(text).unwrap_err();
        assert_eq!(
            (error.status(), error.to_string().as_str()),
            (StatusCode::BAD_REQUEST, message),
            "{text}"
        );
    }

    #[derive(Debug, Deserialize)]
    enum School {
        Hogwarts,
    }
    let long = format!("school=%0A%1B{}", "x".repeat(5000));
    let error = parse_query::<Vec<(String, School)>>(&long).unwrap_err().to_string();
    assert!(error.starts_with("the fields do not fit: unknown variant `??xxx"), "{error}");
    assert!(error.len() < 100, "{error}");
    assert!(
        parse_query::<Vec<(String, School)>>("s=Hogwarts")
            .is_ok_and(|all| matches!(all[0].1, School::Hogwarts))
    );
}

/// Fields of many types, in a struct of its own that is flattened into another.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Paging {
    limit: u32,
    offset: Option<i64>,
    scale: f32,
    exact: bool,
    name: String,
    tag: Option<String>,
    letter: char,
    ids: Vec<u16>,
    order: Option<Order>,
    #[serde(flatten)]
    inner: Inner,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Inner {
    depth: u8,
    code: String,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Order {
    Up,
    Down,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Search {
    q: String,
    #[serde(flatten)]
    paging: Paging,
}

#[test]
fn flattened_fields_are_read_as_their_types() {
    let search = |paging| Search { q: "1".into(), paging };
    for (text, expected) in [
        ("q=1", Paging::default()),
        ("q=1&limit=10", Paging { limit: 10, ..Default::default() }),
        ("q=1&limit=1&exact=on&limit=2", Paging { limit: 1, exact: true, ..Default::default() }),
        ("limit=10&q=1&offset=-5", Paging { limit: 10, offset: Some(-5), ..Default::default() }),
        ("q=1&offset=", Paging::default()),
        ("q=1&scale=1.5&exact=on", Paging { scale: 1.5, exact: true, ..Default::default() }),
        ("q=1&scale=2&exact=false", Paging { scale: 2.0, ..Default::default() }),
        ("q=1&name=123&tag=", Paging { name: "123".into(), tag: Some("".into()), ..Default::default() }),
        ("q=1&tag=1e3&limit=1", Paging { tag: Some("1e3".into()), limit: 1, ..Default::default() }),
        ("q=1&name=true&exact=true", Paging { name: "true".into(), exact: true, ..Default::default() }),
        ("q=1&letter=7", Paging { letter: '7', ..Default::default() }),
        ("q=1&ids=7", Paging { ids: vec![7], ..Default::default() }),
        ("q=1&ids=7&ids=8&limit=9", Paging { ids: vec![7, 8], limit: 9, ..Default::default() }),
        ("q=1&order=down", Paging { order: Some(Order::Down), ..Default::default() }),
        (
            "q=1&depth=3&code=007",
            Paging { inner: Inner { depth: 3, code: "007".into() }, ..Default::default() },
        ),
    ] {
        assert_eq!(parse_query(text).map_err(said), Ok(search(expected)), "{text}");
    }
    let all = "q=1&limit=+1";
    assert!(parse_query::<Search>(all).is_err(), "a plus sign is a space");
}

#[test]
fn errors_in_flattened_fields_name_the_field() {
    for (text, message) in [
        ("q=1&limit=ten", "the field `limit` does not fit: invalid type: string \"ten\", expected u32"),
        ("q=1&limit=", "the field `limit` does not fit: invalid type: string \"\", expected u32"),
        ("q=1&limit=1.5", "the field `limit` does not fit: invalid type: string \"1.5\", expected u32"),
        (
            "q=1&depth=300&limit=300",
            "the field `depth` does not fit: invalid type: string \"300\", expected u8",
        ),
        (
            "q=1&limit=10&offset=x",
            "the field `offset` does not fit: invalid type: string \"x\", expected i64",
        ),
        ("q=1&ids=7&ids=x", "the field `ids` does not fit: invalid type: string \"x\", expected u16"),
        ("q=1&exact=maybe", "the field `exact` does not fit: invalid type: string \"maybe\", expected a?"),
        ("q=1&order=left", "the field `order` does not fit: unknown variant `left`, expected `up` or `down`"),
        (
            "q=1&limit=1&limit=2&depth=3&depth=4",
            "the fields do not fit: invalid type: sequence, expected u32",
        ),
        ("limit=10", "the fields do not fit: missing field `q`"),
    ] {
        let error = parse_query::<Search>(text).unwrap_err();
        let said = error.to_string();
        let said = said.replace("expected a boolean", "expected a?");
        assert_eq!(said, message, "{text}");
        assert_eq!(error.status(), StatusCode::BAD_REQUEST);
    }
}

#[test]
fn an_enum_is_the_first_variant_that_fits() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Find {
        Page { id: u32, page: u32 },
        Id { id: u32 },
        Name { name: String, exact: Option<bool> },
        Code { id: String },
    }
    for (text, expected) in [
        ("id=5", Find::Id { id: 5 }),
        ("id=5&page=2", Find::Page { id: 5, page: 2 }),
        ("page=2&id=5", Find::Page { id: 5, page: 2 }),
        ("id=x&page=2", Find::Code { id: "x".into() }),
        ("page=x&id=5", Find::Id { id: 5 }),
        ("name=123&exact=true", Find::Name { name: "123".into(), exact: Some(true) }),
        ("name=123", Find::Name { name: "123".into(), exact: None }),
    ] {
        assert_eq!(parse_query(text).map_err(said), Ok(expected), "{text}");
    }
    assert!(parse_query::<Find>("page=1").is_err());

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(tag = "shape", rename_all = "lowercase")]
    enum Shape {
        Circle { radius: f64, name: String },
        Square { side: i32 },
    }
    let circle = |radius| Shape::Circle { radius, name: "7".into() };
    assert_eq!(parse_query("shape=circle&radius=2&name=7").map_err(said), Ok(circle(2.0)));
    assert_eq!(parse_query("name=7&radius=-2.5&shape=circle").map_err(said), Ok(circle(-2.5)));
    assert_eq!(parse_query("shape=square&side=-3").map_err(said), Ok(Shape::Square { side: -3 }));
    let error = parse_query::<Shape>("shape=square&side=x").unwrap_err();
    assert!(matches!(error, Error::Field { ref name, .. } if name == "side"), "{error}");

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Value {
        Number(i64),
        Truth(bool),
        Text(String),
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Options {
        #[serde(flatten)]
        shape: Option<Shape>,
        #[serde(flatten)]
        paging: Option<Inner>,
        value: Value,
    }
    let options = |shape, value| Options { shape, paging: Some(Inner::default()), value };
    assert_eq!(parse_query("value=10").map_err(said), Ok(options(None, Value::Number(10))));
    assert_eq!(parse_query("value=true").map_err(said), Ok(options(None, Value::Truth(true))));
    let all = parse_query("shape=square&side=4&value=x&depth=9").map_err(said);
    let inner = Some(Inner { depth: 9, code: String::new() });
    assert_eq!(
        all,
        Ok(Options { paging: inner, ..options(Some(Shape::Square { side: 4 }), Value::Text("x".into())) })
    );

    #[derive(Debug, PartialEq, Deserialize)]
    enum Key {
        Id(u32),
        Name(String),
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Keyed {
        #[serde(flatten)]
        key: Key,
    }
    assert_eq!(parse_query("Id=7").map_err(said), Ok(Keyed { key: Key::Id(7) }));
    assert_eq!(parse_query("Name=7").map_err(said), Ok(Keyed { key: Key::Name("7".into()) }));

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(tag = "kind", content = "value")]
    enum Adjacent {
        Id(u32),
        Name(String),
    }
    for text in ["kind=Id&value=7", "value=7&kind=Id"] {
        assert_eq!(parse_query(text).map_err(said), Ok(Adjacent::Id(7)), "{text}");
    }
    assert_eq!(parse_query("value=7&kind=Name").map_err(said), Ok(Adjacent::Name("7".into())));
}

#[test]
fn a_flattened_option_is_there_if_all_its_fields_fit() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Page {
        limit: u32,
        exact: bool,
        scale: f32,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Span {
        from: i64,
        to: i64,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Find {
        q: String,
        #[serde(flatten)]
        page: Option<Page>,
        #[serde(flatten)]
        span: Option<Span>,
    }
    let find = |page, span| Find { q: "1".into(), page, span };
    let page = || Some(Page { limit: 10, exact: false, scale: 0.5 });
    let span = || Some(Span { from: -3, to: 4 });
    for (text, expected) in [
        ("q=1", find(None, None)),
        ("q=1&limit=10&exact=false&scale=0.5", find(page(), None)),
        ("scale=0.5&exact=false&limit=10&q=1", find(page(), None)),
        ("q=1&from=-3&to=4", find(None, span())),
        ("q=1&from=-3&limit=10&to=4&exact=false&scale=0.5", find(page(), span())),
        ("q=1&from=-3&limit=10&to=x&exact=false&scale=0.5", find(page(), None)),
        ("q=1&limit=10&exact=maybe&scale=0.5&from=-3&to=4", find(None, span())),
        ("q=1&limit=10&exact=false", find(None, None)),
    ] {
        assert_eq!(parse_query(text).map_err(said), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_left_over_goes_into_a_map_as_it_is() {
    use std::collections::BTreeMap;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Rest<T> {
        limit: u32,
        #[serde(flatten)]
        rest: BTreeMap<String, T>,
    }
    let texts = parse_query::<Rest<String>>("limit=1&a=1&b=true").unwrap();
    assert_eq!(texts.rest["a"].clone() + &texts.rest["b"], "1true");
    let many: String = (0..200).map(|number| format!("&n{number}={number}")).collect();
    let numbers = parse_query::<Rest<u64>>(&format!("limit=1{many}")).unwrap();
    assert_eq!(numbers.rest.values().sum::<u64>(), 19_900);

    // Work is bounded, whatever the type asks for.
    let many: String = (0..MAX_FIELDS - 1).map(|number| format!("&n{number}={number}")).collect();
    assert!(parse_query::<Rest<u64>>(&format!("limit=1{many}")).is_err());
}

#[test]
fn wide_numbers_and_a_type_of_its_own_are_read_outside_of_flattened_structs() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Wide {
        wide: i128,
        port: Option<std::num::NonZeroU16>,
        address: Option<std::net::IpAddr>,
    }
    let wide = Wide { wide: i128::MIN, port: None, address: Some([127, 0, 0, 1].into()) };
    assert_eq!(parse_query(&format!("wide={}&port=&address=127.0.0.1", i128::MIN)).map_err(said), Ok(wide));
    let error = parse_query::<Wide>("wide=1&port=0").unwrap_err();
    assert!(matches!(error, Error::Field { ref name, .. } if name == "port"), "{error}");
}

#[test]
fn a_checkbox_is_true_under_each_of_its_usual_values() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Plain {
        #[serde(default)]
        remember: bool,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Flat {
        #[serde(flatten)]
        plain: Plain,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Any {
        Truth { remember: bool },
        Number { remember: u8 },
    }
    for (text, expected) in [
        ("", Some(false)),
        ("remember=on", Some(true)),
        ("remember=true", Some(true)),
        ("remember=y", Some(true)),
        ("remember=yes", Some(true)),
        ("remember=1", Some(true)),
        ("remember=off", Some(false)),
        ("remember=false", Some(false)),
        ("remember=n", Some(false)),
        ("remember=no", Some(false)),
        ("remember=0", Some(false)),
        // Rails sends a hidden field in front.
        ("remember=0&remember=1", Some(false)),
        ("remember=2", None),
        ("remember=Yes", None),
    ] {
        assert_eq!(parse_query::<Plain>(text).ok().map(|form| form.remember), expected, "{text}");
        assert_eq!(parse_query::<Flat>(text).ok().map(|form| form.plain.remember), expected, "{text}");
    }
    assert_eq!(parse_query("remember=1").map_err(said), Ok(Any::Number { remember: 1 }));
    assert_eq!(parse_query("remember=y").map_err(said), Ok(Any::Truth { remember: true }));
}

/// Of a plain struct, the same is read as serde_html_form reads, and of a repeated field the first.
#[test]
fn a_plain_struct_is_read_as_ever() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Plain {
        #[serde(default)]
        number: Option<u8>,
        #[serde(default)]
        truth: Option<bool>,
        #[serde(default)]
        text: Option<String>,
        #[serde(default, deserialize_with = "serde_html_form::de::empty_as_none")]
        word: Option<String>,
        #[serde(default)]
        list: Vec<f32>,
        #[serde(default)]
        order: Option<Order>,
    }
    let values = ["", "0", "1", "-1", "1.5", "256", "on", "true", "false", "up", "x y", "é", "NaN?"];
    for name in ["number", "truth", "text", "word", "list", "order", "other"] {
        for value in values {
            for other in ["", "&list=2", "&number=1", "&number=1&number=2"] {
                let pair = serde_html_form::to_string([(name, value)]).unwrap();
                // A truth may have more words here.
                let known = match (name, value) {
                    ("truth", "0") => "truth=false",
                    ("truth", "1") => "truth=true",
                    _ => &pair,
                };
                let first = match (name, other) {
                    ("number", "&number=1" | "&number=1&number=2") => "",
                    (_, "&number=1&number=2") => "&number=1",
                    (_, other) => other,
                };
                let expected = serde_html_form::from_str::<Plain>(&format!("{known}{first}")).ok();
                // An empty text is no number; as the only one of its name it is `None`.
                let is_empty = (name, value) == ("number", "") && first != other;
                let expected = expected.filter(|_| !is_empty);
                let text = pair + other;
                assert_eq!(parse_query::<Plain>(&text).ok(), expected, "{text}");
            }
        }
    }
}

proptest! {
    #[test]
    fn any_pairs_come_back_from_their_encoding(expected in proptest::collection::vec((".{0,9}", ".{0,9}"), 0..9)) {
        let text = serde_html_form::to_string(&expected).unwrap();
        prop_assert_eq!(pairs(text.as_bytes()).map_err(said), Ok(expected));
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
        let _ = pairs(&bytes);
    }
}
