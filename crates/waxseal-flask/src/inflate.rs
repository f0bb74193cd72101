//! Compression as itsdangerous does it: zlib, but only if it makes the payload shorter.

use miniz_oxide::deflate::compress_to_vec_zlib;
use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_zlib_with_limit};

use crate::error::Undecodable;

/// zlib's own default.
const LEVEL: u8 = 6;

pub(crate) fn inflate(bytes: &[u8], max_bytes: usize) -> Result<Vec<u8>, Undecodable> {
    decompress_to_vec_zlib_with_limit(bytes, max_bytes).map_err(|error| match error.status {
        TINFLStatus::HasMoreOutput => Undecodable::TooLarge,
        _ => Undecodable::Zlib,
    })
}

/// The compressed bytes, if they are shorter even with the dot that marks them.
pub(crate) fn deflate(bytes: &[u8]) -> Option<Vec<u8>> {
    let compressed = compress_to_vec_zlib(bytes, LEVEL);
    (compressed.len() + 1 < bytes.len()).then_some(compressed)
}
