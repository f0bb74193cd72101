//! Forms with files, from browsers and from people who mean no good.
#![cfg(feature = "multipart")]

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::HeaderValue;
use proptest::prelude::*;
use waxseal_server::{Body, Error, Multipart, UploadLimits};

const IDLE: Duration = Duration::from_secs(15);
const KIND: &str = "multipart/form-data; boundary=owl";

async fn read_body(kind: &str, body: Body, limits: UploadLimits) -> Result<Multipart, Error> {
    let kind = HeaderValue::from_str(kind).unwrap();
    Multipart::read(Some(&kind), body, limits, IDLE).await
}

/// Whole, and in pieces of a few sizes: the outcome has to be the same.
async fn read(kind: &str, body: &[u8], limits: UploadLimits) -> Result<Multipart, String> {
    let mut outcomes = Vec::new();
    for size in [usize::MAX, 1, 7, 1000] {
        let pieces: Vec<_> = body.chunks(size.min(body.len().max(1))).map(Bytes::copy_from_slice).collect();
        let pieces = stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
        let outcome = read_body(kind, Body::stream(pieces), limits).await;
        outcomes.push(outcome.map_err(|error| format!("{} {error}", error.status().as_u16())));
    }
    let shown: Vec<_> = outcomes.iter().map(|outcome| outcome.as_ref().map(show)).collect();
    assert!(shown.windows(2).all(|two| two[0] == two[1]), "{shown:?}");
    outcomes.remove(0)
}

fn show(form: &Multipart) -> String {
    let fields: Vec<(String, String)> = form.fields().unwrap();
    format!("{fields:?} {}", format!("{form:?}").matches("Upload").count())
}

fn part(head: &str, content: &str) -> String {
    format!("--owl\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n")
}

fn form(parts: &[String]) -> Vec<u8> {
    format!("{}--owl--\r\n", parts.concat()).into_bytes()
}

#[tokio::test]
async fn fields_and_files_come_apart() {
    let body = form(&[
        part("name=\"title\"", "A map\r\nof many lines"),
        part("name=\"tag\"", "owl"),
        part("name=\"tag\"", "post"),
        part("name=\"map\"; filename=\"a \\\"b\\\".png\"\r\nContent-Type: image/png", "--ow\r\n--owx\r\n\r"),
        part("name=\"map\"; filename=\"two.txt\"", ""),
        part("name=\"nothing chosen\"; filename=\"\"\r\nContent-Type: application/octet-stream", ""),
    ]);
    let mut read = read(KIND, &body, UploadLimits::default()).await.unwrap();
    assert_eq!(read.field("title"), Some("A map\r\nof many lines"));
    assert_eq!((read.field("map"), read.field("nothing chosen")), (None, None));

    #[derive(serde::Deserialize)]
    struct Form {
        title: String,
        tag: Vec<String>,
    }
    let fields: Form = read.fields().unwrap();
    assert_eq!((fields.title.len(), fields.tag), (20, vec!["owl".to_owned(), "post".to_owned()]));

    let mut map = read.take_file("map").unwrap();
    assert_eq!((map.file_name(), map.content_type(), map.len()), ("a \"b\".png", Some("image/png"), 14));
    assert_eq!(map.bytes().await.unwrap(), "--ow\r\n--owx\r\n\r");
    assert_eq!(map.bytes().await.unwrap().len(), 14, "and once more");
    let files = read.into_files();
    assert_eq!(files.len(), 1, "an input in which nothing was chosen is no file");
    assert!(files[0].0 == "map" && files[0].1.is_empty() && files[0].1.file_name() == "two.txt");
}

#[tokio::test]
async fn names_are_what_they_were_before_a_browser_escaped_them() {
    for (sent, expected) in [
        ("a %22quoted%22 b.txt", "a \"quoted\" b.txt"),
        ("line%0D%0Aend%0A", "line\r\nend\n"),
        ("%22", "\""),
        ("100%.txt", "100%.txt"),
        ("%41%2541%2522%%22%0d%0a%2", "%41%2541%2522%\"%0d%0a%2"),
        ("%é%22", "%é\""),
        ("a \\\"b\\\" %22c%22", "a \"b\" \"c\""),
        ("魔法%22.pdf", "魔法\".pdf"),
    ] {
        let body = form(&[
            part(&format!("name=\"{sent}\""), "value %22"),
            part(&format!("name=\"{sent}\"; filename=\"{sent}\""), "content"),
        ]);
        let mut read = read(KIND, &body, UploadLimits::default()).await.unwrap();
        assert_eq!(read.field(expected), Some("value %22"), "{sent}");
        assert_eq!(read.take_file(expected).unwrap().file_name(), expected, "{sent}");
        let kind = HeaderValue::from_static(KIND);
        let (first, _) =
            waxseal_server::multipart::first_field(Some(&kind), body.into(), IDLE).await.unwrap();
        assert_eq!(first.unwrap().0, expected, "{sent}");
    }
}

