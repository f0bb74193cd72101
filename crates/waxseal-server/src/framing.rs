//! Finds the ends of heads and bodies in the bytes of a connection, and lines that end in a line feed without a
//! carriage return.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use memchr::memchr;

/// Follows the bytes that a client sends, from head to head, to find lines that end in a line feed without a carriage
/// return.
///
/// hyper accepts such lines, as RFC 9112 §2.2 allows, and cannot be configured otherwise. A proxy that does not accept
/// them may see other requests in the same bytes, so a head with such a line is refused here. In a body a line feed is
/// data, so hyper [reports](Self::begin_body) the length of each body once it has read the head.
#[derive(Clone, Debug)]
pub(crate) struct Framing(Arc<Mutex<Place>>);

/// The part of the protocol that the bytes have reached.
#[derive(Debug)]
enum Place {
    Line(Line),
    /// After a head, with the bytes of a body whose length is not known yet.
    Behind(Vec<u8>),
    Data {
        left: u64,
        then: Part,
    },
    /// After a line without a carriage return, or once the connection is no longer HTTP.
    Lost,
}

/// A line that was received in part.
#[derive(Debug)]
struct Line {
    part: Part,
    bytes: u64,
    ends_in_return: bool,
}

/// What a line is.
#[derive(Clone, Copy, Debug)]
enum Part {
    /// Empty lines may precede it.
    Request,
    Field,
    /// The size of a chunk, as far as its digits were received.
    Size {
        size: u64,
        has_ended: bool,
    },
    Trailer,
}

impl Framing {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Place::line(Part::Request))))
    }

    /// Processes bytes that were received.
    pub(crate) fn read(&self, bytes: &[u8]) {
        self.lock().read(bytes);
    }

    /// Notes that hyper has read a head whose body has this length, or is chunked if `None`. Returns `false` if a line
    /// of the head ended without a carriage return, or if hyper sees the end of the head elsewhere.
    pub(crate) fn begin_body(&self, length: Option<u64>) -> bool {
        let mut place = self.lock();
        let Place::Behind(came) = std::mem::replace(&mut *place, Place::Lost) else { return false };
        *place = match length {
            Some(0) => Place::line(Part::Request),
            Some(left) => Place::Data { left, then: Part::Request },
            None => Place::line(Part::SIZE),
        };
        place.read(&came);
        true
    }

    /// Notes that the following bytes are not HTTP.
    pub(crate) fn end(&self) {
        *self.lock() = Place::Lost;
    }

    /// Nothing panics while the lock is held.
    fn lock(&self) -> MutexGuard<'_, Place> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn line(part: Part) -> Self {
        Self::Line(Line { part, bytes: 0, ends_in_return: false })
    }

    fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match self {
                Self::Line(line) => {
                    let Some(at) = memchr(b'\n', bytes) else { return line.add(bytes) };
                    line.add(&bytes[..at]);
                    bytes = &bytes[at + 1..];
                    *self = if line.ends_in_return { line.next() } else { Self::Lost };
                }
                Self::Data { left, then } => {
                    let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= taken as u64;
                    bytes = &bytes[taken..];
                    if *left == 0 {
                        *self = Self::line(*then);
                    }
                }
                Self::Behind(came) => return came.extend_from_slice(bytes),
                Self::Lost => return,
            }
        }
    }
}

impl Line {
    /// Adds bytes of the line, from before its line feed.
    fn add(&mut self, bytes: &[u8]) {
        if let Part::Size { size, has_ended } = &mut self.part {
            for byte in bytes {
                match char::from(*byte).to_digit(16) {
                    Some(digit) if !*has_ended => {
                        *size = size.saturating_mul(16).saturating_add(digit.into());
                    }
                    _ => *has_ended = true,
                }
            }
        }
        self.bytes += bytes.len() as u64;
        self.ends_in_return = bytes.last().map_or(self.ends_in_return, |last| *last == b'\r');
    }

    /// What follows this line.
    fn next(&self) -> Place {
        let is_empty = self.bytes == 1;
        match self.part {
            Part::Field if is_empty => Place::Behind(Vec::new()),
            Part::Request if !is_empty => Place::line(Part::Field),
            Part::Trailer if is_empty => Place::line(Part::Request),
            Part::Size { size: 0, .. } => Place::line(Part::Trailer),
            // The data of the chunk, and the end of its line.
            Part::Size { size, .. } => Place::Data { left: size.saturating_add(2), then: Part::SIZE },
            part => Place::line(part),
        }
    }
}

