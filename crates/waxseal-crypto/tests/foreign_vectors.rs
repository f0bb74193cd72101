//! The format driven from outside, nonce and all, as someone with vectors of their own would:
//! the answers printed in `docs/format.md`.

use waxseal_crypto::{Context, Keyring, Limits, SecretKey, Times};

#[test]
fn the_printed_answers_are_reproduced() {
    let key = SecretKey::from_bytes(std::array::from_fn(|at| at as u8));
    assert_eq!(key.id().to_string(), "4e7b7776");
    assert_eq!(*key.to_text(), "waxseal1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh-w7nHj");

    let sealer =
        Keyring::new(key).sealer(&Context::new("session").unwrap().with_name("__Host-session").unwrap());
    let times = Times::new(1_789_999_900, 1_789_999_990, 1_800, 43_200);
    for (payload, nonce, text) in [
        (
            r#"{"user_id":42}"#,
            0xe3a67b5bc1254cd5b203a2e12561e088_u128
                .to_be_bytes()
                .into_iter()
                .chain(0xa6d4b4219afadaa6_u64.to_be_bytes()),
            "AU57d3aRL_W3GPPU7Mf-qofAqXEEDGnEyewZadXzzQsTLUooBeOme1vBJUzVsgOi4SVh4Iim1LQhmvrapkCu-MEa04tDe0B\
             ovLOUOJgaPNfQFZpoPUGJhHpuKvgJrQbAqcLjhzsvdqRYabeRAprtbR6bTCbekayNKXR0KZ3CRuTp9bkdFTInFkUR6aos",
        ),
        (
            "日本語🦀",
            0xa8293c4fc7af85cacf9fa7cea8cfcfb5_u128
                .to_be_bytes()
                .into_iter()
                .chain(0xd88cd98fa75d1e41_u64.to_be_bytes()),
            "AU57d3aRL_W3GPPU7Mf-qofAqXEEDGnEyewZadXzzQsTLUooBagpPE_Hr4XKz5-nzqjPz7XYjNmPp10eQfYplagIJ1Yx_-W\
             BZAJxI8u3TRc033bqZxu4oGHU4H843EM0ImsLoQ2sglK-tMHK2GoCHeUDJqEi_MadG3dIdASCUp3lnd_WgBjCwC_Eq3sf",
        ),
    ] {
        let nonce: Vec<u8> = nonce.collect();
        let nonce = nonce.try_into().unwrap();
        assert_eq!(sealer.seal_text_with_nonce(payload.as_bytes(), times, nonce).unwrap(), text);
        let opened = sealer.open_text(text.as_bytes(), 1_789_999_990, Limits::NONE).unwrap();
        assert_eq!((opened.payload(), opened.times()), (payload.as_bytes(), times));
    }
}

#[test]
fn the_printed_record_is_reproduced() {
    let key = SecretKey::from_bytes(std::array::from_fn(|at| at as u8));
    let context = Context::new("record").unwrap().with_audience("demo").unwrap();
    let sealer = Keyring::new(key).sealer(&context);
    // SHA-256(00 01 … 1f) | u64 7 | 00 01 … 07
    let bound = [
        &0x630dcd2966c4336691125448bbb25b4f_u128.to_be_bytes()[..],
        &0xf412a49c732db2c8abc1b8581bd710dd_u128.to_be_bytes(),
        &7_u64.to_be_bytes(),
        &[0, 1, 2, 3, 4, 5, 6, 7],
    ]
    .concat();
    let times = Times::new(1_789_999_900, 1_789_999_990, Times::NO_IDLE, 43_200);
    let sealed =
        sealer.seal_with_nonce(b"record", &bound, times, std::array::from_fn(|at| 100 + at as u8)).unwrap();
    let hex: String = sealed.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        "014e7b7776ab0bbce605c8893841727d23365e7d7942dbf83c34c5e100e6cf1de50a0746d46465666768696a6b6c6d6e6\
         f707172737475767778797a7bd8e492216d563cb98acefdc9a4ec04c3e1c044ca85c511f5b1ab7b0971b3570b73754f\
         171dfbd553b8b06ec5ea117399e1ec829710e39ccc472ea52a85260ca173eb71b0302f3416066c15b15a2fe255"
    );
    let opened = sealer.open(&sealed, &bound, 1_789_999_990, Limits::NONE).unwrap();
    assert_eq!(opened.payload(), b"record");
}
