//! Filters, functions and attributes as in Jinja and Flask. Expected texts are those of Jinja 3.1.6, with minijinja's
//! spelling of escaped signs.

use waxseal_session::{Markup, Session};
use waxseal_templates::{Error, Templates, context};

fn render(source: &str, session: &Session) -> Result<String, Error> {
    let templates = Templates::from_sources([("page.html", source.to_owned())])?;
    let session = session.clone();
    templates.render("page.html", context! {}, move || Some(session.clone()))
}

#[test]
fn filters_take_their_arguments_as_in_jinja() {
    for (source, expected) in [
        ("{{ 'owl'|center(6) }}|", " owl  |"),
        ("{{ 'ow'|center(width=7) }}|", "   ow  |"),
        ("{{ 'a b_c 1-2'|wordcount }}", "4"),
        ("{{ 'foo bar baz qux'|truncate(9) }}", "foo..."),
        ("{{ 'foo bar baz qux'|truncate(9, true) }}", "foo ba..."),
        ("{{ 'foo bar baz qux'|truncate(11) }}", "foo bar baz qux"),
        ("{{ 'foo bar baz qux'|truncate(11, False, '...', 0) }}", "foo bar..."),
        ("{{ 'foo bar baz qux'|truncate(length=11, leeway=0) }}", "foo bar..."),
        ("{{ 1500|filesizeformat }} {{ 2048|filesizeformat(true) }}", "1.5 kB 2.0 KiB"),
        ("{{ 1|filesizeformat }} {{ 1e9|filesizeformat(binary=false) }}", "1 Byte 1.0 GB"),
        ("{{ '<p>a &amp; b &hellip;</p>  c'|striptags }}", "a &amp; b … c"),
        ("{{ '<b>'|safe|forceescape }}", "&lt;b&gt;"),
        ("{{ 'one two three four'|wordwrap(8) }}", "one two\nthree\nfour"),
        ("{{ 'one two three four'|wordwrap(8, wrapstring='+') }}", "one two+three+four"),
        ("<p{{ {'id': 'a', 'x': none, 'c': '<'}|xmlattr }}>", "<p id=\"a\" c=\"&lt;\">"),
        ("{{ {'id': 1}|xmlattr(false) }}", "id=\"1\""),
        ("{{ ['owl']|random }} {{ []|random }}|", "owl |"),
    ] {
        assert_eq!(render(source, &Session::new()).unwrap(), expected, "{source}");
    }
}