impl Part {
    const SIZE: Self = Self::Size { size: 0, has_ended: false };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows the bytes, in pieces of `piece` bytes, through heads whose bodies have these lengths. Returns for each
    /// head whether it was accepted.
    fn heads(bytes: &str, lengths: &[Option<u64>], piece: usize) -> Vec<bool> {
        let framing = Framing::new();
        let mut pieces = bytes.as_bytes().chunks(piece);
        let mut taken = Vec::new();
        for length in lengths {
            while matches!(*framing.lock(), Place::Line(_) | Place::Data { .. }) {
                framing.read(pieces.next().expect("a head"));
            }
            taken.push(framing.begin_body(*length));
        }
        taken
    }

    #[test]
    fn a_line_feed_alone_is_found_in_heads_and_nowhere_else() {
        let (get, bare) = ("GET / HTTP/1.1\r\nhost: a\r\n\r\n", "GET / HTTP/1.1\nhost: a\r\n\r\n");
        let chunks = "5;x=y\r\na\nb\nc\r\n0A\r\n0123\n\n6789\r\n0\r\nx: y\r\n\r\n";
        for (case, bytes, lengths, expected) in [
            ("one", get.to_owned(), &[Some(0)][..], &[true][..]),
            ("its first line", bare.to_owned(), &[Some(0)], &[false]),
            ("a field", "GET / HTTP/1.1\r\nhost: a\n\r\n".to_owned(), &[Some(0)], &[false]),
            ("the empty line", "GET / HTTP/1.1\r\nhost: a\r\n\n".to_owned(), &[Some(0)], &[false]),
            ("before the head", format!("\n{get}"), &[Some(0)], &[false]),
            ("empty lines before the head", format!("\r\n\r\n{get}"), &[Some(0)], &[true]),
            ("no field", "GET / HTTP/1.1\r\n\r\n".to_owned(), &[Some(0)], &[true]),
            ("pipelined", format!("{get}{bare}"), &[Some(0), Some(0)], &[true, false]),
            ("nothing after it", format!("{bare}{get}"), &[Some(0), Some(0)], &[false, false]),
            ("in a body", format!("{get}a\n\nb\n{get}"), &[Some(5), Some(0)], &[true, true]),
            ("behind a body", format!("{get}hello{bare}"), &[Some(5), Some(0)], &[true, false]),
            ("in chunks", format!("{get}{chunks}{get}"), &[None, Some(0)], &[true, true]),
            ("behind chunks", format!("{get}{chunks}{bare}"), &[None, Some(0)], &[true, false]),
            ("behind no chunk", format!("{get}0\r\n\r\n{bare}"), &[None, Some(0)], &[true, false]),
            (
                "in a chunk's size",
                format!("{get}5\nhello\r\n0\r\n\r\n{get}"),
                &[None, Some(0)],
                &[true, false],
            ),
            ("in a trailer", format!("{get}0\r\nx: y\n\r\n{get}"), &[None, Some(0)], &[true, false]),
        ] {
            for piece in [1, 2, 3, 7, 1000] {
                assert_eq!(heads(&bytes, lengths, piece), expected, "{case}, in pieces of {piece}");
            }
        }
    }

    #[test]
    fn no_size_of_a_chunk_overflows() {
        let framing = Framing::new();
        framing.read(b"GET / HTTP/1.1\r\n\r\n");
        framing.begin_body(None);
        framing.read(b"fffffffffffffffffffffffff\r\nabc\n");
        assert!(matches!(*framing.lock(), Place::Data { left, .. } if left == u64::MAX - 4));
    }

    #[test]
    fn what_is_no_longer_http_is_not_kept() {
        let framing = Framing::new();
        framing.read(b"GET / HTTP/1.1\r\n\r\n");
        assert!(framing.begin_body(Some(0)));
        framing.read(b"GET / HTTP/1.1\r\n\r\n and more");
        framing.end();
        framing.read(b"any\nthing");
        assert!(matches!(*framing.lock(), Place::Lost));
    }
}
