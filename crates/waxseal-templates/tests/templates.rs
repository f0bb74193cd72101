//! Templates with a session in them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use waxseal_session::Session;
use waxseal_session::backend::{Content, FormTokenKeys, Seed, Terms};
use waxseal_templates::{Error, Templates, context, folder};

/// Form tokens that anybody could make.
struct OpenKeys;

impl FormTokenKeys for OpenKeys {
    fn make(&self, seed: &Seed) -> std::io::Result<String> {
        Ok(format!("{seed:?}"))
    }

    fn is_good(&self, seed: &Seed, token: &[u8]) -> bool {
        token == format!("{seed:?}").as_bytes()
    }
}

fn terms() -> Terms {
    Terms { limit: 2_907, strict: false, form_token_keys: Some(Arc::new(OpenKeys)) }
}

fn session() -> Session {
    Session::begin(terms())
}

/// The session of a payload as another program with our key may have written it.
fn written(payload: Vec<u8>) -> Session {
    let range = 0..payload.len();
    Session::restore(Content::parse(payload, range).unwrap(), terms())
}

fn filled() -> Session {
    let session = session();
    session.insert("name", "<b>Merlin & Co</b>").unwrap();
    session.insert("age", 1_500).unwrap();
    session.insert("pets", ["owl", "cat"]).unwrap();
    session.insert("tower", BTreeMap::from([("floors", 7), ("doors", 1)])).unwrap();
    session
}

fn render(source: &str, session: &Session) -> Result<String, Error> {
    let templates = Templates::from_sources([("page.html", source.to_owned())])?;
    let session = session.clone();
    templates.render("page.html", context! {}, move || Some(session.clone()))
}

#[test]
fn integers_of_128_bits_are_numbers() {
    let session = session();
    session.insert("n", u128::MAX).unwrap();
    session.insert("low", i128::MIN).unwrap();
    session.insert("small", 7_u128).unwrap();
    session.insert("list", [1_u128 << 64, 1]).unwrap();
    session.insert("map", BTreeMap::from([("n", u128::MAX)])).unwrap();
    session.insert("keys", BTreeMap::from([(u128::MAX, "most")])).unwrap();
    session.insert("tuple", (i128::MAX, 'x', None::<u8>)).unwrap();
    const MOST: &str = "340282366920938463463374607431768211455";
    for (source, expected) in [
        ("{{ session['n'] }}", MOST),
        ("{{ session['n'] | tojson }}", MOST),
        ("{{ session.low }} {{ session.low | tojson }}", &*format!("{0} {0}", i128::MIN)),
        ("{{ session.small + 1 }} {{ session.small | tojson }}", "8 7"),
        ("{{ session.n is number }} {{ session.n is integer }}", "True True"),
        (
            "{{ session.list[0] }} {{ session.list | tojson }}",
            "18446744073709551616 [18446744073709551616, 1]",
        ),
        ("{{ session.map.n }} {{ session.map | tojson }}", &*format!("{MOST} {{\"n\": {MOST}}}")),
        ("{{ session.keys | tojson }}", &*format!("{{\"{MOST}\": \"most\"}}")),
        ("{{ session.tuple | tojson }}", &*format!("[{}, \"x\", null]", i128::MAX)),
        (
            "{% for key, value in session.items() %}{% if key == 'n' %}{{ value }}{% endif %}{% endfor %}",
            MOST,
        ),
    ] {
        assert_eq!(render(source, &session).unwrap(), expected, "{source}");
    }
}

/// A session that our key sealed, and another program wrote: one value with a byte left over, one of a marker that there
/// is none of, and a good one.
fn malformed() -> Session {
    let mut payload = vec![1, 0, 1, 0x80];
    for (key, value) in [("more", &[1, 2][..]), ("none", &[0xc1]), ("deep", &[0x91; 70]), ("good", &[7])] {
        let lengths = [key.len(), value.len()].map(|length| u8::try_from(length).unwrap());
        payload.extend([&[lengths[0]], key.as_bytes(), &[lengths[1]], value].concat());
    }
    written(payload)
}

