//! Walks: any order of sign-ins, registrations, refreshes, renewals, ends, thefts, slow answers and outages, in all states,
//! at two servers whose clocks may be apart.
//!
//! What the model in `waxseal-manager` holds for `store` and `mirrored` at each call to the store, this holds for the whole
//! layer: its gate with all its verdicts, its endpoints, and `cookie` with a list and without. Requests go one after another,
//! or two at once, which meet between the calls to the store; answers may be taken in late.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use http::Response;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use waxseal_http::DevicePolicy;

use crate::browser::{ALL, Browser, Site, State, is_device_cookie};

const STEPS: usize = 40;
/// Walks of an everyday run, in each state.
const CASES: u32 = 250;
const MANY_CASES: u32 = 10_000;
const SESSION: &str = "__Host-session";
const BROWSERS: usize = 2;
/// The seed of a thief's key. Browsers have those of their numbers.
const THIEF: u8 = 9;
const ENDED: &str = r#"{"continue":false}"#;

/// Any time, in seconds: minutes count from here.
const START: u64 = 1_000_000;
/// Shorter than an idle session lives.
const SPAN: u64 = 1_700;
const SETTLING: u64 = 60;
const PROOF: u64 = 660;
const FRESHNESS: u64 = 5;
const GRACE: u64 = 300;
/// The time for which an id that was left is known as such, in seconds.
const TOMBSTONE: u64 = 60;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Look,
    Count,
    SignIn,
    Register,
    Refresh,
    Renew,
    EndOthers,
    SignOut,
}

/// A request of one of the parties.
#[derive(Debug, Clone, Copy)]
struct Deed {
    party: usize,
    server: usize,
    act: Act,
    /// It left before the party's last answer was taken in.
    behind: bool,
    /// It comes without a device cookie, and says so.
    skips: Option<&'static str>,
    /// If it signs in, then by another site's callback.
    is_callback: bool,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Pass(u64),
    One(Deed),
    /// A sign-in, and the registration that follows; after another site's callback, the page between them. A thief may
    /// copy the jar before the offer.
    Begin(Deed, bool),
    /// One after another, of which the second left before the first was answered.
    Late(Deed, Deed),
    /// Two at once. The bits say whose turn it is, the last one whose answer comes first.
    Two(Deed, Deed, u32),
    /// A thief copies a browser's jar, and knows what it was offered and by what name its key goes.
    Steal(usize),
    Away(bool),
}

/// Somebody with a jar and a key.
#[derive(Clone)]
struct Party {
    seed: u8,
    browser: Browser,
    /// The same before the last answer.
    before: Browser,
}

/// A session from one sign-in to the next, whatever ids it has meanwhile.
#[derive(Clone, Default)]
struct Chain {
    is_owned: bool,
    bound: Option<Bound>,
    over: Option<Over>,
    /// It may be over or not.
    is_unsure: bool,
    /// The number of the session that it and all sessions began with that were signed in to in its place.
    family: usize,
    /// When it left each of its ids.
    left: Vec<u64>,
}

/// A key that took up an offer. A browser makes one for each offer, so two offers that it takes up are two keys, also with
/// the seed of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    seed: u8,
    /// The number of the offer.
    offer: usize,
}

/// A tie to a key.
#[derive(Debug, Clone, Copy)]
struct Bound {
    key: Key,
    /// By the clock of the server that bound it.
    at: u64,
    done: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    Ended,
    SignedInAnew,
}

/// A session token that a server gave.
#[derive(Debug, Clone, Copy)]
struct Token {
    chain: usize,
    /// The number of the session's id.
    id: usize,
    /// What it says of the tie.
    bound: Option<Bound>,
}

/// A device cookie that a server gave.
#[derive(Debug, Clone, Copy)]
struct Proof {
    chain: usize,
    key: Key,
    minted: u64,
}

/// A request as it left, and what was true then.
struct Sent {
    deed: Deed,
    browser: Browser,
    seed: u8,
    token: Option<Token>,
    chain: Option<Chain>,
    /// The keys that it proves.
    proves: Vec<Key>,
    /// The server's time.
    at: u64,
    begun: u64,
}

struct World {
    state: State,
    servers: [Site; 2],
    ahead: [i64; 2],
    now: u64,
    is_away: bool,
    parties: Vec<Party>,
    chains: Vec<Chain>,
    tokens: HashMap<String, Token>,
    proofs: HashMap<String, Proof>,
    identifiers: HashMap<String, (usize, Key)>,
    /// The numbers of the offers that were taken up.
    offers: HashMap<String, usize>,
}

