/// Why a key cannot be used, or why a cookie was refused.
///
/// It is only for the log. Neither `Debug` nor `Display` contains anything of a cookie's content or of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The secret is empty. Rails itself does not start without one.
    #[error("Rails' secret is empty; pass the value of secret_key_base")]
    KeyEmpty,

    /// The text is not three parts in strict base64, escaped as Rack does.
    #[error("not in the form of a cookie that Rails encrypted by AES-256-GCM")]
    Form,

    /// No key opens it.
    #[error("encrypted by none of the keys, or with another digest, salt or number of iterations")]
    Key,

    /// The key opens it, but the name of the cookie inside is another one or missing.
    #[error("encrypted for another cookie; if the app has `use_cookies_with_metadata = false`, say so")]
    Purpose,

    /// The app's `expire_after` has passed.
    #[error("expired")]
    Expired,

    /// The key opens the cookie, but its content cannot be read.
    #[error("key is good, content cannot be read")]
    Undecodable(#[from] Undecodable),
}

/// Why content that a key has opened cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Undecodable {
    /// The envelope has members that Rails does not write, or its message is not strict base64.
    #[error("envelope is not one of Rails'")]
    Envelope,

    /// The expiry is not a time in Rails' format.
    #[error("expiry is no time as Rails writes it")]
    Expiry,

    /// The content is a Ruby object, serialized by Marshal.
    #[error(
        "content is written by Marshal; set `cookies_serializer` to `:json` or `:hybrid` before the move"
    )]
    Marshal,

    /// The content is not UTF-8.
    #[error("content is not UTF-8")]
    Utf8,
}