#[test]
fn a_malformed_value_is_an_error_that_names_its_key() {
    let session = malformed();
    for (key, why) in [("more", "left over"), ("none", "no MessagePack"), ("deep", "nested deeper")] {
        for source in [
            format!("{{{{ session['{key}'] }}}}"),
            format!("{{{{ session.{key} | tojson }}}}"),
            format!("{{{{ session.get('{key}') }}}}"),
            format!("{{% if session.get('{key}') %}}yes{{% endif %}}"),
        ] {
            let error = render(&source, &session).expect_err(&source).to_string();
            assert!(
                error.contains(&format!("session[\"{key}\"]")) && error.contains(why),
                "{source}: {error}"
            );
        }
    }
    // What asks for all of them meets the first.
    for source in ["{% for key, value in session.items() %}{% endfor %}", "{{ session.values() | list }}"] {
        let error = render(source, &session).expect_err(source).to_string();
        assert!(error.contains("session[\"more\"]"), "{source}: {error}");
    }
    assert_eq!(
        render("{{ session.good }} {{ session | length }} {{ session.keys() | join(' ') }}", &session)
            .unwrap(),
        "7 4 more none deep good"
    );
}

#[test]
fn the_owner_is_whoever_signed_in_and_no_entry() {
    let session = session();
    session.insert("owner", "an entry").unwrap();
    let source = "{{ session.owner() }} {{ session.owner() is none }} {{ session.owner }}";
    assert_eq!(render(source, &session).unwrap(), "None True an entry");
    session.set_owner(Some("<user>")).unwrap();
    assert_eq!(render(source, &session).unwrap(), "&lt;user&gt; False an entry");
    assert!(render("{{ session.owner(1) }}", &session).is_err());
}

#[test]
fn the_session_is_there_without_being_passed() {
    let session = filled();
    for (source, expected) in [
        ("{{ session['name'] }}", "&lt;b&gt;Merlin &amp; Co&lt;&#x2f;b&gt;"),
        ("{{ session.age + 1 }}", "1501"),
        ("{{ session['pets'][1] }} {{ session.pets | length }}", "cat 2"),
        ("{{ session.tower.floors }} {{ session['tower']['doors'] }}", "7 1"),
        ("{{ 'age' in session }} {{ 'hat' in session }}", "True False"),
        ("{{ 'hat' not in session }}", "True"),
        ("{{ session | length }}", "4"),
        ("{% for key in session %}{{ key }} {% endfor %}", "name age pets tower "),
        (
            "{% for key, value in session.items() %}{{ key }}{% if value is number %}={{ value }}{% endif %} {% endfor %}",
            "name age=1500 pets tower ",
        ),
        ("{% for key, value in session | items %}{{ key }},{% endfor %}", "name,age,pets,tower,"),
        (
            "{{ session.get('age') }} {{ session.get('hat') }} {{ session.get('hat', 'none') }}",
            "1500 None none",
        ),
        ("{{ session.keys() | join(' ') }}", "name age pets tower"),
        ("{{ session['hat'] }}{{ session.hat }}|", "|"),
        ("{% if session %}yes{% endif %}", "yes"),
        ("{{ session is mapping }}", "True"),
        ("{% set s = session %}{{ s.age }}", "1500"),
        ("{% macro age() %}{{ session.age }}{% endmacro %}{{ age() }}", "1500"),
    ] {
        assert_eq!(render(source, &session).unwrap(), expected, "{source}");
    }
}

#[test]
fn an_empty_session_is_false() {
    assert_eq!(render("{% if session %}yes{% else %}no{% endif %}", &session()).unwrap(), "no");
}