#[test]
fn filters_and_tests_have_all_of_jinjas_parameters_by_position_and_by_name() {
    let users = "{% set users = [{'n': 2, 'm': 'b'}, {'n': 1, 'm': 'B'}, {'n': 3, 'm': 'a'}] %}";
    let dict = "{% set dict = {'b': 1, 'a': 2, 'C': 0} %}";
    for (source, expected) in [
        ("{{ ''|default('n', boolean=true) }}{{ 0|d('n', true) }}{{ ''|default('n') }}", "nn"),
        ("{{ x|default(default_value='n') }}{{ x|d }}{{ x|default(none) }}", "nNone"),
        ("{% for key, value in dict|dictsort %}{{ key }}{{ value }} {% endfor %}", "a2 b1 C0 "),
        ("{% for key, value in dict|dictsort(true) %}{{ key }}{{ value }} {% endfor %}", "C0 a2 b1 "),
        (
            "{% for key, value in dict|dictsort(false, 'value') %}{{ key }}{{ value }} {% endfor %}",
            "C0 b1 a2 ",
        ),
        (
            "{% for key, value in dict|dictsort(by='value', reverse=true) %}{{ key }}{{ value }} {% endfor %}",
            "a2 b1 C0 ",
        ),
        (
            "{{ [1, 3, 2]|sort(true) }} {{ ['b', 'A']|sort|join }} {{ [2, 1]|sort(attribute=none) }}",
            "[3, 2, 1] Ab [1, 2]",
        ),
        (
            "{{ ['b', 'A', 'a']|sort(false, true)|join }} {{ ['b', 'B']|sort(case_sensitive=true)|join }}",
            "Aab Bb",
        ),
        ("{% for user in users|sort(false, false, 'm,n') %}{{ user.n }}{% endfor %}", "312"),
        ("{{ users|sort(attribute='n')|map(attribute='n')|join }}", "123"),
        ("{{ ['b', 'B', 'a']|unique(true)|join }} {{ ['b', 'B', 'a']|unique|join }}", "bBa ba"),
        ("{{ users|unique(false, 'm')|map(attribute='n')|join }}", "23"),
        (
            "{{ ['a', 'B']|min(true) }}{{ ['a', 'B']|max(true) }}{{ ['a', 'B']|min }}{{ ['a', 'B']|max }}",
            "BaaB",
        ),
        ("{{ (users|min(false, 'n')).n }}{{ (users|max(attribute='n')).n }}{{ []|min }}", "13"),
        (
            "{{ [1, 2, 3]|batch(2, fill_with=0)|list }} {{ [1, 2]|batch(linecount=1)|list }}",
            "[[1, 2], [3, 0]] [[1], [2]]",
        ),
        (
            "{{ [1, 2, 3]|slice(slices=2, fill_with=0)|list }} {{ [1, 2, 3]|slice(2)|list }}",
            "[[1, 2], [3, 0]] [[1, 2], [3]]",
        ),
        (
            "{% for m, all in [{'m': 'a'}, {}, {'m': 'A'}]|groupby('m', 'none') %}{{ m }}{{ all|length }} {% endfor %}",
            "a2 none1 ",
        ),
        (
            "{% for group in users|groupby(attribute='m', case_sensitive=true) %}{{ group.grouper }}{{ group.list|length }}{% endfor %}",
            "B1a1b1",
        ),
        ("{{ 'xxaxx'|trim(chars='x') }} {{ 'xxaxx'|trim('x') }} {{ ' a '|trim }}", "a a a"),
        (
            "{{ 'aaa'|replace(old='a', new='b') }} {{ 'aaa'|replace('a', 'b', 2) }} {{ 'aaa'|replace('a', 'b', count=1) }}",
            "bbb bba baa",
        ),
        ("{{ '<b>'|safe|replace('<', '>') }} {{ 'a<'|replace('a', '<b>'|safe) }}", "&gt;b> <b>&lt;"),
        (
            "{{ '1500'|filesizeformat }} {{ ' 15 '|filesizeformat }} {{ 500.7|filesizeformat }}",
            "1.5 kB 15 Bytes 500 Bytes",
        ),
        ("{{ -1500|filesizeformat }} {{ '2048'|filesizeformat(binary=true) }}", "-1500 Bytes 2.0 KiB"),
        (
            "{{ {'a b': 'c d'}|urlencode|safe }} {{ [('a&', 1), ('b', 'x/y')]|urlencode|safe }}",
            "a+b=c+d a%26=1&b=x%2Fy",
        ),
        ("{{ 'a b/c~'|urlencode|safe }} {{ {'a': none}|urlencode }} {{ x|urlencode }}", "a%20b/c~ a=None "),
        (
            "{{ users|join('|', 'n') }} {{ users|join(attribute='m', d='') }} {{ [[1, 2]]|join(attribute=1) }}",
            "2|1|3 bBa 2",
        ),
        (
            "{{ users|sum('n') }} {{ users|sum(attribute='n', start=3) }} {{ [[1, 2], [3, 4]]|sum(1) }}",
            "6 9 6",
        ),
        (
            "{{ ([[1, 'b'], [2, 'a']]|sort(attribute=1)|first)[0] }} {{ ([[1, 'b']]|groupby(1)|first).grouper }}",
            "2 b",
        ),
        (
            "{{ 'abc'|int }} {{ ' 5 '|int }} {{ '42.9'|int }} {{ none|int }} {{ []|int }} {{ ''|int }}",
            "0 5 42 0 0 0",
        ),
        (
            "{{ 'abc'|int(7) }} {{ 'abc'|int(default=none) }} {{ '0x1F'|int(base=16) }} {{ 'z'|int(1, 16) }}",
            "7 None 31 1",
        ),
        (
            "{{ 'abc'|float }} {{ ' 2.5 '|float }} {{ 'x'|float(1.5) }} {{ {}|float(default=2) }}",
            "0.0 2.5 1.5 2",
        ),
        ("{{ ['1', 'x', ' 2']|map('int')|sum }}", "3"),
        ("{{ 9 is divisibleby(num=3) }} {{ 9 is divisibleby 2 }}", "True False"),
        (
            "{{ 'a' is sequence }} {{ [1] is sequence }} {{ {} is sequence }} {{ 1 is sequence }}",
            "True True True False",
        ),
    ] {
        let source = format!("{users}{dict}{source}");
        assert_eq!(render(&source, &Session::new()).unwrap(), expected, "{source}");
    }
}

