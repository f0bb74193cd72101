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
            "AU57d3bjpntbwSVM1bIDouElYeCIptS0IZr62qYQ8l-m_rj4iG1yXpYKDJgpjGqA3BbmL5j8_14EeaQ_hZFsRw298xMnf5L8\
             QY_V19PaYbeVzL8mHe4DG4ANsLLTJbtbT5lJPyh4_QcXeLLbq6FaK1oPqbiXiDtTyPXzS5299E0j9KcZGGonm0FXj3c9",
        ),
        (
            "日本語🦀",
            0xa8293c4fc7af85cacf9fa7cea8cfcfb5_u128
                .to_be_bytes()
                .into_iter()
                .chain(0xd88cd98fa75d1e41_u64.to_be_bytes()),
            "AU57d3aoKTxPx6-Fys-fp86oz8-12IzZj6ddHkHXA6JgFbqZGHm-CDrkDSTM-Y41SAu0ad57GFVM08oefnB983wysrhEJhcZ\
             1nyFE_xjArz9E2_asOUiJsEQxqrz7YhHLYigfwxM9-AkUCigMnDGhql-WpMJpPrgFjIgWVtWwlBoGP3xiYBlZ7LXtEcI",
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
        "014e7b77766465666768696a6b6c6d6e6f707172737475767778797a7b8980816120f97562e1b59ccee5b28ca67c7f7a\
         5f4cd16a434b8a217b76eaa63f9c6ece0d8d2158042088e609912db47b7820715abbec4fd5848f0deea930ec6fffc4b7\
         c1ab18b9fb3d79c6944e59d76d8520486c5529a3f970abdb40ee186a2ae1956bc55eb8d2f0042e0f9eec49a6c3"
    );
    let opened = sealer.open(&sealed, &bound, 1_789_999_990, Limits::NONE).unwrap();
    assert_eq!(opened.payload(), b"record");
}
