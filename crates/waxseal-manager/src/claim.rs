//! The choice between several sessions whose tokens came with one request.

use std::cmp::Reverse;

use waxseal_session::backend::{Phase, ReadOnly};
use waxseal_store::RecordKey;

use crate::adoption::foreign::Foreign;
use crate::origin::{COOKIE_ID_BYTES, Origin};
use crate::records::token::Token;
use crate::visit::Visit;

/// What speaks for a session as the visitor's, if a request came with several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    id: Id,
    /// The counter of the token's revision, or 0 if the token has none.
    revision: u64,
    sealed: u64,
    created: u64,
    owned: bool,
    signed_in: Option<u64>,
    /// The store is unavailable, and the policy is to show an anonymous page.
    unknown: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Id {
    Cookie([u8; COOKIE_ID_BYTES]),
    Record(RecordKey),
    Foreign([u8; Foreign::REPLAY_ID_BYTES]),
}

impl Claim {
    /// The claim of a token, as far as the token itself says.
    pub(crate) fn of_token(token: &Token) -> Self {
        let (id, times) = (Id::Record(token.id.key()), token.times);
        let revision = token.copy.as_ref().map_or(0, |(revision, _)| revision.counter());
        let (sealed, created) = (times.sealed(), times.created());
        Self { id, revision, sealed, created, owned: false, signed_in: None, unknown: false }
    }

    /// The claim of a session. `None` if the session is new.
    pub(crate) fn of_visit(visit: &Visit) -> Option<Self> {
        let home = visit.home();
        let origin = home.origin.as_ref()?;
        let (revision, sealed, created) = match origin {
            Origin::Cookie(token) => (0, token.times.sealed(), token.times.created()),
            Origin::Record(record) => {
                (record.revision.counter(), record.times.sealed(), record.times.created())
            }
            Origin::Foreign(foreign) => (0, foreign.began.as_secs(), foreign.began.as_secs()),
        };
        let content = visit.session().content();
        let outage = visit.session().phase() == Phase::ReadOnly(ReadOnly::Outage);
        Some(Self {
            id: Id::of(origin),
            revision,
            sealed,
            created,
            owned: content.is_owned(),
            signed_in: content.signed_in(),
            unknown: outage && content.is_blank(),
        })
    }
}

impl Id {
    fn of(origin: &Origin) -> Self {
        match origin {
            Origin::Cookie(token) => Self::Cookie(token.id),
            Origin::Record(record) => Self::Record(record.id.key()),
            Origin::Foreign(foreign) => Self::Foreign(foreign.replay_id),
        }
    }
}

/// Chooses among the claims of different sessions. Returns the index of the chosen one.
///
/// If the cookie's name can be planted, none of several is chosen, because the content of a planted cookie proves
/// nothing. Under any other name, a signed-in visitor comes before an anonymous one, then the later sign-in, then the
/// token that was made later.
pub(crate) fn choose(claims: &[Claim], can_be_planted: bool) -> Option<usize> {
    if can_be_planted && claims.len() > 1 {
        return None;
    }
    let standing = |claim: &Claim| (claim.unknown, claim.owned, claim.signed_in, claim.sealed, claim.created);
    (0..claims.len()).max_by_key(|&at| (standing(&claims[at]), Reverse(at)))
}

/// Keeps the latest of all with the same id, by revision and then by time of sealing, at the position of the first.
pub(crate) fn latest_of_each<T>(all: Vec<T>, claim: impl Fn(&T) -> Option<Claim>) -> Vec<T> {
    let mut kept: Vec<(Option<Claim>, T)> = Vec::with_capacity(all.len());
    for one in all {
        let its = claim(&one);
        let same =
            |other: &Option<Claim>| matches!((other, &its), (Some(other), Some(its)) if other.id == its.id);
        match kept.iter_mut().find(|(other, _)| same(other)) {
            None => kept.push((its, one)),
            Some(other) => {
                let age = |claim: &Option<Claim>| claim.as_ref().map(|claim| (claim.revision, claim.sealed));
                if age(&its) > age(&other.0) {
                    *other = (its, one);
                }
            }
        }
    }
    kept.into_iter().map(|(_, one)| one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(id: u8) -> Claim {
        let id = Id::Cookie([id; COOKIE_ID_BYTES]);
        Claim { id, revision: 0, sealed: 100, created: 100, owned: false, signed_in: None, unknown: false }
    }

    fn owned(id: u8, signed_in: u64) -> Claim {
        Claim { owned: true, signed_in: Some(signed_in), ..claim(id) }
    }

    #[test]
    fn of_one_session_the_later_token_counts_and_of_different_ones_what_is_worth_most() {
        let revision = |id, revision, sealed| Claim { revision, sealed, ..claim(id) };
        let made = |id, sealed, created| Claim { sealed, created, ..claim(id) };
        let unknown = |id| Claim { unknown: true, ..claim(id) };
        let id = |id| Some(Id::Cookie([id; COOKIE_ID_BYTES]));
        // (case, the claims, the one that counts under a name of this host alone, and under any other)
        for (case, claims, fixed, planted) in [
            ("one", vec![claim(1)], id(1), id(1)),
            ("one session twice", vec![claim(1), claim(1)], id(1), id(1)),
            ("signed in, and anonymous", vec![made(1, 900, 900), owned(2, 100)], id(2), None),
            ("an earlier sign-in and a later one", vec![owned(1, 100), owned(2, 101)], id(2), None),
            (
                "an owner who never signed in",
                vec![Claim { signed_in: None, sealed: 900, ..owned(1, 0) }, owned(2, 100)],
                id(2),
                None,
            ),
            ("anonymous, made one after the other", vec![made(1, 100, 99), made(2, 101, 98)], id(2), None),
            (
                "anonymous, made at once, begun one after the other",
                vec![made(1, 100, 99), made(2, 100, 98)],
                id(1),
                None,
            ),
            ("nothing tells them apart", vec![claim(1), claim(2)], id(1), None),
            ("an anonymous session's higher revision", vec![revision(1, 9, 100), owned(2, 100)], id(2), None),
            ("one of which nobody knows", vec![owned(1, 900), unknown(2)], id(2), None),
            ("three", vec![owned(1, 5), claim(2), owned(3, 7)], id(3), None),
            ("three of two sessions", vec![owned(1, 5), claim(2), owned(1, 5)], id(1), None),
        ] {
            for (can_be_planted, expected) in [(false, fixed), (true, planted)] {
                for turned in [false, true] {
                    let mut all = latest_of_each(claims.clone(), |claim| Some(claim.clone()));
                    if turned && !case.starts_with("nothing") {
                        all.reverse();
                    }
                    let chosen = choose(&all, can_be_planted).map(|at| all[at].id.clone());
                    assert_eq!(chosen, expected, "{case}, can be planted: {can_be_planted}");
                }
            }
        }
        for (case, claims, sealed) in [
            ("a later seal", [revision(1, 0, 100), revision(1, 0, 101)], 101),
            ("a higher revision, whatever its seal", [revision(1, 3, 101), revision(1, 4, 100)], 100),
        ] {
            for turned in [false, true] {
                let mut claims = claims.to_vec();
                if turned {
                    claims.reverse();
                }
                let latest = latest_of_each(claims, |claim| Some(claim.clone()));
                assert_eq!((latest.len(), latest[0].sealed), (1, sealed), "{case}");
            }
        }
    }

    #[test]
    fn what_is_no_session_is_like_no_other() {
        assert_eq!(latest_of_each(vec![1, 2], |_| None).len(), 2);
    }
}
