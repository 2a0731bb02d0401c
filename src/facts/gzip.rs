//! Unpacking what gzip packed (RFC 1952): `/proc/config.gz`, without a process for it.

use std::iter::once;

use miniz_oxide::inflate::decompress_slice_iter_to_slice;

/// Far more than a kernel's configuration, which has about 300 KiB.
const MOST: usize = 8 << 20;

/// Which parts of a variable length stand between the header and the data.
const HEADER_CHECKED: u8 = 2;
const EXTRA: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;

/// The unpacked bytes; none where that is no gzip, or is cut short or damaged.
pub(super) fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let (data, length) = data(packed)?;
    let mut unpacked = vec![0; length.min(MOST)];
    let unpacked_length = decompress_slice_iter_to_slice(&mut unpacked, once(data), false, true).ok()?;
    (unpacked_length == length).then_some(unpacked)
}

/// The deflated data of the only member, and how long the trailer says that they are once unpacked.
fn data(packed: &[u8]) -> Option<(&[u8], usize)> {
    let (header, mut rest) = packed.split_first_chunk::<10>()?;
    let [0x1f, 0x8b, 8, flags, ..] = *header else { return None };
    if flags & EXTRA != 0 {
        let (length, after) = rest.split_first_chunk::<2>()?;
        rest = after.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let end = rest.iter().position(|byte| *byte == 0)?;
            rest = &rest[end + 1..];
        }
    }
    if flags & HEADER_CHECKED != 0 {
        rest = rest.get(2..)?;
    }
    let (rest, length) = rest.split_last_chunk::<4>()?;
    let (data, _checksum) = rest.split_last_chunk::<4>()?;
    Some((data, u32::from_le_bytes(*length) as usize))
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use std::io::Write;

    use flate2::{Compression, GzBuilder};
    use proptest::prelude::*;

    use super::*;

    fn pack(bytes: &[u8], builder: GzBuilder) -> Vec<u8> {
        let mut writer = builder.write(Vec::new(), Compression::best());
        writer.write_all(bytes).and_then(|()| writer.finish()).expect("memory can be written to")
    }

    proptest! {
        #[test]
        fn what_was_packed_comes_back_and_nothing_cut_short(
            bytes in prop::collection::vec(any::<u8>(), 0..2000),
            name in prop::option::of("[a-z]{1,9}"),
            comment in prop::option::of("[a-z]{1,9}"),
            extra in prop::option::of(prop::collection::vec(any::<u8>(), 0..9)),
            cut in 0..2000usize,
        ) {
            let mut builder = GzBuilder::new();
            if let Some(name) = name { builder = builder.filename(name); }
            if let Some(comment) = comment { builder = builder.comment(comment); }
            if let Some(extra) = extra { builder = builder.extra(extra); }
            let packed = pack(&bytes, builder);
            prop_assert_eq!(unpack(&packed), Some(bytes));
            prop_assert_eq!(unpack(&packed[..packed.len() - 1 - cut % packed.len()]), None);
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), flags in any::<u8>()) {
            let _ = unpack(&bytes);
            let header = [0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 0];
            let _ = unpack(&[&header[..], &bytes].concat());
        }
    }

    #[test]
    fn more_than_any_configuration_is_refused() {
        assert_eq!(unpack(&pack(&vec![0; MOST + 1], GzBuilder::new())), None);
    }
}