#[test]
fn functions_are_jinjas() {
    for (source, expected) in [
        ("{{ range(3)|list }} {{ range(1, 7, 2)|list }}", "[0, 1, 2] [1, 3, 5]"),
        ("{{ dict(a=1, b='x').b }} {{ dict({'a': 1}, c=2)|length }}", "x 2"),
        (
            "{% set sum = namespace(n=0) %}{% for i in range(4) %}{% set sum.n = sum.n + i %}{% endfor %}{{ sum.n }}",
            "6",
        ),
        (
            "{% set c = cycler('odd', 'even') %}{{ c.next() }} {{ c.next() }} {{ c.next() }} {{ c.current }}{{ c.reset() }}{{ c.next() }}",
            "odd even odd evenNoneodd",
        ),
        ("{% set p = joiner('|') %}{{ p() }}a{{ p() }}b", "a|b"),
        ("{{ lipsum(1, false, 2, 3)|wordcount }} {{ lipsum(1, min=2, max=3)|wordcount }}", "2 4"),
        ("{{ '<p>' in lipsum(n=1) }} {{ '<p>' in lipsum(html=false) }}", "True False"),
    ] {
        assert_eq!(render(source, &Session::new()).unwrap(), expected, "{source}");
    }
}

#[test]
fn a_name_that_is_not_there_prints_as_nothing() {
    for (source, expected) in [
        ("[{{ nobody }}]", "[]"),
        ("[{{ session.nothing }}{{ session['nothing'] }}{{ {}.a }}]", "[]"),
        ("{% if nobody %}a{% else %}b{% endif %}{% for x in nobody %}{{ x }}{% endfor %}", "b"),
    ] {
        assert_eq!(render(source, &Session::new()).unwrap(), expected, "{source}");
    }
    assert!(render("{{ nobody.name }}", &Session::new()).is_err(), "as in Jinja");
}

#[test]
fn what_minijinja_does_otherwise() {
    for (source, expected) in [
        ("{{ {'a': 1}|attr('a') }}", "1"),
        ("{{ {'a': 1}|pprint|safe }}", "{\n    'a': 1,\n}"),
        ("{{ '%s-%03d'|format('a', 7) }}", "a-007"),
        (
            "{{ ' a,b '.strip().upper().split(',')|join }}{{ 'ab'.startswith('a') }}{{ '{}'.format(1) }}",
            "ABTrue1",
        ),
        ("{{ {'a': 1}.get('a') }}{{ {'a': 1}.items()|list }}{{ [1, 1].count(1) }}", "1[(&#x27;a&#x27;, 1)]2"),
    ] {
        assert_eq!(render(source, &Session::new()).unwrap(), expected, "{source}");
    }
    for source in
        ["'%s' % 'a'", "'a'.ljust(3)", "'7'.zfill(3)", "'a-b'.partition('-')", "'a'.encode()", "[1].pop()"]
    {
        assert!(render(&format!("{{{{ {source} }}}}"), &Session::new()).is_err(), "{source}");
    }
}

#[test]
fn arguments_that_do_not_fit_are_errors() {
    for (source, expected) in [
        ("{{ 'a'|truncate(9, length=8) }}", "length is given twice"),
        ("{{ 'a'|truncate(1, 2, 3, 4, 5) }}", "too many arguments"),
        ("{{ 'a'|center(wide=8) }}", "wide"),
        ("{{ 'a'|center(10000000000) }}", "a width is at most 100000"),
        ("{{ 'a'|wordwrap(0) }}", "at least one character wide"),
        ("{{ {'onclick=x': 1}|xmlattr }}", "is no name of an attribute"),
        ("{{ {'a/b': 1}|xmlattr }}", "is no name of an attribute"),
        ("{{ 6 is divisibleby 0 }}", "division by zero"),
        ("{{ [1]|sort(true, reverse=true) }}", "reverse is given twice"),
        ("{{ [1]|batch }}", "missing argument"),
        ("{{ 'a'|replace('b') }}", "missing argument"),
        ("{{ 'a'|trim(char='b') }}", "char"),
        ("{{ 'owl'|filesizeformat }}", "a size in bytes is a number"),
        ("{{ '1'|int(0, default=1) }}", "default is given twice"),
        ("{{ '1'|float(base=2) }}", "base"),
    ] {
        let error = render(source, &Session::new()).unwrap_err().to_string();
        assert!(error.contains(expected), "{source}: {error}");
    }
}

