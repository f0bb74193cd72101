//! Which templates read the session, told without rendering them.

use waxseal_templates::Templates;

fn reads(sources: &[(&'static str, &'static str)]) -> bool {
    Templates::from_sources(sources.iter().copied()).unwrap().reads_session("page.html")
}

#[test]
fn every_way_to_name_the_session_is_a_read() {
    for source in [
        "{{ session }}",
        "{{ session['name'] }}",
        "{{- session.get('name', 'nobody') -}}",
        "{{ name | default(session.name) }}",
        "{{ 'a' in session }}",
        "{{ f(session) }}",
        "{{ f(x=session) }}",
        "{{ x[session.name] }}",
        "{{ a if session else b }}",
        "{% if session %}{% endif %}",
        "{% if a %}{% elif session %}{% endif %}",
        "{% if false %}{{ session }}{% endif %}",
        "{% for key in session %}{% endfor %}",
        "{% for session in session.sessions %}{% endfor %}",
        "{% for x in xs if session %}{% endfor %}",
        "{% for x in xs %}{% else %}{{ session }}{% endfor %}",
        "{% for session in xs %}{% endfor %}{{ session }}",
        "{% if a %}{% set session = 1 %}{% endif %}{{ session }}",
        "{{ session }}{% set session = 1 %}",
        "{% set s = session %}",
        "{% set session = session %}",
        "{% set session = session.name %}{{ session }}",
        "{% set a, session = 1, session %}",
        "{% set x %}{{ session }}{% endset %}",
        "{% set x | replace(session.a, 'b') %}a{% endset %}",
        "{% with s = session %}{% endwith %}",
        "{% with session = session %}{{ session }}{% endwith %}",
        "{% macro m() %}{{ session.name }}{% endmacro %}",
        "{% macro m(a=session.name) %}{% endmacro %}",
        "{% macro m(session=session.name) %}{% endmacro %}",
        "{% filter replace(session.a, 'b') %}a{% endfilter %}",
        "{% autoescape session.safe %}{% endautoescape %}",
        "{% call m(session) %}{% endcall %}",
        "{% do f(session) %}",
        "{% block body %}{{ session }}{% endblock %}",
        "{% for text in get_flashed_messages() %}{% endfor %}",
        "{% with messages = get_flashed_messages(with_categories=true) %}{% endwith %}",
        "{{ csrf_field() }}",
        "<input value=\"{{ csrf_token() }}\">",
        "{% raw %}{{ {% endraw %}{{ session }}",
    ] {
        assert!(reads(&[("page.html", source)]), "{source}");
    }
}

#[test]
fn a_template_that_does_not_name_the_session_does_not_read_it() {
    for source in [
        "",
        "session",
        "{{ name }}",
        "{{ user.session }} {{ user.csrf_token() }}",
        "{{ 'session' }}",
        "{{ f(session=1) }}",
        "{# {{ session }} #}",
        "{% raw %}{{ session }}{% include name %}{% endraw %}",
        "{% for session in sessions %}{{ session.name }}{% endfor %}",
        "{% for id, session in sessions %}{{ session.name }}{% else %}{% endfor %}",
        "{% set session = 1 %}{{ session }}",
        "{% set a, session = 1, 2 %}{{ session }}",
        "{% set session %}text{% endset %}{{ session }}",
        "{% with session = 1 %}{{ session }}{% endwith %}",
        "{% macro m(session) %}{{ session }}{% endmacro %}{{ m(1) }}",
        "{% macro m(session=1) %}{{ session }}{% endmacro %}{{ m() }}",
        "{{ session_panel }} {{ sessions }}",
    ] {
        assert!(!reads(&[("page.html", source)]), "{source}");
    }
}

#[test]
fn a_template_reads_what_those_read_that_it_includes_imports_and_extends() {
    for source in [
        "{% include 'part.html' %}",
        "{%- include \"part.html\" -%}",
        "{%+ include 'part.html' +%}",
        "{% include 'part.html' ignore missing %}",
        "{% include 'part.html' without context %}",
        "{% include ['missing.html', 'part.html'] %}",
        "{% include ('missing.html', 'part.html',) ignore missing %}",
        "{% extends 'part.html' %}",
        "{% import 'part.html' as part %}{{ part.m() }}",
        "{% from 'part.html' import m %}{{ m() }}",
        "{% from 'part.html' import m as n with context %}{{ n() }}",
        "{% if a %}{% for x in xs %}{% include 'part.html' %}{% endfor %}{% endif %}",
        "{% macro m() %}{% include 'part.html' %}{% endmacro %}",
        "{% extends 'between.html' %}",
        "{% include 'between.html' %}",
    ] {
        let between = (
            "between.html",
            "{% include 'plain.html' %}{% block b %}{% include 'part.html' %}{% endblock %}",
        );
        let others = [("plain.html", "{{ name }}"), between];
        for part in ["{{ session }}", "{% macro m() %}{{ csrf_field() }}{% endmacro %}"] {
            let sources = [&others[..], &[("page.html", source), ("part.html", part)]].concat();
            assert!(reads(&sources), "{source} of {part}");
        }
        let sources = [&others[..], &[("page.html", source), ("part.html", "{{ name }}")]].concat();
        assert!(!reads(&sources), "{source} of a part without the session");
    }
}

#[test]
fn a_name_that_is_only_known_while_rendering_may_be_that_of_a_reader() {
    for source in [
        "{% include name %}",
        "{% include 'a' ~ name %}",
        "{% include 'part.html' if a else 'other.html' %}",
        "{% include ['part.html', name] %}",
        "{% include names ignore missing %}",
        "{% include 'p\\x61rt.html' %}",
        "{% extends layout %}",
        "{% extends layout or 'part.html' %}",
        "{% import name as part %}",
        "{% from name import m %}",
    ] {
        assert!(reads(&[("page.html", source), ("part.html", "")]), "{source}");
    }
}

#[test]
fn templates_that_include_each_other_or_are_missing_come_to_an_end() {
    let circle = [("page.html", "{% include 'part.html' %}"), ("part.html", "{% include 'page.html' %}")];
    assert!(!reads(&circle));
    assert!(!reads(&[("page.html", "{% include 'missing.html' ignore missing %}")]));
    assert!(!reads(&[]));
}

#[test]
fn names_are_resolved_as_the_environment_does() {
    let mut templates = Templates::from_sources([
        ("page.html", "{% include './part.html' %}"),
        ("part.html", "{{ session }}"),
    ])
    .unwrap();
    assert!(!templates.reads_session("page.html"));
    templates
        .environment_mut()
        .set_path_join_callback(|name, _parent| name.trim_start_matches("./").to_owned().into());
    assert!(templates.reads_session("page.html"));
}

#[test]
fn a_change_while_developing_changes_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let templates = Templates::reloading(folder.path());
    let write = |name: &str, source: &str| std::fs::write(folder.path().join(name), source).unwrap();
    assert!(!templates.reads_session("page.html"));
    write("page.html", "{% include 'part.html' %}");
    write("part.html", "{{ name }}");
    assert!(!templates.reads_session("page.html"));
    // Of another length: two writes may come within one tick of the file system's clock.
    write("part.html", "{{ session.name }}");
    assert!(templates.reads_session("page.html"));
}
