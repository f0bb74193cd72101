//! Several good tokens in one request: the cookie's attributes were changed, or one was planted.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::SystemTime;

use super::{Opened, SessionManager, Snapshot};
use crate::active_keys::ActiveKeys;
use crate::metadata::{OWNER, SIGNED_IN};
use crate::origin::{COOKIE_ID_BYTES, Origin};
use crate::server::Token;
use crate::session::{Phase, ReadOnly, Session};
use crate::{Error, RecordKey};

/// Good tokens of one request, each of another session as far as they say themselves.
pub(super) struct Rivals<'a> {
    /// To begin a session with, if none of them counts.
    snapshot: Snapshot<'a>,
    all: Vec<Opened<'a>>,
    can_be_planted: bool,
}

/// What speaks for one of several sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    id: Id,
    /// Of the token, and 0 if it names none.
    revision: u64,
    sealed: u64,
    created: u64,
    owned: bool,
    signed_in: Option<u64>,
    /// The store is away, and the policy is to show a stranger's.
    unknown: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Id {
    Cookie([u8; COOKIE_ID_BYTES]),
    Record(RecordKey),
}

impl<'a> Rivals<'a> {
    pub(super) fn new(
        sessions: &'a SessionManager,
        ring: Arc<ActiveKeys>,
        all: Vec<Opened<'a>>,
        can_be_planted: bool,
    ) -> Self {
        let snapshot = Snapshot::new(sessions, ring);
        Self { snapshot, all: latest_of_each(all, Opened::claim), can_be_planted }
    }

    /// The session that counts, if nobody has to be asked.
    pub(super) fn settled(self) -> Result<Session, Self> {
        if self.all.iter().any(|opened| matches!(opened, Opened::Pending(_))) {
            return Err(self);
        }
        let Self { snapshot, all, can_be_planted } = self;
        Ok(settle(&snapshot, all.into_iter().filter_map(Opened::ready).collect(), can_be_planted))
    }

    /// The session that counts, by what the store says of all. If it does not answer for one of them, nobody can tell.
    pub(super) async fn load(self, now: SystemTime) -> Result<Session, Error> {
        let mut loaded = Vec::with_capacity(self.all.len());
        for opened in self.all {
            loaded.push(opened.load(now).await?);
        }
        Ok(settle(&self.snapshot, loaded, self.can_be_planted))
    }

    /// All of them, to be ended.
    pub(super) fn into_end(self) -> Session {
        let all = self.all.into_iter().map(|opened| match opened {
            Opened::Ready(session) => session,
            Opened::Pending(pending) => pending.to_end(),
        });
        let (mut alive, _) = apart(all.collect());
        match alive.is_empty() {
            true => self.snapshot.create(),
            false => alive.remove(0).among(origins(alive)),
        }
    }
}

/// Which of the sessions that several tokens led to is the visitor's. What has ended drops out.
fn settle(snapshot: &Snapshot<'_>, all: Vec<Session>, can_be_planted: bool) -> Session {
    let (alive, dead) = apart(all);
    let mut alive = latest_of_each(alive, Session::claim);
    if alive.is_empty() {
        // An old id, or one that somebody signed out with: its visitor gets no cookie, or a newer one would be lost.
        let dead = dead.into_iter().max_by_key(|session| match session.lock().phase {
            Phase::ReadOnly(ReadOnly::Renewed) => 2,
            Phase::ReadOnly(_) => 1,
            _ => 0,
        });
        return dead.unwrap_or_else(|| snapshot.create()).among(Vec::new());
    }
    let claims: Vec<_> = alive.iter().flat_map(Session::claim).collect();
    match choose(&claims, can_be_planted) {
        Some(chosen) => {
            tracing::info!(
                "more than one session cookie is good; one counts, and the others are to be forgotten"
            );
            alive.remove(chosen).among(origins(alive))
        }
        None => {
            tracing::warn!(
                "two different session cookies are good, and under this name one may be planted; neither counts"
            );
            snapshot.create().among(origins(alive))
        }
    }
}