#[test]
fn addresses_become_links_and_nothing_else_becomes_html() {
    let link = |address: &str, text: &str| format!("<a href=\"{address}\" rel=\"noopener\">{text}</a>");
    let same = |address: &str| link(address, address);
    for (text, expected) in [
        ("(see http://e.org/a_(b)), ok.", format!("(see {}), ok.", same("http://e.org/a_(b)"))),
        ("www.flask.org.", format!("{}.", link("https://www.flask.org", "www.flask.org"))),
        ("<http://a.example/?q=1&r=2>", format!("&lt;{}&gt;", same("http://a.example/?q=1&amp;r=2"))),
        ("to m@c.example, now", "to <a href=\"mailto:m@c.example\">m@c.example</a>, now".to_owned()),
        ("mailto:m@c.example", "<a href=\"mailto:m@c.example\">m@c.example</a>".to_owned()),
        ("pallets.com example.xyz", format!("{} example.xyz", link("https://pallets.com", "pallets.com"))),
        ("http://localhost:5000/x", same("http://localhost:5000/x")),
        (
            "https://127.0.0.1:8/ http://[::1]/",
            format!("{} {}", same("https://127.0.0.1:8/"), same("http://[::1]/")),
        ),
        ("http://a..b a@b javascript:alert(1)", "http://a..b a@b javascript:alert(1)".to_owned()),
        ("ftp://a.b ftp:", "ftp://a.b ftp:".to_owned()),
        ("http://a.example/\"onclick=\"x", same("http://a.example/&quot;onclick=&quot;x")),
        ("<script>", "&lt;script&gt;".to_owned()),
    ] {
        let session = Session::new();
        session.insert("text", text).unwrap();
        let page = render("{{ session.text|urlize }}", &session).unwrap();
        assert_eq!(page.replace("&#x2f;", "/").replace("&#34;", "&quot;"), expected, "{text}");
    }
    let source = "{{ 'https://example.org/long ftp://x'|urlize(12, true, target='_blank', rel='me', extra_schemes=['ftp:']) }}";
    let attributes = "rel=\"me nofollow noopener\" target=\"_blank\"";
    let expected = format!(
        "<a href=\"https://example.org/long\" {attributes}>https://exam...</a> <a href=\"ftp://x\" {attributes}>ftp://x</a>"
    );
    assert_eq!(render(source, &Session::new()).unwrap().replace("&#x2f;", "/"), expected);
    assert_eq!(
        render("{{ '<b>www.a.com</b> x'|safe|urlize }}", &Session::new()).unwrap(),
        "<b>www.a.com</b> x"
    );
}

#[test]
fn an_unknown_filter_or_test_is_found_before_its_line_runs() {
    for (source, expected) in [
        ("a\n{% if false %}{{ x|shorten(3) }}{% endif %}", "line 2: there is no filter called shorten"),
        ("{{ x|upper|lowr }}", "no filter called lowr"),
        ("{% filter shout %}x{% endfilter %}", "no filter called shout"),
        ("{% set x = y|bad %}", "no filter called bad"),
        ("{% if x is not odd_one %}{% endif %}", "no test called odd_one"),
        ("{{ 1 is fine }}", "no test called fine"),
    ] {
        let templates = Templates::from_sources([("page.html", source)]).unwrap();
        let error = templates.check_names().unwrap_err().to_string();
        assert!(
            error.starts_with("template page.html, line ") && error.contains(expected),
            "{source}: {error}"
        );
    }
    let good = "{# |no #}{% raw %}{{ x|no }}{% endraw %}{{ '|no is no' }}{{ x|upper|d('|') }}{% if 1 is not none %}{% endif %}\
                {% if x.filter is defined and x is in [1] and x is divisibleby 3 %}{% filter upper %}{% endfilter %}{% endif %}\
                {{ 1.5|round }}{{ x.is }}{{ x[0]|own }}{% if x is mine %}{% endif %}";
    let mut templates = Templates::from_sources([("page.html", good)]).unwrap();
    assert!(templates.check_names().unwrap_err().to_string().contains("no filter called own"));
    templates.environment_mut().add_filter("own", |value: bool| value);
    templates.environment_mut().add_test("mine", |value: bool| value);
    templates.check_names().unwrap();
}

#[test]
fn reloaded_templates_are_checked_with_those_that_they_bring_in() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("base.html"), "{% if false %}{{ 1|bad }}{% endif %}").unwrap();
    std::fs::write(folder.path().join("page.html"), "{% extends 'base.html' %}").unwrap();
    let templates = Templates::reloading(folder.path());
    let render = || templates.render("page.html", context! {}, || None);
    let error = render().unwrap_err().to_string();
    assert!(error.starts_with("template base.html, line 1: there is no filter called bad"), "{error}");
}

