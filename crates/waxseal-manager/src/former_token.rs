//! Tokens of the state in which sessions were kept before.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use waxseal_crypto::{Limits, Opened as OpenedSeal};
use waxseal_session::backend::Content;
use waxseal_store::Timestamp;

use crate::access::Access;
use crate::active_keys::TokenKeys;
use crate::adoption::foreign::ForeignRef;
use crate::adoption::former::FormerState;
use crate::adoption::refusal::ForeignRefusal;
use crate::open::{Asked, Opened, Snapshot};
use crate::origin::COOKIE_ID_BYTES;
use crate::records::token::Token;
use crate::rejected::Reason;
use crate::revocations::epoch::Epoch;
use crate::revocations::question::Question;

impl<'a> Snapshot<'a> {
    /// Opens a token that was refused because of its state, if sessions of that state are taken over. Otherwise returns
    /// the reason.
    pub(crate) fn open_former(
        &self,
        token: &[u8],
        refused: Reason,
        access: Access,
        now: Timestamp,
    ) -> Result<Opened<'a>, Reason> {
        let adopter = self.sessions.adopter.as_ref().filter(|adopter| now < adopter.terms.until);
        let (Some(adopter), Reason::State(name)) = (adopter, &refused) else { return Err(refused) };
        let Some(state) = adopter.terms.former.called(name) else { return Err(refused) };
        let widest = self.sessions.lifetimes.widest();
        let token = match (state, self.keys.of_state(name)) {
            (FormerState::Store, Some(TokenKeys::Signed(tokens))) => {
                let signed = tokens.open(token, now.as_secs(), widest.absolute);
                Token::of_id(&signed.map_err(|rejected| Reason::Seal(rejected.reason()))?)
            }
            (FormerState::Mirrored, Some(TokenKeys::Sealed(sealer))) => {
                let opened = sealer.open_text(token, now.as_secs(), Limits { idle: u32::MAX, ..widest });
                let opened = opened.map_err(|rejected| Reason::Seal(rejected.reason()))?;
                Token::parse(opened).map_err(Reason::Content)?
            }
            (FormerState::Cookie, Some(TokenKeys::Sealed(sealer))) => {
                let opened = sealer.open_text(token, now.as_secs(), widest);
                return self.open_former_cookie(
                    opened.map_err(|rejected| Reason::Seal(rejected.reason()))?,
                    access,
                    now,
                );
            }
            _ => return Err(refused),
        };
        Ok(self.pending(Asked::Token(Box::new(token.into_former())), access))
    }

    /// Opens a token of state `cookie` whose session will get a record.
    fn open_former_cookie(
        &self,
        opened: OpenedSeal,
        access: Access,
        now: Timestamp,
    ) -> Result<Opened<'a>, Reason> {
        let times = opened.times();
        let id = opened.payload().first_chunk::<COOKIE_ID_BYTES>();
        let id = *id.ok_or(Reason::Content("it ends before its id"))?;
        let (buffer, payload) = opened.into_payload();
        let content = payload.start + COOKIE_ID_BYTES..payload.end;
        let mut content = Content::parse(buffer, content).map_err(Reason::Content)?;
        let limits = self.sessions.lifetimes.of_session(&content);
        times.check(now.as_secs(), limits).map_err(Reason::Seal)?;
        let question = Question::new(id, times, &content);
        Epoch::put(None, &mut content.metadata);
        let moment = |seconds: u64| Timestamp::from_millis(seconds.saturating_mul(1_000));
        let foreign = ForeignRef {
            lives_on: false,
            replay_id: Sha256::new().chain_update(b"waxseal/former\0").chain_update(id).finalize().into(),
            began: moment(times.created()),
            end: moment(times.created()).after(Duration::from_secs(limits.absolute.into())),
            owner: content.owner(),
            is_unique: true,
            former: Some(question),
        };
        let adopter = self.sessions.adopter.as_ref().expect("it was asked for above");
        if foreign.began >= adopter.terms.switched {
            self.sessions.refuse_foreign(ForeignRefusal::AfterSwitch);
            return Err(Reason::State(FormerState::Cookie.name()));
        }
        Ok(self.pending(Asked::Foreign(Box::new(foreign), Arc::new(content)), access))
    }
}