impl World {
    fn new(state: State, apart: i64) -> Self {
        let first = Site::new(state);
        let servers = [first.clone(), first.beside(Some(DevicePolicy::Require), apart)];
        let parties = (1..=BROWSERS).map(|seed| {
            let seed = u8::try_from(seed).expect("few browsers");
            Party { seed, browser: Browser::new(seed), before: Browser::new(seed) }
        });
        Self {
            state,
            servers,
            ahead: [0, apart],
            now: START,
            is_away: false,
            parties: parties.collect(),
            chains: Vec::new(),
            tokens: HashMap::new(),
            proofs: HashMap::new(),
            identifiers: HashMap::new(),
            offers: HashMap::new(),
        }
    }

    async fn take(&mut self, step: Step) -> Result<(), String> {
        match step {
            // What an idle session is ended by is no rule of these.
            Step::Pass(seconds) if self.now + seconds >= START + SPAN => {}
            Step::Pass(seconds) => {
                self.servers[0].pass(seconds);
                self.now += seconds;
            }
            Step::Away(is_away) => {
                self.servers[0].store.set_away(is_away);
                self.is_away = is_away;
            }
            Step::Steal(browser) => self.steal(browser),
            Step::One(deed) => self.go(deed).await?,
            Step::Begin(deed, is_copied) => {
                self.go(Deed { act: Act::SignIn, ..deed }).await?;
                if is_copied && deed.party < BROWSERS {
                    self.steal(deed.party);
                }
                if deed.is_callback {
                    self.go(Deed { act: Act::Look, behind: false, ..deed }).await?;
                }
                self.go(Deed { act: Act::Register, behind: false, ..deed }).await?;
            }
            Step::Late(one, two) => {
                self.go(one).await?;
                self.go(Deed { party: one.party, behind: true, ..two }).await?;
            }
            Step::Two(one, two, order) => {
                let (Some(one), Some(two)) = (self.sent(one), self.sent(two)) else { return Ok(()) };
                let future = |sent: &Sent| {
                    let site = self.servers[sent.deed.server].clone();
                    let (browser, deed) = (sent.browser.clone(), sent.deed);
                    async move { send(&site, browser, deed).await }
                };
                let answers = both(future(&one), future(&two), order).await;
                if order & 1 == 0 {
                    self.take_in(&one, &answers.0);
                    self.take_in(&two, &answers.1);
                } else {
                    self.take_in(&two, &answers.1);
                    self.take_in(&one, &answers.0);
                }
                let leaves = |sent: &Sent| {
                    matches!(sent.deed.act, Act::Renew | Act::EndOthers | Act::SignIn | Act::SignOut)
                };
                if [&one, &two].iter().any(|sent| sent.deed.act == Act::EndOthers) {
                    self.chains.iter_mut().for_each(|chain| chain.is_unsure = true);
                } else if leaves(&one) && leaves(&two) {
                    // One of two ids may be dead from the beginning.
                    for token in [&one, &two].into_iter().filter_map(|sent| sent.token) {
                        self.doubt_family(token.chain);
                    }
                }
                self.judge(&one, &answers.0)?;
                self.judge(&two, &answers.1)?;
            }
        }
        Ok(())
    }

    fn steal(&mut self, browser: usize) {
        let victim = &self.parties[browser].browser;
        let mut thief = victim.stolen(THIEF);
        (thief.offer, thief.identifier) = (victim.offer.clone(), victim.identifier.clone());
        let thief = Party { seed: THIEF, before: thief.clone(), browser: thief };
        self.parties.truncate(BROWSERS + 1);
        self.parties.insert(BROWSERS, thief);
    }

    /// A request that meets no other.
    async fn go(&mut self, deed: Deed) -> Result<(), String> {
        let Some(sent) = self.sent(deed) else { return Ok(()) };
        let answer = send(&self.servers[deed.server], sent.browser.clone(), deed).await;
        self.take_in(&sent, &answer);
        self.judge(&sent, &answer)?;
        self.judge_alone(&sent, &answer)
    }