#[test]
fn included_imported_and_extended_templates_see_it_too() {
    let templates = Templates::from_sources([
        ("base.html", "<{% block body %}{% endblock %}{{ session.age }}>"),
        ("part.html", "{{ session.age }}"),
        ("macros.html", "{% macro age() %}{{ session.age }}{% endmacro %}"),
        (
            "page.html",
            "{% extends 'base.html' %}{% from 'macros.html' import age %}\
             {% block body %}{% include 'part.html' %},{{ age() }},{% endblock %}",
        ),
    ]);
    let page = templates.unwrap().render("page.html", context! {}, || Some(filled())).unwrap();
    assert_eq!(page, "<1500,1500,1500>");
}

#[test]
fn what_the_handler_passes_wins() {
    let templates = Templates::from_sources([("page.html", "{{ session }} {{ name }}")]).unwrap();
    let page =
        templates.render("page.html", context! { session => "mine", name => "Merlin" }, || unreachable!());
    assert_eq!(page.unwrap(), "mine Merlin");
}

/// Flask's list of names, also below the endings of Jinja's that editors know.
#[test]
fn the_names_that_flask_escapes_are_escaped() {
    for (name, is_escaped) in [
        ("page.html", true),
        ("page.htm", true),
        ("feed.xml", true),
        ("page.xhtml", true),
        ("icons/avatar.svg", true),
        ("icons/avatar.svg.j2", true),
        ("page.xhtml.jinja", true),
        ("page.svg.jinja2", true),
        ("mail.txt", false),
        ("svg", false),
        ("avatar.svg.txt", false),
    ] {
        let templates = Templates::from_sources([(name, "{{ name }}")]).unwrap();
        let page = templates.render(name, context! { name => "<script>" }, || unreachable!()).unwrap();
        assert_eq!(page, if is_escaped { "&lt;script&gt;" } else { "<script>" }, "{name}");
    }
    let sources = [("page.html", "{% include 'avatar.svg' %}"), ("avatar.svg", "<title>{{ name }}</title>")];
    let templates = Templates::from_sources(sources).unwrap();
    let page = templates.render("page.html", context! { name => "<b>" }, || unreachable!()).unwrap();
    assert_eq!(page, "<title>&lt;b&gt;</title>");
}

#[test]
fn a_template_that_names_no_session_never_asks_for_it() {
    let asked = Arc::new(AtomicUsize::new(0));
    let templates = Templates::from_sources([
        ("plain.html", "{{ name }}{{ undefined }}"),
        ("page.html", "{{ session.age }}"),
    ]);
    let templates = templates.unwrap();
    let ask = |template| {
        let counter = asked.clone();
        let session = move || {
            counter.fetch_add(1, Ordering::Relaxed);
            Some(filled())
        };
        templates.render(template, context! { name => "Merlin" }, session).unwrap();
        asked.load(Ordering::Relaxed)
    };
    assert_eq!((ask("plain.html"), ask("page.html")), (0, 1));
}

#[test]
fn every_way_to_read_counts_as_access() {
    for source in [
        "{{ session.name }}",
        "{{ 'a' in session }}",
        "{{ session | length }}",
        "{% for k in session %}{% endfor %}",
        "{% if session %}{% endif %}",
    ] {
        let session = session();
        render(source, &session).unwrap();
        assert!(session.is_accessed() && !session.is_modified(), "{source}");
    }
}

/// What opens as a session but holds no MessagePack under one key: a read of another key must not decode it.
#[test]
fn only_what_is_read_is_decoded() {
    let session = written(b"\x01\x00\x01\x80\x06broken\x01\xc1\x03age\x01\x07".to_vec());
    assert_eq!(render("{{ session.age }} {{ session | length }}", &session).unwrap(), "7 2");
    let error = render("{{ session.broken }}|", &session).unwrap_err().to_string();
    assert!(error.contains("session[\"broken\"]: what is stored is no MessagePack"), "{error}");
}

