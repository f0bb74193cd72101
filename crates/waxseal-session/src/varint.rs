//! Lengths as unsigned LEB128 in the shortest form (the format's section "What is sealed").

/// Appends `length`, 1 to 5 bytes.
pub(crate) fn write(buffer: &mut Vec<u8>, length: usize) {
    let mut rest = length;
    while rest >= 0x80 {
        buffer.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    buffer.push(rest as u8);
}

/// The number of bytes that [`write`] adds for `length`.
pub(crate) fn size(length: usize) -> usize {
    let bits = (usize::BITS - length.leading_zeros()).max(1) as usize;
    bits.div_ceil(7)
}

/// Takes a length off the front of `bytes`. `None` if it is cut short, too long, or not in the shortest form.
#[inline]
pub(crate) fn read(bytes: &mut &[u8]) -> Option<usize> {
    // Nearly every length is one byte.
    if let Some((&byte @ 0..0x80, rest)) = bytes.split_first() {
        *bytes = rest;
        return Some(usize::from(byte));
    }
    read_longer(bytes)
}

#[cold]
#[inline(never)]
fn read_longer(bytes: &mut &[u8]) -> Option<usize> {
    let mut length = 0_u64;
    for shift in (0..35).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        length |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let shortest = byte != 0 || shift == 0;
            return shortest.then(|| usize::try_from(length).ok()).flatten();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn odd_forms_are_refused() {
        for (case, bytes) in [
            ("empty", &[][..]),
            ("cut short", &[0x80]),
            ("zero in two bytes", &[0x80, 0x00]),
            ("one in three bytes", &[0x81, 0x80, 0x00]),
            ("six bytes", &[0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        ] {
            assert_eq!(read(&mut &*bytes), None, "{case}");
        }
    }

    proptest! {
        #[test]
        fn reading_undoes_writing(length in 0..=u32::MAX as usize, behind: Vec<u8>) {
            let mut bytes = Vec::new();
            write(&mut bytes, length);
            prop_assert_eq!(bytes.len(), size(length));
            bytes.extend(&behind);
            let mut rest = &bytes[..];
            prop_assert_eq!(read(&mut rest), Some(length));
            prop_assert_eq!(rest, &behind[..]);
        }
    }
}