    /// The request as it leaves; `None` if the party has nothing to register or refresh.
    fn sent(&self, deed: Deed) -> Option<Sent> {
        let party = &self.parties[deed.party % self.parties.len()];
        let deed = Deed { party: deed.party % self.parties.len(), ..deed };
        let mut browser = if deed.behind { party.before.clone() } else { party.browser.clone() };
        match deed.act {
            Act::Register => browser.offer.as_ref().map(drop)?,
            Act::Refresh => browser.identifier.as_ref().map(drop)?,
            Act::EndOthers if self.state == State::Cookie => return None,
            _ => {}
        }
        if let Some(reason) = deed.skips {
            browser = browser.without_proof();
            if let Some(identifier) = browser.identifier.clone() {
                let header = format!("{reason};session_identifier=\"{identifier}\"");
                browser = browser.with("secure-session-skipped", &header);
            }
        }
        let token = browser.jar.get(SESSION).and_then(|(value, _)| self.tokens.get(value)).copied();
        let at = self.now.saturating_add_signed(self.ahead[deed.server]);
        let proofs = browser.jar.iter().filter(|(name, _)| is_device_cookie(name));
        let proofs = proofs.filter_map(|(_, (value, _))| self.proofs.get(value));
        let is_good = |proof: &&Proof| {
            let is_of_it = token.is_some_and(|token| token.chain == proof.chain);
            is_of_it && proof.minted <= at + 60 && at < proof.minted + PROOF
        };
        Some(Sent {
            seed: party.seed,
            proves: proofs.filter(is_good).map(|proof| proof.key).collect(),
            chain: token.map(|token| self.chains[token.chain].clone()),
            deed,
            browser,
            token,
            at,
            begun: self.now,
        })
    }

    /// The tie of the request's session, as far as its state knows it.
    fn bound(&self, token: Token, chain: &Chain) -> Option<Bound> {
        if self.state == State::Cookie { token.bound } else { chain.bound }
    }

    /// The party keeps the answer, and what it promises is noted.
    fn take_in(&mut self, sent: &Sent, (answer, identifier): &Answer) {
        let party = &mut self.parties[sent.deed.party];
        party.before = party.browser.clone();
        party.browser.keep(answer.headers());
        let (act, is_good) = (sent.deed.act, answer.status() == 200);
        let is_shown = is_good && answer.body() == "albus" && act != Act::SignIn;
        let was = sent.token.map(|token| token.chain);
        if self.is_away && act != Act::Look {
            // Ends wait for the store.
            was.into_iter().for_each(|chain| self.chains[chain].is_unsure = true);
        }
        let is_current = sent.token.is_some_and(|token| token.id == self.chains[token.chain].left.len());
        match act {
            Act::SignIn | Act::SignOut if is_good && self.state != State::Cookie => {
                let over = if act == Act::SignIn { Over::SignedInAnew } else { Over::Ended };
                match was.map(|chain| &mut self.chains[chain]) {
                    Some(chain) if is_current && chain.over.is_none() && !chain.is_unsure => {
                        chain.over = Some(over);
                    }
                    // By an id that was left, or may have been, it ends what the session became.
                    _ => was.into_iter().for_each(|chain| self.doubt_family(chain)),
                }
            }
            Act::Renew | Act::EndOthers if is_shown => {
                let chain = was.expect("a session is shown to whoever has its token");
                self.chains[chain].left.push(self.now);
                if act == Act::EndOthers {
                    for (_, other) in self.chains.iter_mut().enumerate().filter(|(other, _)| *other != chain)
                    {
                        other.over = other.over.or(other.is_owned.then_some(Over::Ended));
                    }
                }
            }
            // Others may have been ended before it failed.
            Act::EndOthers if !is_good => self.chains.iter_mut().for_each(|chain| chain.is_unsure = true),
            // Two keys for one offer: the session may be ended.
            Act::Register if !is_good => {
                let chain = was.map(|chain| &mut self.chains[chain]);
                if let Some(chain) = chain {
                    chain.is_unsure |= chain.bound.is_some_and(|bound| bound.key.seed != sent.seed);
                }
            }
            _ => {}
        }
        let token = self.given_token(sent, answer, is_shown, was);
        let own = (act == Act::Register).then(|| self.key_of(sent));
        if let Some(key) = own.filter(|_| is_good) {
            let (chain, identifier) = (was.expect("it was bound"), identifier.clone().expect("it was told"));
            self.parties[sent.deed.party].browser.identifier = Some(identifier.clone());
            self.identifiers.insert(identifier, (chain, key));
            let bound = Bound { key, at: sent.at, done: self.now };
            let first = self.chains[chain].bound.get_or_insert(bound);
            // An answer that is asked for once more, with a token from before, counts from its own time.
            first.at = first.at.max(bound.at);
            if let Some(token) = token {
                self.tokens.get_mut(&token).expect("it was just noted").bound = Some(bound);
            }
        }
        let known = sent.browser.identifier.as_ref().and_then(|identifier| self.identifiers.get(identifier));
        let proven = match act {
            Act::Register => was.zip(own),
            Act::Refresh => known.copied(),
            _ => None,
        };
        if let Some((chain, key)) = proven.filter(|_| is_good) {
            let jar = &self.parties[sent.deed.party].browser.jar;
            for (_, (value, _)) in jar.iter().filter(|(name, _)| is_device_cookie(name)) {
                self.proofs.entry(value.clone()).or_insert(Proof { chain, key, minted: sent.at });
            }
        }
    }

