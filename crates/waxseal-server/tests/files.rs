//! Static files, from the program and from a folder: the same answers.
#![cfg(feature = "files")]

use std::fs;
use std::time::Duration;

use http::{HeaderMap, HeaderName, Response};
use waxseal_server::{Body, StaticFiles};

const LETTER: &str = "Dear Merlin, the owl has arrived.";

fn built_in() -> StaticFiles {
    StaticFiles::built_in([
        ("letter.txt".to_owned(), LETTER.as_bytes()),
        ("css/site.css".to_owned(), b"body {}"),
        ("empty.svg".to_owned(), b""),
        (".env".to_owned(), b"SECRET_KEY=x"),
    ])
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("static");
    fs::create_dir_all(root.join("css")).unwrap();
    fs::create_dir_all(root.join(".git")).unwrap();
    fs::write(root.join("letter.txt"), LETTER).unwrap();
    fs::write(root.join("css/site.css"), "body {}").unwrap();
    fs::write(root.join("empty.svg"), "").unwrap();
    fs::write(root.join(".env"), "SECRET_KEY=x").unwrap();
    fs::write(root.join(".git/config"), "x").unwrap();
    fs::write(folder.path().join("secret.txt"), "not below the folder").unwrap();
    folder
}

async fn ask(files: &StaticFiles, name: &str, fields: &[(&str, &str)]) -> Option<(u16, HeaderMap, String)> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    let answer: Response<Body> = files.answer(&http::Method::GET, name, &headers).await?;
    let (parts, body) = answer.into_parts();
    let body = body.collect(usize::MAX, Duration::from_secs(15)).await.unwrap();
    Some((parts.status.as_u16(), parts.headers, String::from_utf8(body.to_vec()).unwrap()))
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn files_are_answered_whole_in_part_or_not_at_all() {
    let folder = folder();
    let in_folder = StaticFiles::in_folder(&folder.path().join("static")).unwrap();
    for (case, files) in [("built in", built_in()), ("in a folder", in_folder)] {
        let (status, headers, body) = ask(&files, "letter.txt", &[]).await.unwrap();
        assert_eq!((status, body.as_str()), (200, LETTER), "{case}");
        assert_eq!(header(&headers, "content-type"), "text/plain; charset=utf-8", "{case}");
        assert_eq!(header(&headers, "accept-ranges"), "bytes", "{case}");
        assert_eq!(header(&headers, "cache-control"), "no-cache", "{case}");
        let etag = header(&headers, "etag").to_owned();
        assert!(etag.starts_with('"') && etag.len() > 10, "{case}: {etag}");

        let (status, headers, body) = ask(&files, "letter.txt", &[("if-none-match", &etag)]).await.unwrap();
        assert_eq!((status, body.as_str(), header(&headers, "etag")), (304, "", etag.as_str()), "{case}");

        let (status, headers, body) = ask(&files, "letter.txt", &[("range", "bytes=5-10")]).await.unwrap();
        assert_eq!((status, body.as_str()), (206, "Merlin"), "{case}");
        assert_eq!(header(&headers, "content-range"), format!("bytes 5-10/{}", LETTER.len()), "{case}");

        let (status, headers, body) = ask(&files, "letter.txt", &[("range", "bytes=99-")]).await.unwrap();
        assert_eq!((status, body.as_str()), (416, ""), "{case}");
        assert_eq!(header(&headers, "content-range"), format!("bytes */{}", LETTER.len()), "{case}");

        let (status, headers, _) = ask(&files, "css/site.css", &[]).await.unwrap();
        assert_eq!((status, header(&headers, "content-type")), (200, "text/css; charset=utf-8"), "{case}");
        let (status, headers, body) = ask(&files, "empty.svg", &[]).await.unwrap();
        assert_eq!(
            (status, header(&headers, "content-type"), body.as_str()),
            (200, "image/svg+xml", ""),
            "{case}"
        );
    }
}

#[tokio::test]
async fn no_name_leads_out_of_the_folder_or_to_what_is_hidden() {
    let folder = folder();
    let in_folder = StaticFiles::in_folder(&folder.path().join("static")).unwrap();
    let outside = folder.path().join("secret.txt").display().to_string();
    for files in [built_in(), in_folder] {
        for name in [
            "",
            "/",
            ".",
            "..",
            "css",
            "css/",
            "css/.",
            "css/..",
            "nothing.txt",
            "../secret.txt",
            "css/../../secret.txt",
            "css//site.css",
            "/letter.txt",
            "./letter.txt",
            "letter.txt/",
            "letter.txt/x",
            ".env",
            ".git/config",
            "..\\secret.txt",
            "css\\site.css",
            "C:letter.txt",
            "letter.txt\0",
            "letter.txt::$DATA",
            "%2e%2e/secret.txt",
            &outside,
            &"a/".repeat(5000),
            &"a".repeat(5000),
        ] {
            assert!(ask(&files, name, &[]).await.is_none(), "{name}");
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn links_are_followed_within_the_folder_and_not_out_of_it() {
    use std::os::unix::fs::symlink;

    let folder = folder();
    let root = folder.path().join("static");
    symlink(root.join("letter.txt"), root.join("inside.txt")).unwrap();
    symlink(folder.path().join("secret.txt"), root.join("outside.txt")).unwrap();
    symlink(folder.path(), root.join("up")).unwrap();
    symlink("nowhere", root.join("broken.txt")).unwrap();
    let files = StaticFiles::in_folder(&root).unwrap();
    assert_eq!(ask(&files, "inside.txt", &[]).await.unwrap().2, LETTER);
    for name in ["outside.txt", "up/secret.txt", "broken.txt"] {
        assert!(ask(&files, name, &[]).await.is_none(), "{name}");
    }
}

#[tokio::test]
async fn a_folder_shows_what_is_in_it_now() {
    let folder = folder();
    let root = folder.path().join("static");
    let files = StaticFiles::in_folder(&root).unwrap().max_age(Duration::from_secs(60));
    let (_, headers, _) = ask(&files, "letter.txt", &[]).await.unwrap();
    assert_eq!(header(&headers, "cache-control"), "public, max-age=60");
    let etag = header(&headers, "etag").to_owned();
    fs::write(root.join("letter.txt"), "changed").unwrap();
    fs::write(root.join("new.js"), "1").unwrap();
    let (status, _, body) = ask(&files, "letter.txt", &[("if-none-match", &etag)]).await.unwrap();
    assert_eq!((status, body.as_str()), (200, "changed"));
    let (_, headers, _) = ask(&files, "new.js", &[]).await.unwrap();
    assert_eq!(header(&headers, "content-type"), "text/javascript; charset=utf-8");
}

#[tokio::test]
async fn a_file_of_many_pieces_comes_whole() {
    let folder = folder();
    let root = folder.path().join("static");
    let text: String = (0..40_000).map(|number| format!("{number:08}")).collect();
    fs::write(root.join("large.txt"), &text).unwrap();
    let files = StaticFiles::in_folder(&root).unwrap();
    assert!(ask(&files, "large.txt", &[]).await.unwrap().2 == text);
    let (status, _, body) = ask(&files, "large.txt", &[("range", "bytes=100000-299999")]).await.unwrap();
    assert!(status == 206 && body == text[100_000..300_000]);
}

#[test]
fn a_folder_that_is_none_is_said_at_once() {
    assert!(StaticFiles::in_folder(std::path::Path::new("/no/such/folder")).is_err());
    assert!(StaticFiles::in_folder(std::path::Path::new(file!())).is_err());
}
