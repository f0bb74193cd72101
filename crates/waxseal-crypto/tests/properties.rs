//! Laws of sealing: opening undoes it for any input, and nothing else opens.

use proptest::collection::vec;
use proptest::prelude::*;
use waxseal_crypto::{Context, Keyring, Limits, MAX_BOUND_BYTES, Reason, Sealer, SecretKey, Times};

const NOW: u64 = 1_789_999_900;

fn key(at: u8) -> SecretKey {
    SecretKey::from_bytes([at; 32])
}

fn ring(keys: &[u8]) -> Keyring {
    let (first, rest) = keys.split_first().unwrap();
    rest.iter().try_fold(Keyring::new(key(*first)), |ring, at| ring.with_fallback(key(*at))).unwrap()
}

fn context(purpose: &str, name: &str, audience: &str) -> Context {
    Context::new(purpose).unwrap().with_name(name).unwrap().with_audience(audience).unwrap()
}

fn sealer() -> Sealer {
    ring(&[1]).sealer(&context("session", "__Host-session", "wizard"))
}

fn fresh() -> Times {
    Times::new(NOW, NOW, 1_800, 43_200)
}

/// Times that live for at least a second, and a moment at which they do.
fn living() -> impl Strategy<Value = (Times, u64)> {
    (0..u64::MAX - u64::from(u32::MAX), 0..u32::MAX, 1..=u32::MAX).prop_map(|(created, age, idle)| {
        let now = created + u64::from(age);
        (Times::new(created, now, idle, u32::MAX), now)
    })
}

fn labels() -> impl Strategy<Value = [String; 3]> {
    [".{0,60}", ".{0,60}", ".{0,60}"]
}

proptest! {
    #[test]
    fn opening_undoes_sealing(
        payload in vec(any::<u8>(), 0..2_700),
        bound in vec(any::<u8>(), 0..=MAX_BOUND_BYTES),
        (times, now) in living(),
        [purpose, name, audience] in labels(),
    ) {
        let sealer = ring(&[1]).sealer(&context(&purpose, &name, &audience));
        let sealed = sealer.seal(&payload, &bound, times).unwrap();
        let opened = sealer.open(&sealed, &bound, now, Limits::NONE).unwrap();
        prop_assert_eq!((opened.payload(), opened.times()), (&*payload, times));

        let text = sealer.seal_text(&payload, times).unwrap();
        let opened = sealer.open_text(text.as_bytes(), now, Limits::NONE).unwrap();
        prop_assert_eq!((opened.payload(), opened.times()), (&*payload, times));
    }

    #[test]
    fn any_order_of_the_ring_opens(keys in Just([1, 2, 3, 4, 5]).prop_shuffle(), at in 0..5_usize) {
        let context = context("session", "", "");
        let sealed = ring(&keys[at..=at]).sealer(&context).seal_text(b"payload", fresh()).unwrap();
        let opened = ring(&keys).sealer(&context).open_text(sealed.as_bytes(), NOW, Limits::NONE).unwrap();
        prop_assert_eq!(opened.payload(), b"payload");
        prop_assert_eq!(opened.key(), key(keys[at]).id());
        prop_assert_eq!(opened.needs_reseal(), at > 0);
    }

    #[test]
    fn another_context_or_place_is_refused(
        sealed_in in labels(), opened_in in labels(),
        sealed_for in vec(any::<u8>(), 0..4), opened_for in vec(any::<u8>(), 0..4),
    ) {
        let sealer = |[purpose, name, audience]: &[String; 3]| ring(&[1]).sealer(&context(purpose, name, audience));
        let sealed = sealer(&sealed_in).seal(b"payload", &sealed_for, fresh()).unwrap();
        let reason = |context: &[String; 3], bound: &[u8]| {
            sealer(context).open(&sealed, bound, NOW, Limits::NONE).err().map(|rejected| rejected.reason())
        };
        let elsewhere = (sealed_in != opened_in).then_some(Reason::Commitment);
        prop_assert_eq!(reason(&opened_in, &sealed_for), elsewhere);
        let in_another_row = (sealed_for != opened_for).then_some(Reason::Tag);
        prop_assert_eq!(reason(&sealed_in, &opened_for), in_another_row);
        prop_assert_eq!(reason(&opened_in, &opened_for), elsewhere.or(in_another_row));
        for part in 0..3 {
            let mut context = sealed_in.clone();
            context[part].push('x');
            prop_assert_eq!(reason(&context, &sealed_for), Some(Reason::Commitment));
        }
    }

    #[test]
    fn a_server_may_shorten_a_life_but_not_lengthen_it(
        idle: u32, absolute: u32, limits in any::<(u32, u32)>(), later in 0..u64::from(u32::MAX) * 2,
    ) {
        let times = Times::new(NOW, NOW, idle, absolute);
        let limits = Limits { idle: limits.0, absolute: limits.1 };
        let shortest = idle.min(absolute).min(limits.idle).min(limits.absolute);
        prop_assert_eq!(times.check(NOW + later, limits).is_ok(), later < shortest.into());
    }

    #[test]
    fn arbitrary_bytes_are_refused_without_panic(bytes in vec(any::<u8>(), 0..5_000), bound in vec(any::<u8>(), 0..70)) {
        prop_assert!(sealer().open(&bytes, &bound, NOW, Limits::NONE).is_err());
        prop_assert!(sealer().open_text(&bytes, NOW, Limits::NONE).is_err());
    }

    #[test]
    fn text_of_the_right_alphabet_is_refused_without_panic(text in "[A-Za-z0-9_-]{0,500}") {
        prop_assert!(sealer().open_text(text.as_bytes(), NOW, Limits::NONE).is_err());
        // With the first bytes of a true value it gets as far as the commitment.
        let good = sealer().seal_text(b"payload", fresh()).unwrap();
        let text = good[..6].to_owned() + &text;
        prop_assert!(sealer().open_text(text.as_bytes(), NOW, Limits::NONE).is_err());
    }

    #[test]
    fn key_text_is_parsed_or_refused_without_panic(text in "(waxseal1_)?.{0,60}") {
        prop_assert!(SecretKey::from_text(&text).is_err());
    }

    #[test]
    fn keys_come_back_from_their_text(root: [u8; 32]) {
        let key = SecretKey::from_bytes(root);
        prop_assert_eq!(SecretKey::from_text(&key.to_text()).unwrap().id(), key.id());
    }
}

/// Every bit, of values with and without bits to spare in the last character.
#[test]
fn any_flipped_bit_is_refused() {
    for length in [0, 43, 44, 150] {
        let sealed = sealer().seal(&vec![7; length], b"row 7", fresh()).unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let opened = sealer().open(&flipped, b"row 7", NOW, Limits::NONE);
            assert!(opened.is_err(), "{length} bytes, bit {bit}");
        }

        let text = sealer().seal_text(&vec![7; length], fresh()).unwrap().into_bytes();
        for bit in 0..text.len() * 8 {
            let mut flipped = text.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let opened = sealer().open_text(&flipped, NOW, Limits::NONE);
            assert!(opened.is_err(), "text of {length} bytes, bit {bit}");
        }
    }
}

#[test]
fn the_same_payload_is_never_sealed_alike() {
    let [one, two] = [(); 2].map(|()| sealer().seal_text(b"payload", fresh()).unwrap());
    assert_ne!(one, two);
}

#[test]
fn lengths_within_a_step_look_alike() {
    let length = |payload| sealer().seal(&vec![0; payload], b"", fresh()).unwrap().len();
    assert_eq!(length(0), length(43));
    assert_eq!(length(44), length(107));
    assert!(length(43) < length(44));
}
