//! A session's content, as it is once a seal was opened.

use std::collections::BTreeMap;

use waxseal_session::Session;
use waxseal_session::backend::{Content, Terms};

use crate::target::{Target, outcome};

/// Contents of sessions, as this release writes them.
pub(crate) fn contents() -> Vec<Vec<u8>> {
    let full = Session::new();
    let insert = |session: &Session| {
        session.insert("name", "Merlin")?;
        session.insert("numbers", [1u64, 300, 70_000, u64::MAX])?;
        session.insert("negative", i64::MIN)?;
        session.insert("wide", u128::MAX)?;
        session.insert("float", 0.1)?;
        session.insert("nothing", ())?;
        session.insert("nested", BTreeMap::from([("a", vec![(1, "b")]), ("ü", vec![])]))?;
        session.insert("long", "x".repeat(300))?;
        session.flash("error", "No such school.")?;
        session.flash("success", "Welcome.")?;
        session.set_permanent(true)
    };
    insert(&full).expect("a session without a limit takes all");
    let some = Session::new();
    some.insert("name", "Merlin").expect("a session without a limit takes all");
    [full, some, Session::new()].map(|session| written(&session)).to_vec()
}

fn written(session: &Session) -> Vec<u8> {
    let mut bytes = Vec::new();
    session.content().write(&mut bytes);
    bytes
}

/// Reads all of a session, as handlers and templates do, and changes it; what came of it in words.
pub(crate) fn look_at(session: &Session) -> String {
    let mut said = format!("{}{}", session.is_permanent(), session.flashed_messages(&[]).len().min(2));
    for key in session.keys() {
        said += &outcome(&session.get::<String>(&key), "text")[..2];
        said += &outcome(&session.get::<i64>(&key), "number")[..2];
        said += &outcome(&session.get::<serde_json::Value>(&key), "any")[..2];
        let _ = session.get::<Vec<BTreeMap<String, f64>>>(&key);
        let _ = session.add(&key, 1);
        let _ = session.append(&key, "more");
    }
    for (_, value) in session.iter() {
        said += value.shape();
    }
    let _ =
        (session.look(), session.insert("new", 1), session.flash("info", "hello"), session.remove("name"));
    said.chars().take(100).collect()
}

/// The bytes behind a seal.
pub(crate) struct Payload;

impl Target for Payload {
    fn seeds(&self) -> Vec<Vec<u8>> {
        contents()
    }

    fn read(&mut self, input: &[u8]) -> String {
        let content = match Content::parse(input.to_vec(), 0..input.len()) {
            Ok(content) => content,
            Err(why) => return why.to_owned(),
        };
        let mut again = Vec::new();
        content.write(&mut again);
        assert_eq!(again, input, "what was read is written otherwise");
        let session =
            Session::restore(content, Terms { limit: 1 << 20, strict: false, form_token_keys: None });
        let said = look_at(&session);
        let after = written(&session);
        let parsed = Content::parse(after.clone(), 0..after.len());
        assert!(parsed.is_ok(), "what was written does not read: {:?}", parsed.err());
        said
    }
}
