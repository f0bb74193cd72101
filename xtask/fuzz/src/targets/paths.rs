//! Paths: routes, static files, redirects.

use std::fs;

use http::{HeaderMap, HeaderValue, Method, Uri, header};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use waxseal_http::{is_local_path, local_path};
use waxseal_server::{RouteMatch, Router, StaticFiles};

use crate::target::{Target, words};

const INSIDE: &str = "inside";
const OUTSIDE: &str = "NOT FOR ANYBODY";

/// A request's target, and the headers that ask for a part of a file.
pub(crate) struct Paths {
    runtime: Runtime,
    router: Router<u8>,
    in_folder: StaticFiles,
    built_in: StaticFiles,
    _folder: TempDir,
}

impl Paths {
    pub(crate) fn new() -> Self {
        let mut router = Router::new();
        for (number, path) in
            ["/", "/wizard/{id}", "/static/{*file}", "/a/{b}/c/{d}", "/%C3%BC"].iter().enumerate()
        {
            router.route(Method::GET, path, number as u8).expect("routes that do not meet");
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let files = folder.path().join("files");
        let made = fs::create_dir_all(files.join("sub"))
            .and_then(|()| fs::write(files.join("style.css"), INSIDE))
            .and_then(|()| fs::write(files.join("sub/map.png"), INSIDE))
            .and_then(|()| fs::write(files.join(".hidden"), OUTSIDE))
            .and_then(|()| fs::write(folder.path().join("secret"), OUTSIDE));
        made.expect("files in a folder of our own");
        // What a read file needs is a thread, and no driver.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        Self {
            runtime: runtime.expect("a runtime without a driver of sockets"),
            router,
            in_folder: StaticFiles::in_folder(&files).expect("the folder that was made"),
            built_in: StaticFiles::built_in([("style.css".to_owned(), INSIDE.as_bytes())]),
            _folder: folder,
        }
    }

    fn serve(&self, name: &str, headers: &HeaderMap) -> String {
        let mut said = String::new();
        for files in [&self.built_in, &self.in_folder] {
            let answer = self.runtime.block_on(async {
                let answer = files.answer(&Method::GET, name, headers).await?;
                let status = answer.status();
                let body = answer.into_body().collect(1 << 16, std::time::Duration::from_secs(15)).await;
                Some((status, body.expect("a small file is read")))
            });
            if let Some((status, body)) = answer {
                let text = str::from_utf8(&body).expect("the files are text");
                assert!(INSIDE.contains(text), "{name:?} is {text:?}");
                said += status.as_str();
            }
        }
        said
    }
}

impl Target for Paths {
    /// The target, then `Range`, `If-Range` and `If-None-Match`, in lines.
    fn seeds(&self) -> Vec<Vec<u8>> {
        [
            "/",
            "/static/style.css\nbytes=0-3\n\"x\"\nW/\"x\", \"y\"",
            "/static/sub/map.png?v=1\nbytes=-2\n\n*",
            "/static/../secret\nbytes=5-",
            "/static/%2e%2e%2fsecret\nbytes=0-18446744073709551615",
            "/static/..%5csecret",
            "/static/sub/../../secret",
            "/static/.hidden",
            "/wizard/%C3%BC%2F%00",
            "/a/b/c/d",
            "//evil.example/x",
            "/\\evil.example",
            "/%C3%BC",
            "http://wizard.example/wizard/7",
            "*",
        ]
        .map(|lines| lines.as_bytes().to_vec())
        .to_vec()
    }

    fn read(&mut self, input: &[u8]) -> String {
        let mut lines = input.splitn(4, |&byte| byte == b'\n');
        let target = lines.next().unwrap_or_default();
        let mut headers = HeaderMap::new();
        for name in [header::RANGE, header::IF_RANGE, header::IF_NONE_MATCH] {
            let value = lines.next().and_then(|value| HeaderValue::from_bytes(value).ok());
            headers.extend(value.map(|value| (name, value)));
        }
        let mut said = String::new();
        if let Ok(uri) = Uri::try_from(target) {
            match self.router.find(&Method::GET, uri.path()) {
                RouteMatch::Route { value, params } => {
                    said += &value.to_string();
                    if let Some(name) = params.get("file") {
                        said += &self.serve(name, &headers);
                    }
                }
                other => said += &words(&format!("{other:?}")),
            }
        }
        if let Ok(text) = str::from_utf8(target) {
            // Also without the router before it.
            said += &self.serve(text, &headers);
            said += &format!("{}", is_local_path(text));
            if let Some(path) = local_path(text) {
                let start = path.as_bytes();
                assert!(
                    start[0] == b'/' && !matches!(start.get(1), Some(b'/' | b'\\')),
                    "a redirect to {path:?}"
                );
                assert!(HeaderValue::from_str(&path).is_ok(), "a redirect to {path:?}");
            }
        }
        said
    }
}
