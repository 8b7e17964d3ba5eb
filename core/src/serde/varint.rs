//! Zigzag varints, as Kafka writes lengths into values and headers (Java: `ByteUtils`).

/// Appends `value`.
pub(crate) fn write_varint(value: i64, out: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Takes a number of 32 bits from the front of `bytes`; `None` when there is none.
#[inline]
pub(crate) fn read_varint(bytes: &mut &[u8]) -> Option<i64> {
    let mut value = 0;
    for shift in (0..35).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let limits = [i64::from(i32::MIN), i64::from(i32::MAX)];
        for value in (-200..200).chain(limits) {
            let mut out = Vec::new();
            write_varint(value, &mut out);
            out.push(7);
            let mut bytes = out.as_slice();
            assert_eq!(read_varint(&mut bytes), Some(value));
            assert_eq!(bytes, [7]);
        }
    }

    #[test]
    fn what_does_not_end_is_no_number() {
        assert_eq!(read_varint(&mut [].as_slice()), None);
        assert_eq!(read_varint(&mut [0x80].as_slice()), None);
        assert_eq!(
            read_varint(&mut [0x80, 0x80, 0x80, 0x80, 0x80, 0].as_slice()),
            None
        );
    }
}
