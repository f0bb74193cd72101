//! Bodies: forms, JSON, uploads.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::HeaderValue;
use serde::Deserialize;
use tokio::runtime::Runtime;
use waxseal_server::{Body, Multipart, UploadLimits, forms, json, multipart};

use crate::mutation::MOST;
use crate::target::{Target, outcome};

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "what a handler would read")]
struct Typed {
    name: String,
    age: Option<u8>,
    #[serde(default)]
    tags: Vec<String>,
    weight: Option<f64>,
    agrees: Option<bool>,
    size: Option<u128>,
    letter: Option<char>,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "what a handler would read")]
struct Flattened {
    name: Option<String>,
    #[serde(flatten)]
    kind: Kind,
    #[serde(flatten)]
    rest: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[expect(dead_code, reason = "what a handler would read")]
enum Kind {
    Wand { wood: String, inches: f32 },
    Owl { colour: Option<String> },
}

/// `application/x-www-form-urlencoded` and, after the same first line, JSON.
pub(crate) struct Forms;

impl Target for Forms {
    /// The first line is the content type.
    fn seeds(&self) -> Vec<Vec<u8>> {
        [
            "application/x-www-form-urlencoded\nname=Tom+Riddle&age=17&tags=a&tags=b&weight=1.5&agrees=true",
            "application/x-www-form-urlencoded; charset=UTF-8\nname=%C3%BC&age=&kind=wand&wood=holly&inches=11&x=%00",
            "application/x-www-form-urlencoded\nkind=owl&colour=white&&=&a=b=c&size=340282366920938463463374607431768211455",
            "application/json\n{\"name\":\"Tom\",\"age\":17,\"tags\":[\"a\"],\"weight\":1e3,\"agrees\":null,\"kind\":\"owl\"}",
            "application/json; charset=utf-8\n[[[{\"a\":[1,-2.5e-3,\"\\u00fc\\ud83e\\uddd9\"]}]]]",
        ]
        .map(|lines| lines.as_bytes().to_vec())
        .to_vec()
    }

    fn read(&mut self, input: &[u8]) -> String {
        let end = input.iter().position(|&byte| byte == b'\n').unwrap_or(0);
        let kind = HeaderValue::from_bytes(&input[..end]).ok();
        let body = input.get(end + 1..).unwrap_or_default();
        let pairs = forms::parse::<Vec<(String, String)>>(kind.as_ref(), body);
        if let Ok(pairs) = &pairs {
            assert!(pairs.len() <= forms::MAX_FIELDS, "{} fields", pairs.len());
        }
        let lists = outcome(&forms::parse::<BTreeMap<String, Vec<String>>>(kind.as_ref(), body), "lists");
        let typed = outcome(&forms::parse::<Typed>(kind.as_ref(), body), "typed");
        let flattened = outcome(&forms::parse::<Flattened>(kind.as_ref(), body), "flattened");
        let query = str::from_utf8(body).map(|query| outcome(&forms::parse_query::<Typed>(query), "query"));
        let value = outcome(&json::parse::<serde_json::Value>(kind.as_ref(), body), "json");
        let typed_json = outcome(&json::parse::<Typed>(kind.as_ref(), body), "typed json");
        format!("{} {lists} {typed} {flattened} {query:?} {value} {typed_json}", outcome(&pairs, "pairs"))
    }
}

/// `multipart/form-data`, in pieces.
pub(crate) struct Uploads {
    runtime: Runtime,
}

impl Uploads {
    const IDLE: Duration = Duration::from_secs(15);
    /// More than it takes to read any input, in pieces of one byte.
    const MOST_POLLS: usize = 10 * MOST;

    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        Self { runtime: runtime.expect("a runtime without a driver of sockets") }
    }

    fn body(body: &[u8], piece: usize) -> Body {
        let mut rest = Bytes::copy_from_slice(body);
        Body::stream(futures_util::stream::iter(std::iter::from_fn(move || {
            let piece = rest.split_to(piece.min(rest.len()));
            (!piece.is_empty()).then_some(Ok::<_, Infallible>(piece))
        })))
    }

    /// Waits for what is never away for long: the body is here, and the runtime's look at its clock would cost more
    /// than each piece.
    fn wait<T>(&self, reading: impl Future<Output = T>) -> T {
        let _timers = self.runtime.enter();
        let mut reading = pin!(reading);
        let found = (0..Self::MOST_POLLS).find_map(|_| reading.as_mut().now_or_never());
        found.expect("a body that is here is read")
    }
}

impl Target for Uploads {
    /// The first byte is the length of pieces, the first line the content type.
    fn seeds(&self) -> Vec<Vec<u8>> {
        let whole = "--owl\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nA map\r\n\
            --owl\r\nContent-Disposition: form-data; name=\"map\"; filename=\"../map.png\"\r\n\
            Content-Type: image/png\r\n\r\n(a picture)\r\n--owl--\r\n";
        let hard = "--owl\r\ncontent-disposition: form-data; name=\"a%22b\\\"\"; filename*=UTF-8''%e2%82%ac.txt\r\n\
            content-transfer-encoding: base64\r\n\r\nYQ==\r\n--owl\r\n\r\nno name\r\n--owl\r\n\
            Content-Disposition: form-data; name=f; filename=\"\"\r\n\r\n\r\n--owl--";
        let mut seeds = Vec::new();
        for piece in [1, 7, 255] {
            for (kind, body) in [
                ("multipart/form-data; boundary=owl", whole),
                ("multipart/form-data;boundary=\"owl\"; charset=utf-8", hard),
                ("multipart/form-data; boundary=o", "--o\r\n--o--\r\n--o"),
            ] {
                seeds.push([&[piece], kind.as_bytes(), b"\n", body.as_bytes()].concat());
            }
        }
        seeds
    }

    fn read(&mut self, input: &[u8]) -> String {
        let Some((&piece, rest)) = input.split_first() else { return "nothing".to_owned() };
        let end = rest.iter().position(|&byte| byte == b'\n').unwrap_or(0);
        let kind = HeaderValue::from_bytes(&rest[..end]).ok();
        let body = rest.get(end + 1..).unwrap_or_default();
        // Small enough that no file is put on the disk.
        let limits = UploadLimits::default().total(16_000).file(8_000).field(1_000).parts(20);
        let piece = usize::from(piece).max(1);
        let reading = Multipart::read(kind.as_ref(), Self::body(body, piece), limits, Self::IDLE);
        let form = match self.wait(reading) {
            Ok(form) => form,
            Err(error) => return outcome::<(), _>(&Err(error), ""),
        };
        let typed = outcome(&form.fields::<Typed>(), "typed");
        let files = form.into_files();
        for (_, file) in &files {
            assert!(file.len() <= 8_000, "a file of {} bytes", file.len());
            if let Some(name) = file.safe_name() {
                assert!(!name.contains(['/', '\\', '\0']) && !name.starts_with('.'), "a file name {name:?}");
            }
        }
        let first = multipart::safe_file_name(&String::from_utf8_lossy(body)).is_some();
        format!("{typed} {} {first}", files.len().min(3))
    }
}
