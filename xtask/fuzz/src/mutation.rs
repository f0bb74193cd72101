//! Mutations of an input: bytes, pieces, numbers, and pieces of other inputs.

use fastrand::Rng;

/// The longest input: more than any limit of what is read from a head, and enough for several pieces of a body.
pub(crate) const MOST: usize = 20_000;

/// Bytes and texts at which parsers turn.
const MARKS: [&[u8]; 38] = [
    b"\0",
    b"\r\n",
    b"\n",
    b";",
    b"=",
    b",",
    b".",
    b"..",
    b"/",
    b"%",
    b"%00",
    b"%2e%2e%2f",
    b"%",
    b"\"",
    b"\\",
    b"'",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b"::",
    b"-1",
    b"0",
    b"1e999",
    b"null",
    b"18446744073709551616",
    b"\xff",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xc1",
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\xef\xbb\xbf",
    b"+",
];
const TURNS: [u8; 12] = [0, 1, 0x7f, 0x80, 0x81, 0xfe, 0xff, b' ', b'\t', b'=', b';', b'%'];

/// Makes `input` a changed copy of `from`, with pieces of `other`.
pub(crate) fn mutate(input: &mut Vec<u8>, from: &[u8], other: &[u8], random: &mut Rng) {
    input.clear();
    input.extend_from_slice(from);
    let limit = (from.len() + room(random)).min(MOST);
    // Mostly one change, at times many.
    let most = random.u32(0..=4);
    let changes = 1 << random.u32(0..=most);
    for _ in 0..changes {
        change(input, other, limit, random);
        input.truncate(limit);
    }
}

/// The bytes by which an input may grow: from 156 to [`MOST`], many of them seldom.
///
/// What a long input finds is mostly found by a short one in a hundredth of the time.
fn room(random: &mut Rng) -> usize {
    let least = random.u32(0..=7);
    MOST >> random.u32(least..=7)
}

fn change(input: &mut Vec<u8>, other: &[u8], limit: usize, random: &mut Rng) {
    let at = random.usize(0..=input.len());
    match random.u8(0..13) {
        0 => flip(input, random),
        1 => set(input, random.u8(..), random),
        2 => set(input, TURNS[random.usize(..TURNS.len())], random),
        3 => insert(input, at, MARKS[random.usize(..MARKS.len())]),
        4 => input.truncate(at),
        5 => drop(input.drain(piece(input.len(), random))),
        // A piece twice, up to thousands of times: depth and number.
        6 => {
            let piece = input[piece(input.len(), random)].to_vec();
            let most = random.u32(0..=13);
            let times = 1 << random.u32(0..=most);
            let room = (limit - input.len()) / piece.len().max(1);
            insert(input, at, &piece.repeat(times.min(room.max(1))));
        }
        7 => insert(input, at, &other[piece(other.len(), random)]),
        // Over what is there.
        8 => {
            let new = &other[piece(other.len(), random)];
            let end = (at + new.len()).min(input.len());
            drop(input.splice(at..end, new.iter().copied()));
        }
        9 => number(input, random),
        10 => {
            let new: [u8; 8] = random.u64(..).to_ne_bytes();
            insert(input, at, &new[..random.usize(1..9)]);
        }
        11 => add(input, random),
        _ => {
            let (one, two) = (piece(input.len(), random), piece(input.len(), random));
            let moved = input[one].to_vec();
            drop(input.splice(two, moved));
        }
    }
}

/// Puts `new` before the byte at `at`; many times quicker than `splice`, which goes byte by byte.
fn insert(input: &mut Vec<u8>, at: usize, new: &[u8]) {
    input.extend_from_slice(new);
    input[at..].rotate_right(new.len());
}

/// A range within `length`, mostly a short one.
fn piece(length: usize, random: &mut Rng) -> std::ops::Range<usize> {
    let start = random.usize(0..=length);
    let most = if random.u8(0..4) == 0 { length - start } else { (length - start).min(16) };
    start..start + random.usize(0..=most)
}

fn flip(input: &mut [u8], random: &mut Rng) {
    if !input.is_empty() {
        let at = random.usize(..input.len());
        input[at] ^= 1 << random.u8(0..8);
    }
}

fn set(input: &mut [u8], byte: u8, random: &mut Rng) {
    if !input.is_empty() {
        let at = random.usize(..input.len());
        input[at] = byte;
    }
}

fn add(input: &mut [u8], random: &mut Rng) {
    if !input.is_empty() {
        let at = random.usize(..input.len());
        input[at] = input[at].wrapping_add_signed(random.i8(-4..=4));
    }
}

/// Another number in place of one of 1, 2, 4 or 8 bytes, or of one in digits.
fn number(input: &mut Vec<u8>, random: &mut Rng) {
    let value: u64 = [0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff, u64::MAX >> 1, u64::MAX]
        [random.usize(..10)];
    if random.bool()
        && let Some(start) = input.iter().position(u8::is_ascii_digit)
    {
        let digits = input[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        input.splice(start..start + digits, value.to_string().into_bytes());
        return;
    }
    let width = 1 << random.u32(0..4);
    if input.len() >= width {
        let at = random.usize(0..=input.len() - width);
        input[at..at + width].copy_from_slice(&value.to_be_bytes()[8 - width..]);
    }
}
