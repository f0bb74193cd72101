//! What a session costs: `cargo bench -p waxseal-manager`.
//!
//! `open` of a 100-byte session stands beside the cipher alone on a ciphertext of the same length, in one run: the
//! difference is all else that opening does (text, key derivation, commitment, times, the index of entries).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chacha20poly1305::{AeadInOut, KeyInit, XChaCha20Poly1305};
use divan::{Bencher, black_box};
use waxseal_crypto::{Keyring, SecretKey};
use waxseal_manager::{Access, Outcome, SessionManager, Visit};

fn main() {
    divan::main();
}

const NOW: SystemTime = UNIX_EPOCH;
const LATER: Duration = Duration::from_secs(1);

fn sessions() -> SessionManager {
    let keyring = Keyring::new(SecretKey::from_bytes([7; 32]));
    SessionManager::cookie(&keyring, "__Host-session", "bench").unwrap()
}

/// A session of `keys` entries with values of `bytes` each.
fn fill(session: &Visit, keys: usize, bytes: usize) {
    for key in 0..keys {
        session.insert(&format!("key{key:04}"), "x".repeat(bytes)).unwrap();
    }
}

fn commit(sessions: &SessionManager, session: &Visit) -> Outcome {
    let mut commit = std::pin::pin!(sessions.commit(session, NOW));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match commit.as_mut().poll(&mut context) {
        std::task::Poll::Ready(outcome) => outcome.unwrap(),
        std::task::Poll::Pending => unreachable!("state cookie waits for nothing"),
    }
}

fn token(sessions: &SessionManager, keys: usize, bytes: usize) -> String {
    let session = sessions.create();
    fill(&session, keys, bytes);
    match commit(sessions, &session) {
        Outcome::Set { token, .. } => token,
        other => panic!("{other:?}"),
    }
}

/// Keys and value bytes: 100 bytes in all, 2.5 KB in 42 entries, 2.6 KB in one.
const SHAPES: [(usize, usize); 3] = [(4, 14), (42, 50), (1, 2_500)];

#[divan::bench(args = SHAPES)]
fn open(bencher: Bencher, (keys, bytes): (usize, usize)) {
    let sessions = sessions();
    let token = token(&sessions, keys, bytes);
    bencher.bench(|| sessions.open(black_box(token.as_bytes()), Access::Read, NOW + LATER).unwrap());
}

/// What [`open`] would cost if it were nothing but the cipher.
#[divan::bench(args = SHAPES)]
fn cipher_alone(bencher: Bencher, (keys, bytes): (usize, usize)) {
    let text = token(&sessions(), keys, bytes).len();
    let ciphertext = text * 3 / 4 - 61 - 16;
    let key = black_box([7; 32]);
    let mut sealed = vec![0; ciphertext];
    let tag = XChaCha20Poly1305::new(&key.into())
        .encrypt_inout_detached(&[0; 24].into(), &[0; 5], (&mut sealed[..]).into())
        .unwrap();
    bencher.with_inputs(|| sealed.clone()).bench_values(|mut sealed| {
        let cipher = XChaCha20Poly1305::new(&key.into());
        cipher.decrypt_inout_detached(&[0; 24].into(), &[0; 5], (&mut sealed[..]).into(), &tag).unwrap();
        sealed
    });
}

#[divan::bench(args = SHAPES)]
fn change_and_commit(bencher: Bencher, (keys, bytes): (usize, usize)) {
    let sessions = sessions();
    let token = token(&sessions, keys, bytes);
    let opened = || sessions.open(token.as_bytes(), Access::Read, NOW).unwrap().ready().unwrap();
    bencher.with_inputs(opened).bench_values(|session| {
        session.insert("key0000", black_box(7)).unwrap();
        commit(&sessions, &session)
    });
}

#[divan::bench(args = [1, 42])]
fn get(bencher: Bencher, keys: usize) {
    let session = sessions().create();
    fill(&session, keys, 14);
    let last = format!("key{:04}", keys - 1);
    bencher.bench(|| session.get::<String>(black_box(&last)).unwrap());
}

#[divan::bench]
fn insert(bencher: Bencher) {
    let sessions = sessions();
    bencher.with_inputs(|| sessions.create()).bench_values(|session| {
        session.insert("name", black_box("Merlin")).unwrap();
        session
    });
}
