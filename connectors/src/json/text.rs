//! Text as a JSON string, quickly: most of what a line costs is spent here.
//!
//! Eight bytes are looked at together. They are copied whatever they are, and where one
//! of them has to be escaped, writing goes on from there.

/// How much text is taken at a time: the room for a block of nothing but control
/// characters is six times that.
const BLOCK: usize = 1_024;

/// How many bytes are looked at together.
const WORD: usize = size_of::<u64>();

/// The longest escape: `\u001f`.
const LONGEST: usize = 6;

/// Appends `text` to `out` as a JSON string, quotes and all.
pub(crate) fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for block in text.as_bytes().chunks(BLOCK) {
        let start = out.len();
        out.resize(start + block.len() * LONGEST + WORD, 0);
        let written = escape(block, &mut out[start..]);
        out.truncate(start + written);
    }
    out.push(b'"');
}

/// The length of `text` as a JSON string, quotes and all.
pub(crate) fn text_length(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | 0x08 | b'\t' | b'\n' | 0x0c | b'\r' => 2,
        0..0x20 => LONGEST,
        _ => 1,
    };
    2 + text.bytes().map(escaped).sum::<usize>()
}

/// Writes `block` to `room`, which is long enough, and says how long it has become.
fn escape(block: &[u8], room: &mut [u8]) -> usize {
    let (mut read, mut written) = (0, 0);
    // Whole arrays are assigned, since a copy of a slice becomes a call.
    while let (Some(word), Some(place)) = (
        block[read..].first_chunk::<WORD>(),
        room[written..].first_chunk_mut::<WORD>(),
    ) {
        *place = *word;
        let found = to_escape(u64::from_le_bytes(*word));
        if found == 0 {
            read += WORD;
            written += WORD;
        } else {
            let plain = found.trailing_zeros() as usize / 8;
            written += plain;
            written += write_escape(word[plain], &mut room[written..]);
            read += plain + 1;
        }
    }
    for &byte in &block[read..] {
        if byte < 0x20 || byte == b'"' || byte == b'\\' {
            written += write_escape(byte, &mut room[written..]);
        } else {
            room[written] = byte;
            written += 1;
        }
    }
    written
}

/// Zero when no byte is to be escaped; else the lowest bit that is set is in the first.
fn to_escape(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGH_BITS: u64 = ONES * 0x80;
    // The high bit of the lowest byte that is below the limit, and of none before it:
    // a borrow goes upwards only.
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & HIGH_BITS;
    let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    below(word, 0x20) | equal(b'"') | equal(b'\\')
}

/// Writes the escape of `byte` (RFC 8259, section 7), and says how long it is.
fn write_escape(byte: u8, room: &mut [u8]) -> usize {
    let letter = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        _ => {
            const HEX: [u8; 16] = *b"0123456789abcdef";
            let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 0xf)]];
            room[..4].copy_from_slice(br"\u00");
            room[4..LONGEST].copy_from_slice(&digits);
            return LONGEST;
        }
    };
    room[0] = b'\\';
    room[1] = letter;
    2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(text: &str) -> String {
        let mut out = b"before ".to_vec();
        write_text(text, &mut out);
        String::from_utf8(out)
            .unwrap()
            .strip_prefix("before ")
            .unwrap()
            .to_owned()
    }

    #[test]
    fn every_byte_is_written_as_serde_writes_it_at_every_place_of_a_word() {
        for char in (0..=0x7f_u8)
            .map(char::from)
            .chain(['\u{80}', 'é', '\u{2028}', '😀'])
        {
            for place in 0..17 {
                let mut text = "x".repeat(place);
                text.push(char);
                text.push_str("yz");
                assert_eq!(
                    written(&text),
                    serde_json::to_string(&text).unwrap(),
                    "{text:?}"
                );
            }
        }
    }

    #[test]
    fn texts_of_several_blocks_are_whole() {
        for char in ["a", "\u{1}", "é", "😀"] {
            for length in [BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5] {
                let text = char.repeat(length);
                assert!(
                    written(&text) == serde_json::to_string(&text).unwrap(),
                    "{char:?} {length}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn texts_are_written_as_serde_writes_them(
            text in prop_oneof![
                "\\PC{0,64}",
                "[a\"\\\\\n\u{0}\u{1f}\u{7f}é😀]{0,64}",
                any::<String>(),
            ]
        ) {
            prop_assert_eq!(written(&text), serde_json::to_string(&text).unwrap());
            prop_assert_eq!(text_length(&text), written(&text).len());
        }
    }
}