#[test]
fn markup_comes_out_of_the_session_and_of_messages_as_it_went_in() {
    let session = Session::new();
    let markup = Markup::from_html("<b>owl</b>");
    session.insert("note", &markup).unwrap();
    session.insert("text", "<b>owl</b>").unwrap();
    session.insert("list", vec![Some(&markup), None]).unwrap();
    session.insert("json", std::collections::BTreeMap::from([("$waxseal::Markup", "<i>")])).unwrap();
    session.flash_markup("info", &Markup::from_html("<a>Undo</a>")).unwrap();
    session.flash("info", "<a>Text</a>").unwrap();
    for (source, expected) in [
        ("{{ session.note }}{{ session['text'] }}", "<b>owl</b>&lt;b&gt;owl&lt;&#x2f;b&gt;"),
        ("{{ session.list[0] }}{{ session.note is escaped }}", "<b>owl</b>True"),
        ("{{ session.json['$waxseal::Markup'] }}", "&lt;i&gt;"),
        (
            "{% for m in get_flashed_messages() %}{{ m }} {% endfor %}",
            "<a>Undo</a> &lt;a&gt;Text&lt;&#x2f;a&gt; ",
        ),
        ("{{ get_flashed_messages(true)[0][1] }}", "<a>Undo</a>"),
    ] {
        assert_eq!(render(source, &session).unwrap(), expected, "{source}");
    }
    let long = Markup::from_html("x".repeat(513));
    let error = session.flash_markup("info", &long).unwrap_err().to_string();
    assert!(error.contains("513 bytes and may have 512"), "{error}");
}

#[test]
fn the_attributes_of_flasks_session_are_there_and_entries_of_their_names_too() {
    let session = Session::new();
    assert_eq!(
        render("{{ session.new }} {{ session.permanent }} {{ session.modified }}", &session).unwrap(),
        "True False False"
    );
    session.set_permanent(true).unwrap();
    session.insert("new", "an entry").unwrap();
    let source = "{{ session.permanent }} {{ session.modified }} {{ session.accessed }} {{ session['new'] }} {{ session.get('new') }}";
    assert_eq!(render(source, &session).unwrap(), "True True True an entry an entry");
    assert_eq!(render("{{ 'permanent' in session }}{{ session['permanent'] }}", &session).unwrap(), "False");
}

#[test]
fn a_template_may_pop_an_entry_and_change_nothing_else() {
    let session = Session::new();
    session.insert("once", "hello").unwrap();
    let source =
        "{{ session.pop('once') }} {{ session.pop('once', 'gone') }} {{ session.pop('once', none) }}";
    assert_eq!(render(source, &session).unwrap(), "hello gone None");
    assert!(!session.contains_key("once") && session.is_modified());
    for (source, expected) in [
        ("{{ session.pop('once') }}", "give session.pop a default"),
        ("{{ session.clear() }}", "session.clear is for handlers"),
        ("{{ session.update({}) }}", "session.update is for handlers"),
    ] {
        let error = render(source, &session).unwrap_err().to_string();
        assert!(error.contains(expected), "{source}: {error}");
    }
}

#[cfg(feature = "dates")]
#[test]
fn dates_are_written_in_the_format_and_zone_that_a_template_or_an_app_names() {
    for (source, expected) in [
        ("{{ 1687624642|datetimeformat(tz='UTC') }}", "Jun 24 2023 16:37"),
        (
            "{{ '2023-06-24T16:37:22Z'|datetimeformat(format='short', tz='Europe/Vienna') }}",
            "2023-06-24 18:37",
        ),
        ("{{ 1687624642|dateformat(format='%d.%m.%Y', tz='UTC') }}", "24.06.2023"),
        ("{% set TIMEZONE = 'Europe/Vienna' %}{{ 1687624642|timeformat }}", "18:37"),
        ("{{ now() is number }}", "True"),
    ] {
        assert_eq!(render(source, &Session::new()).unwrap(), expected, "{source}");
    }
    for source in [
        "{{ 'soon'|dateformat }}",
        "{{ 1e300|dateformat }}",
        "{{ 0|dateformat(tz='Nowhere') }}",
        "{{ 0|dateformat(format='%') }}",
    ] {
        assert!(render(source, &Session::new()).is_err(), "{source}");
    }
}