#[tokio::test]
async fn an_upload_is_saved_once_and_never_over_another() {
    let folder = tempfile::tempdir().unwrap();
    for (place, length) in [("in memory", 1 << 16), ("on disk", (1 << 16) + 1)] {
        let ink = "i".repeat(length);
        let body = form(&[part("name=\"map\"; filename=\"map.png\"", &ink)]);
        let form = read_body(KIND, Body::from(body), UploadLimits::default()).await;
        let mut upload = form.unwrap().take_file("map").unwrap();
        assert!(format!("{upload:?}").contains(place), "{upload:?}");
        let path = folder.path().join(place);
        upload.save(&path).await.unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), ink);
        let error = upload.save(&path).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
        assert_eq!(upload.bytes().await.unwrap(), ink);
        assert_eq!(std::io::read_to_string(upload.into_file().await.unwrap()).unwrap(), ink);
    }
}

#[tokio::test]
async fn each_limit_holds_to_the_byte() {
    let body = form(&[part("name=\"field\"", "12345"), part("name=\"file\"; filename=\"f\"", "123456")]);
    let length = body.len() as u64;
    let all = UploadLimits::default().total(length).file(6).field(5).parts(2);
    read(KIND, &body, all).await.unwrap();
    for (limits, said) in [
        // The line end behind the last boundary need not be read.
        (all.total(length - 3), format!("413 the body is larger than {} bytes; send less", length - 3)),
        (all.file(5), "413 the file `file` is larger than 5 bytes; send less".to_owned()),
        (all.field(4), "413 the field `field` is larger than 4 bytes; send less".to_owned()),
        (all.parts(1), "400 there are more than 1 parts; send fewer".to_owned()),
    ] {
        assert_eq!(read(KIND, &body, limits).await.unwrap_err(), said);
    }
}

#[tokio::test]
async fn what_is_announced_as_too_large_is_refused_unread() {
    let error =
        read_body(KIND, Body::from("x".repeat(101)), UploadLimits::default().total(100)).await.unwrap_err();
    assert_eq!(error.to_string(), "the body is larger than 100 bytes; send less");
}

#[tokio::test]
async fn other_types_and_boundaries_are_415() {
    let body = form(&[part("name=\"a\"", "b")]);
    let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
    for kind in [
        "",
        "text/plain",
        "multipart/form-data",
        "multipart/mixed; boundary=owl",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"\"",
        "application/x-www-form-urlencoded; boundary=owl",
        &long,
    ] {
        assert!(read(kind, &body, UploadLimits::default()).await.unwrap_err().starts_with("415 "), "{kind}");
    }
    let none = Multipart::read(None, Body::empty(), UploadLimits::default(), IDLE).await.unwrap_err();
    assert!(none.to_string().starts_with("the body is `nothing`; send the form as"), "{none}");
    read("Multipart/Form-Data; charset=utf-8; boundary=\"owl\"", &body, UploadLimits::default())
        .await
        .unwrap();
}

#[tokio::test]
async fn what_is_no_complete_form_is_400() {
    let whole = form(&[part("name=\"a\"", "b"), part("name=\"f\"; filename=\"f\"", "c")]);
    let end = whole.windows(9).rposition(|bytes| bytes == b"\r\n--owl--").unwrap();
    for cut in 0..end + 9 {
        let error = read(KIND, &whole[..cut], UploadLimits::default()).await.unwrap_err();
        assert!(error.starts_with("400 "), "cut at {cut}: {error}");
    }
    for (case, body) in [
        ("no boundary at all", b"a=b&c=d".to_vec()),
        (
            "another boundary",
            b"--cat\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--cat--\r\n".to_vec(),
        ),
        ("no name", form(&[part("filename=\"f\"", "b")])),
        ("no disposition", b"--owl\r\nContent-Type: text/plain\r\n\r\nb\r\n--owl--\r\n".to_vec()),
        ("no head", b"--owl\r\n\r\nb\r\n--owl--\r\n".to_vec()),
        ("a head that is none", b"--owl\r\nname a\r\n\r\nb\r\n--owl--\r\n".to_vec()),
        ("many heads", form(&[part(&format!("name=\"a\"{}", "\r\nX: y".repeat(40)), "b")])),
        ("a line feed in a head", form(&[part("name=\"a\nb\"", "b")])),
        (
            "not UTF-8",
            form(&[part("name=\"a\"", "b")]).iter().map(|&b| if b == b'b' { 0xff } else { b }).collect(),
        ),
    ] {
        let error = read(KIND, &body, UploadLimits::default()).await.unwrap_err();
        assert!(error.starts_with("400 "), "{case}: {error}");
    }
}