#[test]
fn an_error_names_its_place_and_shows_the_lines_around() {
    let source = "<p>\n{% if true %}\n{{ session.name | nope }}\n{% endif %}\n</p>";
    let error = render(source, &filled()).unwrap_err();
    insta::assert_snapshot!(error, @"template page.html, line 3: unknown filter: filter nope is unknown");
    assert_eq!((error.name(), error.line(), error.is_missing()), (Some("page.html"), Some(3), false));
    let lines: Vec<_> = error.excerpt(1).collect();
    assert_eq!(lines, [(2, "{% if true %}"), (3, "{{ session.name | nope }}"), (4, "{% endif %}")]);
}

#[test]
fn a_syntax_error_is_found_when_the_templates_are_made() {
    let error = render("line one\n{{ 1 +", &session()).unwrap_err();
    insta::assert_snapshot!(error, @"template page.html, line 2: syntax error: unexpected end of input, expected expression");
    assert_eq!(error.line(), Some(2));
}

#[test]
fn an_error_in_an_include_points_at_the_include() {
    let templates = Templates::from_sources([
        ("page.html", "{% include 'part.html' %}"),
        ("part.html", "\n{{ 1 / 'a' }}"),
    ]);
    let error = templates.unwrap().render("page.html", context! {}, || Some(session())).unwrap_err();
    assert_eq!((error.name(), error.line()), (Some("part.html"), Some(2)));
}

#[test]
fn a_missing_template_is_named() {
    let error = Templates::from_sources::<String, String>([])
        .unwrap()
        .render("page.html", context! {}, || Some(session()))
        .unwrap_err();
    assert!(error.is_missing() && error.to_string().contains("page.html"), "{error}");
}

/// minijinja's own debug form prints every value that the template could see.
#[test]
fn no_form_of_an_error_shows_a_value_of_the_session() {
    let canary = "canary-4111";
    let session = session();
    session.insert("card", canary).unwrap();
    for source in [
        "{{ session.card | nope }}",
        "{{ session.card + 1 }}",
        "{{ session.card.nope() }}",
        "{{ session.card() }}",
        "{{ session.card | abs }}",
        "{{ session.card / 2 }}",
        "{{ -session.card }}",
        "{{ session.card[0:'x'] }}",
        "{% for a, b in session.card %}{% endfor %}",
        "{% macro m(x) %}{{ x | nope }}{% endmacro %}{{ m(session.card) }}",
        "{{ range(session.card) }}",
        "{{ session.card is nope }}",
        "{{ session.nope.nope }}",
    ] {
        let Err(error) = render(source, &session) else { panic!("{source} did not fail") };
        let shown = format!("{error} {error:?} {error:#?} {:?}", anyhow_like(&error));
        assert!(!shown.contains(canary), "{source}: {shown}");
    }
}

/// All that a reporter that walks the chain of causes would print.
fn anyhow_like(error: &dyn std::error::Error) -> Vec<String> {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain.map(|error| format!("{error} {error:?}")).collect()
}

#[test]
fn a_folder_is_built_in() {
    let templates = Templates::embedded(&folder!("$CARGO_MANIFEST_DIR/tests/templates")).unwrap();
    assert_eq!(
        templates.render("page.html", context! {}, || Some(filled())).unwrap(),
        "<p>&lt;b&gt;Merlin &amp; Co&lt;&#x2f;b&gt;</p>"
    );
}

#[test]
fn a_folder_reloads_while_developing() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    let templates = Templates::reloading(folder.path());
    let rendered =
        || templates.render("page.html", context! {}, || Some(filled())).map_err(|error| error.is_missing());
    assert_eq!(rendered(), Err(true));
    std::fs::write(&page, "{{ session.age }}").unwrap();
    assert_eq!(rendered().unwrap(), "1500");
    // Of another length: two writes may come within one tick of the file system's clock.
    std::fs::write(&page, "changed: {{ session.age }}").unwrap();
    assert_eq!(rendered().unwrap(), "changed: 1500");
}

#[test]
fn own_filters_can_be_added() {
    let mut templates = Templates::from_sources([("page.html", "{{ session.name | shout }}")]).unwrap();
    templates.environment_mut().add_filter("shout", |text: String| format!("{text}!").to_uppercase());
    assert!(
        templates
            .render("page.html", context! {}, || Some(filled()))
            .unwrap()
            .ends_with("CO&lt;&#x2f;B&gt;!")
    );
}