    /// The key with which a party registers.
    fn key_of(&mut self, sent: &Sent) -> Key {
        let offer = sent.browser.offer.clone().expect("a registration takes up an offer");
        let count = self.offers.len();
        Key { seed: sent.seed, offer: *self.offers.entry(offer).or_insert(count) }
    }

    fn doubt_family(&mut self, chain: usize) {
        let family = self.chains[chain].family;
        let all = self.chains.iter_mut().filter(|chain| chain.family == family);
        all.for_each(|chain| chain.is_unsure = true);
    }

    /// Notes the session token that the answer gives, if it does.
    fn given_token(
        &mut self,
        sent: &Sent,
        answer: &Response<String>,
        is_shown: bool,
        was: Option<usize>,
    ) -> Option<String> {
        let mut given = Browser::new(1);
        given.keep(answer.headers());
        let (text, _) = given.jar.remove(SESSION)?;
        let is_old = self.state == State::Store && self.tokens.contains_key(&text);
        let act = sent.deed.act;
        let is_of_it = is_shown || (act == Act::Register && answer.status() == 200);
        let mut token = match (act, sent.token.filter(|_| is_of_it)) {
            (Act::Renew | Act::EndOthers, Some(token)) => {
                Token { id: self.chains[token.chain].left.len(), ..token }
            }
            (_, Some(token)) => token,
            (_, None) if is_old => return Some(text),
            (_, None) => {
                // The token of an anonymous visitor may be another one of the same session.
                if let Some(was) = was.filter(|_| act != Act::SignIn) {
                    self.chains[was].is_unsure |= !self.chains[was].is_owned;
                }
                let family = was.map_or(self.chains.len(), |chain| self.chains[chain].family);
                self.chains.push(Chain { is_owned: act == Act::SignIn, family, ..Chain::default() });
                Token { chain: self.chains.len() - 1, id: 0, bound: None }
            }
        };
        // It was healed.
        let proven = was.and_then(|chain| self.chains[chain].bound).filter(|_| act != Act::SignIn);
        if let (None, Some(bound), [key, ..]) = (token.bound, proven, &*sent.proves) {
            token.bound = Some(Bound { key: *key, ..bound });
        }
        self.tokens.insert(text.clone(), token);
        Some(text)
    }

    /// What holds for every answer.
    fn judge(&self, sent: &Sent, (answer, identifier): &Answer) -> Result<(), String> {
        let act = sent.deed.act;
        let is_shown = answer.status() == 200 && answer.body() == "albus" && act != Act::SignIn;
        if is_shown {
            let (Some(token), Some(chain)) = (sent.token, &sent.chain) else {
                return Err("a page was shown to nobody".to_owned());
            };
            hold("a page has the owner that signed in", chain.is_owned)?;
            if let Some(bound) = self.bound(token, chain) {
                let (lag, away) = match (self.state, act) {
                    (State::Listed | State::Mirrored, Act::Look) if token.bound.is_none() => {
                        (FRESHNESS, GRACE)
                    }
                    _ => (0, 0),
                };
                let lag = if self.is_away { away } else { lag };
                let apart = self.ahead[1].unsigned_abs();
                let lacks = match self.state {
                    State::Mirrored => sent.begun < bound.done + lag + apart * u64::from(lag > 0),
                    _ => sent.at < bound.at + SETTLING + lag,
                };
                let is_settling = sent.at < bound.at + SETTLING;
                hold(
                    "no page is shown to a request that is neither proven, settling, nor unbound by what is known",
                    sent.proves.contains(&bound.key) || is_settling || lacks,
                )?;
            }
        }
        match act {
            Act::Refresh => self.judge_refresh(sent, answer),
            Act::Register => self.judge_registration(answer, identifier.as_ref()),
            _ => Ok(()),
        }
    }