/// The place of the claim that counts among those of different sessions. Of a name that can be planted none does, if there
/// are several: what a planted cookie says of itself is worth nothing. Else whoever is signed in comes before a stranger,
/// then the later sign-in, then the token that was made later.
fn choose(claims: &[Claim], can_be_planted: bool) -> Option<usize> {
    if can_be_planted && claims.len() > 1 {
        return None;
    }
    let standing = |claim: &Claim| (claim.unknown, claim.owned, claim.signed_in, claim.sealed, claim.created);
    (0..claims.len()).max_by_key(|&at| (standing(&claims[at]), Reverse(at)))
}

/// Of those with one id the latest, by its revision and then its seal, at the place of the first.
fn latest_of_each<T>(all: Vec<T>, claim: impl Fn(&T) -> Option<Claim>) -> Vec<T> {
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

/// Those that are sessions, and those that are none any more.
fn apart(all: Vec<Session>) -> (Vec<Session>, Vec<Session>) {
    all.into_iter().partition(|session| session.lock().origin.is_some())
}

fn origins(all: Vec<Session>) -> Vec<Origin> {
    all.into_iter().filter_map(|session| session.lock().origin.take()).collect()
}

impl Id {
    fn of(origin: &Origin) -> Self {
        match origin {
            Origin::Cookie(carried) => Self::Cookie(carried.id),
            Origin::Record(held) => Self::Record(held.id.key()),
        }
    }
}

impl Opened<'_> {
    fn claim(&self) -> Option<Claim> {
        match self {
            Self::Ready(session) => session.claim(),
            Self::Pending(pending) => pending.claim(),
        }
    }
}

impl Claim {
    pub(super) fn of_token(token: &Token) -> Self {
        let (id, times) = (Id::Record(token.id.key()), token.times);
        let revision = token.copy.as_ref().map_or(0, |(revision, _)| revision.counter());
        let (sealed, created) = (times.sealed(), times.created());
        Self { id, revision, sealed, created, owned: false, signed_in: None, unknown: false }
    }
}

impl Session {
    pub(super) fn claim(&self) -> Option<Claim> {
        let state = self.lock();
        let origin = state.origin.as_ref()?;
        let (revision, times) = match origin {
            Origin::Cookie(carried) => (0, carried.times),
            Origin::Record(held) => (held.revision.counter(), held.times),
        };
        let outage = state.phase == Phase::ReadOnly(ReadOnly::Outage);
        Some(Claim {
            id: Id::of(origin),
            revision,
            sealed: times.sealed(),
            created: times.created(),
            owned: state.content.metadata.encoded(OWNER).is_some(),
            signed_in: state.content.metadata.get(SIGNED_IN),
            unknown: outage && state.content.is_blank(),
        })
    }

    /// Notes that other good tokens came with this one's, and the sessions that they are of.
    fn among(self, rivals: Vec<Origin>) -> Self {
        {
            let mut state = self.lock();
            (state.others, state.rivals) = (true, rivals);
            if let Some(Origin::Record(held)) = &mut state.origin {
                // Whether it lies where ours does or among those that are forgotten now, nobody can tell.
                held.is_outdated = true;
            }
        }
        self
    }
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
            ("signed in, and a stranger", vec![made(1, 900, 900), owned(2, 100)], id(2), None),
            ("an earlier sign-in and a later one", vec![owned(1, 100), owned(2, 101)], id(2), None),
            (
                "an owner who never signed in",
                vec![Claim { signed_in: None, sealed: 900, ..owned(1, 0) }, owned(2, 100)],
                id(2),
                None,
            ),
            ("strangers, made one after the other", vec![made(1, 100, 99), made(2, 101, 98)], id(2), None),
            (
                "strangers, made at once, begun one after the other",
                vec![made(1, 100, 99), made(2, 100, 98)],
                id(1),
                None,
            ),
            ("nothing tells them apart", vec![claim(1), claim(2)], id(1), None),
            ("a stranger's higher revision", vec![revision(1, 9, 100), owned(2, 100)], id(2), None),
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