#[test]
fn a_template_that_reads_a_session_which_is_not_there_says_so_whatever_it_does_with_it() {
    for source in [
        "{{ session.name }}",
        "{% if session %}yes{% endif %}",
        "{{ session.name | default('nobody') }}",
        "{{ session is defined }}",
        "{% for key in session %}{{ key }}{% endfor %}",
    ] {
        let templates = Templates::from_sources([("page.html", source)]).unwrap();
        let error = templates.render("page.html", context! {}, || None).unwrap_err();
        assert!(error.wants_session(), "{source}: {error}");
    }
    let templates = Templates::from_sources([("page.html", "{{ name }}")]).unwrap();
    assert_eq!(templates.render("page.html", context! { name => 1 }, || None).unwrap(), "1");
}

/// As Flask's documentation shows it, and its other ways to be called.
#[test]
fn messages_are_given_as_flask_gives_them() {
    for (source, expected) in [
        (
            "{% for text in get_flashed_messages() %}{{ text }};{% endfor %}",
            "&lt;b&gt;lost&lt;&#x2f;b&gt;;found;",
        ),
        (
            "{% with messages = get_flashed_messages(with_categories=true) %}{% if messages %}\
             {% for category, message in messages %}{{ category }}={{ message | upper }};{% endfor %}{% endif %}{% endwith %}",
            "error=&lt;B&gt;LOST&lt;&#x2f;B&gt;;info=FOUND;",
        ),
        ("{{ get_flashed_messages(category_filter=['info', 'other']) | join }}", "found"),
        ("{{ get_flashed_messages(True, ['info'])[0][0] }}", "info"),
        ("{{ get_flashed_messages(category_filter=('nothing',)) | length }}", "0"),
        ("{{ get_flashed_messages() | length }}{{ get_flashed_messages() | length }}", "22"),
        ("{% macro all() %}{{ get_flashed_messages() | length }}{% endmacro %}{{ all() }}", "2"),
    ] {
        let session = session();
        session.flash("error", "<b>lost</b>").unwrap();
        session.flash("info", "found").unwrap();
        assert_eq!(render(source, &session).unwrap(), expected, "{source}");
    }
    for source in
        ["{{ get_flashed_messages(category='info') }}", "{{ get_flashed_messages(category_filter=7) }}"]
    {
        assert!(render(source, &session()).is_err(), "{source}");
    }
}

#[test]
fn a_form_has_a_token_of_its_session() {
    let session = session();
    let token = render("{{ csrf_token() }}", &session).unwrap();
    assert!(session.is_csrf_token(token.as_bytes()));
    let field = render("{{ csrf_field() }}", &session).unwrap();
    assert_eq!(field, format!(r#"<input type="hidden" name="csrf_token" value="{token}">"#));
    let imported = Templates::from_sources([
        ("fields.html", "{% macro form() %}<form>{{ csrf_field() }}</form>{% endmacro %}"),
        ("page.html", "{% from 'fields.html' import form %}{{ form() }}"),
    ]);
    let page = imported.unwrap().render("page.html", context! {}, move || Some(session.clone())).unwrap();
    assert_eq!(page, format!("<form>{field}</form>"));
}

#[test]
fn functions_of_the_session_want_it_only_when_called() {
    let templates = |source: &str| Templates::from_sources([("page.html", source.to_owned())]).unwrap();
    for call in ["get_flashed_messages()", "csrf_token()", "csrf_field()"] {
        let error =
            templates(&format!("{{{{ {call} }}}}")).render("page.html", context! {}, || None).unwrap_err();
        assert!(error.wants_session(), "{call}");
        let source = format!("{{% if false %}}{{{{ {call} }}}}{{% endif %}}");
        assert_eq!(templates(&source).render("page.html", context! {}, || None).unwrap(), "", "{call}");
    }
}