/// The parser looks for a head's end in all it has; it must never have much of it.
#[tokio::test]
async fn a_head_without_an_end_is_refused_long_before_the_body_is_full() {
    for (case, start) in [
        ("before the first boundary", String::new()),
        ("in a head", "--owl\r\nContent-Disposition: form-data; name=\"".to_owned()),
        ("in the second head", part("name=\"a\"", "b") + "--owl\r\nX: "),
        ("behind a boundary", "--owl".to_owned()),
    ] {
        for size in [1, 4096, 1 << 20] {
            let endless = stream::iter(
                std::iter::once(start.clone().into_bytes())
                    .chain(std::iter::repeat_n(vec![b' '; size], (64 << 20) / size)),
            );
            let body = Body::stream(futures_util::StreamExt::map(endless, Ok::<_, std::io::Error>));
            let error = read_body(KIND, body, UploadLimits::default().total(u64::MAX)).await.unwrap_err();
            assert!(matches!(error, Error::PartHead { .. } | Error::Multipart(_)), "{case}: {error}");
        }
    }
}

#[tokio::test]
async fn thousands_of_parts_end_at_the_limit() {
    let body = form(&vec![part("name=\"a\"", ""); 5000]);
    let error = read_body(KIND, Body::from(body), UploadLimits::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "there are more than 1000 parts; send fewer");
}

/// What arrives at once is not held at once: the disk takes it piece by piece, and a part that is too large is left.
#[tokio::test]
async fn a_file_that_is_too_large_is_not_read_to_its_end() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    let taken = Arc::new(AtomicUsize::new(0));
    let counter = taken.clone();
    let head = "--owl\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\n";
    let pieces =
        std::iter::once(head.as_bytes().to_vec()).chain(std::iter::repeat_n(vec![b'x'; 1000], 100_000));
    let body = Body::stream(stream::iter(pieces.map(move |piece| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok::<_, std::io::Error>(piece)
    })));
    let limits = UploadLimits::default().total(u64::MAX).file(50_000);
    let error = read_body(KIND, body, limits).await.unwrap_err();
    assert_eq!(error.status(), 413);
    assert!(taken.load(Ordering::Relaxed) < 100, "{taken:?} pieces of 1000 bytes");
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_stands_still_is_408() {
    for start in ["", "--owl\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\nsome"] {
        let pieces =
            futures_util::StreamExt::chain(stream::iter([Ok::<_, std::io::Error>(start)]), stream::pending());
        let error = read_body(KIND, Body::stream(pieces), UploadLimits::default()).await.unwrap_err();
        assert_eq!(
            (error.status().as_u16(), error.to_string().contains("stood still")),
            (408, true),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_file_of_many_megabytes_goes_through_the_disk() {
    let content: Vec<u8> = (0..3_000_000u32).flat_map(u32::to_le_bytes).collect();
    let head = "--owl\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\n";
    let body = [head.as_bytes(), &content, b"\r\n--owl--\r\n"].concat();
    let mut form = read_body(KIND, Body::from(body), UploadLimits::default().total(16 << 20)).await.unwrap();
    assert!(form.take_file("f").unwrap().bytes().await.unwrap() == content);
}

/// Pieces that a parser might take for something else.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(b"--owl\r\n".to_vec()),
        Just(b"\r\n--owl\r\n".to_vec()),
        Just(b"\r\n--owl--\r\n".to_vec()),
        Just(b"--owl--".to_vec()),
        Just(b"\r\n--ow".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"\r\n\r\n".to_vec()),
        Just(b"--owl \t\r\n".to_vec()),
        Just(b"Content-Disposition: form-data; name=\"a\"".to_vec()),
        Just(b"Content-Disposition: form-data; name=\"b\"; filename=\"c\"\r\n\r\n".to_vec()),
        Just(b"Content-Disposition: form-data; name=a\r\n\r\n".to_vec()),
        Just(b"Content-Type: text/plain\r\n\r\n".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..20),
    ]
}

proptest! {
    /// However a body is cut on its way, it means the same; and no body at all makes the parser panic.
    #[test]
    fn any_body_means_the_same_in_any_pieces(
        fragments in proptest::collection::vec(fragment(), 0..12),
        cuts in proptest::collection::vec(1usize..40, 0..40),
        in_a_form in any::<bool>(),
    ) {
        let body = match in_a_form {
            true => form(&[part("name=\"f\"; filename=\"f\"", "\0")]).splitn(2, |&byte| byte == 0).collect::<Vec<_>>().join(&fragments.concat()[..]),
            false => fragments.concat(),
        };
        let mut pieces = Vec::new();
        let mut rest = &body[..];
        for cut in cuts.iter().cycle().take(if cuts.is_empty() { 0 } else { 1000 }) {
            let (piece, behind) = rest.split_at((*cut).min(rest.len()));
            pieces.push(Bytes::copy_from_slice(piece));
            rest = behind;
        }
        pieces.push(Bytes::copy_from_slice(rest));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let outcomes = runtime.block_on(async {
            let cut = stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
            let whole = read_body(KIND, Body::from(body), UploadLimits::default()).await;
            let cut = read_body(KIND, Body::stream(cut), UploadLimits::default()).await;
            [whole, cut].map(|outcome| match outcome {
                Ok(form) => show(&form),
                Err(error) => error.status().to_string(),
            })
        });
        prop_assert_eq!(&outcomes[0], &outcomes[1]);
    }
}