    fn judge_registration(
        &self,
        answer: &Response<String>,
        identifier: Option<&String>,
    ) -> Result<(), String> {
        let known = identifier.and_then(|identifier| self.identifiers.get(identifier));
        let Some((chain, key)) = known.filter(|_| answer.status() == 200) else { return Ok(()) };
        let first = self.chains[*chain].bound.expect("it was bound");
        hold(
            "a session has one key where a server can see both",
            first.key == *key || self.state == State::Cookie,
        )
    }

    fn judge_refresh(&self, sent: &Sent, answer: &Response<String>) -> Result<(), String> {
        let identifier = sent.browser.identifier.as_ref().expect("it came with one");
        let Some((chain, key)) = self.identifiers.get(identifier).copied() else { return Ok(()) };
        let is_told_to_stop = answer.body() == ENDED;
        let gives = answer.headers().get_all("set-cookie").iter().any(|line| {
            let line = line.to_str().expect("it was written here");
            is_device_cookie(line) && !line.contains("Max-Age=0")
        });
        hold("a device is proven by its key alone", !gives || key.seed == sent.seed)?;
        let Some(token) = sent.token.filter(|token| token.chain == chain) else { return Ok(()) };
        let now = &self.chains[chain];
        // Without a list, `cookie` binds a session to each offer that is taken up: a second one, too, which was made to a
        // request from before the first binding. The key that the token names stays, and the other is of no use.
        let knows = self.bound(token, now).is_none_or(|bound| bound.key == key);
        let left = now.left.get(token.id).copied();
        let is_forgotten =
            left.is_some_and(|left| self.now + self.ahead[1].unsigned_abs() >= left + TOMBSTONE);
        let is_forgotten = is_forgotten && matches!(self.state, State::Store | State::Mirrored);
        hold(
            "no refresh of a session that lives costs the browser its key",
            !is_told_to_stop || !knows || now.over.is_some() || now.is_unsure || is_forgotten,
        )?;
        let was = sent.chain.as_ref().expect("it has a token");
        let is_over = was.over == Some(Over::Ended) && left.is_none() && !was.is_unsure && !self.is_away;
        hold(
            "a browser whose session was ended is told to stop",
            is_told_to_stop || !is_over || answer.status() == 400 || self.state == State::Cookie,
        )
    }

    /// What holds for an answer that met no other request.
    fn judge_alone(&self, sent: &Sent, (answer, _): &Answer) -> Result<(), String> {
        let is_shown = answer.status() == 200 && answer.body() == "albus";
        let (Some(token), Some(chain)) = (sent.token, &sent.chain) else { return Ok(()) };
        if self.is_away || chain.is_unsure || !matches!(sent.deed.act, Act::Look | Act::Count | Act::Renew) {
            return Ok(());
        }
        let is_change = sent.deed.act != Act::Look;
        hold(
            "who acts is not shown an ended session",
            chain.over.is_none() || !is_change || !is_shown || self.state == State::Cookie,
        )?;
        let is_current = token.id == chain.left.len() || self.state == State::Cookie;
        let is_proven = self.bound(token, chain).is_none_or(|bound| sent.proves.contains(&bound.key));
        let may_see = chain.is_owned && chain.over.is_none() && is_current && is_proven;
        hold("a living session's visitor is shown it", is_shown || !may_see)
    }
}

type Answer = (Response<String>, Option<String>);

/// Sends what `deed` sends, and returns the last answer, and the name of a key that was registered.
async fn send(site: &Site, mut browser: Browser, deed: Deed) -> Answer {
    let answer = match deed.act {
        Act::Look => browser.send(site, "GET", "/").await,
        Act::Count => browser.send(site, "POST", "/count").await,
        Act::SignIn if deed.is_callback => {
            site.send(browser.with("sec-fetch-site", "cross-site").request("GET", "/login")).await
        }
        Act::SignIn => browser.send(site, "POST", "/login").await,
        Act::Renew => browser.send(site, "POST", "/renew").await,
        Act::EndOthers => browser.send(site, "POST", "/end-others").await,
        Act::SignOut => browser.send(site, "POST", "/logout").await,
        Act::Refresh => browser.refresh(site).await,
        Act::Register => browser.register(site).await,
    };
    (answer, browser.identifier)
}

