//! What sealing and opening cost, beside the bare cipher over the same bytes.
//!
//! `cargo bench -p waxseal-crypto`

use chacha20poly1305::{AeadInOut, KeyInit, XChaCha20Poly1305};
use divan::{Bencher, black_box};
use waxseal_crypto::{Context, Keyring, Limits, Sealer, SecretKey, Times};

const NOW: u64 = 1_789_999_900;
const PAYLOADS: [usize; 2] = [100, 2_500];
const RINGS: [u8; 2] = [1, 16];

fn main() {
    divan::main();
}

/// The sealer of a ring whose first key is always the same.
fn sealer(keys: u8) -> Sealer {
    let key = |at| SecretKey::from_bytes([at; 32]);
    let ring = (1..keys).try_fold(Keyring::new(key(0)), |ring, at| ring.with_fallback(key(at)));
    ring.unwrap().sealer(&Context::new("session").unwrap().with_name("__Host-session").unwrap())
}

fn times() -> Times {
    Times::new(NOW, NOW, 1_800, 43_200)
}

#[divan::bench(args = PAYLOADS, consts = RINGS, sample_size = 100)]
fn seal_text<const KEYS: u8>(bencher: Bencher, bytes: usize) {
    let (sealer, payload) = (sealer(KEYS), vec![7; bytes]);
    bencher.bench(|| sealer.seal_text(black_box(&payload), times()).unwrap());
}

/// Sealed by the ring's last key, so that every key is looked at.
#[divan::bench(args = PAYLOADS, consts = RINGS, sample_size = 100)]
fn open_text<const KEYS: u8>(bencher: Bencher, bytes: usize) {
    let oldest = Keyring::new(SecretKey::from_bytes([KEYS - 1; 32]));
    let context = Context::new("session").unwrap().with_name("__Host-session").unwrap();
    let text = oldest.sealer(&context).seal_text(&vec![7; bytes], times()).unwrap();
    let sealer = sealer(KEYS);
    bencher.bench(|| sealer.open_text(black_box(text.as_bytes()), NOW, Limits::NONE).unwrap());
}

/// The bare cipher over a ciphertext as long as that of `open_text`, keyed per call as the format needs.
#[divan::bench(args = PAYLOADS, sample_size = 100)]
fn open_aead_alone(bencher: Bencher, bytes: usize) {
    let mut sealed = vec![7_u8; (20 + bytes + 1).next_multiple_of(64)];
    let (key, nonce, associated) = ([1; 32], [2; 24], [3; 5]);
    let cipher = XChaCha20Poly1305::new(&key.into());
    let tag =
        cipher.encrypt_inout_detached(&nonce.into(), &associated, sealed.as_mut_slice().into()).unwrap();
    bencher.with_inputs(|| sealed.clone()).bench_local_refs(|buffer| {
        XChaCha20Poly1305::new(black_box(&key).into())
            .decrypt_inout_detached(&nonce.into(), &associated, buffer.as_mut_slice().into(), &tag)
            .unwrap();
    });
}
