//! Decides what is due for a session at the end of its request, and so when a cookie is sent.

/// What is due for a session at the end of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    /// Seal a new token of the same session.
    Token,
    /// Save the changes, and all that follows from them.
    Save,
    /// Tell the browser to forget its token.
    End,
}

/// The facts that the decision depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) accessed: bool,
    /// The request did not fail, and the session could be written.
    pub(crate) is_open: bool,
    /// `destroy()` was called, and the browser was not told yet.
    pub(crate) ended: bool,
    /// The session itself was changed or renewed.
    pub(crate) changed: bool,
    /// Other sessions have to end with this commit.
    pub(crate) ends_others: bool,
    /// The session was taken over in this request, and the browser has no token of it.
    pub(crate) adopted: bool,
    /// The session is new and holds nothing worth keeping.
    pub(crate) is_blank: bool,
    /// `None` for a new session. In states `store` and `mirrored` also `None` if the store was not asked in this
    /// request.
    pub(crate) token: Option<TokenFacts>,
}

/// The facts about the browser's token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TokenFacts {
    /// The seconds since the token was sealed.
    pub(crate) age: u64,
    /// The age from which activity is noted in the token, in seconds. `None` if it is not.
    pub(crate) refresh_after: Option<u64>,
    /// The age from which the token is sealed anew because an old key sealed it or its record, in seconds.
    pub(crate) reseal_after: Option<u64>,
    /// The token has to be replaced: it has another id or revision than the session, or the browser has to forget other
    /// tokens.
    pub(crate) is_outdated: bool,
}

/// Returns the outcome of the first rule that applies.
pub(crate) fn due(facts: &Facts) -> Due {
    let Facts { accessed, is_open, ended, changed, ends_others, adopted, is_blank, token } = *facts;
    let otherwise = match (ended, adopted) {
        (true, _) => Due::End,
        // Even if the request failed, because the foreign cookie is good only once.
        (false, true) => Due::Token,
        (false, false) => Due::Nothing,
    };
    if !accessed || !is_open {
        return otherwise;
    }
    if ends_others {
        return Due::Save;
    }
    if is_blank {
        return otherwise;
    }
    if changed {
        return Due::Save;
    }
    match token {
        Some(token) if token.is_due() => Due::Token,
        _ => otherwise,
    }
}

impl TokenFacts {
    /// Checks whether the token has to be replaced although its session was not changed.
    pub(crate) fn is_due(&self) -> bool {
        let has_come = |age: Option<u64>| age.is_some_and(|age| self.age >= age);
        self.is_outdated || has_come(self.refresh_after) || has_come(self.reseal_after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: TokenFacts =
        TokenFacts { age: 59, refresh_after: Some(90), reseal_after: None, is_outdated: false };
    const READ: Facts = Facts {
        accessed: true,
        is_open: true,
        ended: false,
        changed: false,
        ends_others: false,
        adopted: false,
        is_blank: false,
        token: Some(TOKEN),
    };
    const BEGUN: Facts = Facts { token: None, changed: true, ..READ };

    fn with(token: TokenFacts) -> Facts {
        Facts { token: Some(token), ..READ }
    }

    #[test]
    fn the_first_rule_that_applies_decides() {
        for (case, facts, expected) in [
            ("not accessed", Facts { accessed: false, ..READ }, Due::Nothing),
            (
                "not accessed, its token old",
                Facts { accessed: false, ..with(TokenFacts { age: 90, ..TOKEN }) },
                Due::Nothing,
            ),
            ("failed after a change", Facts { is_open: false, changed: true, ..READ }, Due::Nothing),
            ("failed after a sign-out", Facts { is_open: false, ended: true, ..READ }, Due::End),
            (
                "failed after a session was taken over",
                Facts { is_open: false, changed: true, adopted: true, ..READ },
                Due::Token,
            ),
            (
                "failed after what was taken over was signed out",
                Facts { is_open: false, ended: true, adopted: true, ..READ },
                Due::End,
            ),
            ("failed, others were to end", Facts { is_open: false, ends_others: true, ..READ }, Due::Nothing),
            ("signed out", Facts { ended: true, is_blank: true, token: None, ..READ }, Due::End),
            ("signed out, and begun anew", Facts { ended: true, ..BEGUN }, Due::Save),
            (
                "signed out after it ended the others",
                Facts { ended: true, ends_others: true, is_blank: true, ..BEGUN },
                Due::Save,
            ),
            ("new, written to and emptied", Facts { is_blank: true, ..BEGUN }, Due::Nothing),
            ("new, and filled", BEGUN, Due::Save),
            ("changed", Facts { changed: true, ..READ }, Due::Save),
            ("ends the others", Facts { ends_others: true, changed: true, ..READ }, Due::Save),
            ("read", READ, Due::Nothing),
            ("read, a second before activity counts", with(TokenFacts { age: 89, ..TOKEN }), Due::Nothing),
            ("read, when activity counts", with(TokenFacts { age: 90, ..TOKEN }), Due::Token),
            (
                "read, and activity is the record's",
                with(TokenFacts { age: 90, refresh_after: None, ..TOKEN }),
                Due::Nothing,
            ),
            ("each request counts", with(TokenFacts { age: 0, refresh_after: Some(0), ..TOKEN }), Due::Token),
            (
                "an old key, a second too young",
                with(TokenFacts { reseal_after: Some(60), ..TOKEN }),
                Due::Nothing,
            ),
            ("an old key", with(TokenFacts { age: 60, reseal_after: Some(60), ..TOKEN }), Due::Token),
            ("another revision", with(TokenFacts { is_outdated: true, ..TOKEN }), Due::Token),
            ("the store was not asked", Facts { token: None, ..READ }, Due::Nothing),
        ] {
            assert_eq!(due(&facts), expected, "{case}");
        }
    }
}