/// Drives both, each in its turn by the bits of `order`, and then both as they are woken: one may wait for time to pass.
pub(crate) async fn both<T>(
    one: impl Future<Output = T>,
    two: impl Future<Output = T>,
    order: u32,
) -> (T, T) {
    let (mut one, mut two) = (pin!(one), pin!(two));
    let (mut first, mut second, mut turns) = (None, None, 0..u32::BITS);
    poll_fn(|context| {
        let turn = turns.next().map(|turn| order >> turn & 1);
        if turn.is_some() {
            context.waker().wake_by_ref();
        }
        if first.is_none() && turn != Some(1) {
            first = ready(one.as_mut().poll(context));
        }
        if second.is_none() && turn != Some(0) {
            second = ready(two.as_mut().poll(context));
        }
        match (first.take(), second.take()) {
            (Some(first), Some(second)) => Poll::Ready((first, second)),
            some => {
                (first, second) = some;
                Poll::Pending
            }
        }
    })
    .await
}

fn ready<T>(polled: Poll<T>) -> Option<T> {
    match polled {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

fn hold(rule: &str, holds: bool) -> Result<(), String> {
    if holds { Ok(()) } else { Err(rule.to_owned()) }
}

fn any_deed() -> impl Strategy<Value = Deed> {
    let act = prop_oneof![
        5 => Just(Act::Look),
        2 => Just(Act::Count),
        2 => Just(Act::SignIn),
        4 => Just(Act::Register),
        4 => Just(Act::Refresh),
        2 => Just(Act::Renew),
        1 => Just(Act::EndOthers),
        1 => Just(Act::SignOut),
    ];
    let skips = prop_oneof![4 => Just(None), 1 => prop::sample::select(&[Some("quota_exceeded"), Some("server_error")][..])];
    let party = prop_oneof![3 => Just(0_usize), 1 => Just(1), 2 => Just(2)];
    let behind = prop_oneof![4 => Just(false), 1 => Just(true)];
    let is_callback = prop_oneof![2 => Just(false), 1 => Just(true)];
    (party, 0..2_usize, act, behind, skips, is_callback).prop_map(
        |(party, server, act, behind, skips, is_callback)| Deed {
            party,
            server,
            act,
            behind,
            skips,
            is_callback,
        },
    )
}

fn any_step() -> impl Strategy<Value = Step> {
    let seconds = prop::sample::select(&[1_u64, 4, 6, 59, 60, 61, 66, 100, 300, 661][..]);
    prop_oneof![
        3 => seconds.prop_map(Step::Pass),
        6 => any_deed().prop_map(Step::One),
        2 => (any_deed(), any::<bool>()).prop_map(|(deed, is_copied)| Step::Begin(deed, is_copied)),
        3 => (any_deed(), any_deed()).prop_map(|(one, two)| Step::Late(one, two)),
        3 => (any_deed(), any_deed(), any::<u32>()).prop_map(|(one, two, order)| Step::Two(one, two, order)),
        1 => (0..BROWSERS).prop_map(Step::Steal),
        1 => prop_oneof![1 => Just(true), 2 => Just(false)].prop_map(Step::Away),
    ]
}

/// Walks in `state` until a rule is broken.
fn walk(state: State, cases: u32) {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(cases);
    let config = Config { cases, max_shrink_iters: 5_000, failure_persistence: None, ..Config::default() };
    // Every run has the same walks, unless the variable has another number.
    let seed = std::env::var("WAXSEAL_WALK_SEED").ok().and_then(|seed| seed.parse::<u8>().ok()).unwrap_or(0);
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]));
    let apart = prop::sample::select(&[0_i64, 0, 30, -30, 60, -60][..]);
    let outcome = runner.run(&(apart, vec(any_step(), 1..=STEPS)), |(apart, steps)| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a thread's runtime");
        let mut world = World::new(state, apart);
        for step in steps {
            runtime.block_on(world.take(step)).map_err(TestCaseError::fail)?;
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{state:?}: {error}");
    }
}

#[test]
fn no_rule_is_broken_on_any_walk_through_state_cookie() {
    walk(State::Cookie, CASES);
}

#[test]
fn no_rule_is_broken_on_any_walk_through_state_cookie_with_a_list() {
    walk(State::Listed, CASES);
}

#[test]
fn no_rule_is_broken_on_any_walk_through_state_store() {
    walk(State::Store, CASES);
}

#[test]
fn no_rule_is_broken_on_any_walk_through_state_mirrored() {
    walk(State::Mirrored, CASES);
}

#[test]
#[ignore = "minutes"]
fn no_rule_is_broken_on_many_walks() {
    for state in ALL {
        walk(state, MANY_CASES);
    }
}
