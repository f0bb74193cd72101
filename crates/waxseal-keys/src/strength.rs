//! Detects secret keys that can be guessed.

use waxseal_crypto::SecretKey;

/// The faults of a secret key, as phrases that follow "the secret key".
pub(crate) struct Verdict {
    /// A fault because of which a server outside development does not start.
    pub(crate) refusal: Option<&'static str>,
    /// Faults that are logged at start.
    pub(crate) warnings: Vec<&'static str>,
}

const MIN_BYTES: usize = 8;
const SHORT_BYTES: usize = 16;
const FEW_DISTINCT_BYTES: usize = 5;
const MANY_DIGITS: usize = 20;

/// Secrets from documentation, tutorials and sample code, which an attacker tries first. Compared without regard to
/// case.
const SAMPLES: &[&str] = &[
    // From Flask's documentation and examples over the years: as printed, and as Python reads their escapes.
    "dev",
    "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
    "devkey",
    "dev key",
    "testkey",
    "testing",
    "secret",
    "some_secret",
    "the secret key",
    "my development key",
    "?\\xbf,\\xb4\\x8d\\xa3\"<\\x9c\\xb0@\\x0f5\\xab,w\\xee\\x8d$0\\x13\\x8b83",
    "?\u{bf},\u{b4}\u{8d}\u{a3}\"<\u{9c}\u{b0}@\u{f}5\u{ab},w\u{ee}\u{8d}$0\u{13}\u{8b}83",
    "\\xfa\\xdd\\xb8z\\xae\\xe0}4\\x8b\\xea",
    "ba92ffd4d9582827cb8f93c4b48f60e3",
    "_5#y2L\"F4Q8z\\n\\xec]/",
    "_5#y2L\"F4Q8z\n\u{ec}]/",
    "5f352379324c22463451387a0aec5d2f",
    "5f352379324c22463451387a0aec5d2f\\",
    "A0Zr98j/3yX R~XHH!jmN]LWX/,?RT",
    "\\xfd{H\\xe5<\\x95\\xf9\\xe3\\x96.5\\xd1\\x01O<!\\xd5\\xa2\\xa0\\x9fR\"\\xa1\\xa8",
    "you-will-never-guess",
    "hard to guess string",
    "super secret key",
    "super-secret-key",
    "supersecretkey",
    "my_secret_key",
    "my-secret-key",
    "mysecretkey",
    "secret_key_here",
    "your_secret_key",
    "your-secret-key",
    "your_secret_key_here",
    "your-secret-key-here",
    "change-me",
    "changeme!",
    "changeme123",
    "change_this_secret",
    "please-change-me",
    "replace-this-with-a-secret-key",
    "development key",
    "development-key",
    "development",
    "secret-key",
    "secret_key",
    "secretkey",
    "topsecret",
    "top-secret",
    "password",
    "password1",
    "password123",
    "passw0rd",
    "12345678",
    "123456789",
    "1234567890",
    "qwertyui",
    "qwertyuiop",
    // Superset's default, which was often left unchanged, and the test vectors of Waxseal itself.
    "thisISaSECRET_1234",
    "\\2\\1thisismyscretkey\\1\\2\\e\\y\\y\\h",
    "CHANGE_ME_TO_A_COMPLEX_RANDOM_SECRET",
    "waxseal1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh-w7nHj",
];

/// Judges the text of a secret key.
pub(crate) fn judge(text: &str) -> Verdict {
    let sample = SAMPLES.iter().any(|sample| sample.eq_ignore_ascii_case(text));
    let refusal = match text.len() {
        _ if sample => Some("is printed in public documentation"),
        0..MIN_BYTES => Some("is shorter than 8 bytes"),
        _ => None,
    };
    if SecretKey::is_generated_text(text) {
        return Verdict { refusal, warnings: Vec::new() };
    }
    let distinct = text.bytes().collect::<std::collections::HashSet<_>>().len();
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let warnings = [
        (text.len() < SHORT_BYTES, "is shorter than 16 bytes"),
        (distinct < FEW_DISTINCT_BYTES, "has fewer than 5 distinct bytes"),
        (digits && text.len() < MANY_DIGITS, "is all digits, and fewer than 20"),
        (text.trim() != text, "begins or ends with white space, which counts"),
        (
            text.len() > 1
                && ['"', '\'', '`'].into_iter().any(|mark| text.starts_with(mark) && text.ends_with(mark)),
            "is in quotes, which count",
        ),
    ];
    let warnings = warnings.into_iter().filter_map(|(wrong, why)| wrong.then_some(why)).collect();
    Verdict { refusal, warnings }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_judged_by_length_sample_and_variety() {
        for (text, refused, warnings) in [
            ("", true, 3),
            ("hunter2", true, 1),
            ("dev", true, 2),
            ("DEV", true, 2),
            ("192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf", true, 0),
            ("waxseal1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh-w7nHj", true, 0),
            ("?\\xbf,\\xb4\\x8d\\xa3\"<\\x9c\\xb0@\\x0f5\\xab,w\\xee\\x8d$0\\x13\\x8b83", true, 0),
            ("_5#y2L\"F4Q8z\n\u{ec}]/", true, 0),
            ("hunter22", false, 1),
            ("aaaaaaaaaaaaaaaa", false, 1),
            ("1111111111", false, 3),
            ("31415926535897932", false, 1),
            ("31415926535897932384", false, 0),
            ("correct horse battery staple", false, 0),
            ("correct horse battery staple\n", false, 1),
            ("\"correct horse battery staple\"", false, 1),
            ("'correct horse battery staple'", false, 1),
            ("battery staple's correct horse", false, 0),
        ] {
            let verdict = judge(text);
            assert_eq!((verdict.refusal.is_some(), verdict.warnings.len()), (refused, warnings), "{text}");
        }
    }
}
