//! A part of a form with files.

use bytes::Bytes;
use http::HeaderValue;

/// A part of a form with files, for [`Client::post_multipart`](super::Client::post_multipart).
#[derive(Debug, Clone)]
pub struct Part {
    head: String,
    content: Bytes,
}

impl Part {
    /// Creates a text field.
    #[must_use]
    pub fn field(name: &str, value: &str) -> Self {
        let head = format!("Content-Disposition: form-data; name=\"{}\"\r\n", quoted(name));
        Self { head, content: Bytes::copy_from_slice(value.as_bytes()) }
    }

    /// Creates a file, with the name and the media type that a browser would send.
    #[must_use]
    pub fn file(name: &str, file_name: &str, content_type: &str, content: impl Into<Bytes>) -> Self {
        let (name, file_name) = (quoted(name), quoted(file_name));
        let head = format!(
            "Content-Disposition: form-data; name=\"{name}\"; filename=\"{file_name}\"\r\nContent-Type: {content_type}\r\n"
        );
        Self { head, content: content.into() }
    }
}

/// Escapes what browsers escape: only the characters that would end the quoted text.
fn quoted(text: &str) -> String {
    text.replace('\r', "%0D").replace('\n', "%0A").replace('"', "%22")
}

/// The content type and the body, with a boundary that occurs in no part.
pub(super) fn encode(parts: &[Part]) -> (HeaderValue, Vec<u8>) {
    let free = |boundary: &String| {
        let holds =
            |part: &Part| part.content.windows(boundary.len()).any(|bytes| bytes == boundary.as_bytes());
        !parts.iter().any(holds)
    };
    let boundary = (0..).map(|number| format!("waxseal-part-{number}")).find(free);
    let boundary = boundary.expect("there are more numbers than bytes in the parts");
    let mut body = Vec::new();
    for Part { head, content } in parts {
        body.extend_from_slice(format!("--{boundary}\r\n{head}\r\n").as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    let content_type = format!("multipart/form-data; boundary={boundary}");
    (HeaderValue::try_from(content_type).expect("words and digits fit into a header"), body)
}
